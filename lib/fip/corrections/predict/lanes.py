"""The compiled part: phases of antennas, and sums over components by rows, in loops that LLVM turns into vectors.

Positions and phases are in double precision until whole turns are taken off; the rest has the precision of the sums.
`plain.py` has the same two functions in numpy, for processes that may not make machine code.
"""

import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from fip.imaging.slant.grid import cosine_of_turns, sine_by_turns
from fip.imaging.slant.scheme import Precision
from fip.imaging.slant.simd import FAST, Floats, make_even_polynomial

from numba import njit  # isort: skip  # after simd.py has set its cache
from numba.extending import intrinsic  # isort: skip

LANES = 64  # rows at once
_LEAST_POWER = -100.0  # of two: below it a Gaussian counts as 0


def _exp2_polynomial(terms: int) -> list[float]:
    """Return 2^p as a polynomial in p for |p| <= 1/2, lowest power first."""
    p = 0.5 * np.cos(np.pi * (np.arange(60) + 0.5) / 60)
    fit = Chebyshev.fit(p, np.exp2(p), terms - 1, domain=[-0.5, 0.5]).convert(kind=Polynomial)
    return [float(each) for each in fit.coef]


_exp2 = make_even_polynomial(_exp2_polynomial(7), _exp2_polynomial(13))


@intrinsic
def _power_of_two(typing: Any, k: Any) -> Any:
    """Return 2^k of a float that is a whole number, from its bits."""
    bits, mantissa, bias = (32, 23, 127) if k.bitwidth == 32 else (64, 52, 1023)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = ir.IntType(bits)
        exponent = builder.add(builder.fptosi(args[0], whole), whole(bias))
        return builder.bitcast(builder.shl(exponent, whole(mantissa)), args[0].type)

    return k(k), code


@njit(**FAST)
def fill_phases(delay: NDArray[np.float64], frequency: float, amplitude: Floats, out: Floats) -> None:
    """out[0, antenna] = amplitude[component] cos, out[1, antenna] = amplitude sin of 2 pi delay frequency.

    delay[antenna, component] in s; out[2, antenna, component].
    """
    antennas, components = delay.shape
    phase = np.empty(components, out.dtype)
    for a in range(antennas):
        row, re, im = delay[a], out[0, a], out[1, a]
        for c in range(components):
            turns = row[c] * frequency
            phase[c] = turns - np.rint(turns)
        for c in range(components):
            p = phase[c]
            square = p * p
            re[c] = cosine_of_turns(square) * amplitude[c]
            im[c] = sine_by_turns(square) * p * amplitude[c]


