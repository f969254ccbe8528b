"""Gridding: visibilities, times K functions of their height above the plane, onto half a uv plane.

The grid is flat: [v][u][term][re, im], K terms of a cell side by side. Images of terms are real, so their transforms
are Hermitian and a visibility with v < 0 is gridded as its conjugate at (-u, -v).

The gridding kernel has the form of Barnett et al. (2019, SIAM J. Sci. Comput. 41, C479) with the exponent of Arras et
al. (2021, A&A 646, A58), over W cells. Its two numbers are a scheme's: they minimise the rms aliasing over the image.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.polynomial import Chebyshev, Polynomial, legendre
from numpy.typing import NDArray

from fip.imaging.slant.scheme import Scheme
from fip.imaging.slant.simd import (
    FAST,
    Floats,
    aligned,
    first_half,
    fma,
    join,
    load,
    make_even_polynomial,
    outer_store,
    splat,
    spread,
    store,
)  # fmt: skip

RUN = 64  # channels in one cell that are summed before they go to the grid


def kernel_function(scheme: Scheme, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gridding kernel at x in [-1, 1] of half its support."""
    inside = np.maximum(1 - x * x, 0)
    exponent = scheme.sharpness * scheme.support * (inside**scheme.power - 1)
    return np.where(np.abs(x) < 1, np.exp(exponent), 0.0)


@cache
def kernel_polynomials(scheme: Scheme) -> Floats:
    """Return coefficients [degree + 1, 2 W], highest first, in z = 2 fraction - 1: the W weights along v, then along u.

    The weights alternate in sign, as do those of neighbouring cells: the image's centre becomes the middle point.
    """
    return _polynomials(scheme, np.where(np.arange(scheme.support) % 2, -1.0, 1.0))


@cache
def tap_polynomials(scheme: Scheme) -> Floats:
    """Return the same without alternating signs: it interpolates between samples of an image."""
    return _polynomials(scheme, np.ones(scheme.support))


def _polynomials(scheme: Scheme, sign: NDArray[np.float64]) -> Floats:
    count, support = scheme.degree + 1, scheme.support
    z = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    at = (np.arange(support) - support / 2 + 1 - (z[:, None] + 1) / 2) * 2 / support
    weights = np.linalg.solve(np.vander(z, count), kernel_function(scheme, at) * sign)
    both = aligned(count * 2 * support, scheme.precision)
    both[:] = np.concatenate([weights, weights], axis=1).ravel()
    return both


@cache
def correction_polynomial(scheme: Scheme) -> Floats:
    """Fit 1 / (transform of the kernel) at |y| <= edge, y = pixel / transform: coefficients in y^2, lowest first."""
    support, (nodes, weights) = scheme.support, legendre.leggauss(100)
    furthest = scheme.edge * 1.01
    y = furthest * np.cos(np.pi * (np.arange(200) + 0.5) / 400)
    kernel = weights * kernel_function(scheme, nodes)
    transform = support / 2 * (np.cos(np.pi * support * np.outer(y, nodes)) @ kernel)
    for degree in range(4, 20):
        fit = Chebyshev.fit(y * y, 1 / transform, degree, domain=[0, furthest**2], w=transform)
        if np.abs(fit(y * y) * transform - 1).max() < scheme.fit:
            break
    coefficients: Floats = fit.convert(kind=Polynomial).coef.astype(scheme.precision)
    return coefficients


def _turn_polynomials(terms: int) -> tuple[list[float], list[float]]:
    """sin(2 pi p) / p and cos(2 pi p) as polynomials in p^2 for |p| <= 1/2."""
    p = 0.5 * np.cos(np.pi * (np.arange(60) + 0.5) / 120)
    found = []
    for values in (np.sin(2 * np.pi * p) / p, np.cos(2 * np.pi * p)):
        fit = Chebyshev.fit(p * p, values, terms - 1, domain=[0, 0.25])
        found.append([float(each) for each in fit.convert(kind=Polynomial).coef])
    return found[0], found[1]


# Good to the rounding of each precision.
(_sine_single, _cosine_single), (_sine_double, _cosine_double) = _turn_polynomials(7), _turn_polynomials(12)
sine_by_turns = make_even_polynomial(_sine_single, _sine_double)
cosine_of_turns = make_even_polynomial(_cosine_single, _cosine_double)


