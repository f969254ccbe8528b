"""A satellite that is seen at a place at a time."""

import math

import numpy as np
from sgp4.api import Satrec

from fip.catalogues.turns import JD_OF_MJD_0, from_teme, rotation, unit, velocity
from fip.data.quantities import SECONDS_PER_DAY
from fip.simulation.orbits import EARTH, circular

_TILT = 80.0  # degrees


def elements_at(
    name: str,
    place: tuple[float, float],
    time: float,
    site: tuple[float, float, float],
    height: float = 35786.0,
    number: int = 7,
) -> str:
    """Three lines of one at a height in km which an array at a site (m, ITRF) sees at a place (rad, ICRS) at a time."""
    at = np.array([time])
    towards = unit(*place) + velocity(time)
    up, here = rotation(at)[0].T @ towards, np.array(site) / 1e3
    up /= np.linalg.norm(up)
    along = -up @ here + math.sqrt((up @ here) ** 2 + (EARTH + height) ** 2 - here @ here)
    assert up @ here > 0, "the place is below the horizon"
    wanted = from_teme(at)[0].T @ (here + along * up)
    aim, days = wanted.copy(), time / SECONDS_PER_DAY
    for _ in range(5):  # perturbations move it by kilometres from a circle
        text = _through(name, aim, time, number)
        record = Satrec.twoline2rv(*text.splitlines()[1:])
        aim += wanted - np.array(record.sgp4(JD_OF_MJD_0 + math.floor(days), days % 1)[1])
    return text


def _through(name: str, place: np.ndarray, time: float, number: int) -> str:
    """Return an orbit: a circle of 80 degrees inclination through a place [3] in km, TEME."""
    distance = float(np.linalg.norm(place))
    latitude, longitude = math.asin(place[2] / distance), math.atan2(place[1], place[0])
    tilt = math.radians(_TILT)
    anomaly = math.asin(math.sin(latitude) / math.sin(tilt))
    node = longitude - math.atan2(math.cos(tilt) * math.sin(anomaly), math.cos(anomaly))
    return circular(number, name, time, distance - EARTH, _TILT, math.degrees(node) % 360, math.degrees(anomaly) % 360)
