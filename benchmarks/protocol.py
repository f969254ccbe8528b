"""What the protocol takes: `python -m benchmarks.protocol [PART ...]`, of deaths, mix, leave, cost, throughput.

Daemons are real ones; if a part says so, reading, imaging or storing is replaced by something that takes no time, or
a known one (see stand_in.py). Times are of this machine as busy as it is: its load is printed.
"""

import argparse
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from benchmarks.bare import WARM, cost_of_messages
from benchmarks.images import taken
from benchmarks.programs import ANTENNAS, ARCSEC, EPSILON, Work, fip_command, simulated
from benchmarks.stand_in import launcher
from fip.data.quantities import ARCSEC as ONE_ARCSEC
from fip.data.settings import asked
from fip.imaging.compression import compress
from fip.imaging.kernels import make_kernel
from fip.layout.keys import LIST, make_keys
from fip.runtime.sockets import host_name
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.source.open_run import open_run
from fip.wire.messages import PipelineStatus
from fip.worker.stages import image_file
from support.many_slices import SELECTION
from support.mesh import Mesh

PARTS = ("deaths", "mix", "leave", "cost", "throughput")
FAST, SLOW = 0.05, 0.4  # s a slice, of a fast and of a slow worker
SIZE = 1024  # pixels a side of the image that the protocol is compared with
IMAGES = (30, 150)  # of a short and of a long run: their difference is what an image takes


def observation(scratch: Path, integrations: int) -> Path:
    """A MeasurementSet of so many tiny slices."""
    path = scratch / f"tiny{integrations}.ms"
    if not path.exists():
        simulate(path, Simulation(antennas=4, channels=2, integrations=integrations, cadence=2.0))
    return path


@dataclass(frozen=True)
class Event:
    """What a ventilator says in its log that it did."""

    when: float  # s UTC, Unix
    worker: str
    index: int = -1  # of the slice, if one goes to the worker


class Traced:
    """A mesh that knows when its ventilator heard a worker first, and when it leased which slice to whom."""

    def __init__(self, folder: Path, seconds: Sequence[float]) -> None:
        launchers = {f"cpu{number}": launcher(seconds=each) for number, each in enumerate(seconds)}
        launchers["ventilator"] = launcher(megabytes=0.01)
        self.mesh = Mesh(folder, workers=len(seconds), launchers=launchers, settings='log_level = "debug"')

    def hellos(self) -> list[Event]:
        """Return all workers that joined."""
        return [Event(when, worker) for when, worker in self._said(r"worker \S+/(\S+) joins on lane")]

    def leases(self) -> list[Event]:
        """All slices that went to workers."""
        said = self._said(r"slice (\d+) of run \S+ goes to \S+/(\S+)")
        return [Event(when, worker, int(index)) for when, index, worker in said]

    def _said(self, what: str) -> list[tuple[Any, ...]]:
        """When the ventilator said something, and what of it is in groups."""
        found = re.findall(rf"^(\S+ \S+),(\d+) fip-ventilator\[\d+\] [A-Z]+ {what}", self.mesh.log, re.MULTILINE)
        return [
            (datetime.fromisoformat(f"{seconds}.{thousandths}").timestamp(), *groups)
            for seconds, thousandths, *groups in found
        ]


def deaths(scratch: Path, times: int = 6) -> None:
    """Measure from a worker's death to its slices leased again, and from a new worker's hello to its first slice."""
    names = [f"cpu{number}" for number in range(times + 2)]
    traced = Traced(scratch / "deaths", [0.3] * len(names))
    traced.mesh.names = ["ventilator", "sink", *names[:2]]
    with traced.mesh as mesh:
        mesh.submit([observation(scratch, 600)], SELECTION)
        again = [_death(traced, victim, new) for victim, new in zip(names, names[2:], strict=False)]
        hellos, leases = traced.hellos(), traced.leases()
    waits = [
        min(lease.when for lease in leases if lease.worker == hello.worker) - hello.when
        for hello in hellos
        if hello.worker in names[2:]
    ]
    print(f"from a worker's death to its slices leased again: {_spread(again)} (aim: 3 s)")
    print(f"from a worker's hello to its first slice: {_spread(waits)} (aim: 1 s)")


def _death(traced: Traced, victim: str, new: str) -> float:
    """Start a new worker, and kill one that is at work; return the seconds until its last slice is leased again."""
    mesh = traced.mesh
    mesh.start(new)
    mesh.wait(
        lambda status: {victim, new} <= {worker.brief.name for worker in status.workers if len(worker.brief.holds) == 2}
    )
    mesh.kill(victim)
    died = time.time()

    def again() -> list[float]:
        leases = traced.leases()
        had = [lease.index for lease in leases if lease.worker == victim][-2:]
        return [lease.when for lease in leases if lease.index in had and lease.when > died]

    mesh.wait(lambda status: len(again()) >= 1 and victim not in {worker.brief.name for worker in status.workers})
    return max(again()) - died


