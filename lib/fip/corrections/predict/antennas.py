"""By antennas: if baselines close, u of antennas p and q is x_q - x_p, and one matrix product makes all baselines.

V_pq = sum_s S_s exp(2 pi i f (x_q - x_p) s / c). With the rows C of cosines and D of sines of antennas, [antenna,
component], times sqrt(S) if S >= 0, the real product of [C; D] with itself has all of it, and BLAS computes one half:
Re V = C C' + D D', Im V_pq = D_q C_p' - C_q D_p'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fip.corrections.predict.compiled import functions
from fip.corrections.predict.geometry import Doubles, delays
from fip.corrections.predict.spectral import Spectra
from fip.data.quantities import SPEED_OF_LIGHT


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """The antennas of one integration whose baselines close."""

    integration: int
    rows: NDArray[np.intp]  # [row] its rows, by their numbers in the slice
    first: NDArray[np.intp]  # [row] the position of the first antenna of each row
    second: NDArray[np.intp]
    position: Doubles  # [antenna, 3] m, along (u, v, w), about their mean


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """The antennas that the rows of an integration join."""

    antennas: int
    first: NDArray[np.intp]  # [row]
    second: NDArray[np.intp]
    inverse: Doubles  # [antenna, antenna] from such sums to positions, in least squares

    def sums(self, uvw: Doubles) -> Doubles:
        """Return [antenna, 3]: the sum of what ends at each antenna, less what begins there."""
        second, first = (
            [np.bincount(ends, axis, self.antennas) for axis in uvw.T] for ends in (self.second, self.first)
        )
        return np.asarray(np.stack(second, axis=1) - np.stack(first, axis=1), np.float64)


def arrays(
    antenna1: NDArray[np.int32], antenna2: NDArray[np.int32], integration: NDArray[np.intp], uvw: Doubles
) -> list[tuple[Array, float]]:
    """Find antennas of each integration by least squares; and by how many metres a baseline is off at most.

    Baselines that were averaged over different times do not close. Rows that have no uvw are left out, see `lost`.
    """
    found, there = [], ~lost(antenna1, antenna2, uvw)
    for each in np.unique(integration[there]).tolist():
        rows = np.flatnonzero(there & (integration == each))
        graph = _graph(antenna1[rows].astype(np.intp).tobytes(), antenna2[rows].astype(np.intp).tobytes())
        position, left = np.zeros((graph.antennas, 3)), uvw[rows]
        for _ in range(2):  # the second time takes out the rounding of the first
            position += graph.inverse @ graph.sums(left)
            left = uvw[rows] - (position[graph.second] - position[graph.first])
        off = float(np.sqrt(np.max(np.einsum("ij,ij->i", left, left), initial=0.0)))
        found.append((Array(each, rows, graph.first, graph.second, position), off))
    return found


def lost(antenna1: NDArray[np.int32], antenna2: NDArray[np.int32], uvw: Doubles) -> NDArray[np.bool_]:
    """Return the rows [row] of two antennas with uvw of 0, which was no number on file: they see all flux in phase."""
    return np.asarray((antenna1 != antenna2) & ~uvw.any(axis=1))


@lru_cache(maxsize=8)
def _graph(antenna1: bytes, antenna2: bytes) -> _Graph:
    first, second = np.frombuffer(antenna1, np.intp), np.frombuffer(antenna2, np.intp)
    numbers, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    count, (first, second) = len(numbers), np.split(place, 2)
    joined = np.bincount(first * count + second, minlength=count * count).reshape(count, count)
    joined = joined + joined.T
    laplacian = np.diag(joined.sum(axis=1)) - joined
    return _Graph(count, first, second, np.linalg.pinv(laplacian.astype(np.float64), hermitian=True))


def closes(found: Sequence[tuple[Array, float]], offsets: Sequence[Doubles], highest: float, epsilon: float) -> bool:
    """Return whether fringes up to `highest` Hz are right to epsilon / 8, at offsets [component, 3] of each array."""
    return all(
        2 * np.pi * off * highest / SPEED_OF_LIGHT * float(np.sqrt((offset * offset).sum(axis=1).max())) < epsilon / 8
        for (_, off), offset in zip(found, offsets, strict=True)
    )


def add_by_antennas(
    array: Array, offset: Doubles, flux: Doubles, spectra: Spectra, out: NDArray[np.complexfloating],
    precision: type[np.floating],
) -> None:  # fmt: skip
    """Add components at `offset` [component, 3], of flux [component, channel, stokes], to out[row, channel, stokes]."""
    delay = delays(array.position, offset)
    longest = float(np.max(delay.max(axis=0) - delay.min(axis=0), initial=0.0))
    nodes = spectra.nodes(longest)
    predicted = _at_nodes(array, delay, flux[:, nodes.channels], spectra.frequency[nodes.channels], precision)
    whole = len(array.rows) == len(out)
    for stokes, plane in enumerate(predicted):
        channels = nodes.spread(plane)
        if whole:
            out[:, :, stokes] += channels
        else:
            out[array.rows, :, stokes] += channels


def _at_nodes(
    array: Array, delay: Doubles, flux: Doubles, frequency: Doubles, precision: type[np.floating]
) -> NDArray[np.complexfloating]:
    """Return the visibilities at nodes, [stokes, row, node]."""
    count, planes = len(delay), flux.shape[2]
    positive = planes == 1 and bool((flux >= 0).all())
    fill = functions().fill_phases
    waves = np.empty((2, *delay.shape), precision)
    both = waves.reshape(2 * count, -1)
    amplitudes = np.sqrt(flux) if positive else flux
    per_node = np.ascontiguousarray(amplitudes.transpose(1, 2, 0), precision)  # [node, stokes, component]
    ones = np.ones(delay.shape[1], precision)
    pair = array.second * count + array.first
    out = np.empty((planes, len(array.rows), len(frequency)), np.result_type(precision, np.complex64))
    for node, f in enumerate(frequency.tolist()):
        fill(delay, f, per_node[node, 0] if positive else ones, waves)
        for stokes in range(planes):
            product = both @ both.T if positive else (both * per_node[node, stokes]) @ both.T
            real = product[:count, :count] + product[count:, count:]
            imaginary = product[count:, :count] - product[:count, count:]
            out.real[stokes, :, node] = real.reshape(-1)[pair]
            out.imag[stokes, :, node] = imaginary.reshape(-1)[pair]
    return out


def cost(antennas: int, components: int, nodes: int, planes: int) -> float:
    """Return the expected CPU seconds of one core of an EPYC of 2023 (Zen 4), in single precision."""
    return nodes * (4e-5 + components * antennas * (5e-10 + planes * antennas * 7e-11))
