"""The exact answer: the Fourier sum that `Kernel.image` is to give, term by term in double precision."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid

SPEED_OF_LIGHT = 299792458.0  # m/s
MATRIX_SIZE = 2**20  # rows x pixels at a time: 16 MB


def pixel_directions(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Direction cosines east (l) and north (m) of all pixels, each [y, x]: CRPIX = N/2 + 1, l descends along x."""
    east = -(np.arange(grid.width) - grid.width // 2) * grid.scale
    north = (np.arange(grid.height) - grid.height // 2) * grid.scale
    return np.broadcast_to(east, (grid.height, grid.width)), np.repeat(north[:, None], grid.width, axis=1)


def direct_sum(blocks: Sequence[Block], east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over samples of Re[V exp(-2 pi i (u l + v m + w (n - 1)))], [stokes, *east.shape]; NaN beyond the horizon."""
    total = np.zeros((len(blocks[0].visibility), east.size))
    directions = _directions(east.ravel(), north.ravel())
    for block in blocks:
        chunk = max(1, MATRIX_SIZE // len(block.uvw))
        for start in range(0, east.size, chunk):
            pixels = slice(start, start + chunk)
            path = block.uvw @ directions[:, pixels]  # [row, pixel] m
            for node, frequency in enumerate(block.frequency):
                fringe = np.exp(-2j * np.pi * frequency / SPEED_OF_LIGHT * path)
                visibility = block.visibility[:, :, node].astype(np.complex128)
                total[:, pixels] += (visibility @ fringe).real
    return total.reshape(-1, *east.shape)


def relative_error(image: NDArray[np.floating], blocks: list[Block], grid: Grid, pixels: int | None = None) -> float:
    """L2(image - direct)/L2(direct) over the sky, or over its edges, its corners and so many random pixels."""
    east, north = pixel_directions(grid)
    pick = np.flatnonzero(east**2 + north**2 < 1)
    if pixels is not None:
        width, height = grid.width, grid.height
        corners = [0, width - 1, width * (height - 1), width * height - 1, width // 2, width * (height // 2)]
        pick = np.r_[np.random.default_rng(0).choice(pick, pixels, replace=False), corners]
    exact = direct_sum(blocks, east.ravel()[pick], north.ravel()[pick])[0]
    return float(np.linalg.norm(image.ravel()[pick] - exact) / np.linalg.norm(exact))


def point_source(
    uvw: NDArray[np.float64], frequency: NDArray[np.float64], east: float, north: float, flux: float = 1.0
) -> NDArray[np.complex128]:
    """Visibilities [row, node] of a point source, V = S exp(+2 pi i (u l + v m + w (n - 1)))."""
    path = uvw @ _directions(np.array([east]), np.array([north]))
    visibility: NDArray[np.complex128] = flux * np.exp(2j * np.pi * path * frequency / SPEED_OF_LIGHT)
    return visibility


def _directions(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """(l, m, n - 1), [3, pixel]; n is NaN beyond the horizon.

    n itself is rounded to 1e-16, which a w of 1e6 wavelengths would make an error of 1e-9.
    """
    square = east**2 + north**2
    n = np.sqrt(np.where(square >= 1, np.nan, 1 - square))
    return np.stack([east, north, -square / (1 + n)])
