"""Exact spectral compression: fewer samples that give the same image inside the grid, to a share of epsilon.

At a pixel, all channels of a baseline see one delay tau = (u l + v m + w (n - 1)) / c. Over the grid |tau| <= T, and
there exp(-2 pi i f tau) of many channels f is made up of that of a few of them, the nodes, with real weights A:

    sum_c V_c exp(-2 pi i f_c tau) = sum_k (sum_c V_c A_ck) exp(-2 pi i f_k tau)   for |tau| <= T, whatever V is.

Nodes and A are an interpolative decomposition (Cheng, Gimbutas, Martinsson & Rokhlin 2005, SIAM J. Sci. Comput. 26,
1389), so that channels may be spaced in any way. The derivation and its bounds are in docs/compression.md.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import ceil, floor, hypot, log2, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block, Grid, Slice
from fip.imaging.forming import pieces, samples_of

PlanesOf: TypeAlias = Callable[[NDArray[np.intp]], tuple[NDArray[np.floating], NDArray[np.bool_]]]
"""Planes [stokes, row, 3, lane] of some rows, w Re V, w Im V and w, and which of the rows have a good sample."""

_SHARE_OF_EPSILON = 0.25
_LARGEST_WEIGHT = 1.5  # max |A|, so that rounding errors do not grow
_WORTH_WHILE = 0.75  # of the channels: a baseline with so many nodes or more is left as it is
_RUNGS_PER_OCTAVE = 4  # baselines whose delays differ by less than 2^(1/4) share their nodes
_WIDEST_SEGMENT = 32.0  # T x bandwidth above which a window is cut into segments, so that A stays small
_LEAST_FRINGES = 4.0  # T x frequency at least, so that the main lobe of the PSF is right even if a grid is small
_MOST_SWAPS = 50
_NUMBERS_AT_ONCE = 1 << 16  # in a plane of rows whose nodes are summed together


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """How the channels of a window become nodes, one segment after the other."""

    frequency: NDArray[np.float64]  # [node] Hz
    matrices: tuple[NDArray[np.float64], ...]  # of each segment A [channel, node]

    def summed(self, planes: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the nodes [stokes, row, 3, node] of planes [stokes, row, 3, lane], of real numbers."""
        stokes, rows, three, lanes = planes.shape
        flat, parts, first = planes.reshape(stokes, rows * three, lanes), [], 0
        for matrix in _as(self, planes.dtype):
            parts.append(flat[:, :, first : first + len(matrix)] @ matrix)
            first += len(matrix)
        return (parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)).reshape(
            stokes, rows, three, self.frequency.size
        )


@lru_cache(maxsize=512)
def _as(way: _Way, dtype: np.dtype[np.floating]) -> list[NDArray[np.floating]]:
    return [matrix.astype(dtype) for matrix in way.matrices]


def compress(slice_: Slice) -> Slice:
    """Return the slice with its channels summed into nodes: same image and point spread function inside its grid.

    |error| <= epsilon/4 of the sum of |weight x visibility|, from whatever part of the sky that comes. Weights are
    transformed as visibilities are: they may be negative, and one alone means nothing. All else is unchanged.
    """
    return replace(slice_, blocks=compress_blocks(slice_.blocks, slice_.grid, slice_.settings.epsilon))


def compress_blocks(blocks: Sequence[Block], grid: Grid, epsilon: float) -> tuple[Block, ...]:
    """Divide each block into blocks of rows that share nodes; rows that would not get much smaller stay as they are.

    Every bit of the result depends on the arguments alone.
    """
    return tuple(part for block in blocks for part in _compressed(block, grid, _SHARE_OF_EPSILON * epsilon))


def reduction(before: Sequence[Block], after: Sequence[Block]) -> str:
    """Return what compression has done to these blocks, for a log; "" if it is almost nothing."""
    rows = sum(len(block.uvw) for block in before)
    many, few = (sum(len(block.uvw) * len(block.frequency) for block in blocks) for blocks in (before, after))
    if many <= 1.05 * few:
        return ""
    return (
        f"spectral compression: {many / rows:.0f} channels to {few / rows:.1f} nodes for a baseline on average, "
        f"{many / few:.1f} times fewer samples"
    )


