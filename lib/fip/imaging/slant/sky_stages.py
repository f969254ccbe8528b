"""From the grid to the image of any field, to the horizon and over it (docs/kernel.md, "The whole sky").

The terms' images are band-limited, the screen is not: so they are interpolated one by one, and combined at each pixel.
A cell holds the terms of one sample side by side. If the plane is level, the image is made in two passes instead.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.simd import (
    FAST,
    Floats,
    Vec,
    first_half,
    floor_of,
    fma,
    fnma,
    join,
    load,
    not_negative,
    outer_store,
    rounded,
    splat,
    spread,
    square_root,
    store,
    sum_of_lanes,
    transpose16,
)  # fmt: skip
from fip.imaging.slant.stages import Shape, Transform, transform_column


class Pixels(NamedTuple):
    """The places of pixels, and the arguments of the terms there."""

    width: int
    height: int
    scale: float  # rad
    beyond: float  # rad: how far over the horizon pixels are computed, for those that rounding leaves out


@njit(**FAST)
def emphasised(
    visibility: NDArray[np.complexfloating], rows: NDArray[np.float64], frequency: NDArray[np.float64],
    per_u: float, per_v: float, correction: Floats, out: NDArray[np.complexfloating],
) -> None:  # fmt: skip
    """out[row, channel] = visibility / the factor that the interpolation gives its frequency, in cycles per sample."""
    for r in range(visibility.shape[0]):
        for c in range(visibility.shape[1]):
            u, v = rows[r, 0] * frequency[c] * per_u, rows[r, 1] * frequency[c] * per_v
            u, v = u * u, v * v
            f, h = 0.0, 0.0
            for i in range(correction.size - 1, -1, -1):
                f = f * u + correction[i]
                h = h * v + correction[i]
            out[r, c] = visibility[r, c] * correction.dtype.type(f * h)


@njit(**FAST)
def columns_to_cells(
    half: Floats, s: Shape, f: Transform, phases: Floats, xi_factor: Floats, eta_factor: Floats, cell: int,
    out: Floats,
) -> None:  # fmt: skip
    """Transform over v: out[xi][eta][cell], a term each, the rest of a cell 0; times the grid's correction."""
    signs = np.ones(16, half.dtype)
    signs[:8] = -1
    sign = load(signs, 0, 16)
    first = f.n // 2 - s.length // 2
    for block in range(s.blocks):
        for k in range(cell):
            if k < s.terms:
                x = transform_column(half, (block * s.terms + k) * s.rows * 32, s, f, phases, sign)
            for i in range(16):
                to, factor = (block * 16 + i) * s.length * cell + k, xi_factor[block * 16 + i]
                for j in range(s.length):
                    if k < s.terms:
                        out[to + j * cell] = x[(first + j) * 16 + i] * (factor * eta_factor[j])
                    else:
                        out[to + j * cell] = 0


@njit(**FAST)
def columns_to_planes(
    half: Floats, s: Shape, f: Transform, phases: Floats, xi_factor: Floats, eta_factor: Floats, out: Floats
) -> None:
    """Transform over v: out[term][eta][xi], times the grid's correction."""
    signs = np.ones(16, half.dtype)
    signs[:8] = -1
    sign = load(signs, 0, 16)
    first, width = f.n // 2 - s.length // 2, s.blocks * 16
    for block in range(s.blocks):
        across = load(xi_factor, block * 16, 16)
        for k in range(s.terms):
            x = transform_column(half, (block * s.terms + k) * s.rows * 32, s, f, phases, sign)
            for j in range(s.length):
                value = load(x, (first + j) * 16, 16) * (across * spread(eta_factor, j, 16))
                store(out, (k * s.length + j) * width + block * 16, value)


