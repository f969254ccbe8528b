"""`fip run`: everything that can go wrong is looked for first, then the daemons are started and watched."""

import os
import re
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from fip.archive.entries import RunTotals
from fip.archive.file_names import LOG_FILE
from fip.archive.ledger import Ledger
from fip.archive.verify import Fault, amount
from fip.client.operator import new_job
from fip.config import Config, Follower, Monitor
from fip.data.arriving import Rules
from fip.data.corrections import OWN
from fip.data.errors import FipError, NoRoomError, NotYetError, UsageError
from fip.data.joining import name_of
from fip.data.names import RunId
from fip.data.settings import Asked
from fip.imaging.cuda.device import check_gpu
from fip.imaging.kernels import CPU, SDP_FUNC
from fip.imaging.slant.cache import is_warm
from fip.imaging.slant.scheme import scheme_for
from fip.layout.reading import cores, readers_for
from fip.local.comparing import check_data
from fip.local.forks import import_daemons, keep_memory
from fip.local.joining import joined
from fip.local.launch import Pipeline, page_address
from fip.local.user_code import settled
from fip.local.written import ARRIVALS, as_written
from fip.sink.store import Store
from fip.source.child import Child
from fip.source.requests import RunFacts, forget, look
from fip.terminal.progress import RunProgress, summary
from fip.wire.messages import Follow, JobStatus, Submit

EXIT_INTERRUPTED = 130
MOST_FAULTS = 20  # that are named
BUSY_PATIENCE = 3.0  # s


def run(
    paths: list[Path],
    config: Config,
    output: Path | None,
    workers: Mapping[str, str],
    overwrite: bool,
    web: bool,
    console: Console,
    repair: bool = False,
    followers: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    detect: bool = False,
) -> int:
    """Image every slice of these MeasurementSets with workers name -> device; return the exit code.

    With `web`, there is a page to watch it on. With `repair`, slices whose files are not as they were stored are imaged
    again. The `followers`, package.module:step or names in the configuration, see each image that is stored. With
    `detect`, find transients in them, as [detector] of the configuration says.
    Call `progress` with the number of stored images, and of all.

    Raises FipError.
    """
    directory = output_of(paths, output, config.source.join)
    if (with_model := _with_own_model(paths, config, directory, workers, overwrite, console)) is None:
        return EXIT_INTERRUPTED
    config = with_model
    paths, source = joined(paths, config.source)
    config = config.model_copy(update={"source": source, "follower": _chosen(config, followers)})
    if detect:
        _check_detector(directory, config, overwrite)
    keep_memory()  # of all that is forked from here
    config = settled(config)
    asked, follow = config.asked, follow_of(config)
    with Child.fork() as reader:
        check_devices(config.imaging.kernel, workers.values())
        import_daemons(("fip-ventilator", "fip-sink", "fip-worker"))  # while the child does the same
        looked = _look_into(paths, asked, follow, directory, console, reader)
        to_repair = {run for each in looked.values() for run in (each.run, each.older)} if repair else set()
        with closing(_opened(directory, config.sink.ledger)) as store:
            faults = _prepare(store, asked, overwrite, to_repair, console)
            if overwrite:
                _forget(directory)
                shutil.rmtree(directory / ARRIVALS, ignore_errors=True)
            before = {totals.run: totals.stored for totals in store.ledger.totals()}
            looked = {path: _as_known(each, before) for path, each in looked.items()}
            for path, each in looked.items():
                check_data(store, path, asked, each, reader, partial(_note, console, each.name))
        found = list(looked.values())
        interrupted, job, begun = False, None, time.monotonic()
        if follow or any(before.get(each.run, 0) < len(each.times) for each in found):
            warm(config.imaging.kernel, config.imaging.epsilon)
            begun = time.monotonic()  # to compile is no imaging
            submit = new_job(paths, asked, directory="", follow=follow)
            page = _page(config.monitor, console) if web else None
            readers = readers_for(config, cores(), workers.values())
            with Pipeline(config, directory, workers, directory / LOG_FILE, reader, page, readers, detect) as pipeline:
                interrupted, job = _watch(pipeline, submit, console, sum(len(each.times) for each in found), progress)
        seconds = time.monotonic() - begun
    code = _conclude(directory, found, before, job, seconds, interrupted, console, bool(faults))
    if config.follower and not interrupted:  # they were ended with the rest: what they have not seen, they see now
        from fip.local.followers import follow as follow_stored

        code = max(code, 0 if follow_stored(directory, config.follower, console) else 1)
    if detect and not interrupted:
        code = max(code, _detect(directory, config, console))
    return code


def _with_own_model(
    paths: list[Path], config: Config, directory: Path, workers: Mapping[str, str], overwrite: bool, console: Console
) -> Config | None:
    """Make the sky model of the run's own images, if it is asked for; return None if that was interrupted."""
    if OWN not in config.source.sky_model:
        return config
    from fip.local.modelling import with_own_model  # it imports this module

    try:
        return with_own_model(paths, config, directory, workers, overwrite, partial(_say, console))
    except KeyboardInterrupt:
        console.print("interrupted: run it again to resume", style="yellow")
        return None


