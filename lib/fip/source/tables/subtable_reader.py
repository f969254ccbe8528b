"""Reading the subtables of a MeasurementSet: what `fip.source.tables.subtables` describes.

Errors in a table are InputErrors of one line.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table as open_table
from numpy.typing import NDArray

from fip.data.directions import Frame
from fip.data.errors import InputError, UnreadableError, first_line
from fip.data.quantities import SECONDS_PER_DAY
from fip.imaging.polarisation import CORRELATIONS
from fip.source.tables.askap import INSTRUMENT_ANGLE, beside, is_askap, of_its_time
from fip.source.tables.ephemeris import Ephemeris, ephemeris
from fip.source.tables.subtables import SPECTRAL_FRAMES, Antennas, Field, Window, as_slice
from fip.source.tables.timescales import SCALES, to_utc

UNREADABLE = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
"""What casacore's binding raises on damaged tables, and Python on values of a wrong kind."""

_EPHEMERIS_FRAMES: Mapping[str, Frame] = {"J2000": "FK5", "ICRS": "ICRS", "ICRF": "ICRS", "B1950": "FK4"}
_LARGEST_CELL = 1 << 26  # numbers in one cell, many times those of any spectrum
_HIGHEST_FREQUENCY = 1e15  # Hz
_NARROWEST = 1.0  # Hz, of a channel without a known width: an axis needs a width


def open_to_read(path: str | Path) -> Any:
    """Open a table without locks: reading takes none and waits for none. Raises what casacore does.

    A program that writes, or that a user has stopped with the table open, neither delays reading nor is delayed by it.
    The file system need not have locks either.
    """
    return open_table(str(path), ack=False, lockoptions="autonoread")


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open a table as by `open_to_read`, and close it at the end."""
    table = open_to_read(path)
    try:
        yield table
    finally:
        close(table)


def close(table: Any) -> None:
    """Close a table; on a file system without locks casacore complains that it has none to release."""
    with suppress(RuntimeError):
        table.close()


class Cells(dict[str, Any]):
    """A row of a subtable by column, without undefined cells. A cell that is needed but not there is an InputError."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._where = where

    def __missing__(self, column: str) -> Any:
        raise InputError(f"{self._where} has no {column} where it is needed")


