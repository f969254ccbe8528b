"""Source lists as tables: ECSV, CSV and VOTable, with a row a source and columns whose names are known.

Among them are the truth tables of `fip simulate`, whose transients are left out.
"""

import math
import re
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.corrections.sky.catalogue import Catalogue
from fip.corrections.sky.frames import icrs_angle, icrs_vectors
from fip.data.directions import Frame, parse_direction
from fip.data.errors import InputError, first_line
from fip.data.quantities import ARCSEC

Array = NDArray[np.float64]

UNITS: Mapping[str, str] = {
    "ra": "deg", "dec": "deg", "flux": "Jy", "I": "Jy", "Q": "Jy", "U": "Jy", "V": "Jy",
    "frequency": "Hz", "alpha": "", "major": "arcsec", "minor": "arcsec", "pa": "deg",
}  # fmt: skip
"""The columns that hold numbers, and their units if a table names none."""

TEXTS = ("name", "kind")
OF_TRUTH = ("first", "end", "index", "beam")  # of `fip simulate`; `index` is alpha
KNOWN = (*TEXTS, *UNITS)
_SPELT = {name.lower(): name for name in (*KNOWN, *OF_TRUTH)} | {"index": "alpha"}
_KINDS = {"": True, "steady": True, "point": True, "gaussian": True, "transient": False}  # whether it is always there
_FRAMES: Mapping[str, Frame] = {"icrs": "ICRS", "fk5": "FK5", "j2000": "FK5", "j2000.0": "FK5", "2000": "FK5"}
_FRAMES = {**_FRAMES, "2000.0": "FK5", "eq_fk5": "FK5"}
_J2000 = ("", "J2000", "J2000.0", "2000", "2000.0")  # equinoxes with which FK5 is read
_SAYS_FRAME = ("frame", "equinox", "epoch", "radesys")
FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".vot": "votable", ".votable": "votable", ".xml": "votable"}


def read_table(path: Path, content: bytes, *, apparent: bool) -> tuple[Catalogue, tuple[str, ...]]:
    """Read the sources of a table, and notes on it. InputError, naming the row, for what cannot be used.

    `apparent`: fluxes have to be as the array sees them.
    """
    table, frame = _read(path, content)
    columns: dict[str, Any] = {}
    for name in table.colnames:
        spelt = _SPELT.get(name.lower())
        if spelt is None:
            raise InputError(f"{path}: column {name!r} is not known: leave it out (known: {', '.join(KNOWN)})")
        if spelt in columns:
            raise InputError(f"{path}: column {spelt} is there twice")
        columns[spelt] = table[name]
    _check_columns(path, columns)
    steady = _steady(path, columns, len(table))
    columns = {name: column[steady] for name, column in columns.items()}
    rows = np.flatnonzero(steady) + 1
    left = len(table) - len(rows)
    told = (f"{path.name}: {left} transients are left out of the model",) if left else ()
    if apparent and np.any(_numbers(path, columns, "beam", rows, 1.0) != 1):
        raise InputError(
            f"{path}: its fluxes are those of the sky, which is seen through a primary beam (column beam): give "
            "--primary-beam, or the list .skymodel that was simulated with it"
        )
    return _catalogue(path, columns, rows, frame, _reference(table.meta)), told


