"""The expected cost of an image by either kernel, in CPU seconds of one core of an EPYC of 2023 (Zen 4).

The coefficients were fitted to a hundred geometries of each scheme, of narrow and wide fields of 32 to 1600 pixels a
side, 1 to 64 channels, compressed and not. In single precision half of all expectations are within 7% and nine of ten
within 30%; in double, within 8% and 18% of the slant kernel's time, 15% and 43% of the w-gridder's. Only their ratio
matters, which is much the same on other processors. The fixed time, and the time of a row, were lowered when the plan
was compiled.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block, Grid
from fip.imaging.slant.plan import Gridding, Plan
from fip.imaging.slant.rows import cells_crossed
from fip.imaging.slant.scheme import DOUBLE, FINEST, SINGLE, Scheme
from fip.imaging.slant.sky_plan import SkyPlan


class _Slant(NamedTuple):
    """Seconds by the slant kernel."""

    fixed: float
    block: float
    row: float
    sample: float
    cell: float  # of a term
    u: float  # point of a term's transform over u
    v: float
    eta: float  # pixel made along eta, by 24 taps
    xi: float


_SLANT = {
    "float32": _Slant(4e-4, 4.4e-5, 1.9e-7, 1.6e-8, 2.0e-8, 1.8e-9, 1.3e-9, 2.1e-9, 1.9e-9),
    "float64": _Slant(7.5e-4, 1.1e-5, 1.1e-7, 7.5e-8, 5.6e-8, 5.7e-9, 1.4e-9, 6.1e-9, 4.6e-9),
}


class _Sky(NamedTuple):
    """Seconds of the steps that differ without a slanted image."""

    sample: float  # beside that of the gridding
    value: float  # of a term's image, put into its cell
    plane: float  # the same, of a level plane
    turned: float  # value made along eta, by 8 taps
    tap: float  # of a term's 8 x 8 at a pixel
    pixel: float  # beside its taps
    level: float  # of a term's 8 taps at a pixel


_SKY = {
    "float32": _Sky(4e-9, 2e-9, 3e-10, 1e-9, 3.5e-9, 6e-9, 1.8e-9),
    "float64": _Sky(8e-9, 4e-9, 6e-10, 4e-9, 4e-8, 1.2e-8, 3e-9),
}


class _WGridder(NamedTuple):
    """Seconds of an image by ducc0's w-gridder."""

    fixed: float
    block: float
    sample: float
    pixel: float  # of a plane of w
    planes: float  # about as many as the kernel has cells along w, and those that the field needs


_WGRIDDER = {
    SINGLE: _WGridder(2.2e-4, 5.9e-5, 2.25e-7, 1.12e-8, 7),
    DOUBLE: _WGridder(2.1e-4, 1.1e-4, 7.2e-7, 1.0e-8, 14),
    FINEST: _WGridder(1.2e-4, 1.3e-4, 1.23e-6, 1.64e-8, 11),
}


def slant_cost(plan: Plan, blocks: Sequence[Block]) -> float:
    """Return the cost of one Stokes by the slant kernel, and of its plan."""
    columns, cost = plan.shape.blocks * 16, _SLANT[plan.scheme.precision]
    interpolation = plan.eta_line.rows * (cost.eta * columns + cost.xi * plan.xi_line.rows)
    return _to_terms(plan, blocks) + interpolation * plan.scheme.taps / 24


def sky_cost(plan: SkyPlan, blocks: Sequence[Block]) -> float:
    """Return the cost of one Stokes term by term, and of its plan."""
    s, cost, grid = plan.shape, _SKY[plan.scheme.precision], plan.grid
    values, corner = s.blocks * 16 * s.length * s.terms, (grid.width**2 + grid.height**2) * grid.scale**2 / 4
    pixels = grid.width * grid.height if corner < 1 else min(grid.width * grid.height, math.pi / grid.scale**2)
    if plan.level:
        interpolation = cost.plane * values + s.terms * (cost.turned * s.blocks * 16 * grid.width + cost.level * pixels)
    else:
        interpolation = cost.value * values + pixels * (cost.pixel + cost.tap * plan.cell)
    return _to_terms(plan, blocks) + cost.sample * _samples(blocks) + interpolation


def least_cost_with_slopes(plan: SkyPlan, blocks: Sequence[Block]) -> float:
    """Return the least cost of a plane that is not level in place of this one, with a single term; it makes no plan."""
    return sky_cost(replace(plan, level=False, shape=plan.shape._replace(terms=1)), blocks)


def _to_terms(plan: Gridding, blocks: Sequence[Block]) -> float:
    """Return the cost of the plan, the gridding and the transforms."""
    s, columns, cost = plan.shape, plan.shape.blocks * 16, _SLANT[plan.scheme.precision]
    fixed = cost.fixed + cost.block * len(blocks) + cost.row * sum(len(block.uvw) for block in blocks)
    gridding = cost.sample * _samples(blocks) + cost.cell * s.terms * _cells(plan, blocks)
    return fixed + gridding + s.terms * (cost.u * s.rows * plan.u_size + cost.v * plan.v_size * columns)


def wgridder_cost(blocks: Sequence[Block], grid: Grid, scheme: Scheme) -> float:
    """Return the cost of one Stokes by ducc0's w-gridder, as accurate: planes of w, each a transform, and gridding."""
    heights = [(np.abs(block.uvw[:, 2]), block.frequency / SPEED_OF_LIGHT) for block in blocks]
    highest = max(float(w.max() * per_metre[-1]) for w, per_metre in heights)
    lowest = min(float(w.min() * per_metre[0]) for w, per_metre in heights)
    corner = min((grid.width**2 + grid.height**2) * grid.scale**2 / 4, 1.0)
    cost = _WGRIDDER[scheme]
    planes = cost.planes + 1.7 * (highest - lowest) * corner / (1 + math.sqrt(1 - corner))
    gridding = cost.fixed + cost.block * len(blocks) + cost.sample * _samples(blocks)
    return gridding + cost.pixel * planes * grid.width * grid.height


def _samples(blocks: Sequence[Block]) -> int:
    return sum(block.visibility[0].size for block in blocks)


def _cells(plan: Gridding, blocks: Sequence[Block]) -> float:
    """Count the cells that samples are added to: neighbouring channels of a baseline in one cell count once."""
    total = 0.0
    for rows, block in zip(plan.rows, blocks, strict=True):
        total += cells_crossed(rows, float(block.frequency[-1] - block.frequency[0]), block.frequency.size)
    return total
