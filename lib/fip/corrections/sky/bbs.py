"""Source lists as DP3, WSClean and LSMTool write them: `.skymodel`; a line `Format = ...` names the columns.

The format is DP3's ReadSkyModel: columns in any order, each with a default in quotes, comments, lists in brackets,
lines without a name that define a patch. Anything unknown that would change the sources is refused.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fip.corrections.sky.catalogue import Catalogue, joined
from fip.corrections.sky.frames import icrs_angle, icrs_vectors
from fip.data.directions import FRAMES, Frame, parse_direction
from fip.data.errors import InputError
from fip.data.quantities import ARCSEC

COLUMNS = (
    "Name", "Type", "Patch", "RefType", "Ra", "Dec", "I", "Q", "U", "V", "SpectralIndex", "LogarithmicSI",
    "ReferenceFrequency", "MajorAxis", "MinorAxis", "Orientation", "OrientationIsAbsolute", "Category",
)  # fmt: skip
"""The columns that are read; `Category` says nothing of the sky, and `Dummy` is left out as in DP3."""

_UNSUPPORTED = (
    "RotationMeasure", "PolarizedFraction", "PolarizationAngle", "ReferenceWavelength",
    "IShapelet", "QShapelet", "UShapelet", "VShapelet",
)  # fmt: skip
_SPELT = {name.lower(): name for name in (*COLUMNS, *_UNSUPPORTED)}
_FORMAT = re.compile(r"\s*(?:#\s*)?format\s*=(?P<new>.*)|\s*#\s*\((?P<old>.*)\)\s*=\s*format\s*", re.IGNORECASE)
_COLUMN = re.compile(
    r"\s*(?P<name>[A-Za-z0-9_:]*)\s*(?:=\s*(?P<fixed>fixed)?\s*(?P<quote>['\"])(?P<value>.*?)(?P=quote)\s*)?",
    re.IGNORECASE,
)
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_MOST_TERMS = 20


@dataclass(frozen=True, slots=True)
class _Column:
    name: str  # as in COLUMNS; "" if it is left out
    default: str
    fixed: bool  # it is not in the lines at all


@dataclass(frozen=True, slots=True)
class _Row:
    """A source, as a line has it; angles in rad."""

    name: str
    frame: Frame
    longitude: float
    latitude: float
    stokes: tuple[float, ...]
    reference: float
    terms: tuple[float, ...]
    logarithmic: bool
    major: float
    minor: float
    angle: float
    of_grid: bool


def read_bbs(path: Path, text: str) -> tuple[Catalogue, tuple[str, ...]]:
    """Read the sources of a list, and notes on it. InputError, naming the line, for what cannot be used."""
    lines = text.splitlines()
    at = next((number for number, line in enumerate(lines) if _FORMAT.fullmatch(line)), None)
    if at is None:
        raise InputError(
            f"{path}: no line 'Format = Name, Type, Ra, Dec, I, ...' that names the columns: add it as the first line"
        )
    found = _FORMAT.fullmatch(lines[at])
    columns, separator = _columns(path, at + 1, found["new"] or found["old"] or "" if found else "")
    rows: list[_Row] = []
    patches = 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#") or number == at + 1:
            continue
        try:
            cells = _cells(line, columns, separator)
            if cells["Name"]:
                rows.append(_row(cells))
            elif cells["Patch"]:
                patches += 1
            else:
                raise ValueError("neither a Name nor a Patch: give one of them")
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
    told = (f"{path.name}: {patches} lines define patches, whose names say nothing of the sky",) if patches else ()
    return joined([_catalogue(rows, frame) for frame in dict.fromkeys(row.frame for row in rows)]), told


def _columns(path: Path, number: int, text: str) -> tuple[tuple[_Column, ...], str | None]:
    """Return the columns of a Format line, and their separator; None if that is blanks."""
    separator = "," if "," in re.sub(r"'[^']*'|\"[^\"]*\"", "", text) else None
    columns, at = [], 0
    while at < len(text.rstrip()):
        match = _COLUMN.match(text, at)
        if match is None or (match.end() == at and text[at] != separator):
            raise InputError(f"{path}, line {number}: no column's name is understood at '{text[at : at + 20].strip()}'")
        at = match.end()
        if at < len(text.rstrip()) and separator:
            if text[at] != separator:
                raise InputError(f"{path}, line {number}: a comma is needed before '{text[at : at + 20].strip()}'")
            at += 1
        columns.append(_column(path, number, match))
    names = [column.name for column in columns if column.name]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}, line {number}: column {twice[0]} is there twice")
    if missing := [name for name in ("Name", "Ra", "Dec", "I") if name not in names]:
        raise InputError(f"{path}, line {number}: no column {missing[0]}: Name, Ra, Dec and I are needed")
    return tuple(columns), separator


def _column(path: Path, number: int, match: re.Match[str]) -> _Column:
    name = match["name"]
    spelt = "" if name.lower() in ("", "dummy") else _SPELT.get(name.lower())
    if spelt is None:
        raise InputError(
            f"{path}, line {number}: column '{name}' is not known: name it Dummy to leave it out "
            f"(known: {', '.join(COLUMNS)})"
        )
    return _Column(spelt, match["value"] or "", match["fixed"] is not None)


def _cells(line: str, columns: tuple[_Column, ...], separator: str | None) -> Mapping[str, str]:
    """Return the text of a line in each column without quotes, the default if empty. ValueError if it is malformed."""
    there = _split(line, separator)
    cells = dict.fromkeys((*COLUMNS, *_UNSUPPORTED), "")
    for column in columns:
        value = column.default if column.fixed else next(there, "") or column.default
        if column.name:
            cells[column.name] = value
    if rest := [each for each in there if each]:
        raise ValueError(f"'{rest[0]}' is in no column: the line has more values than the Format line has names")
    return cells


def _split(line: str, separator: str | None) -> Iterator[str]:
    """Yield the values of a line; separators in quotes or brackets are part of a value."""
    if line.count("[") != line.count("]"):
        raise ValueError("brackets [ ] that do not match")
    quoted = r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]"
    if separator is None:
        found = re.findall(rf"(?:{quoted}|[^\s'\"\[])+", line)
    else:
        found = re.findall(rf"((?:{quoted}|[^{separator}'\"\[])*)(?:{separator}|$)", line.strip())
    for value in found:
        value = value.strip()
        yield value[1:-1].strip() if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _row(cells: Mapping[str, str]) -> _Row:
    """Read a source. ValueError for one that cannot be used; it says what would be accepted."""
    if given := next((name for name in _UNSUPPORTED if cells[name]), None):
        raise ValueError(f"{given} is {cells[given]}: it is not read: give Q and U, or leave it empty")
    kind = cells["Type"].upper() or "POINT"
    if kind not in ("POINT", "GAUSSIAN"):
        raise ValueError(f"Type is {cells['Type']}: POINT and GAUSSIAN are read: write the source as these")
    if not cells["I"]:
        raise ValueError("I is empty: give a flux density in Jy")
    frame = FRAMES.get((cells["RefType"] or "J2000").upper())
    if frame not in ("FK5", "ICRS", "FK4"):
        raise ValueError(f"RefType is {cells['RefType']}: J2000, ICRS or B1950 are read (name the Sun as 'sun:...')")
    longitude, latitude = _place(cells["Ra"], cells["Dec"])
    terms = _terms(cells["SpectralIndex"])
    reference = _number(cells, "ReferenceFrequency") if cells["ReferenceFrequency"] else 0.0
    if any(terms) and reference <= 0:
        raise ValueError(
            f"SpectralIndex is {cells['SpectralIndex']}, and ReferenceFrequency is "
            f"{cells['ReferenceFrequency'] or 'empty'}: give the frequency in Hz at which I holds"
        )
    major, minor, angle = (_number(cells, name) for name in ("MajorAxis", "MinorAxis", "Orientation"))
    if kind == "GAUSSIAN" and min(major, minor) < 0:
        raise ValueError(f"MajorAxis is {major:g} and MinorAxis {minor:g} arcsec: 0 or more is needed")
    size = 1.0 if kind == "GAUSSIAN" else 0.0
    return _Row(
        cells["Name"], frame, longitude, latitude, tuple(_number(cells, name) for name in "IQUV"),
        reference if any(terms) else 1.0, terms if any(terms) else (), _flag(cells, "LogarithmicSI", default=True),
        size * major * ARCSEC, size * minor * ARCSEC, size * math.radians(angle),
        not _flag(cells, "OrientationIsAbsolute", default=True),
    )  # fmt: skip


def _place(right_ascension: str, declination: str) -> tuple[float, float]:
    """Return right ascension, which WSClean may write below 0, and declination in rad."""
    right_ascension, declination = ("".join(each.split()) for each in (right_ascension, declination))
    sign = -1.0 if right_ascension.startswith("-") and ":" in right_ascension else 1.0
    place = parse_direction(f"{right_ascension.lstrip('-') if sign < 0 else right_ascension} {declination}")
    return sign * place.longitude, place.latitude


def _number(cells: Mapping[str, str], name: str) -> float:
    """Return the number in a column, 0 if it is empty."""
    text = cells[name]
    try:
        value = float(text) if text else 0.0
    except ValueError:
        raise ValueError(f"{name} is '{text}': a number is needed") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text}: a finite number is needed")
    return value


def _terms(text: str) -> tuple[float, ...]:
    values = [each.strip() for each in text.strip("[] ").split(",")]
    terms = tuple(_number({"SpectralIndex": value}, "SpectralIndex") for value in values if value)
    if len(terms) > _MOST_TERMS:
        raise ValueError(f"SpectralIndex has {len(terms)} terms: at most {_MOST_TERMS} are read")
    return terms


def _flag(cells: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = cells[name].lower()
    if text and text not in (*_TRUE, *_FALSE):
        raise ValueError(f"{name} is '{cells[name]}': true or false is needed")
    return text in _TRUE if text else default


def _catalogue(rows: list[_Row], frame: Frame) -> Catalogue:
    """Make the catalogue of sources of one frame."""
    rows = [row for row in rows if row.frame == frame]
    longitude, latitude, angle = (
        np.array([getattr(row, name) for row in rows], np.float64) for name in ("longitude", "latitude", "angle")
    )
    terms = np.zeros((len(rows), max(len(row.terms) for row in rows)))
    for row, into in zip(rows, terms, strict=True):
        into[: len(row.terms)] = row.terms
    return Catalogue(
        names=tuple(row.name for row in rows),
        towards=icrs_vectors(longitude, latitude, frame),
        stokes=np.array([row.stokes for row in rows], np.float64),
        reference=np.array([row.reference for row in rows]),
        terms=terms,
        logarithmic=np.array([row.logarithmic for row in rows]),
        alike=np.zeros(len(rows), bool),
        major=np.array([row.major for row in rows]),
        minor=np.array([row.minor for row in rows]),
        angle=icrs_angle(longitude, latitude, frame, angle),
        of_grid=np.array([row.of_grid for row in rows]),
    )
