"""All compiled functions of the search, in one file, so that numba sees when one of them has changed.

The first importer should have pointed numba at a cache (`fip.compiled.cache.use_cache`); else the cache is beside this
file. LLVM makes vectors of views that begin at 0 and of float32 arithmetic. NaN keeps its meaning: no option here
allows the compiler to leave its tests out. Nothing runs in threads, so that the same images give the same bits.
"""

from typing import Any

import numpy as np
from numba import njit

STEPS = 100.0
"""Steps of int16 in a standard deviation: they reach to 320 of these, and larger values are kept beside them."""

LIMIT = 32000
"""The largest number."""

SPAN = 16
"""Boxcars are examined if they end in one of so many last slices: the widest level of the pyramid is made as often."""

FAST = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"nsz", "contract", "arcp", "reassoc"}}

_CHUNK = 1024
_COUNTED = 1024  # sizes that are counted apart
_ROOT_HALF = np.float32(0.70710678)
_MOST = np.float32(LIMIT)
_HALF = np.float32(0.5)
_NOTHING = np.float32(0.0)


@njit(**FAST)
def _rounded(value: Any) -> Any:
    value = value if value > -_MOST else -_MOST
    value = value if value < _MOST else _MOST
    return np.int16(np.int32(value + (_HALF if value > _NOTHING else -_HALF)))


@njit(**FAST)
def _list_hot(values: Any, first: int, low: int, hot: Any, known: int) -> int:
    """Add the places of values beyond +-low to hot[known:]; return how many there are then."""
    for at in range(values.size):
        size = np.int32(values[at])
        if size < 0:
            size = -size
        if size > low and known < hot.size:
            hot[known] = first + at
            known += 1
    return known


@njit(**FAST)
def _combine_part(now: Any, then: Any, out: Any) -> Any:
    top = np.int16(0)
    for at in range(out.size):
        value = _rounded((np.float32(now[at]) + np.float32(then[at])) * _ROOT_HALF)
        out[at] = value
        size = value if value > np.int16(0) else np.int16(-value)
        top = size if size > top else top
    return top


@njit(**FAST)
def combine(now: Any, then: Any, out: Any, low: int, hot: Any, known: int) -> int:
    """out = (now + then) / sqrt 2, all int16 [pixel]; places beyond +-low are added to `hot`."""
    for begin in range(0, now.size, _CHUNK):
        end = min(begin + _CHUNK, now.size)
        top = _combine_part(now[begin:end], then[begin:end], out[begin:end])
        if top > low:
            known = _list_hot(out[begin:end], begin, low, hot, known)
    return known


@njit(**FAST)
def _quantise_part(pixels: Any, factor: Any, out: Any) -> Any:
    top = np.int16(0)
    for at in range(out.size):
        scaled = pixels[at] * factor
        scaled = scaled if scaled == scaled else _NOTHING
        value = _rounded(scaled)
        out[at] = value
        size = value if value > np.int16(0) else np.int16(-value)
        top = size if size > top else top
    return top


@njit(**FAST)
def _quantise_part_less(pixels: Any, reference: Any, factor: Any, out: Any) -> Any:
    top = np.int16(0)
    for at in range(out.size):
        scaled = (pixels[at] - reference[at]) * factor
        scaled = scaled if scaled == scaled else _NOTHING
        value = _rounded(scaled)
        out[at] = value
        size = value if value > np.int16(0) else np.int16(-value)
        top = size if size > top else top
    return top


