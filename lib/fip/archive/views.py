"""A view: the part of an image that a page shows, as finely as it shows it, in few bytes.

Pure. docs/decisions/0151 says why, and docs/monitoring.md how a view is read.
"""

import gzip
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.archive.shrink import shrink
from fip.data.quality import GAUSSIAN_RMS_PER_MAD

LARGEST = 1_000_000  # bytes of a view
EXACT = 1_000_000  # bytes of pixels up to which they are sent as they are
FINEST = 8  # steps to the noise
SAMPLE = 64  # pixels a side that the noise is estimated from, evenly over the view
NONE = 2**32 - 1  # the number that stands for NaN
COARSER = 2  # times, when a view is still too large
LEVEL = 4  # of gzip: more takes twice the time for a hundredth of the bytes


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image, in stored pixels counted from 0."""

    left: int
    bottom: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class View:
    """A part of a plane as it is sent.

    A shown pixel is the maximum of `block` x `block` stored ones; those of the last rows and columns that fill no block
    are left out. With a `step`, it is sent as a number of steps, to within half of one.
    """

    window: Window  # of the stored image
    width: int  # shown pixels
    height: int
    block: int  # stored pixels, along each side, to a shown one
    step: float  # Jy/beam; 0 if pixels are sent exactly
    content: bytes
    """gzip of four planes of bytes, the lowest first: of float32, or with a step of uint32 (2n for n steps, 2n - 1 for
    -n steps, 2^32 - 1 for NaN), row by row from the south."""


def make_view(plane: NDArray[np.floating], window: Window, most: int) -> View:
    """The view of a window that lies within a plane [y, x] (Jy/beam), at most `most` shown pixels a side."""
    part = plane[window.bottom : window.bottom + window.height, window.left : window.left + window.width]
    shown, block = shrink(np.asarray(part, np.float32), most)  # of this machine's order: that is twice as fast
    pixels = np.ascontiguousarray(shown, "<f4")
    height, width = pixels.shape
    step, content = 0.0, b""
    if pixels.nbytes <= EXACT:
        content = _packed(pixels)
    while not content or len(content) > LARGEST:
        step = COARSER * step or _first_step(pixels)
        content = _packed(_in_steps(pixels, step))
    return View(window, width, height, block, step, content)


def _first_step(pixels: NDArray[np.float32]) -> float:
    """Return a share of the noise, or of the brightest pixel if there is none, so large that its number is an int32."""
    rows, columns = (max(1, side // SAMPLE) for side in pixels.shape)
    sample = pixels[::rows, ::columns].astype(np.float64)
    finite = sample[np.isfinite(sample)]
    noise = float(np.median(np.abs(finite - np.median(finite)))) * GAUSSIAN_RMS_PER_MAD if finite.size else 0.0
    brightest = float(np.max(np.abs(pixels), where=np.isfinite(pixels), initial=0.0))
    return max(noise / FINEST or brightest / 2**20, brightest / 2**30) or 1e-9


def _in_steps(pixels: NDArray[np.float32], step: float) -> NDArray[np.uint32]:
    """Numbers of steps, 0, -1, 1, -2, ... as 0, 1, 2, 3, ...: of small ones the upper bytes are then all 0."""
    counted = np.rint(pixels.astype(np.float64) / step)
    steps = np.where(np.isfinite(counted), counted, 0).astype(np.int32)
    return np.where(np.isfinite(counted), (steps << 1) ^ (steps >> 31), NONE).astype("<u4")


def _packed(numbers: NDArray[np.float32] | NDArray[np.uint32]) -> bytes:
    """The first bytes of all numbers, then the second ones, ...: like stands beside like, so that it packs well."""
    return gzip.compress(numbers.view(np.uint8).reshape(-1, 4).T.tobytes(), LEVEL, mtime=0)
