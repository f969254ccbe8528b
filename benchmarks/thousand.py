"""One ventilator and one sink with very many workers: `python -m benchmarks.thousand [--workers 1000] [--lose 100]`.

Ventilator and sink are the real daemons, over ipc; the ventilator's reading is replaced (stand_in.py), as children do
that. One process speaks for all workers (crowd.py). What counts is CPU: of the loop of each daemon, a second without a
job and a slice with one; if one is at 100 per cent of a core, it is saturated. With `--lose` workers count as silent
as soon as always, so that the process that speaks for them must have a core.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.protocol import observation
from benchmarks.stand_in import launcher
from fip.wire.messages import STATE_INTERVAL
from support.many_slices import SELECTION
from support.mesh import Mesh

MEGABYTES = 0.025  # of a slice, as of 27 antennas and 4 channels
INTEGRATIONS = 5  # of the set that is opened
PATIENCE = 120.0  # s that a worker may be silent: the process that speaks for all may be slow on a busy machine
WARM = 0.15  # of the slices, before what is counted
COUNTED = 0.85  # of the slices, after which nothing is: the last ones wait for each other


@dataclass(frozen=True)
class Used:
    """What was used up to one moment."""

    at: float  # monotonic s
    stored: int
    said: float  # states and briefs of workers
    cpu: dict[str, float]  # s, of each daemon's own process


def used(mesh: Mesh, people: subprocess.Popen[str], stored: int = 0) -> Used:
    """What the daemons have used by now."""
    times = {name: psutil.Process(daemon.pid).cpu_times() for name, daemon in mesh.daemons.items()}
    (said,) = ask(people, "said")
    return Used(time.monotonic(), stored, said, {name: each.user + each.system for name, each in times.items()})


@contextmanager
def crowd(mesh: Mesh, workers: int, seconds: float, every: float) -> Iterator[subprocess.Popen[str]]:
    """The process that speaks for all workers."""
    numbers = map(str, (workers, seconds, every))
    command = [sys.executable, "-m", "benchmarks.crowd", mesh.config.ventilator.control, *numbers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[str], word: str) -> list[float]:
    """Ask the crowd, and return what it answers."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(word + "\n")
    process.stdin.flush()
    return [float(each) for each in process.stdout.readline().split()]


def stored_in(directory: Path) -> int:
    """How many images the ledger has."""
    place = directory / "fip.sqlite"
    if not place.exists():
        return 0
    ledger = sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=5.0)
    try:
        return int(ledger.execute("SELECT count(*) FROM slices").fetchone()[0])
    except sqlite3.OperationalError:  # it is being made
        return 0
    finally:
        ledger.close()


def until(directory: Path, number: float, within: float = 600.0) -> int:
    """Wait until so many images are stored; return how many are."""
    give_up = time.monotonic() + within
    while (stored := stored_in(directory)) < number:
        if time.monotonic() > give_up:
            raise SystemExit(f"only {stored} of {number:.0f} images within {within:.0f} s")
        time.sleep(0.2)
    return stored


def tell(what: str, before: Used, after: Used, of_a_state: float = 0.0) -> float:
    """CPU between two moments; returns what a worker's state, or brief, takes of the ventilator, s.

    That of a slice is without what `of_a_state` says for all that workers said meanwhile.
    """
    took, slices, said = after.at - before.at, after.stored - before.stored, after.said - before.said
    spent = {name: after.cpu[name] - seconds for name, seconds in before.cpu.items()}
    rate = f"{slices / took:.0f} images/s, " if slices else ""
    print(f"  {what}: {rate}{said / took:.0f} states and briefs/s; "
          f"{', '.join(f'{name} {100 * each / took:.0f} % of a core' for name, each in spent.items())}")  # fmt: skip
    if slices:
        ventilator = 1e3 * (spent["ventilator"] - of_a_state * said) / slices
        print(f"  a slice: ventilator {ventilator:.2f} ms and {said / slices:.1f} states and briefs, "
              f"sink {1e3 * spent['sink'] / slices:.2f} ms", flush=True)  # fmt: skip
    else:
        print(
            f"  a state: ventilator {1e3 * spent['ventilator'] / said:.3f} ms, its part of the status included",
            flush=True,
        )
    return spent["ventilator"] / said


def measure(scratch: Path, workers: int, seconds: float, slices: int, lose: int, every: float) -> None:
    """One run, from workers that join to all stored."""
    launchers = {"ventilator": launcher(megabytes=MEGABYTES, slices=slices)}
    patience = "" if lose else f"dead_after = {PATIENCE}"
    mesh = Mesh(scratch / "mesh", launchers=launchers, within=300.0, settings=f'log_level = "error"\n{patience}')
    mesh.names = ["ventilator", "sink"]
    print(f"[{workers} workers, {seconds} s an image, {slices} slices; load {os.getloadavg()[0]:.1f}]", flush=True)
    with mesh, crowd(mesh, workers, seconds, every) as people:
        begun = time.monotonic()
        mesh.wait(lambda status: len(status.workers) == workers and status.sink is not None)
        print(f"  all have joined after {time.monotonic() - begun:.1f} s", flush=True)
        before = used(mesh, people)
        time.sleep(10.0)
        of_a_state = tell("without a job", before, used(mesh, people))
        job = mesh.submit([observation(scratch, INTEGRATIONS)], SELECTION)
        directory = mesh.images / job
        before = used(mesh, people, until(directory, WARM * slices))
        after = used(mesh, people, until(directory, (0.5 if lose else COUNTED) * slices))
        tell("at work", before, after, of_a_state)
        if lose:
            had, *_ = ask(people, f"lose {lose}")
            last = _recovered(people, had)
            print(f"  {lose} workers lost with {had:.0f} slices: the last was with another {last:.2f} s later")
        until(directory, slices)
        memory = {name: psutil.Process(each.pid).memory_info().rss / 1e6 for name, each in mesh.daemons.items()}
        print(f"  all {slices} are stored; memory: {', '.join(f'{name} {mb:.0f} MB' for name, mb in memory.items())}")


def _recovered(people: subprocess.Popen[str], had: float) -> float:
    """Wait until what was lost is with others, or stored: what was handed on just before is not sent again."""
    seen, quiet = -1.0, time.monotonic()
    while time.monotonic() - quiet < 6.0:
        back, left, after = ask(people, "again")
        if not left:
            return after
        if back != seen:
            seen, quiet = back, time.monotonic()
        time.sleep(0.1)
    print(f"  {seen:.0f} of {had:.0f} came again")
    return after


def main() -> None:
    """Run the command with its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thousand", description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.0, help="an image takes, on average")
    parser.add_argument("--slices", type=int, default=10_000)
    parser.add_argument("--lose", type=int, default=0, help="workers that are lost at once")
    parser.add_argument("--every", type=float, default=STATE_INTERVAL, help="s between two whole states of a worker")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fip-thousand-") as scratch:
        each = arguments.seconds, arguments.slices, arguments.lose, arguments.every
        measure(Path(scratch), arguments.workers, *each)


if __name__ == "__main__":
    main()
