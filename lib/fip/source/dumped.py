"""What was read of a slice before it is made: its rows by window, and what their short columns say. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Times
from fip.source.index.pattern import Pattern
from fip.source.index.row_index import RowIndex
from fip.source.recording import Rows
from fip.source.samples import SampleReader

_LONGEST = 1.5  # cadences: if rows say that they are longer, their INTERVAL is wrong


@dataclass(frozen=True, slots=True, eq=False)
class Dump:
    """The short columns of the rows of a slice, all [row]."""

    rows: Rows
    antennas: tuple[NDArray[np.int32], NDArray[np.int32]]  # ANTENNA1 and ANTENNA2
    integration: NDArray[np.intp]  # which of the slice's integrations it is of
    time: NDArray[np.float64]  # s UTC
    window: NDArray[np.int32]  # DATA_DESC_ID
    selected: NDArray[np.bool_]  # a cross-correlation of antennas and a window that are selected
    due: NDArray[np.bool_]  # selected, and not flagged as a whole
    placed: NDArray[np.bool_]  # selected, with finite UVW
    usable: NDArray[np.bool_]  # placed, and not flagged as a whole
    uvw: NDArray[np.float64]  # [row, 3] m, as on file
    pattern: Pattern | None  # of its rows
    uv: NDArray[np.float64] | None  # m, |(u, v)| towards the centre of the grid; None if no range is selected

    def short(self, name: str) -> NDArray[Any]:
        """Return a short column of all rows, not to be written."""
        return short(self.rows, self.pattern, name)

    @property
    def windows(self) -> frozenset[int]:
        """Return the windows that it has selected rows of."""
        return frozenset(np.flatnonzero(np.bincount(self.window[self.selected])).tolist())


def short(rows: Rows, pattern: Pattern | None, name: str) -> NDArray[Any]:
    """Return a short column of rows, from the pattern if that has it; not to be written."""
    known = pattern.column(name, rows.numbers) if pattern else None
    if known is not None:
        return known
    if name == "TIME" and pattern and pattern.one_time(rows.numbers):
        return np.broadcast_to(rows.column(name, 0, 1), len(rows))
    return rows.column(name)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows of a slice and one window."""

    reader: SampleReader
    rows: Rows
    mask: NDArray[np.bool_]  # picks them from all rows of the slice
    within: NDArray[np.bool_]  # [row, 1 or channel] in the uv range that is selected


def times_of(
    index: RowIndex, integrations: Sequence[int], dump: Dump, kept: NDArray[np.intp], weight: NDArray[np.float64]
) -> Times:
    """Return the times of rows `kept` [row] with these sums of weights [row].

    Begin and end, s UTC, go by INTERVAL, or by the cadence if INTERVAL cannot be right.

    The exposure is the weighted mean of that of the samples, summed over the integrations. No exposure is longer than
    its integration, and one of 0 is not known.
    """
    first = float(dump.time[0])
    average = first + float((dump.time[kept] - first).mean())
    begin, end = _span(index, integrations, dump)
    used = dump.short("EXPOSURE")[kept]
    known = np.isfinite(used) & (used > 0)
    integration = dump.integration[kept][known]
    weights = np.bincount(integration, weight[known])
    products = np.bincount(integration, weight[known] * used[known])
    exposure = float((products[weights > 0] / weights[weights > 0]).sum())
    return Times(begin, average, end, min(exposure, end - begin) if exposure > 0 else end - begin)


def _span(index: RowIndex, integrations: Sequence[int], dump: Dump) -> tuple[float, float]:
    """Return when the first integration of a slice began and the last one ended, s UTC."""
    time = dump.time[dump.selected]
    interval = dump.short("INTERVAL")[dump.selected]
    length = float(index.cadence[integrations[0]])
    if index.trusted[integrations[0]]:
        half = np.fmax(interval, 0) / 2
        begin, end = float((time - half).min()), float((time + half).max())
        gaps = float(index.time[integrations[-1]] - index.time[integrations[0]])
        if not end - begin > gaps + _LONGEST * length:
            return begin, end
    if not np.isfinite(length):
        length = float(np.nanmax(np.append(dump.short("EXPOSURE"), 0.0)))
    begin, end = (_edge(index, integrations[at], side * length / 2) for at, side in ((0, -1), (-1, 1)))
    return min(begin, float(time.min())), max(end, float(time.max()))


def _edge(index: RowIndex, integration: int, half: float) -> float:
    """Return when an integration begins (`half` its length, s, is negative) or ends: at most half way to the next."""
    middle = float(index.time[integration])
    beside = np.flatnonzero(index.series == index.series[integration])
    at = int(np.searchsorted(beside, integration)) + (1 if half > 0 else -1)
    if not 0 <= at < beside.size:
        return middle + half
    between = (middle + float(index.time[beside[at]])) / 2
    return min(middle + half, between) if half > 0 else max(middle + half, between)


def samples_selected(part: Part, dump: Dump) -> NDArray[np.int64]:
    """Return how many samples of one Stokes are selected of each row of a window, [row]."""
    here = part.within & dump.selected[part.mask, None]
    channels = 1 if here.shape[1] > 1 else part.reader.window.shape[0]
    return np.asarray(np.count_nonzero(here, axis=1) * channels)


def middles(dump: Dump, kept: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean TIME of the rows kept, [integration]; its value has no meaning if no row is kept."""
    first, integration = float(dump.time[0]), dump.integration[kept]
    count = int(dump.integration.max()) + 1
    sums = np.bincount(integration, dump.time[kept] - first, count)
    return np.asarray(first + sums / np.maximum(1, np.bincount(integration, minlength=count)))


def coverage_of(part: Part, dump: Dump) -> tuple[Block, NDArray[np.intp]]:
    """Return the uvw and the weights that there would be without a flag, and which of the slice's rows they are."""
    placed = dump.placed[part.mask]
    rows = np.flatnonzero(part.mask)[placed]
    weight = part.reader.coverage(part.rows, part.within & placed[:, None])[:, placed]
    visibility = np.zeros(weight.shape, part.reader.complex)
    return Block(0, dump.uvw[rows], part.reader.window.frequency, visibility, weight), rows
