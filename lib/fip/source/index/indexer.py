"""Finds the integrations of a MeasurementSet. Pure: it is fed columns, chunk by chunk.

Consecutive rows with one TIME and one series are kept as a *stretch* of 16 bytes: a few thousand numbers for a
MeasurementSet in order of time, and 16 bytes a row for one in no order at all; 8 of them stay.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.source.index.coverage import Reach
from fip.source.index.integrations import (
    SETTLED,
    UNKNOWN,
    Cadence,
    cadences,
    classes,
    in_turn,
    several_lengths,
    split,
    split_by_length,
)
from fip.source.index.pattern import Pattern
from fip.source.index.ranks import ranks
from fip.source.index.row_index import BEAM_COLUMNS, CHUNK, RowIndex
from fip.source.index.strands import Averaged, Strand, gather
from fip.source.index.stretches import NONE, Stretches

_BEAM, _CLASS = "BEAM", "CLASS"  # made of FEED1 and FEED2, and of INTERVAL
_STRAND = ("ARRAY_ID", "FIELD_ID", _BEAM, "OBSERVATION_ID", "SCAN_NUMBER", "DATA_DESC_ID")
_KEY = (*_STRAND, _CLASS)
_ARRAY_AT, _FIELD_AT, _BEAM_AT, _OBSERVATION_AT, _SCAN_AT, _WINDOW_AT = range(len(_STRAND))


@dataclass(slots=True)
class _Block:
    """The part of a chunk that came so far: which strands are in it, and the rows of those that are not settled."""

    rows: int = 0
    present: set[int] = field(default_factory=set)
    strand: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    baseline: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    time: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))
    interval: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))


@dataclass(slots=True)
class Indexer:
    """Indexes rows that are fed in their order: what has been seen so far."""

    reach: Reach = field(default_factory=Reach)
    series: dict[tuple[int, ...], int] = field(default_factory=dict)  # strands, and the classes of their INTERVALs
    strands: dict[tuple[int, ...], int] = field(default_factory=dict)
    strand_of: list[int] = field(default_factory=list)  # [series]
    length: list[float] = field(default_factory=list)  # [series] s, an INTERVAL of it
    span: dict[int, tuple[float, float]] = field(default_factory=dict)  # s, first and last TIME of each strand
    pairs: dict[int, NDArray[np.bool_]] = field(default_factory=dict)  # [antenna, antenna] there are in each window
    cadence: dict[int, Cadence] = field(default_factory=dict)  # of each strand
    chunks: Counter[int] = field(default_factory=Counter)
    stretches: Stretches = field(default_factory=Stretches)
    repeated: int = 0
    pattern: Pattern = field(default_factory=Pattern)
    block: _Block = field(default_factory=_Block)

    def feed(self, chunks: Iterable[dict[str, NDArray[Any]]]) -> "Indexer":
        """Add the next rows, which have `COLUMNS`."""
        for chunk in chunks:
            self._add(chunk)
            self.block = _Block()
        return self

    @property
    def room(self) -> int:
        """Return how many rows `extend` takes at once."""
        return CHUNK - self.block.rows

    def extend(self, few: dict[str, NDArray[Any]]) -> None:
        """Add the next rows of a set that grows, whole integrations: a part of a chunk, until that is complete."""
        self._add(few)
        if self.room <= 0:
            self.block = _Block()

    def so_far(self, one_band: Averaged | None = None) -> RowIndex | None:
        """Return the index as `index` does; more rows may follow."""
        return replace(self, stretches=self.stretches.copy()).index(one_band)

    def index(self, one_band: Averaged | None = None) -> RowIndex | None:
        """Return the integrations of all rows; None if there is no cross-correlation. It is the last call.

        `one_band` says whether two windows are of one band; if it is not given all may be.
        """

        def averaged(one: int, other: int) -> bool:
            return self._apart(one, other) and (one_band is None or one_band(one, other))

        return _integrations(self, averaged) if self.cadence else None

    def _apart(self, one: int, other: int) -> bool:
        """Return whether two windows have no baseline in common."""
        first, second = self.pairs[one], self.pairs[other]
        common = min(len(first), len(second))
        return not (first[:common, :common] & second[:common, :common]).any()

    def _add(self, chunk: dict[str, NDArray[Any]]) -> None:
        self.pattern.add(chunk)
        time, interval = chunk["TIME"], chunk["INTERVAL"]
        cross = chunk["ANTENNA1"] != chunk["ANTENNA2"]
        keys = [*(chunk[name] for name in _STRAND if name != _BEAM), classes(interval)]
        keys.insert(_BEAM_AT, _beams(chunk, cross))
        starts = _changes([time, *keys])
        series = self._series([key[starts] for key in keys], interval[starts])
        crosses = np.add.reduceat(cross, starts, dtype=np.int64)
        series[crosses == 0] = NONE
        self.stretches.append(time[starts], series, starts, np.diff(starts, append=time.size) - crosses, time.size)
        self.reach.add(chunk, cross)
        of_rows = np.append(self.strand_of, NONE).astype(np.int32)[series]  # NONE, -1, is the last
        strand = np.repeat(of_rows, np.diff(starts, append=time.size))
        self._measure(chunk, cross, strand)

    def _series(self, keys: list[NDArray[np.integer]], interval: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return a number for each stretch's key, the same in every chunk."""
        edges = _changes(keys)
        rows = zip(*(key[edges].tolist() for key in keys), strict=True)
        numbers = np.empty(edges.size, np.int32)
        for at, key in enumerate(rows):
            number = self.series.setdefault(key, len(self.series))
            if number == len(self.strand_of):
                self.strand_of.append(self.strands.setdefault(key[:-1], len(self.strands)))
                self.length.append(float(interval[edges[at]]))
            numbers[at] = number
        return np.repeat(numbers, np.diff(edges, append=keys[0].size))

    def _measure(self, chunk: dict[str, NDArray[Any]], cross: NDArray[np.bool_], strand: NDArray[np.int32]) -> None:
        """Measure the times and baselines of the strands, and the cadence of those that are not settled."""
        here = np.flatnonzero(cross)
        first, second = (chunk[name][here] for name in ("ANTENNA1", "ANTENNA2"))
        baseline = np.minimum(first, second).astype(np.int64) << 32 | np.maximum(first, second)
        strand, time = strand[here], chunk["TIME"][here]
        block, present = self.block, np.unique(strand).tolist()
        block.rows += cross.size
        self.chunks.update(set(present) - block.present)
        block.present.update(present)
        self._place(present, strand, time)
        self._pair(chunk["DATA_DESC_ID"][here], first, second)
        self.repeated += _repeats(time, baseline, strand)
        block.strand = np.append(block.strand, strand)
        block.time, block.interval = np.append(block.time, time), np.append(block.interval, chunk["INTERVAL"][here])
        block.baseline = np.append(block.baseline, baseline)
        self._leave_settled()
        for each, cadence in cadences(block.strand, block.baseline, block.time, block.interval).items():
            if each not in self.cadence or cadence.support > self.cadence[each].support:
                self.cadence[each] = cadence
        self._leave_settled()

    def _leave_settled(self) -> None:
        """Drop the rows of strands whose cadence would not change any more."""
        block = self.block
        settled = [each for each in block.present if each in self.cadence and self.cadence[each].support >= SETTLED]
        if settled and block.strand.size:
            left = ~np.isin(block.strand, settled)
            block.strand, block.baseline = block.strand[left], block.baseline[left]
            block.time, block.interval = block.time[left], block.interval[left]

    def _place(self, present: list[int], strand: NDArray[np.int32], time: NDArray[np.float64]) -> None:
        if not present:
            return
        low, high = np.full(max(present) + 1, np.inf), np.full(max(present) + 1, -np.inf)
        np.minimum.at(low, strand, time)
        np.maximum.at(high, strand, time)
        for each in present:
            before = self.span.get(each, (np.inf, -np.inf))
            self.span[each] = min(before[0], float(low[each])), max(before[1], float(high[each]))

    def _pair(self, window: NDArray[np.integer], first: NDArray[np.integer], second: NDArray[np.integer]) -> None:
        known = np.minimum(first, second) >= 0  # others are refused later, with a message
        for each in np.unique(window).tolist():
            here = known & (window == each)
            one, other = np.minimum(first[here], second[here]), np.maximum(first[here], second[here])
            most = min(int(np.max(other, initial=0)) + 1, _MOST_ANTENNAS)
            mask = self.pairs.setdefault(each, np.zeros((0, 0), bool))
            if most > len(mask):
                mask = self.pairs[each] = np.pad(mask, (0, most - len(mask)))
            mask[one[other < most], other[other < most]] = True