def longest_delay(uvw: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Return a bound [row] of |u l + v m + w (n - 1)| / c in s, over the sky inside the grid; uvw[row, 3] in m."""
    east, north = grid.width * grid.scale / 2, grid.height * grid.scale / 2
    radius = min(hypot(east, north), 1.0)
    u, v, w = np.abs(uvw).T
    across = np.minimum(u * east + v * north, np.hypot(u, v) * radius)
    delay: NDArray[np.float64] = (across + w * (1 - sqrt(1 - radius**2))) / SPEED_OF_LIGHT
    return delay


def _compressed(block: Block, grid: Grid, tolerance: float) -> Iterator[Block]:
    rungs = _rungs(block.uvw, block.frequency, grid, tolerance)
    if not any(way for way, _ in rungs):
        yield block
        return
    channels, stokes = block.frequency.size, len(block.weight)
    room = np.empty(stokes * rows_at_once(channels) * 3 * channels, block.weight.dtype)

    def planes_of(rows: NDArray[np.intp]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        planes = room[: stokes * rows.size * 3 * channels].reshape(stokes, rows.size, 3, channels)
        visibility = np.take(block.visibility, rows, axis=1)
        planes[:, :, 0], planes[:, :, 1] = visibility.real, visibility.imag
        planes[:, :, 2] = np.take(block.weight, rows, axis=1)
        return planes, np.ones(rows.size, bool)

    for part in _of_rungs(rungs, block.uvw, block.frequency, planes_of):
        yield replace(part, channel_out=block.channel_out)


def compressed_planes(
    uvw: NDArray[np.float64], frequency: NDArray[np.float64], grid: Grid, epsilon: float, planes_of: PlanesOf
) -> tuple[Block, ...]:
    """Yield blocks as `compress_blocks` makes them; `planes_of` makes the planes of rows when their turn comes.

    uvw[row, 3] m, of all rows; frequency[channel] Hz. `planes_of` is asked for some of the rows, at most
    `rows_at_once`, each row once. It may use the planes again for others.
    """
    rungs = _rungs(uvw, frequency, grid, _SHARE_OF_EPSILON * epsilon)
    return tuple(_of_rungs(rungs, uvw, frequency, planes_of))


def rows_at_once(channels: int) -> int:
    """Return how many rows: enough that the product is worth its call, and few enough that planes stay in the cache."""
    return max(16, _NUMBERS_AT_ONCE // channels)


def _of_rungs(
    rungs: Sequence[tuple[_Way | None, NDArray[np.intp]]], uvw: NDArray[np.float64], frequency: NDArray[np.float64],
    planes_of: PlanesOf,
) -> Iterator[Block]:  # fmt: skip
    """Yield a block of each rung that has rows; those that stay as they are come last."""
    summed: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in rungs]
    for some in _together([rows for _, rows in rungs], rows_at_once(frequency.size)):
        planes, good = planes_of(np.concatenate([rows for _, rows in some]))
        first, all_good = 0, bool(good.all())
        for number, rows in some:
            here, way = slice(first, first + rows.size), rungs[number][0]
            part, kept = planes[:, here], rows
            if not all_good:
                part, kept = part[:, good[here]], rows[good[here]]
            part = part if way is None else way.summed(part)
            summed[number].append((uvw[kept], *samples_of(part, _nodes(way, frequency).size)))
            first += rows.size
    for (way, _), parts in zip(rungs, summed, strict=True):
        places, visibility, weight = zip(*parts, strict=True)
        if sum(map(len, places)):
            found = _joined(places, 0), _nodes(way, frequency), _joined(visibility, 1), _joined(weight, 1)
            yield Block(0, *found)


def _together(rungs: Sequence[NDArray[np.intp]], most: int) -> Iterator[list[tuple[int, NDArray[np.intp]]]]:
    """Yield the rows of rungs, about `most` at a time, with the number of their rung."""
    some, size = list[tuple[int, NDArray[np.intp]]](), 0
    for number, rows in enumerate(rungs):
        for piece in pieces(rows, most):
            if size + piece.size > most and some:
                yield some
                some, size = [], 0
            some.append((number, piece))
            size += piece.size
    if some:
        yield some


def _nodes(way: _Way | None, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    return frequency if way is None else way.frequency


def _joined(arrays: Sequence[NDArray[Any]], axis: int) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=axis)


def _rungs(
    uvw: NDArray[np.float64], frequency: NDArray[np.float64], grid: Grid, tolerance: float
) -> list[tuple[_Way | None, NDArray[np.intp]]]:
    """Return which rows share a way into nodes; those that stay as they are, whose way is None, come last."""
    bandwidth = float(np.ptp(frequency))
    if bandwidth == 0 or not len(uvw):
        return [(None, np.arange(len(uvw)))]
    delay = np.maximum(longest_delay(uvw, grid), _LEAST_FRINGES / frequency[0])
    # On rung k of a ladder T x bandwidth is 2^(k/4) - 1: twice that and a dozen is about the number of nodes.
    rung = np.ceil(_RUNGS_PER_OCTAVE * np.log2(1 + delay * bandwidth)).astype(np.int16)
    channels, there = frequency.tobytes(), np.flatnonzero(np.bincount(rung)).tolist()
    ways = {each: _way(channels, each, tolerance) for each in there}
    last = max(there) + 1
    for each, way in ways.items():
        if way is None:
            rung[rung == each] = last
    order = np.argsort(rung, kind="stable")
    ends = np.flatnonzero(np.diff(rung[order], append=-1)) + 1
    return [(ways.get(int(rung[order[first]])), order[first:end]) for first, end in pairwise([0, *ends.tolist()])]


@lru_cache(maxsize=512)
def _way(channels: bytes, rung: int, tolerance: float) -> _Way | None:
    """Return how the channels of a window (float64, Hz) become nodes on a rung; None if there would be too many."""
    frequency = np.frombuffer(channels)
    product = 2 ** (rung / _RUNGS_PER_OCTAVE) - 1
    delay = product / float(np.ptp(frequency))
    most = _WORTH_WHILE * len(frequency)
    if 2 * product >= most:  # there never are fewer nodes than that
        return None
    # Windows and segments that are spaced alike share a decomposition: to a shift of no fringe by tolerance / 30.
    alike = 2.0 ** floor(log2(tolerance / (100 * delay)))
    pieces = np.array_split(frequency, ceil(product / _WIDEST_SEGMENT))
    segments = [_segment((alike * np.rint((piece - piece[0]) / alike)).tobytes(), delay, tolerance) for piece in pieces]
    nodes = np.concatenate([piece[chosen] for piece, (chosen, _) in zip(pieces, segments, strict=True)])
    return _Way(nodes, tuple(matrix for _, matrix in segments)) if len(nodes) < most else None


@lru_cache(maxsize=512)
def _segment(frequencies: bytes, delay: float, tolerance: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the fewest nodes for channels at these frequencies (float64, Hz, from 0) that are within tolerance.

    They are the numbers of these channels, ascending; and A [channel, node].
    """
    frequency = np.frombuffer(frequencies)
    frequency = frequency - frequency[-1] / 2
    # Of the fringes over |tau| <= T, real parts are even and imaginary parts odd: one half is enough, and so many
    # Chebyshev points resolve its oscillations and those of the error.
    points = ceil(2 * delay * np.ptp(frequency)) + ceil(-0.7 * log2(tolerance)) + 8
    phase = 2 * np.pi * delay * np.outer(np.cos(np.pi * (np.arange(points) + 0.5) / (2 * points)), frequency)
    fringes = np.concatenate([np.cos(phase), np.sin(phase)])
    return decompose(fringes, spread(frequency, 4 * points), tolerance)


def decompose(
    fringes: NDArray[np.float64], candidates: NDArray[np.intp], tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the fewest of the columns `candidates` that make up all columns [channel] of `fringes` within tolerance.

    They are the numbers of the columns, ascending; and A [channel, node]. The first half of the rows are real parts,
    the second their imaginary parts. If none will do, all columns and the unit matrix.
    """
    points, channels = len(fringes) // 2, fringes.shape[1]
    chosen: list[int] = []
    for candidate, distance in _farthest_first(fringes, candidates):
        # The distance is the L2 norm over all points of the error at one channel: no more than the largest there is.
        if distance <= tolerance * sqrt(points):
            nodes, matrix = _bounded(fringes, np.array(chosen))
            error = np.hypot(*(fringes[:, nodes] @ matrix - fringes).reshape(2, points, -1))
            if error.max() <= tolerance and np.abs(matrix).max() <= _LARGEST_WEIGHT:
                return nodes, matrix.T
        chosen.append(candidate)
    return np.arange(channels), np.eye(channels)


def _farthest_first(vectors: NDArray[np.float64], candidates: NDArray[np.intp]) -> Iterator[tuple[int, float]]:
    """Yield the named columns of `vectors`, each time the one farthest from the span of those before, and how far.

    The order and the pivots of a QR decomposition with column pivoting, here by the modified Gram-Schmidt process:
    scipy's would cost the ventilator more time to import than to use.
    """
    rest = vectors[:, candidates]
    for _ in range(min(rest.shape)):
        squares = np.einsum("ij,ij->j", rest, rest)
        farthest = int(np.argmax(squares))
        distance = sqrt(squares[farthest])
        yield int(candidates[farthest]), distance
        if distance > 0:
            direction = rest[:, farthest] / distance
            rest -= np.outer(direction, direction @ rest)


def _bounded(fringes: NDArray[np.float64], nodes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return nodes, ascending, and the weights [node, channel] with which they come nearest to all channels.

    While a weight is too large its channel takes the place of its node. The volume that the nodes span grows by that
    factor, so it ends (Gu & Eisenstat 1996, SIAM J. Sci. Comput. 17, 848).
    """
    for _ in range(_MOST_SWAPS):
        nodes = np.sort(nodes)
        q, r = np.linalg.qr(fringes[:, nodes])
        matrix = np.linalg.solve(r, q.T @ fringes)
        node, channel = np.unravel_index(np.argmax(np.abs(matrix)), matrix.shape)
        if abs(matrix[node, channel]) <= _LARGEST_WEIGHT:
            break
        nodes[node] = channel
    return nodes, matrix


def spread(frequency: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return at most so many channels, spread over the band as evenly as possible."""
    if len(frequency) <= most:
        return np.arange(len(frequency))
    return np.unique(np.searchsorted(frequency, np.linspace(frequency[0], frequency[-1], most)))
