"""Output channels: the selected band divided into sub-bands of equal width, each a plane of its own. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Band, Block


def sub_bands(band: Band, count: int) -> tuple[Band, ...]:
    """Return `count` bands of equal width that make up `band`, ascending; for one, `band` itself."""
    width = band.width / count
    return tuple(Band(band.centre + (number - (count - 1) / 2) * width, width) for number in range(count))


def parts(frequency: NDArray[np.float64], bands: Sequence[Band]) -> Iterator[tuple[int, slice]]:
    """Yield the number of each of `bands` that has some of these ascending frequencies, and the slice of them in it."""
    starts = [band.centre - band.width / 2 for band in bands[1:]]
    edges = [0, *np.searchsorted(frequency, starts).tolist(), len(frequency)]
    for channel, (first, end) in enumerate(pairwise(edges)):
        if first < end:
            yield channel, slice(first, end)


def split(block: Block, bands: Sequence[Band]) -> Iterator[Block]:
    """Yield the parts of a block that lie in each of `bands`, by the centres of its channels; views, not copies."""
    for channel, here in parts(block.frequency, bands):
        yield replace(
            block,
            channel_out=channel,
            frequency=block.frequency[here],
            visibility=block.visibility[:, :, here],
            weight=block.weight[:, :, here],
        )


def totals(blocks: Sequence[Block], shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sum of weights and the number of visibilities that count, each [stokes, channel_out] of this shape."""
    sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
    for block in blocks:
        sums[:, block.channel_out] += of_rows(block.weight).sum(axis=1)
        counts[:, block.channel_out] += [np.count_nonzero(plane) for plane in block.weight != 0]
    return sums, counts


def of_rows(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the sum [stokes, row] of each row of weights [stokes, row, node], in double precision."""
    return np.asarray(weight @ np.ones(weight.shape[2]))


def effective_bands(
    blocks: Sequence[Block], widths: Sequence[NDArray[np.float64]], shape: tuple[int, int]
) -> tuple[tuple[Band | None, ...], ...]:
    """Return weighted mean frequency, and width that channels with weight cover, [stokes][channel_out] of this shape.

    `widths` are those of the channels of each block, [node] Hz. If channels overlap, as those of two windows may, a
    frequency counts once. None without weight.
    """
    return tuple(
        tuple(_effective(blocks, widths, stokes, out) for out in range(shape[1])) for stokes in range(shape[0])
    )


def _effective(
    blocks: Sequence[Block], widths: Sequence[NDArray[np.float64]], stokes: int, channel_out: int
) -> Band | None:
    found = [
        (block.frequency, width, np.ones(len(block.uvw)) @ block.weight[stokes])
        for block, width in zip(blocks, widths, strict=True)
        if block.channel_out == channel_out
    ]
    if not found:
        return None
    frequency, width, weight = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    used = weight > 0
    if not used.any():
        return None
    low, high = (frequency - width / 2)[used], (frequency + width / 2)[used]
    return Band(float(frequency @ weight / weight.sum()), covered(low, high))


def covered(low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    """Return the length of the union of the intervals [low, high]."""
    order = np.argsort(low)
    low, high = low[order], high[order]
    reached = np.maximum.accumulate(np.append(low[0], high))[:-1]
    return float(np.maximum(high - np.maximum(low, reached), 0).sum())