def _chosen(config: Config, given: Sequence[str]) -> dict[str, Follower]:
    """Return the followers of a run. Raises UsageError."""
    if not given:
        return {}
    from fip.local.followers import chosen  # which reads images: only who has followers waits for that

    return chosen(config, given)


def _check_detector(directory: Path, config: Config, overwrite: bool) -> None:
    """Raise UsageError if the detector cannot do what is asked, or the directory holds what another search found.

    If its images are to be overwritten, it may: what was found in them goes with them.
    """
    from fip.events.duty import asked_of, known_of  # which import the search: only who asks for it waits for that
    from fip.local.detecting import check_search

    asked, _ = asked_of(config.detector), known_of(config)
    if not overwrite:
        check_search(directory, asked)


def _forget(directory: Path) -> None:
    """Remove what was found in images that are no more: nobody is to hear of it any longer."""
    from fip.events.words import FOLDER

    if (directory / FOLDER).exists():
        from fip.local.detecting import forget  # which imports the search

        forget(directory)


def _detect(directory: Path, config: Config, console: Console) -> int:
    """Search what the run's detector had not searched when the run was over, and say what was found in all."""
    from fip.events.duty import asked_of, known_of
    from fip.events.words import FOLDER
    from fip.local.detecting import search

    asked, say = asked_of(config.detector), partial(_say, console)
    return search(directory, directory / FOLDER, asked, say, config.alerts, known=known_of(config))


def output_of(paths: Sequence[Path], output: Path | None, join: Sequence[str] = ()) -> Path:
    """Return the folder of the images of these MeasurementSets, which may be joined: `output`, or else ./NAME.fip."""
    return output or Path(f"{name_of(paths[0], paths[1:] if join else ())}.fip")


