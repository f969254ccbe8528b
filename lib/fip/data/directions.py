"""Directions on the sky: how they are written, the axes of (u, v, w) towards them, and imaging another one. Pure.

A baseline b is the same vector whatever it is referred to: (u, v, w) are its components along east, north and the
direction of the phase centre (Thompson, Moran & Swenson 2017, eq. 4.1), and w is what the correlator's delay has
taken out. With e(s) those three unit vectors as the rows of a matrix, uvw = e(s) b. So for another centre s'

    uvw' = R uvw  with  R = e(s') e(s)^T,    V' = V exp(+2 pi i (w - w') f / c),

as V = sum I(p) exp(+2 pi i b.(p - s) f / c), which is the transform that FIP images (u l + v m + w (n - 1) is
b.(p - s)). This is exact. With the same centre and other axes, R is a turn about w and V stays as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import ANGLE_UNITS, SPEED_OF_LIGHT
from fip.data.values import Block, Direction, Frame

Array = NDArray[np.float64]

FRAME_NAMES: dict[str, Frame] = {
    "J2000": "FK5",
    "FK5": "FK5",
    "ICRS": "ICRS",
    "B1950": "FK4",
    "FK4": "FK4",
    "GALACTIC": "GALACTIC",
}
"""Frames as they are written on a command line, and those of a FITS header."""

_WRITTEN: dict[Frame, str] = {"FK5": "J2000", "ICRS": "ICRS", "FK4": "B1950", "GALACTIC": "GALACTIC"}
_SAMPLES_AT_ONCE = 1 << 18
_STEP = 1e-4  # rad, towards north: small beside what bends, large beside rounding

_HOURS = r"(?P<hours>\d{1,2})(?:h|:)\s*(?P<minutes>\d{1,2})(?:m|:)\s*(?P<seconds>\d{1,2}(?:\.\d*)?)s?"
_DEGREES = r"(?P<sign>[+-]?)(?P<degrees>\d{1,3})(?:d|:|\.)\s*(?P<minutes>\d{1,2})(?:m|:|\.|')\s*" + (
    r"(?P<seconds>\d{1,2}(?:\.\d*)?)(?:s|\")?"
)
_DECIMAL = r"(?P<value>[+-]?(?:\d+\.?\d*|\.\d+))\s*(?P<unit>deg|rad)"


def parse_direction(text: str) -> Direction:
    """A direction as astronomers write it; ValueError for anything else.

    `05h31m58.7s +33d08m52s`, `05:31:58.7 +33:08:52`, `05h31m58.7 +33.08.52`, `82.99deg 33.15deg`, `1.448rad
    0.579rad`, with J2000, ICRS, B1950 or GALACTIC in front; without one of them the frame is None.
    """
    words = text.replace(",", " ").split()
    frame = FRAME_NAMES.get(words[0].upper()) if words else None
    words = words[1:] if frame else words
    if len(words) != 2:
        raise ValueError(_not_a_direction(text))
    longitude, latitude = _longitude(words[0], frame), _angle(words[1])
    if longitude is None or latitude is None or not -2 * math.pi <= longitude <= 2 * math.pi:
        raise ValueError(_not_a_direction(text))
    if abs(latitude) > math.pi / 2:
        raise ValueError(f"'{text}' is no direction: its latitude is beyond 90 degrees")
    return Direction(longitude % (2 * math.pi), latitude, frame)


def _not_a_direction(text: str) -> str:
    return (
        f"'{text}' is not a direction, as '05h31m58.7s +33d08m52s' or '82.99deg 33.15deg', "
        f"after {', '.join(_WRITTEN.values())} if it is to be in that frame"
    )


def _longitude(text: str, frame: Frame | None) -> float | None:
    match = re.fullmatch(_HOURS, text, re.ASCII)
    if match is None or frame == "GALACTIC":
        return _angle(text) if match is None else None
    hours, minutes, seconds = float(match["hours"]), float(match["minutes"]), float(match["seconds"])
    if hours >= 24 or minutes >= 60 or seconds >= 60:
        return None
    return math.radians(15 * (hours + minutes / 60 + seconds / 3600))


def _angle(text: str) -> float | None:
    match = re.fullmatch(_DECIMAL, text, re.ASCII)
    if match:
        return float(match["value"]) * ANGLE_UNITS[match["unit"]]
    match = re.fullmatch(_DEGREES, text, re.ASCII)
    if match is None:
        return None
    degrees, minutes, seconds = float(match["degrees"]), float(match["minutes"]), float(match["seconds"])
    if minutes >= 60 or seconds >= 60:
        return None
    return math.radians(degrees + minutes / 60 + seconds / 3600) * (-1 if match["sign"] == "-" else 1)


def in_frame(asked: Direction, centres: Iterable[Direction]) -> Direction:
    """What was asked without a frame is in ICRS where all `centres` are, else in FK5 (J2000)."""
    if asked.frame is not None:
        return asked
    return replace(asked, frame="ICRS" if {centre.frame for centre in centres} == {"ICRS"} else "FK5")


def format_direction(direction: Direction) -> str:
    """A direction as `parse_direction` reads it back to the last bit but a few; degrees, 1e-12 of one."""
    frame = f"{_WRITTEN[direction.frame]} " if direction.frame else ""
    return f"{frame}{math.degrees(direction.longitude):.12f}deg {math.degrees(direction.latitude):.12f}deg"


def shown(direction: Direction) -> str:
    """A direction as a person reads it, to 0.01 arcsec."""
    frame = _WRITTEN[direction.frame or "FK5"]
    if frame == "GALACTIC":
        return f"{frame} {math.degrees(direction.longitude):.6f}deg {math.degrees(direction.latitude):.6f}deg"
    right_ascension = _sexagesimal(math.degrees(direction.longitude) / 15, 3, 24) % ("h", "m")
    declination = _sexagesimal(abs(math.degrees(direction.latitude)), 2, 360) % ("d", "m")
    return f"{frame} {right_ascension} {'-' if direction.latitude < 0 else '+'}{declination}"


def _sexagesimal(value: float, digits: int, whole: int) -> str:
    """12.5 in units of which `whole` are a circle, as 12%s30%s00.00s: rounded before it is split."""
    unit = 10**digits
    minutes, seconds = divmod(round(value * 3600 * unit), 60 * unit)
    return f"{minutes // 60 % whole:02d}%s{minutes % 60:02d}%s{seconds / unit:0{digits + 3}.{digits}f}s"


def axes(longitude: float, latitude: float) -> Array:
    """e(s): unit vectors to the east, to the north and towards a direction, the rows of a matrix [3, 3].

    In Cartesian coordinates with x towards (0, 0) and z towards the pole.
    """
    sin_lon, cos_lon = math.sin(longitude), math.cos(longitude)
    sin_lat, cos_lat = math.sin(latitude), math.cos(latitude)
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )


def northward(longitude: float, latitude: float) -> tuple[float, float]:
    """A direction a little to the north of another, along its meridian, also across the pole."""
    _, north, towards = axes(longitude, latitude)
    x, y, z = math.cos(_STEP) * towards + math.sin(_STEP) * north
    return math.atan2(y, x), math.atan2(z, math.hypot(x, y))


def axes_from(towards: Array, further_north: Array) -> Array:
    """e(s) [3, 3] from unit vectors towards s and to a place north of it, both as seen in some other frame."""
    north = further_north - (further_north @ towards) * towards
    north /= np.linalg.norm(north)
    return np.stack([np.cross(north, towards), north, towards])


def angle_between_norths(direction: Direction, towards: Array, further_north: Array) -> float:
    """Position angle in rad, from the direction's own north through east, of another frame's north.

    `towards` and `further_north` are as for `axes_from`, in Cartesian coordinates of the direction's frame.
    """
    east, north, _ = axes(direction.longitude, direction.latitude)
    other = axes_from(towards, further_north)[1]
    return math.atan2(other @ east, other @ north)


def about_w(angle: float) -> Array:
    """The turn [3, 3] of (u, v, w) whose v is at position angle `angle` (rad, north through east) to v at north."""
    sin, cos = math.sin(angle), math.cos(angle)
    return np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])


@lru_cache(maxsize=64)
def icrs_axes(direction: Direction) -> Array:
    """e(s) [3, 3] in vectors of ICRS, north being that of the direction's own frame.

    Frames are converted by astropy, which reads them as FITS headers mean them: FK4 has the E-terms of aberration
    (Smith et al. 1989), at equinox and epoch B1950. They bend the sky by 0.3 arcsec, which a turn can follow in one
    direction only: 0.006 arcsec are left a degree away.
    """
    from astropy.coordinates import FK4, FK5, ICRS, Galactic, SkyCoord  # takes a second, and is seldom needed

    frame = {"FK5": FK5, "ICRS": ICRS, "FK4": FK4, "GALACTIC": Galactic}[direction.frame or "FK5"]
    here = (direction.longitude, direction.latitude)
    places = np.array([here, northward(*here)])
    seen = SkyCoord(places[:, 0], places[:, 1], unit="rad", frame=frame()).icrs
    towards, north = np.asarray(seen.cartesian.xyz.value, dtype=np.float64).T
    return axes_from(towards / np.linalg.norm(towards), north / np.linalg.norm(north))


def turn(centre: Direction, other: Direction) -> Array:
    """R [3, 3], from the (u, v, w) of one phase centre to those of another, each with the north of its own frame."""
    if centre.frame == other.frame:
        return axes(other.longitude, other.latitude) @ axes(centre.longitude, centre.latitude).T
    return icrs_axes(other) @ icrs_axes(centre).T


def separation(centre: Direction, other: Direction) -> float:
    """The angle in rad from one direction to another."""
    x, y, z = turn(centre, other)[:, 2]
    return math.atan2(math.hypot(x, y), z)


def turned(uvw: Array, matrix: Array) -> Array:
    """uvw' [row, 3] = `matrix` uvw, with one matrix for all, [3, 3], or one for each row, [row, 3, 3]."""
    return np.asarray((matrix @ uvw[:, :, None])[:, :, 0])


def rephase(block: Block, matrix: Array) -> Block:
    """The samples as if they had been correlated for another phase centre, uvw' = `matrix` uvw.

    `matrix` is one for all, [3, 3], or one for each row, [row, 3, 3].
    """
    uvw = turned(block.uvw, matrix)
    path = (block.uvw[:, 2] - uvw[:, 2]) / SPEED_OF_LIGHT  # s
    visibility = np.empty_like(block.visibility)
    step = max(1, _SAMPLES_AT_ONCE // block.frequency.size)
    for first in range(0, len(path), step):
        here = slice(first, first + step)
        turns = path[here, None] * block.frequency
        turns -= np.rint(turns)
        visibility[:, here] = block.visibility[:, here] * np.exp(2j * np.pi * turns)
    return replace(block, uvw=uvw, visibility=visibility)
