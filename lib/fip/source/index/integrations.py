"""What the correlator dumped: rows of a MeasurementSet grouped into integrations. Pure.

`unique(TIME)` is not the list of integrations: baselines of one dump may carry TIMEs that differ by
milliseconds to seconds, and INTERVAL may be wrong. What can be trusted is how often a baseline repeats.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

import numpy as np
from numpy.typing import NDArray

_VARIED = 1.5  # baselines are averaged by different lengths where the longest interval is this much the shortest
_SAME_CADENCE = 0.1  # relative difference up to which data descriptions are of one cadence
SETTLED = 10_000  # spacings after which more would not change a median


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often the rows of one series repeat."""

    seconds: float  # s; infinite where no baseline repeats: then all is one integration
    interval: float  # s, the median INTERVAL, the shortest where `varied`; NaN where none is positive
    support: int  # spacings it rests on
    varied: bool = False  # averaged by baseline: `seconds` is then the longest INTERVAL


def cadences(
    series: NDArray[np.integer],
    baseline: NDArray[np.integer],
    time: NDArray[np.float64],
    interval: NDArray[np.float64],
) -> dict[int, Cadence]:
    """The cadence of each series of rows, all arguments [row], times in s.

    It is the median over baselines of the median spacing of a baseline's rows. Where some spacings agree with
    INTERVAL, the others are gaps (another field was observed) and do not count.
    """
    if not series.size:
        return {}
    order = np.lexsort((time, baseline, series))
    series, baseline, time, interval = series[order], baseline[order], time[order], interval[order]
    spacing = np.diff(time)
    same = (np.diff(series) == 0) & (np.diff(baseline) == 0) & (spacing > 0)
    edges = np.flatnonzero(np.diff(series)) + 1
    found = {}
    for first, last in pairwise([0, *edges, series.size]):
        here = slice(first, max(first, last - 1))
        found[int(series[first])] = _cadence(
            baseline[here][same[here]], spacing[here][same[here]], interval[first:last]
        )
    return found


def _cadence(baseline: NDArray[np.integer], spacing: NDArray[np.float64], interval: NDArray[np.float64]) -> Cadence:
    """Of one series: spacings sorted by baseline, and all its INTERVALs."""
    positive = interval[np.isfinite(interval) & (interval > 0)]
    typical = float(np.median(positive)) if positive.size else float("nan")
    if not spacing.size:
        return Cadence(float("inf"), typical, 0)
    by_baseline = _lower_medians(baseline, spacing)
    if positive.size and positive.max() > _VARIED * positive.min():
        shortest, longest = np.percentile(by_baseline, [5, 95])
        if longest > _VARIED * shortest and 0.9 < positive.max() / longest < 1.5:
            return Cadence(float(positive.max()), float(positive.min()), spacing.size, varied=True)
    unbroken = np.abs(spacing / typical - 1) < _SAME_CADENCE
    if unbroken.any():
        by_baseline = _lower_medians(baseline[unbroken], spacing[unbroken])
    return Cadence(float(np.median(by_baseline)), typical, spacing.size)


def _lower_medians(baseline: NDArray[np.integer], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median spacing of each baseline; of two in the middle the shorter, as the longer may span a gap."""
    order = np.lexsort((spacing, baseline))
    starts = np.flatnonzero(np.diff(baseline[order], prepend=-1))
    counts = np.diff(starts, append=baseline.size)
    middle: NDArray[np.float64] = spacing[order][starts + (counts - 1) // 2]
    return middle


def alike(found: Sequence[Cadence]) -> list[int]:
    """A label for each cadence: equal labels where they are the same within a tenth.

    One without a repeat follows the others.
    """
    order = sorted(range(len(found)), key=lambda at: found[at].seconds)
    labels = [0] * len(found)
    for before, this in pairwise(order):
        slower = found[this].seconds > (1 + _SAME_CADENCE) * found[before].seconds
        labels[this] = labels[before] + bool(slower and np.isfinite(found[this].seconds))
    return labels


def split(times: NDArray[np.float64], cadence: Cadence) -> NDArray[np.intp]:
    """Where each integration begins in `times` (s, ascending, at least one): indices, the first is 0.

    Integration k is [t0 + (k - 1/2) D, t0 + (k + 1/2) D) with D the cadence and t0 the first time. The comb is set
    anew on the mean of each integration, so that a cadence a little off does not walk out of step over hours.
    Where baselines are averaged by different lengths, the first integration begins with the first interval.
    """
    length = cadence.seconds
    centre = float(times[0]) + ((length - cadence.interval) / 2 if cadence.varied else 0)
    starts = [0]
    while True:
        begin = starts[-1]
        end = max(begin + 1, bisect_left(times, centre + length / 2, begin))  # searchsorted would copy a view
        if end >= times.size:
            return np.array(starts)
        centre = float(times[begin:end].mean())
        centre += length * max(1, floor((times[end] - centre) / length + 0.5))
        starts.append(end)
