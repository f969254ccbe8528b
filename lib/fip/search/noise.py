"""The noise of an image, and how it differs from tile to tile. Only finite pixels count.

A tile holds so many beams that its own noise is known to one or two percent. If the noise of a tile is taken too low,
it gives false events, exp(u^2 e) times as many for an error e. So tiles grow with the beam, and change slowly.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.passes import STEPS, median_size, tile_sizes
from fip.search.words import Matrix

SAMPLE = 2**16
"""At least so many pixels are taken for the noise of an image, if there are so many."""

_SIDE = 64  # pixels, of the smallest tile, and what sides are multiples of
_BEAMS = 13.0  # that a tile is wide
_TURNS = 8  # images in which each tile is measured once
_PRIOR = 10  # measurements by which the first ones are damped: noise of a dirty image is the same everywhere
_MEMORY = 1 / 30  # share of the last measurement, when there are many
_FEWEST = 64  # finite pixels that a tile needs to be measured
_LOUDEST = 3.0  # a measurement counts for no more
_FEW = 1024


@dataclass(slots=True)
class Tiles:
    """The noise of each tile, in units of that of the image. Only `measure` changes it."""

    side: int  # pixels
    level: NDArray[np.float32]  # [row, column]
    measured: NDArray[np.int32]  # [row, column] times
    turn: int = 0


def new_tiles(width: int, height: int, beam: Matrix) -> Tiles:
    """Make tiles that all have the noise of the image."""
    widest = 1 / math.sqrt(max(float(np.linalg.eigvalsh(np.array(beam))[0]), 1e-12))
    side = min(_SIDE * max(1, math.ceil(_BEAMS * widest / _SIDE)), max(width, height))
    shape = -(-height // side), -(-width // side)
    return Tiles(side, np.ones(shape, np.float32), np.zeros(shape, np.int32))


def image_noise(pixels: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Return 1.4826 x the median of |pixels - reference|, [y, x] both, of a regular sample of finite ones; NaN of none.

    An empty reference means no reference.
    """
    stride = max(1, math.isqrt(pixels.size // SAMPLE))
    sample = pixels[::stride, ::stride]
    if reference.size:
        sample = sample - reference[::stride, ::stride]
    size = np.abs(sample.ravel())
    finite = np.isfinite(size)
    if not finite.all():
        size = size[finite]
    return float(GAUSSIAN_RMS_PER_MAD * _median(size)) if size.size else math.nan


def _median(values: NDArray[np.float32]) -> float:
    """Find the upper median between two of a thousand values; these enclose it but for one case in 10^4."""
    middle = values.size // 2
    few = np.sort(values[:: values.size // _FEW | 1])
    reach = 2 * math.isqrt(few.size)
    low, high = few[max(0, few.size // 2 - reach)], few[min(few.size - 1, few.size // 2 + reach)]
    between = np.compress((values >= low) & (values <= high), values)
    at = middle - int(np.count_nonzero(values < low))
    if not 0 <= at < between.size:
        between, at = values, middle
    return float(np.partition(between, at)[at])


def measure(tiles: Tiles, z: NDArray[np.int16], pixels: NDArray[np.float32]) -> None:
    """Measure the noise of an eighth of the tiles from z [y, x], which is in units of the noise known so far."""
    numbers = np.arange(tiles.turn, tiles.level.size, _TURNS)
    row, column = np.divmod(numbers, tiles.level.shape[1])
    medians = np.empty(numbers.size)
    tile_sizes(z, pixels, tiles.side, np.stack([row, column], axis=1), _FEWEST, medians)
    times = tiles.measured[row, column]
    share = np.where(np.isfinite(medians), np.maximum(1 / (times + 1 + _PRIOR), _MEMORY), 0)
    found = np.minimum(np.nan_to_num(medians) * (GAUSSIAN_RMS_PER_MAD / STEPS), _LOUDEST)
    tiles.level[row, column] *= 1 + share * (found - 1)
    tiles.measured[row, column] = times + (share > 0)
    tiles.turn = (tiles.turn + 1) % _TURNS


def sizes_of_tiles(tiles: Tiles, z: NDArray[np.int16], pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return [row, column] the standard deviation of z, or of a level, [y, x], in each tile: 1 if its noise was known
    right; NaN for too few pixels with a value. Every other pixel along both axes is used: a beam has more than two."""
    rows, columns = tiles.level.shape
    every = np.stack(np.divmod(np.arange(tiles.level.size), columns), axis=1)
    medians = np.empty(tiles.level.size)
    few = np.ascontiguousarray(z[::2, ::2]), np.ascontiguousarray(pixels[::2, ::2])
    tile_sizes(*few, -(-tiles.side // 2), every, _FEWEST, medians)
    return medians.reshape(rows, columns) * (GAUSSIAN_RMS_PER_MAD / STEPS)


def scatter(z: NDArray[np.int16]) -> float:
    """Return the standard deviation of z, or of a level, [pixel], without those that are exactly 0; NaN of too few."""
    sizes = np.bincount(np.abs(z[z != 0]), minlength=1)
    return float(median_size(sizes, _FEWEST)) * GAUSSIAN_RMS_PER_MAD / STEPS
