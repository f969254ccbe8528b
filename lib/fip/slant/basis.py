"""The screen exp(-i x t) of heights above the plane as a short sum of products, by singular values.

x in [-X, X] is where a pixel is, 2 pi D (q - q_centre) of D wavelengths, and t in [-1, 1] how high a baseline, d / D.
cos(x t) is even and sin(x t) odd in both, so that exp(-i x t) = sum_k (1 or -i) g_k(x) f_k(t) with real g and f: each
term makes a real image. The singular vectors are the shortest such sum (Eckart and Young 1936) in the mean square over
x and over the visibilities' power along t: most baselines are far lower than the highest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.slant.simd import Floats

_BINS = 32  # of |t|
_NODES = 24  # of x: exact for polynomials up to degree 47
_MOST = 10  # terms of one parity
_GAUSS = np.polynomial.legendre.leggauss(_NODES)


@dataclass(frozen=True)
class Basis:
    """sum_k f_k(t) g_k(x), the terms with odd[k] times -i."""

    odd: NDArray[np.int64]  # [term] 0 or 1
    in_height: Floats  # [term, power] of f_k: coefficients of t^(2 i + odd)
    in_q: Floats  # [term, power] of g_k: coefficients of x^(2 i + odd)

    @property
    def terms(self) -> int:
        """How many."""
        return len(self.odd)

    def screen(self, x: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.complex128]:
        """The sum at pairs of x and t, in double precision."""
        f, g = _evaluate(self.in_height, self.odd, t), _evaluate(self.in_q, self.odd, x)
        return np.asarray(np.where(self.odd == 1, -1j, 1) @ (f * g), np.complex128)


def make_basis(height: NDArray[np.float64], power: NDArray[np.float64], reach: float, tolerance: float) -> Basis:
    """Terms for baselines of these heights t (|t| <= 1) and power, x up to `reach`, to `tolerance` in the mean."""
    t = (np.arange(_BINS) + 0.5) / _BINS
    share = np.bincount(np.minimum(np.abs(height) * _BINS, _BINS - 1).astype(np.int64), power, _BINS)
    share = np.sqrt(share / share.sum() + 1e-9)
    x, weight = reach * (_GAUSS[0] + 1) / 2, np.sqrt(_GAUSS[1] / 2)
    found = []
    for parity, function in enumerate((np.cos, np.sin)):
        matrix = function(np.outer(x, t))
        left, values, _ = np.linalg.svd(weight[:, None] * matrix * share, full_matrices=False)
        for value, vector in zip(values[:_MOST], left.T, strict=False):
            g = vector / weight
            found.append((float(value), parity, g, weight * vector @ matrix))
    found.sort(key=lambda term: -term[0])
    left_out = np.sqrt(np.cumsum(np.array([term[0] ** 2 for term in found])[::-1])[::-1])
    kept = found[: max(1, int(np.searchsorted(-left_out, -tolerance)))]
    odd = np.array([term[1] for term in kept], np.int64)
    highest_g = max(np.abs(term[2]).max() for term in kept)
    highest_f = max(np.abs(term[3]).max() for term in kept)
    emphasis = np.sqrt(share**2 + 1e-4 / _BINS)
    in_height = _polynomials(t, [term[3] for term in kept], odd, emphasis, 1.0, 0.03 * tolerance / highest_g)
    in_q = _polynomials(x, [term[2] for term in kept], odd, weight, reach, 0.03 * tolerance / highest_f)
    return Basis(odd, in_height, in_q)


def _polynomials(
    at: NDArray[np.float64],
    values: list[NDArray[np.float64]],
    odd: NDArray[np.int64],
    weight: NDArray[np.float64],
    scale: float,
    tolerance: float,
) -> Floats:
    """[function, power] of polynomials of the given parity, as short as `tolerance` in the weighted mean allows."""
    for count in range(2, 11):
        out, worst = np.zeros((len(odd), count)), 0.0
        for parity in (0, 1):
            which = np.flatnonzero(odd == parity)
            if not len(which):
                continue
            exponents = 2 * np.arange(count) + parity
            matrix = (at[:, None] / scale) ** exponents * weight[:, None]
            target = np.stack([values[k] for k in which], 1) * weight[:, None]
            fit = np.linalg.lstsq(matrix, target, rcond=1e-14)[0]
            worst = max(worst, float(np.sqrt(((matrix @ fit - target) ** 2).sum(0).max())))
            out[which] = fit.T / scale**exponents
        if worst < tolerance:
            break
    return out.astype(np.float32)


def _evaluate(coefficients: Floats, odd: NDArray[np.int64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = 2 * np.arange(coefficients.shape[1]) + odd[:, None]
    values: NDArray[np.float64] = np.einsum("kp,kpa->ka", coefficients, at ** exponents[:, :, None])
    return values