def _say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it stands."""
    console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)


def _page(monitor: Monitor, console: Console) -> str:
    """Return the address of the page, and print it."""
    address = page_address(monitor)
    if address.rpartition(":")[2] != monitor.address.rpartition(":")[2]:
        console.print(f"port {monitor.port} is taken, perhaps by the page of another run")
    console.print(f"watch it at http://{address}/", style="bold", soft_wrap=True)
    return address


def workers_on(devices: str, cpu_workers: int | None) -> dict[str, str]:
    """Return workers by name, each with its device: one for each time that `devices` ("cpu,cuda:0") names a GPU,
    and `cpu_workers` if it names "cpu".

    If `cpu_workers` is None, there is one for each core that this process may use. Raises UsageError.
    """
    workers: dict[str, str] = {}
    for device in devices.split(","):
        if device == CPU:
            workers |= {f"cpu{n}": CPU for n in range(cpu_workers or len(os.sched_getaffinity(0)))}
        elif re.fullmatch(r"cuda:[0-9]{1,3}", device):
            gpu, there = f"gpu{int(device[5:])}", list(workers.values()).count(device)
            workers[f"{gpu}-{there}" if there else gpu] = device
        else:
            raise UsageError(f"--devices {devices}: '{device}' is no device: give cpu, cuda:0, or as cpu,cuda:0")
    if cpu_workers and CPU not in workers.values():
        raise UsageError(f"--workers {cpu_workers} is for CPU workers, and --devices {devices} has none: add cpu")
    return workers


def check_devices(kernel: str, devices: Collection[str]) -> None:
    """Raise UsageError if a device is missing, or the kernel does not run on one of them."""
    if kernel == SDP_FUNC and CPU in devices:
        raise UsageError(f"--kernel {SDP_FUNC} runs on GPUs alone: give --devices cuda:0")
    gpus = set(devices) - {CPU}
    if gpus:
        with ProcessPoolExecutor(1, get_context("fork")) as apart:  # who has seen a GPU cannot fork daemons that use it
            for gpu in sorted(gpus):
                apart.submit(check_gpu, gpu).result()


def warm(kernel: str, epsilon: float) -> None:
    """Compile the slant kernel for this machine before a slice waits for it; GPUs need its plan."""
    if kernel in ("auto", "slant") and not is_warm([scheme_for(epsilon).precision]):
        fip = Path(sysconfig.get_path("scripts")) / "fip"
        subprocess.run([fip, "warmup", "--epsilon", f"{epsilon}"], check=False)


def follow_of(config: Config) -> Follow | None:
    """Return how to follow MeasurementSets that are still being written; None if they are whole."""
    source = config.source
    if not source.follow:
        return None
    rules = Rules(source.follow_settle, source.follow_grace, source.follow_parts, source.follow_marker)
    return Follow(source.follow_complete, source.follow_end, rules)


def _look_into(
    paths: Sequence[Path], asked: Asked, follow: Follow | None, directory: Path, console: Console, reader: Child
) -> dict[Path, RunFacts]:
    """Open MeasurementSets as the ventilator will: their faults are known before anything is started.

    Those that are to be followed and hold nothing yet are left out.
    """
    found: dict[Path, RunFacts] = {}
    for path in paths:
        writing, held = as_written(directory, path, follow.rules) if follow else (None, None)
        try:
            found[path] = reader.call(look, path, asked, writing, False, False, 0, held)
        except NotYetError as error:
            console.print(f"waiting for data: {error}", style="yellow", soft_wrap=True)
        finally:
            if held:
                held.close()
            if writing and not writing.manifest:  # the ventilator opens it by another name: not twice in one process
                reader.call(forget, path, asked, writing)
    if len({each.run for each in found.values()}) < len(found) or len(set(paths)) < len(paths):
        raise UsageError("the same MeasurementSet is named twice: name each once")
    for each in found.values():
        for note in each.notes:
            _note(console, each.name, note)
    return found


def _note(console: Console, name: str, note: str) -> None:
    """Say something about a MeasurementSet that is good to know."""
    console.print(f"{name}: {note}", style="dim", soft_wrap=True)


def _as_known(found: RunFacts, known: Container[RunId]) -> RunFacts:
    """Return the run under its older id, if the directory has it under that."""
    older = found.older
    return replace(found, run=older) if older and older in known and found.run not in known else found


def _prepare(
    store: Store, asked: Asked, overwrite: bool, to_repair: Container[RunId | None], console: Console
) -> list[Fault]:
    """Check that the directory can take these images; return what is wrong with those that it has.

    What is wrong with runs `to_repair` is named, and is no longer among what it has.
    """
    if overwrite:
        store.clear()
    refusal = store.refusal(asked)
    if refusal:
        raise UsageError(refusal)
    faults = store.faults()
    ours = [each for each in faults if each.run in to_repair]
    store.repair(ours)
    left = [each for each in faults if each not in ours]
    _name_faults(ours, "imaged again", console)
    _name_faults(left, "--repair, with the MeasurementSets that they are of, images them again", console)
    return left


def _opened(directory: Path, ledgers: Path | None) -> Store:
    """Return the directory, opened; wait a moment if another process holds its ledger. Raises UsageError."""
    until = time.monotonic() + BUSY_PATIENCE
    while True:
        try:
            return Store(directory, ledgers=ledgers)
        except NoRoomError as error:
            if time.monotonic() > until:
                raise UsageError(str(error)) from None
        time.sleep(0.1)


def _name_faults(faults: Sequence[Fault], remedy: str, console: Console) -> None:
    """Name the files that are not as they were stored."""
    if not faults:
        return
    lines = [f"{amount(len(faults))} not as stored: {remedy}", *map(str, faults[:MOST_FAULTS])]
    if len(faults) > MOST_FAULTS:
        lines.append(f"and {len(faults) - MOST_FAULTS} more: `fip verify` names them all")
    for line in lines:
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _watch(
    pipeline: Pipeline, submit: Submit, console: Console, slices: int, told: Callable[[int, int], None] | None
) -> tuple[bool, JobStatus | None]:
    """Show progress until the job ends; return whether it was interrupted, and its last status."""
    last: JobStatus | None = None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with RunProgress(console, slices, told) as progress:
            for job, status in pipeline.image(submit):
                last = job
                progress.show(status)
    except KeyboardInterrupt:
        console.print("interrupted: storing what is in work", style="yellow")
        return True, last
    return False, last


def _totals(directory: Path, found: Sequence[RunFacts], job: JobStatus | None) -> list[RunTotals]:
    """Return what the ledger has of the runs that were found at first, and of those that came to be known later."""
    with closing(Ledger(directory, read_only=True)) as ledger:
        held = {totals.run: totals for totals in ledger.totals()}
    asked = {each.run: RunTotals(each.run, each.name, "", len(each.times), 0, 0, ()) for each in found}
    later = [run.run for run in job.runs if run.run in held] if job else []
    return [held.get(run) or asked[run] for run in dict.fromkeys([*asked, *later])]


def _conclude(
    directory: Path,
    found: Sequence[RunFacts],
    before: Mapping[str, int],
    job: JobStatus | None,
    seconds: float,
    interrupted: bool,
    console: Console,
    damaged: bool,
) -> int:
    """Say what has become of the run, `damaged` if stored files are not as they were; return the exit code.

    FipError if a MeasurementSet could not be imaged at all.
    """
    totals = _totals(directory, found, job)
    made = {each.run: each.stored - before.get(each.run, 0) for each in totals}
    whole = [each for each in found if each.final]
    observed = sum(each.observed * made[each.run] / len(each.times) for each in whole)
    missed = sum(run.missed for run in job.runs) if job else 0
    oddities = {run.name: run.oddities for run in job.runs if run.oddities} if job else {}
    last_words = summary(totals, seconds, sum(made.values()), observed, missed, directory, oddities)
    console.print(last_words, soft_wrap=True)
    if interrupted:
        console.print("run it again to resume", style="yellow")
        return EXIT_INTERRUPTED
    if job and job.state == "failed":
        raise FipError(job.reason)
    if not any(made.values()) and not damaged and all(each.stored == each.total for each in totals):
        console.print("nothing was left to do: every slice was stored before")
    return 0 if all(each.final and each.stored == each.total for each in totals) and not damaged else 1