@njit(**FAST)
def add_rows(
    baseline: NDArray[np.float64], moved: NDArray[np.float64], rest: NDArray[np.float64],
    tracked: NDArray[np.float64], major: NDArray[np.float64], minor: NDArray[np.float64],
    frequency: NDArray[np.float64], width: NDArray[np.float64], flux: Floats,
    extended: bool, smeared: bool, out: Floats,
) -> None:  # fmt: skip
    """Add flux[component, node, stokes] of components to out[row, node, stokes, re or im].

    baseline[3, row] is in m, and moved[3, row] is how much it turns in an integration. rest, tracked, major and minor
    [component, 3] s/m multiply them. rest gives the delay from the phase centre, tracked the delay from the centre that
    was tracked, major and minor for Gaussians the x of exp(-f^2 x^2) along either axis. width[node] Hz, of a channel.
    """
    rows, nodes, planes = baseline.shape[1], frequency.size, flux.shape[2]
    one = out.dtype.type(1)
    delay, across, turning = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    fall, alike = np.empty(LANES), bool((width == width[0]).all())
    phase, weight, steady = np.empty(LANES, out.dtype), np.empty(LANES, out.dtype), np.ones(LANES, out.dtype)
    total = np.empty((nodes, planes, 2, LANES), out.dtype)
    u, v, w = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    du, dv, dw = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(0, rows, LANES):
        many = min(LANES, rows - first)
        for x in range(LANES):
            r = first + min(x, many - 1)
            u[x], v[x], w[x] = baseline[0, r], baseline[1, r], baseline[2, r]
            du[x], dv[x], dw[x] = moved[0, r], moved[1, r], moved[2, r]
        total[:] = 0
        for c in range(rest.shape[0]):
            l, m, n = rest[c, 0], rest[c, 1], rest[c, 2]  # noqa: E741
            for x in range(LANES):
                delay[x] = u[x] * l + v[x] * m + w[x] * n
            if smeared:
                l, m, n = tracked[c, 0], tracked[c, 1], tracked[c, 2]  # noqa: E741
                for x in range(LANES):
                    across[x] = u[x] * l + v[x] * m + w[x] * n
                    turning[x] = du[x] * l + dv[x] * m + dw[x] * n
                if alike:
                    for x in range(LANES):
                        steady[x] = one
                    _smear(across, width[0], steady)
            if extended:
                for x in range(LANES):
                    along = u[x] * major[c, 0] + v[x] * major[c, 1] + w[x] * major[c, 2]
                    other = u[x] * minor[c, 0] + v[x] * minor[c, 1] + w[x] * minor[c, 2]
                    fall[x] = -(along * along + other * other) * 1.4426950408889634
            for k in range(nodes):
                f = frequency[k]
                for x in range(LANES):
                    turns = delay[x] * f
                    phase[x] = turns - np.rint(turns)
                if extended or smeared:
                    for x in range(LANES):
                        weight[x] = steady[x]
                if extended:
                    _fade(fall, f * f, weight)
                if smeared:
                    _smear(turning, f, weight)
                    if not alike:
                        _smear(across, width[k], weight)
                for s in range(planes):
                    jansky = flux[c, k, s]
                    re, im = total[k, s, 0], total[k, s, 1]
                    if extended or smeared:
                        for x in range(LANES):
                            p = phase[x]
                            square = p * p
                            much = jansky * weight[x]
                            re[x] += cosine_of_turns(square) * much
                            im[x] += sine_by_turns(square) * p * much
                    else:
                        for x in range(LANES):
                            p = phase[x]
                            square = p * p
                            re[x] += cosine_of_turns(square) * jansky
                            im[x] += sine_by_turns(square) * p * jansky
        for x in range(many):
            for k in range(nodes):
                for s in range(planes):
                    out[first + x, k, s, 0] += total[k, s, 0, x]
                    out[first + x, k, s, 1] += total[k, s, 1, x]


@njit(**FAST)
def _fade(fall: NDArray[np.float64], square: float, weight: Floats) -> None:
    """Fade by a Gaussian: weight *= 2^(fall square)"""
    least = weight.dtype.type(_LEAST_POWER)
    for x in range(LANES):
        z = max(weight.dtype.type(fall[x] * square), least)
        k = np.rint(z)
        weight[x] *= _exp2(z - k) * _power_of_two(k)


@njit(**FAST)
def _smear(per: NDArray[np.float64], times: float, weight: Floats) -> None:
    """weight *= sin(pi y) / (pi y), y = per x times"""
    tiny, per_turn = 1e-30, weight.dtype.type(1 / (2 * math.pi))
    for x in range(LANES):
        half = 0.5 * per[x] * times
        left = half - np.rint(half)
        p = weight.dtype.type(left)
        weight[x] *= sine_by_turns(p * p) * per_turn * weight.dtype.type((left + tiny) / (half + tiny))


def warm_up_lanes(precisions: Iterable[Precision]) -> float:
    """Compile both for these, if they are not in the cache; return the seconds that it took."""
    begun = time.perf_counter()
    for precision in precisions:
        one, vector, ones = np.ones(1), np.ones((1, 3)), np.ones((1, 1, 1), precision)
        fill_phases(np.ones((1, 1)), 1.0, ones[0, 0], np.empty((2, 1, 1), precision))
        out = np.zeros((1, 1, 1, 2), precision)
        add_rows(vector.T.copy(), vector.T.copy(), *[vector] * 4, one, one, ones, True, True, out)
    return time.perf_counter() - begun
