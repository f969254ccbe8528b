"""The axes of (u, v, w) towards a direction, and the turn to those of another one. Pure.

A baseline b is the same vector whatever it is referred to: (u, v, w) are its components along east, north and the
direction of the phase centre (Thompson, Moran & Swenson 2017, eq. 4.1), and w is what the correlator's delay has
taken out. With e(s) those three unit vectors as the rows of a matrix, uvw = e(s) b. So for another centre s'

    uvw' = R uvw  with  R = e(s') e(s)^T,    V' = V exp(+2 pi i (w - w') f / c),

as V = sum I(p) exp(+2 pi i b.(p - s) f / c), which is the transform that FIP images (u l + v m + w (n - 1) is
b.(p - s)). This is exact. With the same centre and other axes, R is a turn about w and V stays as it is.
"""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fip.data.directions import Direction
from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block

Array = NDArray[np.float64]
_SAMPLES_AT_ONCE = 1 << 18  # samples that are rephased in one step
_STEP = 1e-4  # rad, towards north: small beside what bends, large beside rounding


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
