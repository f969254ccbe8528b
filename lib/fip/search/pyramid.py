"""The last slices, and sums over 2, 4, ... 64 of them: if any of these stands out, all boxcars are examined.

z(t) is an image in units of its noise. Level k at t is the sum of z over the 2^k slices up to t, over sqrt(2^k), made
every max(1, 2^k / 4) slices as the sum of two of the level below: 2.9 additions a pixel a slice, for all levels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.search.passes import LIMIT, SPAN, STEPS, boxcar_sum, combine, quantise
from fip.search.words import WIDEST

_KEPT = 5  # of each level: the next level needs the last one and that of 2^k slices ago
_MOST_HOT = 400_000
_MOST_LOUD = 2**16  # pixels, of the brightest slice

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]


@dataclass(slots=True)
class Pyramid:
    """What is kept of the last slices. Only `push` and `push_gap` change it."""

    widest: int  # slices of the widest boxcar
    step: int  # of the last slice, -1 before the first
    ring: Int16  # [row, pixel] z in 1/STEPS; step t is in row t mod its length
    levels: list[Int16]  # of 2, 4, ... slices: [row, pixel]
    present: NDArray[np.bool_]  # [row] whether there is an image
    scale: NDArray[np.float64]  # [row] Jy/beam, its noise
    reference: NDArray[np.float64]  # [row] standard deviation of the reference in z, when that was made
    slices: NDArray[np.int64]  # [row] its number
    hot: NDArray[np.int32]  # places of pixels; `push` returns how many of them count
    loud: NDArray[np.int32]  # places of pixels with a z that is more than int16 holds, ascending
    beyond: NDArray[np.float32]  # [of these, row] by how much, in 1/STEPS


def stride(level: int) -> int:
    """Return the slices from one making of a level to the next."""
    return max(1, (1 << level) // 4)


def new_pyramid(pixels: int, widest: int = WIDEST) -> Pyramid:
    """Make a pyramid for images of so many pixels. ValueError if `widest` is no power of two from 1 to 64."""
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
        *_silence(depth),
    )


def bytes_of(pixels: int, widest: int = WIDEST) -> int:
    """Return the bytes of a pyramid: 220 a pixel for boxcars of up to 64 slices, 78 for up to 8."""
    return pixels * 2 * (widest + SPAN + _KEPT * (widest.bit_length() - 1))


def clear(pyramid: Pyramid, step: int) -> None:
    """Forget all slices: the next is that after `step`."""
    pyramid.ring[:] = 0
    pyramid.present[:] = False
    for level in pyramid.levels:
        level[:] = 0
    pyramid.loud, pyramid.beyond = _silence(len(pyramid.ring))
    pyramid.step = step


def take_back(pyramid: Pyramid) -> None:
    """Let the next image replace the last one, also in the levels that were made with it."""
    pyramid.step -= 1


def push(
    pyramid: Pyramid,
    pixels: NDArray[np.float32],
    reference: NDArray[np.float32],
    known: tuple[float, float, int],
    factors: NDArray[np.float32],
    side: int,
    low: float,
    times: Sequence[float] = (),
) -> int:
    """Add an image, [y, x] less a reference of that shape if it has values; `factors` and `side` are of its tiles.

    known: its noise less the reference, the share of that by the reference, the number of its slice. Return how many of
    `hot` are places at which it, or a level that is due, is beyond +-low standard deviations. times: by level, 0 being
    the image, the factor by which these deviations are larger than those of white noise, if they are.
    """
    row = _next(pyramid)
    pyramid.present[row] = True
    pyramid.scale[row], pyramid.reference[row], pyramid.slices[row] = known
    least = round(low * STEPS)
    found: int = quantise(
        pixels.ravel(), reference.ravel(), factors, side, pixels.shape[1], pyramid.ring[row], least, pyramid.hot
    )
    _keep_beyond(pyramid, pixels, reference, factors, side, found)
    return _sum_up(pyramid, low, times, found)


def push_gap(pyramid: Pyramid, low: float, times: Sequence[float] = ()) -> int:
    """Add a slice without an image: z is 0, and does not count. The result is as that of `push`."""
    row = _next(pyramid)
    pyramid.ring[row] = 0
    pyramid.present[row] = False
    pyramid.slices[row] = -1
    return _sum_up(pyramid, low, times, 0)


def level_now(pyramid: Pyramid, level: int) -> Int16 | None:
    """Return the level [pixel] that was made with the last slice; None if it was not due."""
    each = stride(level)
    if (pyramid.step + 1) % each:
        return None
    made: Int16 = pyramid.levels[level - 1][(pyramid.step + 1) // each % _KEPT]
    return made


def spread_of(pyramid: Pyramid, level: int) -> float:
    """Return the standard deviation of white noise in a level made now: 1, but for gaps and the reference's noise."""
    rows = rows_of(pyramid)[-(2**level) :]
    present = pyramid.present[rows]
    noise = pyramid.reference[rows][present]
    return math.sqrt(((1 - noise**2).sum() + noise.sum() ** 2) / 2**level)


