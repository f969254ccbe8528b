"""How the Earth stands among the stars at a time: by erfa, and by the tables of its rotation that astropy has. Pure.

Directions are those of a catalogue of stars, without aberration. A thing near the Earth that is seen in the direction d
coincides with a star whose place in the catalogue is d - v / c, v being the velocity of the Earth.
"""

import warnings
from functools import lru_cache

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SECONDS_PER_DAY, SPEED_OF_LIGHT

Array = NDArray[np.float64]

JD_OF_MJD_0 = 2400000.5
SPIN = 7.292115e-5  # rad/s, of the Earth
_AU_PER_DAY = 149597870700.0 / SECONDS_PER_DAY  # m/s


def unit(longitude: float | Array, latitude: float | Array) -> Array:
    """Unit vectors [..., 3] towards directions in rad."""
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )


def terrestrial(times: Array) -> tuple[float, Array]:
    """TT as Julian dates in two parts, of s UTC since MJD 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)  # leap seconds to come
        whole, part = erfa.taitt(*erfa.utctai(JD_OF_MJD_0, times / SECONDS_PER_DAY))
    return whole, part


def rotation(times: Array) -> Array:
    """[time, 3, 3] from ITRF to the axes of ICRS, at times in s UTC since MJD 0. To 0.5 arcsec: the pole moves."""
    universal = (times + ut1_less_utc(float(np.mean(times)))) / SECONDS_PER_DAY
    to_itrf = erfa.c2t00b(*terrestrial(times), JD_OF_MJD_0, universal, 0.0, 0.0)
    return np.asarray(np.swapaxes(to_itrf, -1, -2), np.float64)


def from_teme(times: Array) -> Array:
    """[time, 3, 3] from the axes of TEME, in which satellites' orbits are given, to ITRF."""
    universal = (times + ut1_less_utc(float(np.mean(times)))) / SECONDS_PER_DAY
    angle = erfa.gmst82(JD_OF_MJD_0, universal)
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = ([cos, sin, zero], [-sin, cos, zero], [zero, zero, one])
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def velocity(time: float) -> Array:
    """[3] v / c of the Earth, from the barycentre of the solar system."""
    found = erfa.epv00(*terrestrial(np.asarray(time)))[1]["v"] * _AU_PER_DAY / SPEED_OF_LIGHT
    return np.asarray(found, np.float64)


def ut1_less_utc(time: float) -> float:
    """s; 0 if the tables at hand do not reach that far: at most 0.9 s off, which is 400 m on the ground."""
    return _ut1_less_utc(int(time // SECONDS_PER_DAY))


@lru_cache(maxsize=64)
def _ut1_less_utc(day: int) -> float:
    from astropy.utils import iers  # seldom needed

    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        try:
            return float(iers.earth_orientation_table.get().ut1_utc(JD_OF_MJD_0, day + 0.5).to_value("s"))
        except IndexError:  # astropy's IERSRangeError
            return 0.0
