"""What the header of a UVH5 file describes: rows, windows, fields, antennas. It does not import h5py."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.data.directions import FRAMES
from fip.data.errors import InputError
from fip.data.quantities import SECONDS_PER_DAY
from fip.source.formats.aips import correlations, frame_of
from fip.source.tables.ephemeris import ephemeris
from fip.source.tables.subtables import Antennas, Field, Window
from fip.source.tables.timescales import JD_OF_MJD_0, SCALES, to_utc
from fip.source.whole import check_channels, window

VERSIONS = ("0.1", "1.0", "1.1", "1.2")
SPEED_OF_LIGHT = 299792458.0
_WGS84 = 1  # of ERFA
_MAS_PER_YEAR = math.radians(1 / 3.6e6) / (365.25 * SECONDS_PER_DAY)  # rad/s
_MJD_OF_2000 = 51544.5
_UNPHASED = ("unprojected", "drift")
_FIELD = "unprojected"
_STANDS = 1e-6  # rad, 0.2 arcsec


class Header:
    """The group Header. What it lacks raises an InputError of one line."""

    def __init__(self, path: Path, group: Any) -> None:
        self.path, self._group = path, group

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def get(self, name: str) -> Any:
        """Return a value as it is stored; a group as a group."""
        found = self._group.get(name)
        if found is None:
            raise InputError(f"{self.path}: its header has no {name}")
        return found[()] if hasattr(found, "dtype") else found

    def array(self, name: str) -> NDArray[Any]:
        """Return an array that must be there."""
        return np.asarray(self.get(name))

    def count(self, name: str) -> int:
        """Return a whole number that must be there."""
        return int(self.array(name))

    def text(self, name: str) -> str:
        """Return a text; "" if it is not there."""
        return as_text(self.get(name)) if name in self else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts that must be there."""
        return tuple(as_text(each) for each in self.array(name))

    def check_version(self) -> None:
        """Raise InputError if it is a later format, in which something may have another meaning."""
        version = self.text("version")
        if version and version not in VERSIONS:
            raise InputError(
                f"{self.path}: is UVH5 {version}; FIP reads {', '.join(VERSIONS)}: have pyuvdata write one of these"
            )

    @cached_property
    def catalogue(self) -> Mapping[int, Mapping[str, Any]]:
        """Return what is said of each phase centre, by its number: from version 1.1, 1.0 or 0.1."""
        if "phase_center_catalog" not in self:
            return {0: self._only_centre()}
        made = {}
        for key, entry in self.get("phase_center_catalog").items():
            if hasattr(entry, "dtype"):  # JSON, by name
                about = {"cat_name": key, **json.loads(as_text(entry[()]))}
                made[int(about["cat_id"])] = about
            else:
                made[int(key)] = dict(_entries(entry))
        return made

    def _only_centre(self) -> dict[str, Any]:
        """Return the phase centre of version 0.1."""
        about: dict[str, Any] = {"cat_name": self.text("object_name"), "cat_type": "unprojected"}
        if self.text("phase_type") != "phased":
            return about
        return about | {
            "cat_type": "sidereal",
            "cat_lon": self.get("phase_center_ra"),
            "cat_lat": self.get("phase_center_dec"),
            "cat_frame": self.text("phase_center_frame") or "fk5",
            "cat_epoch": self.get("phase_center_epoch") if "phase_center_epoch" in self else None,
        }


