"""Memory that holds vectors of 64 bytes without splitting them."""

import numpy as np
from numpy.typing import NDArray

BOUNDARY = 64
"""Bytes of a line of the caches: a vector that does not begin on one lies in two of them."""


def on_boundary(size: int, boundary: int = BOUNDARY) -> NDArray[np.uint8]:
    """Return so many bytes of any contents, which begin at a multiple of so many."""
    raw = np.empty(size + boundary, np.uint8)
    start = -raw.ctypes.data % boundary
    return raw[start : start + size]