@njit(**FAST)
def quantise(pixels: Any, reference: Any, factors: Any, side: int, width: int, out: Any, low: int, hot: Any) -> int:
    """out = pixels (less a reference, if that has values) times the factor of the tile of each; NaN becomes 0.

    pixels, reference: float32 [pixel], rows of `width`; factors: float32 [row, column] of tiles of so many pixels a
    side. Return how many places of `hot` then hold those beyond +-low.
    """
    known = 0
    for row in range(pixels.size // width):
        for column in range(factors.shape[1]):
            begin = row * width + column * side
            end = min(begin + side, (row + 1) * width)
            factor = factors[row // side, column]
            if reference.size:
                top = _quantise_part_less(pixels[begin:end], reference[begin:end], factor, out[begin:end])
            else:
                top = _quantise_part(pixels[begin:end], factor, out[begin:end])
            if top > low:
                known = _list_hot(out[begin:end], begin, low, hot, known)
    return known


@njit(**FAST)
def best_boxcars(
    ring: Any, loud: Any, beyond: Any, rows: Any, weights: Any, places: Any, ends: Any, widths: Any, squares: Any
) -> None:
    """Find for each of places[i] the boxcar of the largest (sum z)^2 x weight that ends in one of the last slices.

    ring: int16 [row, pixel]; loud: pixels in ascending order, and beyond: float32 [of these, row] what their z have
    that the ring cannot hold; rows: those of the slices, oldest first; weights: float32 [width - 1, end], the end
    counted from the oldest of SPAN, 0 of a boxcar that is none. Fills ends[i], widths[i] and squares[i] (float32, in
    STEPS^2); the sum of int16 in float32 is exact, so is the choice. Of equal ones the narrowest, then earliest, wins.
    """
    depth, widest = rows.size, weights.shape[0]
    sums = np.zeros(depth + 1, np.float32)
    best, width_of = np.empty(SPAN, np.float32), np.empty(SPAN, np.int32)
    for place in range(places.size):
        pixel = places[place]
        for at in range(depth):
            sums[at + 1] = sums[at] + np.float32(ring[rows[at], pixel])
        number = np.searchsorted(loud, pixel) if loud.size else 0
        if number < loud.size and loud[number] == pixel:
            more = np.float32(0.0)
            for at in range(depth):
                more += beyond[number, rows[at]]
                sums[at + 1] += more
        best[:] = np.float32(0.0)
        width_of[:] = 1
        upto = sums[depth + 1 - SPAN :]
        for width in range(1, widest + 1):
            before, weight = sums[depth + 1 - SPAN - width :], weights[width - 1]
            for end in range(SPAN):
                total = upto[end] - before[end]
                square = total * total * weight[end]
                better = square > best[end]
                best[end] = square if better else best[end]
                width_of[end] = np.int32(width) if better else width_of[end]
        top = np.argmax(best)
        ends[place], widths[place], squares[place] = top, width_of[top], best[top]


@njit(**FAST)
def boxcar_sum(ring: Any, rows: Any, pixel: int) -> Any:
    """Return the sum of z, in STEPS, of a pixel over these rows of the ring."""
    total = np.int64(0)
    for at in range(rows.size):
        total += np.int64(ring[rows[at], pixel])
    return total


@njit(**FAST)
def boxcar_sums(ring: Any, rows: Any, pixels: Any, sums: Any) -> None:
    """sums[i] = the sum of z, in STEPS, of pixels[i] over these rows of the ring."""
    for at in range(pixels.size):
        sums[at] = boxcar_sum(ring, rows, pixels[at])


@njit(**FAST)
def median_size(counts: Any, fewest: int) -> Any:
    """Return the median of sizes, with counts[size] of each, interpolated between integers; NaN of too few.

    Rounding it would change the noise by 0.4 %, and false events by 12 %.
    """
    total = counts.sum()
    if total < fewest:
        return np.nan
    below, size = 0, 0
    while below + counts[size] < total / 2:
        below += counts[size]
        size += 1
    return max(0.0, size - 0.5 + (total / 2 - below) / counts[size])


@njit(**FAST)
def tile_sizes(z: Any, pixels: Any, side: int, tiles: Any, fewest: int, medians: Any) -> None:
    """medians[i] = the median of |z|, int16 [y, x], in tile tiles[i] = (row, column), of finite pixels; or NaN."""
    counts = np.zeros(_COUNTED, np.int32)
    for number in range(len(tiles)):
        row, column = tiles[number]
        counts[:] = 0
        for y in range(row * side, min((row + 1) * side, z.shape[0])):
            of, seen = z[y, column * side : (column + 1) * side], pixels[y, column * side : (column + 1) * side]
            for x in range(of.size):
                size = np.int32(of[x])
                size = size if size > 0 else -size
                size = size if size < _COUNTED else np.int32(_COUNTED - 1)
                if seen[x] == seen[x]:
                    counts[size] += 1
        medians[number] = median_size(counts, fewest)


@njit(**FAST)
def add_clipped(total: Any, level: Any, factors: Any, side: int, width: int, most: Any) -> None:
    """total += level, int16, held within +-most, times the factor of each pixel's tile (float32 [row, column])."""
    for row in range(total.size // width):
        for column in range(factors.shape[1]):
            begin = row * width + column * side
            end = min(begin + side, (row + 1) * width)
            factor = factors[row // side, column]
            to, of = total[begin:end], level[begin:end]
            for at in range(to.size):
                value = np.float32(of[at])
                value = value if value < most else most
                value = value if value > -most else -most
                to[at] += value * factor


@njit(**FAST)
def blend(reference: Any, newer: Any, share: Any) -> None:
    """reference += share x (newer - reference), float32 [pixel]."""
    for at in range(reference.size):
        reference[at] += share * (newer[at] - reference[at])


@njit(**FAST)
def take_off(rest: Any, psf: Any, left: int, top: int, across: Any, down: Any, flux: Any) -> None:
    """rest -= flux x psf, both float32 [y, x], pixel (0, 0) of rest at (left, top) of psf and a fraction of a pixel on.

    across, down: float32, the weights of as many pixels of psf from there on, along x and y, at that fraction.
    """
    height, width = rest.shape
    taps = across.size
    line = np.empty(width + taps - 1, np.float32)
    for y in range(height):
        line[:] = np.float32(0.0)
        for tap in range(taps):
            weight, of = down[tap] * flux, psf[top + y + tap, left : left + line.size]
            for x in range(line.size):
                line[x] += weight * of[x]
        to = rest[y]
        for tap in range(taps):
            weight, part = across[tap], line[tap : tap + width]
            for x in range(width):
                to[x] -= weight * part[x]


@njit(**FAST)
def brightest_of(values: Any) -> int:
    """Return the place of the largest |value| of float32 [pixel], NaN left out; 0 of none."""
    place, most = 0, np.float32(-1.0)
    for begin in range(0, values.size, _CHUNK):
        part = values[begin : begin + _CHUNK]
        top = np.float32(-1.0)
        for at in range(part.size):
            size = abs(part[at])
            top = size if size > top else top
        if top > most:
            most = top
            for at in range(part.size):
                if abs(part[at]) == top:
                    place = begin + at
                    break
    return place
