"""What the correlator dumped: rows of a MeasurementSet grouped into integrations. Pure.

`unique(TIME)` is not the list of integrations: baselines of one dump may carry TIMEs that differ by
milliseconds to seconds, and INTERVAL may be wrong. What can be trusted is how often a baseline repeats.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import floor, isfinite

import numpy as np
from numpy.typing import NDArray

_SAME_CADENCE = 0.1  # relative difference up to which data descriptions are of one cadence
_OVERLAP = 0.75  # of the mean INTERVAL of two rows of a baseline: if they are nearer, their INTERVALs are too long
_MOST_WRONG = 0.1  # share of spacings that may be shorter than INTERVAL allows
_LEAST_RIGHT = 0.25  # share of spacings that have to be as INTERVAL says: the others are gaps
_SAME_LENGTH = 1.25  # factor up to which INTERVALs are one length of dump
_CONTIGUOUS = 0.1  # of an interval: a shorter gap between two does not count
_AT_ONCE = 1 << 17  # TIMEs whose gaps are looked at together
_FEW = 50  # spacings: a median of fewer may be off by a tenth
SETTLED = 10_000  # spacings after which more would not change a median
UNKNOWN = -1024
"""The class of an INTERVAL that is not known."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often the rows of one series repeat."""

    seconds: float  # s; infinite if no baseline repeats: then all is one integration
    interval: float  # s, the median INTERVAL; NaN if none is positive
    support: int  # spacings it rests on
    believed: bool = False  # whether INTERVAL is the length of rows: those of a baseline follow each other as it says
    wrong: frozenset[int] = frozenset()  # classes of INTERVAL that overlap with the rows beside them even so

    @property
    def overlaps(self) -> bool:
        """Return whether INTERVAL is longer than a baseline takes to repeat."""
        return not self.believed and isfinite(self.seconds) and self.interval > self.seconds / _OVERLAP


def classes(interval: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the class of each INTERVAL (s): those of one length of dump are in one, or in two beside each other."""
    known = np.isfinite(interval) & (interval > 0)
    found = np.full(interval.shape, UNKNOWN, np.int64)
    found[known] = np.floor(4 * np.log2(interval[known]) + 0.5)
    return found


def cadences(
    series: NDArray[np.integer],
    baseline: NDArray[np.integer],
    time: NDArray[np.float64],
    interval: NDArray[np.float64],
) -> dict[int, Cadence]:
    """Return the cadence of each series of rows, all arguments [row], times in s.

    It is the median over baselines of the median spacing of a baseline's rows. If some spacings agree with INTERVAL,
    the others are gaps (another field was observed) and do not count.
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
            baseline[here][same[here]], spacing[here][same[here]], interval[first:last], same[here]
        )
    return found


def _cadence(
    baseline: NDArray[np.integer],
    spacing: NDArray[np.float64],
    interval: NDArray[np.float64],
    same: NDArray[np.bool_],
) -> Cadence:
    """Return the cadence of one series.

    It has spacings sorted by baseline, all its INTERVALs, and `same`: between which rows [row - 1] spacings are.
    """
    positive = interval[np.isfinite(interval) & (interval > 0)]
    typical = float(np.median(positive)) if positive.size else float("nan")
    if not spacing.size:
        return Cadence(float("inf"), typical, 0, believed=positive.size > 0)
    by_baseline = _lower_medians(baseline, spacing)
    length = np.where(interval > 0, interval, np.nan)  # NaN is neither right nor too long
    told = ((length[1:] + length[:-1]) / 2)[same]
    too_long, right = spacing < _OVERLAP * told, np.abs(spacing / told - 1) < _SAME_CADENCE
    believed = too_long.mean() <= _MOST_WRONG and right.mean() >= _LEAST_RIGHT
    wrong = frozenset(_overlapping(classes(interval), same, too_long)) if believed and too_long.any() else frozenset()
    unbroken = np.abs(spacing / typical - 1) < _SAME_CADENCE
    if unbroken.any():
        seconds = float(np.median(_lower_medians(baseline[unbroken], spacing[unbroken])))
    else:
        seconds = _if_sparse(float(np.median(by_baseline)), spacing)
    return Cadence(seconds, typical, spacing.size, bool(believed), wrong)


def _if_sparse(seconds: float, spacing: NDArray[np.float64]) -> float:
    """Return the cadence of baselines that skip dumps in turn: the commonest spacing, if `seconds` is a multiple of it.

    However many dumps a baseline skips at random, to skip none is more frequent than to skip any other number.
    """
    bins, of_spacing = np.unique(np.round(np.log(spacing) / np.log(1 + _SAME_CADENCE)), return_inverse=True)
    common = float(np.median(spacing[of_spacing == np.bincount(of_spacing, minlength=bins.size).argmax()]))
    near = np.abs(spacing / common - 1) < _SAME_CADENCE
    times = seconds / common
    whole = times > 1.5 and abs(times - round(times)) < _SAME_CADENCE * times
    return float(np.median(spacing[near])) if whole and near.mean() > _LEAST_RIGHT else seconds


def _overlapping(of_rows: NDArray[np.int64], same: NDArray[np.bool_], too_long: NDArray[np.bool_]) -> Iterator[int]:
    """Yield the classes whose rows overlap with the next of their baseline more often than not."""
    beside = np.flatnonzero(same)
    for each in np.unique(of_rows[np.concatenate([beside[too_long], beside[too_long] + 1])]).tolist():
        has = (of_rows[beside] == each) | (of_rows[beside + 1] == each)
        if too_long[has].mean() > 0.5:
            yield each


