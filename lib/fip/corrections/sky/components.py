"""The parts of a sky model for one spectral window and time: points and Gaussians, and images of the sky."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.directions import Direction


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Points and Gaussians, and their apparent flux density in each channel."""

    names: tuple[str, ...]  # of each
    towards: NDArray[np.float64]  # [component, 3] unit vectors, ICRS
    flux: NDArray[np.float64]  # [component, channel, 1 or 4] Jy: Stokes I, or I, Q, U, V (Q and U at ICRS north)
    major: NDArray[np.float64]  # [component] rad, full width at half maximum; 0 for a point
    minor: NDArray[np.float64]  # [component] rad
    angle: NDArray[np.float64]  # [component] rad, position angle of the major axis at the source, from ICRS north

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class SkyImage:
    """A model of the sky as pixels, in the SIN projection about a centre that falls on pixel (width/2, height/2)."""

    name: str
    pixels: NDArray[np.floating]  # [frequency, y, x] Jy/pixel, Stokes I; x along -longitude, y along latitude
    frequency: NDArray[np.float64]  # [frequency] Hz, ascending: planes are taken to be linear in frequency between
    scale: float  # rad, side of a square pixel
    centre: Direction
