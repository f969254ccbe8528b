"""Gridding: visibilities, times K functions of their height above the plane, onto half a uv plane.

The grid is flat: [v][u][term][re, im], K terms of a cell side by side. Images of terms are real, so their transforms
are Hermitian and a visibility with v < 0 is gridded as its conjugate at (-u, -v).

The kernel has the form of Barnett et al. (2019, SIAM J. Sci. Comput. 41, C479) with the exponent of Arras et al. (2021,
A&A 646, A58), exp(BETA W ((1 - x^2)^E0 - 1)) over W cells, whose two numbers are chosen here: they minimise the rms
aliasing over an image of 1/OVERSAMPLING of the transform, 6.8e-7 on each axis.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import float32, njit
from numpy.polynomial import legendre
from numpy.typing import NDArray

from fip.imaging.slant.simd import (
    FAST,
    Floats,
    aligned,
    first_half,
    fma,
    join,
    load16,
    outer_store,
    splat8,
    splat16,
    spread16,
    store8,
    store16,
)  # fmt: skip

SUPPORT = 8  # cells: W, the lanes of a vector
OVERSAMPLING = 1.5
BETA, E0 = 1.9158, 0.5153
DEGREE = 11  # of the kernel as a polynomial in each cell: good to 1e-7
MOST_TERMS = 8  # K complex numbers fill at most a vector of 16
RUN = 64  # channels in one cell that are summed before they are added to the grid
EDGE = 0.5 / OVERSAMPLING  # the image ends at this fraction of the transform from its centre


def kernel_function(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gridding kernel at x in [-1, 1] of half its support."""
    inside = np.maximum(1 - x * x, 0)
    return np.where(np.abs(x) < 1, np.exp(BETA * SUPPORT * (inside**E0 - 1)), 0.0)


@cache
def kernel_polynomials() -> Floats:
    """[DEGREE + 1, 16] coefficients, highest first, in z = 2 fraction - 1: the 8 weights along v, then along u.

    The weights alternate in sign, as do those of neighbouring cells: the image's centre becomes the middle point.
    """
    z = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    cell = np.arange(SUPPORT)
    values = kernel_function((cell - SUPPORT / 2 + 1 - (z[:, None] + 1) / 2) * 2 / SUPPORT) * (-1.0) ** cell
    weights = np.linalg.solve(np.vander(z, DEGREE + 1), values)
    both = aligned((DEGREE + 1) * 16)
    both[:] = np.concatenate([weights, weights], axis=1).ravel()
    return both


@cache
def correction_polynomial() -> Floats:
    """Coefficients in y^2, lowest first, of 1 / (transform of the kernel) at |y| <= EDGE, y = pixel / transform."""
    nodes, weights = legendre.leggauss(100)
    y = EDGE * 1.01 * np.cos(np.pi * (np.arange(200) + 0.5) / 400)
    transform = SUPPORT / 2 * (np.cos(np.pi * SUPPORT * np.outer(y, nodes)) @ (weights * kernel_function(nodes)))
    for terms in range(5, 14):
        powers = (y[:, None] / y.max()) ** (2 * np.arange(terms))
        fit = np.linalg.lstsq(powers * transform[:, None], np.ones(len(y)), rcond=None)[0]
        if np.abs(powers @ fit * transform - 1).max() < 1e-7:
            break
    coefficients: Floats = (fit / y.max() ** (2 * np.arange(terms))).astype(np.float32)
    return coefficients


def _turn_polynomials() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """sin(2 pi p) / p and cos(2 pi p) as polynomials in p^2 for |p| <= 1/2, good to the rounding of float32."""
    p = 0.5 * np.cos(np.pi * (np.arange(60) + 0.5) / 60)
    even = p[:, None] ** (2 * np.arange(7))
    sine = np.linalg.lstsq(even * p[:, None], np.sin(2 * np.pi * p), rcond=None)[0]
    cosine = np.linalg.lstsq(even, np.cos(2 * np.pi * p), rcond=None)[0]
    return tuple(map(float, sine)), tuple(map(float, cosine))


_SIN, _COS = _turn_polynomials()


@njit(**FAST)
def _turn(vis: NDArray[np.complex64], phase: Floats, sign: float, re: Floats, im: Floats) -> None:
    """re + i sign im = vis exp(2 pi i phase), |phase| <= 1/2. LLVM makes vectors of this loop by itself."""
    for c in range(vis.size):
        p = phase[c]
        x = p * p
        sine, cosine = float32(_SIN[6]), float32(_COS[6])
        sine = sine * x + float32(_SIN[5])
        cosine = cosine * x + float32(_COS[5])
        sine = sine * x + float32(_SIN[4])
        cosine = cosine * x + float32(_COS[4])
        sine = sine * x + float32(_SIN[3])
        cosine = cosine * x + float32(_COS[3])
        sine = sine * x + float32(_SIN[2])
        cosine = cosine * x + float32(_COS[2])
        sine = sine * x + float32(_SIN[1])
        cosine = cosine * x + float32(_COS[1])
        sine = (sine * x + float32(_SIN[0])) * p
        cosine = cosine * x + float32(_COS[0])
        z = vis[c]
        re[c] = z.real * cosine - z.imag * sine
        im[c] = z.real * sine + z.imag * cosine