def _lower_medians(baseline: NDArray[np.integer], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median spacing of each baseline; of two in the middle the shorter, as the longer may span a gap."""
    order = np.lexsort((spacing, baseline))
    starts = np.flatnonzero(np.diff(baseline[order], prepend=-1))
    counts = np.diff(starts, append=baseline.size)
    middle: NDArray[np.float64] = spacing[order][starts + (counts - 1) // 2]
    return middle


def alike(one: Cadence, other: Cadence) -> bool:
    """Return whether two are the same within a tenth; one without a repeat goes with any.

    If rows are few and their TIMEs jitter, their cadence is a guess: then INTERVALs are compared.
    """
    if not (isfinite(one.seconds) and isfinite(other.seconds)):
        return True
    told = all(isfinite(each.interval) and (each.believed or each.support < _FEW) for each in (one, other))
    both = (one.interval, other.interval) if told else (one.seconds, other.seconds)
    return max(both) <= (1 + _SAME_CADENCE) * min(both)


def split(times: NDArray[np.float64], seconds: float, anchors: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
    """Return the index in `times` (s, ascending, at least one) at which each integration begins; the first is 0.

    Integration k is [t0 + (k - 1/2) D, t0 + (k + 1/2) D) with D the cadence, `seconds`, and t0 the first time. The comb
    is set anew on the mean of each integration, so that a cadence a little off does not walk out of step over hours.
    If baselines are averaged by different lengths, the `anchors` [time] are the rows as long as an integration:
    the mean is theirs.
    """
    if anchors is None and times.size <= _AT_ONCE and isfinite(seconds):
        gaps = np.diff(times)
        new = gaps > 0
        dumps = np.round(gaps[new] / seconds)
        if ((dumps >= 1) & (np.abs(gaps[new] - dumps * seconds) < seconds / 4)).all():  # each TIME is one of its own
            return np.append(0, np.flatnonzero(new) + 1)
    centre = float(times[0]) if anchors is None else float(times[int(np.argmax(anchors))])
    starts = [0]
    while True:
        begin = starts[-1]
        end = max(begin + 1, bisect_left(times, centre + seconds / 2, begin))  # searchsorted would copy a view
        if end >= times.size:
            return np.array(starts)
        here = times[begin:end] if anchors is None else times[begin:end][anchors[begin:end]]
        centre = float(here.mean()) if here.size else centre
        centre += seconds * max(1, floor((times[end] - centre) / seconds + 0.5))
        starts.append(end)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Integrations of rows of several lengths, in order of time."""

    starts: NDArray[np.intp]  # [integration] its first row; the first is 0
    seconds: NDArray[np.float64]  # [integration] s, the longest of its rows
    varied: bool  # some baselines are averaged longer than others


def split_by_length(times: NDArray[np.float64], lengths: NDArray[np.float64]) -> Pieces:
    """Return the integrations of rows at `times` (s, ascending) that are of several `lengths` (s), both [row].

    At any time the longest rows say what an integration is: if there are shorter ones of other baselines then, these
    were averaged less. At times without rows of that length, the next shorter ones say it: the correlator dumped
    faster then.
    """
    level, run, varied = np.zeros(times.size), np.zeros(times.size, np.int64), False
    for length in _levels(lengths):
        free = level == 0
        longest = free & (lengths * _SAME_LENGTH > length)
        if not longest.any():
            continue
        begins, ends = _covered(times[longest], length)
        place = np.searchsorted(begins, times, side="right") - 1
        slack = np.minimum(lengths, length) / 4
        inside = free & (place >= 0) & (times >= begins[place] + slack) & (times <= ends[place] - slack)
        inside |= longest
        varied |= bool((inside & ~longest).any())
        level[inside], run[inside] = length, place[inside]
    edges = np.flatnonzero((np.diff(level) != 0) | (np.diff(run) != 0)) + 1
    starts, seconds = [], []
    for first, last in pairwise([0, *edges.tolist(), times.size]):
        length = float(level[first])
        found = split(times[first:last], length, lengths[first:last] * _SAME_LENGTH > length)
        starts.append(found + first)
        seconds.append(np.full(found.size, length))
    return Pieces(np.concatenate(starts), np.concatenate(seconds), varied)


def _levels(lengths: NDArray[np.float64]) -> list[float]:
    """Return the lengths of dumps, the longest first: those nearer than a quarter are one, its longest."""
    levels: list[float] = []
    for length in np.unique(lengths)[::-1].tolist():
        if not levels or length * _SAME_LENGTH <= levels[-1]:
            levels.append(length)
    return levels


def several_lengths(lengths: NDArray[np.float64]) -> bool:
    """Return whether these are more than one length of dump."""
    return bool(lengths.size) and float(lengths.max()) >= _SAME_LENGTH * float(lengths.min())


def _covered(times: NDArray[np.float64], length: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return begins and ends of the stretches of time that rows of this length, about ascending `times`, cover."""
    edges = np.flatnonzero(np.diff(times) > (1 + _CONTIGUOUS) * length) + 1
    return times[np.append(0, edges)] - length / 2, times[np.append(edges, times.size) - 1] + length / 2


def in_turn(times: NDArray[np.float64], cadence: Cadence) -> bool:
    """Return whether series of one cadence took turns: together their dumps, at ascending `times`, fit INTERVAL."""
    if not cadence.interval < cadence.seconds / 1.5:
        return False
    gaps = np.diff(times)
    gaps = gaps[gaps > cadence.interval / 2]
    return gaps.size > 1 and float((np.abs(gaps / cadence.interval - 1) < _SAME_CADENCE).mean()) > 0.75
