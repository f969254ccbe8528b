"""Degridding, the transpose of `grid.py`: visibilities from half a uv plane of K terms, times functions of height."""

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.grid import cosine_of_turns, sine_by_turns
from fip.imaging.slant.simd import FAST, Floats, fma, join, load, splat, spread, store


@njit(**FAST)
def _sum_terms(
    values: Floats, width: int, terms: int, height: Floats, sign: Any, in_height: Floats, odd: NDArray[np.int64],
    re: Floats, im: Floats,
) -> None:  # fmt: skip
    """re + i im [channel] = sum_k of values[channel][width] times f_k(t), for odd terms times i, conjugated."""
    one, two = re.dtype.type(1), re.dtype.type(2)
    re[:] = 0
    im[:] = 0
    for k in range(terms):
        for c in range(re.size):
            t = height[c]
            x = two * t * t - one
            f = in_height[k, in_height.shape[1] - 1]
            for i in range(in_height.shape[1] - 2, -1, -1):
                f = f * x + in_height[k, i]
            if odd[k]:
                f *= t
                im[c] += values[width * c + 2 * k] * f
                re[c] -= values[width * c + 2 * k + 1] * f * sign
            else:
                re[c] += values[width * c + 2 * k] * f
                im[c] += values[width * c + 2 * k + 1] * f * sign


@njit(**FAST)
def _turn_back(re: Floats, im: Floats, phase: Floats, out: NDArray[np.complexfloating]) -> None:
    """out = (re + i im) exp(-2 pi i phase), |phase| <= 1/2."""
    for c in range(out.size):
        p = phase[c]
        sine, cosine = sine_by_turns(p * p) * p, cosine_of_turns(p * p)
        out[c] = complex(re[c] * cosine + im[c] * sine, im[c] * cosine - re[c] * sine)


@cache
def degridder(wide: bool, support: int, degree: int) -> Any:
    """Make the function that degrids by a kernel of so many cells and polynomials of this degree.

    It takes up to 8 terms, or up to 16 if `wide`. Their number is known when it runs.
    """
    both_lanes, width = 2 * support, 32 if wide else 16

    @njit(**FAST)
    def degrid(
        grid: Floats, terms: int, row_length: int, row0: int, column0: int,
        rows: NDArray[np.float64], frequency: NDArray[np.float64],
        weights: Floats, in_height: Floats, odd: NDArray[np.int64], out: NDArray[np.complexfloating],
    ) -> None:  # fmt: skip
        """Fill out[row, channel]: the transpose of `grid.gridder`; rows as there."""
        channels, precision = frequency.size, weights.dtype
        vectors = support * 2 * terms // 16  # of a row of cells
        phase, height = np.empty(channels, precision), np.empty(channels, precision)
        re, im = np.empty(channels, precision), np.empty(channels, precision)
        values = np.zeros(channels * width, precision)
        summed, held = np.zeros(16 * vectors + width, precision), np.empty(both_lanes, precision)
        zero = splat(grid, 0, 16)
        for r in range(rows.shape[0]):
            sign = -1.0 if rows[r, 1] < 0 else 1.0
            per_u, per_v, per_phase, per_height = sign * rows[r, 0], sign * rows[r, 1], rows[r, 2], rows[r, 3]
            for c in range(channels):
                f = frequency[c]
                u, v, p = per_u * f, per_v * f, per_phase * f
                fu, fv = math.floor(u), math.floor(v)
                i, j = int(fu), int(fv)
                phase[c] = p - math.floor(p + 0.5)
                height[c] = per_height * f
                flip = -1.0 if (i + j) & 1 else 1.0
                z = join(splat(grid, 2 * (v - fv) - 1, support), splat(grid, 2 * (u - fu) - 1, support))
                both = load(weights, 0, both_lanes)
                for d in range(1, degree + 1):
                    both = fma(both, z, load(weights, d * both_lanes, both_lanes))
                store(held, 0, both)
                corner = (j - support // 2 + 1 + row0) * row_length + (i - support // 2 + 1 + column0) * 2 * terms
                for k in range(vectors):
                    s0, s1 = zero, zero
                    for row in range(0, support, 2):
                        at = corner + row * row_length + 16 * k
                        s0 = fma(spread(held, row, 16), load(grid, at, 16), s0)
                        s1 = fma(spread(held, row + 1, 16), load(grid, at + row_length, 16), s1)
                    store(summed, 16 * k, s0 + s1)
                for part in range(0, width, 16):
                    s0, s1 = zero, zero
                    for cell in range(0, support, 2):
                        at = cell * 2 * terms + part
                        s0 = fma(spread(held, support + cell, 16), load(summed, at, 16), s0)
                        s1 = fma(spread(held, support + cell + 1, 16), load(summed, at + 2 * terms, 16), s1)
                    store(values, c * width + part, (s0 + s1) * splat(grid, flip, 16))
            _sum_terms(values, width, terms, height, precision.type(sign), in_height, odd, re, im)
            _turn_back(re, im, phase, out[r])

    return degrid
