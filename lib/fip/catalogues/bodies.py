"""The Sun, the Moon and the planets: their places, by the ephemerides that astropy has built in. Nothing is fetched.

Planets are right to 1.5 arcmin, and the Moon to 10 arcsec if the position of the array is known: its place differs by a
degree from one side of the Earth to the other.
"""

import math
import warnings
from functools import lru_cache

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.catalogues.turns import JD_OF_MJD_0, rotation, unit
from fip.catalogues.words import IS_BODY, SOLAR_SYSTEM, Match, Seen, chance_of
from fip.data.directions import BODIES
from fip.data.quantities import SECONDS_PER_DAY, SPEED_OF_LIGHT

Array = NDArray[np.float64]

RADII = {"sun": 6.957e8, "moon": 1.7374e6, "jupiter": 7.1492e7, "saturn": 6.0268e7}  # m, of what is more than a point
UNCERTAIN = math.radians(3 / 60)
"""rad within which a body is there: its ephemeris is no better, and the Sun is larger in radio waves."""
HOUR, IN_AN_HOUR = 3600.0, math.radians(1.5)
"""s, and rad that no body moves in so long, seen from the Earth, with its radius: what is further is not looked at."""


def beside(seen: Seen) -> tuple[Match, ...]:
    """The bodies at the place of an event, nearest first. That which its images follow is named, and no label."""
    place, found = unit(seen.longitude, seen.latitude), []
    reach = max(seen.beam, UNCERTAIN)
    known = [name for name in BODIES if name != "moon" or seen.site]
    hour = HOUR * round(seen.middle / HOUR)
    for name in known:
        if _apart(place, where(name, hour, seen.site)[0]) > reach + IN_AN_HOUR:
            continue
        towards, radius = where(name, seen.middle, seen.site)
        if (away := _apart(place, towards)) <= reach + radius:
            chance = chance_of(len(known) * (reach + radius) ** 2 / 4)
            found.append(Match(name.capitalize(), SOLAR_SYSTEM, away, chance, IS_BODY * (name != seen.follows)))
    return tuple(sorted(found, key=lambda each: each.separation))


def _apart(one: Array, other: Array) -> float:
    """rad, of unit vectors [3]."""
    return math.atan2(float(np.linalg.norm(np.cross(one, other))), float(one @ other))


@lru_cache(maxsize=128)
def where(name: str, time: float, site: tuple[float, float, float] | None) -> tuple[Array, float]:
    """Unit vector [3] towards a body in ICRS, as for stars in a catalogue, and the radius that it is seen with, rad.

    Seen from a place in ITRF, m, or from the middle of the Earth, at a time in s UTC since MJD 0.
    """
    from astropy.coordinates import get_body_barycentric  # late: it takes a while
    from astropy.time import Time
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", erfa.ErfaWarning)  # leap seconds to come

        def barycentric(body: str, travelled: float) -> Array:
            at = Time(JD_OF_MJD_0, (time - travelled) / SECONDS_PER_DAY, format="jd", scale="utc")
            found = get_body_barycentric(body, at, ephemeris="builtin").xyz.to_value("m")
            return np.asarray(found, np.float64)

        here = barycentric("earth", 0.0)
        if site:
            here = here + rotation(np.array([time]))[0] @ np.array(site)
        travelled = 0.0
        for _ in range(2):
            away = barycentric(name, travelled) - here
            distance = float(np.linalg.norm(away))
            travelled = distance / SPEED_OF_LIGHT
        away = barycentric(name, travelled) - here
    return away / np.linalg.norm(away), RADII.get(name, 0.0) / distance