@njit(inline="always")
def _seen(row: int, p: Pixels) -> tuple[int, int]:
    """Return the first pixel of a row that is above the horizon, or nearly, and the last."""
    xi = (row - p.height // 2) * p.scale
    span = 1 - xi * xi
    if span <= 0:
        return 0, -1
    reach = (math.sqrt(span) + p.beyond) / p.scale
    middle = p.width // 2
    return max(0, math.ceil(middle - reach)), min(p.width - 1, math.floor(middle + reach))


@njit(inline="always")
def _screens(t: Vec, in_q: Floats, odd: NDArray[np.int64], terms: int, out: Floats) -> None:
    """out[term][16] = g_k(t), of 16 pixels."""
    count, flat = in_q.shape[1], in_q.reshape(-1)
    x = fma(t + t, t, splat(out, -1, 16))
    for k in range(terms):
        g = spread(flat, k * count + count - 1, 16)
        for i in range(count - 2, -1, -1):
            g = fma(g, x, spread(flat, k * count + i, 16))
        if odd[k] == 1:
            g = g * t
        store(out, 16 * k, g)


@cache
def pixel_loop(cell: int, support: int, degree: int) -> Any:
    """Make the function that images cells of so many terms by taps of so many samples, polynomials of a degree.

    All three are known when it is compiled; the first is even.
    """
    half, vectors, both_lanes = cell // 2, support * cell // 16, 2 * support
    low, high = degree % 2, 1 - degree % 2  # the first rows of the taps' even powers, and of the odd ones

    @njit(**FAST)
    def make(
        cells: Floats, s: Shape, p: Pixels, taps: Floats, in_q: Floats, odd: NDArray[np.int64],
        out: NDArray[np.floating],
    ) -> None:  # fmt: skip
        """Fill out[xi, eta] = sum_k g_k(q) R_k(xi - a q, eta - b q) above the horizon, R_k the `cells` [xi][eta][k]."""
        row_length = s.length * cell
        lanes = np.empty(16, np.float64)
        for i in range(16):
            lanes[i] = i * p.scale
        at, fraction = np.empty(16, np.float64), np.empty(32, out.dtype)
        g, by_pixel = np.zeros(256, out.dtype), np.zeros(256, out.dtype)
        weights, down = np.empty(16 * vectors + 16, out.dtype), np.empty(16, out.dtype)
        zero, nought, one = splat(cells, 0, 16), splat(lanes, 0, 16), splat(lanes, 1, 16)
        steps, per_xi, per_eta = load(lanes, 0, 16), 1 / s.xi_step, 1 / s.eta_step
        for y in range(p.height):
            first, last = _seen(y, p)
            xi = (y - p.height // 2) * p.scale
            span, square = splat(lanes, 1 - xi * xi, 16), splat(lanes, xi * xi, 16)
            for block in range(first, last + 1, 16):
                eta = steps + splat(lanes, (block - p.width // 2) * p.scale, 16)
                n = square_root(not_negative(fnma(eta, eta, span)))
                q = nought - fma(eta, eta, square) / (n + one)
                u = fma(q, splat(lanes, -s.a * per_xi, 16), splat(lanes, (xi - s.xi0) * per_xi, 16))
                shifted = fma(q, splat(lanes, -s.b * per_eta, 16), splat(lanes, -s.eta0 * per_eta, 16))
                v = fma(eta, splat(lanes, per_eta, 16), shifted)
                low_u, low_v = floor_of(u), floor_of(v)
                store(fraction, 0, rounded(out, (u - low_u) + (u - low_u) - one))
                store(fraction, 16, rounded(out, (v - low_v) + (v - low_v) - one))
                store(at, 0, fma(low_u, splat(lanes, row_length, 16), low_v * splat(lanes, cell, 16)))
                t = rounded(out, (q - splat(lanes, s.q_centre, 16)) * splat(lanes, s.per_q, 16))
                _screens(t, in_q, odd, s.terms, g)
                transpose16(g, 0, 16, by_pixel, 0, 16)
                for i in range(min(16, last + 1 - block)):
                    z = join(spread(fraction, i, support), spread(fraction, 16 + i, support))
                    z2 = z * z
                    even, uneven = load(taps, low * both_lanes, both_lanes), load(taps, high * both_lanes, both_lanes)
                    for d in range(low + 2, degree + 1, 2):
                        even = fma(even, z2, load(taps, d * both_lanes, both_lanes))
                    for d in range(high + 2, degree + 1, 2):
                        uneven = fma(uneven, z2, load(taps, d * both_lanes, both_lanes))
                    both = fma(uneven, z, even)
                    store(down, 0, first_half(both))
                    outer_store(both, by_pixel, i * 16, half, weights, 0)
                    total = zero
                    corner = int(at[i]) - (support // 2 - 1) * (row_length + cell)
                    for k in range(vectors):
                        s0, s1 = zero, zero
                        for r in range(0, support, 2):
                            here = corner + r * row_length + 16 * k
                            s0 = fma(spread(down, r, 16), load(cells, here, 16), s0)
                            s1 = fma(spread(down, r + 1, 16), load(cells, here + row_length, 16), s1)
                        total = fma(s0 + s1, load(weights, 16 * k, 16), total)
                    out[y, block + i] = sum_of_lanes(total)

    return make


@njit(**FAST)
def along_eta(planes: Floats, s: Shape, p: Pixels, taps: Floats, support: int, out: Floats) -> None:
    """Fill out[term][xi][eta pixel, padded to `padded(width)`]: level planes [term][eta][xi] at the pixels of eta."""
    across, pixels = s.blocks * 16, padded(p.width)
    weights, first = np.zeros(pixels * support, taps.dtype), np.zeros(pixels, np.int64)
    for x in range(pixels):  # those beyond the image repeat its last, and those beyond the sky its edge
        eta = min(1.0, max(-1.0, (min(x, p.width - 1) - p.width // 2) * p.scale))
        first[x] = _taps_at((eta - s.eta0) / s.eta_step, taps, support, weights, x * support)
    tile = np.empty(256, planes.dtype)
    for k in range(s.terms):
        for x in range(0, pixels, 16):
            for j in range(0, across, 16):
                for i in range(16):
                    at, w = (k * s.length + first[x + i]) * across + j, (x + i) * support
                    s0, s1 = splat(planes, 0, 16), splat(planes, 0, 16)
                    for t in range(0, support, 2):
                        s0 = fma(spread(weights, w + t, 16), load(planes, at + t * across, 16), s0)
                        s1 = fma(spread(weights, w + t + 1, 16), load(planes, at + (t + 1) * across, 16), s1)
                    store(tile, i * 16, s0 + s1)
                transpose16(tile, 0, 16, out, (k * across + j) * pixels + x, pixels)


@njit(**FAST)
def along_xi(
    turned: Floats, s: Shape, p: Pixels, taps: Floats, support: int, in_q: Floats, odd: NDArray[np.int64],
    out: NDArray[np.floating],
) -> None:  # fmt: skip
    """Fill out[xi, eta] above the horizon from what `along_eta` made, combining the terms."""
    across, pixels = s.blocks * 16, padded(p.width)
    lanes = np.empty(16, np.float64)
    for i in range(16):
        lanes[i] = i * p.scale
    weights, line, g = np.empty(support, taps.dtype), np.empty(pixels, out.dtype), np.zeros(256, out.dtype)
    steps, one, nought = load(lanes, 0, 16), splat(lanes, 1, 16), splat(lanes, 0, 16)
    for y in range(p.height):
        first, last = _seen(y, p)
        if last < first:
            continue
        xi = (y - p.height // 2) * p.scale
        span, square = splat(lanes, 1 - xi * xi, 16), splat(lanes, xi * xi, 16)
        sample = _taps_at((xi - s.xi0) / s.xi_step, taps, support, weights, 0)
        for block in range(first // 16 * 16, last + 1, 16):
            eta = steps + splat(lanes, (block - p.width // 2) * p.scale, 16)
            n = square_root(not_negative(fnma(eta, eta, span)))
            q = nought - fma(eta, eta, square) / (n + one)
            where = rounded(out, (q - splat(lanes, s.q_centre, 16)) * splat(lanes, s.per_q, 16))
            _screens(where, in_q, odd, s.terms, g)
            total = splat(line, 0, 16)
            for k in range(s.terms):
                at = (k * across + sample) * pixels + block
                s0, s1 = splat(line, 0, 16), splat(line, 0, 16)
                for t in range(0, support, 2):
                    s0 = fma(spread(weights, t, 16), load(turned, at + t * pixels, 16), s0)
                    s1 = fma(spread(weights, t + 1, 16), load(turned, at + (t + 1) * pixels, 16), s1)
                total = fma(load(g, 16 * k, 16), s0 + s1, total)
            store(line, block, total)
        for x in range(first, last + 1):
            out[y, x] = line[x]


@njit(inline="always")
def padded(pixels: int) -> int:
    """Return so many pixels, rounded up to a multiple of 16."""
    return -(-pixels // 16) * 16


@njit(inline="always")
def _taps_at(position: float, taps: Floats, support: int, out: Floats, to: int) -> int:
    """Return the first sample that an interpolation to a position reads; put its taps into out[to : to + support]."""
    below = math.floor(position)
    z = 2 * (position - below) - 1
    for tap in range(support):
        total = 0.0
        for row in range(taps.size // (2 * support)):
            total = total * z + taps[row * 2 * support + tap]
        out[to + tap] = total
    return int(below) - (support // 2 - 1)
