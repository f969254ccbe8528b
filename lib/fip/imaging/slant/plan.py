"""What a slice's uvw decide: the plane, the slanted grid, the terms. Cheap, made anew for each slice from it alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block, Grid
from fip.imaging.slant.basis import Basis, make_basis
from fip.imaging.slant.fft import good_size
from fip.imaging.slant.resample import Line
from fip.imaging.slant.scheme import Scheme, scheme_for
from fip.imaging.slant.sheet import Doubles, Field, UnsuitableError, make_sheet
from fip.imaging.slant.stages import Shape

_PAIRS = 200  # of a baseline and a direction, on which each plan is tested
_DRAWN = np.random.default_rng(0).random(_PAIRS), np.random.default_rng(1).random((3, _PAIRS))
_HEIGHTS, _FREQUENCIES = 2000, 16  # few rows are at as many heights, by so many frequencies at most
_TERM_TOLERANCE = 0.15  # of epsilon, in the terms left out
_LEAST_POWER, _MOST_POWER = 1e-30, 1e36  # between these sums of squares are right in single precision
LARGEST = 2**32  # bytes of buffers


@dataclass(frozen=True)
class Plane:
    """Baselines split by the plane that fits them best: w = a u + b v + d, in metres.

    (u, v) belong to (xi, eta), the pixel coordinates (y, x), or (x, y) where `transposed`; x runs with the columns,
    x = -l, and y = m, so that the image is sum Re[V exp(2 pi i f / c (u xi + v eta - w q))].
    """

    transposed: bool
    a: float
    b: float
    baselines: Doubles  # [(u, v, d), row] of all blocks, one after the other

    @classmethod
    def fit(cls, uvw: Doubles, upright: bool = False) -> "Plane":
        """Least squares, for uvw [(u, v, w), row].

        The axis of the smaller slope is xi, as its pass is not sheared; with `upright` xi is y in any case.
        """
        u, v, w = uvw
        sums = uvw[:2] @ uvw.T
        slope_u, slope_v = map(float, np.linalg.lstsq(sums[:, :2], sums[:, 2], rcond=None)[0])
        transposed = abs(slope_v) > abs(slope_u) and not upright
        a, b = (slope_u, -slope_v) if transposed else (-slope_v, slope_u)
        height = w - slope_u * u - slope_v * v
        return cls(transposed, a, b, np.stack([u, -v, height] if transposed else [-v, u, height]))

    @classmethod
    def level(cls, uvw: Doubles) -> "Plane":
        """That without slopes: all of w is height above it."""
        u, v, w = uvw
        return cls(False, 0.0, 0.0, np.stack([-v, u, w]))


@dataclass(frozen=True)
class Gridding:
    """What the grid and its transforms need to know of a slice."""

    scheme: Scheme
    plane: Plane
    basis: Basis
    shape: Shape
    u_size: int  # points of the transform over u
    v_size: int
    rows: tuple[Doubles, ...]  # of each block [row, (u, v in cells, phase in turns, t; per Hz)]

    @property
    def grid_size(self) -> int:
        """Floats of the grid."""
        return self.shape.rows * self.shape.columns * 2 * self.shape.terms

    @property
    def across(self) -> Doubles:
        """[column] pixel / transform of xi, where its correction is to be evaluated."""
        columns = self.shape.blocks * 16
        return (np.arange(columns) - columns // 2) / self.u_size


@dataclass(frozen=True)
class Plan(Gridding):
    """All that the stages of the slanted image need to know."""

    eta_line: Line
    xi_line: Line

    @property
    def size(self) -> int:
        """Bytes of the largest buffers."""
        s = self.shape
        columns = s.terms * 32 * s.rows + 16 * self.eta_line.rows
        floats = self.grid_size + s.blocks * columns + 16 * self.u_size * s.terms
        return floats * np.dtype(self.scheme.precision).itemsize


def uvw_of(blocks: Sequence[Block]) -> Doubles:
    """[(u, v, w), row] of all blocks, in m. Raise UnsuitableError if there are none, or they are no numbers."""
    uvw = np.concatenate([block.uvw for block in blocks]).T.copy()
    if not (all(len(block.uvw) for block in blocks) and np.isfinite(uvw).all()):
        raise UnsuitableError("a block has no rows, or uvw that are no numbers")
    return uvw


def make_plan(blocks: Sequence[Block], grid: Grid, epsilon: float) -> Plan:
    """The plan for these samples. Raise UnsuitableError."""
    uvw, scheme = uvw_of(blocks), scheme_for(epsilon)
    plane = Plane.fit(uvw)
    sides = (grid.width, grid.height) if plane.transposed else (grid.height, grid.width)
    highest = of_rows(blocks, [float(block.frequency[-1]) / SPEED_OF_LIGHT for block in blocks])
    wavelengths = plane.baselines * highest
    sheet = make_sheet(Field(*sides, grid.scale), plane.a, plane.b, wavelengths, scheme)
    screen = fit_screen(blocks, plane, uvw * highest, wavelengths, sheet.lowest_q / 2, grid, epsilon, scheme.most_terms)

    xi, eta, basis, q_centre = sheet.xi, sheet.eta, screen.basis, screen.q_centre
    longest_u, longest_v, _ = map(float, np.abs(wavelengths).max(axis=1))
    u_size, u_half = transform_size(sheet.xi_reach, xi.number, longest_u * xi.step, 4, scheme)
    v_size, v_half = transform_size(sheet.eta_reach, eta.number, longest_v * eta.step, 8, scheme)
    row0 = scheme.support // 2
    shape = Shape(
        terms=basis.terms, rows=v_half + row0, row0=row0, columns=2 * u_half, column0=u_half,
        blocks=xi.number // 16, length=eta.number, xi0=xi.begin, eta0=eta.begin, xi_step=xi.step, eta_step=eta.step,
        a=plane.a, b=plane.b, q_centre=q_centre, per_q=screen.per_q, segment=sheet.screen_segment,
    )  # fmt: skip
    rows = rows_of(blocks, plane, screen, (xi.centre, eta.centre), (u_size * xi.step, v_size * eta.step))
    plan = Plan(scheme, plane, basis, shape, u_size, v_size, rows, sheet.eta_line, sheet.xi_line)
    if plan.size > LARGEST:
        raise UnsuitableError(f"pixels far coarser than the fringes: it would take {1e-9 * plan.size:.0f} GB")
    return plan


def rows_of(
    blocks: Sequence[Block], plane: Plane, screen: "Screen", centre: tuple[float, float], size: tuple[float, float]
) -> tuple[Doubles, ...]:
    """As `Gridding.rows`: the middle of the image is at `centre` (xi, eta), and a transform spans `size` of them."""
    u, v, d = plane.baselines
    phase = np.array([*centre, -screen.q_centre]) @ plane.baselines
    rows = np.stack([u, v, phase, d], axis=1) * (np.array([*size, 1.0, 1 / screen.deepest]) / SPEED_OF_LIGHT)
    return tuple(np.split(rows, np.cumsum([len(block.uvw) for block in blocks[:-1]])))


@dataclass(frozen=True)
class Screen:
    """exp(-2 pi i d q) of heights d above the plane, as terms and the phase at q_centre."""

    basis: Basis
    deepest: float  # wavelengths, of |d|
    q_centre: float

    @property
    def per_q(self) -> float:
        """y = per_q (q - q_centre), the argument of the terms' functions."""
        return 1 / max(abs(self.q_centre), 1e-30)

    def terms(self, d: Doubles, q: Doubles) -> NDArray[np.complex128]:
        """Their sum for pairs of a height in wavelengths and a direction: exp(-2 pi i d (q - q_centre))."""
        return self.basis.screen(self.per_q * (q - self.q_centre), d / self.deepest)


