"""What the minor cycle works on: a deep image in sub-bands, and points with a power law each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Grid

Array = NDArray[np.float64]
Planes = NDArray[np.float32]

FIRST_INDEX = -0.7
"""The spectral index of a point about which nothing is known yet: that of most radio sources."""


@dataclass(frozen=True, slots=True, eq=False)
class Deep:
    """The mean of images, weighted by their sums of weights, in each sub-band that has weight."""

    grid: Grid
    planes: Planes  # [band, y, x] Jy/beam, or of a PSF 1 in the middle; 0 beyond the horizon
    weight: Array  # [band] sum of weights, above 0
    frequency: Array  # [band] Hz, weighted mean

    @property
    def share(self) -> Array:
        """The share of each band in the whole, [band]; the sum is 1."""
        share: Array = self.weight / self.weight.sum()
        return share

    @property
    def reference(self) -> float:
        """The weighted mean frequency of the whole band, Hz."""
        return float(self.share @ self.frequency)

    @property
    def whole(self) -> Planes:
        """The image [y, x] of the whole band, Jy/beam."""
        return np.tensordot(self.share.astype(np.float32), self.planes, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points on pixels of a grid, S = flux (f / reference)^index."""

    reference: float  # Hz
    place: NDArray[np.int64]  # [point] y * width + x, ascending, each once
    flux: Array  # [point] Jy at the reference; not 0, and may be below
    index: Array  # [point] spectral index

    def __len__(self) -> int:
        return len(self.place)


def no_points(reference: float) -> Points:
    """Return an empty set of points, about a reference frequency in Hz."""
    return Points(reference, np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def beside(points: Points, grid: Grid) -> NDArray[np.bool_]:
    """Return the pixels [y, x] that have a point, and those that touch them."""
    near = np.zeros((grid.height + 2, grid.width + 2), bool)
    y, x = np.divmod(points.place, grid.width)
    for down in range(3):
        for right in range(3):
            near[y + down, x + right] = True
    return near[1:-1, 1:-1]


def noise_of(pixels: Planes) -> float:
    """Return the standard deviation of pixels without sources: 1.4826 times the median absolute deviation, Jy/beam.

    `pixels` have any shape; those that are exactly 0, as beyond the horizon, do not count. 0 if none is left.
    """
    there = pixels[pixels != 0]
    return 1.4826 * float(np.median(np.abs(there - np.median(there)))) if len(there) else 0.0
