"""Satellites on circular orbits, as two-line elements: shells of them, as of a constellation or of navigation."""

import math
from collections.abc import Iterator

import numpy as np
from sgp4.api import WGS72, Satrec
from sgp4.exporter import export_tle

from fip.data.quantities import SECONDS_PER_DAY

EARTH = 6378.135  # km, of WGS72
_GRAVITY = 398600.8  # km^3/s^2
_MJD_OF_1949 = 33281.0  # sgp4 counts days from the end of 1949

SHELLS = ((550.0, 53.0, 0.6), (540.0, 97.6, 0.1), (1200.0, 87.9, 0.2), (20200.0, 55.0, 0.05), (35786.0, 0.0, 0.05))
"""Height in km, inclination in degrees, and share of all satellites: in low orbits, of navigation, geostationary."""


def circular(
    number: int, name: str, epoch: float, height: float, inclination: float, node: float, anomaly: float
) -> str:
    """Three lines of a satellite at a height in km; angles in degrees, by the axes of TEME, at its epoch.

    `epoch`: s UTC since MJD 0. `number`: 1 to 99999.
    """
    record = Satrec()
    motion = 60 * math.sqrt(_GRAVITY / (EARTH + height) ** 3)  # rad/min
    turns = (math.radians(each) for each in (inclination, anomaly, node))
    tilt, mean, ascending = turns
    days = epoch / SECONDS_PER_DAY - _MJD_OF_1949
    record.sgp4init(WGS72, "i", number, days, 0.0, 0.0, 0.0, 1e-5, 0.0, tilt, mean, motion, ascending)
    return "\n".join((name, *export_tle(record))) + "\n"


def shells(count: int, epoch: float, seed: int = 1) -> Iterator[str]:
    """Return three lines for each of so many satellites, at random on the orbits of SHELLS."""
    random = np.random.default_rng(seed)
    number = 0
    for height, inclination, share in SHELLS:
        for _ in range(round(share * count)):
            number += 1
            node, anomaly = random.uniform(0, 360, 2).tolist()
            yield circular(number, f"SHELL-{height:g}-{number}", epoch, height, inclination, node, anomaly)
