"""The edge to MeasurementSets (casacore tables): opening, subtables, columns of some rows.

Nothing of casacore leaves this module: what goes wrong in a table is an InputError of one line.
A `MeasurementSet` is used from the thread that opened it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table as open_table
from numpy.typing import NDArray

from fip.data.directions import Frame
from fip.data.errors import InputError
from fip.imaging.polarisation import CORRELATIONS
from fip.source.tables.access import check_access
from fip.source.tables.ephemeris import Ephemeris, ephemeris
from fip.source.tables.subtables import SPECTRAL_FRAMES, Antennas, Channels, Field, Window, as_slice
from fip.source.tables.timescales import SCALES, to_utc

_EPHEMERIS_FRAMES: Mapping[str, Frame] = {"J2000": "FK5", "ICRS": "ICRS", "ICRF": "ICRS", "B1950": "FK4"}
_DAY = 86400.0  # s

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

_UNREADABLE = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
"""What casacore's binding raises on damaged tables, and Python on values of another kind than they should be."""

_LONGEST_INTERVAL = 1e7  # s; longer ones, as negative ones, say nothing
_LONGEST_BASELINE = 1e9  # m, beyond the Moon; what is longer is no baseline
_LARGEST_CELL = 1 << 26  # numbers in one cell, many times those of any spectrum
_HIGHEST_FREQUENCY = 1e15  # Hz


