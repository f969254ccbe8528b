"""The dirty image of a slice, its point spread function, and the beams fitted to that. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import BRIGHT
from fip.data.settings import KERNELS
from fip.data.values import Beam, Block, Grid, Image, Slice, Statistics
from fip.imaging.beam import Ways, fit_beam
from fip.imaging.kernels import SDP_FUNC, Kernel, make_kernel, pixel_type


def dirty_image(slice_: Slice, kernel: Kernel) -> Image:
    """Make pixels, and say which kernels made them. There is no beam yet, and no statistics unless the kernel has them.

    The whole band is the mean of its output channels, weighted by their weights. A gridder is linear in its samples, so
    this is as accurate as gridding all of them at once. The samples are divided by the weights, not the pixels: there
    are fewer samples.
    """
    grid, weights = slice_.grid, slice_.sum_of_weights
    channels = weights.shape[1]
    planes = channels + 1 if channels > 1 else 1
    pixels = kernel.empty((len(weights), planes, grid.height, grid.width), pixel_type(slice_.settings))
    apart, kernels = pixels[:, planes - channels :], set[str]()
    statistics = None
    for channel in range(channels):
        blocks = [block for block in slice_.blocks if block.channel_out == channel]
        if blocks and weights[:, channel].any():
            used, measured = kernel.measured(_per_weight(blocks, weights[:, channel]), apart[:, channel])
            kernels.add(used)
            if channels == 1 and weights[0, 0]:  # else the first plane is not what the kernel made
                statistics = measured
        apart[weights[:, channel] == 0, channel] = np.nan
    if channels > 1:
        for plane, mean, weight in zip(apart, pixels[:, 0], weights, strict=True):
            mean[...] = 0 if weight.any() else np.nan
            for each, part in zip(plane, weight, strict=True):
                if part:
                    mean += each * pixels.dtype.type(part / weight.sum())
    if (below := beyond_horizon(grid)) is not None:
        pixels[..., below] = np.nan
    return Image(pixels, None, statistics, kernel="+".join(sorted(kernels)))


def _per_weight(blocks: Sequence[Block], weights: NDArray[np.float64]) -> list[Block]:
    """Divide the visibilities [stokes, row, node] of blocks by these weights [stokes], by 1 for a weight of 0."""
    share = (1 / np.where(weights > 0, weights, 1)).astype(blocks[0].visibility.real.dtype)[:, None, None]
    return [Block(b.channel_out, b.uvw, b.frequency, b.visibility * share, b.weight) for b in blocks]


def psf_image(slice_: Slice, kernel: Kernel) -> Image:
    """Make the point spread function at the phase centre, as `dirty_image`: the image of a source of 1 Jy there.

    Stokes with the same weights, as I and Q of linear feeds, share one.
    """
    planes = range(len(slice_.settings.stokes))
    weights = [[block.weight[plane] for block in slice_.blocks] for plane in planes]
    like = [
        next(other for other in planes if all(map(np.array_equal, weights[other], weights[plane]))) for plane in planes
    ]
    made = sorted(set(like))
    blocks = []
    for block in slice_.blocks:
        weight = block.weight[made]
        blocks.append(replace(block, visibility=weight.astype(block.visibility.dtype), weight=weight))
    few = replace(slice_, blocks=tuple(blocks), sum_of_weights=slice_.sum_of_weights[made])
    image = dirty_image(few, kernel)
    return replace(image, pixels=image.pixels[[made.index(plane) for plane in like]])


def wide_psf(slice_: Slice) -> Image:
    """Make the point spread function of the whole band, twice as wide and high: it reaches from any pixel to any.

    One plane, if all Stokes have the same weights. A kernel is made for it, and its memory is given back: one slice in
    thousands needs this. The kernel is FIP's own on the processor, whatever made the image.
    """
    settings, grid = slice_.settings, slice_.grid
    name = settings.kernel if settings.kernel in KERNELS and settings.kernel != SDP_FUNC else "wgridder"
    wide = replace(grid, width=2 * grid.width, height=2 * grid.height)
    kernel = make_kernel(replace(settings, kernel=name), wide)
    blocks = tuple(replace(block, channel_out=0) for block in slice_.blocks)
    total = slice_.sum_of_weights.sum(axis=1, keepdims=True)
    image = psf_image(replace(slice_, grid=wide, blocks=blocks, sum_of_weights=total), kernel)
    kernel.release()
    alike = all(np.array_equal(block.weight[0], plane) for block in slice_.blocks for plane in block.weight[1:])
    return replace(image, pixels=image.pixels[:1]) if alike else image


def is_bright(statistics: Statistics | None) -> bool:
    """Return whether a pixel of a plane is so far from 0 that its slice is bright."""
    return statistics is not None and max(-statistics.minimum, statistics.maximum) >= BRIGHT * statistics.rms > 0


def slice_beam(slice_: Slice, ways: Ways | None = None) -> Beam | None:
    """Fit the beam of the first Stokes, all output channels together; an empty slice has the run's nominal beam."""
    return slice_.nominal_beam if slice_.empty else fit_beam(slice_.blocks, ways)


def channel_beams(slice_: Slice, ways: Ways | None = None) -> tuple[Beam | None, ...]:
    """Fit the beam of the first Stokes in each output channel; () if the band is not divided."""
    channels = range(len(slice_.bands)) if len(slice_.bands) > 1 else ()
    apart = ([block for block in slice_.blocks if block.channel_out == channel] for channel in channels)
    return tuple(fit_beam(blocks, ways) for blocks in apart)


@lru_cache(maxsize=8)
def beyond_horizon(grid: Grid) -> NDArray[np.bool_] | None:
    """Return the pixels [y, x] with l^2 + m^2 >= 1; None if the whole grid is sky."""
    east = (np.arange(grid.width) - grid.width // 2) * grid.scale
    north = (np.arange(grid.height) - grid.height // 2) * grid.scale
    below = east**2 + north[:, None] ** 2 >= 1
    below.flags.writeable = False
    return below if below.any() else None