_MOST_ANTENNAS = 4096  # antenna numbers from here on are left out of `pairs`; nobody has as many


def _beams(chunk: dict[str, NDArray[Any]], cross: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the beam of each row: FEED1, if both antennas have it in every row; else all 0, as there are no beams."""
    first, second = (chunk.get(name) for name in BEAM_COLUMNS)
    if first is None or second is None or (first != second)[cross].any():
        return np.zeros(cross.size, np.int64)
    return np.asarray(first, np.int64)


def _repeats(time: NDArray[np.float64], baseline: NDArray[np.int64], strand: NDArray[np.int32]) -> int:
    """Return how many rows have the TIME, baseline and strand of a row before them."""
    mixed = time.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # 64 bits of each: only equal rows are alike
    mixed ^= baseline.view(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= strand.astype(np.uint64) * np.uint64(0x165667B19E3779F9)
    mixed.sort()
    return int(np.count_nonzero(mixed[1:] == mixed[:-1]))


def _changes(columns: list[NDArray[Any]]) -> NDArray[np.intp]:
    """Return the rows that differ from the one before, in any column; the first row does."""
    changed = np.zeros(columns[0].size, dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def _gathered(scan: Indexer, averaged: Averaged) -> tuple[NDArray[np.int32], list[list[Strand]], NDArray[np.float64]]:
    """Return the group of each series, the strands of each group, and lengths [series] in s.

    The group is NONE for a series without a cross-correlation. A series is as long as its INTERVALs say if these are
    believed, else as the cadence of its strand.
    """
    keys = {number: key for key, number in scan.strands.items()}
    numbers = sorted(scan.cadence)
    strands = [
        Strand(keys[each][:3], (keys[each][3], keys[each][4]), keys[each][5], _cadence(scan, each), *scan.span[each])
        for each in numbers
    ]
    group_of = np.full(len(scan.strands), NONE, np.int32)
    believed = np.zeros(len(scan.strands), bool)
    groups = gather(strands, averaged)
    for group, members in enumerate(groups):
        inside = [numbers[at] for at in members]
        group_of[inside] = group
        repeats = [scan.cadence[each].believed for each in inside if np.isfinite(scan.cadence[each].seconds)]
        believed[inside] = [any(repeats) and scan.cadence[each].believed for each in inside]
    lengths = np.full(len(scan.series), np.inf)
    for key, number in scan.series.items():
        strand = scan.strand_of[number]
        if believed[strand] and key[-1] not in {UNKNOWN, *scan.cadence[strand].wrong}:
            lengths[number] = scan.length[number]
        elif strand in scan.cadence:
            lengths[number] = _cadence(scan, strand).seconds
    return group_of[scan.strand_of], [[strands[at] for at in members] for members in groups], lengths


def _cadence(scan: Indexer, number: int) -> Cadence:
    """Return a strand's cadence; it is INTERVAL if a chunk is too short to see a baseline repeat."""
    cadence = scan.cadence[number]
    if np.isfinite(cadence.seconds) or scan.chunks[number] == 1:
        return cadence
    return replace(cadence, seconds=cadence.interval)


@dataclass(slots=True)
class _Cut:
    """The integrations that one group of strands was cut into."""

    starts: NDArray[np.intp]  # [integration] its first place in the group's stretches
    seconds: NDArray[np.float64]  # [integration] its cadence
    trusted: bool
    varied: bool


def _cut(times: NDArray[np.float64], lengths: NDArray[np.float64], strands: Sequence[Strand]) -> _Cut:
    """Cut a group into integrations, of stretches at ascending `times` that are so long (s), both [stretch]."""
    cadence = min((strand.cadence for strand in strands), key=lambda each: each.seconds)
    known = lengths[np.isfinite(lengths)]
    varied, windows = False, {strand.window for strand in strands}
    if several_lengths(known):
        pieces = split_by_length(times, np.where(np.isfinite(lengths), lengths, known.max()))
        starts, seconds, varied = pieces.starts, pieces.seconds, pieces.varied
        longest = seconds
    else:
        length = cadence.interval if len(windows) > 1 and in_turn(times, cadence) else cadence.seconds
        starts = split(times, length)
        seconds, longest = np.full(starts.size, length), np.full(starts.size, cadence.interval)
    spread = times[np.append(starts[1:], times.size) - 1] - times[starts]
    trusted = bool((spread <= longest).all()) and not any(strand.cadence.overlaps for strand in strands)
    return _Cut(starts, seconds, trusted, varied)


def _integrations(scan: Indexer, averaged: Averaged) -> RowIndex:
    group_of, groups, lengths = _gathered(scan, averaged)
    times, first = scan.stretches.by_group(group_of, len(groups))
    cuts, heads, mean = [], [], []
    before = 0
    for number, (each, begin) in enumerate(zip(times, first.tolist(), strict=True)):
        of_stretches = lengths[scan.stretches.kinds(before, before + each.size)]
        if several_lengths(of_stretches[np.isfinite(of_stretches)]):  # this takes memory; most sets have one length
            of_stretches = lengths[scan.stretches.series(before, before + each.size)]
        cut = _cut(each, of_stretches, groups[number])
        cuts.append(cut)
        heads.append(cut.starts + before)
        mean.append(begin + np.add.reduceat(each, cut.starts) / np.diff(cut.starts, append=each.size))
        before += each.size
    first_time = float(first.min())
    last_time = max(float(each[-1]) + begin for each, begin in zip(times, first.tolist(), strict=True))
    head = np.concatenate(heads)
    keys = np.array(list(scan.series), np.int64)[scan.stretches.series_at(head)]
    time, cadence = np.concatenate(mean), np.concatenate([cut.seconds for cut in cuts])
    sizes = [cut.starts.size for cut in cuts]
    group = np.repeat(np.arange(len(cuts)), sizes)
    series = ranks(group, keys[:, _OBSERVATION_AT], keys[:, _SCAN_AT], cadence)
    in_time = np.lexsort((series, keys[:, _BEAM_AT], keys[:, _FIELD_AT], time))
    coverage = scan.reach.coverage()
    varied = np.array([cut.varied for cut in cuts])
    worth = np.where(varied[group_of] & np.isfinite(lengths), lengths, 1.0)
    rows_of_window = _rows_of_window(scan, coverage.windows, head, np.argsort(in_time), worth)
    rows_of_window /= np.where(np.repeat(varied, sizes), cadence, 1.0)[in_time, None]
    np.round(rows_of_window, 3, out=rows_of_window)  # so that three thirds are one
    np.minimum(rows_of_window, [np.count_nonzero(scan.pairs[each]) for each in coverage.windows], out=rows_of_window)
    offset, ranges = scan.stretches.ranges(in_time.size)
    array, field, beam, observation, scans = (
        keys[in_time, at].astype(np.int32) for at in (_ARRAY_AT, _FIELD_AT, _BEAM_AT, _OBSERVATION_AT, _SCAN_AT)
    )
    return RowIndex(
        rows=scan.stretches.rows,
        first_time=first_time,
        last_time=last_time,
        coverage=coverage,
        field=field,
        array=array,
        beam=beam,
        scan=scans,
        observation=observation,
        series=series[in_time].astype(np.int32),
        time=time[in_time],
        cadence=cadence[in_time],
        trusted=np.repeat([cut.trusted for cut in cuts], sizes)[in_time],
        overlaps=any(strand.cadence.overlaps for strands in groups for strand in strands),
        varied=bool(varied.any()),
        repeated=scan.repeated,
        rows_of_window=rows_of_window,
        offset=offset,
        ranges=ranges,
        pattern=scan.pattern,
    )


def _rows_of_window(
    scan: Indexer,
    windows: tuple[int, ...],
    head: NDArray[np.intp],
    rank: NDArray[np.integer],
    worth: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return the cross-correlations of each integration and window, [integration, window], each weighted by `worth`.

    `worth` is [series].
    """
    of_series = np.array([key[_WINDOW_AT] for key in scan.series], np.int64)
    column = np.minimum(np.searchsorted(windows, of_series), len(windows) - 1)  # any, if it has no cross-correlation
    return scan.stretches.counts(head, rank, column, worth)
