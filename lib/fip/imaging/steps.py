"""The steps in which the pixels of an image may be stored: small against its noise, fixed by its slice alone. Pure."""

import math
from collections.abc import Iterator

import numpy as np

from fip.data.compressing import Steps
from fip.data.values import Image, Slice
from fip.imaging.statistics import image_statistics

MOST_OVER_EXPECTED = 2.0
"""Measured noise counts up to so many times the expected noise: the rest is a source and its sidelobes."""

FINEST = 2.0**-28
"""No step is finer than this share of the brightest pixel, so that whole numbers of it have room in 32 bits."""


def steps_of(slice_: Slice, image: Image, to_the_noise: float) -> Steps | None:
    """Return the step of each plane of an image: its noise over `to_the_noise`; None if a pixel is infinite.

    The noise is the measured noise, but at most twice the expected noise (`noise.expected`), if that is known. It is
    known for the first plane, and taken to go as one over the root of the sum of weights in the others. The step is 1
    in a plane without a number, or of zeros.
    """
    shape = image.pixels.shape[:2]
    step, lowest = np.ones(shape, np.float64), np.zeros(shape, np.int64)
    for place, expected in _expected(slice_, image):
        told = image.statistics if place == (0, 0) else image_statistics(image.pixels[place])
        if told is None:
            continue
        brightest = max(abs(told.minimum), abs(told.maximum))
        if math.isinf(brightest):
            return None
        noise = min(told.rms, MOST_OVER_EXPECTED * expected)
        step[place] = max(noise / to_the_noise, brightest * FINEST) or 1.0
        lowest[place] = math.floor(told.minimum / step[place])
    return Steps(step, lowest)


def _expected(slice_: Slice, image: Image) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield each plane, and the noise that it should have; infinity if nothing is known of it."""
    first, _ = slice_.numbers.get("noise.expected", (math.inf, ""))
    weights = slice_.sum_of_weights
    whole = weights.sum(axis=1, keepdims=True)
    weights = np.concatenate([whole, weights], axis=1) if image.pixels.shape[1] > 1 else whole
    for place in np.ndindex(*image.pixels.shape[:2]):
        weight = float(weights[place])
        yield place, first * math.sqrt(float(whole[0, 0]) / weight) if weight > 0 else math.inf
