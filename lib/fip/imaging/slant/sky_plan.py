"""What the uvw of a slice of any field decide: the plane, the terms, and their sampling."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fip.data.values import Block, Grid
from fip.imaging.slant.plan import LARGEST, Gridding, Plane, fit_screen, rows_of, transform_size
from fip.imaging.slant.rows import look_at
from fip.imaging.slant.scheme import Scheme, scheme_for
from fip.imaging.slant.sheet import Samples, UnsuitableError
from fip.imaging.slant.stages import Shape

MOST_TERMS = 16  # a cell of so many is one vector
_OVERSAMPLING = 1.7
"""The oversampling of the terms' images. The kernel's own, 1.25 or 1.5, would do for most arrays. But a frequency at
the band's edge is made up to thirty times as large. The interpolation takes that away again, but not the aliasing of
its gridding. With few baselines, one may be just there."""

BEYOND = 1e-9  # rad over the horizon: pixels there stand for those that rounding would leave out


@dataclass(frozen=True)
class SkyPlan(Gridding):
    """All data that the stages of an image of any field need."""

    grid: Grid
    level: bool  # whether the plane has no slopes: then pixels are made in two passes

    @property
    def cell(self) -> int:
        """The number of terms for which a cell has room: an even number."""
        return self.shape.terms + self.shape.terms % 2

    @property
    def size(self) -> int:
        """The bytes of the largest buffers."""
        s = self.shape
        images = s.blocks * 16 * s.length * self.cell
        turned = s.terms * s.blocks * 16 * (self.grid.width + 16) if self.level else 0
        floats = self.grid_size + s.terms * s.blocks * 32 * s.rows + images + turned
        return floats * np.dtype(self.scheme.precision).itemsize


def make_sky_plan(blocks: Sequence[Block], grid: Grid, epsilon: float, level: bool) -> SkyPlan:
    """Make the plan for these samples, with a plane that is `level`, or the best. Raise UnsuitableError."""
    scheme = scheme_for(epsilon)
    rows = look_at(blocks, scheme)
    plane = Plane.level(rows) if level else Plane.fit(rows, upright=True)
    sides = grid.height // 2 * grid.scale, grid.width // 2 * grid.scale
    lowest_q = _lowest_q(*sides)
    screen = fit_screen(rows, plane, lowest_q / 2, grid, epsilon, MOST_TERMS)
    longest_u, longest_v, _ = plane.longest.tolist()
    xi = _samples(_extent(*sides, plane.a), longest_u, 16, scheme)
    eta = _samples(_extent(*sides[::-1], plane.b), longest_v, 2, scheme)
    u_size, u_half = transform_size(xi.number / 2, xi.number, longest_u * xi.step, 4, scheme)
    v_size, v_half = transform_size(eta.number / 2, eta.number, longest_v * eta.step, 8, scheme)
    row0 = scheme.support // 2
    shape = Shape(
        terms=screen.basis.terms, rows=v_half + row0, row0=row0, columns=2 * u_half, column0=u_half,
        blocks=xi.number // 16, length=eta.number, xi0=xi.begin, eta0=eta.begin, xi_step=xi.step, eta_step=eta.step,
        a=plane.a, b=plane.b, q_centre=screen.q_centre, per_q=screen.per_q, segment=eta.number,
    )  # fmt: skip
    cells = rows_of(rows, plane, screen, (xi.centre, eta.centre), (u_size * xi.step, v_size * eta.step))
    plan = SkyPlan(scheme, plane, screen.basis, shape, u_size, v_size, cells, grid, level)
    if plan.size > LARGEST:
        raise UnsuitableError(f"a wide field of long baselines: it would take {1e-9 * plan.size:.0f} GB")
    return plan


def _lowest_q(xi: float, eta: float) -> float:
    """Return the least n - 1 in a field that reaches so far on either side."""
    square = min(xi * xi + eta * eta, 1.0)
    return -square / (1 + math.sqrt(1 - square))


def _extent(along: float, across: float, slope: float) -> tuple[float, float]:
    """Return the least and the largest xi - slope q over the sky with |xi| <= along and |eta| <= across.

    At fixed xi, q falls with |eta|, so that both are at eta = 0, at the edge or at the horizon. On a circle of radius
    r, xi - slope n is least and largest at xi = +-r / sqrt(1 + slope^2).
    """
    found = []
    for eta in (0.0, min(across, 1.0)):
        radius = math.sqrt(1 - eta * eta)
        limit, turn = min(along, radius), radius / math.hypot(1, slope)
        for xi in (-limit, -min(turn, limit), min(turn, limit), limit):
            found.append(xi - slope * (math.sqrt(max(radius * radius - xi * xi, 0.0)) - 1))
    if along * along + across * across >= 1:
        ends = min(along, 1.0), min(math.sqrt(max(1 - across * across, 0.0)), along)
        found += [sign * xi + slope for xi in ends for sign in (-1, 1)]
    pad = 4 * BEYOND * (1 + abs(slope))
    return min(found) - pad, max(found) + pad


def _samples(extent: tuple[float, float], longest: float, multiple: int, scheme: Scheme) -> Samples:
    """Return samples fine enough for so many wavelengths, and as far as taps reach."""
    low, high = extent
    step = min(1 / (2 * _OVERSAMPLING * max(longest, 1e-12)), (high - low) / 32)
    needed = math.ceil((high - low) / step) + scheme.support + 3
    count = -(-needed // multiple) * multiple
    return Samples((low + high) / 2 - count // 2 * step, step, count)