class Rows:
    """Some rows of the main table, in the order given; cheapest where they are a range."""

    def __init__(self, main: MeasurementSet, numbers: range | NDArray[np.int64]) -> None:
        self._main = main
        self.numbers = numbers
        contiguous = isinstance(numbers, range)
        self._first = numbers[0] if isinstance(numbers, range) else 0
        self._table = main.table if contiguous else main.table.selectrows(numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """A column of these rows, or of `count` of them from `first` on; of cells [channel, ...] some channels only.

        TIME is UTC, whatever its frame on file. What no INTERVAL, EXPOSURE or UVW can be is NaN.
        """
        with self._main.reading(name):
            if name not in _SCALARS and not _credible(self.cell_shape(name) or ()):
                raise ValueError(f"its cells have the shape {self.cell_shape(name)}")
            number = len(self) if count is None else count
            if channels is None:
                values = self._table.getcol(name, self._first + first, number)
            else:
                corners = [channels[0], -1], [channels[1], -1]
                values = self._table.getcolslice(name, *corners, [], self._first + first, number)
            return self._main.sound(name, np.asarray(values))

    def dtype(self, name: str) -> np.dtype[Any]:
        """The dtype that a buffer for column `name` must have."""
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

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of the first row's cell; None where there is no such column or the cell is undefined."""
        row = int(self.numbers[0])
        with self._main.reading(name):
            if name not in self._main.columns or not self._main.table.iscelldefined(name, row):
                return None
            return _shape(self._main.table, name, row)

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """The error to raise where cells of a column have another shape than the subtables tell."""
        return InputError(f"{self._main.path}: {name} has cells of shape {found}, but the subtables say {expected}")

    def where(self, mask: NDArray[np.bool_]) -> Rows:
        """Those rows where `mask` [row] is true, at least one."""
        return self._main.rows(np.asarray(self.numbers, dtype=np.int64)[mask])


class MeasurementSet:
    """An open MeasurementSet. Raises InputError where the path holds none.

    One that is `growing` is being written by another program, which is neither waited for nor held up by locks.
    """

    def __init__(self, path: Path, growing: bool = False) -> None:
        self.path, self.growing = path, growing
        check_access(path)
        try:
            self.table = open_table(str(path), ack=False, lockoptions="autonoread" if growing else "default")
            self.columns: tuple[str, ...] = tuple(self.table.colnames())
        except _UNREADABLE as error:
            raise InputError(f"{path}: not a MeasurementSet ({_first_line(error)})") from None
        try:
            self._check()
        except InputError:
            self.table.close()
            raise

    def _check(self) -> None:
        """InputError where columns are missing or of other types than a MeasurementSet's."""
        missing = [name for name in ROW_COLUMNS if name not in self.columns]
        if missing:
            raise InputError(f"{self.path}: not a MeasurementSet: it has no column {', '.join(missing)}")
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
        """Release the files."""
        self.table.close()

    def refresh(self) -> None:
        """See the rows that were written since it was opened."""
        with self.reading("the rows that were added"):
            self.table.resync()

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turn casacore's errors into an InputError that names the file and `what` was read."""
        try:
            yield
        except _UNREADABLE as error:
            raise InputError(f"{self.path}: cannot read {what}: {_first_line(error)}") from None

    def sound(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """A column's values as the rest of FIP may take them; ValueError where they have another shape."""
        if name == "UVW" and values.shape[1:] != (3,):
            raise ValueError(f"its cells have the shape {values.shape[1:]}, not (3,)")
        if name == "TIME":
            return to_utc(values, self.time_scale)
        if name in ("INTERVAL", "EXPOSURE"):
            return np.where((values >= 0) & (values <= _LONGEST_INTERVAL), values, np.nan)
        if name == "UVW" and not (np.abs(values) <= _LONGEST_BASELINE).all():
            return np.where(np.abs(values) <= _LONGEST_BASELINE, values, np.nan)
        return values

    def rows(self, numbers: range | NDArray[np.int64]) -> Rows:
        """Rows by number, ascending."""
        if not isinstance(numbers, range) and numbers[-1] - numbers[0] + 1 == len(numbers):
            numbers = range(int(numbers[0]), int(numbers[-1]) + 1)
        return Rows(self, numbers)

    def chunks(
        self, names: Sequence[str], size: int, first: int = 0, end: int | None = None
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Columns of all rows, or of those from `first` up to `end`, `size` rows at a time."""
        end = len(self) if end is None else end
        for begin in range(first, end, size):
            rows = self.rows(range(begin, min(begin + size, end)))
            yield {name: rows.column(name) for name in names}

    def complex_columns(self) -> tuple[str, ...]:
        """Names of the columns that hold visibilities."""
        return tuple(name for name in self.columns if self.table.coldatatype(name) in ("complex", "dcomplex"))

    @cached_property
    def time_scale(self) -> str:
        """The frame of TIME on file, as "UTC" or "TAI". InputError where it cannot be converted to UTC."""
        return self._time_scale(self.table, "TIME")

    def _time_scale(self, table: Any, column: str) -> str:
        measure = table.getcolkeywords(column).get("MEASINFO", {})
        name = str(measure.get("Ref", "UTC")).upper()
        if name not in SCALES:
            raise InputError(f"{self.path}: {column} is in the frame {name}; FIP reads {', '.join(SCALES)}")
        return name

    @contextmanager
    def subtable(self, name: str) -> Iterator[Any]:
        """A subtable, open."""
        with self.reading(f"subtable {name}"):
            if name not in self.table.keywordnames():
                raise InputError(f"{self.path}: has no subtable {name}")
            sub = open_table(self.table.getkeyword(name), ack=False)
            try:
                yield sub
            finally:
                sub.close()

    def _row(self, name: str, number: int) -> dict[str, Any]:
        """One row of a subtable, undefined cells left out."""
        with self.subtable(name) as sub:
            self._check_row(name, number, sub.nrows())
            columns = [
                column
                for column in sub.colnames()
                if sub.iscelldefined(column, number) and _credible(_shape(sub, column, number))
            ]
            return {column: sub.getcell(column, number) for column in columns}

    def _check_row(self, name: str, number: int, rows: int) -> None:
        if not 0 <= number < rows:
            raise InputError(f"{self.path}: row {number} of subtable {name} is used, but it has {rows} rows")

    def _value(self, name: str, row: Mapping[str, Any], column: str) -> Any:
        if column not in row:
            raise InputError(f"{self.path}: subtable {name} has no {column} where it is needed")
        return row[column]

    @cached_property
    def antennas(self) -> Antennas:
        """Names, positions and diameters."""
        with self.subtable("ANTENNA") as sub:
            names = tuple(str(name) for name in sub.getcol("NAME"))
            position = np.asarray(sub.getcol("POSITION"), dtype=np.float64).reshape(len(names), -1)
            diameter = np.asarray(sub.getcol("DISH_DIAMETER"), dtype=np.float64)
            if (names and position.shape[1] != 3) or diameter.shape != (len(names),):
                raise ValueError("POSITION is not three numbers, or DISH_DIAMETER not one")
            return Antennas(names, position, diameter)

    def observation(self, number: int) -> dict[str, str]:
        """Telescope, observer and project of an OBSERVATION row; "" where it does not say."""
        with self.subtable("OBSERVATION") as sub:
            present = 0 <= number < sub.nrows()
        row = self._row("OBSERVATION", number) if present else {}
        return {key: str(row.get(key, "")).strip() for key in ("TELESCOPE_NAME", "OBSERVER", "PROJECT")}

    def window(self, number: int) -> Window:
        """A data description, its channels sorted by frequency."""
        with self.reading(f"data description {number}"):
            return self._window(number)

    def _window(self, number: int) -> Window:
        description = self._row("DATA_DESCRIPTION", number)
        spectral = int(self._value("DATA_DESCRIPTION", description, "SPECTRAL_WINDOW_ID"))
        row = self._row("SPECTRAL_WINDOW", spectral)
        frequency = np.ravel(self._value("SPECTRAL_WINDOW", row, "CHAN_FREQ")).astype(np.float64)
        width = np.abs(np.ravel(self._value("SPECTRAL_WINDOW", row, "CHAN_WIDTH"))).astype(np.float64)
        order = np.argsort(frequency, kind="stable")
        self._check_channels(spectral, frequency[order], width)
        polarization = self._row("POLARIZATION", int(self._value("DATA_DESCRIPTION", description, "POLARIZATION_ID")))
        codes = np.ravel(self._value("POLARIZATION", polarization, "CORR_TYPE"))
        return Window(
            number=number,
            spectral_window=spectral,
            frequency=frequency[order],
            width=width[order],
            order=as_slice(order),
            correlations=tuple(CORRELATIONS.get(int(code), f"CORR_TYPE {code}") for code in codes),
            frequency_frame=SPECTRAL_FRAMES.get(self._frequency_frame(row), ""),
            first=0,
            channels_on_file=frequency.size,
        )

    def _check_channels(self, spectral: int, frequency: NDArray[np.float64], width: NDArray[np.float64]) -> None:
        where = f"{self.path}: spectral window {spectral}"
        if not frequency.size:
            raise InputError(f"{where} has no channels")
        if not (0 < frequency[0] <= frequency[-1] <= _HIGHEST_FREQUENCY):
            raise InputError(f"{where}: CHAN_FREQ is not positive everywhere, and below {_HIGHEST_FREQUENCY:g} Hz")
        if (np.diff(frequency) <= 0).any():
            raise InputError(f"{where}: CHAN_FREQ has the same frequency twice")
        if width.shape != frequency.shape or not (width <= _HIGHEST_FREQUENCY).all():
            raise InputError(f"{where}: CHAN_WIDTH is not a width for each of {frequency.size} channels")

    def _frequency_frame(self, row: Mapping[str, Any]) -> str:
        """casacore's name of the frame of CHAN_FREQ: MEAS_FREQ_REF, by the column's own list of codes if it has one."""
        measure = self._measure("SPECTRAL_WINDOW", "CHAN_FREQ")
        if "VarRefCol" in measure and "TabRefCodes" in measure:
            return self._varying("SPECTRAL_WINDOW", measure, row)
        if "MEAS_FREQ_REF" in row:
            return dict(enumerate(SPECTRAL_FRAMES)).get(int(row["MEAS_FREQ_REF"]), "")
        return str(measure.get("Ref", ""))

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """The names of these rows of the FIELD table, by number; of all of them where more may come to be used."""
        with self.subtable("FIELD") as sub:
            names = [str(name) for name in sub.getcol("NAME")] if sub.nrows() else []
        for number in numbers:
            self._check_row("FIELD", number, len(names))
        return {number: names[number] for number in (range(len(names)) if self.growing else numbers)}

    def field(self, number: int) -> Field:
        """A field and where its phase centre is. InputError where it does not say."""
        with self.reading(f"field {number}"):
            return self._field(number)

    def _field(self, number: int) -> Field:
        row = self._row("FIELD", number)
        where = f"{self.path}: field {number} ({row.get('NAME', '')})"
        direction = np.asarray(self._value("FIELD", row, "PHASE_DIR"), dtype=np.float64)
        if direction.ndim != 2 or direction.shape[1] != 2 or not direction.size or not np.isfinite(direction).all():
            raise InputError(f"{where}: PHASE_DIR {direction.tolist()} is not a direction")
        direction = direction[: 1 + max(0, int(row.get("NUM_POLY", len(direction) - 1)))]
        if abs(direction[0, 1]) > np.pi / 2 + 1e-9:
            raise InputError(
                f"{where}: PHASE_DIR {direction.tolist()} is not a direction: its latitude is beyond 90 deg"
            )
        while len(direction) > 1 and not direction[-1].any():
            direction = direction[:-1]
        moves = len(direction) > 1
        return Field(
            number=number,
            name=str(row.get("NAME", "")),
            frame=self._direction_frame(row).upper(),
            polynomial=tuple((float(longitude), float(latitude)) for longitude, latitude in direction),
            epoch=self._field_epoch(row) if moves else 0.0,
            ephemeris=self._ephemeris(where, int(row.get("EPHEMERIS_ID", -1))),
        )

    def _direction_frame(self, row: Mapping[str, Any]) -> str:
        measure = self._measure("FIELD", "PHASE_DIR")
        return self._varying("FIELD", measure, row) if "VarRefCol" in measure else str(measure.get("Ref", "J2000"))

    def _field_epoch(self, row: Mapping[str, Any]) -> float:
        with self.subtable("FIELD") as sub:
            return float(to_utc(np.array([self._value("FIELD", row, "TIME")]), self._time_scale(sub, "TIME"))[0])

    def _ephemeris(self, where: str, number: int) -> Ephemeris | None:
        """The table of an EPHEMERIS_ID, as CASA keeps it in FIELD: times in TDB, places as seen from `obsloc`."""
        if number < 0:
            return None
        found = sorted((self.path / "FIELD").glob(f"EPHEM{number}_*.tab"))
        if not found:
            raise InputError(
                f"{where}: its phase centre is in ephemeris {number}, but there is no FIELD/EPHEM{number}_*.tab"
            )
        with self.reading(f"ephemeris {found[0].name}"), closing(open_table(str(found[0]), ack=False)) as table:
            frame = str(table.getkeywords().get("posrefsys", "ICRF/ICRS")).upper().rpartition("/")[2].partition(".")[0]
            if frame not in _EPHEMERIS_FRAMES:
                raise InputError(f"{where}: its ephemeris is in the frame {frame}, which FIP cannot image yet")
            time = to_utc(table.getcol("MJD") * _DAY, "TDB")
            longitude, latitude = np.radians(table.getcol("RA")), np.radians(table.getcol("DEC"))
            return ephemeris(time, longitude, latitude, _EPHEMERIS_FRAMES[frame])

    def _measure(self, name: str, column: str) -> dict[str, Any]:
        """What a column of a subtable says of its reference frame."""
        with self.subtable(name) as sub:
            return dict(sub.getcolkeywords(column).get("MEASINFO", {}))

    def _varying(self, name: str, measure: Mapping[str, Any], row: Mapping[str, Any]) -> str:
        """casacore's name of the frame in `row` of a subtable, for a column whose frame varies by row."""
        code = self._value(name, row, str(measure["VarRefCol"]))
        if isinstance(code, str):
            return code
        codes = [int(each) for each in measure.get("TabRefCodes", [])]
        names = [str(each) for each in measure.get("TabRefTypes", [])]
        return names[codes.index(int(code))] if int(code) in codes else f"code {code}"


def _shape(table: Any, column: str, row: int) -> tuple[int, ...]:
    """Of a cell that is defined, without reading it; () of a scalar."""
    if table.isscalarcol(column):
        return ()
    return tuple(int(side) for side in table.getcolshapestring(column, row, 1)[0].strip("[]").split(",") if side)


def _credible(shape: tuple[int, ...]) -> bool:
    """Whether a cell may be of this shape; damage makes cells for which there is no memory."""
    return math.prod(shape) <= _LARGEST_CELL


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