def _read(path: Path, content: bytes) -> tuple[Any, Frame]:
    """Return the table, and the frame of its places."""
    from astropy.table import Table  # late: it takes a while

    kind = FORMATS[path.suffix.lower()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # faults that do not matter; what is needed of it is checked below
            table = Table.read(BytesIO(content), format=kind)
            said = _systems(content) if kind == "votable" else _said(table.meta)
    except Exception as error:  # noqa: BLE001  astropy's readers raise what they like on what is no table
        raise InputError(f"{path}: is no table as {path.suffix} has it: {first_line(error)}") from None
    for name, value in said:
        if re.sub(r"[\s']", "", value.lower()) not in _FRAMES:
            raise InputError(f"{path}: {name} is {value}: places in J2000 or ICRS are read: convert them")
    frames = {_FRAMES[re.sub(r"[\s']", "", value.lower())] for _, value in said}
    return table, "ICRS" if frames == {"ICRS"} else "FK5"


def _said(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the head of a table says of its frame."""
    return [(name, str(value)) for name, value in meta.items() if str(name).lower() in _SAYS_FRAME]


def _systems(content: bytes) -> list[tuple[str, str]]:
    """Return the coordinate systems that a VOTable names."""
    from astropy.io.votable import parse

    systems = [
        (str(each.system), str(each.equinox or "")) for each in parse(BytesIO(content)).iter_coosys() if each.system
    ]
    return [
        ("COOSYS", f"{name} of {date}" if name == "eq_FK5" and date not in _J2000 else name) for name, date in systems
    ]


def _check_columns(path: Path, columns: Mapping[str, Any]) -> None:
    if missing := [name for name in ("ra", "dec") if name not in columns]:
        raise InputError(f"{path}: no column {missing[0]}: ra, dec and flux (or I) are needed")
    if ("flux" in columns) == ("I" in columns):
        there = "both columns flux and I" if "flux" in columns else "neither a column flux nor I"
        raise InputError(f"{path}: {there}: give one of them")
    if "minor" in columns and "major" not in columns:
        raise InputError(f"{path}: a column minor, and none major: give the larger axis, too")


def _steady(path: Path, columns: Mapping[str, Any], length: int) -> NDArray[np.bool_]:
    """Return which rows are steady: always there."""
    if "kind" not in columns:
        return np.ones(length, bool)
    found = np.ones(length, bool)
    for row, kind in enumerate(_texts(columns["kind"])):
        if kind.lower() not in _KINDS:
            raise InputError(f"{path}, row {row + 1}: kind is '{kind}': give one of {', '.join(filter(None, _KINDS))}")
        found[row] = _KINDS[kind.lower()]
    return found


def _reference(meta: Mapping[str, Any]) -> float:
    """Return the frequency in Hz that the head of an ECSV names for all rows; 0 if none."""
    value = meta.get("frequency", 0.0)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _catalogue(
    path: Path, columns: Mapping[str, Any], rows: NDArray[np.intp], frame: Frame, reference: float
) -> Catalogue:
    """Make a catalogue. `rows` are their numbers, for messages; `reference` in Hz is for rows without a frequency."""
    longitude, latitude = _places(path, columns, rows)
    stokes = np.zeros((len(rows), 4))
    for at, name in enumerate("IQUV"):
        name = "flux" if name == "I" and "flux" in columns else name
        stokes[:, at] = _numbers(path, columns, name, rows, None if at == 0 else 0.0)
    alpha = _numbers(path, columns, "alpha", rows, 0.0)
    frequency = _numbers(path, columns, "frequency", rows, reference)
    _check(path, rows, (alpha != 0) & (frequency <= 0), alpha, "alpha is {:g}, and frequency is not given: "
           "give the frequency at which the flux holds")  # fmt: skip
    major = _numbers(path, columns, "major", rows, 0.0)
    minor = _numbers(path, columns, "minor", rows, None) if "minor" in columns else major
    for name, values in {"major": major, "minor": minor}.items():
        _check(path, rows, values < 0, values / ARCSEC, f"{name} is {{:g}} arcsec: 0 or more is needed")
    angle = icrs_angle(longitude, latitude, frame, _numbers(path, columns, "pa", rows, 0.0))
    count = len(rows)
    names = _texts(columns["name"]) if "name" in columns else [f"{path.stem}-{row}" for row in rows.tolist()]
    return Catalogue(
        names=tuple(names),
        towards=icrs_vectors(longitude, latitude, frame),
        stokes=stokes,
        reference=np.where(alpha != 0, frequency, 1.0),
        terms=alpha[:, None],
        logarithmic=np.ones(count, bool),
        alike=np.ones(count, bool),
        major=major,
        minor=minor,
        angle=angle,
        of_grid=np.zeros(count, bool),
    )


def _places(path: Path, columns: Mapping[str, Any], rows: NDArray[np.intp]) -> tuple[Array, Array]:
    """Return longitudes and latitudes in rad, from numbers, or from texts as 05:34:31.97 and +22:00:52."""
    written = [columns[name].dtype.kind in "UO" for name in ("ra", "dec")]
    if any(written):
        texts = zip(_texts(columns["ra"]), _texts(columns["dec"]), rows.tolist(), strict=True)
        places = np.array([_place(path, row, *each) for *each, row in texts], np.float64).reshape(-1, 2)
        return places[:, 0], places[:, 1]
    longitude, latitude = (_numbers(path, columns, name, rows, None) for name in ("ra", "dec"))
    _check(path, rows, np.abs(latitude) > math.pi / 2, np.degrees(latitude), "dec is {:g} deg: -90 to 90 is needed")
    _check(path, rows, np.abs(longitude) > 2 * math.pi, np.degrees(longitude), "ra is {:g} deg: 0 to 360 is needed")
    return longitude, latitude


def _place(path: Path, row: int, right_ascension: str, declination: str) -> tuple[float, float]:
    try:
        place = parse_direction(f"{right_ascension} {declination}")
    except ValueError as error:
        raise InputError(f"{path}, row {row}: {error}") from None
    if place.frame is not None:
        raise InputError(f"{path}, row {row}: ra is '{right_ascension}': give no frame there")
    return place.longitude, place.latitude


def _numbers(path: Path, columns: Mapping[str, Any], name: str, rows: NDArray[np.intp], default: float | None) -> Array:
    """Return a column in Jy, Hz or rad; `default` for no column or an empty cell, which None forbids. InputError."""
    from astropy import units

    if name not in columns:
        return np.full(len(rows), default or 0.0)
    column, usual = columns[name], UNITS.get(name, "")
    if column.dtype.kind not in "iuf":
        raise InputError(f"{path}: column {name} holds '{next(iter(_texts(column)), '')}': numbers are needed")
    unit = units.Unit(usual) if column.unit is None else column.unit
    into = "rad" if usual and units.Unit(usual).is_equivalent("rad") else usual
    try:
        factor = float(units.Unit(unit).to(into)) if into or unit != "" else 1.0
    except (units.UnitsError, TypeError, ValueError):
        raise InputError(f"{path}: column {name} is in {unit}: {usual or 'no unit'} would do") from None
    empty = np.asarray(getattr(column, "mask", False)) & np.ones(len(rows), bool)
    values = np.array(np.ma.getdata(column), np.float64) * factor
    if default is None:
        _check(path, rows, empty, values, f"{name} is empty: give a number")
    values[empty] = default or 0.0
    _check(path, rows, ~np.isfinite(values), values, f"{name} is {{:g}}: a finite number is needed")
    return values


def _check(path: Path, rows: NDArray[np.intp], wrong: NDArray[np.bool_], values: Array, message: str) -> None:
    """Raise InputError for the first row that is wrong."""
    for at in np.flatnonzero(wrong)[:1].tolist():
        raise InputError(f"{path}, row {rows[at]}: {message.format(values[at])}")


def _texts(column: Any) -> list[str]:
    """Return the texts of a column; "" for an empty cell."""
    empty = np.asarray(getattr(column, "mask", False)) & np.ones(len(column), bool)
    values = np.ma.getdata(column).tolist()
    return ["" if none else _text(value) for value, none in zip(values, empty.tolist(), strict=True)]


def _text(value: object) -> str:
    """Return a value as text on one line, as it may be part of a message."""
    return " ".join((value.decode(errors="replace") if isinstance(value, bytes) else str(value)).split())