def fit_screen(
    blocks: Sequence[Block],
    plane: Plane,
    uvw: Doubles,
    wavelengths: Doubles,
    q_centre: float,
    grid: Grid,
    epsilon: float,
    most_terms: int,
) -> Screen:
    """The terms for these samples, tested; uvw and wavelengths as for `_model_error`. Raise UnsuitableError."""
    scheme, deepest = scheme_for(epsilon), max(float(np.abs(wavelengths[2]).max()), 1e-9)
    power = np.concatenate([_power(block.visibility) for block in blocks], dtype=np.float64)
    if not power.any():
        power = np.ones(len(power))
    lowest = of_rows(blocks, [float(block.frequency[0] / block.frequency[-1]) for block in blocks])
    heights = _over_band(wavelengths[2] / deepest, power, lowest)
    reach = 2 * math.pi * deepest * abs(q_centre)
    basis = make_basis(*heights, reach, _TERM_TOLERANCE * epsilon, scheme.precision)
    if basis.terms > most_terms:
        raise UnsuitableError(f"the array is too far from a plane: {basis.terms} terms")
    screen = Screen(basis, deepest, q_centre)
    error = _model_error(plane, screen, uvw, wavelengths, power, lowest, grid)
    if not error <= epsilon / 2:
        raise UnsuitableError(f"the terms fail their test: an error of {error:.1e}")
    return screen


