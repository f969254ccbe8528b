"""Arrays and fields that kernels make images of, from a flat one to those of observatories."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from support.synthetic import Source, array_uvw, make_block

LIGHT = 299792458.0  # m/s


@dataclass(frozen=True)
class Geometry:
    """An array and a field; lengths in wavelengths of 0.2 m."""

    size: float = 1500.0
    elevation: float = 1.0
    thickness: float = 0.01
    antennas: int = 8
    pixels_per_fringe: float = 4.0
    shape: tuple[int, int] = (64, 48)

    def blocks(self, epsilon: float, bright: bool) -> tuple[list[Block], Grid]:
        """Two sources in the field, and with `bright` one a hundred times brighter outside."""
        uvw = array_uvw(1, self.antennas, 0.2 * self.size, self.elevation, self.thickness)
        frequency = np.linspace(0.95, 1.05, 5) * LIGHT / 0.2
        finest = 1.05 * np.hypot(uvw[:, 0], uvw[:, 1]).max() / 0.2
        scale = min(1 / (self.pixels_per_fringe * finest), 2.2 / max(self.shape))
        grid = Grid(*self.shape, scale, 0.0, 0.0, "FK5")
        half = min(scale * min(self.shape) / 2, 0.9)
        sky: list[Source] = [(0.3 * half, -0.4 * half, 1.0), (-0.8 * half, 0.6 * half, 0.5)]
        if bright:
            radius = min(3.1 * half, 0.9)
            sky.append((0.8 * radius, -0.55 * radius, 100.0))
        return [make_block(uvw, frequency, sky, epsilon)], grid


GEOMETRIES = {
    "flat": Geometry(),
    "low elevation": Geometry(elevation=0.1),
    "mountains": Geometry(elevation=0.5, thickness=0.5),
    "undersampled": Geometry(elevation=0.3, pixels_per_fringe=1.2),
    "three antennas": Geometry(antennas=3, elevation=0.5),
    "wide field": Geometry(size=15, elevation=0.3),
    "all sky": Geometry(size=5, elevation=1.4, pixels_per_fringe=2, shape=(64, 64)),
    "tall": Geometry(shape=(34, 80), elevation=0.3),
    "stamp": Geometry(shape=(24, 16), elevation=0.3),
}

ARRAYS = {
    "MeerKAT L, wide": (8000.0, 0.214, 20, 0.98, 2e-3, 1.5 / 206265, (2048, 1536)),
    "MeerKAT UHF, wide, 40 degrees up": (8000.0, 0.3, 16, 0.70, 2e-3, 4.0 / 206265, (2000, 1500)),
    "VLA A, P band": (20000.0, 0.8, 18, 0.9, 5e-4, 1.5 / 206265, (1500, 2048)),
    "SKA-Low core": (1500.0, 2.1, 24, 0.8, 1e-3, 60.0 / 206265, (512, 510)),
    "SKA-Low core, 37 degrees up": (1500.0, 2.1, 24, 0.65, 1e-3, 60.0 / 206265, (510, 512)),
}
"""Size and wavelength in m, antennas, elevation in rad, thickness, rad a pixel, pixels."""


def turned(uvw: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """The same array in a sky turned by this angle (rad), so that its plane leans to any side."""
    u, v, w = uvw.T
    return np.stack([u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle), w], axis=1)
