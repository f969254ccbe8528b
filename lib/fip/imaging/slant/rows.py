"""What a plan needs of the rows of a slice: compiled loops over all of them.

The rows of a block differ from others by its frequencies: so each loop goes over the blocks, and rows are numbered
through all of them.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block
from fip.imaging.slant.buffers import read_only
from fip.imaging.slant.scheme import Scheme
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.simd import FAST

Doubles = NDArray[np.float64]

_BINS = 512  # of heights: the power of any number of rows is in few bins
_HEIGHTS, _FREQUENCIES = 2000, 16  # few rows are at as many heights, by so many frequencies at most


class Bands(NamedTuple):
    """The rows and the frequencies of each block."""

    starts: NDArray[np.int64]  # [block + 1] numbers of rows
    highest: Doubles  # [block] wavelengths in a metre, at the last frequency
    lowest: Doubles  # [block] the first frequency over the last


class Rows(NamedTuple):
    """All rows of a slice, block after block."""

    uvw: Doubles  # [row, 3] m; not to be written
    power: Doubles  # [row] the sum of |visibility|^2; 1 each if there is none at all
    bands: Bands

    def of_blocks(self, values: Doubles) -> tuple[Doubles, ...]:
        """Return parts of `values` [row, ...], one for each block."""
        return tuple(values[first:last] for first, last in pairwise(self.bands.starts.tolist()))


def look_at(blocks: Sequence[Block], scheme: Scheme) -> Rows:
    """Return the rows of these blocks. Raise UnsuitableError if a block has none, or uvw that are no numbers."""
    counts = [len(block.uvw) for block in blocks]
    starts = np.cumsum([0, *counts])
    uvw = read_only(np.concatenate([block.uvw for block in blocks]) if len(blocks) > 1 else blocks[0].uvw, np.float64)
    if not (all(counts) and _are_numbers(uvw)):
        raise UnsuitableError("a block has no rows, or uvw that are no numbers")
    edges = np.array([(block.frequency[0], block.frequency[-1]) for block in blocks], np.float64)
    power, total = np.empty(starts[-1]), 0.0
    for block, (first, last) in zip(blocks, pairwise(starts.tolist()), strict=True):
        parts = read_only(block.visibility, scheme.samples).view(scheme.precision)
        total += _powers(parts, power[first:last])
    if not 0 < total < np.inf:
        power[:] = 1
    return Rows(uvw, power, Bands(starts, edges[:, 1] / SPEED_OF_LIGHT, edges[:, 0] / edges[:, 1]))


@njit(**FAST)
def _are_numbers(uvw: Doubles) -> bool:
    total = 0.0
    for r in range(uvw.shape[0]):
        total += 0 * uvw[r, 0] + 0 * uvw[r, 1] + 0 * uvw[r, 2]
    return total == 0


@njit(**FAST)
def _powers(parts: NDArray[np.floating], power: Doubles) -> float:
    """Set power[row] of [stokes, row, real and imaginary parts], in double, which holds any square; return its sum."""
    total = 0.0
    for r in range(parts.shape[1]):
        squares = 0.0
        for s in range(parts.shape[0]):
            for i in range(parts.shape[2]):
                part = np.float64(parts[s, r, i])
                squares += part * part
        power[r] = squares
        total += squares
    return total


@njit(**FAST)
def squares(uvw: Doubles) -> tuple[float, float, float, float, float]:
    """Return the sums of u u, u v, v v, u w and v w."""
    uu, uv, vv, uw, vw = 0.0, 0.0, 0.0, 0.0, 0.0
    for r in range(uvw.shape[0]):
        u, v, w = uvw[r, 0], uvw[r, 1], uvw[r, 2]
        uu += u * u
        uv += u * v
        vv += v * v
        uw += u * w
        vw += v * w
    return uu, uv, vv, uw, vw


@njit(**FAST)
def split(uvw: Doubles, transposed: bool, slope_u: float, slope_v: float, bands: Bands, out: Doubles) -> Doubles:
    """Put baselines (along xi, along eta, above the plane w = slope_u u + slope_v v) into out[3, row], in metres.

    Return the longest of each, in wavelengths.
    """
    longest = np.zeros(3)
    for b in range(bands.highest.size):
        far_u, far_v, far_d = 0.0, 0.0, 0.0
        for r in range(bands.starts[b], bands.starts[b + 1]):
            u, v = uvw[r, 0], uvw[r, 1]
            d = uvw[r, 2] - slope_u * u - slope_v * v
            along, across = (u, -v) if transposed else (-v, u)
            out[0, r], out[1, r], out[2, r] = along, across, d
            far_u, far_v, far_d = max(far_u, abs(along)), max(far_v, abs(across)), max(far_d, abs(d))
        for i, far in enumerate((far_u, far_v, far_d)):
            longest[i] = max(longest[i], far * bands.highest[b])
    return longest


def in_bins(baselines: Doubles, power: Doubles, bands: Bands, deepest: float) -> tuple[Doubles, Doubles]:
    """Return heights |d| / deepest, and the power of rows near them, at several frequencies of each row.

    `baselines` [3, row] are in metres, `deepest` is in wavelengths. With few rows, the terms might otherwise be right
    only at the heights of these rows. Many rows are enough as they are, at their highest frequency.
    """
    count = max(1, min(_FREQUENCIES, _HEIGHTS // len(power)))
    height, binned = np.zeros(_BINS), np.zeros(_BINS)
    _bin(baselines, power, bands, deepest, count, height, binned)
    return height, binned


@njit(**FAST)
def _bin(
    baselines: Doubles, power: Doubles, bands: Bands, deepest: float, count: int, height: Doubles, binned: Doubles
) -> None:
    """Fill bins; the height of each is the mean of what is in it."""
    for b in range(bands.highest.size):
        per_metre, fall = bands.highest[b] / deepest, 1 - bands.lowest[b]
        for k in range(count):
            scale = per_metre * (1 - fall * (k / (count - 1))) if count > 1 else per_metre
            for r in range(bands.starts[b], bands.starts[b + 1]):
                t = abs(baselines[2, r]) * scale
                at = min(int(t * _BINS), _BINS - 1)
                height[at] += power[r] * t
                binned[at] += power[r]
    for i in range(_BINS):
        if binned[i] > 0:
            height[i] = min(height[i] / binned[i], 1.0)


@njit(**FAST)
def to_cells(
    baselines: Doubles, u: float, v: float, phase_u: float, phase_v: float, phase_d: float, t: float, out: Doubles
) -> None:
    """out[row, (u, v, phase, t)]: the baselines [3, row] times these."""
    for r in range(out.shape[0]):
        along, across, d = baselines[0, r], baselines[1, r], baselines[2, r]
        out[r, 0], out[r, 1] = along * u, across * v
        out[r, 2], out[r, 3] = along * phase_u + across * phase_v + d * phase_d, d * t


@njit(**FAST)
def drawn_by_power(power: Doubles, chance: Doubles, bands: Bands, row: NDArray[np.int64]) -> Doubles:
    """Set row[i], at which a share chance[i] of all power is reached; return [i, (highest, lowest)] of its block."""
    most = np.empty(power.size)
    total = 0.0
    for r in range(power.size):
        total += power[r]
        most[r] = total
    of_block = np.empty((chance.size, 2))
    for i in range(chance.size):
        low, high, aim = 0, power.size - 1, chance[i] * total
        while low < high:
            middle = (low + high) // 2
            if most[middle] < aim:
                low = middle + 1
            else:
                high = middle
        row[i] = low
        block = 0
        while bands.starts[block + 1] <= low:
            block += 1
        of_block[i, 0], of_block[i, 1] = bands.highest[block], bands.lowest[block]
    return of_block


@njit(**FAST)
def cells_crossed(rows: Doubles, band: float, channels: int) -> float:
    """Count the cells to which samples of `Gridding.rows` are added; those of a baseline in one cell count once."""
    total = 0.0
    for r in range(rows.shape[0]):
        total += min(float(channels), 1 + (abs(rows[r, 0]) + abs(rows[r, 1])) * band)
    return total
