"""Which rows of a MeasurementSet make up which integration. Pure: it is fed columns, chunk by chunk.

Consecutive rows with one TIME and one series are kept as a *stretch* of 16 bytes: a few thousand numbers for a
MeasurementSet in order of time, and 16 bytes a row for one in no order at all; 8 of them stay.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.source.index.integrations import SETTLED, Cadence, alike, cadences, split
from fip.source.index.stretches import MOST_ROWS, NONE, Stretches

COLUMNS = (
    *("TIME", "INTERVAL", "ANTENNA1", "ANTENNA2", "UVW"),
    *("OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID"),
)
"""Columns that a chunk must have."""

CHUNK = MOST_ROWS // 4  # rows; at most MOST_ROWS

_KEY = ("OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID")
_OBSERVATION, _SCAN, _FIELD = (_KEY.index(name) for name in ("OBSERVATION_ID", "SCAN_NUMBER", "FIELD_ID"))


Numbers: TypeAlias = "range | NDArray[np.int64]"
"""Numbers of rows, ascending."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What some cross-correlations of a MeasurementSet reach."""

    antennas: tuple[int, ...]
    windows: tuple[int, ...]  # DATA_DESC_IDs
    longest_baseline: float  # m, the longest finite |(u, v)|; 0 where there is none
    rms_baseline: float  # m, the root mean square of the finite |(u, v)|


@dataclass(frozen=True, slots=True, eq=False)
class RowIndex:
    """The integrations of a MeasurementSet in order of time, all fields together, and where their rows are."""

    rows: int  # of the table
    first_time: float  # s, the earliest TIME of a cross-correlation
    last_time: float  # s
    coverage: Coverage  # of all cross-correlations
    field: NDArray[np.int32]  # [integration] FIELD_ID
    scan: NDArray[np.int32]  # [integration] SCAN_NUMBER
    observation: NDArray[np.int32]  # [integration] OBSERVATION_ID
    series: NDArray[np.int32]  # [integration] the same within one observation, array, scan, field and cadence
    time: NDArray[np.float64]  # [integration] s, mean TIME of its stretches
    cadence: NDArray[np.float64]  # [integration] s, infinite where nothing repeats in its scan
    trusted: NDArray[np.bool_]  # [integration] whether INTERVAL can be right
    varied: bool  # some baselines are averaged longer than others
    offset: NDArray[np.int64]  # [integration + 1] into `ranges`
    ranges: NDArray[np.uint32]  # [range, 2] first row and number of rows

    def __len__(self) -> int:
        return int(self.field.size)

    def rows_of(self, integrations: Sequence[int] | NDArray[np.integer]) -> tuple[Numbers, NDArray[np.intp]]:
        """The rows of some integrations, ascending, and the integration of each."""
        ((numbers, integration),) = self.in_order(integrations, self.rows)
        return numbers, integration

    def in_order(
        self, integrations: Sequence[int] | NDArray[np.integer], rows: int
    ) -> Iterator[tuple[Numbers, NDArray[np.intp]]]:
        """The same, about so many `rows` at a time, in the order in which they are on file."""
        key = np.empty(sum(int(self.offset[each + 1] - self.offset[each]) for each in integrations), np.uint64)
        filled = 0
        for each in integrations:
            here = np.arange(self.offset[each], self.offset[each + 1])
            key[filled : filled + here.size] = self.ranges[here, 0].astype(np.uint64) << 32 | here.astype(np.uint64)
            filled += here.size
        key.sort()  # in place: 8 bytes a range, and no more
        done = 0
        while done < key.size:
            some = (key[done : done + rows] & np.uint64(0xFFFFFFFF)).astype(np.intp)
            start, count = self.ranges[some].astype(np.int64).T
            fit = max(1, int(np.searchsorted(np.cumsum(count), rows, side="right")))
            start, count, some = start[:fit], count[:fit], some[:fit]
            yield _expand(start, count), np.repeat(np.searchsorted(self.offset, some, side="right") - 1, count)
            done += fit