class Subtables:
    """The subtables of an open MeasurementSet."""

    path: Path
    table: Any  # the main table
    growing: bool  # whether another program is writing it
    torn = False  # whether something could not be read: a growing set is opened again before it is used

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turn casacore's errors into an InputError that names the file and `what` was read."""
        try:
            yield
        except UNREADABLE as error:
            self.torn = True
            raise UnreadableError(f"{self.path}: cannot read {what}: {first_line(error)}") from None

    def scale_of(self, table: Any) -> str:
        """Return the frame of a table's TIME. InputError if it cannot be converted to UTC."""
        name = str(_measure(table, "TIME").get("Ref", "UTC")).upper()
        if name not in SCALES:
            raise InputError(f"{self.path}: TIME is in the frame {name}; FIP reads {', '.join(SCALES)}")
        return name

    @contextmanager
    def subtable(self, name: str) -> Iterator[Any]:
        """Open a subtable, and close it at the end."""
        with self.reading(f"subtable {name}"):
            if name not in self.table.keywordnames():
                raise InputError(f"{self.path}: has no subtable {name}")
            with opened(self.table.getkeyword(name)) as sub:
                yield sub

    def _row(self, name: str, number: int) -> Cells:
        """Return one row of a subtable."""
        with self.subtable(name) as sub:
            return self._cells(sub, name, number)

    def _cells(self, sub: Any, name: str, number: int) -> Cells:
        """Return one row of a subtable that is open."""
        self._check_row(name, number, sub.nrows())
        defined = [column for column in sub.colnames() if sub.iscelldefined(column, number)]
        cells = {each: sub.getcell(each, number) for each in defined if credible(cell_shape(sub, each, number))}
        return Cells(f"{self.path}: subtable {name}", cells)

    def _check_row(self, name: str, number: int, rows: int) -> None:
        if not 0 <= number < rows:
            raise InputError(f"{self.path}: row {number} of subtable {name} is used, but it has {rows} rows")

    @cached_property
    def antennas(self) -> Antennas:
        """Return names, positions, diameters, stations, mounts and the angles of receptors."""
        with self.subtable("ANTENNA") as sub:
            names = tuple(str(name) for name in sub.getcol("NAME"))
            position = np.asarray(sub.getcol("POSITION"), dtype=np.float64).reshape(len(names), -1)
            diameter = np.asarray(sub.getcol("DISH_DIAMETER"), dtype=np.float64)
            if (names and position.shape[1] != 3) or diameter.shape != (len(names),):
                raise ValueError("POSITION is not three numbers, or DISH_DIAMETER not one")
            said = sub.getcol("STATION") if "STATION" in sub.colnames() else ()
            stations = tuple(str(station) for station in said) if len(said) == len(names) else ("",) * len(names)
            mounts = tuple(map(str, sub.getcol("MOUNT"))) if "MOUNT" in sub.colnames() else ()
        return Antennas(names, position, diameter, stations, mounts, self._receptor_angles(len(names)))

    def _receptor_angles(self, antennas: int) -> NDArray[np.float64] | None:
        """Return the angle of the first receptor of each antenna's first feed; None if one lacks it.

        Also None if FEED cannot be read. It matters only if Q and U are asked for; then a message says that it is
        unknown.
        """
        torn, found = self.torn, np.full(antennas, np.nan)
        try:
            beam = self.askap_beam
            with self.subtable("FEED") as sub:
                if beam is not None and INSTRUMENT_ANGLE in sub.colnames():
                    return None  # and the hands of CORRECTED_DATA are turned
                feeds = sub.getcol("FEED_ID").tolist() if beam is not None else None
                for row, antenna in reversed(list(enumerate(sub.getcol("ANTENNA_ID").tolist()))):
                    mine = feeds is None or feeds[row] == beam
                    if mine and 0 <= antenna < antennas and sub.iscelldefined("RECEPTOR_ANGLE", row):
                        found[antenna] = np.ravel(sub.getcell("RECEPTOR_ANGLE", row))[0]
        except InputError:
            self.torn = torn
            return None
        return (found if beam is None else -found) if np.isfinite(found).all() else None

    @property
    def askap_beam(self) -> int | None:
        """Return the beam of a set of ASKAP, by FEED1 of its first row; None for other sets, or if it has no rows."""
        return self._first_feed if self.table.nrows() else None

    @cached_property
    def _first_feed(self) -> int | None:
        if "FEED1" not in self.table.colnames() or not is_askap(self.observation(0)["TELESCOPE_NAME"]):
            return None
        with self.reading("FEED1"):
            return int(self.table.getcell("FEED1", 0))

    def _beam_offset(self, number: int) -> tuple[float, float] | None:
        """Return BEAM_OFFSET (rad) of the beam of a set of ASKAP, at the time of a field; None for other sets."""
        if self.askap_beam is None:
            return None
        with self.subtable("FEED") as sub:
            mine = (np.ravel(sub.getcol("ANTENNA_ID")) == 0) & (np.ravel(sub.getcol("FEED_ID")) == self.askap_beam)
            rows = np.flatnonzero(mine).tolist()
            if not rows:
                raise InputError(f"{self.path}: subtable FEED has no row of antenna 0 and beam {self.askap_beam}")
            offsets = np.array([np.ravel(sub.getcell("BEAM_OFFSET", row))[:2] for row in rows], np.float64)
            times, lengths = (np.ravel(sub.getcol(name))[rows] for name in ("TIME", "INTERVAL"))
        which = 0
        if (offsets != offsets[0]).any():
            with self.reading("TIME"):
                first = self.table.query(f"FIELD_ID=={number}", columns="TIME", limit=1)
                which = of_its_time(times, lengths, float(first.getcell("TIME", 0)) if first.nrows() else math.nan)
        if not np.isfinite(offsets[which]).all():
            raise InputError(f"{self.path}: BEAM_OFFSET of beam {self.askap_beam} in subtable FEED is not finite")
        mounts = {mount.upper() for mount in self.antennas.mounts}
        if offsets[which].any() and mounts != {"EQUATORIAL"}:
            raise InputError(
                f"{self.path}: is of ASKAP with the mounts {', '.join(sorted(mounts)) or 'unknown'}, of which beams "
                "turn on the sky: where they look cannot be told; FIP images those of equatorial ones"
            )
        return float(offsets[which, 0]), float(offsets[which, 1])

    def observation(self, number: int) -> dict[str, str]:
        """Return telescope, observer and project of an OBSERVATION row; "" if it does not say."""
        with self.subtable("OBSERVATION") as sub:
            present = 0 <= number < sub.nrows()
        row = self._row("OBSERVATION", number) if present else {}
        return {key: str(row.get(key, "")).strip() for key in ("TELESCOPE_NAME", "OBSERVER", "PROJECT")}

    def window(self, number: int) -> Window:
        """Return a data description, its channels sorted by frequency."""
        with self.reading(f"data description {number}"):
            description = self._row("DATA_DESCRIPTION", number)
            spectral = int(description["SPECTRAL_WINDOW_ID"])
            row = self._row("SPECTRAL_WINDOW", spectral)
            frequency = np.ravel(row["CHAN_FREQ"]).astype(np.float64)
            width = np.abs(np.ravel(row["CHAN_WIDTH"])).astype(np.float64)
            order = np.argsort(frequency, kind="stable")
            self._check_channels(spectral, frequency[order], width)
            wide = width > 0
            if not wide.all():
                width = np.where(wide, width, _spacing(frequency, order, row))
            codes = np.ravel(self._row("POLARIZATION", int(description["POLARIZATION_ID"]))["CORR_TYPE"])
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
                assumed=not wide.all(),
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

    def _frequency_frame(self, row: Cells) -> str:
        """Return casacore's name of the frame of CHAN_FREQ: MEAS_FREQ_REF, by the column's own list of codes if any."""
        with self.subtable("SPECTRAL_WINDOW") as sub:
            measure = _measure(sub, "CHAN_FREQ")
        if "VarRefCol" in measure and "TabRefCodes" in measure:
            return _varying(measure, row)
        if "MEAS_FREQ_REF" in row:
            return dict(enumerate(SPECTRAL_FRAMES)).get(int(row["MEAS_FREQ_REF"]), "")
        return str(measure.get("Ref", ""))

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the names of these rows of the FIELD table, by number; of all rows if more may be used later."""
        with self.subtable("FIELD") as sub:
            names = [str(name) for name in sub.getcol("NAME")] if sub.nrows() else []
        for number in numbers:
            self._check_row("FIELD", number, len(names))
        return {number: names[number] for number in (range(len(names)) if self.growing else numbers)}

    def field(self, number: int) -> Field:
        """Return a field with its phase centre. InputError if it does not say."""
        with self.reading(f"field {number}"), self.subtable("FIELD") as sub:
            row = self._cells(sub, "FIELD", number)
            name = str(row.get("NAME", ""))
            where = f"{self.path}: field {number} ({name})"
            polynomial = _polynomial(where, row)
            moves = len(polynomial) > 1
            measure = _measure(sub, "PHASE_DIR")
            epoch = float(to_utc(np.array([row["TIME"]]), self.scale_of(sub))[0]) if moves else 0.0
            frame = _varying(measure, row) if "VarRefCol" in measure else str(measure.get("Ref", "J2000"))
            offset = self._beam_offset(number)
            if offset is not None:
                polynomial = (beside(*polynomial[0], offset), *polynomial[1:])
            return Field(
                number=number,
                name=name,
                frame=frame.upper(),
                polynomial=polynomial,
                epoch=epoch,
                ephemeris=self._ephemeris(where, int(row.get("EPHEMERIS_ID", -1))),
                beam_offset=offset,
            )

    def _ephemeris(self, where: str, number: int) -> Ephemeris | None:
        """Return the table of an EPHEMERIS_ID, as CASA keeps it in FIELD: times in TDB, places seen from `obsloc`."""
        if number < 0:
            return None
        found = sorted((self.path / "FIELD").glob(f"EPHEM{number}_*.tab"))
        if not found:
            raise InputError(
                f"{where}: its phase centre is in ephemeris {number}, but there is no FIELD/EPHEM{number}_*.tab"
            )
        with self.reading(f"ephemeris {found[0].name}"), opened(found[0]) as table:
            frame = str(table.getkeywords().get("posrefsys", "ICRF/ICRS")).upper().rpartition("/")[2].partition(".")[0]
            if frame not in _EPHEMERIS_FRAMES:
                raise InputError(f"{where}: its ephemeris is in the frame {frame}, which FIP cannot image yet")
            time = to_utc(table.getcol("MJD") * SECONDS_PER_DAY, "TDB")
            longitude, latitude = np.radians(table.getcol("RA")), np.radians(table.getcol("DEC"))
            return ephemeris(time, longitude, latitude, _EPHEMERIS_FRAMES[frame])


def _spacing(frequency: NDArray[np.float64], order: NDArray[np.intp], row: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return widths [channel] in Hz for channels without one: the spacing; for one channel alone the window's width."""
    spacing = np.empty_like(frequency)
    if frequency.size > 1:
        spacing[order] = np.gradient(frequency[order])
        return spacing
    said = (np.ravel(row.get(name, 0.0)) for name in ("TOTAL_BANDWIDTH", "EFFECTIVE_BW", "RESOLUTION"))
    known = [float(each[0]) for each in said if each.size and 0 < each[0] <= _HIGHEST_FREQUENCY]
    spacing[:] = known[0] if known else _NARROWEST
    return spacing


