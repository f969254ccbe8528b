"""Antennas and targets as katpoint describes them in one line of text, which is how telstate has them. Pure."""

import math
import re

import erfa
import numpy as np

from fip.spool.setup import Station, Target

_WGS84 = 1  # erfa's number of the ellipsoid


def station(text: str) -> Station:
    """Return the antenna of "NAME, LATITUDE, LONGITUDE, ALTITUDE, DIAMETER, EAST NORTH UP ..."; else ValueError.

    East, north and up (m) are offsets from the place that the rest says (katpoint/antenna.py, class Antenna).
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) < 4 or not words[0]:
        raise ValueError(f"{text[:80]!r} describes no antenna")
    latitude, longitude, altitude = _angle(words[1]), _angle(words[2]), float(words[3])
    offset = [float(word) for word in words[5].split()[:3]] if len(words) > 5 else []
    east, north, up = offset if len(offset) == 3 else (0.0, 0.0, 0.0)
    place = np.array(erfa.gd2gc(_WGS84, longitude, latitude, altitude))
    sines = math.sin(latitude), math.sin(longitude)
    cosines = math.cos(latitude), math.cos(longitude)
    place += east * np.array([-sines[1], cosines[1], 0.0])
    place += north * np.array([-sines[0] * cosines[1], -sines[0] * sines[1], cosines[0]])
    place += up * np.array([cosines[0] * cosines[1], cosines[0] * sines[1], sines[0]])
    x, y, z = (float(each) for each in place)
    return Station(words[0], (x, y, z), float(words[4]) if len(words) > 4 and words[4] else 0.0)


def target(text: str) -> Target | None:
    """Return the target of "NAME | OTHER, radec TAGS, RA, DEC, ..."; None without a fixed place; else ValueError.

    A name with a star is the one that is used (katpoint/target.py, class Target). Places are J2000, taken as ICRS.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) < 2:
        raise ValueError(f"{text[:80]!r} describes no target")
    kind = words[1].split()[:1]
    if kind != ["radec"] or "B1950" in words[1].split():
        return None
    if len(words) < 4:
        raise ValueError(f"{text[:80]!r} says no RA and Dec")
    names = [name.strip() for name in words[0].split("|")]
    name = next((each[1:] for each in names if each.startswith("*")), names[0])
    turned = _angle(words[2]) * (15 if ":" in words[2] else 1)
    return Target(name or "unnamed", turned, _angle(words[3]))


def _angle(text: str) -> float:
    """Return radians of "D:M:S", or of a number of degrees."""
    if not re.fullmatch(r"[+-]?\d+(?::\d+){0,2}(?:\.\d*)?", text):
        raise ValueError(f"{text[:40]!r} is no angle")
    parts = [abs(float(part)) for part in text.split(":")]
    degrees = sum(part / 60**number for number, part in enumerate(parts))
    return math.radians(-degrees if text.startswith("-") else degrees)
