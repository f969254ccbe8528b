"""Arrays that see noise and point sources: visibilities of a slice, and the image that `dirty_image` makes of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT
from fip.data.settings import Imaging
from fip.data.values import Band, Block, Grid, Observation, Slice, Times
from fip.imaging.beam import fit_beam
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.search.curvature import from_moments
from fip.search.words import Matrix, Reference, Searched, beam_matrix
from fip.simulation.layouts import LOCAL_AXES, meerkat_like
from fip.source.advice.geometry import uvw_axes

START = 61100 * 86400.0 + 20 * 3600.0  # s UTC since MJD 0
CADENCE = 8.0  # s
TURN = 1000  # slices, 2.2 hours, after which the array stands as at first
CENTRE = math.radians(155.0), math.radians(-45.0)
FREQUENCY, BANDWIDTH = 1.284e9, 1e8  # Hz

Pixels = NDArray[np.float32]
Samples = NDArray[np.complex64]


@dataclass(frozen=True)
class Layout:
    """The places of antennas, how the sky is seen, and what pixels it is imaged on."""

    antennas: int
    ground: Callable[[int], NDArray[np.float64]] | None  # east, north and up [antenna, 3] m; None: FIP's MeerKAT-like
    scale: float  # arcsec a pixel
    later: float  # hours after START, at which the source is high


def _disc(radius: float) -> Callable[[int], NDArray[np.float64]]:
    """All over a disc, m: a beam without a pedestal."""

    def ground(antennas: int) -> NDArray[np.float64]:
        random = np.random.default_rng(3)
        away, angle = radius * np.sqrt(random.random(antennas)), 2 * math.pi * random.random(antennas)
        return np.stack([away * np.sin(angle), away * np.cos(angle), random.normal(0, 3, antennas)], axis=1)

    return ground


def _arms(antennas: int) -> NDArray[np.float64]:
    """Three straight arms of 3.5 km, closer to one another near the middle, as those of the VLA."""
    number = np.arange(antennas)
    away, angle = 3500 * ((number // 3 + 1) / (antennas // 3)) ** 1.716, np.radians(5 + 120 * (number % 3))
    return np.stack([away * np.sin(angle), away * np.cos(angle), np.zeros(antennas)], axis=1)


LAYOUTS = {
    "disc": Layout(64, _disc(3500), 1.6, 0),
    "core": Layout(64, None, 1.6, 0),
    "y": Layout(27, _arms, 1.6, 7),
    "small": Layout(16, _disc(250), 12, 0),
    "coarse": Layout(64, _disc(3500), 3.2, 0),
}
"""disc: 64 antennas within 7 km. core: FIP's MeerKAT-like layout, 64. y: 27 on three arms, the source near the horizon.
small: 16 within 500 m. coarse: the disc on pixels that are too large, two a beam."""


class Telescope:
    """An array whose samples have weight 1 and, in their real parts, noise of 1 Jy."""

    def __init__(self, layout: str, size: int, channels: int = 4) -> None:
        self.layout = LAYOUTS[layout]
        antennas, ground = self.layout.antennas, self.layout.ground
        site = meerkat_like(antennas)
        positions = site if ground is None else site[0] + ground(antennas) @ LOCAL_AXES
        one, other = np.triu_indices(antennas, 1)
        self._baselines = positions[one] - positions[other]
        self.frequency = FREQUENCY + (np.arange(channels) - (channels - 1) / 2) * BANDWIDTH / channels
        self.grid = Grid(size, size, self.layout.scale * ARCSEC, *CENTRE, "ICRS")
        self._settings = Imaging(size=(size, size), scale=self.grid.scale, epsilon=1e-5, kernel="slant")
        self._kernel = make_kernel(self._settings, self.grid)
        self.samples = len(self._baselines) * channels
        self.sigma = 1 / math.sqrt(self.samples)  # Jy/beam

    def uvw(self, index: int) -> NDArray[np.float64]:
        """[baseline, 3] m, of a slice."""
        return self._baselines @ self._axes(index).T

    def elevation(self, index: int) -> float:
        """Return the elevation of the source in degrees."""
        return math.degrees(math.asin(float(self._axes(index)[2] @ LOCAL_AXES[2])))

    def _axes(self, index: int) -> NDArray[np.float64]:
        return uvw_axes(START + 3600 * self.layout.later + index % TURN * CADENCE, *CENTRE)

    def noise(self, random: np.random.Generator) -> Samples:
        """Return noise of shape [baseline, channel]."""
        shape = len(self._baselines), self.frequency.size, 2
        drawn: Samples = random.standard_normal(shape, np.float32).view(np.complex64)[..., 0]
        return drawn

    def source(self, uvw: NDArray[np.float64], flux: float, x: float, y: float, index: float = 0.0) -> Samples:
        """[baseline, channel] of a point source at a pixel, of so many Jy at the middle of the band."""
        east, north = -(x - self.grid.width // 2) * self.grid.scale, (y - self.grid.height // 2) * self.grid.scale
        delay = uvw @ np.array([east, north, math.sqrt(1 - east**2 - north**2) - 1]) / SPEED_OF_LIGHT
        spectrum = flux * (self.frequency / FREQUENCY) ** index
        return np.asarray(spectrum * np.exp(2j * np.pi * delay[:, np.newaxis] * self.frequency), np.complex64)

    def slice(self, index: int, uvw: NDArray[np.float64], seen: Samples) -> Slice:
        """What the ventilator would cut."""
        middle = START + index * CADENCE
        band = Band(FREQUENCY, BANDWIDTH)
        block = Block(0, uvw, self.frequency, seen[np.newaxis], np.ones((1, *seen.shape), np.float32))
        times = Times(middle - CADENCE / 2, middle, middle + CADENCE / 2, CADENCE)
        observation = Observation("a.ms", "", "", "", "", None, 64, "DATA", ("XX", "YY"), "TOPOCENT")
        total = np.full((1, 1), self.samples)
        return Slice(
            "run", index, 1, index, "", times, self.grid, (band,), ((band,),), observation, self._settings, (block,),
            total.astype(float), total, self.samples, None,
        )  # fmt: skip

    def image(self, of: Slice) -> Pixels:
        """Return the image [y, x] in Jy/beam."""
        return np.ascontiguousarray(dirty_image(of, self._kernel).pixels[0, 0], np.float32)

    def widths(self) -> str:
        """Return the widths of the beam, in pixels, as text."""
        minor, major = 1 / np.sqrt(np.linalg.eigvalsh(np.array(self.searched().beam)))[::-1]
        return f"{major:.1f} x {minor:.1f} pixels"

    def curvature(self, index: int) -> Matrix:
        """Lambda of the noise of a slice, 1/pixel^2."""
        uvw = self.uvw(index)
        waves = float(((self.frequency / SPEED_OF_LIGHT) ** 2).mean())
        uu, uv, vv = (float((uvw[:, i] * uvw[:, j]).mean()) * waves for i, j in ((0, 0), (0, 1), (1, 1)))
        return from_moments(uu, uv, vv, self.grid.scale)

    def searched(self, reference: Reference = "none", index: int = 0) -> Searched:
        """What its noise and its beam are, of a slice."""
        ones = np.ones((len(self._baselines), self.frequency.size), np.complex64)
        beam = fit_beam(self.slice(0, self.uvw(index), ones).blocks)
        assert beam is not None
        shape, curvature = beam_matrix(beam, self.grid.scale), self.curvature(index)
        return Searched(self.grid.width, self.grid.height, curvature, shape, CADENCE, reference=reference)
