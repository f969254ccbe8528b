"""Places of a sky model as unit vectors in ICRS. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.directions import Frame
from fip.data.quantities import ARCSEC

Array = NDArray[np.float64]
_STEP = 10 * ARCSEC  # towards the north: gives its direction


def unit_vectors(longitude: Array, latitude: Array) -> Array:
    """Return unit vectors [source, 3] of longitudes and latitudes in rad, in Cartesian coordinates of their frame."""
    cos = np.cos(latitude)
    return np.stack([cos * np.cos(longitude), cos * np.sin(longitude), np.sin(latitude)], axis=-1)


def icrs_vectors(longitude: Array, latitude: Array, frame: Frame) -> Array:
    """Return unit vectors [source, 3] in ICRS of places in a frame, all at once; longitudes and latitudes in rad."""
    if frame == "ICRS" or not len(longitude):
        return unit_vectors(longitude, latitude)
    from astropy.coordinates import FK4, FK5, Galactic, SkyCoord  # takes a second

    there: Any = {"FK5": FK5, "FK4": FK4, "GALACTIC": Galactic}[frame]()
    seen = SkyCoord(longitude, latitude, unit="rad", frame=there).icrs.cartesian.xyz.value
    found = np.asarray(seen, np.float64).T
    return np.ascontiguousarray(found / np.linalg.norm(found, axis=1)[:, None])


def icrs_angle(longitude: Array, latitude: Array, frame: Frame, angle: Array) -> Array:
    """Turn position angles [source] in rad from the north of a frame into those from ICRS north, at the same places."""
    if frame in ("ICRS", "FK5") or not np.any(
        angle
    ):  # the norths of FK5 and ICRS are 0.1 arcsec apart, save at the pole
        return angle
    towards = icrs_vectors(longitude, latitude, frame)
    further = icrs_vectors(longitude, latitude + _STEP, frame)
    return angle + position_angle(towards, further - towards)


def tangents(towards: Array) -> tuple[Array, Array]:
    """Return unit vectors to the east and to the north [source, 3] at places [source, 3], all in the same frame."""
    longitude = np.arctan2(towards[:, 1], towards[:, 0])
    sin, cos, up = np.sin(longitude), np.cos(longitude), towards[:, 2]
    level = np.hypot(towards[:, 0], towards[:, 1])
    east = np.stack([-sin, cos, np.zeros_like(sin)], axis=-1)
    north = np.stack([-up * cos, -up * sin, level], axis=-1)
    return east, north


def position_angle(towards: Array, along: Array) -> Array:
    """Return the position angle [source] in rad, north through east, of vectors `along` [source, 3] at places."""
    east, north = tangents(towards)
    found: Array = np.arctan2(np.sum(along * east, axis=1), np.sum(along * north, axis=1))
    return found
