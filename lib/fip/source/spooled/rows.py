"""Some rows of a spool, as `Rows` has them: what is small comes from the index, samples from mapped integrations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, LeftTheRingError
from fip.data.quantities import UNIX_EPOCH
from fip.source.full_rows import FullRows
from fip.source.spooled.products import Picks
from fip.source.tables.subtables import Channels, Window, as_array
from fip.spool.setup import Setup

if TYPE_CHECKING:
    from fip.source.spooled.recording import Spooled

_DTYPES = {"DATA": np.dtype(np.complex64), "FLAG": np.dtype(bool), "WEIGHT_SPECTRUM": np.dtype(np.float32)}
_NOTHING = {"DATA": complex(np.nan, np.nan), "FLAG": True, "WEIGHT_SPECTRUM": 1.0}
_ZERO = ("SCAN_NUMBER", "OBSERVATION_ID", "ARRAY_ID")
_OF_ROWS = (
    *("TIME", "INTERVAL", "EXPOSURE", "ANTENNA1", "ANTENNA2", "UVW", "FIELD_ID", "DATA_DESC_ID", "FLAG_ROW", "WEIGHT"),
    *_ZERO,
)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows that follow each other in one integration and band."""

    rows: slice  # their places among those that were asked for
    integration: int
    band: int
    baselines: Picks


class SpooledRows(FullRows["Spooled"]):
    """Some rows of a spool. `into` reads samples into a buffer to image them; `column` is for looking at them.

    So if an integration has left the ring, `into` raises an error, and `column` returns that nothing is there.
    """

    def __init__(self, recording: "Spooled", numbers: range | NDArray[np.int64]) -> None:
        super().__init__(recording, numbers)
        self._placed: tuple[tuple[int, int], tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None

    @staticmethod
    def columns(setup: Setup) -> tuple[str, ...]:
        """Return the names of the columns that a spool of a set-up has."""
        return (*_OF_ROWS, *(name for name in _DTYPES if setup.weights or name != "WEIGHT_SPECTRUM"))

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """Return [row, ...] of a column, some rows and channels of it."""
        end = len(self) if count is None else first + count
        if name not in _DTYPES:
            return self._small(name, first, end)
        window = self._window(first)
        wide = window.cell[0] if channels is None else channels[1] + 1 - channels[0]
        buffer = np.empty((end - first, wide, len(window.correlations)), _DTYPES[name])
        self._fill(name, first, buffer, channels, looked_at=True)
        return buffer

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Read samples of rows of one window. LeftTheRingError if an integration of theirs has left the ring."""
        self._fill(name, first, buffer, channels, looked_at=False)
        return buffer

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype of a column of samples."""
        return _DTYPES[name]

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of the first row's cell; None if there is no such column."""
        if not self.has(name):
            return None
        return self._window(0).cell if name in _DTYPES else self._small(name, 0, 1).shape[1:]

    def where(self, mask: NDArray[np.bool_]) -> "SpooledRows":
        """Return the rows for which `mask` [row] is true."""
        return SpooledRows(self._recording, as_array(self.numbers)[mask])

    def _places(self, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for each row integration x bands + band, and its baseline."""
        if self._placed is None or self._placed[0] != (first, end):  # all columns of a chunk are asked for in turn
            main = self._recording
            numbers = as_array(self.numbers[first:end]) + main.first * main.rows_each
            self._placed = (first, end), np.divmod(numbers, len(main.products))
        return self._placed[1]

    def _window(self, row: int) -> Window:
        block, _ = self._places(row, row + 1)
        return self._recording.window(int(block[0]) % len(self._recording.setup.bands))

    def _stretches(self, first: int, end: int) -> Iterator[_Stretch]:
        block, baseline = self._places(first, end)
        edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), block.size]
        for begin, stop in pairwise(edges):
            integration, band = divmod(int(block[begin]), len(self._recording.setup.bands))
            low, high = int(baseline[begin]), int(baseline[stop - 1]) + 1
            picks = slice(low, high) if high - low == stop - begin else baseline[begin:stop]
            yield _Stretch(slice(begin, stop), integration, band, picks)

    def _small(self, name: str, first: int, end: int) -> NDArray[Any]:
        """Return some rows of a column that has no samples."""
        main, count = self._recording, end - first
        if name in _ZERO:
            return np.zeros(count, np.int32)
        if name in ("INTERVAL", "EXPOSURE"):
            return np.full(count, main.setup.cadence)
        if name == "FLAG_ROW":
            return np.zeros(count, bool)
        if name == "WEIGHT":
            return np.ones((count, len(main.products.correlations)), np.float32)
        if name == "UVW":
            uvw = np.empty((count, 3))
            for each in self._stretches(first, end):
                uvw[each.rows] = main.uvw(each.integration)[each.baselines]
            return uvw
        block, baseline = self._places(first, end)
        if name in ("ANTENNA1", "ANTENNA2"):
            return (main.products.antenna1 if name == "ANTENNA1" else main.products.antenna2)[baseline]
        integration, band = np.divmod(block, len(main.setup.bands))
        if name == "DATA_DESC_ID":
            return band.astype(np.int32)
        if name == "TIME":
            return np.asarray(main.spool.records["time"][integration] + UNIX_EPOCH)
        if name == "FIELD_ID":
            return main.spool.records["field"][integration].astype(np.int32)
        raise InputError(f"{main.path}: a spool has no column {name}")

    def _fill(self, name: str, first: int, buffer: NDArray[Any], channels: Channels, looked_at: bool) -> None:
        """Read samples into `buffer`; if only `looked_at`, what left the ring becomes empty values, not an error."""
        window = self._window(first)
        here = slice(None) if channels is None else slice(channels[0], channels[1] + 1)
        for each in self._stretches(first, first + len(buffer)):
            if each.band != window.number:
                raise InputError(f"{self._recording.path}: rows of several windows were to be read at once")
            try:
                self._fill_stretch(name, each, here, buffer[each.rows])
            except LeftTheRingError:
                if not looked_at:
                    raise
                buffer[each.rows] = _NOTHING[name]

    def _fill_stretch(self, name: str, stretch: _Stretch, channels: slice, rows: NDArray[Any]) -> None:
        """Read samples of one integration and band into `rows` [row, channel, correlation]."""
        main, band = self._recording, stretch.band
        products, arrays = main.products, main.spool.integration(stretch.integration)
        if name == "DATA":
            visibility = arrays[f"{band}.visibility"][channels]
            products.into_rows(visibility, stretch.baselines, rows, _NOTHING[name])
        elif name == "FLAG":
            octets = rows.view(np.uint8)
            if main.setup.flags:
                products.into_rows(arrays[f"{band}.flag"][channels], stretch.baselines, octets, 1)
                np.not_equal(octets, 0, out=rows)
            else:
                rows[...] = False
        else:
            weight = np.empty(rows.shape, np.uint8)
            products.into_rows(arrays[f"{band}.weight"][channels], stretch.baselines, weight, 0)
            scale = np.repeat(arrays[f"{band}.scale"][channels], rows.shape[2])
            np.multiply(weight.reshape(len(rows), -1), scale, out=rows.reshape(len(rows), -1))
