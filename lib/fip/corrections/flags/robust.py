"""Medians and spreads of values, some of them missing (NaN), quick for many short rows. Pure."""

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD

_WIDTH_OF_THIRD = 0.8615  # 2 Phi^-1(2/3)


def median(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the median along the last axis of what is not NaN; NaN without values."""
    ordered, length = np.sort(values), values.shape[-1]  # NaN comes last
    count: NDArray[np.integer] | int = length
    if not length or np.isnan(ordered[..., -1]).any():
        count = length - np.count_nonzero(np.isnan(ordered), axis=-1, keepdims=True)
    if isinstance(count, int):
        return np.asarray((ordered[..., (length - 1) // 2] + ordered[..., length // 2]) / 2)
    places = np.maximum(count - 1, 0) // 2, count // 2 % length
    low, high = (np.take_along_axis(ordered, at, -1)[..., 0] for at in places)
    return np.asarray((low + high) / 2)


def spread(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the standard deviation along the last axis by the median absolute deviation; NaN without values."""
    return _spread_about(values, median(values))


def middle_and_spread(values: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the median and the `spread` along the last axis."""
    middle = median(values)
    return middle, _spread_about(values, middle)


def _spread_about(values: NDArray[np.floating], middle: NDArray[np.floating]) -> NDArray[np.floating]:
    deviation: NDArray[np.floating] = np.abs(values - middle[..., None])
    return np.asarray(GAUSSIAN_RMS_PER_MAD * median(deviation))


def densest(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return middle and standard deviation by the densest third of values [n] that are not NaN; NaN without values.

    The other two thirds do not matter. A third of Gaussian values lies within 0.861 deviations.
    """
    ordered = np.sort(values[np.isfinite(values)])
    if not ordered.size:
        return np.nan, np.nan
    more = (ordered.size + 2) // 3 - 1
    widths = ordered[more:] - ordered[: ordered.size - more]
    at = int(np.argmin(widths))
    return float(ordered[at] + ordered[at + more]) / 2, float(widths[at]) / _WIDTH_OF_THIRD


def running_median(values: NDArray[np.floating], reach: int) -> NDArray[np.floating]:
    """Return for each of `values` [n] the median of the 2 reach + 1 around it; near an end, of those at the end."""
    windows = np.lib.stride_tricks.sliding_window_view(values, 2 * reach + 1)
    around = np.clip(np.arange(len(values)) - reach, 0, len(windows) - 1)
    return np.asarray(np.median(windows, axis=1)[around])
