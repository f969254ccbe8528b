"""Which rows of a MeasurementSet make up which integration. Pure: it is fed columns, chunk by chunk.

Consecutive rows with one TIME and one series are kept as a *stretch* of 16 bytes: a few thousand numbers for a
MeasurementSet in order of time, and 16 bytes a row for one in no order at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.integrations import Cadence, alike, cadences, split

COLUMNS = (
    *("TIME", "INTERVAL", "ANTENNA1", "ANTENNA2", "UVW"),
    *("OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID"),
)
"""Columns that a chunk must have."""

CHUNK = 1 << 20  # rows

_KEY = ("OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID")
_NONE = -1  # series of stretches without a cross-correlation


@dataclass(frozen=True, slots=True, eq=False)
class RowIndex:
    """The integrations of a MeasurementSet in order of time, all fields together, and where their rows are."""

    rows: int  # of the table
    first_time: float  # s, the earliest TIME of a cross-correlation
    last_time: float  # s
    longest_baseline: float  # m, the longest finite |(u, v)| of a cross-correlation
    antennas: tuple[int, ...]  # with cross-correlations
    observations: tuple[int, ...]
    windows: tuple[int, ...]  # DATA_DESC_IDs with cross-correlations
    field: NDArray[np.int32]  # [integration] FIELD_ID
    time: NDArray[np.float64]  # [integration] s, mean TIME of its stretches
    cadence: NDArray[np.float64]  # [integration] s, infinite where nothing repeats in its scan
    trusted: NDArray[np.bool_]  # [integration] whether INTERVAL can be right
    varied: bool  # some baselines are averaged longer than others
    offset: NDArray[np.int64]  # [integration + 1] into `start` and `count`
    start: NDArray[np.uint32]  # [range] first row
    count: NDArray[np.uint32]  # [range] rows

    def __len__(self) -> int:
        return int(self.field.size)

    def numbers(self, integration: int) -> range | NDArray[np.int64]:
        """The rows of an integration, ascending."""
        here = slice(self.offset[integration], self.offset[integration + 1])
        ranges = [range(a, a + n) for a, n in zip(self.start[here].tolist(), self.count[here].tolist(), strict=True)]
        return ranges[0] if len(ranges) == 1 else np.concatenate([np.asarray(each) for each in ranges])


@dataclass(slots=True)
class _Scan:
    """What has been seen so far."""

    rows: int = 0
    longest: float = 0.0
    antennas: set[int] = field(default_factory=set)
    series: dict[tuple[int, ...], int] = field(default_factory=dict)
    cadence: dict[int, Cadence] = field(default_factory=dict)
    chunks: Counter[int] = field(default_factory=Counter)
    times: list[NDArray[np.float64]] = field(default_factory=list)
    numbers: list[NDArray[np.int32]] = field(default_factory=list)
    starts: list[NDArray[np.uint32]] = field(default_factory=list)

    def add(self, chunk: dict[str, NDArray[Any]]) -> None:
        time = chunk["TIME"]
        cross = chunk["ANTENNA1"] != chunk["ANTENNA2"]
        starts = _changes([time, *(chunk[name] for name in _KEY)])
        series = self._series([chunk[name][starts] for name in _KEY])
        series[~np.logical_or.reduceat(cross, starts)] = _NONE
        self.times.append(time[starts])
        self.numbers.append(series)
        self.starts.append((starts + self.rows).astype(np.uint32))
        self.rows += time.size
        self._measure(chunk, cross, np.repeat(series, np.diff(starts, append=time.size)))

    def _series(self, keys: list[NDArray[np.integer]]) -> NDArray[np.int32]:
        """A number for each stretch's key, the same in every chunk."""
        edges = _changes(keys)
        rows = zip(*(key[edges].tolist() for key in keys), strict=True)
        numbers = np.array([self.series.setdefault(key, len(self.series)) for key in rows], dtype=np.int32)
        return np.repeat(numbers, np.diff(edges, append=keys[0].size))

    def _measure(self, chunk: dict[str, NDArray[Any]], cross: NDArray[np.bool_], series: NDArray[np.int32]) -> None:
        first, second = chunk["ANTENNA1"][cross], chunk["ANTENNA2"][cross]
        self.antennas.update(np.unique(first).tolist(), np.unique(second).tolist())
        lengths = np.hypot(chunk["UVW"][cross, 0], chunk["UVW"][cross, 1])
        self.longest = max(self.longest, float(np.max(lengths, initial=0, where=np.isfinite(lengths))))
        series = series[cross]
        present = np.unique(series).tolist()
        self.chunks.update(present)
        open_ones = [each for each in present if not (each in self.cadence and self.cadence[each].settled)]
        here = np.isin(series, open_ones)
        baseline = np.minimum(first, second).astype(np.int64) << 32 | np.maximum(first, second)
        found = cadences(series[here], baseline[here], chunk["TIME"][cross][here], chunk["INTERVAL"][cross][here])
        for each, cadence in found.items():
            if each not in self.cadence or cadence.support > self.cadence[each].support:
                self.cadence[each] = cadence


