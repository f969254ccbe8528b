"""Compile the code that compresses and unpacks images, so that no image waits for it."""

import time
from collections.abc import Iterable

import numpy as np

from fip.fits import rice


def warm_up_rice(precisions: Iterable[str]) -> float:
    """Compile both for pixels of these types, if they are not in the cache; return the seconds that it took."""
    begun = time.perf_counter()
    for precision in precisions:
        pixels = np.zeros(rice.BLOCK, precision)
        back, pixels.flags.writeable = np.empty_like(pixels), False
        coded, work = np.zeros(rice.most_bytes(pixels.size, pixels.size), np.uint8), np.empty(6 * rice.BLOCK, np.int32)
        ends, words = np.zeros(1, np.int64), pixels.view(np.uint32)
        rice.encode(pixels, words, pixels.size, 1.0, -1, 0, rice.DITHER, coded, 0, ends, work)
        rice.decode(coded, ends - ends, ends, pixels.size, np.ones(1), -1, 0, rice.DITHER, back, work)
        rice.sum_of_words(coded)
    return time.perf_counter() - begun