def as_text(value: Any) -> str:
    """Return bytes or any value as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, eq=False)
class Split:
    """How the channels of the file belong to windows."""

    windows: tuple[Window, ...]
    channels: tuple[NDArray[np.int64], ...]  # [window] of its channels, in the order that `Window` calls "on file"
    frequency: NDArray[np.float64]  # [channel of the file] Hz


def read_windows(header: Header) -> Split:
    """Read the spectral windows as windows, in the order of spw_array."""
    frequency = header.array("freq_array").astype(np.float64)
    frequency = frequency[0] if frequency.ndim == 2 else frequency
    width = np.broadcast_to(np.abs(header.array("channel_width").astype(np.float64)), frequency.shape)
    numbers = np.atleast_1d(header.array("spw_array"))
    of_channel = header.array("flex_spw_id_array") if "flex_spw_id_array" in header else None
    if of_channel is None:
        of_channel = np.full(frequency.size, numbers[0])
    names = correlations(np.atleast_1d(header.array("polarization_array")).tolist())
    each_own = header.array("flex_spw_polarization_array") if "flex_spw_polarization_array" in header else None
    windows, channels = [], []
    for at, number in enumerate(numbers.tolist()):
        here = np.flatnonzero(of_channel == number)
        check_channels(f"{header.path}: spectral window {number}", frequency[here], width[here])
        mine = names if each_own is None else correlations([each_own[at]])
        windows.append(window(frequency[here], width[here], mine, at))
        channels.append(here.astype(np.int64))
    return Split(tuple(windows), tuple(channels), frequency)


def columns_of(header: Header) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64] | None]:
    """Return the columns of rows, and the delay to zenith [row] in s that unphased visibilities lack; None: none."""
    scale = (header.text("timesys") or "UTC").upper()
    if scale not in SCALES:
        raise InputError(f"{header.path}: timesys is {scale}; FIP reads {', '.join(SCALES)}")
    time = to_utc((header.array("time_array").astype(np.float64) - JD_OF_MJD_0) * SECONDS_PER_DAY, scale)
    uvw = -header.array("uvw_array").astype(np.float64)
    if uvw.shape != (time.size, 3):
        raise InputError(f"{header.path}: uvw_array has the shape {uvw.shape}, but there are {time.size} times")
    field = _field_numbers(header, time.size)
    columns: dict[str, NDArray[Any]] = {
        "TIME": time,
        "INTERVAL": np.broadcast_to(header.array("integration_time").astype(np.float64), time.shape),
        "ANTENNA1": _antenna_numbers(header, "ant_1_array"),
        "ANTENNA2": _antenna_numbers(header, "ant_2_array"),
        "UVW": uvw,
        "FIELD_ID": field,
    }
    unphased = np.isin(field, [number for number, about in header.catalogue.items() if _type(about) in _UNPHASED])
    return columns, np.where(unphased, -uvw[:, 2] / SPEED_OF_LIGHT, 0.0) if unphased.any() else None


def _antenna_numbers(header: Header, name: str) -> NDArray[np.int32]:
    """Return numbers of antennas as numbers of rows of `Antennas`."""
    numbers, of_rows = header.array("antenna_numbers"), header.array(name)
    order = np.argsort(numbers)
    at = order[np.minimum(np.searchsorted(numbers, of_rows, sorter=order), numbers.size - 1)]
    wrong = numbers[at] != of_rows
    if wrong.any():
        raise InputError(f"{header.path}: antenna {of_rows[wrong][0]} is used, but it is not in antenna_numbers")
    return at.astype(np.int32)


def read_antennas(header: Header) -> Antennas:
    """Read names, positions on Earth, diameters, mounts and the angles of feeds, as far as they are said."""
    if header.text("telescope_frame") not in ("", "itrs"):
        raise InputError(f"{header.path}: its telescope is in the frame {header.text('telescope_frame')}, not on Earth")
    names = header.texts("antenna_names")
    relative = header.array("antenna_positions").astype(np.float64)
    if relative.shape != (len(names), 3):
        raise InputError(f"{header.path}: antenna_positions has the shape {relative.shape}, of {len(names)} antennas")
    given = header.array("antenna_diameters") if "antenna_diameters" in header else np.nan
    return Antennas(
        names=names,
        position=relative + np.asarray(erfa.gd2gc(_WGS84, *_place(header))),
        diameter=np.array(np.broadcast_to(given, len(names)), np.float64),
        stations=("",) * len(names),
        mounts=header.texts("mount_type") if "mount_type" in header else (),
        receptor_angle=_receptor_angles(header, len(names)),
    )


def _place(header: Header) -> tuple[float, float, float]:
    """Return longitude and latitude, rad, and height, m, of the telescope."""
    longitude, latitude, height = (float(header.array(name)) for name in ("longitude", "latitude", "altitude"))
    if not (math.isfinite(longitude + height) and abs(latitude) <= 90):
        raise InputError(f"{header.path}: longitude {longitude}, latitude {latitude}, altitude {height} are no place")
    return math.radians(longitude), math.radians(latitude), height


def _receptor_angles(header: Header, antennas: int) -> NDArray[np.float64] | None:
    """Return the angle of each antenna's first receptor (X, or R), rad from north through east; None if not said."""
    if "feed_angle" in header and "feed_array" in header:
        angle, feeds = header.array("feed_angle"), np.char.lower(header.array("feed_array").astype("U8"))
        if angle.ndim == 2 and angle.shape == feeds.shape and len(angle) == antennas:
            first = np.isin(feeds, ["x", "r"]).argmax(axis=1)
            return np.asarray(angle[np.arange(antennas), first], np.float64)
    of_x = {"north": 0.0, "n": 0.0, "east": math.pi / 2, "e": math.pi / 2}.get(header.text("x_orientation").lower())
    return None if of_x is None else np.full(antennas, of_x)


def _field_numbers(header: Header, rows: int) -> NDArray[np.int32]:
    if "phase_center_id_array" in header:
        return header.array("phase_center_id_array").astype(np.int32)
    return np.zeros(rows, np.int32)


