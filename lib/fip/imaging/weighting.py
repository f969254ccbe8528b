"""Imaging weights from the weights of the data: natural, uniform, Briggs, and a taper. Pure, numpy alone.

A sample's density W is the sum of the weights of all samples of its slice and Stokes, from all windows, in its cell of
the uv plane. Cells are 1/(P scale) wide along either axis, with P the next multiple of 4 at or above 1.2 times the
image's pixels along that axis: a rectangular image has rectangular cells. v < 0 is folded onto v > 0, and a cell holds
its lower edges. That is WSClean's grid, so that a robustness means the same (test_weighting compares with WSClean).
Here the grid goes on beyond the plane that the pixels sample; WSClean drops samples there.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.settings import Imaging
from fip.data.values import Block, Grid

_PADDING = 1.2
_MOST_CELLS = 2**25  # 256 MiB of address space; only the part that is touched becomes memory


def is_natural(settings: Imaging) -> bool:
    """Return whether `weigh` leaves all weights as they are: such slices are compressed as they are read."""
    return settings.weight == "natural" and settings.taper is None


def weigh(blocks: Sequence[Block], settings: Imaging, grid: Grid) -> tuple[Block, ...]:
    """Give the blocks of one slice, whose weights are the data's, the imaging weights that the settings ask for.

    Uniform: w/W. Briggs (1995, thesis, eq. 3.11): w/(1 + W f^2), f^2 = (5 10^-robust)^2/(sum W_cell^2/sum w). Then a
    taper, whose transform is a Gaussian of that full width at half maximum on the sky: w exp(-(pi taper)^2 (u^2 +
    v^2)/(4 ln 2)), u and v in wavelengths. Visibilities are multiplied by the same factors as their weights.
    """
    if settings.weight != "natural" and blocks:
        blocks = _by_density(blocks, settings, grid)
    if settings.taper is not None:
        blocks = [_multiplied(block, _taper(block, settings.taper)) for block in blocks]
    return tuple(blocks)


def _by_density(blocks: Sequence[Block], settings: Imaging, grid: Grid) -> list[Block]:
    cells, count = _cells(blocks, grid)
    planes = []
    for stokes in range(len(settings.stokes)):
        weight = np.concatenate([block.weight[stokes].ravel() for block in blocks], dtype=np.float64)
        density = np.asarray(np.bincount(cells, weight, count), np.float64)[cells]
        if settings.weight == "uniform":
            planes.append(np.divide(1.0, density, out=np.zeros_like(density), where=density > 0))
        else:
            planes.append(_briggs(density, weight, settings.robust or 0.0))
    factors = np.split(np.stack(planes), np.cumsum([block.weight[0].size for block in blocks])[:-1], axis=1)
    return [
        _multiplied(block, factor.reshape(block.weight.shape)) for block, factor in zip(blocks, factors, strict=True)
    ]


def _briggs(density: NDArray[np.float64], weight: NDArray[np.float64], robust: float) -> NDArray[np.float64]:
    squared = (density * weight).sum()  # the sum over cells of W^2 is the sum over samples of w W
    if squared == 0:
        return density
    factor: NDArray[np.float64] = density * ((5 * 10**-robust) ** 2 * weight.sum() / squared)
    factor += 1
    np.divide(1.0, factor, out=factor)
    return factor


def _cells(blocks: Sequence[Block], grid: Grid) -> tuple[NDArray[np.intp], int]:
    """Return each sample's cell, block after block [row x node], and how many cells there are."""
    lengths = np.array([_padded(grid.width), _padded(grid.height)]) * grid.scale / SPEED_OF_LIGHT
    folded = [block.uvw[:, :2] * np.where(block.uvw[:, 1:2] < 0, -lengths, lengths) for block in blocks]
    reach = [
        math.ceil(max(np.abs(uv[:, axis]).max() * b.frequency[-1] for uv, b in zip(folded, blocks, strict=True))) + 1
        for axis in (0, 1)
    ]
    across = 2 * reach[0]
    found = [_numbers(uv, block.frequency, reach[0], across) for uv, block in zip(folded, blocks, strict=True)]
    cells = np.concatenate(found) if len(found) > 1 else found[0]
    if across * reach[1] > _MOST_CELLS:
        occupied, cells = np.unique(cells, return_inverse=True)
        return cells, len(occupied)
    return cells, across * reach[1]


def _numbers(uv: NDArray[np.float64], frequency: NDArray[np.float64], first: int, across: int) -> NDArray[np.intp]:
    """Return the number of the cell of each sample [row x node], for uv[row, 2] in cells per Hz."""
    column, row = (np.floor(np.multiply.outer(uv[:, axis], frequency)) for axis in (0, 1))
    row *= across
    row += column
    row += first
    return row.ravel().astype(np.intp)


def _padded(pixels: int) -> int:
    return 4 * math.ceil(_PADDING * pixels / 4)


def _taper(block: Block, width: float) -> NDArray[np.float64]:
    squared = np.square(block.uvw[:, :2]).sum(axis=1) * ((math.pi * width / SPEED_OF_LIGHT) ** 2 / (4 * math.log(2)))
    factor: NDArray[np.float64] = np.exp(-np.multiply.outer(squared, np.square(block.frequency)))
    return factor


def _multiplied(block: Block, factor: NDArray[np.float64]) -> Block:
    """Return the block with weights and visibilities times `factor`, which broadcasts to [stokes, row, node]."""
    factor = factor.astype(block.weight.dtype, copy=False)
    return replace(block, visibility=block.visibility * factor, weight=block.weight * factor)
