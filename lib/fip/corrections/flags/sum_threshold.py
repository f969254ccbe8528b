"""SumThreshold over channels (Offringa et al. 2010, MNRAS 405, 155), if a sky of sources widens spreads. Pure."""

import numpy as np
from numpy.typing import NDArray

from fip.corrections.flags.robust import median, middle_and_spread, spread

STEEPNESS = 1.5
"""A run of n samples is marked from a mean of limit / 1.5^log2(n) on (ibid., eq. 2)."""

LONGEST = 16  # samples of a run
_BATCH = 1 << 15  # samples looked at together, so that they stay in the processor's cache
_ABOVE = 1 + 1e-5  # a run of samples that are all marked has a mean of its threshold, but for rounding


def sum_threshold(values: NDArray[np.floating], limit: float, longest: int) -> NDArray[np.bool_]:
    """Return which of `values` [row, channel] (NaN if missing) stand out along their row, by themselves or in runs.

    `limit` is that of one sample, in standard deviations of its row, but not less than those of most rows; runs have 1,
    2, 4, ... samples, up to `longest` or 16. In a sky with sources, means of runs scatter by more than those of noise:
    limits of runs are raised by the same factor. Samples that are marked count in longer runs as the limit.
    """
    found = np.zeros(values.shape, bool)
    middle, scatter = middle_and_spread(values)
    most = float(median(scatter))
    if not most > 0:
        return found
    deviation = np.fmax(scatter, most)
    at_once = max(1, _BATCH // values.shape[1])
    for first in range(0, len(values), at_once):
        here = slice(first, first + at_once)
        found[here] = _of_rows((values[here] - middle[here, None]) / deviation[here, None], limit, longest)
    return found


def _of_rows(excess: NDArray[np.floating], limit: float, longest: int) -> NDArray[np.bool_]:
    """Return which samples of rows [row, channel], in standard deviations, NaN if missing, stand out."""
    with np.errstate(invalid="ignore"):
        found = np.asarray(excess > limit)
    missing = np.isnan(excess)
    length = 1
    while 2 * length <= min(longest, LONGEST):
        length *= 2
        sums = _sums(np.where(missing | found, 0, excess), length)
        # by how much means of runs scatter more than those of noise do, and at least 1
        wider = np.fmax(1, spread(sums[:, ::length]) / np.sqrt(length))
        threshold = wider * (limit / STEEPNESS ** np.log2(length))
        if found.any():
            sums = sums + _sums(found.astype(sums.dtype), length) * threshold[:, None]
        begins = sums > (threshold * (length * _ABOVE))[:, None]
        if begins.any():
            found |= _runs(begins, length) & ~missing
    return found


def _sums(values: NDArray[np.floating], length: int) -> NDArray[np.floating]:
    """Return the sum of each run of `length` (a power of 2) along a row, by its first place."""
    done = 1
    while done < length:
        values = values[:, :-done] + values[:, done:]
        done *= 2
    return values


def _runs(begins: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Return the samples along a row that are in runs of `length` with these begins."""
    covered = np.zeros((len(begins), begins.shape[1] + length - 1), bool)
    for at in range(length):
        covered[:, at : at + begins.shape[1]] |= begins
    return covered
