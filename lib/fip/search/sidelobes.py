"""The height of sidelobes, from the noise of images: with natural weights its autocorrelation is the PSF."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.floors import levels_of
from fip.search.words import Matrix

_CLIP = 5.0  # standard deviations: a pixel beyond is no noise
_COMMON = 0.25  # of all pairs of pixels: a distance needs as many to be used


def levels_of_noise(images: Iterable[NDArray[np.floating]], beam: Matrix) -> tuple[float, ...]:
    """Return `Searched.sidelobes` of images [y, x] that follow one another; () if there are not two with values.

    Anything that does not change cancels.
    """
    found = _autocorrelation(images)
    return levels_of(found, beam) if found.any() else ()


def _autocorrelation(images: Iterable[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return that of the noise of images that follow one another [y, x], 1 in the middle; 0 from too few pixels."""
    before: NDArray[np.float32] | None = None
    total: NDArray[np.float32] | None = None
    pairs, shape = np.zeros((), np.float32), (0, 0)
    for image in images:
        good = np.isfinite(image)
        if not good.any():
            continue
        now = np.asarray(image, np.float32)
        if before is not None:
            noise, shape = now - before, now.shape
            size = np.abs(noise)
            seen = size <= _CLIP * GAUSSIAN_RMS_PER_MAD * np.nanmedian(size)
            found, common = _power(np.where(seen, noise, np.float32(0))), _power(seen.astype(np.float32))
            total, pairs = (found, common) if total is None else (total + found, pairs + common)
        before = now
    if total is None:
        return np.zeros((1, 1))
    products, common = _correlated(total, shape), _correlated(pairs, shape)
    mean = np.where(common > _COMMON * common[0, 0], products / np.maximum(common, 1), 0.0)
    return np.asarray(np.fft.fftshift(mean / mean[0, 0]), np.float64)


def _padded(shape: tuple[int, ...]) -> list[int]:
    """Return a shape twice as large, so that pairs of pixels do not wrap round, and quick to transform."""
    return [fft.next_fast_len(2 * side, real=True) for side in shape]


def _power(values: NDArray[np.float32]) -> NDArray[np.float32]:
    transformed = fft.rfft2(values, _padded(values.shape))
    return np.asarray(transformed.real**2 + transformed.imag**2)


def _correlated(power: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the sum of products of all pairs that lie [dy, dx] apart, modulo the size, in images of a shape."""
    return np.asarray(fft.irfft2(power, _padded(shape)))
