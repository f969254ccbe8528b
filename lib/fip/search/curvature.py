"""Lambda, by which maxima of noise are counted: from the samples of a slice, or from images alone.

Weighted with w_k, the noise of an image has the autocorrelation sum w_k cos(2 pi u_k.x) / sum w_k for natural weights,
which is 1 - d.Lambda d / 2 near 0: Lambda = 4 pi^2 <u u^T>, by the weighted second moments of u and v.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.words import Matrix

_LAGS = {1: 3 / 2, 2: -3 / 5, 3: 1 / 10}
"""Lags in pixels, and their weights: with these, the fourth and sixth derivatives of the autocorrelation cancel."""

_CLIP = 5.0  # standard deviations: a pixel beyond is no noise
_WAYS = {"x": (0, 1), "y": (1, 0), "up": (1, 1), "down": (1, -1)}


def from_moments(uu: float, uv: float, vv: float, scale: float) -> Matrix:
    """Return Lambda in 1/pixel^2, from weighted means of u^2, u v, v^2 in wavelengths^2, and pixels of `scale` rad."""
    unit = (2 * math.pi * scale) ** 2
    return (unit * uu, -unit * uv), (-unit * uv, unit * vv)  # x descends to the east


def from_images(images: Iterable[NDArray[np.floating]]) -> Matrix:
    """Return Lambda in 1/pixel^2, from images [y, x] that follow one another: from the difference of neighbours.

    Anything that does not change cancels. ValueError if there are not two with values.
    """
    before: NDArray[np.float64] | None = None
    sums = dict.fromkeys(((way, lag) for way in _WAYS for lag in _LAGS), (0.0, 0.0))
    for image in images:
        if not np.isfinite(image).any():
            continue
        now = np.asarray(image, np.float64)
        if before is not None:
            noise = now - before
            spread = GAUSSIAN_RMS_PER_MAD * float(np.nanmedian(np.abs(noise)))
            noise[~(np.abs(noise) <= _CLIP * spread)] = np.nan
            for way, (dy, dx) in _WAYS.items():
                for lag in _LAGS:
                    sums[way, lag] = _added(sums[way, lag], _structure(noise / spread, lag * dy, lag * dx))
        before = now
    if not sums["x", 1][1]:
        raise ValueError("there are not two images with values, of which the noise could be taken")
    across = {way: sum(share * _second(sums[way, lag], lag) for lag, share in _LAGS.items()) for way in _WAYS}
    cross = (across["up"] - across["down"]) / 4
    return (across["x"], cross), (cross, across["y"])


def _structure(z: NDArray[np.float64], dy: int, dx: int) -> tuple[float, float]:
    """Return the sums of (z - z')^2 and of z^2 + z'^2, z' so far away from z."""
    height, width = z.shape
    one = z[: height - dy, max(0, -dx) : width - max(0, dx)]
    other = z[dy:, max(0, dx) : width - max(0, -dx)]
    good = np.isfinite(one) & np.isfinite(other)
    return float(np.square(one[good] - other[good]).sum()), float((one[good] ** 2 + other[good] ** 2).sum())


def _added(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]


def _second(sums: tuple[float, float], lag: int) -> float:
    """Return 2 (1 - autocorrelation) / lag^2."""
    return 2 * sums[0] / sums[1] / lag**2
