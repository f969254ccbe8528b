"""How the feeds of antennas stand on the sky, and how they turn there as the Earth does. Pure."""

import math
from collections.abc import Sequence

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.data.rotations import Array
from fip.source.advice.geometry import celestial_to_itrf
from fip.source.tables.subtables import Antennas

_TURNING, _STANDING = ("ALT-AZ",), ("EQUATORIAL",)
_WGS84 = 1  # of ERFA


def unknown(antennas: Antennas) -> str:
    """Say why the angles of the feeds of some antennas are not known, in words that follow "its feeds"; "" if known."""
    if antennas.receptor_angle is None:
        return "have no RECEPTOR_ANGLE in subtable FEED that can be read"
    if len(antennas.mounts) != len(antennas.names):
        return "are of antennas without a MOUNT in subtable ANTENNA"
    for name, mount in zip(antennas.names, antennas.mounts, strict=True):
        if mount.upper() not in (*_TURNING, *_STANDING):
            return f"turn in a way that FIP does not know: antenna {name} has the mount '{mount}'"
    return ""


def feed_angles(antennas: Antennas, axes: Sequence[Array], times: Sequence[float]) -> NDArray[np.float64]:
    """Return the angle [integration, antenna] in rad of the first receptor on the sky, from north of ICRS through east.

    `axes` [3, 3] are the unit vectors of u, v, w in ICRS of each integration, `times` its middle (s UTC since MJD 0).
    For an antenna with altitude and azimuth it is the parallactic angle, that of the zenith, plus its receptor's angle
    (Hamaker & Bregman 1996, A&AS 117, 161); for an equatorial one it is the receptor's. Zeniths are those of WGS 84,
    and refraction and aberration are left out: 0.02 deg at most above an elevation of 10 deg.
    """
    assert antennas.receptor_angle is not None
    longitude, latitude, _ = erfa.gc2gd(_WGS84, antennas.position)
    up = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )
    turning = np.array([mount.upper() in _TURNING for mount in antennas.mounts])
    angles = np.empty((len(times), len(antennas.names)))
    for at, (of_uvw, time) in enumerate(zip(axes, times, strict=True)):
        zenith = up @ celestial_to_itrf(time)  # in ICRS
        east, north = _at(of_uvw[2])
        angles[at] = np.where(turning, np.arctan2(zenith @ east, zenith @ north), 0.0) + antennas.receptor_angle
    return angles


def of_baselines(angles: NDArray[np.float64], first: NDArray[np.int32], second: NDArray[np.int32]) -> Array:
    """Return the mean angle [row] of two antennas' [antenna]: exact to 2 x the square of half their difference."""
    half = (angles[first] - angles[second]) / 2
    return np.asarray(angles[second] + (half + math.pi / 2) % math.pi - math.pi / 2)


def _at(towards: Array) -> tuple[Array, Array]:
    """Return east and north at a direction, unit vectors in ICRS."""
    east = np.array([-towards[1], towards[0], 0.0])
    east /= np.linalg.norm(east)
    return east, np.cross(towards, east)
