"""The last slices, and sums over 2, 4, ... 64 of them: where any of these stands out, all boxcars are looked at.

z(t) is an image in units of its noise. Level k at t is the sum of z over the 2^k slices up to t, over sqrt(2^k), made
every max(1, 2^k / 4) slices as the sum of two of the level below: 2.9 additions a pixel a slice, for all levels.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.search.passes import SPAN, STEPS, combine, quantise
from fip.search.words import WIDEST

_KEPT = 5  # of each level: the next needs the last and that of 2^k slices ago
_MOST_HOT = 400_000

Int16 = NDArray[np.int16]


@dataclass(slots=True)
class Pyramid:
    """What is kept of the last slices; changed by `push` and `push_gap` alone."""

    widest: int  # slices of the widest boxcar
    step: int  # of the last slice, -1 before the first
    ring: Int16  # [row, pixel] z in 1/STEPS; step t is in row t mod its length
    levels: list[Int16]  # of 2, 4, ... slices: [row, pixel]
    present: NDArray[np.bool_]  # [row] whether there is an image
    scale: NDArray[np.float64]  # [row] Jy/beam, its noise
    reference: NDArray[np.float64]  # [row] standard deviation of the reference in z, when that was made
    slices: NDArray[np.int64]  # [row] its number
    hot: NDArray[np.int32]  # places of pixels; how many of them count is what `push` returns


def stride(level: int) -> int:
    """Slices from one making of a level to the next."""
    return max(1, (1 << level) // 4)


def new_pyramid(pixels: int, widest: int = WIDEST) -> Pyramid:
    """Of images of so many pixels, before the first. ValueError if `widest` is no power of two from 1 to 64."""
    if widest not in (1, 2, 4, 8, 16, 32, 64):
        raise ValueError(f"the widest boxcar has {widest} slices: give 1, 2, 4, 8, 16, 32 or 64")
    depth = widest + SPAN
    return Pyramid(
        widest,
        -1,
        np.zeros((depth, pixels), np.int16),
        [np.zeros((_KEPT, pixels), np.int16) for _ in range(widest.bit_length() - 1)],
        np.zeros(depth, bool),
        np.ones(depth),
        np.zeros(depth),
        np.full(depth, -1),
        np.zeros(min(2 * pixels, _MOST_HOT), np.int32),
    )


def bytes_of(pixels: int, widest: int = WIDEST) -> int:
    """What a pyramid takes: 220 bytes a pixel for boxcars of up to 64 slices, 78 for up to 8."""
    return pixels * 2 * (widest + SPAN + _KEPT * (widest.bit_length() - 1))


def clear(pyramid: Pyramid, step: int) -> None:
    """Forgets all slices: the next is that after `step`."""
    pyramid.ring[:] = 0
    pyramid.present[:] = False
    for level in pyramid.levels:
        level[:] = 0
    pyramid.step = step


def push(
    pyramid: Pyramid,
    pixels: NDArray[np.float32],
    reference: NDArray[np.float32],
    known: tuple[float, float, int],
    factors: NDArray[np.float32],
    side: int,
    low: float,
) -> int:
    """Adds an image, [y, x] less a reference of that shape if it has values; `factors` and `side` are of its tiles.

    known: its noise less the reference, what share of that is the reference's, the number of its slice. Returns how
    many of `hot` are places at which it, or a level that is due, is beyond +-low standard deviations.
    """
    row = _next(pyramid)
    pyramid.present[row] = True
    pyramid.scale[row], pyramid.reference[row], pyramid.slices[row] = known
    least = round(low * STEPS)
    found: int = quantise(
        pixels.ravel(), reference.ravel(), factors, side, pixels.shape[1], pyramid.ring[row], least, pyramid.hot
    )
    return _sum_up(pyramid, low, found)


def push_gap(pyramid: Pyramid, low: float) -> int:
    """Adds a slice without an image: z is 0, and counts for nothing. What is hot is as `push` says."""
    row = _next(pyramid)
    pyramid.ring[row] = 0
    pyramid.present[row] = False
    pyramid.slices[row] = -1
    return _sum_up(pyramid, low, 0)


def level_now(pyramid: Pyramid, level: int) -> Int16 | None:
    """The level [pixel] that was made with the last slice; None if it was not due."""
    each = stride(level)
    if (pyramid.step + 1) % each:
        return None
    made: Int16 = pyramid.levels[level - 1][(pyramid.step + 1) // each % _KEPT]
    return made


def spread_of(pyramid: Pyramid, level: int) -> float:
    """The standard deviation of white noise in a level that was made now: 1, but for gaps and the reference's noise."""
    rows = rows_of(pyramid)[-(2**level) :]
    present = pyramid.present[rows]
    noise = pyramid.reference[rows][present]
    return math.sqrt(((1 - noise**2).sum() + noise.sum() ** 2) / 2**level)


def rows_of(pyramid: Pyramid) -> NDArray[np.int64]:
    """The rows of the ring, oldest first."""
    depth = len(pyramid.ring)
    return np.arange(pyramid.step + 1, pyramid.step + 1 + depth) % depth


def boxcar_weights(pyramid: Pyramid) -> NDArray[np.float32]:
    """[width - 1, end] 1 / (variance of the sum of z) of boxcars that end in one of the last SPAN slices.

    The variance of z is 1, of which s^2 is the reference's, which is the same in all slices: of n of them with an image
    it is sum (1 - s^2) + (sum s)^2. The weight is 0 of a boxcar that begins or ends in a slice without an image.
    """
    rows = rows_of(pyramid)
    present = pyramid.present[rows]
    spread = pyramid.reference[rows]
    own = np.concatenate([[0.0], np.cumsum(np.where(present, 1 - spread**2, 0.0))])
    shared = np.concatenate([[0.0], np.cumsum(np.where(present, spread, 0.0))])
    end = np.arange(len(rows) - SPAN, len(rows))
    begin = end + 1 - np.arange(1, pyramid.widest + 1)[:, np.newaxis]
    variance = own[end + 1] - own[begin] + (shared[end + 1] - shared[begin]) ** 2
    whole = present[end] & present[begin]
    weights: NDArray[np.float32] = np.where(whole, 1 / np.where(whole, variance, 1), 0).astype(np.float32)
    return weights


def _next(pyramid: Pyramid) -> int:
    pyramid.step += 1
    return pyramid.step % len(pyramid.ring)


def _sum_up(pyramid: Pyramid, low: float, found: int) -> int:
    """Makes the levels that are due."""
    after, depth = pyramid.step + 1, len(pyramid.ring)
    now, then = pyramid.ring[pyramid.step % depth], pyramid.ring[(pyramid.step - 1) % depth]
    for level in range(1, len(pyramid.levels) + 1):
        made = pyramid.levels[level - 1]
        if after % stride(level):
            break
        if level > 1:
            below, each, half = pyramid.levels[level - 2], stride(level - 1), 2 ** (level - 1)
            now, then = below[after // each % _KEPT], below[(after - half) // each % _KEPT]
        least = round(low * STEPS * max(spread_of(pyramid, level), math.sqrt(0.5**level)))
        found = combine(now, then, made[after // stride(level) % _KEPT], least, pyramid.hot, found)
    return found
