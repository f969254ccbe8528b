"""The screen exp(-i x t) of heights above the plane as a short sum of products, by singular values.

x = X y, y in [-1, 1], is the place of a pixel, 2 pi D (q - q_centre) of D wavelengths, and t in [-1, 1] is the height
of a baseline, d / D. cos(x t) is even and sin(x t) odd in both, so that exp(-i X y t) = sum_k (1 or -i) g_k(y) f_k(t)
with real g and f: each term makes a real image. The singular vectors are the shortest such sum (Eckart and Young 1936)
in the mean square over y and over the visibilities' power along t: most baselines are far lower than the highest.

To find them takes longer than all other decisions about a slice. So they are taken from a ladder. A rung is the next of
a few X per octave, with a distribution of power along t that has the next of a few spreads. A rung is a function of
constants, and it is kept. A slice has its own X, which stretches t to that of the rung, and its own moments of power.
These give the weight of each term of the rung here, and so how many terms are left out. Their number is right for any
distribution, and it is that of the shortest sum unless the distribution is strange.

All functions are polynomials in 2 y^2 - 1, times y if they are odd. In powers of y itself the coefficients of cos(X y)
add up to cosh(X): at X = 6 that costs single precision a factor of 200. Centred as here, they add up to 5.
"""

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numba import njit
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

from fip.imaging.slant.scheme import Precision
from fip.imaging.slant.simd import FAST, Floats

_NODES = 24  # in y, and in t
_MOST = 18  # terms of one parity, and coefficients of one function
_GAUSS = np.polynomial.legendre.leggauss(_NODES)
_AT, _WEIGHT = (_GAUSS[0] + 1) / 2, np.sqrt(_GAUSS[1] / 2)
_TO_CHEBYSHEV = np.linalg.inv(chebvander(2 * _AT - 1, _NODES - 1)).T
_ELSEWHERE = 1e-9  # of the power is taken to be evenly over t, so that nothing is wild at heights without baselines
_EVENLY = chebvander(np.linspace(-1, 1, 2 * _NODES), 2 * _NODES - 2).mean(axis=0)
_DEGREE = np.arange(_NODES)
_SUM, _DIFFERENCE = np.add.outer(_DEGREE, _DEGREE), np.abs(np.subtract.outer(_DEGREE, _DEGREE))
_REACHES, _SPREADS = 4, 2  # rungs an octave
_SHAPE = (0.75, 1.5), (0.25, 0.5)
"""Shares of the power of a rung, and how much steeper they fall than the one law of its spread. Of 461 plans of all
precisions that were drawn at random, this one has 9 that need a term more than their own singular vectors would."""
_LEAST_REACH, _LEAST_SPREAD = 2.0**-20, 2.0**-7
_RUNGS_KEPT = 256  # of 40 kB


