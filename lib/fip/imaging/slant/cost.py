"""What an image is expected to cost by either kernel, in CPU seconds of one core of an EPYC of 2023 (Zen 4).

The coefficients were fitted to a hundred geometries, of narrow and wide fields of 32 to 1600 pixels a side, 1 to 64
channels, compressed and not; half of all expectations are within 7% and nine of ten within 30%. Only their ratio
matters, which other processors share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fip.data import Block, Grid
from fip.imaging.slant.plan import LIGHT, Plan


def slant_cost(plan: Plan, blocks: Sequence[Block]) -> float:
    """Of one Stokes by the slant kernel, and of its plan."""
    s, columns = plan.shape, plan.shape.blocks * 16
    fixed = 1.1e-3 + 4.4e-5 * len(blocks) + 2.5e-7 * sum(len(block.uvw) for block in blocks)
    gridding = 1.6e-8 * _samples(blocks) + 2.0e-8 * s.terms * _cells(plan, blocks)
    transforms = 1.8e-9 * s.terms * s.rows * plan.u_size + 1.3e-9 * s.terms * plan.v_size * columns
    interpolation = plan.eta_line.rows * (2.1e-9 * columns + 1.9e-9 * plan.xi_line.rows)
    return fixed + gridding + transforms + interpolation


def wgridder_cost(blocks: Sequence[Block], grid: Grid) -> float:
    """Of one Stokes by ducc0's w-gridder: planes of w, each a transform, and the gridding."""
    w = np.abs(np.concatenate([block.uvw[:, 2] for block in blocks])) / LIGHT
    first, last = (_of_rows(blocks, [float(block.frequency[edge]) for block in blocks]) for edge in (0, -1))
    corner = min((grid.width**2 + grid.height**2) * grid.scale**2 / 4, 1.0)
    planes = 7 + 1.7 * float((w * last).max() - (w * first).min()) * corner / (1 + math.sqrt(1 - corner))
    return 3.7e-4 + 5.9e-5 * len(blocks) + 2.25e-7 * _samples(blocks) + 1.12e-8 * planes * grid.width * grid.height


def _of_rows(blocks: Sequence[Block], values: Sequence[float]) -> NDArray[np.float64]:
    """The value of each row's block, [row]."""
    return np.repeat(np.asarray(values, np.float64), [len(block.uvw) for block in blocks])


def _samples(blocks: Sequence[Block]) -> int:
    return sum(block.visibility[0].size for block in blocks)


def _cells(plan: Plan, blocks: Sequence[Block]) -> float:
    """Cells that samples are added to: neighbouring channels of a baseline in one cell count once."""
    rows = np.abs(np.concatenate(plan.rows))
    crossed = (rows[:, 0] + rows[:, 1]) * _of_rows(blocks, [float(b.frequency[-1] - b.frequency[0]) for b in blocks])
    return float(np.minimum(_of_rows(blocks, [b.frequency.size for b in blocks]), 1 + crossed).sum())
