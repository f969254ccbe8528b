"""CPU seconds of an image, from MeasurementSet to FITS file, of FIP and of what else makes them.

An image's are the marginal ones, of all processes: (CPU of a long run - CPU of a short one) / (images more). What is
left of the short run is start-up. All programs run one after the other in each round, so that a change of the machine's
load meets all alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from benchmarks.programs import USUAL, Cost, Observation, Work, emptied, fip_command, plain_command, run, simulated
from benchmarks.report import Line

Command = Callable[[Observation, Path], list[str]]


@dataclass(frozen=True, slots=True)
class Rounds:
    """A program on a short and on a long MeasurementSet, round by round."""

    images: tuple[int, int]
    short: list[Cost]
    long: list[Cost]

    @property
    def marginal(self) -> list[float]:
        """CPU seconds of an image."""
        more = self.images[1] - self.images[0]
        return [(long.cpu - short.cpu) / more for short, long in zip(self.short, self.long, strict=True)]

    @property
    def start(self) -> list[float]:
        """Return the CPU seconds of start-up."""
        return [short.cpu - self.images[0] * each for short, each in zip(self.short, self.marginal, strict=True)]


def taken(
    scratch: Path, images: tuple[int, int], rounds: int, programs: Mapping[str, Command], work: Work, *options: str
) -> dict[str, Rounds]:
    """Run all programs on a short and a long MeasurementSet; the long one's images stay in scratch / name."""
    sets = [simulated(scratch, count, work, *options) for count in images]
    costs = {name: Rounds(images, [], []) for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            for observed, kept in zip(sets, (costs[name].short, costs[name].long), strict=True):
                kept.append(run(command(observed, emptied(scratch / name))))
    return costs


def compare(scratch: Path, images: tuple[int, int], rounds: int) -> list[Line]:
    """FIP against the plain loop, with the plain loop's kernel and with its own."""
    programs: dict[str, Command] = {
        "plain": plain_command,
        "wgridder": partial(fip_command, kernel="wgridder"),
        "slant": fip_command,
    }
    costs = taken(scratch, images, rounds, programs, USUAL)
    plain, same, own = (costs[name] for name in programs)
    wall = {name: [cost.wall for cost in each.long] for name, each in costs.items()}
    return [
        line("CPU s an image, same kernel", same.marginal, plain.marginal, "<= 1.15"),
        line("CPU s an image, slant kernel", own.marginal, plain.marginal, "<= 0.25"),
        line("CPU s of start-up, same kernel", same.start, plain.start, ""),
        line("CPU s of start-up, slant kernel", own.start, plain.start, ""),
        line(f"wall s of {images[1]} images, same kernel", wall["wgridder"], wall["plain"], ""),
        line(f"wall s of {images[1]} images, slant kernel", wall["slant"], wall["plain"], ""),
        Line("largest relative L2 difference, same kernel", _difference(scratch, "wgridder"), target="<= 2e-5"),
        Line("largest relative L2 difference, slant kernel", _difference(scratch, "slant"), target="<= 2e-5"),
    ]


def line(quantity: str, fip: list[float], other: list[float], target: str) -> Line:
    """Medians over the rounds; the ratio is the median of the ratios within a round."""
    ratio = median(a / b for a, b in zip(fip, other, strict=True))
    return Line(quantity, median(fip), median(other), ratio, target)


def _difference(scratch: Path, name: str) -> float:
    """Whether both did the same job: each is within epsilon of the exact image, so they differ by twice that."""
    ours, plain = (sorted((scratch / each).glob("*.fits")) for each in (name, "plain"))
    return max(_relative(fits.getdata(a), fits.getdata(b)) for a, b in zip(ours, plain, strict=True))


def _relative(image: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(image - other) / np.linalg.norm(other))
