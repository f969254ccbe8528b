"""The noise that a dirty image should have, from the scatter of its own visibilities. Pure.

Neighbouring channels of a baseline see the same sky but for a phase step, and different noise. The phase step of the
strongest source of a baseline is taken from its other channels, so that no noise fits itself. What is left of the
difference is noise. Channels are taken in pairs, none twice. The median over the pairs of a baseline counts, so that a
few channels with interference, or at which a source begins, do not matter.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block


def expected_noise(natural: Sequence[Block], weighed: Sequence[Block]) -> NDArray[np.float64]:
    """Return the standard deviation [stokes], Jy/beam, of the noise of the dirty image of `weighed`; NaN if unknown.

    `natural` are blocks as they were read, weights those of the data; `weighed` the same rows, in the same order, with
    imaging weights W. var(image) = sum W^2 s^2/w / (sum W)^2, s^2/w the variance of either part of a visibility of
    weight w: s^2 is found for each row, so that weights need be right along it alone, and only relative to each other.
    A row with fewer than two neighbouring good channels has the mean s^2 of the others. It is unknown if no row has
    two.
    """
    planes = len(natural[0].weight) if natural else 0
    return np.array([_of_plane(natural, weighed, plane) for plane in range(planes)], np.float64)


def _of_plane(natural: Sequence[Block], weighed: Sequence[Block], plane: int) -> float:
    scales = [_scale(block.visibility[plane], block.weight[plane]) for block in natural]
    known = np.concatenate([scale[np.isfinite(scale)] for scale in scales])
    if not known.size:
        return np.nan
    usual, variance, total = float(known.mean()), 0.0, 0.0
    for scale, block, imaged in zip(scales, natural, weighed, strict=True):
        used = _over(np.square(imaged.weight[plane], dtype=np.float64), block.weight[plane])
        variance += float(np.where(np.isfinite(scale), scale, usual) @ used.sum(axis=1))
        total += float(imaged.weight[plane].sum(dtype=np.float64))
    return float(np.sqrt(variance) / total) if total > 0 else np.nan


def _scale(weighted: NDArray[np.complexfloating], weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return s^2 [row], of weight x visibility and weight [row, channel]; NaN without a pair of good channels."""
    pairs = weight.shape[1] // 2
    if not pairs:
        return np.full(len(weight), np.nan)
    value = _over(weighted[:, : 2 * pairs], weight[:, : 2 * pairs])
    inverse = _over(np.ones(1, weight.dtype), weight[:, : 2 * pairs])
    first, second, per_weight = value[:, ::2], value[:, 1::2], inverse[:, ::2] + inverse[:, 1::2]
    good = (inverse[:, ::2] > 0) & (inverse[:, 1::2] > 0)
    product = np.where(good, second * first.conj(), 0)
    total, known = np.zeros(len(weight)), np.zeros(len(weight))
    for here, others in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        step = _turn(product[:, others].sum(axis=1, keepdims=True))
        difference = second[:, here] - step * first[:, here]
        squared = np.square(difference.real) + np.square(difference.imag)
        each = _over(squared, 2 * per_weight[:, here])
        count = np.count_nonzero(good[:, here], axis=1)
        total += count * _mean_by_median(np.where(good[:, here], each, np.nan), count)
        known += count
    return np.asarray(np.divide(total, known, out=np.full(len(weight), np.nan), where=known > 0))


def _turn(product: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    """Return numbers of modulus 1 of the same phase; 1 for 0."""
    size = np.abs(product)
    return np.asarray(np.divide(product, size, out=np.ones_like(product), where=size > 0))


def _mean_by_median(values: NDArray[np.floating], count: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the mean [row] of `count` values [row, pair], others NaN, of an exponential law, by their lower median.

    Of n such values the k-th smallest is 1/n + 1/(n-1) + ... + 1/(n-k+1) times the mean, on average. It is 0 without
    values.
    """
    if not values.shape[1]:
        return np.zeros(len(values))
    rank = (count + 1) // 2
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1.0, values.shape[1] + 1))])
    at = np.maximum(rank - 1, 0)[:, None]
    median = np.take_along_axis(np.sort(values, axis=1), at, axis=1)[:, 0].astype(np.float64)  # NaN comes last
    factor = harmonic[count] - harmonic[count - rank]
    return np.asarray(np.divide(median, factor, out=np.zeros(len(values)), where=count > 0))


def _over(dividend: NDArray[Any], divisor: NDArray[np.floating]) -> NDArray[Any]:
    """Return dividend over divisor, and 0 for a divisor of 0."""
    shape, kind = np.broadcast_shapes(dividend.shape, divisor.shape), np.result_type(dividend, divisor)
    return np.asarray(np.divide(dividend, divisor, out=np.zeros(shape, kind), where=divisor > 0))
