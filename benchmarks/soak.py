"""A long run whose daemons are killed and stopped all the time, and what became of its slices.

    python -m benchmarks.soak [--slices 5000] [--seed 1] [--every 8 24] [--nemeses] [--scratch DIR]

It uses what tests use: `pip install -e '.[dev]'` first.

First the run is left alone, for its images to compare with. Then a ventilator, a sink and two workers do it again, and
each time that a random number of images more are stored one of them, at random, is killed -9 and started again (three
times of four) or stopped for up to four seconds. It ends with exit code 1 if a slice is lost, a file was written
twice, or an image differs from that of the run that was left alone.

All the while an auditor, a process of its own, compares what the sink says with ledger and directory. With `--nemeses`
ledgers are held by others, clocks step, the disk is full (as root) and only the last images are kept: then the auditor
is the judge.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fip.archive.ledger import Ledger
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.auditor import Auditor
from support.chaos import Chaos
from support.fip_command import images
from support.many_slices import SELECTION
from support.mesh import Mesh
from support.nemeses import ClockStepped, DiskFull, LedgerHeld, Nemesis
from support.small_disk import Disk

WITHIN = 24 * 3600.0  # s
KEEP, SIZE = "2MB", "64m"  # of images, and of the disk that fills up


@dataclass
class Watch:
    """Which files appeared, and whether one of them was touched again. Call it often."""

    directory: Path
    first: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> inode, modification in ns

    def __call__(self) -> None:
        """Note which images are new."""
        for image in images(self.directory):
            if image.name not in self.first:
                self.first[image.name] = _written(image)

    def rewritten(self) -> list[str]:
        """The files that are not those that appeared first."""
        return [name for name, written in self.first.items() if written != _written(self.directory / name)]


def _written(image: Path) -> tuple[int, int]:
    status = image.stat()
    return status.st_ino, status.st_mtime_ns


def _many(scratch: Path, slices: int) -> Path:
    """A MeasurementSet of so many small slices: 20,000 are 2.8 h, in which the phase centre stays up."""
    path = scratch / f"many{slices}.ms"
    if not path.exists():
        simulate(path, Simulation(antennas=5, channels=4, integrations=slices, cadence=0.5))
    return path


def soak(scratch: Path, slices: int, seed: int, every: tuple[int, int]) -> bool:
    """Run both and print what was found; return whether all is well."""
    path = _many(scratch, slices)
    begun = time.monotonic()
    with Mesh(scratch / "undisturbed", within=WITHIN) as calm:
        job = calm.submit([path], SELECTION)
        calm.wait_for_job(job)
        undisturbed = {image.name: image.read_bytes() for image in images(calm.images / job)}
    print(f"left alone: {len(undisturbed)} images in {time.monotonic() - begun:.0f} s", flush=True)

    begun = time.monotonic()
    with Mesh(scratch / "soak", within=WITHIN) as victims:
        job = victims.submit([path], SELECTION)
        directory = victims.images / job
        chaos, watch = Chaos(victims, victims.names, directory, seed, every), Watch(directory)
        with Auditor(victims.config.ventilator.status, victims.images, scratch / "audit") as auditor:

            def meanwhile() -> None:
                chaos()
                watch()

            victims.wait_for_job(job, meanwhile)
            chaos.end()
            faults = auditor.faults()
        log = victims.log
    ledger = Ledger(directory, read_only=True)
    listed = set(ledger.files())
    ledger.close()
    made = {image.name: image.read_bytes() for image in images(directory)}
    lost = undisturbed.keys() - (made.keys() & listed)
    torn = [name for name, content in made.items() if content != undisturbed.get(name)]
    twice, left = watch.rewritten(), list(directory.glob(".fip-*.tmp"))
    kills = ", ".join(f"{name} {number}" for name, number in sorted(chaos.kills.items()))
    print(f"disturbed, seed {seed}: {len(made)} images in {time.monotonic() - begun:.0f} s")
    print(f"kills -9: {chaos.kills.total()} ({kills}); stopped for up to 4 s: {chaos.stops}")
    print(f"workers found silent: {log.count(' is silent: its slices')}, sinks: {log.count('the sink is silent')}")
    _tell_faults(auditor, faults)
    print(f"lost: {len(lost)}, duplicated: {len(twice)}, torn: {len(torn)}, temporaries left: {len(left)}", flush=True)
    return not (lost or twice or torn or left or faults)


def siege(scratch: Path, slices: int, seed: int, every: tuple[int, int]) -> bool:
    """Run a pipeline while everything goes wrong and only the last images are kept; return whether all is well."""
    path = _many(scratch, slices)
    begun, chance = time.monotonic(), random.Random(seed)
    with ExitStack() as stack:
        folder = scratch / "siege"
        nemeses: list[Nemesis] = [ClockStepped(scratch / "clock", chance)]
        if os.geteuid() == 0:
            nemeses.append(DiskFull(stack.enter_context(Disk(folder, SIZE)), SIZE))
        clock = nemeses[0].launcher if isinstance(nemeses[0], ClockStepped) else []
        names = ("ventilator", "sink", "cpu0", "cpu1")
        launchers = dict.fromkeys(names, clock)
        mesh = stack.enter_context(Mesh(folder, launchers=launchers, within=WITHIN, sink=f'keep = "{KEEP}"'))
        job = mesh.submit([path], SELECTION)
        directory = mesh.images / job
        nemeses += [LedgerHeld.written(directory), LedgerHeld.read(directory)]
        chaos = Chaos(mesh, mesh.names, directory, seed, every, nemeses)
        auditor = stack.enter_context(Auditor(mesh.config.ventilator.status, mesh.images, scratch / "audit"))
        mesh.wait_for_job(job, chaos)
        chaos.end()
        faults = auditor.faults()
        with closing(Ledger(directory, read_only=True)) as ledger:
            (totals,) = ledger.totals()
    print(f"beset, seed {seed}: {totals.stored} of {totals.total} in {time.monotonic() - begun:.0f} s, "
          f"{totals.expired} expired, {len(totals.failed)} failed")  # fmt: skip
    print(f"kills -9: {chaos.kills.total()}, stopped: {chaos.stops}, nemeses: {dict(chaos.visits)}")
    _tell_faults(auditor, faults)
    return not faults and totals.stored == totals.total


def _tell_faults(auditor: Auditor, faults: list[str]) -> None:
    print(f"the auditor checked {auditor.checked} words of the sink; untrue: {len(faults)}", *faults[:20], sep="\n  ")


def main() -> int:
    """Run the command with its arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=5000, help="[default: 5000]")
    parser.add_argument("--seed", type=int, default=1, help="[default: 1]")
    parser.add_argument(
        "--every", type=int, nargs=2, default=(8, 24), help="images between two disturbances  [default: 8 24]"
    )
    parser.add_argument("--nemeses", action="store_true", help="all else that can go wrong, too")
    parser.add_argument("--scratch", type=Path, help="directory for data and images, kept  [default: a new one]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fip-soak-") as temporary:
        scratch = (arguments.scratch or Path(temporary)).resolve()
        scratch.mkdir(parents=True, exist_ok=True)
        run = siege if arguments.nemeses else soak
        return 0 if run(scratch, arguments.slices, arguments.seed, tuple(arguments.every)) else 1


if __name__ == "__main__":
    sys.exit(main())
