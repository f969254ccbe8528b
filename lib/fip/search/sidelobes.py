"""What a bright event leaves elsewhere: without its PSF, by how high sidelobes are at the most.

With natural weights the autocorrelation of the noise is the PSF, so that images tell it without any being made.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.floors import levels_of
from fip.search.words import NEAR, Event, Matrix

_CLIP = 5.0  # standard deviations beyond which a pixel is no noise
_COMMON = 0.25  # of all pairs of pixels, that a distance must have to be looked at


def highest_sidelobe(images: Iterable[NDArray[np.floating]], beam: Matrix) -> float:
    """The largest |autocorrelation| of the noise of images [y, x] that follow one another, beyond the main lobe.

    That is as far out as two events are told apart. 0 if there are not two with values. What does not change cancels.
    """
    found = _autocorrelation(images)
    shape = np.array(found.shape)
    y, x = np.ogrid[: shape[0], : shape[1]]
    y, x = y - shape[0] // 2, x - shape[1] // 2
    (xx, xy), (_, yy) = beam
    beyond = xx * x * x + 2 * xy * x * y + yy * y * y > NEAR**2
    return float(np.abs(found[beyond]).max(initial=0.0))


def levels_of_noise(images: Iterable[NDArray[np.floating]], beam: Matrix) -> tuple[float, ...]:
    """`Searched.sidelobes` of images [y, x] that follow one another; () if there are not two with values."""
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


def sidelobes_of(events: Sequence[Event], level: float, threshold: float) -> frozenset[int]:
    """The numbers of those that a brighter one may have made, whose sidelobes reach so high.

    A source of S/N S in w slices adds level x S x n / sqrt(w w') to a boxcar of w' slices of which n are its own; so
    much is the threshold higher there.
    """
    found = set()
    by_brightness = sorted(events, key=lambda event: -event.best.snr)
    for at, event in enumerate(by_brightness):
        for brighter in by_brightness[:at]:
            if brighter.number not in found and event.best.snr < threshold + level * _shared(brighter, event):
                found.add(event.number)
                break
    return frozenset(found)


def _shared(bright: Event, other: Event) -> float:
    """The S/N that a source at its place would have in the boxcar of another; 0 if they have no slice in common."""
    one, two = bright.best, other.best
    common = min(one.last, two.last) + 1 - max(one.first, two.first)
    if common <= 0:
        return -math.inf
    return one.snr * common / math.sqrt(one.width * two.width)
