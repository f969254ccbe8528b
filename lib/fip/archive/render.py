"""From an image to colours: one asinh stretch for a whole series, a colour map, and the ticks of its colour bar."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cmap
import numpy as np
from numpy.typing import NDArray

from fip.data.values import Statistics

COLOUR_MAP = "inferno"
EMPTY = (56, 58, 64)  # colour of NaN: beyond the horizon, or nothing observed
LINEAR_RANGE = 4.0  # times the noise, within which the stretch is nearly linear
LOWEST = -3.0  # times the noise, shown darkest
HIGHEST = 15.0  # times the noise, at least: noise alone does not fill the colours
OUTSTANDING = 300.0  # times the median peak: what is brighter, as interference, does not set the stretch


@dataclass(frozen=True, slots=True)
class Stretch:
    """Maps Jy/beam to 0..1 as asinh: linear in the noise, logarithmic in what is bright (Lupton et al. 1999)."""

    low: float  # Jy/beam, shown as 0
    high: float  # Jy/beam, shown as 1
    softening: float  # Jy/beam, where linear turns logarithmic

    def apply(self, pixels: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pixels of any shape in Jy/beam to 0..1, clipped; NaN stays."""
        bottom, top = math.asinh(self.low / self.softening), math.asinh(self.high / self.softening)
        bent = np.arcsinh(np.asarray(pixels, np.float32) / np.float32(self.softening))
        return np.asarray(np.clip((bent - bottom) / (top - bottom), 0.0, 1.0), np.float32)

    def ticks(self, apart: float) -> list[float]:
        """Round values in Jy/beam, ascending, at least `apart` (of 1) from one another: 0, and 1, 2, 5 x 10^n."""
        largest = math.floor(math.log10(max(abs(self.low), abs(self.high))))
        decades = [10.0**power for power in range(largest, largest - 8, -1)]
        chosen = [0.0]
        for digits in ((1.0,), (5.0,), (2.0,)):
            for value in (sign * digit * ten for ten in decades for digit in digits for sign in (1, -1)):
                if not self.low <= value <= self.high:
                    continue
                place = self.apply(np.array([value, *chosen]))
                if np.abs(place[1:] - place[0]).min() >= apart:
                    chosen.append(value)
        return sorted(chosen)


def choose_stretch(series: Sequence[Statistics]) -> Stretch:
    """One stretch for a series of images: noise just shows, the brightest source just does not saturate.

    The noise is the median one, so that bad images do not blind the others; a peak counts up to 300 times the
    median peak. A series without an image or of zeros gets -3..15 mJy/beam.
    """
    noise = float(np.median([s.rms for s in series])) if series else 0.0
    peaks = [s.maximum for s in series]
    peak = min(max(peaks), OUTSTANDING * max(float(np.median(peaks)), 0.0)) if peaks else 0.0
    noise = noise or peak / 1000 or 1e-3
    return Stretch(low=LOWEST * noise, high=max(peak, HIGHEST * noise), softening=LINEAR_RANGE * noise)


def shrink(pixels: NDArray[np.floating], limit: int) -> tuple[NDArray[np.floating], int]:
    """Shrink an image [y, x] to at most `limit` pixels a side, by whole blocks; and the side of a block.

    A block shows its maximum: a mean would dim a point source of a few pixels, and it is point sources that one
    looks for. Edges that fill no block are left out.
    """
    block = -(-max(pixels.shape) // limit)
    if block <= 1:
        return pixels, 1
    height, width = (side // block for side in pixels.shape)
    blocks = pixels[: height * block, : width * block].reshape(height, block, width, block)
    return np.fmax.reduce(np.fmax.reduce(blocks, axis=3), axis=1), block


def colours(pixels: NDArray[np.floating], stretch: Stretch) -> NDArray[np.uint8]:
    """RGB [y, x, 3] of an image [y, x] in Jy/beam, north up (the first row is the last of the image)."""
    table = np.vstack([_colour_table(), np.array([EMPTY], np.uint8)])
    share = stretch.apply(pixels[::-1])
    index = np.where(np.isnan(share), 256, share * 255.0 + 0.5).astype(np.uint16)
    return table[index]


def colour_bar(height: int, width: int) -> NDArray[np.uint8]:
    """RGB [height, width, 3] of the colours from low, at the bottom, to high."""
    index = np.linspace(255.0, 0.0, height).round().astype(np.uint8)
    return np.repeat(_colour_table()[index][:, None, :], width, axis=1)


def brightness_unit(stretch: Stretch) -> tuple[str, float]:
    """Name of the unit in which the stretch's high end is a handy number, and how many Jy/beam it is."""
    for name, factor in (("Jy/beam", 1.0), ("mJy/beam", 1e-3)):
        if stretch.high >= factor:
            return name, factor
    return "µJy/beam", 1e-6


def _colour_table() -> NDArray[np.uint8]:
    rgba = cmap.Colormap(COLOUR_MAP).lut(256)
    return np.asarray(np.round(rgba[:, :3] * 255.0), np.uint8)
