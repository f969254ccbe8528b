"""A recording whose columns are arrays, in memory or mapped from a file: what most other formats can be made into."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.recording import Rows
from fip.source.tables.subtables import Antennas, Channels, Field, Window
from fip.source.whole import WholeRecording
from fip.source.whole import window as window  # who writes a recording makes its windows with it

NEEDED = ("TIME", "INTERVAL", "ANTENNA1", "ANTENNA2", "UVW", "DATA")
_ZERO = ("FIELD_ID", "DATA_DESC_ID", "SCAN_NUMBER", "OBSERVATION_ID", "ARRAY_ID")


class ArrayRecording(WholeRecording):
    """Rows of arrays. If columns are left out, nothing is flagged, all weights are 1, and there is one field."""

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, NDArray[Any]],
        windows: Sequence[Window],
        fields: Sequence[Field],
        antennas: Antennas,
        telescope: str = "",
    ) -> None:
        """`columns` by their names in a MeasurementSet, all [row, ...], `NEEDED` at least: TIME in s UTC since MJD 0.

        Visibilities are [row, channel, correlation], complex64 or complex128. Raises InputError.
        """
        super().__init__(path, windows, fields, antennas, telescope)
        missing = [name for name in NEEDED if name not in columns]
        if missing:
            raise InputError(f"{path}: has no {', '.join(missing)}")
        rows = len(columns["TIME"])
        wrong = [f"{name} has {len(values)}" for name, values in columns.items() if len(values) != rows]
        if wrong or not rows:
            raise InputError(f"{path}: TIME has {rows} rows{', and ' if wrong else ''}{', '.join(wrong)}")
        self._columns = _whole(columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns, as `Recording` has them."""
        return tuple(self._columns)

    @property
    def beam_columns(self) -> tuple[str, ...]:
        """Return FEED1 and FEED2, if both are there."""
        return ("FEED1", "FEED2") if {"FEED1", "FEED2"} <= set(self._columns) else ()

    def __len__(self) -> int:
        return len(self._columns["TIME"])

    def rows(self, numbers: range | NDArray[np.int64]) -> Rows:
        """Return rows by number, ascending."""
        return ArrayRows(self.path, self._columns, numbers)

    def complex_columns(self) -> tuple[str, ...]:
        """Return the names of the columns that hold visibilities."""
        return tuple(name for name, values in self._columns.items() if np.iscomplexobj(values))

    def complete_rows(self) -> int | None:
        """Return the number of all rows: every row is complete."""
        return len(self)


class ArrayRows:
    """Some rows of arrays, as `Rows` has them."""

    def __init__(self, path: Path, columns: Mapping[str, NDArray[Any]], numbers: range | NDArray[np.int64]) -> None:
        self._path, self._columns, self.numbers = path, columns, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """Return [row, ...] of a column, some rows and channels of it."""
        here = self.numbers[first : None if count is None else first + count]
        values = self._columns[name][slice(here.start, here.stop) if isinstance(here, range) else here]
        return np.array(values if channels is None else values[:, channels[0] : channels[1] + 1])

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Read the same into `buffer`."""
        buffer[...] = self.column(name, first, len(buffer), channels)
        return buffer

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype of a column."""
        return self._columns[name].dtype

    def has(self, name: str) -> bool:
        """Return whether there is such a column."""
        return name in self._columns

    def defined(self, name: str, row: int) -> bool:
        """Return whether there is such a column: then all its cells are there."""
        return name in self._columns

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """Return the same for each row, [row]."""
        return np.full(len(self), name in self._columns)

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a cell; None if there is no such column."""
        return self._columns[name].shape[1:] if name in self._columns else None

    def where(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows for which `mask` [row] is true."""
        return ArrayRows(self._path, self._columns, np.asarray(self.numbers, np.int64)[mask])

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """Return the error to raise if cells have another shape than the window says."""
        return InputError(f"{self._path}: {name} has cells of shape {found}, but its window says {expected}")


def _whole(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return all columns that an image needs; those that are made up take no memory."""
    rows, cell = len(columns["TIME"]), columns["DATA"].shape[1:]
    made: dict[str, NDArray[Any]] = {name: np.broadcast_to(np.int32(0), (rows,)) for name in _ZERO}
    made["FLAG_ROW"], made["FLAG"] = np.broadcast_to(False, (rows,)), np.broadcast_to(False, (rows, *cell))
    made["WEIGHT"] = np.broadcast_to(np.float32(1), (rows, cell[-1]))
    made["EXPOSURE"] = columns["INTERVAL"]
    return made | dict(columns)
