"""The places of components, as seen along (u, v, w), and how baselines turn with the Earth. Pure.

With s the unit vector towards a component, s0 that of the phase centre, and b a baseline, its fringe is
exp(2 pi i f b (s - s0) / c), b s = u l + v m + w n. u, v and w are unit vectors in ICRS, the rows of `axes`.
"""

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT

Doubles = NDArray[np.float64]

OMEGA = 7.2921150e-5
"""rad/s, the rotation of the Earth (IERS Conventions 2010)."""

_CENTRE = np.array([0.0, 0.0, 1.0])


def offsets(axes: Doubles, towards: Doubles, centre: Doubles | None = None) -> Doubles:
    """Return (l, m, n - 1) of `towards` [component, 3], or less the (l, m, n) of another centre than (0, 0, 1)."""
    if centre is not None:
        return np.asarray((towards - centre) @ axes.T)
    offset = towards @ axes.T - _CENTRE
    # n - 1 is rounded to 1e-16, which w of 1e6 wavelengths would make 1e-9; half the square of the distance is not.
    offset[:, 2] = -0.5 * np.sum((towards - axes[2]) ** 2, axis=1)
    return np.asarray(offset)


def gaussian_axes(towards: Doubles, major: Doubles, minor: Doubles, angle: Doubles) -> tuple[Doubles, Doubles]:
    """Return vectors p and q [component, 3] (ICRS, rad): a Gaussian's factor is exp(-((b p)^2 + (b q)^2) f^2 / c^2).

    A Gaussian of unit flux and full widths at half maximum A and B along the unit vectors e and g of the plane that
    touches the sphere at the source itself has the transform exp(-pi^2 ((b e)^2 A^2 + (b g)^2 B^2) f^2 / (4 ln 2 c^2)).
    e is at the position angle from the source's own north; nothing is projected onto the plane of (u, v). The curvature
    of the sphere turns the phase by pi w A^2 f / (8 ln 2 c): for a source of 1 arcmin 5e-8 rad a wavelength of w.
    """
    x, y, _ = towards.T
    east = np.stack([-y, x, np.zeros_like(x)], axis=1)
    length = np.linalg.norm(east, axis=1, keepdims=True)
    east = np.where(length > 0, east, [0.0, 1.0, 0.0]) / np.where(length > 0, length, 1)
    north = np.cross(towards, east)
    sine, cosine = np.sin(angle)[:, None], np.cos(angle)[:, None]
    per_width = np.pi / (2 * np.sqrt(np.log(2)))
    along, across = north * cosine + east * sine, east * cosine - north * sine
    return per_width * major[:, None] * along, per_width * minor[:, None] * across


def pole(time: float) -> Doubles:
    """Return the unit vector [3], ICRS, of the Earth's axis at a time (s UTC since MJD 0; a minute does not matter)."""
    import erfa

    x, y = erfa.xy06(2400000.5, time / 86400)
    return np.array([x, y, np.sqrt(1 - x * x - y * y)])


def turning(uvw: Doubles, axes: Doubles, axis: Doubles) -> Doubles:
    """Return d(u, v, w)/dt [row, 3] in m/s of baselines that turn with the Earth about `axis`, along fixed `axes`."""
    return np.asarray(np.cross(OMEGA * (axes @ axis), uvw))


def delays(baselines: Doubles, offset: Doubles) -> Doubles:
    """Return the delays in s of baselines or antennas [n, 3] towards offsets [component, 3]."""
    return np.asarray(baselines @ (offset.T / SPEED_OF_LIGHT))