def _polynomial(where: str, row: Cells) -> tuple[tuple[float, float], ...]:
    """Return PHASE_DIR of a field, without zeros at its end. InputError if it is no direction."""
    direction = np.asarray(row["PHASE_DIR"], dtype=np.float64)
    if direction.ndim != 2 or direction.shape[1] != 2 or not direction.size or not np.isfinite(direction).all():
        raise InputError(f"{where}: PHASE_DIR {direction.tolist()} is not a direction")
    direction = direction[: 1 + max(0, int(row.get("NUM_POLY", len(direction) - 1)))]
    if abs(direction[0, 1]) > np.pi / 2 + 1e-9:
        raise InputError(f"{where}: PHASE_DIR {direction.tolist()} is not a direction: its latitude is beyond 90 deg")
    while len(direction) > 1 and not direction[-1].any():
        direction = direction[:-1]
    return tuple((float(longitude), float(latitude)) for longitude, latitude in direction)


def _measure(table: Any, column: str) -> Mapping[str, Any]:
    """Return what a column says of its reference frame."""
    measure: Mapping[str, Any] = table.getcolkeywords(column).get("MEASINFO", {})
    return measure


def _varying(measure: Mapping[str, Any], row: Cells) -> str:
    """Return casacore's name of the frame in a row, for a column whose frame varies by row."""
    code = row[str(measure["VarRefCol"])]
    if isinstance(code, str):
        return code
    codes = [int(each) for each in measure.get("TabRefCodes", [])]
    names = [str(each) for each in measure.get("TabRefTypes", [])]
    return names[codes.index(int(code))] if int(code) in codes else f"code {code}"


def cell_shape(table: Any, column: str, row: int) -> tuple[int, ...]:
    """Return the shape of a cell that is defined, without reading it; () for a scalar."""
    if table.isscalarcol(column):
        return ()
    return tuple(int(side) for side in table.getcolshapestring(column, row, 1)[0].strip("[]").split(",") if side)


def credible(shape: tuple[int, ...]) -> bool:
    """Return whether a cell may be of this shape; damage makes cells for which there is no memory."""
    return math.prod(shape) <= _LARGEST_CELL
