"""The parts of half a uv plane that have samples: the others are neither zeroed nor read.

A grid of thousands of cells a side is a hundred megabytes, and baselines meet a fraction of it. A tile is 8 rows of v
and `CELLS` cells of u; its mark is 1 if a kernel of some sample may reach into it. A tile that is not marked counts as
zero, whatever its memory holds.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.simd import FAST, Floats, load, splat, store

CELLS = 32
_TOGETHER = 16  # channels: only the first and the last of them are looked at

Marks = NDArray[np.uint8]
"""The mark of each tile, [row of tiles][tile], flat."""


def tiles_across(columns: int) -> int:
    """Return the tiles in a row of so many cells; the last may be narrower."""
    return -(-columns // CELLS)


@njit(**FAST)
def mark_tiles(
    rows: NDArray[np.float64], frequency: NDArray[np.float64], support: int, row0: int, column0: int, across: int,
    marks: Marks,
) -> None:  # fmt: skip
    """Mark the tiles into which `grid.gridder` may put these rows; `across` are the tiles in a row of them.

    The place of a sample on the grid ascends or descends with its frequency, the rounding included. So if frequencies
    ascend, the tiles between those of two channels have all that are between; else each channel is looked at.
    """
    last, together = frequency.size - 1, _TOGETHER
    for c in range(last):
        if frequency[c + 1] < frequency[c]:
            together = 1
    below, right = row0 - support // 2 + 1, column0 - support // 2 + 1
    for r in range(rows.shape[0]):
        sign = -1.0 if rows[r, 1] < 0 else 1.0
        per_u, per_v = sign * rows[r, 0], sign * rows[r, 1]
        for c in range(0, last + 1, together):
            first_f, last_f = frequency[c], frequency[min(c + together - 1, last)]
            v0, v1 = math.floor(per_v * first_f), math.floor(per_v * last_f)
            u0, u1 = math.floor(per_u * first_f), math.floor(per_u * last_f)
            left, end = (int(min(u0, u1)) + right) // CELLS, (int(max(u0, u1)) + right + support - 1) // CELLS
            for j in range((int(v0) + below) >> 3, ((int(v1) + below + support - 1) >> 3) + 1):
                for i in range(left, end + 1):
                    marks[j * across + i] = 1


@njit(**FAST)
def clear_tiles(grid: Floats, row_length: int, cell: int, across: int, marks: Marks) -> None:
    """Zero the tiles that are marked; a row of the grid has `row_length` floats, a cell `cell`."""
    zero = splat(grid, 0, 8)
    for tile in range(marks.size):
        if marks[tile]:
            begin, end = tile % across * CELLS * cell, min((tile % across + 1) * CELLS * cell, row_length)
            for row in range(tile // across * 8, tile // across * 8 + 8):
                for i in range(begin, end, 8):
                    store(grid, row * row_length + i, zero)


@njit(**FAST)
def add_tiles(
    grid: Floats, row_length: int, cell: int, across: int, marks: Marks, part: Floats, of_part: Marks
) -> None:
    """Add what is marked of another grid, and mark it."""
    for tile in range(marks.size):
        if of_part[tile]:
            begin, end = tile % across * CELLS * cell, min((tile % across + 1) * CELLS * cell, row_length)
            for row in range(tile // across * 8, tile // across * 8 + 8):
                for i in range(row * row_length + begin, row * row_length + end, 8):
                    value = load(part, i, 8)
                    if marks[tile]:
                        value = value + load(grid, i, 8)
                    store(grid, i, value)
            marks[tile] = 1
