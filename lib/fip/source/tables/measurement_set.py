"""The edge to MeasurementSets (casacore tables): opening, and columns of some rows.

Nothing of casacore leaves this module and `subtable_reader`: errors in a table are InputErrors of one line.
A `MeasurementSet` is used from the thread that opened it.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, first_line
from fip.imaging.forming import Cells
from fip.source.tables.access import check_access
from fip.source.tables.buckets import Buckets
from fip.source.tables.hints import hints
from fip.source.tables.other_formats import what_it_is
from fip.source.tables.sound import sound_intervals, sound_uvw
from fip.source.tables.subtable_reader import (
    UNREADABLE,
    Subtables,
    cell_shape,
    close,
    credible,
    open_to_read,
)
from fip.source.tables.subtables import Channels
from fip.source.tables.tiles import Tiles
from fip.source.tables.timescales import to_utc
from fip.source.untold import Untold

_DTYPES = {"complex": "c8", "dcomplex": "c16", "float": "f4", "double": "f8", "boolean": "?"}

_REAL, _WHOLE, _LOGICAL = ("double", "float"), ("int", "short", "uint", "ushort", "uchar", "int64"), ("boolean",)
ROW_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("TIME", "INTERVAL", "EXPOSURE", "UVW", "WEIGHT"), _REAL),
    **dict.fromkeys(("ANTENNA1", "ANTENNA2", "FIELD_ID", "DATA_DESC_ID"), _WHOLE),
    **dict.fromkeys(("SCAN_NUMBER", "OBSERVATION_ID", "ARRAY_ID"), _WHOLE),
    **dict.fromkeys(("FLAG_ROW", "FLAG"), _LOGICAL),
}
"""Columns without which a table is no MeasurementSet that could be imaged, and casacore's types that they may have."""

_ARRAYS = ("UVW", "WEIGHT", "FLAG")  # of these, those that hold an array a row
_SCALARS = tuple(name for name in ROW_COLUMNS if name not in _ARRAYS)


class Rows:
    """Some rows of the main table, in the order given; a range is the cheapest to read."""

    def __init__(self, main: "MeasurementSet", numbers: range | NDArray[np.int64]) -> None:
        self._main = main
        self.numbers = numbers
        if isinstance(numbers, range):
            self._table, self._first = main.table, numbers[0]
        else:
            self._table, self._first = main.table.selectrows(numbers), 0

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """Return a column of these rows, or of `count` from `first` on; of cells [channel, ...] some channels only.

        TIME is UTC, whatever its frame on file. Impossible values of INTERVAL, EXPOSURE or UVW are NaN.
        """
        with self._main.reading(name):
            number = len(self) if count is None else count
            mapped = self._mapped(name, first, number) if channels is None else None
            if mapped is not None:
                return self._main.sound(name, mapped)
            if name not in _SCALARS and not credible(self.cell_shape(name) or ()):
                raise ValueError(f"its cells have the shape {self.cell_shape(name)}")
            if channels is None:
                values = self._table.getcol(name, self._first + first, number)
            else:
                corners = [channels[0], -1], [channels[1], -1]
                values = self._table.getcolslice(name, *corners, [], self._first + first, number)
            return self._main.sound(name, np.asarray(values))

    def _mapped(self, name: str, first: int, number: int) -> NDArray[Any] | None:
        """Return rows of a short column, from a file that is mapped; None if casacore is to read them."""
        rows = self.numbers[first : first + number]
        if not len(rows):
            return None
        found = self._main.buckets.column(name, rows)
        tiled = self._main.tiles.cells(name, (3,), rows) if found is None and name == "UVW" else None
        return found if tiled is None else np.array(tiled.all((3,)))

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype that a buffer for column `name` must have."""
        kind = self._main.table.coldatatype(name)
        if kind not in _DTYPES:
            raise InputError(f"{self._main.path}: column {name} holds {kind}, which is not what it should hold")
        return np.dtype(_DTYPES[kind])

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Read rows `first`, ... into `buffer` [row, channel, ...] of the shape of the cells and the column's dtype."""
        with self._main.reading(name):
            if channels is None:
                self._table.getcolnp(name, buffer, self._first + first, len(buffer))
            else:
                corners = [channels[0], -1], [channels[1], -1]
                self._table.getcolslicenp(name, buffer, *corners, [], self._first + first, len(buffer))
        return buffer

    def cells(self, name: str, shape: tuple[int, ...]) -> Cells | None:
        """Return the cells of a column of this shape in its mapped file; None if casacore is to read them."""
        return self._main.tiles.cells(name, shape, self.numbers)

    def has(self, name: str) -> bool:
        """Return whether the table has such a column."""
        return name in self._main.columns

    def defined(self, name: str, row: int) -> bool:
        """Return whether one of these rows has a cell in a column."""
        with self._main.reading(name):
            return name in self._main.columns and bool(self._main.table.iscelldefined(name, int(self.numbers[row])))

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """Return whether each row has one, [row]: a call for each, so ask only if reading all at once has failed."""
        return np.array([self.defined(name, row) for row in range(len(self))])

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of the first row's cell; None if there is no such column or the cell is undefined."""
        row = int(self.numbers[0])
        with self._main.reading(name):
            if name not in self._main.columns or not self._main.table.iscelldefined(name, row):
                return None
            return cell_shape(self._main.table, name, row)

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """Return the error to raise if cells of a column have another shape than the subtables say."""
        return InputError(f"{self._main.path}: {name} has cells of shape {found}, but the subtables say {expected}")

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """Return the rows for which `mask` [row] is true, at least one."""
        return self._main.rows(np.asarray(self.numbers, dtype=np.int64)[mask])


