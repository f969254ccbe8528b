"""What the CPU of an image is used for: the daemons' own CPU times, thread by thread, and the seconds in the ledger.

The ventilator's child reads: columns to Stokes, weights, compression. Daemons have one loop each, and the worker one
thread for the long work; ZeroMQ has threads of its own, which are known by name. So the imaging thread is image,
beam and FITS, shared among them as the wall seconds in the ledger, and the rest of the worker is receiving, decoding,
and handing on. Control messages are in the loops' shares.
"""

import json
import sqlite3
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.programs import (
    REPOSITORY,
    USUAL,
    Observation,
    Work,
    emptied,
    environment,
    fip_command,
    plain_command,
    run,
    simulated,
)
from benchmarks.report import Line

_EVERY = 0.1  # s between two looks at the daemons
_PROCESSES = {"fip", "ventilator", "reader", "worker", "sink"}
_STARTED = 6  # the first sixth of the images is not counted: start-up


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a run was, and the CPU seconds its threads had taken until then."""

    images: int
    seconds: dict[str, float]  # by "ventilator thread", "ventilator loop", ...


def measure(scratch: Path, images: tuple[int, int], work: Work = USUAL) -> list[Line]:
    """CPU milliseconds of an image, stage by stage, of FIP with one worker and its own kernel and of the plain loop.

    FIP makes the larger number of images, and the first are not counted; the loop has no start-up to leave out.
    """
    few, many = (simulated(scratch, count, work) for count in images)
    directory = emptied(scratch / "stages")
    before, after = _watched(fip_command(many, directory), directory, many.integrations // _STARTED)
    each = {
        name: (after.seconds[name] - before.seconds[name]) / (after.images - before.images) for name in after.seconds
    }
    imaging = _ledger_seconds(directory, before.images)
    whole = sum(imaging.values())
    ours = {
        "read + Stokes (reader)": each["reader loop"],
        "pass on (ventilator)": each["ventilator loop"],
        "receive + decode, hand on (worker)": each["worker loop"],
        **{f"{name} (worker)": each["worker thread"] * seconds / whole for name, seconds in imaging.items()},
        "store (sink)": each["sink loop"],
        "progress (fip run)": each["fip loop"],
    }
    plain = _plain(few, scratch / "stages-plain")
    lines = [_line(stage, value, plain.get(stage.split()[0])) for stage, value in ours.items()]
    return [*lines, _line("all", sum(ours.values()), sum(plain.values()))]


def _line(stage: str, ours: float, plain: float | None) -> Line:
    return Line(stage, 1e3 * ours, plain and 1e3 * plain, plain and ours / plain)


def _watched(command: list[str], directory: Path, first: int) -> tuple[Sample, Sample]:
    """Run FIP; return its CPU when the first images were stored, and when it was last seen with all its threads."""
    samples = []
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            samples += _sample(process.pid, directory)
            time.sleep(_EVERY)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    counted = [sample for sample in samples if sample.images >= first and "worker thread" in sample.seconds]
    return counted[0], counted[-1]


def _sample(pid: int, directory: Path) -> list[Sample]:
    """One sample, or none while not all daemons are there."""
    seconds: defaultdict[str, float] = defaultdict(float)
    images = len(list(directory.glob("*-dirty.fits")))
    try:
        found = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        processes = {_role(each): each for each in found}
        if not set(processes) >= _PROCESSES:
            return []
        for role, process in processes.items():
            for thread in process.threads():
                loop = thread.id == process.pid or _is_zeromq(process.pid, thread.id)
                seconds[f"{role} {'loop' if loop else 'thread'}"] += thread.user_time + thread.system_time
    except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):  # one has just ended
        return []
    return [Sample(images, seconds)]


def _role(process: psutil.Process) -> str:
    """One of those above; "" while it is only being started."""
    names = [Path(word).name for word in process.cmdline()]
    if any("fip.source.child" in name for name in names):
        return "reader"
    return next((name.removeprefix("fip-") for name in names if name.startswith("fip")), "")


def _is_zeromq(pid: int, thread: int) -> bool:
    return Path(f"/proc/{pid}/task/{thread}/comm").read_text().startswith("ZMQ")


def _ledger_seconds(directory: Path, first: int) -> dict[str, float]:
    """Wall seconds of the images after the first so many, in each stage of the imaging thread."""
    with sqlite3.connect(directory / "fip.sqlite") as ledger:
        rows = [json.loads(text) for (text,) in ledger.execute("SELECT seconds FROM slices ORDER BY recorded")]
    return {name: sum(row[name] for row in rows[first:]) for name in ("image", "beam", "fits")}


def _plain(observed: Observation, directory: Path) -> dict[str, float]:
    spent: dict[str, float] = json.loads(run(plain_command(observed, emptied(directory))).output)
    return {stage: seconds / observed.integrations for stage, seconds in spent.items()}
