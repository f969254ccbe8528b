"""All samples of a slice on the half plane of its terms."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block
from fip.imaging.slant.buffers import Get, read_only
from fip.imaging.slant.grid import gridder, kernel_polynomials
from fip.imaging.slant.plan import Gridding
from fip.imaging.slant.simd import Floats

Prepare: TypeAlias = Callable[[NDArray[Any], NDArray[np.float64], NDArray[np.float64]], NDArray[Any]]
"""What is gridded in place of visibilities [row, node], of rows as `Gridding.rows` and frequencies."""

_BATCH = 4096  # rows


def grid_samples(
    plan: Gridding, blocks: Sequence[Block], stokes: int, get: Get, prepare: Prepare | None = None
) -> Floats:
    """The half plane of a Stokes.

    Where more rows than a batch meet few cells, batches are summed apart, whatever blocks they are of: a sum of n equal
    numbers one by one in single precision is off by 3e-8 sqrt(n). Larger grids have larger batches, so that this costs
    less than the gridding.
    """
    s, basis, scheme = plan.shape, plan.basis, plan.scheme
    batch = max(_BATCH, s.rows * s.columns // 4)
    total, add = get("grid", plan.grid_size), gridder(s.terms, scheme.support, scheme.degree)
    total[:] = 0
    part, room = total, batch
    for block, rows in zip(blocks, plan.rows, strict=True):
        visibility = read_only(block.visibility[stokes], scheme.samples)
        frequency = read_only(block.frequency, np.float64)
        if prepare:
            visibility = read_only(prepare(visibility, rows, frequency), scheme.samples)
        start = 0
        while start < len(rows):
            if not room:
                if part is not total:
                    total += part
                part, room = get("part", plan.grid_size), batch
                part[:] = 0
            here = slice(start, min(start + room, len(rows)))
            add(
                part, s.columns * 2 * s.terms, s.row0, s.column0,
                rows[here], frequency, visibility[here], kernel_polynomials(scheme), basis.in_height, basis.odd,
            )  # fmt: skip
            room -= here.stop - start
            start = here.stop
    if part is not total:
        total += part
    return total
