"""How many rows an integration should have, by what came before it. Pure.

It goes by the past alone, so that a recording that grows and the same one when it is whole give the same numbers.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fip.source.index.row_index import RowIndex


def share_there(
    index: RowIndex, integrations: Sequence[int], channels: Mapping[int, int], windows: int | None = None
) -> float:
    """Return the share of the samples of some integrations that has rows, 0 to 1.

    `channels` says which DATA_DESC_IDs count, and how many channels each has.

    A window should have as many rows as it has had at most in this scan, so far. An integration should have the windows
    that have come together with those that it has, so far; or `windows` of them, if that number is known: each one that
    lacks counts as the others on the average. Baselines that are averaged by different lengths count by their lengths.
    """
    of_column = np.array([channels.get(window, 0) for window in index.coverage.windows])
    there = expected = 0.0
    for each in integrations:
        here = _together(index, each) & (of_column > 0)
        rows, most = index.rows_of_window[each, here].astype(np.float64), _most(index, each)[here]
        if rows.any():
            due = np.where(most > 0, most, most[most > 0].mean()) * of_column[here]
            there += float((rows * of_column[here]).sum())
            expected += float(due.sum()) * (1 if windows is None else windows / due.size)
    return min(1.0, there / expected) if expected else 1.0


def rounded(share: float) -> float:
    """Round to four digits; 1 only if nothing lacks, and 0 only if nothing is there."""
    return min(max(round(share, 4), 0.0001), 0.9999) if 0 < share < 1 else share


def _most(index: RowIndex, integration: int) -> NDArray[np.float32]:
    """Return the most rows of each window so far in the scan of an integration, [window]."""
    of = (index.array, index.beam, index.observation, index.scan)
    key = tuple(int(each[integration]) for each in of)
    if key not in index.past:
        scan = _alike(of, key)
        index.past[key] = scan, np.maximum.accumulate(index.rows_of_window[scan])
    scan, most = index.past[key]
    found: NDArray[np.float32] = most[np.searchsorted(scan, integration)]
    return found


def _together(index: RowIndex, integration: int) -> NDArray[np.bool_]:
    """Return the windows that an integration has, and those that have come with them so far, and so on, [window]."""
    found: NDArray[np.bool_] = index.rows_of_window[integration] > 0
    if found.all():
        return found
    of = (index.array, index.beam)
    key = tuple(int(each[integration]) for each in of)
    if key not in index.past:
        there = _alike(of, key)
        has = index.rows_of_window[there] > 0
        new = np.append(True, (has[1:] != has[:-1]).any(axis=1))  # others than the one before
        index.past[key] = there[new], has[new]
    first, has = index.past[key]
    known = has[first <= integration]
    while True:
        wider: NDArray[np.bool_] = np.asarray(known[known[:, found].any(axis=1)].any(axis=0))
        if (wider == found).all():
            return found
        found = wider


def _alike(of: Sequence[NDArray[np.int32]], key: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the integrations for which these columns [integration] are as in the key, ascending."""
    return np.flatnonzero(np.logical_and.reduce([column == value for column, value in zip(of, key, strict=True)]))
