"""`fip run`: everything that can go wrong is looked for first, then the daemons are started and watched."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fip.config import Config, Monitor
from fip.data import Selection, Subset
from fip.errors import FipError, UsageError
from fip.isolation import in_child
from fip.kernels import CPU, SDP_FUNC
from fip.launch import Pipeline, page_address
from fip.ledger import Ledger, RunTotals
from fip.messages import JobStatus
from fip.progress import RunProgress, summary
from fip.source import open_run
from fip.store import LOG_FILE, Store

EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Opened:
    """What `fip run` found in one MeasurementSet."""

    run: str
    name: str
    slices: int
    span: float  # s, from the first slice to the last, and one more
    notes: tuple[str, ...]


def run(
    paths: list[Path],
    config: Config,
    output: Path | None,
    workers: Mapping[str, str],
    overwrite: bool,
    web: bool,
    console: Console,
) -> int:
    """Images every slice of these MeasurementSets with workers name -> device; returns the exit code.

    With `web`, there is a page to watch it on.

    Raises FipError.
    """
    check_devices(config.imaging.kernel, workers.values())
    selection = selection_of(config)
    opened = [in_child(_look_into, path, selection) for path in paths]
    if len({each.run for each in opened}) < len(opened):
        raise UsageError("the same MeasurementSet is named twice: name each once")
    for each in opened:
        for note in each.notes:
            console.print(f"{each.name}: {note}", style="dim", highlight=False, soft_wrap=True)
    directory = output or Path(f"{opened[0].name}.fip")
    before = _prepare(directory, selection, overwrite)
    begun = time.monotonic()
    interrupted, job = False, None
    if any(before.get(each.run, 0) < each.slices for each in opened):
        page = _page(config.monitor, console) if web else None
        with Pipeline(config, directory, workers, directory / LOG_FILE, page) as pipeline:
            interrupted, job = _watch(pipeline, paths, selection, console, sum(each.slices for each in opened))
    seconds = time.monotonic() - begun
    return _conclude(opened, before, directory, seconds, job, interrupted, console)


def _page(monitor: Monitor, console: Console) -> str:
    """Says where the page will be."""
    address = page_address(monitor)
    if address.rpartition(":")[2] != monitor.address.rpartition(":")[2]:
        console.print(f"port {monitor.port} is taken, perhaps by the page of another run", highlight=False)
    console.print(f"watch it at http://{address}/", style="bold", highlight=False, soft_wrap=True)
    return address


def workers_on(devices: str, cpu_workers: int | None) -> dict[str, str]:
    """Workers by name, each with its device: one a GPU of `devices` ("cpu,cuda:0"), `cpu_workers` where "cpu" is there.

    None is one for each core that this process may use. Raises UsageError.
    """
    workers: dict[str, str] = {}
    for device in devices.split(","):
        if device == CPU:
            workers |= {f"cpu{n}": CPU for n in range(cpu_workers or len(os.sched_getaffinity(0)))}
        elif re.fullmatch(r"cuda:[0-9]{1,3}", device):
            workers[f"gpu{int(device[5:])}"] = device
        else:
            raise UsageError(f"--devices {devices}: '{device}' is no device: give cpu, cuda:0, or as cpu,cuda:0")
    if cpu_workers and CPU not in workers.values():
        raise UsageError(f"--workers {cpu_workers} is for CPU workers, and --devices {devices} has none: add cpu")
    return workers


def check_devices(kernel: str, devices: Iterable[str]) -> None:
    """UsageError where a device is missing, or the kernel does not run on one of them."""
    for device in devices:
        if device != CPU:
            from fip.cuda.device import check_gpu  # late: it imports cupy

            check_gpu(device)
        elif kernel == SDP_FUNC:
            raise UsageError(f"--kernel {SDP_FUNC} runs on GPUs alone: give --devices cuda:0")


def selection_of(config: Config) -> Selection:
    """What the configuration asks of a run."""
    imaging, source = config.imaging, config.source
    return Selection(
        subset=Subset(
            field=source.field or (),
            spw=source.spw or (),
            scan=source.scan or (),
            antenna=source.antenna or (),
            uv_range=source.uv_range,
            interval=source.interval,
            time_range=source.time_range,
            average=source.average,
        ),
        column=source.column,
        subtract_model=source.subtract_model,
        stokes=imaging.stokes,
        size=imaging.size,
        scale=imaging.scale,
        epsilon=imaging.epsilon,
        kernel=imaging.kernel,
        weighting=imaging.weight[0],
        robust=imaging.robustness,
        taper=imaging.taper,
        channels_out=imaging.channels_out,
        make_psf=imaging.make_psf,
        phase_centre=imaging.phase_centre,
    )


def _look_into(path: Path, selection: Selection) -> Opened:
    """Opens a MeasurementSet as the ventilator will: its faults are known before anything is started."""
    source = open_run(path, selection)
    times = [each.time for each in source.slices]
    span = max(times) - min(times) + (source.cadence or 0.0)
    opened = Opened(source.id, source.name, len(source.slices), span, source.notes)
    source.close()
    return opened


def _prepare(directory: Path, selection: Selection, overwrite: bool) -> dict[str, int]:
    """Sees that the directory can take these images; returns how many of each run it has."""
    store = Store(directory)
    try:
        if overwrite:
            store.clear()
        refusal = store.refusal(selection)
        if refusal:
            raise UsageError(refusal)
        return {totals.run: totals.stored for totals in store.ledger.totals()}
    finally:
        store.close()


def _watch(
    pipeline: Pipeline, paths: list[Path], selection: Selection, console: Console, slices: int
) -> tuple[bool, JobStatus | None]:
    """Shows progress until the job ends; whether it was interrupted, and its last status."""
    last: JobStatus | None = None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with RunProgress(console, slices) as progress:
            for job, status in pipeline.image(paths, selection):
                last = job
                progress.show(status)
    except KeyboardInterrupt:
        console.print("interrupted: storing what is in work", style="yellow")
        return True, last
    if last and last.state == "failed":
        raise FipError(last.reason)
    return False, last


def _conclude(
    opened: list[Opened],
    before: dict[str, int],
    directory: Path,
    seconds: float,
    job: JobStatus | None,
    interrupted: bool,
    console: Console,
) -> int:
    ledger = Ledger(directory, read_only=True)
    held = {totals.run: totals for totals in ledger.totals()}
    ledger.close()
    totals = [held.get(each.run, RunTotals(each.run, each.name, "", each.slices, 0, 0, ())) for each in opened]
    made = {each.run: held[each.run].stored - before.get(each.run, 0) for each in opened if each.run in held}
    observed = sum(each.span * made.get(each.run, 0) / each.slices for each in opened)
    missed = sum(run.missed for run in job.runs) if job else 0
    new = sum(made.values())
    console.print(summary(totals, seconds, new, observed, missed, directory), highlight=False, soft_wrap=True)
    if not new and not interrupted:
        console.print("nothing was left to do: every slice was stored before")
    if interrupted:
        console.print("run it again to resume", style="yellow")
        return EXIT_INTERRUPTED
    return 0 if all(each.stored == each.total for each in totals) else 1
