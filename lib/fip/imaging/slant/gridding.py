"""All samples of a slice on the half plane of its terms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block
from fip.imaging.slant.buffers import Get, read_only
from fip.imaging.slant.grid import gridder, kernel_polynomials
from fip.imaging.slant.plan import Gridding
from fip.imaging.slant.simd import Floats
from fip.imaging.slant.tiles import Marks, add_tiles, clear_tiles, mark_tiles, tiles_across

Prepare: TypeAlias = Callable[[NDArray[Any], NDArray[np.float64], NDArray[np.float64]], NDArray[Any]]
"""A function that returns what to grid in place of visibilities [row, node], for `Gridding.rows` and frequencies."""

_BATCH = 4096  # rows


@dataclass(frozen=True)
class HalfPlane:
    """The samples of a Stokes on the grid [v][u][term][re, im], flat, and the marks of its tiles."""

    grid: Floats
    marks: Marks


def grid_samples(
    plan: Gridding, blocks: Sequence[Block], stokes: int, get: Get, prepare: Prepare | None = None
) -> HalfPlane:
    """Grid the half plane of a Stokes.

    If more rows than a batch meet few cells, batches are summed apart, across blocks: a sum of n equal numbers one by
    one in single precision is off by 3e-8 sqrt(n). Larger grids have larger batches, so that this costs less than the
    gridding.
    """
    s, basis, scheme = plan.shape, plan.basis, plan.scheme
    add, across = gridder(s.terms, scheme.support, scheme.degree), tiles_across(s.columns)
    layout = s.columns * 2 * s.terms, 2 * s.terms, across
    frequencies = [read_only(block.frequency, np.float64) for block in blocks]
    found = list[HalfPlane]()
    for pieces in _batches([len(rows) for rows in plan.rows], max(_BATCH, s.rows * s.columns // 4)):
        half = HalfPlane(get("part" if found else "grid", plan.grid_size), np.zeros(s.rows // 8 * across, np.uint8))
        for number, here in pieces:
            rows = plan.rows[number][here]
            mark_tiles(rows, frequencies[number], scheme.support, s.row0, s.column0, across, half.marks)
        clear_tiles(half.grid, *layout, half.marks)
        for number, here in pieces:
            rows, frequency = plan.rows[number][here], frequencies[number]
            visibility = read_only(blocks[number].visibility[stokes][here], scheme.samples)
            if prepare:
                visibility = read_only(prepare(visibility, rows, frequency), scheme.samples)
            add(
                half.grid, s.columns * 2 * s.terms, s.row0, s.column0,
                rows, frequency, visibility, kernel_polynomials(scheme), basis.in_height, basis.odd,
            )  # fmt: skip
        if found:
            add_tiles(found[0].grid, *layout, found[0].marks, half.grid, half.marks)
        else:
            found.append(half)
    return found[0]


def _batches(lengths: Sequence[int], most: int) -> list[list[tuple[int, slice]]]:
    """Divide blocks of these lengths into batches of at most `most` rows: each lists numbers of blocks, with rows."""
    batches, room = [list[tuple[int, slice]]()], most
    for number, length in enumerate(lengths):
        start = 0
        while start < length:
            if not room:
                batches.append([])
                room = most
            here = slice(start, min(start + room, length))
            batches[-1].append((number, here))
            room -= here.stop - start
            start = here.stop
    return batches
