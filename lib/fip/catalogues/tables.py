"""Catalogues from files: CSV, ECSV and VOTable, with places in degrees in columns of usual names."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.catalogues.catalogue import Sources
from fip.data.errors import UsageError, first_line

Array = NDArray[np.float64]

FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".vot": "votable", ".votable": "votable", ".xml": "votable"}
_LARGEST = 1 << 31  # bytes
_RA = ("ra", "raj2000", "ra_j2000", "ra_icrs", "_raj2000", "_ra", "ra_deg", "radeg", "rajd", "right_ascension")
_DEC = (
    *("dec", "dej2000", "decj2000", "dec_j2000", "de_icrs", "dec_icrs", "_dej2000", "_de", "dec_deg", "dedeg"),
    *("decdeg", "decjd", "declination"),
)
_NAME = (
    *("name", "psrj", "jname", "source_name", "main_id", "designation", "source", "object", "source_id", "id"),
    "nvss",
)
_EAST = ("pmra", "pm_ra", "pm_ra_cosdec", "pmracosdec", "pmra_cosdec", "mu_ra")
_NORTH = ("pmdec", "pm_dec", "pmde", "mu_dec")
_EPOCH = ("epoch", "ref_epoch", "posepoch", "pos_epoch")
_B1950 = ("fk4", "b1950", "galactic")
_UNSAID = {"rad/yr": "mas/yr"}  # units of columns that name none, if they are not those that are wanted
_FIRST_MJD = 10_000.0  # an epoch that is more is an MJD, as of pulsars, and no year


def read_catalogue(path: Path, option: str) -> Sources:
    """The sources of a table.

    `ra` and `dec` in degrees (ICRS or J2000), `pmra` (with cos dec) and `pmdec` in mas a year, `epoch` in years or as
    an MJD; J2000.0 without one. Units that a column names count. Rows without a place are left out. UsageError, for
    one line that begins with the `option`, for what is no such table.
    """
    table = _read(path, option)
    spelt = {name.lower(): name for name in table.colnames}
    ra, dec = (_needed(table, spelt, names, f"{option} {path}") for names in (_RA, _DEC))
    longitude, latitude = (_numbers(table, name, "deg", f"{option} {path}") for name in (ra, dec))
    known = np.isfinite(longitude) & np.isfinite(latitude)
    if np.any(np.abs(latitude[known]) > 90) or np.any(np.abs(longitude[known]) > 360):
        raise UsageError(f"{option} {path}: columns {ra} and {dec} hold no places in degrees: one is beyond 360 or 90")
    if not known.any():
        raise UsageError(f"{option} {path}: no row of it has a place in {ra} and {dec}")

    def known_of(names: Sequence[str], unit: str) -> Array | None:
        name = _first(spelt, names)
        return _numbers(table, spelt[name], unit, f"{option} {path}")[known] if name else None

    east, north, epoch = known_of(_EAST, "rad/yr"), known_of(_NORTH, "rad/yr"), known_of(_EPOCH, "")
    names = _names(table, spelt, known, path.stem)
    places = np.radians(longitude[known]), np.radians(latitude[known])
    return Sources(names, *places, east, north, 2000.0 if epoch is None else _years(epoch))


def _read(path: Path, option: str) -> Any:
    """Read a file as an astropy table."""
    from astropy.table import Table  # late: it takes a while

    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{option} {path}: is no catalogue by its name: give a table as {', '.join(FORMATS)}")
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{option} {path}: is larger than {_LARGEST >> 30} GB: leave out what is not needed")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a VOTable could say better; what is needed of it is checked
            table = Table.read(path, format=kind)
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be read: {error.strerror or first_line(error)}") from None
    except Exception as error:  # noqa: BLE001  astropy's readers raise what they like on what is no table
        raise UsageError(f"{option} {path}: is no table as {path.suffix} has it: {first_line(error):.200}") from None
    said = {str(name).lower(): str(value).lower() for name, value in table.meta.items() if isinstance(value, str)}
    frame = next((said[name] for name in ("frame", "radesys", "equinox") if name in said), "")
    if any(each in frame for each in _B1950):
        raise UsageError(f"{option} {path}: its places are {frame}: places in ICRS or J2000 are read: convert them")
    return table


def _first(spelt: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in spelt), None)


def _needed(table: Any, spelt: Mapping[str, str], names: Sequence[str], file: str) -> str:
    found = _first(spelt, names)
    if found is None:
        there = ", ".join(table.colnames[:8])
        raise UsageError(f"{file}: no column {names[0]}: ra and dec in degrees are needed; there are {there:.150}")
    return spelt[found]


def _numbers(table: Any, name: str, unit: str, file: str) -> Array:
    """Return a column in a unit; NaN if it has no value."""
    from astropy.units import Unit  # late: it takes a while

    column = table[name]
    if column.dtype.kind not in "iuf":
        value = next((str(each) for each in column if str(each) not in ("--", "")), "")
        raise UsageError(f"{file}: column {name} holds no numbers: '{value:.30}'; give {unit or 'years'}")
    values = np.array(np.ma.filled(np.ma.asarray(column, float), np.nan), np.float64)
    said = str(getattr(column, "unit", None) or _UNSAID.get(unit, unit))
    if said == unit:
        return values
    try:
        return np.asarray(values * Unit(said).to(unit), np.float64)
    except ValueError:  # astropy's UnitConversionError, too, and that of a unit which it does not know
        raise UsageError(f"{file}: column {name} is in {said}, which is none of {unit}") from None


def _names(table: Any, spelt: Mapping[str, str], known: NDArray[np.bool_], stem: str) -> Sequence[str]:
    found = _first(spelt, _NAME)
    rows = np.flatnonzero(known)
    if found is None:
        return [f"{stem}-{row + 1}" for row in rows.tolist()]
    column = table[spelt[found]]
    return [str(column[row]).strip() for row in rows.tolist()] if column.dtype.kind == "O" else _texts(column, known)


def _texts(column: Any, known: NDArray[np.bool_]) -> list[str]:
    return [each.strip() for each in np.ma.getdata(column)[known].astype(str).tolist()]


def _years(epoch: Array) -> Array:
    """Return Julian years; J2000 if the epoch is not known."""
    years = np.where(np.abs(epoch) >= _FIRST_MJD, 2000 + (epoch - 51544.5) / 365.25, epoch)
    return np.where(np.isfinite(years), years, 2000.0)
