"""A few channels, the nodes, give all others: a model's visibilities are smooth in frequency, its delays limited.

The fringe of a component at delay tau is exp(2 pi i f tau), |tau| <= T, times its spectrum, a polynomial of low degree
times a little. An interpolative decomposition (docs/compression.md, in which visibilities are summed that way) finds
nodes among the channels and real weights A so that for all such fringes, times polynomials T_k(f),

    V_c = sum_n A_cn V_n, to within tolerance.

This also covers the factors of Gaussians and smearing: both are means over delays near the component's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, log2

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

from fip.imaging.compression import decompose, spread

Doubles = NDArray[np.float64]

_DEGREES = (1, 3, 6, 10)  # of spectra
_SHARE = 1 / 16  # of epsilon, of the sum of all fluxes
_WORTH_WHILE = 0.85  # of the channels
_RUNGS_PER_OCTAVE = 4
_WIDEST_SEGMENT = 32.0  # T x bandwidth
_FEW = 32  # channels on which degrees are tried


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Channels to predict, and how the others are made of them."""

    channels: NDArray[np.intp]  # [node] ascending
    matrices: tuple[Doubles, ...] | None  # of each segment of the window A [channel, node]; None: nodes are all

    def spread(self, predicted: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        """Return [..., channel] from [..., node]."""
        if self.matrices is None:
            return predicted
        ends = np.cumsum([matrix.shape[1] for matrix in self.matrices[:-1]])
        pieces = np.split(predicted, ends, axis=-1)
        parts = [piece @ matrix.T.astype(piece.dtype) for piece, matrix in zip(pieces, self.matrices, strict=True)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """How smooth the spectra of a model are."""

    frequency: Doubles  # [channel] Hz
    degree: int | None  # of polynomials that fit all within tolerance; None if there is none
    tolerance: float

    @classmethod
    def of(cls, frequency: Doubles, flux: Doubles, epsilon: float) -> "Spectra":
        """Fit flux [component, channel, stokes], with an error of a sixteenth of epsilon of the sum of all fluxes."""
        tolerance, channels = _SHARE * epsilon, len(frequency)
        flat = flux.transpose(1, 0, 2).reshape(channels, -1)
        allowed = tolerance / 16 * float(np.abs(flat).max(axis=0).sum())  # A adds up to a dozen
        some = spread(frequency, _FEW)
        for degree in _DEGREES:
            if degree + 2 < channels and _rest(frequency[some], flat[some], degree) <= allowed:
                whole = len(some) == channels or _rest(frequency, flat, degree) <= allowed
                return cls(frequency, degree if whole else None, tolerance)
        return cls(frequency, None, tolerance)

    def nodes(self, delay: float) -> Nodes:
        """Return the nodes for delays of at most so many seconds."""
        bandwidth = float(np.ptp(self.frequency))
        everything = Nodes(np.arange(len(self.frequency)), None)
        if self.degree is None or bandwidth == 0:
            return everything
        rung = max(0, ceil(_RUNGS_PER_OCTAVE * log2(1 + delay * bandwidth)))
        return _nodes(self.frequency.tobytes(), rung, self.degree, self.tolerance) or everything


def _rest(frequency: Doubles, flux: Doubles, degree: int) -> float:
    """Return the sum over spectra [channel, spectrum] of the largest error of the least-squares polynomial."""
    orthonormal = np.linalg.qr(chebvander(_over(frequency), degree))[0]
    rest = flux - orthonormal @ (orthonormal.T @ flux)
    return float(np.abs(rest, out=rest).max(axis=0).sum())


def _over(frequency: Doubles) -> Doubles:
    """Map frequencies to -1 to 1 over the band."""
    return np.asarray((frequency - frequency[0]) * (2 / np.ptp(frequency)) - 1)


@lru_cache(maxsize=512)
def _nodes(channels: bytes, rung: int, degree: int, tolerance: float) -> Nodes | None:
    """Return nodes of the channels of a window (float64, Hz) on a rung of the delay ladder; None if not far fewer."""
    frequency = np.frombuffer(channels)
    product = 2 ** (rung / _RUNGS_PER_OCTAVE) - 1
    most = _WORTH_WHILE * len(frequency)
    if 2 * product + degree >= most:
        return None
    delay = product / float(np.ptp(frequency))
    # Segments that are spaced alike share a decomposition: to a shift of no fringe by tolerance / 30.
    alike = 2.0 ** floor(log2(tolerance / (100 * max(delay, 1 / float(np.ptp(frequency))))))
    pieces = np.array_split(frequency, max(1, ceil(product / _WIDEST_SEGMENT)))
    found: Sequence[tuple[NDArray[np.intp], Doubles]] = [
        _segment((alike * np.rint((piece - piece[0]) / alike)).tobytes(), delay, degree, tolerance) for piece in pieces
    ]
    firsts = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
    nodes = np.concatenate([first + chosen for first, (chosen, _) in zip(firsts, found, strict=True)])
    return Nodes(nodes, tuple(matrix for _, matrix in found)) if len(nodes) < most else None


@lru_cache(maxsize=512)
def _segment(frequencies: bytes, delay: float, degree: int, tolerance: float) -> tuple[NDArray[np.intp], Doubles]:
    """Return which channels at these frequencies (float64, Hz, from 0) are nodes, and A [channel, node]."""
    frequency = np.frombuffer(frequencies)
    if len(frequency) < degree + 2:
        return np.arange(len(frequency)), np.eye(len(frequency))
    # Fringes at tau and -tau are conjugate: one half is enough.
    points = ceil(2 * delay * np.ptp(frequency)) + ceil(-0.7 * log2(tolerance)) + 8
    tau = delay * np.cos(np.pi * (np.arange(points) + 0.5) / (2 * points))
    phase = 2 * np.pi * np.outer(tau, frequency - frequency[-1] / 2)
    powers = chebvander(_over(frequency), degree).T[:, None]
    columns = len(frequency)
    fringes = np.concatenate([(powers * part(phase)).reshape(-1, columns) for part in (np.cos, np.sin)])
    return decompose(fringes, spread(frequency, 4 * points), tolerance)
