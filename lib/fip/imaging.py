"""A slice becomes an image, and an image a file: what a worker does, as pure functions."""

from __future__ import annotations

from functools import lru_cache
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from fip.beam import fit_beam
from fip.data import Beam, Grid, Image, ImageFile, Slice
from fip.fitsfile import fits_bytes
from fip.kernels import Kernel, pixel_type
from fip.statistics import image_statistics


def image_slice(slice_: Slice, kernel: Kernel) -> Image:
    """The dirty image of a slice, its beam and its statistics. A slice without visibilities gives NaN."""
    pixels = dirty_image(slice_, kernel)
    return Image(pixels, slice_beam(slice_), image_statistics(pixels[0, 0]))


def dirty_image(slice_: Slice, kernel: Kernel) -> NDArray[np.floating]:
    """Pixels [stokes, channel_out, y, x] in Jy/beam; planes without weight and pixels beyond the horizon are NaN."""
    grid, weights = slice_.grid, slice_.sum_of_weights
    pixels = np.full((*weights.shape, grid.height, grid.width), np.nan, pixel_type(slice_.settings))
    for channel in range(len(slice_.bands)):
        blocks = [block for block in slice_.blocks if block.channel_out == channel]
        if not blocks or not weights[:, channel].any():
            continue
        kernel.image(blocks, pixels[:, channel])
        for stokes, weight in enumerate(weights[:, channel]):
            pixels[stokes, channel] *= 1 / weight if weight > 0 else np.nan
    if (below := beyond_horizon(grid)) is not None:
        pixels[..., below] = np.nan
    return pixels


def slice_beam(slice_: Slice) -> Beam | None:
    """The beam of the first Stokes, all output channels together; the run's nominal beam for an empty slice."""
    return slice_.nominal_beam if slice_.empty else fit_beam(slice_.blocks)


def image_file(slice_: Slice, kernel: Kernel, worker: str, waited: float) -> ImageFile:
    """The slice's finished file, with the seconds that each stage took; `waited` is how long the slice lay here."""
    start = perf_counter()
    pixels = dirty_image(slice_, kernel)
    imaged = perf_counter()
    beam = slice_beam(slice_)
    fitted = perf_counter()
    image = Image(pixels, beam, image_statistics(pixels[0, 0]))
    fits = fits_bytes(slice_, image)
    return ImageFile(
        run=slice_.run,
        index=slice_.index,
        attempt=slice_.attempt,
        integration=slice_.integration,
        label=slice_.label,
        worker=worker,
        times=slice_.times,
        empty=slice_.empty,
        beam=beam,
        statistics=image.statistics,
        seconds={
            "wait": waited,
            "image": imaged - start,
            "beam": fitted - imaged,
            "fits": perf_counter() - fitted,
        },
        fits=fits,
    )


@lru_cache(maxsize=8)
def beyond_horizon(grid: Grid) -> NDArray[np.bool_] | None:
    """Pixels [y, x] with l^2 + m^2 >= 1; None where the whole grid is sky."""
    east = (np.arange(grid.width) - grid.width // 2) * grid.scale
    north = (np.arange(grid.height) - grid.height // 2) * grid.scale
    below = east**2 + north[:, None] ** 2 >= 1
    below.flags.writeable = False
    return below if below.any() else None
