"""What the uvw of a slice decide: the plane, the slanted grid, the terms. Each slice has a new plan; it is cheap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block, Grid
from fip.imaging.slant.basis import Basis, make_basis
from fip.imaging.slant.fft import good_size
from fip.imaging.slant.resample import Line
from fip.imaging.slant.rows import Rows, in_bins, look_at, split, squares, to_cells
from fip.imaging.slant.scheme import Scheme, scheme_for
from fip.imaging.slant.sheet import Doubles, Field, UnsuitableError, make_sheet
from fip.imaging.slant.stages import Shape
from fip.imaging.slant.trial import model_error

_TERM_TOLERANCE = 0.15  # of epsilon, in the terms left out
LARGEST = 2**32  # bytes of buffers
_LONGEST = 2**28  # points of a transform: with more, two lines alone are larger


@dataclass(frozen=True)
class Plane:
    """Baselines split by the plane that fits them best: w = a u + b v + d, in metres.

    (u, v) belong to (xi, eta), the pixel coordinates (y, x), or (x, y) if `transposed`; x runs with the columns,
    x = -l, and y = m, so that the image is sum Re[V exp(2 pi i f / c (u xi + v eta - w q))].
    """

    transposed: bool
    a: float
    b: float
    baselines: Doubles  # [(u, v, d), row] of all blocks, one after the other
    longest: Doubles  # of |u|, |v| and |d|, in wavelengths

    @classmethod
    def fit(cls, rows: Rows, upright: bool = False) -> "Plane":
        """Fit by least squares. The axis of the smaller slope is xi: its pass is not sheared; if `upright`, xi is y."""
        slope_u, slope_v = _slopes(*squares(rows.uvw))
        return cls._of(rows, abs(slope_v) > abs(slope_u) and not upright, slope_u, slope_v)

    @classmethod
    def level(cls, rows: Rows) -> "Plane":
        """Return the plane without slopes: all of w is height above it."""
        return cls._of(rows, False, 0.0, 0.0)

    @classmethod
    def _of(cls, rows: Rows, transposed: bool, slope_u: float, slope_v: float) -> "Plane":
        baselines = np.empty((3, len(rows.uvw)))
        longest = split(rows.uvw, transposed, slope_u, slope_v, rows.bands, baselines)
        a, b = (slope_u, -slope_v) if transposed else (-slope_v, slope_u)
        return cls(transposed, a, b, baselines, longest)


def _slopes(uu: float, uv: float, vv: float, uw: float, vw: float) -> tuple[float, float]:
    """Return the least (x, y) of those with u x + v y nearest to w: along an axis without extent there is no slope."""
    half = math.hypot((uu - vv) / 2, uv)
    largest = (uu + vv) / 2 + half
    if not largest > 0:
        return 0.0, 0.0
    least = (uu * vv - uv * uv) / largest
    turn = math.atan2(uv, (uu - vv) / 2) / 2
    cosine, sine = math.cos(turn), math.sin(turn)
    along = (cosine * uw + sine * vw) / largest
    across = (cosine * vw - sine * uw) / least if least > 2 * np.finfo(float).eps * largest else 0.0
    return cosine * along - sine * across, sine * along + cosine * across


@dataclass(frozen=True)
class Gridding:
    """The data of a slice that the grid and its transforms need."""

    scheme: Scheme
    plane: Plane
    basis: Basis
    shape: Shape
    u_size: int  # points of the transform over u
    v_size: int
    rows: tuple[Doubles, ...]  # of each block [row, (u, v in cells, phase in turns, t; per Hz)]

    @property
    def grid_size(self) -> int:
        """The number of floats of the grid."""
        return self.shape.rows * self.shape.columns * 2 * self.shape.terms

    @property
    def across(self) -> Doubles:
        """[column] pixel / transform of xi, the places at which its correction is evaluated."""
        columns = self.shape.blocks * 16
        return (np.arange(columns) - columns // 2) / self.u_size


@dataclass(frozen=True)
class Plan(Gridding):
    """All data that the stages of the slanted image need."""

    eta_line: Line
    xi_line: Line

    @property
    def size(self) -> int:
        """The bytes of the largest buffers."""
        s = self.shape
        columns = s.terms * 32 * s.rows + 16 * self.eta_line.rows
        floats = self.grid_size + s.blocks * columns + 16 * self.u_size * s.terms
        return floats * np.dtype(self.scheme.precision).itemsize


def make_plan(blocks: Sequence[Block], grid: Grid, epsilon: float) -> Plan:
    """Make the plan for these samples. Raise UnsuitableError."""
    scheme = scheme_for(epsilon)
    rows = look_at(blocks, scheme)
    plane = Plane.fit(rows)
    sides = (grid.width, grid.height) if plane.transposed else (grid.height, grid.width)
    sheet = make_sheet(
        Field(*sides, grid.scale), plane.a, plane.b, plane.baselines, rows.bands.starts, rows.bands.highest,
        plane.longest, scheme,
    )  # fmt: skip
    screen = fit_screen(rows, plane, sheet.lowest_q / 2, grid, epsilon, scheme.most_terms)

    xi, eta = sheet.xi, sheet.eta
    longest_u, longest_v, _ = plane.longest.tolist()
    u_size, u_half = transform_size(sheet.xi_reach, xi.number, longest_u * xi.step, 4, scheme)
    v_size, v_half = transform_size(sheet.eta_reach, eta.number, longest_v * eta.step, 8, scheme)
    row0 = scheme.support // 2
    shape = Shape(
        terms=screen.basis.terms, rows=v_half + row0, row0=row0, columns=2 * u_half, column0=u_half,
        blocks=xi.number // 16, length=eta.number, xi0=xi.begin, eta0=eta.begin, xi_step=xi.step, eta_step=eta.step,
        a=plane.a, b=plane.b, q_centre=screen.q_centre, per_q=screen.per_q, segment=sheet.screen_segment,
    )  # fmt: skip
    cells = rows_of(rows, plane, screen, (xi.centre, eta.centre), (u_size * xi.step, v_size * eta.step))
    plan = Plan(scheme, plane, screen.basis, shape, u_size, v_size, cells, sheet.eta_line, sheet.xi_line)
    if plan.size > LARGEST:
        raise UnsuitableError(f"pixels far coarser than the fringes: it would take {1e-9 * plan.size:.0f} GB")
    return plan


def rows_of(
    rows: Rows, plane: Plane, screen: "Screen", centre: tuple[float, float], size: tuple[float, float]
) -> tuple[Doubles, ...]:
    """Return `Gridding.rows`: the image's middle is at `centre` (xi, eta), and a transform spans `size` (xi, eta)."""
    (u, v), (phase_u, phase_v), phase_d = size, centre, -screen.q_centre
    factors = np.array([u, v, phase_u, phase_v, phase_d, screen.basis.stretch / screen.deepest]) / SPEED_OF_LIGHT
    out = np.empty((len(rows.uvw), 4))
    to_cells(plane.baselines, *factors.tolist(), out)
    return rows.of_blocks(out)


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