def of_rows(blocks: Sequence[Block], values: Sequence[float]) -> Doubles:
    """The value of each row's block, [row]."""
    return np.repeat(np.asarray(values, np.float64), [len(block.uvw) for block in blocks])


def _power(visibility: NDArray[np.complexfloating]) -> NDArray[np.floating]:
    """The sum of |visibility|^2 of each row of [stokes, row, node]; in double precision if single has no such."""
    parts = visibility.view(visibility.real.dtype)
    with np.errstate(over="ignore", under="ignore"):
        power = np.asarray(np.einsum("srn,srn->r", parts, parts))
    if not _LEAST_POWER < np.max(power, initial=0.0) < _MOST_POWER:
        parts = parts.astype(np.float64)
        power = np.asarray(np.einsum("srn,srn->r", parts, parts))
    return power


def _over_band(height: Doubles, power: Doubles, lowest: Doubles) -> tuple[Doubles, Doubles]:
    """Heights and power of rows at several frequencies, from the highest to `lowest` [row] of it.

    Where rows are few, terms might else be right at the very heights of these and at no others. Many rows are enough
    as they are, at their highest frequency.
    """
    count = max(1, min(_FREQUENCIES, _HEIGHTS // len(height)))
    share = np.linspace(0, 1, count)[:, None]
    return (height * (1 - share * (1 - lowest))).ravel(), np.tile(power, count)


def _model_error(
    plane: Plane,
    screen: Screen,
    uvw: Doubles,
    wavelengths: Doubles,
    power: Doubles,
    lowest: Doubles,
    grid: Grid,
) -> float:
    """Rms difference of plane and terms from the exact phase, on random triples of a baseline, frequency and pixel.

    In wavelengths at the highest frequency, `uvw` [(u, v, w), row] of the samples and `wavelengths` [(u, v, d), row] as
    the plane has them; `lowest` [row] is the lowest frequency over that. Baselines are drawn as often as they have
    power.
    """
    chance, place = _DRAWN
    most = np.cumsum(power)
    drawn = np.searchsorted(most, chance * most[-1])
    frequency = 1 - place[2] * (1 - lowest[drawn])
    x, y = ((place[axis] * (n - 1) - n // 2) * grid.scale for axis, n in enumerate((grid.width, grid.height)))
    above = 1 / np.sqrt(np.maximum(x * x + y * y, 1))  # those below the horizon are taken at it
    x, y = x * above, y * above
    square = np.minimum(x * x + y * y, 1)
    q = -square / (1 + np.sqrt(1 - square))
    u, v, w = uvw[:, drawn] * frequency
    exact = u * x - v * y - w * q
    xi, eta = (x, y) if plane.transposed else (y, x)
    u, v, d = wavelengths[:, drawn] * frequency
    slanted = u * (xi - plane.a * q) + v * (eta - plane.b * q)
    model = screen.terms(d, q) * np.exp(2j * np.pi * (slanted - d * screen.q_centre - exact))
    return float(np.sqrt(np.mean(np.abs(model - 1) ** 2)))


def transform_size(half: float, least: int, highest: float, multiple: int, scheme: Scheme) -> tuple[int, int]:
    """Points of a transform, and how many of either sign its grid has, with half the support a multiple as asked.

    `half` is how many samples from the centre are wanted right, `least` how many there are in all, `highest` the
    highest frequency in cycles per sample.
    """
    row0 = scheme.support // 2
    size = good_size(max(math.ceil(2 * half * scheme.oversampling), least, 64))
    while True:
        reach = math.ceil(highest * size) + row0 + 2
        side = -(-(reach + row0) // multiple) * multiple - row0
        if 2 * side <= size:
            return size, side
        size = good_size(size + 4)