@dataclass(slots=True)
class Reach:
    """Gathers the coverage of rows, chunk by chunk."""

    antennas: set[int] = field(default_factory=set)
    windows: set[int] = field(default_factory=set)
    longest: float = 0.0
    squares: float = 0.0
    counted: int = 0

    def add(self, chunk: Mapping[str, NDArray[Any]], counts: NDArray[np.bool_]) -> None:
        """Those rows of a chunk that count [row]; it has ANTENNA1, ANTENNA2, DATA_DESC_ID and UVW."""
        for name in ("ANTENNA1", "ANTENNA2"):
            self.antennas.update(np.unique(chunk[name][counts]).tolist())
        self.windows.update(np.unique(chunk["DATA_DESC_ID"][counts]).tolist())
        square = np.square(chunk["UVW"][:, 0]) + np.square(chunk["UVW"][:, 1])
        square = square[counts & np.isfinite(square)]
        self.longest = max(self.longest, float(np.max(square, initial=0)) ** 0.5)
        self.squares += float(square.sum())
        self.counted += square.size

    def coverage(self) -> Coverage:
        """What all of them reach."""
        rms = (self.squares / max(1, self.counted)) ** 0.5
        return Coverage(tuple(sorted(self.antennas)), tuple(sorted(self.windows)), self.longest, rms)


@dataclass(slots=True)
class Indexer:
    """Indexes rows that are fed in their order: what has been seen so far."""

    reach: Reach = field(default_factory=Reach)
    series: dict[tuple[int, ...], int] = field(default_factory=dict)
    cadence: dict[int, Cadence] = field(default_factory=dict)
    chunks: Counter[int] = field(default_factory=Counter)
    stretches: Stretches = field(default_factory=Stretches)

    def feed(self, chunks: Iterable[dict[str, NDArray[Any]]]) -> "Indexer":
        """The next rows, which have `COLUMNS`."""
        for chunk in chunks:
            self._add(chunk)
        return self

    def index(self) -> RowIndex | None:
        """The integrations of all rows; None where there is no cross-correlation. It is the last call."""
        return _integrations(self) if self.cadence else None

    def _add(self, chunk: dict[str, NDArray[Any]]) -> None:
        time = chunk["TIME"]
        cross = chunk["ANTENNA1"] != chunk["ANTENNA2"]
        starts = _changes([time, *(chunk[name] for name in _KEY)])
        series = self._series([chunk[name][starts] for name in _KEY])
        series[~np.logical_or.reduceat(cross, starts)] = NONE
        self.stretches.append(time[starts], series, starts, time.size)
        self.reach.add(chunk, cross)
        self._measure(chunk, cross, np.repeat(series, np.diff(starts, append=time.size)))

    def _series(self, keys: list[NDArray[np.integer]]) -> NDArray[np.int32]:
        """A number for each stretch's key, the same in every chunk."""
        edges = _changes(keys)
        rows = zip(*(key[edges].tolist() for key in keys), strict=True)
        numbers = np.array([self.series.setdefault(key, len(self.series)) for key in rows], dtype=np.int32)
        return np.repeat(numbers, np.diff(edges, append=keys[0].size))

    def _measure(self, chunk: dict[str, NDArray[Any]], cross: NDArray[np.bool_], series: NDArray[np.int32]) -> None:
        """The cadence of the series that are not settled."""
        present = np.unique(series[cross]).tolist()
        self.chunks.update(present)
        settled = [each for each in present if each in self.cadence and self.cadence[each].support >= SETTLED]
        here = cross & ~np.isin(series, settled)
        first, second = chunk["ANTENNA1"][here], chunk["ANTENNA2"][here]
        baseline = np.minimum(first, second).astype(np.int64) << 32 | np.maximum(first, second)
        found = cadences(series[here], baseline, chunk["TIME"][here], chunk["INTERVAL"][here])
        for each, cadence in found.items():
            if each not in self.cadence or cadence.support > self.cadence[each].support:
                self.cadence[each] = cadence


