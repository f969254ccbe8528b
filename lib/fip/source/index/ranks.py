"""Numbers for equal values, of columns that seldom change from one place to the next. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ranks(*columns: NDArray[Any]) -> NDArray[np.intp]:
    """Return the rank of each place's values among all values, by the first of `columns` [place], then the next.

    It is the inverse of `np.unique`. Only the places at which something changes are sorted: in a day of integrations,
    through which a growing set looks with each new one, these are few.
    """
    size = columns[0].size
    changed = np.zeros(size, bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    heads = np.flatnonzero(changed)
    kinds = np.column_stack([np.unique(column[heads], return_inverse=True)[1] for column in columns])
    found = np.unique(kinds, axis=0, return_inverse=True)[1].reshape(-1)
    return np.repeat(found, np.diff(heads, append=size))
