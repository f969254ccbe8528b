"""What an image is expected to cost by either kernel, in CPU seconds of one core of an EPYC of 2023 (Zen 4).

The coefficients were fitted to a hundred geometries, of narrow and wide fields of 32 to 1600 pixels a side, 1 to 64
channels, compressed and not; half of all expectations are within 7% and nine of ten within 30%. Only their ratio
matters, which other processors share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fip.data import Block, Grid
from fip.imaging.slant.plan import LIGHT, Plan


def slant_cost(plan: Plan, blocks: Sequence[Block]) -> float:
    """Of one Stokes by the slant kernel, and of its plan."""
    s, columns = plan.shape, plan.shape.blocks * 16
    fixed = 2.5e-3 + 4.4e-5 * len(blocks) + 2.5e-7 * sum(len(block.uvw) for block in blocks)
    gridding = 1.6e-8 * _samples(blocks) + 2.0e-8 * s.terms * _cells(plan, blocks)
    transforms = 1.8e-9 * s.terms * s.rows * plan.u_size + 1.3e-9 * s.terms * plan.v_size * columns
    interpolation = plan.eta_line.rows * (2.1e-9 * columns + 1.9e-9 * plan.xi_line.rows)
    return fixed + gridding + transforms + interpolation


def wgridder_cost(blocks: Sequence[Block], grid: Grid) -> float:
    """Of one Stokes by ducc0's w-gridder: planes of w, each a transform, and the gridding."""
    w = np.concatenate([block.uvw[:, 2] * edge / LIGHT for block in blocks for edge in block.frequency[[0, -1]]])
    corner = min((grid.width**2 + grid.height**2) * grid.scale**2 / 4, 1.0)
    planes = 7 + 1.7 * float(np.ptp(np.abs(w))) * corner / (1 + math.sqrt(1 - corner))
    return 3.7e-4 + 5.9e-5 * len(blocks) + 2.25e-7 * _samples(blocks) + 1.12e-8 * planes * grid.width * grid.height


def _samples(blocks: Sequence[Block]) -> int:
    return sum(block.visibility[0].size for block in blocks)


def _cells(plan: Plan, blocks: Sequence[Block]) -> float:
    """Cells that samples are added to: neighbouring channels of a baseline in one cell count once."""
    cells = 0.0
    for block, rows in zip(blocks, plan.rows, strict=True):
        crossed = np.abs(rows[:, :2]).sum(axis=1) * np.ptp(block.frequency)
        cells += float(np.minimum(len(block.frequency), 1 + crossed).sum())
    return cells
