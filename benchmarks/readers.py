"""How many slices a second one and two reading children cut, at 64 antennas x 1024 channels.

    python -m benchmarks.readers [--slices 24] [--rounds 3] [--scratch DIR]

Children, pipes and the loop are the ventilator's own; slices are counted in its loop and dropped: no worker, no sink.
One and two are measured in turns, so that a busy machine slows both. Two can be twice as fast only if two cores are
idle: CPU seconds a slice, of the children and of the loop, say what the same machine would do if they were.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from benchmarks.programs import ARCSEC
from fip.config import Config
from fip.data.arriving import Writing
from fip.data.names import RunId
from fip.data.quantities import parse_angle
from fip.data.settings import Asked, asked
from fip.runtime.service import Daemon, Loop
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.source.requests import Cut, Held, RunFacts
from fip.ventilator.manifests import Manifests
from fip.ventilator.reader import ASKED_AHEAD, Reader
from fip.ventilator.readers import Readers

WARM = 2  # slices of each child that are not counted
ANTENNAS, CHANNELS, INTEGRATIONS = 64, 1024, 6  # half a gigabyte, so that a disk is not what is measured


class Measured(NamedTuple):
    """What one round of reading took."""

    wall: float  # s a slice
    child: float  # CPU s a slice, in the children
    loop: float  # CPU s a slice, in the process that counts them


class Warm(Reader):
    """A child, and how many slices it has cut."""

    slices = 0

    def cut(
        self, job: str, then: Callable[[Future[Cut]], None],
        path: Path, asked: Asked, writing: Writing | None, run: RunId, index: int, held: Held | None = None,
    ) -> None:  # fmt: skip
        """Cut a slice, and count it."""

        def was_cut(future: Future[Cut]) -> None:
            self.slices += 1
            then(future)

        super().cut(job, was_cut, path, asked, writing, run, index, held)


class Counting(Daemon):
    """Has slices cut, counts them and drops them."""

    reloads = restarts = ()
    line = ""

    def __init__(self, loop: Loop, readers: int, path: Path, settings: Asked, slices: int) -> None:
        self._each = [Warm(loop) for _ in range(readers)]
        self._readers = Readers(self._each, Manifests(path.parent))
        self._path, self._asked, self._wanted = path, settings, slices
        self._facts: RunFacts | None = None
        self._asked_for = 0
        self._counted: int | None = None  # None: not all children are warm, which open the set and fit a beam first
        self._before = (0.0, 0.0, 0.0)
        self.measured: Measured | None = None

    def start(self) -> None:
        """Start the children, and look into the set."""
        self._readers.start()
        self._readers.look("job", self._looked, self._path, self._asked, None)

    def drain(self) -> None:
        """Do nothing: it ends by itself."""

    def reload(self, config: Config) -> None:
        """There is nothing to change."""

    @property
    def finished(self) -> bool:
        """Return whether all slices are counted."""
        return self.measured is not None

    def close(self) -> None:
        """End the children that read."""
        self._readers.close()

    def _looked(self, future: Future[RunFacts]) -> None:
        self._facts = future.result()
        for _ in range(ASKED_AHEAD * len(self._readers)):
            self._ask()

    def _ask(self) -> None:
        assert self._facts
        index = self._asked_for % len(self._facts.times)
        self._asked_for += 1
        self._readers.cut("job", self._was_cut, self._path, self._asked, None, self._facts.run, index)

    def _was_cut(self, future: Future[Cut]) -> None:
        assert future.result().nbytes
        if self._counted is not None:
            self._counted += 1
        elif min(each.slices for each in self._each) >= WARM:
            self._counted, self._before = 0, self._now()
        if self._counted == self._wanted:
            taken = (after - before for after, before in zip(self._now(), self._before, strict=True))
            self.measured = Measured(*(each / self._wanted for each in taken))
        elif not self.finished:
            self._ask()

    def _now(self) -> tuple[float, float, float]:
        times = [child.cpu_times() for child in psutil.Process().children()]
        return time.monotonic(), sum(each.user + each.system for each in times), time.process_time()


def measure(readers: int, path: Path, settings: Asked, slices: int) -> Measured:
    """Measure one round of reading."""
    loop = Loop()
    counting = Counting(loop, readers, path, settings, slices)
    loop.run(counting)
    assert counting.measured
    return counting.measured


def main() -> None:
    """Print both, round by round, and their medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__)
    parser.add_argument("--slices", type=int, default=24, help="that are counted in a round  [default: 24]")
    parser.add_argument("--rounds", type=int, default=3, help="[default: 3]")
    parser.add_argument("--scratch", type=Path, help="directory for the set, kept and used again  [default: a new one]")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fip-benchmarks-") as temporary:
        path = (given.scratch or Path(temporary)) / f"{ANTENNAS}x{CHANNELS}.ms"
        if not path.exists():
            simulate(path, Simulation(antennas=ANTENNAS, channels=CHANNELS, integrations=INTEGRATIONS))
        settings = asked(size=(1024, 1024), scale=parse_angle(f"{ARCSEC}arcsec"))
        found: dict[int, list[Measured]] = {1: [], 2: []}
        for _ in range(given.rounds):
            for readers, rounds in found.items():
                rounds.append(measure(readers, path, settings, given.slices))
                wall, child, loop = rounds[-1]
                print(
                    f"{readers} reading: {1 / wall:.2f} slices/s; CPU a slice: children {1e3 * child:.0f} ms, "
                    f"loop {1e3 * loop:.1f} ms; load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
    one, two = ([median(each) for each in zip(*rounds, strict=True)] for rounds in found.values())
    print(f"two against one: {one[0] / two[0]:.2f} x slices a second of wall (aim: 1.7, on two idle cores)")
    print(f"CPU a slice, two against one: {two[1] / one[1]:.2f} in the children; the loop takes {1e3 * two[2]:.1f} ms")
    print(f"by CPU alone, two idle cores: {2 * one[1] / (two[1] + two[2]):.2f} x")


if __name__ == "__main__":
    main()