def brightest(pyramid: Pyramid, hot: Int32) -> tuple[int, float]:
    """Return place and |z| of the brightest hot pixel of the last slice; -1 and 0 if there is none."""
    row = pyramid.step % len(pyramid.ring)
    hot = hot if hot.size < pyramid.hot.size else np.arange(pyramid.ring.shape[1], dtype=np.int32)
    if not hot.size:
        return -1, 0.0
    size = np.abs(pyramid.ring[row, hot])
    at = int(np.argmax(size))
    if size[at] == LIMIT and pyramid.loud.size:
        most = int(np.argmax(np.abs(pyramid.beyond[:, row])))
        return int(pyramid.loud[most]), (LIMIT + abs(float(pyramid.beyond[most, row]))) / STEPS
    return int(hot[at]), float(size[at]) / STEPS


def sum_of(pyramid: Pyramid, rows: NDArray[np.int64], place: int) -> float:
    """Return the sum of z of a pixel over these rows of the ring, in standard deviations."""
    total = float(boxcar_sum(pyramid.ring, rows, place))
    if pyramid.loud.size:
        number = int(np.searchsorted(pyramid.loud, place))
        if number < pyramid.loud.size and pyramid.loud[number] == place:
            total += float(pyramid.beyond[number, rows].sum())
    return total / STEPS


def rows_of(pyramid: Pyramid) -> NDArray[np.int64]:
    """Return the rows of the ring, oldest first."""
    depth = len(pyramid.ring)
    return np.arange(pyramid.step + 1, pyramid.step + 1 + depth) % depth


def boxcar_weights(pyramid: Pyramid) -> NDArray[np.float32]:
    """Return [width - 1, end] 1 / (variance of the sum of z) of boxcars that end in one of the last SPAN slices.

    The variance of z is 1; s^2 of it is the reference's, which is the same in all slices. For n slices with an image it
    is sum (1 - s^2) + (sum s)^2. The weight is 0 for a boxcar that begins or ends in a slice without an image.
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
    row: int = pyramid.step % len(pyramid.ring)
    if pyramid.loud.size:
        pyramid.beyond[:, row] = 0
        still = pyramid.beyond.any(axis=1)
        pyramid.loud, pyramid.beyond = pyramid.loud[still], pyramid.beyond[still]
    return row


def _silence(depth: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    return np.empty(0, np.int32), np.empty((0, depth), np.float32)


def _keep_beyond(
    pyramid: Pyramid,
    pixels: NDArray[np.float32],
    reference: NDArray[np.float32],
    factors: NDArray[np.float32],
    side: int,
    found: int,
) -> None:
    """Keep the parts of z of the last image, as `push` has it, that are more than the ring can hold."""
    row = pyramid.step % len(pyramid.ring)
    hot = pyramid.hot[:found]
    over = np.sort(hot[np.abs(pyramid.ring[row, hot]) == LIMIT])
    if not over.size:
        return
    y, x = np.divmod(over, pixels.shape[1])
    value = pixels[y, x] - reference[y, x] if reference.size else pixels[y, x]
    z = np.rint(value * factors[y // side, x // side])
    more = (z - np.copysign(np.float32(LIMIT), z)).astype(np.float32)
    if over.size > _MOST_LOUD:
        chosen = np.sort(np.argsort(-np.abs(more), kind="stable")[:_MOST_LOUD])
        over, more = over[chosen], more[chosen]
    loud = np.union1d(pyramid.loud, over).astype(np.int32)
    beyond = np.zeros((loud.size, len(pyramid.ring)), np.float32)
    beyond[np.searchsorted(loud, pyramid.loud)] = pyramid.beyond
    beyond[np.searchsorted(loud, over), row] = more
    pyramid.loud, pyramid.beyond = loud, beyond


def _sum_up(pyramid: Pyramid, low: float, times: Sequence[float], found: int) -> int:
    """Make the levels that are due."""
    after, depth = pyramid.step + 1, len(pyramid.ring)
    now, then = pyramid.ring[pyramid.step % depth], pyramid.ring[(pyramid.step - 1) % depth]
    for level in range(1, len(pyramid.levels) + 1):
        made = pyramid.levels[level - 1]
        if after % stride(level):
            break
        if level > 1:
            below, each, half = pyramid.levels[level - 2], stride(level - 1), 2 ** (level - 1)
            now, then = below[after // each % _KEPT], below[(after - half) // each % _KEPT]
        more = times[level] if times else 1.0
        least = round(low * STEPS * max(spread_of(pyramid, level), math.sqrt(0.5**level)) * more)
        found = combine(now, then, made[after // stride(level) % _KEPT], least, pyramid.hot, found)
    return found