def index_rows(chunks: Iterable[dict[str, NDArray[Any]]]) -> RowIndex | None:
    """Group all rows into integrations; None where there is no cross-correlation. Chunks have `COLUMNS`."""
    scan = _Scan()
    for chunk in chunks:
        scan.add(chunk)
    times, series, starts = (_joined(each) for each in (scan.times, scan.numbers, scan.starts))
    counts = np.diff(starts, append=np.uint32(scan.rows))
    cross = series != _NONE
    if not cross.any():
        return None
    if not cross.all():
        times, series, starts, counts = times[cross], series[cross], starts[cross], counts[cross]
    return _integrations(scan, times, series, starts, counts)


def _joined(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    """One array; the list is emptied, so that nothing is held twice."""
    whole = np.concatenate(pieces)
    pieces.clear()
    return whole


def _changes(columns: list[NDArray[Any]]) -> NDArray[np.intp]:
    """Where a row differs from the one before, in any column; the first row does."""
    changed = np.zeros(columns[0].size, dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def _groups(scan: _Scan) -> tuple[NDArray[np.int32], list[Cadence]]:
    """Series that are observed together: group of each series, and each group's cadence."""
    together: dict[tuple[int, ...], list[int]] = {}
    for key, number in scan.series.items():
        if number in scan.cadence:
            together.setdefault(key[:-1], []).append(number)
    group = np.full(len(scan.series), _NONE, dtype=np.int32)
    found: list[Cadence] = []
    for members in together.values():
        each = [_cadence(scan, number) for number in members]
        labels = alike(each)
        for label in range(max(labels) + 1):
            inside = [at for at in range(len(members)) if labels[at] == label]
            group[[members[at] for at in inside]] = len(found)
            found.append(min((each[at] for at in inside), key=lambda cadence: cadence.seconds))
    return group, found


def _cadence(scan: _Scan, number: int) -> Cadence:
    """A series' cadence; INTERVAL has to do where a chunk is too short to see a baseline repeat."""
    cadence = scan.cadence[number]
    if np.isfinite(cadence.seconds) or scan.chunks[number] == 1:
        return cadence
    return Cadence(cadence.interval, cadence.interval, 0)


def _integrations(
    scan: _Scan,
    times: NDArray[np.float64],
    series: NDArray[np.int32],
    starts: NDArray[np.uint32],
    counts: NDArray[np.uint32],
) -> RowIndex:
    """All arguments [stretch], in order of rows."""
    group_of, found = _groups(scan)
    keys = [key for key, number in scan.series.items() if number in scan.cadence]
    fields = np.zeros(len(found), dtype=np.int32)
    for key in keys:
        fields[group_of[scan.series[key]]] = key[3]

    group = group_of[series]
    order = np.lexsort((times, group))  # stable: ascending in rows where all else is the same
    times, group = times[order], group[order]
    starts, counts = starts[order], counts[order]
    del order
    first_time = float(times.min())
    times -= first_time  # so that sums lose nothing
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), group.size]
    heads = np.concatenate([a + split(times[a:b], found[group[a]]) for a, b in pairwise(edges)])
    sizes = np.diff(heads, append=times.size)
    last_time = first_time + float(times.max())
    mean = first_time + np.add.reduceat(times, heads) / sizes
    spread = np.zeros(len(found))
    np.maximum.at(spread, group[heads], times[heads + sizes - 1] - times[heads])
    trusted = spread <= np.array([cadence.interval for cadence in found])
    group = group[heads]
    del times

    in_time = np.lexsort((group, fields[group], mean))
    rank = np.empty(in_time.size, dtype=np.int32)
    rank[in_time] = np.arange(in_time.size)
    integration, starts, counts = _merge(np.repeat(rank, sizes), starts, counts)
    group = group[in_time]
    return RowIndex(
        rows=scan.rows,
        first_time=first_time,
        last_time=last_time,
        longest_baseline=scan.longest,
        antennas=tuple(sorted(scan.antennas)),
        observations=tuple(sorted({key[0] for key in keys})),
        windows=tuple(sorted({key[4] for key in keys})),
        field=fields[group],
        time=mean[in_time],
        cadence=np.array([cadence.seconds for cadence in found])[group],
        trusted=trusted[group],
        varied=any(cadence.varied for cadence in found),
        offset=np.searchsorted(integration, np.arange(in_time.size + 1)),
        start=starts,
        count=counts,
    )


def _merge(
    integration: NDArray[np.int32], starts: NDArray[np.uint32], counts: NDArray[np.uint32]
) -> tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.uint32]]:
    """Ranges of rows in order of integration and row, adjacent ones of an integration made one."""
    order = np.lexsort((starts, integration))
    integration, starts, counts = integration[order], starts[order], counts[order]
    del order
    new = np.ones(integration.size, dtype=bool)
    new[1:] = (integration[1:] != integration[:-1]) | (starts[1:] != starts[:-1] + counts[:-1])
    heads = np.flatnonzero(new)
    return integration[heads], starts[heads], np.add.reduceat(counts, heads, dtype=np.uint32)
