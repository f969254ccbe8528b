"""The screen exp(-i x t) of heights above the plane as a short sum of products, by singular values.

x = X y, y in [-1, 1], is where a pixel is, 2 pi D (q - q_centre) of D wavelengths, and t in [-1, 1] how high a
baseline, d / D. cos(x t) is even and sin(x t) odd in both, so that exp(-i X y t) = sum_k (1 or -i) g_k(y) f_k(t) with
real g and f: each term makes a real image. The singular vectors are the shortest such sum (Eckart and Young 1936) in
the mean square over y and over the visibilities' power along t: most baselines are far lower than the highest. Both
means are those of polynomials through nodes in y and in |t|, which these functions are to the last digit.

All functions are polynomials in 2 y^2 - 1, times y where they are odd. In powers of y itself the coefficients of
cos(X y) add up to cosh(X), which at X = 6 costs single precision a factor of 200; centred, to 5.
"""

from dataclasses import dataclass
from functools import cache

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
_FROM_CHEBYSHEV = np.linalg.inv(chebvander(2 * _AT - 1, _NODES - 1))
_ELSEWHERE = 1e-9  # of the power is taken to be spread evenly over t, so that nothing is wild where no baseline is
_EVENLY = chebvander(np.linspace(-1, 1, 2 * _NODES), 2 * _NODES - 2).mean(axis=0)
_DEGREE = np.arange(_NODES)
_SUM, _DIFFERENCE = np.add.outer(_DEGREE, _DEGREE), np.abs(np.subtract.outer(_DEGREE, _DEGREE))


@dataclass(frozen=True)
class Basis:
    """sum_k f_k(t) g_k(x), the terms with odd[k] times -i."""

    odd: NDArray[np.int64]  # [term] 0 or 1
    in_height: Floats  # [term, power] of f_k: coefficients of t^odd (2 t^2 - 1)^i
    in_q: Floats  # [term, power] of g_k: coefficients of y^odd (2 y^2 - 1)^i

    @property
    def terms(self) -> int:
        """How many."""
        return len(self.odd)

    def screen(self, y: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.complex128]:
        """The sum at pairs of y and t, in double precision."""
        f, g = _evaluate(self.in_height, self.odd, t), _evaluate(self.in_q, self.odd, y)
        return np.asarray(np.where(self.odd == 1, -1j, 1) @ (f * g), np.complex128)


def make_basis(
    height: NDArray[np.float64],
    power: NDArray[np.float64],
    reach: float,
    tolerance: float,
    precision: Precision = "float32",
) -> Basis:
    """Terms for baselines of these heights t (|t| <= 1) and power, |x| up to `reach`, to `tolerance` in the mean."""
    moments = _moments(2 * np.abs(height) - 1, power / power.sum(), _NODES) + _ELSEWHERE * _EVENLY
    # |f(_AT) @ mean|^2 is the mean of f(|height|)^2, weighted with the power. T_i T_j is half of T_(i + j) + T_|i - j|,
    # and so are their means.
    mean = _FROM_CHEBYSHEV.T @ np.linalg.cholesky((moments[_SUM] + moments[_DIFFERENCE]) / 2)
    found: list[tuple[float, int, NDArray[np.float64], NDArray[np.float64]]] = []
    for parity, function in enumerate((np.cos, np.sin)):
        matrix = _WEIGHT[:, None] * function(reach * np.outer(_AT, _AT))
        left, values, _ = np.linalg.svd(matrix @ mean, full_matrices=False)
        vectors = left.T[:_MOST]
        found += zip(values.tolist(), [parity] * _MOST, vectors / _WEIGHT, vectors @ matrix, strict=False)
    found.sort(key=lambda term: -term[0])
    left_out = np.sqrt(np.cumsum([term[0] ** 2 for term in reversed(found)]))
    kept = found[: max(1, len(found) - int(np.searchsorted(left_out, tolerance, side="right")))]
    odd = np.array([term[1] for term in kept], np.int64)
    g, f = np.array([term[2] for term in kept]), np.array([term[3] for term in kept])
    in_height = _polynomials(f, odd, 0.03 * tolerance / np.abs(g).max(axis=1))
    in_q = _polynomials(g, odd, 0.03 * tolerance / np.abs(f).max(axis=1))
    return Basis(odd, in_height.astype(precision), in_q.astype(precision))


@njit(**FAST)
def _moments(at: NDArray[np.float64], share: NDArray[np.float64], nodes: int) -> NDArray[np.float64]:
    """The sum of share T_k(at) for k up to twice the last degree n; beyond n, T_(n + k) is 2 T_n T_k - T_(n - k)."""
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
    """[function, power] of polynomials of the given parity through values [function, node], as short as that allows.

    `tolerance` [function] is what each may be off.
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
    """So many Chebyshev polynomials at the nodes, their inverse in least squares, and what they are in powers."""
    at = _AT**parity
    through = np.polynomial.chebyshev.chebvander(2 * _AT * _AT - 1, count - 1).T * at
    to_powers = np.zeros((count, count))
    for row, one in zip(to_powers, np.eye(count), strict=True):
        powers = np.polynomial.chebyshev.cheb2poly(one)
        row[: len(powers)] = powers
    return through, np.asarray(np.linalg.pinv(through), np.float64), to_powers


def _evaluate(coefficients: Floats, odd: NDArray[np.int64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    square, values = 2 * at * at - 1, np.zeros((len(odd), at.size))
    for power in coefficients.T[::-1]:
        values *= square
        values += power[:, None]
    values[odd == 1] *= at
    return values