@dataclass(frozen=True)
class Basis:
    """sum_k f_k(stretch t) g_k(y), the terms with odd[k] times -i."""

    odd: NDArray[np.int64]  # [term] 0 or 1
    in_height: Floats  # [term, power] of f_k: coefficients of t^odd (2 t^2 - 1)^i
    in_q: Floats  # [term, power] of g_k: coefficients of y^odd (2 y^2 - 1)^i
    stretch: float  # at most 1: X over the X of the rung

    @property
    def terms(self) -> int:
        """The number of terms of the sum."""
        return len(self.odd)

    def screen(self, y: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the sum at pairs of y and t, in double precision."""
        out = np.empty(t.size, np.complex128)
        screen(y, self.stretch * t, self.in_q, self.in_height, self.odd, out)
        return out


@dataclass(frozen=True)
class _Rung:
    """All terms of an X and a spread, the largest first."""

    odd: NDArray[np.int64]  # [term]
    in_q: NDArray[np.float64]  # [term, node] g_k
    in_height: NDArray[np.float64]  # [term, node] f_k
    chebyshev: NDArray[np.float64]  # [term, degree] f_k in polynomials of 2 |t| - 1


def make_basis(
    height: NDArray[np.float64],
    power: NDArray[np.float64],
    reach: float,
    tolerance: float,
    precision: Precision = "float32",
) -> Basis:
    """Make terms for baselines of these heights t (|t| <= 1) and power, |x| <= `reach`, to `tolerance` in the mean."""
    reach_rung, rung_reach = _rung_above(reach, _LEAST_REACH, _REACHES)
    stretch, share = reach / rung_reach, power / power.sum()
    at = stretch * np.abs(height)
    spread_rung, _ = _rung_above(math.sqrt(share @ (at * at)), _LEAST_SPREAD, _SPREADS)
    moments = _moments(2 * at - 1, share, _NODES) + _ELSEWHERE * _EVENLY
    # T_i T_j is half of T_(i + j) + T_|i - j|, and so are their means; g_k is of size 1 in the mean over y.
    means = (moments[_SUM] + moments[_DIFFERENCE]) / 2
    chebyshev = _rung(reach_rung, spread_rung).chebyshev
    squares = np.maximum(((chebyshev @ means) * chebyshev).sum(axis=1), 0)
    left_out = np.sqrt(np.cumsum(squares[::-1]))
    count = max(1, len(squares) - int(np.searchsorted(left_out, tolerance, side="right")))
    return Basis(*_first_terms(reach_rung, spread_rung, count, tolerance, precision), stretch)


def _rung_above(value: float, least: float, an_octave: int) -> tuple[int, float]:
    """Return the number of the lowest rung that is not below the value, and the value of that rung."""
    number = math.ceil(an_octave * math.log2(max(value, least)) - 1e-9)
    return number, max(2.0 ** (number / an_octave), value)


@lru_cache(maxsize=_RUNGS_KEPT)
def _rung(reach: int, spread: int) -> _Rung:
    """Find singular vectors for power along t of that spread: most of it in a core, and a little of it even."""
    p = max(0.0, (2.0 ** (-2 * spread / _SPREADS) - 3) / 2)  # (1 - t^2)^p has that spread
    power = _ELSEWHERE * _WEIGHT**2
    for share, steepness in _SHAPE:
        part = (1 - _AT * _AT) ** (steepness * p) * _WEIGHT**2
        power += share * part / part.sum()
    mean = np.sqrt(power)
    found: list[tuple[float, int, NDArray[np.float64], NDArray[np.float64]]] = []
    for parity, function in enumerate((np.cos, np.sin)):
        matrix = _WEIGHT[:, None] * function(2.0 ** (reach / _REACHES) * np.outer(_AT, _AT))
        left, values, _ = np.linalg.svd(matrix * mean, full_matrices=False)
        vectors = left.T[:_MOST]
        found += zip(values.tolist(), [parity] * _MOST, vectors / _WEIGHT, vectors @ matrix, strict=False)
    found.sort(key=lambda term: -term[0])
    _, odd, in_q, in_height = (np.array(each) for each in zip(*found, strict=True))
    return _Rung(odd, in_q, in_height, in_height @ _TO_CHEBYSHEV)


@lru_cache(maxsize=_RUNGS_KEPT)
def _first_terms(
    reach: int, spread: int, count: int, tolerance: float, precision: Precision
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return `count` terms of a rung, as `Basis.odd`, `in_height` and `in_q`."""
    rung = _rung(reach, spread)
    odd, g, f = rung.odd[:count], rung.in_q[:count], rung.in_height[:count]
    in_height = _polynomials(f, odd, 0.03 * tolerance / np.abs(g).max(axis=1))
    in_q = _polynomials(g, odd, 0.03 * tolerance / np.abs(f).max(axis=1))
    return odd, in_height.astype(precision), in_q.astype(precision)


@njit(**FAST)
def _moments(at: NDArray[np.float64], share: NDArray[np.float64], nodes: int) -> NDArray[np.float64]:
    """Sum share T_k(at) for k up to twice the last degree n; beyond n, T_(n + k) is 2 T_n T_k - T_(n - k)."""
    n = nodes - 1
    values, moments = np.ones((nodes, at.size)), np.empty(2 * n + 1)
    for k in range(nodes):
        total = 0.0
        for b in range(at.size):
            if k == 1:
                values[1, b] = at[b]
            elif k > 1:
                values[k, b] = 2 * at[b] * values[k - 1, b] - values[k - 2, b]
            total += share[b] * values[k, b]
        moments[k] = total
    for k in range(1, nodes):
        total = 0.0
        for b in range(at.size):
            total += share[b] * values[n, b] * values[k, b]
        moments[n + k] = 2 * total - moments[n - k]
    return moments


def _polynomials(
    values: NDArray[np.float64], odd: NDArray[np.int64], tolerance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fit polynomials [function, power] of the given parity to values [function, node], as short as `tolerance` allows.

    `tolerance` [function] is the largest error of each.
    """
    for count in range(2, _MOST + 1):
        out, worst = np.zeros((len(odd), count)), 0.0
        for parity in (0, 1):
            which = odd == parity
            if which.any():
                through, inverse, to_powers = _fit(parity, count)
                found = values[which] @ inverse
                out[which] = found @ to_powers
                off = np.abs(found @ through - values[which]).max(axis=1) / tolerance[which]
                worst = max(worst, float(off.max()))
        if worst < 1:
            break
    return out


@cache
def _fit(parity: int, count: int) -> tuple[NDArray[np.float64], ...]:
    """Return `count` Chebyshev polynomials at the nodes, their inverse in least squares, and their powers."""
    at = _AT**parity
    through = np.polynomial.chebyshev.chebvander(2 * _AT * _AT - 1, count - 1).T * at
    to_powers = np.zeros((count, count))
    for row, one in zip(to_powers, np.eye(count), strict=True):
        powers = np.polynomial.chebyshev.cheb2poly(one)
        row[: len(powers)] = powers
    return through, np.asarray(np.linalg.pinv(through), np.float64), to_powers


@njit(**FAST)
def screen(
    y: NDArray[np.float64],
    t: NDArray[np.float64],
    in_q: Floats,
    in_height: Floats,
    odd: NDArray[np.int64],
    out: NDArray[np.complex128],
) -> None:
    """Sum the terms at pairs of y and the stretched t, in double precision."""
    for i in range(y.size):
        re, im = 0.0, 0.0
        for k in range(odd.size):
            product = _value(in_q, k, odd[k], y[i]) * _value(in_height, k, odd[k], t[i])
            if odd[k]:
                im -= product
            else:
                re += product
        out[i] = complex(re, im)


@njit(**FAST)
def _value(coefficients: Floats, k: int, odd: int, at: float) -> float:
    square, value = 2 * at * at - 1, 0.0
    for power in range(coefficients.shape[1] - 1, -1, -1):
        value = value * square + coefficients[k, power]
    return value * at if odd else value
