"""How high sidelobes are, by the noise of images: with natural weights its autocorrelation is the PSF."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.floors import levels_of
from fip.search.words import Matrix

_CLIP = 5.0  # standard deviations beyond which a pixel is no noise
_COMMON = 0.25  # of all pairs of pixels, that a distance must have to be looked at


def levels_of_noise(images: Iterable[NDArray[np.floating]], beam: Matrix) -> tuple[float, ...]:
    """`Searched.sidelobes` of images [y, x] that follow one another; () if there are not two with values.

    What does not change cancels.
    """
    found = _autocorrelation(images)
    return levels_of(found, beam) if found.any() else ()


def _autocorrelation(images: Iterable[NDArray[np.floating]]) -> NDArray[np.float64]:
    """That of the noise of images that follow one another [y, x], 1 in the middle; 0 if too few pixels tell of it."""
    before: NDArray[np.float64] | None = None
    total: NDArray[np.float64] | None = None
    pairs = np.zeros(())
    for image in images:
        good = np.isfinite(image)
        if not good.any():
            continue
        now = np.asarray(image, np.float64)
        if before is not None:
            noise = now - before
            size = np.abs(noise)
            seen = size <= _CLIP * GAUSSIAN_RMS_PER_MAD * np.nanmedian(size)
            found, common = _correlated(np.where(seen, noise, 0.0)), _correlated(seen.astype(float))
            total, pairs = (found, common) if total is None else (total + found, pairs + common)
        before = now
    if total is None:
        return np.zeros((1, 1))
    mean = np.where(pairs > _COMMON * pairs[0, 0], total / np.maximum(pairs, 1), 0.0)
    return np.fft.fftshift(mean / mean[0, 0])


def _correlated(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of products of all pairs that lie so far apart, [dy, dx] both modulo the size, without turning over."""
    shape = [fft.next_fast_len(2 * side, real=True) for side in values.shape]
    return np.asarray(fft.irfft2(np.abs(fft.rfft2(values, shape)) ** 2, shape))
