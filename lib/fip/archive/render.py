"""From an image to colours: one asinh stretch for a whole series, and a colour map."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.ticker import AsinhLocator
from numpy.typing import NDArray
from PIL import Image

from fip.data.values import Statistics

EMPTY = (56, 58, 64)  # colour of NaN: beyond the horizon, or nothing observed
COLOUR_MAP = matplotlib.colormaps["inferno"].with_extremes(bad=f"#{bytes(EMPTY).hex()}")
LINEAR_RANGE = 4.0  # times the noise, within which the stretch is nearly linear
LOWEST = -3.0  # times the noise, shown darkest
HIGHEST = 15.0  # times the noise, at least: noise alone does not fill the colours
OUTSTANDING = 300.0  # times the median peak: what is brighter, as interference, does not set the stretch


@dataclass(frozen=True, slots=True)
class Stretch:
    """Maps Jy/beam to 0..1 as asinh: linear in the noise, logarithmic in what is bright (Lupton et al. 1999)."""

    low: float  # Jy/beam, shown as 0
    high: float  # Jy/beam, shown as 1
    softening: float  # Jy/beam, at which linear turns logarithmic

    @property
    def norm(self) -> AsinhNorm:
        """The same stretch, as a norm for matplotlib."""
        return AsinhNorm(self.softening, self.low, self.high)


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


def coloured(pixels: NDArray[np.floating], stretch: Stretch) -> Image.Image:
    """The picture of an image [y, x] in Jy/beam, north up (its first row is the last of the image).

    By arithmetic in single precision: `Stretch.norm`, which gives the same, takes ten times as long.
    """
    bottom, top = math.asinh(stretch.low / stretch.softening), math.asinh(stretch.high / stretch.softening)
    bent = np.arcsinh(np.asarray(pixels[::-1], np.float32) / np.float32(stretch.softening))
    return Image.fromarray(COLOUR_MAP((bent - bottom) / (top - bottom), bytes=True)).convert("RGB")


def round_values(stretch: Stretch, count: int) -> NDArray[np.float64]:
    """About so many values in Jy/beam for a colour bar, evenly apart on it: 0, and 1, 2, 5 x 10^n."""
    values = AsinhLocator(stretch.softening, max(count, 3), base=0).tick_values(stretch.low, stretch.high)
    tens = 10.0 ** np.floor(np.log10(np.abs(np.where(values, values, 1.0))))
    digits = np.array([0, 1, 2, 2, 5, 5, 5, 5, 10, 10])[np.round(np.abs(values) / tens).astype(int)]
    return np.unique([float(f"{value:.0e}") for value in np.sign(values) * digits * tens])


def brightness_unit(brightest: float) -> tuple[str, float]:
    """Name of the unit in which so many Jy/beam are a handy number, and how many Jy/beam it is."""
    for name, factor in (("Jy/beam", 1.0), ("mJy/beam", 1e-3)):
        if brightest >= factor:
            return name, factor
    return "µJy/beam", 1e-6
