"""Where the slanted image is sampled: finely enough for its local frequencies, far enough for every tap.

Along eta three coordinates follow one another (docs/kernel.md): eta of the image; slanted eta, which is eta - b q; and
*sheared* eta, which is slanted eta less what depends on the column alone. A column is one xi' = xi - a q. Conditions
are looked at on lattices over all columns and samples, those that only taps reach among them.
"""

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.resample import SEGMENT, Line
from fip.imaging.slant.scheme import Scheme
from fip.imaging.slant.simd import FAST

_POINTS = 33  # a side, of a lattice
_FROM_0_TO_1 = np.linspace(0, 1, _POINTS)

Doubles = NDArray[np.float64]


class UnsuitableError(Exception):
    """The slant kernel cannot image this geometry as accurately as asked; says why."""


@lru_cache(maxsize=64)
def _lattice(first: int, number: int, step: float) -> Doubles:
    """From the first of so many places to the last. Not to be written."""
    return (first + (number - 1) * _FROM_0_TO_1) * step


class Field(NamedTuple):
    """The pixels asked for, with the axes named as the plane has them."""

    xi_pixels: int
    eta_pixels: int
    pixel: float  # rad

    @property
    def xi(self) -> Doubles:
        """Lattice from the first to the last pixel."""
        return _lattice(-(self.xi_pixels // 2), self.xi_pixels, self.pixel)

    @property
    def eta(self) -> Doubles:
        """Lattice from the first to the last pixel."""
        return _lattice(-(self.eta_pixels // 2), self.eta_pixels, self.pixel)


class Samples(NamedTuple):
    """Evenly spaced ones."""

    begin: float  # rad
    step: float  # rad
    number: int

    @property
    def centre(self) -> float:
        """Of the middle one, count / 2."""
        return self.begin + self.number // 2 * self.step

    @property
    def lattice(self) -> Doubles:
        """From the first to the last."""
        return self.begin + _lattice(0, self.number, self.step)


@dataclass(frozen=True)
class Sheet:
    """The slanted image's samples, and the way from them to the pixels."""

    xi: Samples  # slanted; a multiple of 16
    eta: Samples  # sheared; a multiple of 2
    xi_reach: float  # samples from the middle to the furthest that a tap reads
    eta_reach: float  # the same of slanted eta
    lowest_q: float  # of all samples
    screen_segment: int  # samples of eta over which the argument of the screen is a polynomial
    eta_line: Line
    xi_line: Line


def q_slanted(x: Doubles, y: Doubles, shift: Doubles, a: float, b: float) -> tuple[Doubles, Doubles]:
    """q = n - 1 on the lattice l - a q = x[i], m - b q = y[j] + shift[i], and n + a l + b m there.

    The second is the root of the discriminant; where it is 0 the slanted sky is folded. Raise UnsuitableError where it
    nears 0.
    """
    q, root = np.empty((x.size, y.size)), np.empty((x.size, y.size))
    if not _q_slanted(x, y, shift, a, b, q, root):
        raise UnsuitableError("part of the field is near the horizon of the array's plane")
    return q, root


@njit(**FAST)
def _q_slanted(x: Doubles, y: Doubles, shift: Doubles, a: float, b: float, q: Doubles, root: Doubles) -> bool:
    slope, above = 1 + a * a + b * b, True
    for i in range(x.size):
        for j in range(y.size):
            across = y[j] + shift[i]
            r2, linear = x[i] * x[i] + across * across, 1 + a * x[i] + b * across
            below = linear * linear - slope * r2
            above = above and below >= 0.01 and linear > 0
            root[i, j] = math.sqrt(max(below, 0.0))
            q[i, j] = -r2 / (linear + root[i, j])
    return above


def make_sheet(field: Field, a: float, b: float, baselines: Doubles, scheme: Scheme) -> Sheet:
    """The sheet for `baselines` [(u, v, d), row], in wavelengths. Raise UnsuitableError."""
    q = _q_image(field, a, b)
    image_xi = field.xi[:, None] - a * q
    xi_step, eta_step = _steps(field, image_xi, a, b, baselines, scheme)
    xi = _cover(image_xi, xi_step, 16, scheme)
    q_column, _, image_eta, shear = _columns(xi, field, a, b)
    eta = _cover(image_eta - shear[:, None], eta_step, 2, scheme)
    q_sample, _ = q_slanted(xi.lattice, eta.lattice, shear, a, b)
    per_sample = 2 * math.pi * float(np.abs(baselines[2]).max())
    begin = -(field.eta_pixels // 2) * field.pixel, -(field.xi_pixels // 2) * field.pixel
    return Sheet(
        xi,
        eta,
        float(np.abs(image_xi - xi.centre).max()) / xi_step + _margin(scheme),
        float(np.abs(image_eta - eta.centre).max()) / eta_step + _margin(scheme),
        float(q_sample.min()),
        _segment(per_sample * q_sample, eta.number, scheme, least=4),
        Line(
            field.eta_pixels, begin[0], field.pixel, b, eta.begin, 1 / eta_step,
            _segment(b / eta_step * q_column, field.eta_pixels, scheme),
        ),
        Line(
            field.xi_pixels, begin[1], field.pixel, a, xi.begin, 1 / xi_step,
            _segment(a / xi_step * q.T, field.xi_pixels, scheme),
        ),
    )  # fmt: skip


def _q_image(field: Field, a: float, b: float) -> Doubles:
    """q on the lattice of the image [xi, eta]."""
    xi, eta = field.xi[:, None], field.eta
    r2 = xi * xi + eta * eta
    if r2.max() >= 0.95:
        raise UnsuitableError("the field reaches the horizon")
    n = np.sqrt(1 - r2)
    if min((n + a * xi).min(), (n + a * xi + b * eta).min()) < 0.1:
        raise UnsuitableError("part of the field is near the horizon of the array's plane")
    q: Doubles = -r2 / (1 + n)
    return q


def _columns(xi: Samples, field: Field, a: float, b: float) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """On columns x eta of the image: q, n + a l, slanted eta; and for each column slanted less sheared eta."""
    column, nothing = xi.lattice, np.zeros(_POINTS)
    q, root = q_slanted(column, field.eta, nothing, a, 0.0)
    return q, root, field.eta - b * q, -b * q_slanted(column, np.zeros(1), nothing, a, 0.0)[0].ravel()


def _steps(
    field: Field, image_xi: Doubles, a: float, b: float, baselines: Doubles, scheme: Scheme
) -> tuple[float, float]:
    """Samples in xi and eta fine enough for the frequencies in the slanted image, wherever a tap reads it.

    They are at least those of the baselines themselves, from which margins follow that are wide enough. To these the
    interpolation along xi, at fixed eta, adds some of v, and the screen some of d.
    """
    u, v, d = baselines
    xi_size, eta_size = field.xi_pixels * field.pixel, field.eta_pixels * field.pixel
    xi = _cover(image_xi, _step(np.abs(u).max(), xi_size, scheme), 16, scheme)
    q, root, image_eta, shear = _columns(xi, field, a, b)
    turn = (xi.lattice[:, None] + a * q) / root
    low, high = turn.min(), turn.max()
    in_xi = _highest(u, v, b * low, b * high, d, max(high, -low))
    sheared = _cover(image_eta - shear[:, None], _step(np.abs(v).max(), eta_size, scheme), 2, scheme).lattice
    q, root = q_slanted(xi.lattice, sheared, shear, a, b)
    in_eta = _highest(v, u, 0.0, 0.0, d, np.abs((sheared + shear[:, None] + b * q) / root).max())
    return _step(in_xi, xi_size, scheme), _step(in_eta, eta_size, scheme)


@njit(**FAST)
def _highest(along: Doubles, across: Doubles, low: float, high: float, height: Doubles, slope: float) -> float:
    """The largest of |along + s across| + slope |height|, s from low to high."""
    highest = 0.0
    for i in range(along.size):
        most = max(abs(along[i] + low * across[i]), abs(along[i] + high * across[i]))
        highest = max(highest, most + slope * abs(height[i]))
    return highest


def _step(highest: float, size: float, scheme: Scheme) -> float:
    """rad, of a sample for frequencies up to `highest` cycles per radian in a field of so many radians."""
    return min(0.995 * scheme.band / (2 * max(highest, 1e-12)), size / 16)


def _margin(scheme: Scheme) -> int:
    """Samples on either side of the image (decision 0040)."""
    return scheme.taps // 2 + 2


def _cover(values: Doubles, step: float, multiple: int, scheme: Scheme) -> Samples:
    """Samples around all values of a smooth function of which these are a lattice, with the margin for taps."""
    low, high = _extent(values)
    low, high = low - _margin(scheme) * step, high + _margin(scheme) * step
    needed = math.ceil((high - low) / step) + 1
    count = -(-needed // multiple) * multiple
    return Samples(low - (count - needed) // 2 * step, step, count)


@njit(**FAST)
def _extent(values: Doubles) -> tuple[float, float]:
    """The least and the largest, and an eighth of the second differences beyond, as it may be between the points."""
    low, high, second = values[0, 0], values[0, 0], 0.0
    rows, columns = values.shape
    for i in range(rows):
        for j in range(columns):
            low, high = min(low, values[i, j]), max(high, values[i, j])
            if 0 < i < rows - 1:
                second = max(second, abs(values[i - 1, j] - 2 * values[i, j] + values[i + 1, j]))
            if 0 < j < columns - 1:
                second = max(second, abs(values[i, j - 1] - 2 * values[i, j] + values[i, j + 1]))
    return low - second / 8, high + second / 8


def _segment(values: Doubles, rows: int, scheme: Scheme, least: int = 16) -> int:
    """Of so many rows along axis 1, how many may share a polynomial.

    Through p Chebyshev nodes its remainder is the p-th derivative h^p / (p! 2^(p - 1)): for a cubic h^4 / 192.
    """
    p = scheme.powers
    derivative = 1.5 * np.abs(values @ _differences(p)).max() * ((_POINTS - 1) / (rows - 1)) ** p
    fit = 2 * (math.factorial(p) * 2 ** (p - 1) * scheme.position / max(derivative, 1e-300)) ** (1 / p)
    if fit < least:
        raise UnsuitableError("the field is too wide for so few pixels")
    return 1 << (int(min(fit, SEGMENT)).bit_length() - 1)


@cache
def _differences(order: int) -> Doubles:
    """What a lattice [..., _POINTS] is multiplied with for its differences of this order."""
    return np.diff(np.eye(_POINTS), order, axis=1)
