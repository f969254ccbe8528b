"""Stretches of rows, put in order in place: 16 bytes for each at any moment, and a block of scratch. Pure.

A stretch is a pair of doubles, kept as a complex number because numpy sorts those in place, by the real part and
then by the imaginary one; an `argsort` of ten million rows takes several times the memory of the rows themselves.
The pairs are, one after the other, (time, series and first row), (first row, series and integration), and (integration,
first row and number of rows); whatever is packed into one double stays below 2^53 and is therefore exact.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = -1
"""The series of stretches without a cross-correlation."""

MOST_ROWS = 1 << 20
"""Rows of a stretch, at most."""

BLOCK = 1 << 16
"""How many stretches are worked on at a time."""

_SERIES = float(1 << 32)  # series x _SERIES + first row, and then series x _SERIES + integration
_FIRST_ROW = float(2 * MOST_ROWS)  # first row x _FIRST_ROW + rows; a range begins with each MOST_ROWS rows


class Stretches:
    """Consecutive rows of one TIME and one series, in order of rows, without a gap; at most 2^32 rows, 2^20 series."""

    def __init__(self) -> None:
        self._pairs = np.empty(0, np.complex128)
        self._autos = np.empty(0, np.uint32)  # first row and autocorrelations, of each stretch that has some
        self._grouped = 0  # stretches that are in a group, after `by_group`
        self.rows = 0

    def copy(self) -> "Stretches":
        """Return a copy of the stretches, for the calls that use them up."""
        other = Stretches()
        other._pairs, other._autos, other.rows = self._pairs.copy(), self._autos.copy(), self.rows
        return other

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state from another process; copy the memory, as it is to be resized."""
        vars(self).update(state, _pairs=state["_pairs"].copy(), _autos=state["_autos"].copy())

    def append(
        self,
        time: NDArray[np.float64],
        series: NDArray[np.integer],
        start: NDArray[np.intp],
        autos: NDArray[np.integer],
        rows: int,
    ) -> None:
        """Add stretches of the next `rows` rows: TIME in s, series, first row of these, autocorrelations, [stretch]."""
        mixed = np.flatnonzero((autos > 0) & (series != NONE))
        if mixed.size:
            held = self._autos.size
            self._autos.resize(held + 2 * mixed.size, refcheck=False)
            self._autos[held::2], self._autos[held + 1 :: 2] = start[mixed] + self.rows, autos[mixed]
        had = self._pairs.size
        self._pairs.resize(had + time.size, refcheck=False)  # in place, as a rule: the system moves pages, not bytes
        self._pairs.real[had:] = time
        self._pairs.imag[had:] = series * _SERIES + (start + self.rows)
        self.rows += rows

    def by_group(
        self, group_of: NDArray[np.int32], groups: int
    ) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
        """Sort by group and TIME. Returns the ascending TIMEs of each group, less its first, and that first, in s.

        `group_of` [series] are numbers below `groups`. What is returned first are views that the next call overwrites.
        """
        group_of = np.append(group_of, groups).astype(np.int32)  # so that NONE, -1, is the group behind all others
        first, last = np.full(groups + 1, np.inf), np.full(groups + 1, -np.inf)
        sizes = np.zeros(groups + 1, np.int64)
        for block in self._blocks():
            group = group_of[_series(block)]
            np.minimum.at(first, group, block.real)
            np.maximum.at(last, group, block.real)
            sizes += np.bincount(group, minlength=groups + 1)
        first[sizes == 0] = last[sizes == 0] = 0.0
        # All groups one after the other on one axis. Each is as long as a scan or so: microseconds are not lost.
        offset = np.append(0.0, np.cumsum(last - first + 1.0))
        for block in self._blocks():
            group = group_of[_series(block)]
            block.real += offset[group] - first[group]
        self._pairs.sort()
        ends = np.cumsum(sizes)
        self._grouped = int(ends[-1] - sizes[-1])
        times = [self._pairs.real[end - size : end] for end, size in zip(ends[:-1], sizes[:-1], strict=True)]
        for at, each in enumerate(times):
            each -= offset[at]
        return times, first[:-1]

    def series(self, begin: int, end: int) -> NDArray[np.intp]:
        """Return the series of these stretches, after `by_group` in the order of its groups and of time."""
        return _series(self._pairs[begin:end])

    def kinds(self, begin: int, end: int) -> NDArray[np.intp]:
        """Return which series there are among these stretches, after `by_group`; this takes almost no memory."""
        blocks = (self._pairs[first : min(first + BLOCK, end)] for first in range(begin, end, BLOCK))
        return np.unique(np.concatenate([np.unique(_series(block)) for block in blocks]))

    def series_at(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the series of the stretches at these places, after `by_group`."""
        return _series(self._pairs[places])

    def counts(
        self,
        heads: NDArray[np.intp],
        rank: NDArray[np.integer],
        window: NDArray[np.integer],
        worth: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Return how many cross-correlations each integration has of each window, [integration, window].

        After `by_group`: integrations begin at stretches `heads`, ascending from 0, of all groups in their order, and
        get the numbers `rank`. Each series has a `window`, 0, 1, ..., and each of its rows is `worth` so many.
        """
        self._number(np.append(heads, self._grouped), np.append(rank, rank.size))
        width = int(window.max()) + 1
        found = np.zeros((rank.size + 1) * width, np.float32)  # in the last are those of no integration
        done = 0
        for block in self._blocks():
            done += block.size
            following = self._pairs[done].real if done < self._pairs.size else float(self.rows)
            rows = np.diff(block.real, append=following)
            self._less_autos(rows, block.real, following)
            series = _series(block)
            block.imag -= series * _SERIES
            cross = series != NONE
            place = block.imag[cross].astype(np.intp) * width + window[series[cross]]
            np.add.at(found, place, (rows[cross] * worth[series[cross]]).astype(np.float32))
        return found.reshape(-1, width)[:-1]

    def _less_autos(self, rows: NDArray[np.float64], start: NDArray[np.float64], following: float) -> None:
        """Take those of some stretches, from rows `start` up to the one `following`, from the numbers of their rows."""
        first, count = self._autos[::2], self._autos[1::2]
        here = slice(*np.searchsorted(first, [start[0], following]))
        rows[np.searchsorted(start, first[here])] -= count[here]

    def ranges(self, integrations: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Return the rows of each integration: offsets [integration + 1] into ranges [range, 2] of first row and rows.

        After `counts`. Ranges ascend in rows within an integration. This is the last call: the memory of the stretches
        becomes that of the ranges.
        """
        self._merge()
        self._pairs.sort()
        offset = np.zeros(integrations + 2, np.int64)
        for block in self._blocks():
            offset[1:] += np.bincount(block.real.astype(np.intp), minlength=integrations + 1)
        offset = np.cumsum(offset)[:-1]
        return offset, self._unpacked(int(offset[-1]))

    def _number(self, heads: NDArray[np.intp], rank: NDArray[np.integer]) -> None:
        """Sort by first row, with the series and the integration's number in the imaginary part."""
        done = 0
        for block in self._blocks():
            number = rank[np.searchsorted(heads, np.arange(done, done + block.size), side="right") - 1]
            series = _series(block)
            block.real = block.imag - series * _SERIES
            block.imag = series * _SERIES + number
            done += block.size
        self._pairs.sort()

    def _merge(self) -> None:
        """Make one of adjacent stretches of an integration: (integration, first row x _FIRST_ROW + rows)."""
        kept, before = 0, np.array([-1.0, -1.0])
        for block in self._blocks():
            piece = np.floor(block.real / MOST_ROWS)
            new = np.diff(block.imag, prepend=before[0]) != 0
            new |= np.diff(piece, prepend=before[1]) != 0
            before = np.array([block.imag[-1], piece[-1]])
            heads = block[new]
            self._pairs[kept : kept + heads.size] = heads
            kept += heads.size
        self._pairs.resize(kept, refcheck=False)
        following = float(self.rows)
        for block in reversed(list(self._blocks())):
            start = block.real.copy()
            rows = np.diff(start, append=following)
            following = start[0]
            block.real = block.imag
            block.imag = start * _FIRST_ROW + rows

    def _unpacked(self, size: int) -> NDArray[np.uint32]:
        """Return the first `size` as [range, 2], written over the front of what they were."""
        narrow = self._pairs.view(np.uint32)
        done = 0
        for block in self._blocks():
            start = np.floor(block.imag / _FIRST_ROW)
            both = np.stack([start, block.imag - start * _FIRST_ROW], axis=1).astype(np.uint32)
            narrow[2 * done : 2 * (done + block.size)] = both.ravel()
            done += block.size
        del narrow, block
        self._pairs.resize((size + 1) // 2, refcheck=False)
        return self._pairs.view(np.uint32)[: 2 * size].reshape(-1, 2)

    def _blocks(self) -> Iterator[NDArray[np.complex128]]:
        for first in range(0, self._pairs.size, BLOCK):
            yield self._pairs[first : first + BLOCK]


def _series(block: NDArray[np.complex128]) -> NDArray[np.intp]:
    return np.floor(block.imag / _SERIES).astype(np.intp)
