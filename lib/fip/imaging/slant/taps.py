"""Tables of taps: the weights of samples that make the value of a line anywhere between them.

Taps reproduce exp(2 pi i nu j) for |nu| <= band / 2 cycles a sample by least squares. A table has taps at some places
of a sample, its nodes, as polynomials in the distance from the node, so that 16 lanes may share a node. The polynomials
are fitted by least squares over the distances in reach. So they reach half as far again as Taylor's, whose error is all
at the ends. High powers are small, so that fewer taps make them as accurate as the lowest: the outer taps lack them.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from fip.imaging.slant.scheme import ORDERS, Scheme
from fip.imaging.slant.simd import Floats, aligned

MOST_POWERS = ORDERS[-1] + 1
FEWER = 0.25
"""The error that a power may have by its fewer taps, rms over the band: a fraction of the scheme's step."""


class Taps(NamedTuple):
    """Tables of each order in ORDERS, one after the other. The taps of a node come by fours, see `_by_fours`."""

    width: int
    table: Floats  # of each order [node][tap, power]
    starts: tuple[int, ...]  # of each order, the index at which it begins
    sizes: tuple[int, ...]  # of each order, floats of a node
    fours: NDArray[np.int64]  # [order][MOST_POWERS], flat: how many fours have one power, two, and so on
    log_nodes: tuple[int, ...]  # of each order, log2 of the nodes in a sample
    reach: tuple[float, ...]  # of each order, samples: the largest rest for which it is accurate; -1 if it is not used
    steepest: float  # samples: lanes further from their mean are shifted


@cache
def make_taps(scheme: Scheme) -> Taps:
    """Make the taps of a scheme."""
    nodes = [scheme.nodes.get(order, 0) for order in ORDERS]
    tables = [_table(scheme, order, count) for order, count in zip(ORDERS, nodes, strict=True)]
    starts = np.cumsum([0, *(table.size for table, _ in tables)])
    joined = aligned(int(starts[-1]), scheme.precision)
    joined[:] = np.concatenate([table.ravel() for table, _ in tables])
    reach = tuple(
        _farthest(scheme, order) - 0.5 / count if count else -1.0 for order, count in zip(ORDERS, nodes, strict=True)
    )
    return Taps(
        scheme.taps, joined, tuple(map(int, starts[:-1])), tuple(table.shape[1] for table, _ in tables),
        np.concatenate([fours for _, fours in tables]), tuple(max(count, 1).bit_length() - 1 for count in nodes),
        reach, max(reach),
    )  # fmt: skip


