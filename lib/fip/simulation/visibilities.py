"""The visibilities of point sources: row by row, or by antennas, which is cheaper for many. Pure.

V = sum over sources of S exp(+2 pi i (u l + v m + w (n-1)) f/c) with UVW as stored.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.simulation.sky import Source

Matrices = dict[int, NDArray[np.complex128]]
"""By Stokes parameter, 0 to 3 for I, Q, U, V: [channel, antenna of a part, antenna] in Jy."""

_STOKES_TO_CORRELATIONS = {0: (1, 0, 0, 1), 1: (1, 0, 0, -1), 2: (0, 1, 1, 0), 3: (0, 1j, -1j, 0)}
"""XX, XY, YX, YY of linear feeds for each Stokes parameter."""

_AT_ONCE = 1 << 21  # phasors of antennas, sources and channels


def by_rows(
    uvw: NDArray[np.float64], frequency: NDArray[np.float64], sources: tuple[Source, ...]
) -> NDArray[np.complex64]:
    """Visibilities [row, channel, correlation] in Jy of sources seen at uvw [row, 3] m, evenly spaced frequencies.

    The phase is exact to double precision: a channel's phasor is the product of a coarse and a fine step in
    frequency, which spares all but a fraction of the exponentials. Spectral indices are left out.
    """
    channels = len(frequency)
    directions = np.array([each.towards for each in sources])
    phasor = np.empty((len(sources), len(uvw), *_split(channels)), np.complex64)
    rough, fine = _phasors(directions @ uvw.T, frequency)
    np.multiply(rough, fine, out=phasor, casting="same_kind")
    correlations = np.array([s.correlations for s in sources], np.complex64)
    summed = phasor.reshape(len(sources), -1).T @ correlations
    return summed.reshape(len(uvw), -1, 4)[:, :channels]


def by_antennas(
    position: NDArray[np.float64],
    part: slice,
    frequency: NDArray[np.float64],
    towards: NDArray[np.float64],
    flux: NDArray[np.float64],
) -> Matrices:
    """The visibilities of each antenna of `part` with each one: E diag(S) E^H of each channel.

    `position` [antenna, 3] m along u, v, w; `towards` [source, 3] l, m, n-1; `flux` [source, channel, Stokes] Jy. All
    is of double precision.
    """
    asked = [stokes for stokes in range(4) if flux[..., stokes].any()]
    antennas, channels = len(position), len(frequency)
    path = (position - position.mean(axis=0)) @ towards.T
    count = len(range(antennas)[part])
    found = {stokes: np.empty((channels, count, antennas), np.complex128) for stokes in asked}
    block = max(1, _AT_ONCE // max(1, path.size))
    for first in range(0, channels, block):
        some = slice(first, min(first + block, channels))
        rough, fine = _phasors(path, frequency[some])
        phasor = (rough * fine).reshape(antennas, len(towards), -1)[..., : some.stop - first]
        turned = np.ascontiguousarray(phasor.transpose(2, 0, 1))
        other = turned.conj().transpose(0, 2, 1)
        for stokes in asked:
            scaled = turned[:, part] * flux[:, some, stokes].T[:, None, :]
            np.matmul(scaled, other, out=found[stokes][some])
    return found


def of_rows(
    found: Matrices, part: slice, first: NDArray[np.intp], second: NDArray[np.intp], channels: int
) -> NDArray[np.complex64]:
    """Visibilities [row, channel, correlation] of the pairs of antennas, the first one of each within `part`."""
    out = np.zeros((len(first), channels, 4), np.complex64)
    for stokes, matrix in found.items():
        plane = matrix[:, first - part.start, second].T
        for correlation, factor in enumerate(_STOKES_TO_CORRELATIONS[stokes]):
            if factor:
                out[..., correlation] += factor * plane
    return out


def _split(channels: int) -> tuple[int, int]:
    """Coarse and fine steps, which together are as many as the channels or a few more."""
    fine = math.isqrt(channels - 1) + 1
    return -(-channels // fine), fine


def _phasors(
    path: NDArray[np.float64], frequency: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """exp(2 pi i path f/c) at evenly spaced frequencies as a product [..., coarse, 1] x [..., 1, fine]."""
    channels = len(frequency)
    step = (frequency[-1] - frequency[0]) / max(channels - 1, 1)
    coarse, fine = _split(channels)
    turns = path[..., None] * (2j * np.pi / SPEED_OF_LIGHT)
    rough_phasor = np.exp(turns * (frequency[0] + np.arange(coarse) * fine * step))
    fine_phasor = np.exp(turns * (np.arange(fine) * step))
    return rough_phasor[..., :, None], fine_phasor[..., None, :]
