"""A long run whose daemons are killed and stopped all the time, and what became of its slices.

    python -m benchmarks.soak [--slices 5000] [--seed 1] [--every 8 24] [--scratch DIR]

It uses what tests use: `pip install -e '.[dev]'` first.

First the run is left alone, for its images to compare with. Then a ventilator, a sink and two workers do it again, and
each time that a random number of images more are stored one of them, at random, is killed -9 and started again (three
times of four) or stopped for up to four seconds. It ends with exit code 1 where a slice is lost, a file was written
twice, or an image differs from that of the run that was left alone.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fip.archive.ledger import Ledger
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.chaos import Chaos
from support.fip_command import images
from support.many_slices import SELECTION
from support.mesh import Mesh

WITHIN = 24 * 3600.0  # s


@dataclass
class Watch:
    """Which files appeared, and whether one of them was touched again. Call it often."""

    directory: Path
    first: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> inode, modification in ns

    def __call__(self) -> None:
        """Notes what is new."""
        for image in images(self.directory):
            if image.name not in self.first:
                self.first[image.name] = _written(image)

    def rewritten(self) -> list[str]:
        """The files that are not those that appeared first."""
        return [name for name, written in self.first.items() if written != _written(self.directory / name)]


def _written(image: Path) -> tuple[int, int]:
    status = image.stat()
    return status.st_ino, status.st_mtime_ns


def soak(scratch: Path, slices: int, seed: int, every: tuple[int, int]) -> bool:
    """Runs both and prints what was found; whether all is well."""
    path = scratch / f"many{slices}.ms"
    if not path.exists():
        simulate(path, Simulation(antennas=8, channels=4, integrations=slices, cadence=2.0))
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

        def meanwhile() -> None:
            chaos()
            watch()

        victims.wait_for_job(job, meanwhile)
        chaos.end()
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
    print(f"lost: {len(lost)}, duplicated: {len(twice)}, torn: {len(torn)}, temporaries left: {len(left)}", flush=True)
    return not (lost or twice or torn or left)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=5000, help="[default: 5000]")
    parser.add_argument("--seed", type=int, default=1, help="[default: 1]")
    parser.add_argument(
        "--every", type=int, nargs=2, default=(8, 24), help="images between two disturbances  [default: 8 24]"
    )
    parser.add_argument("--scratch", type=Path, help="directory for data and images, kept  [default: a new one]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fip-soak-") as temporary:
        scratch = (arguments.scratch or Path(temporary)).resolve()
        scratch.mkdir(parents=True, exist_ok=True)
        return 0 if soak(scratch, arguments.slices, arguments.seed, tuple(arguments.every)) else 1


if __name__ == "__main__":
    sys.exit(main())