def taps_at(scheme: Scheme, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights [place, tap] for these places, in samples from that of tap `taps / 2 - 1`."""
    fit = _fit(scheme.band, scheme.taps)
    return fit.of(_waves(fit.frequency, places))[0]


def _farthest(scheme: Scheme, order: int) -> float:
    """Return the largest distance from a node, in samples, to which a polynomial of this order is within the step.

    With n = order + 1, it lacks x^n / n! times the Legendre polynomial of degree n that z^n leads, in exp(i x z). The
    rms of that polynomial over |z| <= Z is Z^n 2^n n!^2 / ((2n)! sqrt(2n + 1)); x is pi band at the band's edge.
    """
    n = order + 1
    value = scheme.step * math.factorial(2 * n) * math.sqrt(2 * n + 1) / (2**n * math.factorial(n))
    return float(value ** (1 / n) / (math.pi * scheme.band))


def _table(scheme: Scheme, order: int, nodes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the table [node][tap, power], and a row of `Taps.fours`."""
    if nodes == 0:
        return np.zeros((0, 0)), np.zeros(MOST_POWERS, np.int64)
    farthest, width, widths = _farthest(scheme, order), 4, []
    frequency = _fit(scheme.band, scheme.taps).frequency
    waves, factors = _waves(frequency, np.arange(nodes) / nodes), _legendre_series(frequency * farthest, order)
    of_degree = np.zeros((order + 1, nodes, scheme.taps))
    for degree in range(order, -1, -1):  # a power has no fewer taps than the next
        target, most = factors[degree][:, None] * waves, FEWER * scheme.step * math.sqrt(2 * degree + 1)
        if degree == 0:
            width = scheme.taps
        found, error = _fit(scheme.band, width).of(target)
        while error > most and width < scheme.taps:
            width += 4
            found, error = _fit(scheme.band, width).of(target)
        widths.append(width)
        outer = (scheme.taps - width) // 2
        of_degree[degree, :, outer : scheme.taps - outer] = found
    to_powers = [np.pad(legendre.leg2poly(row), (0, order - degree)) for degree, row in enumerate(np.eye(order + 1))]
    table = np.einsum("dnt,dp->ntp", of_degree, to_powers) / farthest ** np.arange(order + 1)
    return _by_fours(table, widths[::-1])


def _by_fours(table: NDArray[np.float64], widths: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Order [node][tap][power] as the loops read it: [node][tap, power], and how many fours have one power, two, ...

    The first four are the two outermost taps of either side, those with the fewest powers; the last are in the middle.
    `widths`: of each power how many taps have it, multiples of 4 that do not ascend.
    """
    taps = table.shape[1]
    chosen = [
        (tap, power)
        for four in range(taps // 4)
        for tap in (2 * four, 2 * four + 1, taps - 2 - 2 * four, taps - 1 - 2 * four)
        for power, width in enumerate(widths)
        if taps - width <= 4 * four
    ]
    fours = np.zeros(MOST_POWERS, np.int64)
    fours[: len(widths)] = -np.diff([*widths, 0]) // 4
    return table[:, *np.transpose(chosen)], fours


def _legendre_series(frequency: NDArray[np.float64], order: int) -> NDArray[np.complex128]:
    """Return [degree, frequency]: the part of each Legendre polynomial of t in exp(2 pi i frequency t), |t| <= 1."""
    t, weight = legendre.leggauss(order + 13)
    values = (legendre.legvander(t, order) * weight[:, None]).T * (np.arange(order + 1)[:, None] + 0.5)
    series: NDArray[np.complex128] = values @ _waves(t, frequency)
    return series


def _waves(frequency: NDArray[np.floating], places: NDArray[np.floating]) -> NDArray[np.complex128]:
    waves: NDArray[np.complex128] = np.exp(2j * np.pi * np.outer(frequency, places))
    return waves


class _Fit(NamedTuple):
    """A fit of so many taps to the frequencies of a band, by singular values of the frequencies in the samples."""

    frequency: NDArray[np.float64]  # [frequency] cycles a sample
    left: NDArray[np.float64]  # [real part, then imaginary part, of each frequency][value]
    values: NDArray[np.float64]
    right: NDArray[np.float64]  # [value][tap]

    def of(self, target: NDArray[np.complex128]) -> tuple[NDArray[np.float64], float]:
        """Return taps [place, tap] for target[frequency, place]; and the largest error, rms over frequencies."""
        both = np.concatenate([target.real, target.imag])
        parts = self.left.T @ both
        off = both - self.left @ parts
        taps: NDArray[np.float64] = (self.right.T @ (parts / self.values[:, None])).T
        return taps, math.sqrt(float((off**2).sum(axis=0).max()) / len(target))


@cache
def _fit(band: float, taps: int) -> _Fit:
    frequency = np.cos(np.pi * (np.arange(300) + 0.5) / 300) * band / 2
    waves = _waves(frequency, np.arange(taps) - (taps // 2 - 1.0))
    left, values, right = np.linalg.svd(np.concatenate([waves.real, waves.imag]), full_matrices=False)
    certain = values > 1e-13 * values[0]  # the rest is of frequencies outside the band
    return _Fit(frequency, left[:, certain], values[certain], right[certain])
