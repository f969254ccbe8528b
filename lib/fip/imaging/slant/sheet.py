"""The samples of the slanted image: fine enough for its local frequencies, far enough for every tap.

Along eta three coordinates follow one another (docs/kernel.md): eta of the image; slanted eta, which is eta - b q; and
*sheared* eta, which is slanted eta less what depends on the column alone. A column is one xi' = xi - a q. Conditions
are tested on lattices over all columns and samples, with those that only taps reach.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.resample import SEGMENT, Line
from fip.imaging.slant.scheme import Scheme
from fip.imaging.slant.simd import FAST

_POINTS = 33  # a side, of a lattice

Doubles = NDArray[np.float64]


class UnsuitableError(Exception):
    """The slant kernel cannot image this geometry as accurately as asked; says why."""


_HORIZON, _PLANE, _NARROW = 1, 2, 3
_REASONS = {
    _HORIZON: "the field reaches the horizon",
    _PLANE: "part of the field is near the horizon of the array's plane",
    _NARROW: "the field is too wide for so few pixels",
}


class Field(NamedTuple):
    """The pixels asked for, with the axis names of the plane."""

    xi_pixels: int
    eta_pixels: int
    pixel: float  # rad


class Needs(NamedTuple):
    """What a scheme asks of samples."""

    band: float  # cycles per sample, both signs, that a line may hold
    margin: int  # samples on either side of the image (decision 0040)
    powers: int  # coefficients of a polynomial along a line
    room: float  # p! 2^(p - 1) times the tolerance of positions

    @classmethod
    def of(cls, scheme: Scheme) -> "Needs":
        """Return the needs of a scheme."""
        p = scheme.powers
        room = math.factorial(p) * 2.0 ** (p - 1) * scheme.position
        return cls(scheme.band, scheme.taps // 2 + 2, p, room)


class Samples(NamedTuple):
    """Samples at an even spacing along one axis."""

    begin: float  # rad
    step: float  # rad
    number: int

    @property
    def centre(self) -> float:
        """The place of the middle one, count / 2."""
        return self.begin + self.number // 2 * self.step


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


def make_sheet(
    field: Field, a: float, b: float, baselines: Doubles, starts: NDArray[np.int64], highest: Doubles, longest: Doubles,
    scheme: Scheme,
) -> Sheet:  # fmt: skip
    """Make the sheet for `baselines` [(u, v, d), row] in metres. Raise UnsuitableError.

    Rows starts[i] to starts[i + 1] have up to highest[i] wavelengths in a metre; the longest u, v and d of all are
    `longest`, in wavelengths.
    """
    needs = Needs.of(scheme)
    why, xi, eta, (xi_reach, eta_reach), lowest_q, segments = _measure(
        field, a, b, baselines, starts, highest, longest, needs
    )
    if why:
        raise UnsuitableError(_REASONS[why])
    begin = -(field.eta_pixels // 2) * field.pixel, -(field.xi_pixels // 2) * field.pixel
    return Sheet(
        Samples(*xi), Samples(*eta), xi_reach, eta_reach, lowest_q, segments[0],
        Line(field.eta_pixels, begin[0], field.pixel, b, eta[0], 1 / eta[1], segments[1]),
        Line(field.xi_pixels, begin[1], field.pixel, a, xi[0], 1 / xi[1], segments[2]),
    )  # fmt: skip


@njit(**FAST)
def _measure(
    field: Field, a: float, b: float, baselines: Doubles, starts: NDArray[np.int64], highest: Doubles, longest: Doubles,
    needs: Needs,
) -> tuple[int, Samples, Samples, tuple[float, float], float, tuple[int, int, int]]:  # fmt: skip
    """Return the numbers of a sheet; if there is none, the first number says why."""
    nothing = Samples(0.0, 0.0, 0)
    none = nothing, nothing, (0.0, 0.0), 0.0, (0, 0, 0)
    field_xi = _lattice(0.0, -(field.xi_pixels // 2), field.xi_pixels, field.pixel)
    field_eta = _lattice(0.0, -(field.eta_pixels // 2), field.eta_pixels, field.pixel)
    q = np.empty((_POINTS, _POINTS))
    why = _q_image(field_xi, field_eta, a, b, q)
    if why:
        return why, *none
    image_xi = _less(field_xi, a, q)
    why, xi_step, eta_step = _steps(field, field_eta, image_xi, a, b, baselines, starts, highest, longest, needs)
    if why:
        return why, *none
    xi = _cover(image_xi, xi_step, 16, needs)
    columns = _lattice(xi.begin, 0, xi.number, xi.step)
    q_column, root, image_eta, shear = _matrix(), _matrix(), _matrix(), np.empty(_POINTS)
    q_sample = _matrix()
    if not _columns(columns, field_eta, a, b, q_column, root, image_eta, shear):
        return _PLANE, *none
    eta = _cover(_sheared(image_eta, shear), eta_step, 2, needs)
    samples = _lattice(eta.begin, 0, eta.number, eta.step)
    if not _q_slanted(columns, samples, shear, a, b, q_sample, root):
        return _PLANE, *none
    per_sample = 2 * math.pi * longest[2]
    segments = (
        _segment(q_sample, per_sample, eta.number, needs, 4),
        _segment(q_column, b / eta_step, field.eta_pixels, needs, 16),
        _segment(q.T, a / xi_step, field.xi_pixels, needs, 16),
    )
    if min(segments) == 0:
        return _NARROW, *none
    xi_middle, eta_middle = xi.begin + xi.number // 2 * xi.step, eta.begin + eta.number // 2 * eta.step
    reaches = (
        np.abs(image_xi - xi_middle).max() / xi_step + needs.margin,
        np.abs(image_eta - eta_middle).max() / eta_step + needs.margin,
    )
    return 0, xi, eta, reaches, q_sample.min(), segments


@njit(**FAST)
def _matrix() -> Doubles:
    return np.empty((_POINTS, _POINTS))


@njit(**FAST)
def _lattice(begin: float, first: int, number: int, step: float) -> Doubles:
    """Return `number` places, from the first to the last."""
    out = np.empty(_POINTS)
    for i in range(_POINTS):
        out[i] = begin + (first + (number - 1) * (i / (_POINTS - 1))) * step
    return out


@njit(**FAST)
def _less(along: Doubles, slope: float, q: Doubles) -> Doubles:
    """along[i] - slope q[i, j]"""
    out: Doubles = _matrix()
    for i in range(_POINTS):
        for j in range(_POINTS):
            out[i, j] = along[i] - slope * q[i, j]
    return out


@njit(**FAST)
def _sheared(image_eta: Doubles, shear: Doubles) -> Doubles:
    out: Doubles = _matrix()
    for i in range(_POINTS):
        for j in range(_POINTS):
            out[i, j] = image_eta[i, j] - shear[i]
    return out


@njit(**FAST)
def _q_slanted(x: Doubles, y: Doubles, shift: Doubles, a: float, b: float, q: Doubles, root: Doubles) -> bool:
    """Find q = n - 1 on the lattice l - a q = x[i], m - b q = y[j] + shift[i], and n + a l + b m there.

    The second is the root of the discriminant; the slanted sky is folded if it is 0. Return False if it nears 0.
    """
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


@njit(**FAST)
def _q_image(xi: Doubles, eta: Doubles, a: float, b: float, q: Doubles) -> int:
    """Find q on the lattice of the image [xi, eta]; return 0, or the number of the reason why there is none."""
    why = 0
    for i in range(_POINTS):
        for j in range(_POINTS):
            r2 = xi[i] * xi[i] + eta[j] * eta[j]
            if r2 >= 0.95:
                return _HORIZON
            n = math.sqrt(1 - r2)
            if min(n + a * xi[i], n + a * xi[i] + b * eta[j]) < 0.1:
                why = _PLANE
            q[i, j] = -r2 / (1 + n)
    return why


@njit(**FAST)
def _columns(
    column: Doubles, eta: Doubles, a: float, b: float, q: Doubles, root: Doubles, image_eta: Doubles, shear: Doubles
) -> bool:
    """Find, on columns x eta of the image, q, n + a l and slanted eta; and for each column slanted less sheared eta."""
    nothing, middle = np.zeros(_POINTS), np.zeros(1)
    q_middle, root_middle = np.empty((_POINTS, 1)), np.empty((_POINTS, 1))
    above: bool = _q_slanted(column, eta, nothing, a, 0.0, q, root)
    above = _q_slanted(column, middle, nothing, a, 0.0, q_middle, root_middle) and above
    for i in range(_POINTS):
        shear[i] = -b * q_middle[i, 0]
        for j in range(_POINTS):
            image_eta[i, j] = eta[j] - b * q[i, j]
    return above


@njit(**FAST)
def _steps(
    field: Field, eta: Doubles, image_xi: Doubles, a: float, b: float,
    baselines: Doubles, starts: NDArray[np.int64], highest: Doubles, longest: Doubles, needs: Needs,
) -> tuple[int, float, float]:  # fmt: skip
    """Return samples in xi and eta fine enough for the frequencies in the slanted image, at each place a tap reads.

    They are at least those of the baselines themselves, from which margins follow that are wide enough. To these the
    interpolation along xi, at fixed eta, adds some of v, and the screen some of d.
    """
    xi_size, eta_size = field.xi_pixels * field.pixel, field.eta_pixels * field.pixel
    xi = _cover(image_xi, _step(longest[0], xi_size, needs), 16, needs)
    columns = _lattice(xi.begin, 0, xi.number, xi.step)
    q, root, image_eta, shear = _matrix(), _matrix(), _matrix(), np.empty(_POINTS)
    if not _columns(columns, eta, a, b, q, root, image_eta, shear):
        return _PLANE, 0.0, 0.0
    low, high = math.inf, -math.inf
    for i in range(_POINTS):
        for j in range(_POINTS):
            turn = (columns[i] + a * q[i, j]) / root[i, j]
            low, high = min(low, turn), max(high, turn)
    in_xi = _highest(baselines, 0, b * low, b * high, max(high, -low), starts, highest)
    sheared = _cover(_sheared(image_eta, shear), _step(longest[1], eta_size, needs), 2, needs)
    samples = _lattice(sheared.begin, 0, sheared.number, sheared.step)
    if not _q_slanted(columns, samples, shear, a, b, q, root):
        return _PLANE, 0.0, 0.0
    steepest = 0.0
    for i in range(_POINTS):
        for j in range(_POINTS):
            steepest = max(steepest, abs((samples[j] + shear[i] + b * q[i, j]) / root[i, j]))
    in_eta = _highest(baselines, 1, 0.0, 0.0, steepest, starts, highest)
    return 0, _step(in_xi, xi_size, needs), _step(in_eta, eta_size, needs)


@njit(**FAST)
def _highest(
    baselines: Doubles, axis: int, low: float, high: float, slope: float, starts: NDArray[np.int64], highest: Doubles
) -> float:
    """Return the largest |along + s across| + slope |height| in wavelengths, s from low to high."""
    along, across, height = baselines[axis], baselines[1 - axis], baselines[2]
    most = 0.0
    for block in range(highest.size):
        here = 0.0
        for i in range(starts[block], starts[block + 1]):
            far = max(abs(along[i] + low * across[i]), abs(along[i] + high * across[i]))
            here = max(here, far + slope * abs(height[i]))
        most = max(most, here * highest[block])
    return most


@njit(**FAST)
def _step(highest: float, size: float, needs: Needs) -> float:
    """Return the step in rad for frequencies up to `highest` cycles per radian in a field of `size` radians."""
    return min(0.995 * needs.band / (2 * max(highest, 1e-12)), size / 16)


@njit(**FAST)
def _cover(values: Doubles, step: float, multiple: int, needs: Needs) -> Samples:
    """Return samples around all values of a smooth function, with the margin for taps; `values` are a lattice of it."""
    low, high = _extent(values)
    low, high = low - needs.margin * step, high + needs.margin * step
    needed = math.ceil(min((high - low) / step, 2.0**40)) + 1  # there is no plan for far too many
    count = -(-needed // multiple) * multiple
    return Samples(low - (count - needed) // 2 * step, step, count)


@njit(**FAST)
def _extent(values: Doubles) -> tuple[float, float]:
    """Return the least and the largest, and an eighth of the second differences beyond, for places between points."""
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


@njit(**FAST)
def _segment(values: Doubles, scale: float, rows: int, needs: Needs, least: int) -> int:
    """Return how many of `rows` along axis 1 may share a polynomial of values times `scale`; 0 if below `least`.

    Through p Chebyshev nodes its remainder is the p-th derivative h^p / (p! 2^(p - 1)): for a cubic h^4 / 192.
    """
    p, largest = needs.powers, 0.0
    line = np.empty(_POINTS)
    for i in range(_POINTS):
        for j in range(_POINTS):
            line[j] = values[i, j]
        for order in range(1, p + 1):
            for j in range(_POINTS - order):
                line[j] = line[j + 1] - line[j]
        for j in range(_POINTS - p):
            largest = max(largest, abs(line[j]))
    derivative = 1.5 * abs(scale) * largest * ((_POINTS - 1) / (rows - 1)) ** p
    fit = 2 * (needs.room / max(derivative, 1e-300)) ** (1 / p)
    if fit < least:
        return 0
    count = 1
    while 2 * count <= min(fit, SEGMENT):
        count *= 2
    return count