def _spread(seconds: Sequence[float]) -> str:
    return f"median {median(seconds):.2f} s, longest {max(seconds):.2f} s of {len(seconds)}"


def mix(scratch: Path, slices: int = 450) -> None:
    """A fast and a slow worker, 1:8, against the time that they would take if neither ever waited."""
    traced = Traced(scratch / "mix", [FAST, SLOW])
    with traced.mesh as mesh:
        mesh.wait(lambda status: len(status.workers) == 2)
        job = mesh.submit([observation(scratch, slices)], SELECTION)
        mesh.wait_for_job(job)
        begun = traced.leases()[0].when
        _, last, _ = _recorded(mesh.images / job)
    took = last - begun
    ideal = slices / (1 / FAST + 1 / SLOW)
    print(f"a fast and a slow worker (1:8), {slices} slices: {took:.1f} s, ideal {ideal:.1f} s: "
          f"{took / ideal:.2f} times (aim: 1.25)")  # fmt: skip


def leave(scratch: Path) -> None:
    """A worker is ordered to go while a run is under way."""
    traced = Traced(scratch / "leave", [0.2, 0.2])
    with traced.mesh as mesh:
        job = mesh.submit([observation(scratch, 100)], SELECTION)
        mesh.wait(lambda status: all(worker.brief.holds for worker in status.workers) and len(status.workers) == 2)
        told = time.monotonic()
        mesh.kill("cpu0", signal.SIGTERM)
        code = mesh.daemons["cpu0"].wait()
        left = time.monotonic() - told
        mesh.wait_for_job(job)
        sent = Counter(lease.index for lease in traced.leases())
        print(f"a polite leave, {0.2} s a slice: gone after {left:.2f} s with exit code {code}; "
              f"slices sent again: {sent.total() - len(sent)} (aim: 0)")  # fmt: skip


def cost(scratch: Path) -> None:
    """CPU of control and bookkeeping, of a slice, at the pace at which two workers image, beside that of an image.

    What is left of the daemons without reading, imaging and storing counts, beyond what it takes to pass a slice and
    an image of next to no bytes from process to process (see bare.py): states, briefs and orders, leases, timers,
    logs, and a status twice a second for one who watches.
    """
    for kernel, slices in (("slant", 1500), ("wgridder", 500)):
        seconds = _seconds_of_an_image(scratch, kernel)
        pace, each = _cost_of_daemons(scratch, slices, seconds)
        messages = cost_of_messages(scratch / "bare", slices, seconds)
        whole = taken(scratch, IMAGES, 1, {"cost": partial(fip_command, kernel=kernel)}, Work(size=SIZE))["cost"]
        image, bookkeeping = 1e3 * whole.marginal[0], sum(each.values()) - messages
        said = ", ".join(f"{name} {value:.2f}" for name, value in each.items())
        print(f"{kernel}, {pace:.0f} images/s: without reading, imaging and storing a slice takes "
              f"{sum(each.values()):.2f} ms of CPU ({said}), its messages alone {messages:.2f}: "
              f"bookkeeping {bookkeeping:.2f}")  # fmt: skip
        print(f"an image of {ANTENNAS} antennas, 64 channels, {SIZE}^2, {kernel}: {image:.0f} ms of CPU in all; "
              f"bookkeeping: {100 * bookkeeping / image:.1f} per cent of it (aim: 2)", flush=True)  # fmt: skip


def _cost_of_daemons(scratch: Path, slices: int, seconds: float) -> tuple[float, dict[str, float]]:
    """Return slices/s, and CPU milliseconds of a slice of each daemon, if a worker sleeps so long for an image."""
    launchers = {f"cpu{number}": launcher(seconds=seconds) for number in range(2)}
    launchers |= {"ventilator": launcher(megabytes=0.001), "sink": launcher(store=False)}
    with Mesh(scratch / f"cost-{seconds:.3f}", launchers=launchers) as mesh:
        mesh.wait(lambda status: len(status.workers) == 2 and status.sink is not None)
        job = mesh.submit([observation(scratch, slices)], SELECTION)
        stored = [0]

        def warm(status: PipelineStatus) -> bool:  # all is loaded that will be
            stored.append(sum(run.stored for run in mesh.job(status, job).runs))
            return stored[-1] >= WARM

        mesh.wait(warm)
        before, begun = _cpu(mesh), time.monotonic()
        mesh.wait_for_job(job)
        counted, took = slices - stored[-1], time.monotonic() - begun
        used = _less(_cpu(mesh), before)
    return counted / took, {name: 1e3 * each / counted for name, each in used.items()}