@njit(**FAST)
def _times_terms(
    re: Floats,
    im: Floats,
    height: Floats,
    sign: Any,
    terms: int,
    in_height: Floats,
    odd: NDArray[np.int64],
    out: Floats,
) -> None:
    """out[channel][16]: V f_k(t), for odd terms V f_k(t) / i, conjugated where sign is -1."""
    for k in range(terms):
        for c in range(re.size):
            t = height[c]
            x = float32(2) * t * t - float32(1)
            f = in_height[k, in_height.shape[1] - 1]
            for i in range(in_height.shape[1] - 2, -1, -1):
                f = f * x + in_height[k, i]
            if odd[k]:
                f *= t
                out[16 * c + 2 * k] = im[c] * f
                out[16 * c + 2 * k + 1] = -re[c] * f * sign
            else:
                out[16 * c + 2 * k] = re[c] * f
                out[16 * c + 2 * k + 1] = im[c] * f * sign


@cache
def gridder(terms: int) -> Any:
    """The function that grids `terms` terms, a number known when it is compiled. One compilation for each."""

    @njit(**FAST)
    def grid(
        out: Floats, row_length: int, row0: int, column0: int,
        rows: NDArray[np.float64], frequency: NDArray[np.float64], visibility: NDArray[np.complex64],
        weights: Floats, in_height: Floats, odd: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Add visibility[row, channel] to the grid; rows[row] = (u, v in cells, phase in turns, t; all per Hz)."""
        channels = frequency.size
        u0, v0 = np.empty(channels, np.int32), np.empty(channels, np.int32)
        uz, vz = np.empty(channels, np.float32), np.empty(channels, np.float32)
        phase, height = np.empty(channels, np.float32), np.empty(channels, np.float32)
        re, im = np.empty(channels, np.float32), np.empty(channels, np.float32)
        values = np.zeros(channels * 16, np.float32)
        cells, down = np.empty(RUN * 16 * terms, np.float32), np.empty(RUN * 8, np.float32)
        zero, plus, minus = splat16(float32(0.0)), splat8(float32(1.0)), splat8(float32(-1.0))
        for r in range(rows.shape[0]):
            sign = -1.0 if rows[r, 1] < 0 else 1.0
            per_u, per_v, per_phase, per_height = sign * rows[r, 0], sign * rows[r, 1], rows[r, 2], rows[r, 3]
            for c in range(channels):
                f = frequency[c]
                u, v, p = per_u * f, per_v * f, per_phase * f
                fu, fv = math.floor(u), math.floor(v)
                u0[c], v0[c] = np.int32(fu), np.int32(fv)
                uz[c], vz[c] = float32(2 * (u - fu) - 1), float32(2 * (v - fv) - 1)
                phase[c] = float32(p - math.floor(p + 0.5))
                height[c] = float32(per_height * f)
            _turn(visibility[r], phase, sign, re, im)
            _times_terms(re, im, height, float32(sign), terms, in_height, odd, values)
            c = 0
            while c < channels:
                i, j, n = u0[c], v0[c], 0
                flip = minus if (i + j) & 1 else plus
                while c + n < channels and n < RUN and u0[c + n] == i and v0[c + n] == j:
                    z = join(splat8(vz[c + n]), splat8(uz[c + n]))
                    both = load16(weights, 0)
                    for d in range(1, DEGREE + 1):
                        both = fma(both, z, load16(weights, 16 * d))
                    store8(down, n * 8, first_half(both) * flip)
                    outer_store(both, load16(values, (c + n) * 16), terms, cells, n * 16 * terms)
                    n += 1
                corner = (j - SUPPORT // 2 + 1 + row0) * row_length + (i - SUPPORT // 2 + 1 + column0) * 2 * terms
                for row in range(0, SUPPORT, 4):  # four rows of a vector of cells and terms at a time
                    for k in range(terms):
                        at = corner + row * row_length + 16 * k
                        s0, s1, s2, s3 = zero, zero, zero, zero
                        for q in range(n):
                            cell, e = load16(cells, (q * terms + k) * 16), q * 8 + row
                            s0 = fma(spread16(down, e), cell, s0)
                            s1 = fma(spread16(down, e + 1), cell, s1)
                            s2 = fma(spread16(down, e + 2), cell, s2)
                            s3 = fma(spread16(down, e + 3), cell, s3)
                        store16(out, at, s0 + load16(out, at))
                        store16(out, at + row_length, s1 + load16(out, at + row_length))
                        store16(out, at + 2 * row_length, s2 + load16(out, at + 2 * row_length))
                        store16(out, at + 3 * row_length, s3 + load16(out, at + 3 * row_length))
                c += n

    return grid
