"""Memory that vectors of 64 bytes go into whole."""

import numpy as np
from numpy.typing import NDArray

BOUNDARY = 64
"""Bytes of a line of the caches: a vector that is not on one is in two of them."""


def on_boundary(size: int) -> NDArray[np.uint8]:
    """So many bytes of any contents, the first of which is on a boundary."""
    raw = np.empty(size + BOUNDARY, np.uint8)
    start = -raw.ctypes.data % BOUNDARY
    return raw[start : start + size]