def _seconds_of_an_image(scratch: Path, kernel: str, times: int = 5) -> float:
    """CPU seconds of a worker's thread, once all is prepared: on an idle core those of the clock."""
    path = simulated(scratch, IMAGES[0]).path
    run = open_run(path, asked(size=(SIZE, SIZE), scale=ARCSEC * ONE_ARCSEC, epsilon=EPSILON, kernel=kernel))
    values = compress(run.read(0))
    run.close()
    made = make_kernel(values.settings, values.grid)
    image_file(values, made, "", 0.0)
    begun = time.thread_time()
    for _ in range(times):
        image_file(values, made, "", 0.0)
    return (time.thread_time() - begun) / times


def throughput(scratch: Path) -> None:
    """Slices/s and GB/s through lanes, two workers that image nothing, and a sink that stores as always."""
    for megabytes, slices in ((0.2, 400), (25.0, 80)):
        for way in ("ipc", "tcp", "curve"):
            rate, seconds = _through(scratch, way, megabytes, slices)
            print(f"{megabytes:4.1f} MB over {way:5}: {rate:5.0f} slices/s, {rate * megabytes / 1e3:5.2f} GB/s, "
                  f"{1e3 * seconds:5.1f} ms of CPU a slice", flush=True)  # fmt: skip


def _through(scratch: Path, way: str, megabytes: float, slices: int) -> tuple[float, float]:
    """Slices/s of a run, its start left out, and CPU seconds of all daemons for a slice."""
    folder = scratch / f"through-{way}-{megabytes}"
    launchers = {f"cpu{number}": launcher(seconds=0.0) for number in range(2)}
    launchers |= {"ventilator": launcher(megabytes=megabytes), "sink": []}
    settings = ""
    if way != "ipc":
        ports = _free_ports(4)
        data = [f"FIP__VENTILATOR__LANES=tcp://127.0.0.1:{ports[0]}-{ports[-2]}",
                f"FIP__SINK__IMAGES=tcp://127.0.0.1:{ports[-1]}"]  # fmt: skip
        keys = [f"FIP__SECURITY__KEYS={folder}/keys/{host_name()}"] if way == "curve" else []
        launchers = {name: ["env", *data, *keys, *words] for name, words in launchers.items()}
    if way == "curve":
        runs = ["ventilator", "sink", "worker.cpu0", "worker.cpu1"]
        settings = f'[security]\nallowed = "{folder}/keys/{LIST}"\n[node.{host_name()}]\nruns = {json.dumps(runs)}'
    mesh = Mesh(folder, launchers=launchers, settings=settings)
    if way == "curve":
        make_keys(mesh.config, folder / "keys")
    with mesh:
        mesh.wait(lambda status: len(status.workers) == 2 and status.sink is not None)
        before = _cpu(mesh)
        job = mesh.submit([observation(scratch, slices)], SELECTION)
        mesh.wait_for_job(job)
        seconds = sum(_less(_cpu(mesh), before).values()) / slices
        first, last, stored = _recorded(mesh.images / job, skipped=slices // 10)
    return (stored - 1) / (last - first), seconds


def _free_ports(number: int) -> range:
    """Return that many ports in a row, free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return range(found.getsockname()[1] + 1, found.getsockname()[1] + 1 + number)


def _recorded(directory: Path, skipped: int = 0) -> tuple[float, float, int]:
    """When the first and the last image were entered in the ledger, Unix time, and how many were."""
    with sqlite3.connect(f"file:{directory}/fip.sqlite?mode=ro", uri=True) as ledger:
        times = [when for (when,) in ledger.execute("SELECT recorded FROM slices ORDER BY recorded")][skipped:]
    return times[0], times[-1], len(times)


def _cpu(mesh: Mesh) -> dict[str, float]:
    """CPU seconds of each daemon and its children."""
    used: dict[str, float] = {}
    for name, daemon in mesh.daemons.items():
        process = psutil.Process(daemon.pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        used[name] = sum(each.user + each.system for each in times)
    return used


def _less(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: seconds - before[name] for name, seconds in after.items()}


def main() -> None:
    """Run the command with its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protocol", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=f"some of {', '.join(PARTS)}")
    arguments = parser.parse_args()
    parts = {"deaths": deaths, "mix": mix, "leave": leave, "cost": cost, "throughput": throughput}
    with tempfile.TemporaryDirectory(prefix="fip-protocol-") as scratch:
        for part in arguments.parts or PARTS:
            print(f"[{part}; load {os.getloadavg()[0]:.1f}]", flush=True)
            parts[part](Path(scratch))


if __name__ == "__main__":
    main()
