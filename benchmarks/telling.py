"""What it costs a daemon to send its state: CPU at rest, and of each state beside one with nothing but counters.

    python benchmarks/telling.py [--seconds 20]

The first is measured on a real ventilator, sink and two workers that have nothing to do; the second in one process, in
turns, so that a busy machine slows both.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import psutil

from fip.data.names import Attempt
from fip.runtime.service import Loop
from fip.runtime.vitals import REMEMBERED, WINDOW, Vitals
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import STATE_INTERVAL, PipelineStatus, Task, WorkerState
from fip.wire.status import Status
from support.mesh import Mesh
from support.told_states import pipeline, with_brief, worker

WORKERS = 64
TURNS = 30


def at_rest(seconds: float) -> None:
    """Print the share of a core that each daemon takes while nothing is to be done."""
    with tempfile.TemporaryDirectory() as folder, Mesh(Path(folder) / "mesh") as mesh:
        mesh.wait(lambda status: len(status.workers) == 2 and status.sink is not None)
        processes = {name: psutil.Process(daemon.pid) for name, daemon in mesh.daemons.items()}
        before = {name: process.cpu_times() for name, process in processes.items()}
        time.sleep(seconds)
        for name, process in processes.items():
            times = process.cpu_times()
            used = times.user + times.system - before[name].user - before[name].system
            print(f"{name} at rest: {100 * used / seconds:.2f} % of a core")


def full_and_bare() -> tuple[WorkerState, WorkerState]:
    """A worker's state with all that it can hold, and with counters alone."""
    loop = Loop()
    vitals = Vitals(loop, "worker", "head", "cpu0", ("slices", "images", "failures", "bad_messages"), device="cpu")
    for number in range(WINDOW):
        for stage in ("wait", "image", "hand_on"):
            vitals.took(stage, 0.1 * number)
    for number in range(REMEMBERED):
        vitals.connection("control", "connected", f"tcp://10.0.0.{number}")
    told = vitals.status("running", {"waiting": 1, "outgoing": 0})
    loop.close()
    state = with_brief(worker("cpu0", 1), handed_on=tuple(Attempt("0" * 16, number, 1) for number in range(64)))
    tasks = tuple(Task("0" * 16, number, 1.8e9, 0.1, 0.4, 0.001) for number in range(8))
    bare = Status("worker", "head", "cpu0", 1, "running", told.counters, told.seconds)
    return replace(state, status=told, tasks=tasks), replace(state, status=bare)


def everybody(state: WorkerState) -> PipelineStatus:
    """What the ventilator sends of many such workers."""
    brief, names = replace(state.brief, handed_on=()), [f"cpu{number}" for number in range(WORKERS)]
    return replace(
        pipeline(1),
        workers=tuple(replace(state, brief=replace(brief, name=name)) for name in names),
    )


def in_turns(*calls: Callable[[], object]) -> list[float]:
    """CPU seconds of each call, the median of many turns."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(TURNS):
        for call, spent in zip(calls, times, strict=True):
            begun = time.process_time()
            call()
            spent.append(time.process_time() - begun)
    return [median(each) for each in times]


def compare(what: str, make: Callable[[WorkerState], Callable[[], object]]) -> tuple[float, float]:
    """Print what something costs with the full state and with the bare one, and return both."""
    full, bare = in_turns(*(make(state) for state in full_and_bare()))
    print(f"{what}: {1e6 * full:.0f} us, {1e6 * bare:.0f} us bare, ratio {full / bare:.2f}")
    return full, bare


def main() -> None:
    """Measure, and print all costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long daemons at rest are watched")
    at_rest(parser.parse_args().seconds)
    compare("a worker packs its state", lambda state: lambda: encode_control(state))

    def reads(state: WorkerState) -> Callable[[], object]:
        frame = encode_control(state)
        return lambda: decode_control(frame)

    heard, heard_bare = compare("the ventilator reads it", reads)

    def packs(state: WorkerState) -> Callable[[], object]:
        told = everybody(state)
        return lambda: encode_control(told)

    tells, tells_bare = compare(f"the ventilator packs {WORKERS} of them", packs)
    for name, one, all_ in (("with all", heard, tells), ("bare", heard_bare, tells_bare)):
        share = (WORKERS * one + all_) / STATE_INTERVAL
        print(f"a ventilator of {WORKERS} workers, {name}: {100 * share:.2f} % of a core")


if __name__ == "__main__":
    main()
