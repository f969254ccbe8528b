"""Work arrays of a thread, and views of others' arrays as compiled functions take them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fip.imaging.slant.fft import fft_plan
from fip.imaging.slant.scheme import Precision, Scheme
from fip.imaging.slant.simd import Floats, aligned
from fip.imaging.slant.stages import Transform

Get: TypeAlias = Callable[[str, int], Floats]
"""A function that returns a buffer of a name and a length, of the scheme's precision."""


class Buffers(threading.local):
    """Work arrays of a thread that grow when they must: their pages are touched once. Old contents are never read."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Precision], Floats] = {}

    def get(self, precision: Precision, name: str, length: int) -> Floats:
        """Return an array of exactly this length, of any contents."""
        key = name, precision
        held = self._held.get(key)
        if held is None or len(held) < length:
            self._held.pop(key, None)
            held = self._held[key] = aligned(length + length // 16, precision)
        return held[:length]

    def release(self) -> None:
        """Let go of all arrays."""
        self._held.clear()


buffers = Buffers()


LEAST_PAST = 1 << 22
"""Bytes from which an array is written past the caches: they would have lost it before it is read in any case."""


def goes_past(array: NDArray[np.floating]) -> bool:
    """Return whether an array is so large, and its rows so placed, that `simd.store_past` should write it."""
    placed = array.ctypes.data % 64 == 0 and all(side % 16 == 0 for side in array.shape)
    return array.nbytes >= LEAST_PAST and placed


@contextmanager
def filling(plane: NDArray[np.floating], precision: Precision) -> Iterator[NDArray[Any]]:
    """Give a contiguous array of this precision to fill in place of a plane: the plane itself, or one copied to it.

    The other is zero first: below the horizon it is not filled, and what memory held might be out of the plane's range.
    """
    if plane.dtype == precision and plane.flags.c_contiguous:
        yield plane
        return
    whole = np.zeros(plane.shape, precision)
    yield whole
    plane[...] = whole


def read_only(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Return the same values, contiguous and read-only: for numba that is one type, compiled only once."""
    if not array.flags.writeable and array.flags.c_contiguous and array.dtype == dtype:
        return array
    view: NDArray[Any] = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view


def make_transform(n: int, scheme: Scheme, get: Get) -> Transform:
    """Make a transform. Its work arrays lie 1 KiB apart modulo 4 KiB: a write of one waits for no read of the other."""
    page = 4096 // np.dtype(scheme.precision).itemsize
    size = -(-n * 16 // page) * page
    both = get("fft", 2 * size + 2 * page)
    start = -(both.ctypes.data // both.itemsize) % page
    second = start + size + page // 4 + 16
    radices, twiddles = fft_plan(n, scheme.precision)
    return Transform(n, radices, twiddles, both[start : start + n * 16], both[second : second + n * 16])