def fit_screen(rows: Rows, plane: Plane, q_centre: float, grid: Grid, epsilon: float, most_terms: int) -> Screen:
    """Find the terms for these samples, and test them. Raise UnsuitableError."""
    scheme, deepest = scheme_for(epsilon), max(float(plane.longest[2]), 1e-9)
    heights = in_bins(plane.baselines, rows.power, rows.bands, deepest)
    reach = 2 * math.pi * deepest * abs(q_centre)
    basis = make_basis(*heights, reach, _TERM_TOLERANCE * epsilon, scheme.precision)
    if basis.terms > most_terms:
        raise UnsuitableError(f"the array is too far from a plane: {basis.terms} terms")
    screen = Screen(basis, deepest, q_centre)
    error = model_error(
        rows, plane.transposed, (plane.a, plane.b), plane.baselines, basis, deepest, q_centre, screen.per_q, grid
    )
    if not error <= epsilon / 2:
        raise UnsuitableError(f"the terms fail their test: an error of {error:.1e}")
    return screen


def transform_size(half: float, least: int, highest: float, multiple: int, scheme: Scheme) -> tuple[int, int]:
    """Return the points of a transform, and how many of either sign its grid has, with half the support a `multiple`.

    `half` is how many samples from the centre have to be right, `least` how many there are in all, `highest` the
    highest frequency in cycles per sample.
    """
    row0 = scheme.support // 2
    if not max(half, least) < _LONGEST:
        raise UnsuitableError("pixels far coarser than the fringes: it would take far more memory than there is")
    size = good_size(max(math.ceil(2 * half * scheme.oversampling), least, 64))
    while True:
        reach = math.ceil(highest * size) + row0 + 2
        side = -(-(reach + row0) // multiple) * multiple - row0
        if 2 * side <= size:
            return size, side
        size = good_size(size + 4)
