"""What the header and the tables AN, FQ and SU of a UVFITS file describe (AIPS Memo 117): windows, fields, antennas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.formats.aips import correlations, frame_of
from fip.source.tables.subtables import Antennas, Field, Window
from fip.source.whole import check_channels, window

_MOUNTS = ("ALT-AZ", "EQUATORIAL", "ORBITING", "X-Y", "ALT-AZ+NASMYTH-R", "ALT-AZ+NASMYTH-L")  # by MNTSTA
_HEADER_FIELD = 0  # FIELD_ID of a file that has no table of sources


@dataclass
class Tables:
    """Header and tables of an open file. What they lack raises an InputError of one line."""

    path: Path
    header: Any
    file: Any
    subarray: int = field(default=1)

    def text(self, name: str) -> str:
        """Return a text of the header; "" if it is not there."""
        return str(self.header.get(name, "")).strip()

    def table(self, name: str) -> Any:
        """Return the first table of a name, for AN that of the subarray; None if there is none."""
        found = [each for each in self.file[1:] if str(each.name).strip().upper() == f"AIPS {name}"]
        if name == "AN":
            found = [each for each in found if each.ver == self.subarray] or found
        return found[0] if found else None

    def column(self, name: str, column: str) -> NDArray[Any] | None:
        """Return a column of a table, native numbers or text; None if it, or the table, is not there."""
        table = self.table(name)
        if table is None:
            return None
        known = {str(each).strip().rstrip(".").upper(): each for each in table.columns.names}
        if column.rstrip(".") not in known:
            return None
        values = np.asarray(table.data[known[column.rstrip(".")]])
        return values.astype(values.dtype.newbyteorder("="))

    def needed(self, name: str, column: str) -> NDArray[Any]:
        """Return a column of a table, which must be there."""
        found = self.column(name, column)
        if found is None:
            raise InputError(f"{self.path}: has no {column} in table AIPS {name}")
        return found

    @property
    def sources(self) -> bool:
        """Return whether it has a table of sources."""
        return self.table("SU") is not None

    @property
    def telescope(self) -> str:
        """Return the telescope's name by the header, else by the table of antennas."""
        table = self.table("AN")
        return self.text("TELESCOP") or ("" if table is None else str(table.header.get("ARRNAM", "")).strip())

    @property
    def time_scale(self) -> str:
        """Return the time scale of DATE: CASA writes TIMSYS, and IAT is TAI."""
        table = self.table("AN")
        given = {} if table is None else table.header
        return str(given.get("TIMESYS", given.get("TIMSYS", "UTC"))).strip().upper() or "UTC"

    def antenna_rows(self, numbers: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return the rows of the table of antennas that have these numbers."""
        known = np.asarray(self.needed("AN", "NOSTA"), np.int64)
        order, asked = np.argsort(known, kind="stable"), numbers.astype(np.int64)
        at = order[np.minimum(np.searchsorted(known, asked, sorter=order), known.size - 1)]
        if (known[at] != asked).any():
            wrong = asked[known[at] != asked][0]
            raise InputError(f"{self.path}: antenna {wrong} is used, but table AIPS AN has none of this number")
        return at.astype(np.int32)

    def setup_of(self, selected: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the rows of the table of frequencies that groups select, by FREQSEL; one row needs no table."""
        known = self.column("FQ", "FRQSEL")
        if known is None:
            return np.zeros(len(selected), np.int64)
        made = np.zeros(len(selected), np.int64)
        for asked in np.unique(selected).tolist():
            rows = np.flatnonzero(np.ravel(known) == asked)
            if not rows.size:
                raise InputError(f"{self.path}: FREQSEL {asked:g} is used, but table AIPS FQ has none of this number")
            made[selected == asked] = rows[0]
        return made

    def axis(self, name: str) -> tuple[float, float, float]:
        """Return CRVAL, CRPIX and CDELT of an axis of the header."""
        for at in range(2, int(self.header["NAXIS"]) + 1):
            if self.text(f"CTYPE{at}").upper() == name:
                crval, crpix, cdelt = (float(self.header.get(f"{key}{at}", 1)) for key in ("CRVAL", "CRPIX", "CDELT"))
                return crval, crpix, cdelt
        raise InputError(f"{self.path}: has no axis {name}")


def read_windows(tables: Tables, shape: tuple[int, ...]) -> list[Window]:
    """Read the windows of all setups, each with as many as there are IFs; `shape` is (IFs, channels, correlations)."""
    ifs, channels, hands = shape
    reference, at, step = tables.axis("FREQ")
    first, _, next_ = tables.axis("STOKES")
    names = correlations(first + next_ * (number + 1 - tables.axis("STOKES")[1]) for number in range(hands))
    offset, width = np.zeros((1, ifs)), np.full((1, ifs), step)
    found, widths, sides = (tables.column("FQ", name) for name in ("IF FREQ", "CH WIDTH", "SIDEBAND"))
    if found is not None:
        offset = np.asarray(found, np.float64).reshape(len(found), -1)
    elif ifs > 1:
        raise InputError(f"{tables.path}: has {ifs} IFs, but no table AIPS FQ that says which frequencies they are")
    if widths is not None:
        width = np.asarray(widths, np.float64).reshape(len(offset), -1)
        down = width < 0  # some say by the width that frequencies descend, some by the sideband, some by both
        if sides is not None:
            down = down | (np.asarray(sides).reshape(len(offset), -1) < 0)
        width = np.where(width == 0, step, np.where(down, -np.abs(width), np.abs(width)))
    if offset.shape != width.shape or offset.shape[1] != ifs:
        raise InputError(f"{tables.path}: table AIPS FQ has {offset.shape[1]} IFs, the groups have {ifs}")
    made = []
    for number, (begin, wide) in enumerate(zip(offset.ravel(), width.ravel(), strict=True)):
        frequency = reference + begin + (np.arange(1, channels + 1) - at) * wide
        width_of_each = np.full(channels, abs(wide))
        check_channels(f"{tables.path}: window {number}", frequency, width_of_each)
        made.append(window(frequency, width_of_each, names, number))
    return made


def read_fields(tables: Tables, used: Sequence[int]) -> list[Field]:
    """Read the fields that are used: of the table of sources, or the one of the header."""
    if not tables.sources or list(used) == [_HEADER_FIELD]:
        name = tables.text("OBJECT")
        where = f"{tables.path}: field {_HEADER_FIELD} ({name})"
        place = math.radians(tables.axis("RA")[0]), math.radians(tables.axis("DEC")[0])
        frame = _frame(where, tables, tables.header.get("EPOCH", tables.header.get("EQUINOX")))
        return [Field(_HEADER_FIELD, name, frame, (place,), 0.0, None)]
    numbers, names = tables.needed("SU", "ID. NO."), tables.needed("SU", "SOURCE")
    right, declination = tables.needed("SU", "RAEPO"), tables.needed("SU", "DECEPO")
    epochs, offsets = tables.column("SU", "EPOCH"), tables.column("SU", "FREQOFF")
    made = []
    for number in used:
        rows = np.flatnonzero(np.ravel(numbers) == number)
        if not rows.size:
            raise InputError(f"{tables.path}: source {number} is used, but table AIPS SU has none of this number")
        at = int(rows[0])
        name = str(names[at]).strip()
        where = f"{tables.path}: field {number} ({name})"
        if offsets is not None and np.any(offsets[at]):
            raise InputError(f"{where}: has frequencies of its own (FREQOFF): write it as a file of its own")
        place = math.radians(float(right[at])), math.radians(float(declination[at]))
        frame = _frame(where, tables, None if epochs is None else float(epochs[at]))
        made.append(Field(int(number), name, frame, (place,), 0.0, None))
    return made


def _frame(where: str, tables: Tables, equinox: Any) -> str:
    """Return the frame that the header says, else that of the equinox: FK4 for 1950, as in AIPS.

    pyuvdata once wrote PHSFRAME.
    """
    year = float(equinox) if equinox is not None and float(equinox) > 0 else None
    said = next((tables.text(name) for name in ("PHSFRAME", "RADESYS", "RADESYSA") if tables.text(name)), "")
    return frame_of(where, said or ("fk4" if year == 1950 else "fk5"), year)


def read_antennas(tables: Tables) -> Antennas:
    """Read names, positions on Earth, diameters, mounts and the angles of feeds, as far as they are said."""
    names = tuple(str(each).replace("\0", "").strip() for each in tables.needed("AN", "ANNAME"))
    given = tables.column("AN", "DIAMETER")
    mounts, angles = tables.column("AN", "MNTSTA"), tables.column("AN", "POLAA")
    known = mounts is not None and all(0 <= int(each) < len(_MOUNTS) for each in mounts)
    angle = None if angles is None else np.radians(np.asarray(angles, np.float64).reshape(len(names), -1)[:, 0])
    return Antennas(
        names=names,
        position=_positions(tables, len(names)),
        diameter=np.full(len(names), np.nan) if given is None else np.asarray(given, np.float64),
        stations=("",) * len(names),
        mounts=tuple(_MOUNTS[int(each)] for each in mounts) if known and mounts is not None else (),
        receptor_angle=angle,
    )


def _positions(tables: Tables, antennas: int) -> NDArray[np.float64]:
    """Return positions [antenna, 3] in m, ITRF.

    STABXYZ is about ARRAYX, ..., with x through the meridian there; without these it is taken as it is.
    """
    header = tables.table("AN").header
    place = np.asarray(tables.needed("AN", "STABXYZ"), np.float64).reshape(antennas, 3)
    if str(header.get("XYZHAND", "RIGHT")).strip().upper() == "LEFT":
        place = place * [1, -1, 1]
    centre = np.array([float(header.get(f"ARRAY{axis}", 0) or 0) for axis in "XYZ"])
    if np.abs(centre).max() < 1:
        return place
    longitude = math.atan2(centre[1], centre[0])
    cosine, sine = math.cos(longitude), math.sin(longitude)
    turned: NDArray[np.float64] = place @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]) + centre
    return turned
