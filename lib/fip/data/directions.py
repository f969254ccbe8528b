"""Directions on the sky, and how people write them. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import PlainSerializer

from fip.data.quantities import ANGLE_UNITS, exact_in, reads

Frame = Literal["FK5", "ICRS", "FK4", "GALACTIC"]
"""Celestial frames that a FITS header can hold: J2000 is FK5, B1950 is FK4."""


@dataclass(frozen=True, slots=True)
class Direction:
    """A place on the sky."""

    longitude: float  # rad, in [0, 2 pi): right ascension, or galactic longitude
    latitude: float  # rad: declination, or galactic latitude
    frame: Frame | None  # None: ICRS if the data are in ICRS, else FK5


BODIES = ("sun", "moon", "mercury", "venus", "mars", "jupiter", "saturn", "uranus", "neptune")
"""What moves among the stars and can be followed."""

ZENITH, OWN = "zenith", "own"
"""What can be followed, too: the zenith of the array, and the phase centre that the data of each integration have."""

FOLLOWED = (*BODIES, ZENITH, OWN)


@dataclass(frozen=True, slots=True)
class Body:
    """One of `FOLLOWED`: a place on the sky that is another one at each time, as the array on Earth sees it."""

    name: str

    def __str__(self) -> str:
        return {OWN: "the phase centre of the data"}.get(self.name, f"the {self.name}")


FRAMES: Mapping[str, Frame] = {"J2000": "FK5", "ICRS": "ICRS", "B1950": "FK4", "GALACTIC": "GALACTIC"}
"""Frames as they are written, on a command line and in a MeasurementSet, and as a FITS header has them."""

_WRITTEN = {frame: name for name, frame in FRAMES.items()}
_READ: Mapping[str, Frame] = {**FRAMES, "FK5": "FK5", "FK4": "FK4"}

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
    frame = _READ.get(words[0].upper()) if words else None
    words = words[1:] if frame else words
    longitude, latitude = (_longitude(words[0], frame), _angle(words[1])) if len(words) == 2 else (None, None)
    if longitude is None or latitude is None or not -2 * math.pi <= longitude <= 2 * math.pi:
        raise ValueError(
            f"'{text}' is not a direction, as '05h31m58.7s +33d08m52s' or '82.99deg 33.15deg', "
            f"after {', '.join(_WRITTEN.values())} if it is to be in that frame"
        )
    if abs(latitude) > math.pi / 2:
        raise ValueError(f"'{text}' is no direction: its latitude is beyond 90 degrees")
    return Direction(longitude % (2 * math.pi), latitude, frame)


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
    """The direction with a frame: if none was named, ICRS if all `centres` are in it, else FK5 (J2000)."""
    if asked.frame is not None:
        return asked
    return replace(asked, frame="ICRS" if {centre.frame for centre in centres} == {"ICRS"} else "FK5")


def format_direction(direction: Direction) -> str:
    """A direction as `parse_direction` reads it back to the last bit, in degrees."""
    frame = f"{_WRITTEN[direction.frame]} " if direction.frame else ""
    return f"{frame}{exact_in(direction.longitude, 'deg')} {exact_in(direction.latitude, 'deg')}"


def parse_place(text: str) -> Direction | Body:
    """A direction as `parse_direction` reads it, or what can be followed by its name; ValueError for anything else."""
    name = text.strip().lower()
    if name in FOLLOWED:
        return Body(name)
    try:
        return parse_direction(text)
    except ValueError as error:
        if name.isalpha():
            raise ValueError(f"{error}, nor a body: {', '.join(BODIES)}; nor {ZENITH} or {OWN}") from None
        raise


def format_place(place: Direction | Body) -> str:
    """A place as `parse_place` reads it back."""
    return place.name if isinstance(place, Body) else format_direction(place)


Place = Annotated[Direction | Body, reads(parse_place), PlainSerializer(format_place)]


def shown(direction: Direction) -> str:
    """A direction as a person reads it, to 0.01 arcsec."""
    frame = _WRITTEN[direction.frame or "FK5"]
    if frame == "GALACTIC":
        return f"{frame} {math.degrees(direction.longitude):.6f}deg {math.degrees(direction.latitude):.6f}deg"
    right_ascension = _sexagesimal(math.degrees(direction.longitude) / 15, 3, 24) % ("h", "m")
    declination = _sexagesimal(abs(math.degrees(direction.latitude)), 2, 360) % ("d", "m")
    return f"{frame} {right_ascension} {'-' if direction.latitude < 0 else '+'}{declination}"


def _sexagesimal(value: float, digits: int, whole: int) -> str:
    """12.5 hours or degrees as 12%s30%s00.00s, rounded before it is split; a full circle has `whole` of them."""
    unit = 10**digits
    minutes, seconds = divmod(round(value * 3600 * unit), 60 * unit)
    return f"{minutes // 60 % whole:02d}%s{minutes % 60:02d}%s{seconds / unit:0{digits + 3}.{digits}f}s"