@njit(**FAST)
def _turn(vis: NDArray[np.complexfloating], phase: Floats, re: Floats, im: Floats) -> None:
    """re + i im = vis exp(2 pi i phase), |phase| <= 1/2. LLVM makes vectors of this loop by itself."""
    for c in range(vis.size):
        p = phase[c]
        sine, cosine = sine_by_turns(p * p) * p, cosine_of_turns(p * p)
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
    width: int,
) -> None:
    """out[channel][width]: V f_k(t), for odd terms V f_k(t) / i, conjugated if sign is -1."""
    one, two = re.dtype.type(1), re.dtype.type(2)
    for k in range(terms):
        for c in range(re.size):
            t = height[c]
            x = two * t * t - one
            f = in_height[k, in_height.shape[1] - 1]
            for i in range(in_height.shape[1] - 2, -1, -1):
                f = f * x + in_height[k, i]
            if odd[k]:
                f *= t
                out[width * c + 2 * k] = im[c] * f
                out[width * c + 2 * k + 1] = -re[c] * f * sign
            else:
                out[width * c + 2 * k] = re[c] * f
                out[width * c + 2 * k + 1] = im[c] * f * sign


@cache
def gridder(terms: int, support: int, degree: int) -> Any:
    """Make the function that grids so many terms by a kernel of so many cells and polynomials of this degree.

    All three are known when it is compiled.
    """
    both_lanes, width = 2 * support, 16 if terms <= 8 else 32
    vectors = support * 2 * terms // 16  # of a row of cells

    @njit(**FAST)
    def grid(
        out: Floats, row_length: int, row0: int, column0: int,
        rows: NDArray[np.float64], frequency: NDArray[np.float64], visibility: NDArray[np.complexfloating],
        weights: Floats, in_height: Floats, odd: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Add visibility[row, channel] to the grid; rows[row] = (u, v in cells, phase in turns, t; all per Hz)."""
        channels, precision = frequency.size, weights.dtype
        u0, v0 = np.empty(channels, np.int32), np.empty(channels, np.int32)
        uz, vz = np.empty(channels, precision), np.empty(channels, precision)
        phase, height = np.empty(channels, precision), np.empty(channels, precision)
        re, im = np.empty(channels, precision), np.empty(channels, precision)
        values = np.zeros(channels * width, precision)
        cells, down = np.empty(RUN * 16 * vectors, precision), np.empty(RUN * support, precision)
        zero = splat(out, 0, 16)
        plus, minus = splat(out, 1, support), splat(out, -1, support)
        for r in range(rows.shape[0]):
            sign = -1.0 if rows[r, 1] < 0 else 1.0
            per_u, per_v, per_phase, per_height = sign * rows[r, 0], sign * rows[r, 1], rows[r, 2], rows[r, 3]
            for c in range(channels):
                f = frequency[c]
                u, v, p = per_u * f, per_v * f, per_phase * f
                fu, fv = math.floor(u), math.floor(v)
                u0[c], v0[c] = np.int32(fu), np.int32(fv)
                uz[c], vz[c] = 2 * (u - fu) - 1, 2 * (v - fv) - 1
                phase[c] = p - math.floor(p + 0.5)
                height[c] = per_height * f
            _turn(visibility[r], phase, re, im)
            _times_terms(re, im, height, precision.type(sign), terms, in_height, odd, values, width)
            c = 0
            while c < channels:
                i, j, n = u0[c], v0[c], 0
                flip = minus if (i + j) & 1 else plus
                while c + n < channels and n < RUN and u0[c + n] == i and v0[c + n] == j:
                    z = join(splat(out, vz[c + n], support), splat(out, uz[c + n], support))
                    both = load(weights, 0, both_lanes)
                    for d in range(1, degree + 1):
                        both = fma(both, z, load(weights, d * both_lanes, both_lanes))
                    store(down, n * support, first_half(both) * flip)
                    outer_store(both, values, (c + n) * width, terms, cells, n * 16 * vectors)
                    n += 1
                corner = (j - support // 2 + 1 + row0) * row_length + (i - support // 2 + 1 + column0) * 2 * terms
                for row in range(0, support, 4):  # four rows of a vector of cells and terms at a time
                    for k in range(vectors):
                        at = corner + row * row_length + 16 * k
                        s0, s1, s2, s3 = zero, zero, zero, zero
                        for q in range(n):
                            cell, e = load(cells, (q * vectors + k) * 16, 16), q * support + row
                            s0 = fma(spread(down, e, 16), cell, s0)
                            s1 = fma(spread(down, e + 1, 16), cell, s1)
                            s2 = fma(spread(down, e + 2, 16), cell, s2)
                            s3 = fma(spread(down, e + 3, 16), cell, s3)
                        store(out, at, s0 + load(out, at, 16))
                        store(out, at + row_length, s1 + load(out, at + row_length, 16))
                        store(out, at + 2 * row_length, s2 + load(out, at + 2 * row_length, 16))
                        store(out, at + 3 * row_length, s3 + load(out, at + 3 * row_length, 16))
                c += n

    return grid