def _expand(start: NDArray[np.int64], count: NDArray[np.int64]) -> Numbers:
    """The rows of these ranges, ascending as they are."""
    if (start[1:] == start[:-1] + count[:-1]).all():
        return range(int(start[0]), int(start[-1] + count[-1]))
    numbers: NDArray[np.int64] = np.repeat(start - np.cumsum(count) + count, count) + np.arange(count.sum())
    return numbers


def _changes(columns: list[NDArray[Any]]) -> NDArray[np.intp]:
    """Where a row differs from the one before, in any column; the first row does."""
    changed = np.zeros(columns[0].size, dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def _groups(scan: Indexer) -> tuple[NDArray[np.int32], list[Cadence], NDArray[np.int32]]:
    """Series that are observed together: group of each series, each group's cadence, and its key [group, number]."""
    together: dict[tuple[int, ...], list[int]] = {}
    for key, number in scan.series.items():
        if number in scan.cadence:
            together.setdefault(key[:-1], []).append(number)
    group = np.full(len(scan.series), NONE, dtype=np.int32)
    found: list[Cadence] = []
    keys: list[tuple[int, ...]] = []
    for key, members in together.items():
        each = [_cadence(scan, number) for number in members]
        labels = alike(each)
        for label in range(max(labels) + 1):
            inside = [at for at in range(len(members)) if labels[at] == label]
            group[[members[at] for at in inside]] = len(found)
            found.append(min((each[at] for at in inside), key=lambda cadence: cadence.seconds))
            keys.append(key)
    return group, found, np.array(keys, dtype=np.int32)


def _cadence(scan: Indexer, number: int) -> Cadence:
    """A series' cadence; INTERVAL has to do where a chunk is too short to see a baseline repeat."""
    cadence = scan.cadence[number]
    if np.isfinite(cadence.seconds) or scan.chunks[number] == 1:
        return cadence
    return Cadence(cadence.interval, cadence.interval, 0)


def _integrations(scan: Indexer) -> RowIndex:
    group_of, found, keys = _groups(scan)
    times, first = scan.stretches.by_group(group_of, len(found))
    heads, mean, spread, group = [], [], [], []
    before = 0
    for number, (each, begin) in enumerate(zip(times, first.tolist(), strict=True)):
        starts = split(each, found[number])
        sizes = np.diff(starts, append=each.size)
        heads.append(starts + before)
        mean.append(begin + np.add.reduceat(each, starts) / sizes)
        spread.append((each[starts + sizes - 1] - each[starts]).max())
        group.append(np.full(starts.size, number, np.int32))
        before += each.size
    first_time = float(first.min())
    last_time = max(float(each[-1]) + begin for each, begin in zip(times, first.tolist(), strict=True))
    trusted = np.array(spread) <= np.array([cadence.interval for cadence in found])
    integration, time = np.concatenate(group), np.concatenate(mean)
    in_time = np.lexsort((integration, keys[integration, _FIELD], time))
    offset, ranges = scan.stretches.ranges(np.concatenate(heads), np.argsort(in_time))
    group_in_time = integration[in_time]
    return RowIndex(
        rows=scan.stretches.rows,
        first_time=first_time,
        last_time=last_time,
        coverage=scan.reach.coverage(),
        field=keys[group_in_time, _FIELD],
        scan=keys[group_in_time, _SCAN],
        observation=keys[group_in_time, _OBSERVATION],
        series=group_in_time,
        time=time[in_time],
        cadence=np.array([cadence.seconds for cadence in found])[group_in_time],
        trusted=trusted[group_in_time],
        varied=any(cadence.varied for cadence in found),
        offset=offset,
        ranges=ranges,
    )