class MeasurementSet(Subtables, Untold):
    """An open MeasurementSet. Raises InputError if the path holds none.

    One that is `growing` is being written by another program.
    """

    def __init__(self, path: Path, growing: bool = False) -> None:
        self.path, self.growing = path, growing
        check_access(path)
        try:
            self.table: Any = open_to_read(path)
            self.columns: tuple[str, ...] = tuple(self.table.colnames())
        except UNREADABLE as error:
            why = what_it_is(path)
            raise InputError(
                f"{path}: not a MeasurementSet{f', but {why}' if why else f' ({first_line(error)})'}"
            ) from None
        self._map_files()
        try:
            self._check()
        except InputError:
            close(self.table)
            raise

    def _map_files(self) -> None:
        """Map the files of the table that is open now."""
        self.tiles, self.buckets = Tiles(self.path, self.table), Buckets(self.path, self.table)

    def _check(self) -> None:
        """Raise InputError if columns are missing or of other types than a MeasurementSet's."""
        missing = [name for name in ROW_COLUMNS if name not in self.columns]
        if missing:
            why = what_it_is(self.path) or f"it has no column {', '.join(missing)}"
            raise InputError(f"{self.path}: not a MeasurementSet, but {why}")
        for name, kinds in ROW_COLUMNS.items():
            with self.reading(name):
                kind, scalar = self.table.coldatatype(name), self.table.isscalarcol(name)
            if kind not in kinds or scalar == (name in _ARRAYS):
                raise InputError(
                    f"{self.path}: not a MeasurementSet: column {name} holds {'' if scalar else 'arrays of '}{kind}"
                )
        if not len(self):
            raise InputError(f"{self.path}: has no rows")

    def __len__(self) -> int:
        return int(self.table.nrows())

    def close(self) -> None:
        """Close the files of the table."""
        close(self.table)

    def refresh(self) -> None:
        """Look for rows that were written since. UnreadableError while another program is in the midst of writing.

        Its files do not fit each other then, and a table that has seen them so is of no more use: open it again.
        """
        with self.reading("the rows that were added"):
            if self.torn:
                close(self.table)
                self.table = open_to_read(self.path)
                self._map_files()
                self.torn = False
            else:
                self.table.resync()

    def hints(self, columns: Sequence[str]) -> str:
        """Return a digest of what the files of these columns, and of those for every slice, look like from outside."""
        with self.reading("which files it has"):
            return hints(map(Path, self.table.partnames(True)), {*columns, *ROW_COLUMNS, "WEIGHT_SPECTRUM"})

    def sound(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return a column's values as the rest of FIP may take them; ValueError if they have another shape."""
        if name == "UVW" and values.shape[1:] != (3,):
            raise ValueError(f"its cells have the shape {values.shape[1:]}, not (3,)")
        if name == "TIME":
            return to_utc(values, self.time_scale)
        if name in ("INTERVAL", "EXPOSURE"):
            return sound_intervals(values)
        return sound_uvw(values) if name == "UVW" else values

    def rows(self, numbers: range | NDArray[np.int64]) -> Rows:
        """Return rows by number, ascending."""
        if not isinstance(numbers, range) and numbers[-1] - numbers[0] + 1 == len(numbers):
            numbers = range(int(numbers[0]), int(numbers[-1]) + 1)
        return Rows(self, numbers)

    def complex_columns(self) -> tuple[str, ...]:
        """Return the names of the columns that hold visibilities."""
        return tuple(name for name in self.columns if self.table.coldatatype(name) in ("complex", "dcomplex"))

    @cached_property
    def beam_columns(self) -> tuple[str, ...]:
        """Return FEED1 and FEED2, if it has both: they tell beams apart."""
        names = ("FEED1", "FEED2")
        kinds = [self.table.coldatatype(name) for name in names if name in self.columns]
        return names if len(kinds) == 2 and set(kinds) <= set(_WHOLE) else ()

    @cached_property
    def time_scale(self) -> str:
        """Return the frame of TIME on file, as "UTC" or "TAI". InputError if it cannot be converted to UTC."""
        return self.scale_of(self.table)
