"""Interpolation between solutions: nearest or linear, in time and frequency, as CASA's applycal does it. Pure.

Amplitudes and phases are interpolated apart; a phase takes the shorter way round. Beyond the ends the last solution
holds.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

How = Literal["nearest", "linear"]


class Moment(NamedTuple):
    """The two solutions around a time, and how far it is from one to the other."""

    low: int
    high: int
    share: float  # of the way from low to high; 0 if both are one


def moment(times: NDArray[np.float64], time: float, how: How) -> Moment:
    """Find a time among `times` [solution], ascending; of two that are equally near, the earlier is nearest."""
    last = len(times) - 1
    low = int(np.searchsorted(times, time, side="right")) - 1
    if low < 0 or low >= last or times[low] == time:
        low = min(max(low, 0), last)
        return Moment(low, low, 0.0)
    share = (time - times[low]) / (times[low + 1] - times[low])
    if how == "nearest":
        low += int(share > 0.5)
        return Moment(low, low, 0.0)
    return Moment(low, low + 1, float(share))


def between(values: NDArray[np.floating], when: Moment, turns: bool) -> NDArray[np.float64]:
    """Return values [part, ...] at a moment, of `values` [part, time, ...]; if it `turns`, part 1 is a phase, rad."""
    low = values[:, when.low].astype(np.float64)
    if not when.share:
        return low
    step = values[:, when.high] - low
    if turns:
        step[1] -= 2 * np.pi * np.round(step[1] / (2 * np.pi))
    low += when.share * step
    return low


def resampled(
    values: NDArray[np.float64],
    bad: NDArray[np.bool_],
    given: NDArray[np.float64],
    wanted: NDArray[np.float64],
    how: How,
    fills_gaps: bool,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Move `values` [part, antenna, frequency, element] and `bad` [antenna, ...] from frequencies `given` to `wanted`.

    The last of two parts is a phase. For each antenna and element only good values are interpolated. Unless it
    `fills_gaps`, a channel is bad if it rests on a bad solution.
    """
    parts, antennas, _, elements = values.shape
    columns = np.moveaxis(values, 2, 3).reshape(parts, antennas * elements, -1)
    good = ~np.moveaxis(bad, 1, 2).reshape(antennas * elements, -1)
    out = np.zeros((parts, len(good), len(wanted)))
    none = np.ones((len(good), len(wanted)), bool)
    for pattern, which in _alike(good):
        if pattern.any():
            out[:, which] = _interpolated(columns[:, which][..., pattern], given[pattern], wanted, how)
            none[which] = False if fills_gaps else _gaps(~pattern, given, wanted, how)
    back = (antennas, elements, len(wanted))
    return np.moveaxis(out.reshape(parts, *back), 2, 3), np.moveaxis(none.reshape(back), 1, 2)


def _alike(good: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], NDArray[np.intp]]]:
    """Return the different rows, and the places of each."""
    patterns, which = np.unique(good, axis=0, return_inverse=True)
    return [(pattern, np.flatnonzero(which.ravel() == number)) for number, pattern in enumerate(patterns)]


def _interpolated(
    columns: NDArray[np.float64], given: NDArray[np.float64], wanted: NDArray[np.float64], how: How
) -> NDArray[np.float64]:
    """Return [part, column, wanted] of `columns` [part, column, given]."""
    if how == "nearest" or len(given) == 1:
        nearest: NDArray[np.float64] = columns[..., _nearest(given, wanted)]
        return nearest
    if len(columns) == 2:
        columns = np.stack([columns[0], np.unwrap(columns[1], axis=-1)])
    low = np.clip(np.searchsorted(given, wanted, side="right") - 1, 0, len(given) - 2)
    share = np.clip((wanted - given[low]) / (given[low + 1] - given[low]), 0, 1)
    before, after = columns[..., low], columns[..., low + 1]
    line: NDArray[np.float64] = before + share * (after - before)
    return line


def _nearest(given: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.intp]:
    middle = (given[1:] + given[:-1]) / 2
    return np.searchsorted(middle, wanted, side="left")


def _gaps(
    bad: NDArray[np.bool_], given: NDArray[np.float64], wanted: NDArray[np.float64], how: How
) -> NDArray[np.bool_]:
    """Return whether a wanted channel rests on a bad solution: the nearest, or either of the two around it."""
    nearest = _nearest(given, wanted)
    if how == "nearest" or len(given) == 1:
        return bad[nearest]
    low = np.clip(np.searchsorted(given, wanted, side="right") - 1, 0, len(given) - 2)
    return np.where(given[nearest] == wanted, bad[nearest], bad[low] | bad[low + 1])
