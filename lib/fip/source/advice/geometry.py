"""Baselines on Earth and as seen from a direction in the sky: what UVW should be. Pure."""

import math
from dataclasses import dataclass

import erfa
import numpy as np

from fip.data.directions import Direction, Frame
from fip.data.quantities import SECONDS_PER_DAY
from fip.data.rotations import Array, axes, icrs_axes
from fip.source.tables.timescales import JD_OF_MJD_0

TT_MINUS_UTC = 69.184  # s, since 2017; the second or more that it was less before does not turn the Earth's axis
_RATIO_TOLERANCE = 1e-3
_RESIDUAL_TOLERANCE = 1e-2  # UVW of date instead of J2000, or of the middle of another integration, are off by this


@dataclass(frozen=True, slots=True)
class Fit:
    """UVW = ratio x (r2 - r1) in the least squares."""

    ratio: float  # 1 for r2 - r1, -1 for r1 - r2
    residual: float  # rms of what is left over that of UVW

    @property
    def good(self) -> bool:
        """Return whether the scale is that of the antennas, with either sign, and little is left."""
        return abs(abs(self.ratio) - 1) < _RATIO_TOLERANCE and self.residual < _RESIDUAL_TOLERANCE

    def __str__(self) -> str:
        which = "r2 - r1" if self.ratio > 0 else "r1 - r2"
        return f"{abs(self.ratio):.4f} x ({which}) of the antenna positions, residual {self.residual:.2%}"


@dataclass(frozen=True, slots=True)
class UvwCheck:
    """How UVW compare with the positions of the antennas, as seen from the phase centre at the time."""

    fit: Fit | None  # None if all positions, or all UVW, are equal
    turned: Fit | None  # the same after the rotation that suits best
    angle: float  # rad, that of the rotation

    def __str__(self) -> str:
        if self.fit is None or self.turned is None:
            return "cannot be compared with the antennas: all positions, or all UVW, are one"
        if self.fit.good:
            return str(self.fit)
        told = f"warning: UVW disagree with the antennas: at best {self.fit}"
        if not self.turned.good:
            return told
        return (
            f"{told}; turned by {math.degrees(self.angle):.3g} deg they are {self.turned}: "
            "the phase centre, the time, or the frame of the positions is another"
        )


def celestial_to_itrf(time: float) -> Array:
    """Return the matrix that turns a vector of ICRS into one of ITRF, [3, 3], at a time (s UTC since MJD 0).

    Precession and nutation are IAU 2006/2000A (ERFA's c2t06a), UT1 is taken for UTC (7e-5 rad at most), without
    polar motion.
    """
    days, seconds = divmod(time, SECONDS_PER_DAY)
    day, terrestrial = JD_OF_MJD_0 + days, (seconds + TT_MINUS_UTC) / SECONDS_PER_DAY
    return np.asarray(erfa.c2t06a(day, terrestrial, day, seconds / SECONDS_PER_DAY, 0.0, 0.0))


def uvw_axes(time: float, longitude: float, latitude: float, frame: Frame = "ICRS") -> Array:
    """Return the unit vectors of u, v, w [3, 3] in ITRF, towards a direction (rad) at a time (s UTC since MJD 0).

    Aberration is left out, as it moves the sources along with the phase centre.
    """
    turned = frame in ("FK4", "GALACTIC")
    towards = icrs_axes(Direction(longitude, latitude, frame)) if turned else axes(longitude, latitude)
    return np.asarray(towards @ celestial_to_itrf(time).T, dtype=np.float64)


def check_uvw(uvw: Array, difference: Array) -> UvwCheck:
    """Compare UVW [row, 3] with r2 - r1 [row, 3] along the axes of u, v, w, both in m and of one integration.

    The rotation is that of Kabsch 1976 (Acta Cryst. A32, 922), for the sign that leaves less.
    """
    if not difference.any() or not uvw.any():
        return UvwCheck(None, None, 0.0)
    found = []
    for sign in (1, -1):
        left, _, right = np.linalg.svd(sign * difference.T @ uvw)
        turn = left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right
        cosine = (float(np.trace(turn)) - 1) / 2
        found.append((_fit(uvw, difference @ turn), math.acos(max(-1.0, min(1.0, cosine)))))
    turned, angle = min(found, key=lambda each: each[0].residual)
    return UvwCheck(_fit(uvw, difference), turned, angle)


def _fit(uvw: Array, difference: Array) -> Fit:
    ratio = float(np.sum(uvw * difference) / np.sum(difference**2))
    return Fit(ratio, math.sqrt(float(np.sum((uvw - ratio * difference) ** 2) / np.sum(uvw**2))))
