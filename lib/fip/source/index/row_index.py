"""Which rows of a MeasurementSet make up which integration, as `fip.source.index.indexer` has found."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.source.index.coverage import Coverage
from fip.source.index.stretches import MOST_ROWS

if TYPE_CHECKING:
    from fip.source.index.pattern import Pattern

COLUMNS = (
    *("TIME", "INTERVAL", "ANTENNA1", "ANTENNA2", "UVW"),
    *("OBSERVATION_ID", "ARRAY_ID", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID"),
)
"""Columns that a chunk must have."""

BEAM_COLUMNS = ("FEED1", "FEED2")
"""Columns that it may have: without them all is one beam."""

CHUNK = MOST_ROWS // 4  # rows; at most MOST_ROWS

Numbers: TypeAlias = "range | NDArray[np.int64]"
"""Numbers of rows, ascending."""


@dataclass(frozen=True, slots=True, eq=False)
class RowIndex:
    """The integrations of a MeasurementSet in order of time, all fields together, and their rows."""

    rows: int  # of the table
    first_time: float  # s, the earliest TIME of a cross-correlation
    last_time: float  # s
    coverage: Coverage  # of all cross-correlations
    field: NDArray[np.int32]  # [integration] FIELD_ID
    array: NDArray[np.int32]  # [integration] ARRAY_ID
    beam: NDArray[np.int32]  # [integration] FEED1 of both antennas; 0 if the set has one beam
    scan: NDArray[np.int32]  # [integration] SCAN_NUMBER, of its first row if its windows have several
    observation: NDArray[np.int32]  # [integration] OBSERVATION_ID, of its first row in the same way
    series: NDArray[np.int32]  # [integration] the same within one observation, array, scan, field, beam and cadence
    time: NDArray[np.float64]  # [integration] s, mean TIME of its stretches
    cadence: NDArray[np.float64]  # [integration] s, infinite if nothing repeats in its scan
    trusted: NDArray[np.bool_]  # [integration] whether INTERVAL can be right
    overlaps: bool  # some INTERVALs are longer than a baseline takes to repeat
    varied: bool  # some baselines are averaged longer than others
    repeated: int  # rows of a window whose baseline has another row at the same TIME
    rows_of_window: NDArray[np.float32]  # [integration, window of `coverage`] cross-correlations of full length
    offset: NDArray[np.int64]  # [integration + 1] into `ranges`
    ranges: NDArray[np.uint32]  # [range, 2] first row and number of rows
    pattern: "Pattern | None" = None  # of short columns that repeat
    past: dict[tuple[int, ...], Any] = dataclasses.field(
        default_factory=dict
    )  # worked out by `fip.source.index.expected`

    def __len__(self) -> int:
        return int(self.field.size)

    def rows_of(self, integrations: Sequence[int] | NDArray[np.integer]) -> tuple[Numbers, NDArray[np.intp]]:
        """Return the rows of some integrations, ascending, and the integration of each."""
        ((numbers, integration),) = self.in_order(integrations, self.rows)
        return numbers, integration

    def in_order(
        self, integrations: Sequence[int] | NDArray[np.integer], rows: int
    ) -> Iterator[tuple[Numbers, NDArray[np.intp]]]:
        """Yield the same, about so many `rows` at a time, in the order in which they are on file."""
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


def _expand(start: NDArray[np.int64], count: NDArray[np.int64]) -> Numbers:
    """Return the rows of these ranges, ascending as they are."""
    if (start[1:] == start[:-1] + count[:-1]).all():
        return range(int(start[0]), int(start[-1] + count[-1]))
    numbers: NDArray[np.int64] = np.repeat(start - np.cumsum(count) + count, count) + np.arange(count.sum())
    return numbers
