"""CPU seconds of an image and of starting up, FIP against the plain loop; wall time of two workers against one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from benchmarks.programs import Cost, emptied, fip_command, plain_command, run, simulated
from benchmarks.report import Line


@dataclass(frozen=True, slots=True)
class Rounds:
    """A program on a short and on a long MeasurementSet, round by round."""

    short: list[Cost]
    long: list[Cost]


def compare(scratch: Path, short: int, long: int, rounds: int) -> list[Line]:
    """Each round runs all programs one after the other, so that a change of the machine's load meets all alike."""
    sets = {count: simulated(scratch, count) for count in (short, long)}
    programs: dict[str, Callable[[Path, Path], list[str]]] = {
        "plain": plain_command,
        "one": partial(fip_command, workers=1, kernel="wgridder"),
        "two": partial(fip_command, workers=2, kernel="wgridder"),
        "slant": partial(fip_command, workers=1),
    }
    costs = {name: Rounds([], []) for name in programs}
    for _ in range(rounds):
        for count, path in sets.items():
            for name, command in programs.items():
                cost = run(command(path, emptied(scratch / name)))
                (costs[name].short if count == short else costs[name].long).append(cost)
    return _lines(costs, short, long, _difference(scratch))


def _lines(costs: dict[str, Rounds], short: int, long: int, difference: float) -> list[Line]:
    marginal = {name: _marginal(each, short, long) for name, each in costs.items()}
    start = {
        name: [cost.cpu - short * slope for cost, slope in zip(each.short, marginal[name], strict=True)]
        for name, each in costs.items()
    }
    wall = {name: [cost.wall for cost in each.long] for name, each in costs.items()}
    return [
        _line("CPU s an image, same kernel, 1 worker", marginal["one"], marginal["plain"], "<= 1.15"),
        _line("CPU s an image, same kernel, 2 workers", marginal["two"], marginal["plain"], ""),
        _line("CPU s an image, FIP's own kernel", marginal["slant"], marginal["plain"], "<= 0.25"),
        _line("CPU s of start-up, 1 worker", start["one"], start["plain"], ""),
        _line(f"wall s of {long} images, same kernel, 1 worker", wall["one"], wall["plain"], ""),
        _line(f"wall s of {long} images, FIP's own kernel, 1 worker", wall["slant"], wall["plain"], ""),
        _line(f"wall s of {long} images, same kernel, 2 workers against 1", wall["two"], wall["one"], "<= 0.65"),
        Line("largest relative L2 difference, same kernel", difference, target="<= 2e-5"),
    ]


def _marginal(costs: Rounds, short: int, long: int) -> list[float]:
    return [(b.cpu - a.cpu) / (long - short) for a, b in zip(costs.short, costs.long, strict=True)]


def _line(quantity: str, fip: list[float], other: list[float], target: str) -> Line:
    """Medians over the rounds; the ratio is the median of the ratios within a round."""
    ratio = median(a / b for a, b in zip(fip, other, strict=True))
    return Line(quantity, median(fip), median(other), ratio, target)


def _difference(scratch: Path) -> float:
    """Whether both did the same job: each is within epsilon of the exact image, so they differ by twice that."""
    ours, plain = (sorted((scratch / name).glob("*.fits")) for name in ("one", "plain"))
    return max(_relative(fits.getdata(a), fits.getdata(b)) for a, b in zip(ours, plain, strict=True))


def _relative(image: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(image - other) / np.linalg.norm(other))
