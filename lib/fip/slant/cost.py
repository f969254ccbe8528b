"""What an image is expected to cost, in CPU seconds, by either kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fip.data import Block, Grid
from fip.slant.plan import LIGHT, Plan


def slant_cost(plan: Plan, blocks: Sequence[Block]) -> float:
    """Of one Stokes by the slant kernel, its plan made already."""
    s, eta, xi = plan.shape, plan.eta_line.rows, plan.xi_line.rows
    samples = sum(block.visibility[0].size for block in blocks)
    first = 3.0 * s.terms * s.rows * plan.u_size
    second = (1.6 * s.terms * plan.v_size + 1.5 * eta) * s.blocks * 16
    return 1e-9 * (2.5e6 + 40 * s.terms * samples + first + second + 2.7 * eta * xi)


def wgridder_cost(blocks: Sequence[Block], grid: Grid) -> float:
    """Of one Stokes by ducc0's w-gridder: planes of w, each a transform, and the gridding."""
    samples = sum(block.visibility[0].size for block in blocks)
    w = max(float(np.abs(block.uvw[:, 2]).max() * block.frequency[-1]) for block in blocks) / LIGHT
    corner = min((grid.width**2 + grid.height**2) * grid.scale**2 / 4, 1.0)
    planes = 7 + 1.6 * w * corner / (1 + math.sqrt(1 - corner))
    return 1e-9 * (240 * samples + 10 * planes * grid.width * grid.height)