def _entries(group: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a phase centre; empty ones are left out."""
    for name, each in group.items():
        if each.shape is not None:
            value = each[()]
            yield name, as_text(value) if isinstance(value, bytes | str) else value


def _type(about: Mapping[str, Any]) -> str:
    return str(about.get("cat_type", "sidereal"))


def read_fields(header: Header, columns: Mapping[str, NDArray[Any]], antennas: Antennas) -> list[Field]:
    """Read the fields that are used."""
    catalogue = header.catalogue
    made = []
    for number in np.unique(columns["FIELD_ID"]).tolist():
        if number not in catalogue:
            raise InputError(f"{header.path}: phase centre {number} is used, but it is not in phase_center_catalog")
        about = catalogue[number]
        where = f"{header.path}: field {number} ({about.get('cat_name', '')})"
        made.append(_field(header, number, where, about, _longitude(columns, antennas)))
    return made


def _longitude(columns: Mapping[str, NDArray[Any]], antennas: Antennas) -> float:
    """Return the longitude, rad, of the mean of the antennas with cross-correlations: FIP converts frames for it."""
    cross = columns["ANTENNA1"] != columns["ANTENNA2"]
    used = np.unique(np.concatenate([columns[name][cross] for name in ("ANTENNA1", "ANTENNA2")]))
    x, y, _ = antennas.position[used if used.size else slice(None)].mean(axis=0)
    return math.atan2(y, x)


def _field(header: Header, number: int, where: str, about: Mapping[str, Any], longitude: float) -> Field:
    kind, name = _type(about), str(about.get("cat_name", ""))
    if kind in (*_UNPHASED, "driftscan"):
        return _standing(header, number, name, about, longitude)
    if kind not in ("sidereal", "ephem"):
        raise InputError(f"{where}: its phase centre is of the kind {kind}, which FIP cannot image")
    epoch = about.get("cat_epoch")
    frame = frame_of(where, str(about.get("cat_frame", "icrs")), None if epoch is None else _year(epoch))
    lon, lat = (np.atleast_1d(np.asarray(about[key], np.float64)) for key in ("cat_lon", "cat_lat"))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all() and (np.abs(lat) <= math.pi / 2).all()):
        raise InputError(f"{where}: its phase centre, {lon.tolist()} {lat.tolist()} rad, is not a direction")
    if kind == "ephem" and lon.size > 1:
        times = (np.asarray(about["cat_times"], np.float64) - JD_OF_MJD_0) * SECONDS_PER_DAY
        return Field(number, name, frame, ((0.0, 0.0),), 0.0, ephemeris(times, lon, lat, FRAMES[frame]))
    motion = float(about.get("cat_pm_ra") or 0) * _MAS_PER_YEAR, float(about.get("cat_pm_dec") or 0) * _MAS_PER_YEAR
    place = float(lon[0]), float(lat[0])
    if not any(motion):
        return Field(number, name, frame, (place,), 0.0, None)
    began = (_MJD_OF_2000 + ((_year(epoch) if epoch else 2000.0) - 2000.0) * 365.25) * SECONDS_PER_DAY
    return Field(number, name, frame, (place, motion), began, None)


def _standing(header: Header, number: int, name: str, about: Mapping[str, Any], longitude: float) -> Field:
    """Return a field that stays at one place on the sky of the telescope: hour angle and declination, north of date.

    It is the zenith if nothing is said. FIP converts as at the mean of the antennas, which is on another meridian than
    the telescope's place.
    """
    here, latitude, _ = _place(header)
    angle, declination = 0.0, latitude
    if _type(about) == "driftscan":
        angle, declination = _towards(header, number)
    return Field(number, name or _FIELD, "HADEC", ((angle + longitude - here, declination),), 0.0, None)


def _towards(header: Header, number: int) -> tuple[float, float]:
    """Return hour angle and declination, rad, of a drift scan, by its apparent place at each row.

    Not by its azimuth: pyuvdata 3.2.8 takes LST + HA for the right ascension, and uvw follow that.
    """
    rows = header.array("phase_center_id_array") == number
    angle = header.array("lst_array")[rows] - header.array("phase_center_app_ra")[rows]
    angle = angle[0] + np.remainder(angle - angle[0] + math.pi, 2 * math.pi) - math.pi
    declination = header.array("phase_center_app_dec")[rows]
    if np.ptp(angle) > _STANDS or np.ptp(declination) > _STANDS:
        raise InputError(f"{header.path}: phase centre {number} is a driftscan, but its apparent place moves")
    return float(angle.mean()), float(declination.mean())


def _year(epoch: Any) -> float:
    """Return the year of an epoch, written as 2000.0 or J2000."""
    return float(str(as_text(epoch) if isinstance(epoch, bytes | str) else epoch).lstrip("JB"))
