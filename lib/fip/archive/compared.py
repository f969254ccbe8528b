"""An image against those before it, and against its noise. Pure."""

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from fip.archive.views import Window
from fip.imaging.statistics import image_statistics

Kind: TypeAlias = Literal["image", "difference", "S/N"]
KINDS: tuple[Kind, ...] = get_args(Kind)

BEFORE = 8
"""Images before one that are taken off it: the noise of a difference is sqrt(1 + 1/8), 6 % more."""


def less_the_mean(
    plane: NDArray[np.floating], before: Iterable[NDArray[np.floating]], window: Window
) -> NDArray[np.float32]:
    """Return a window of a plane [y, x] (Jy/beam) less the mean of other planes there; NaN if none has a number there.

    A NaN in one of the others is ignored.
    """
    part = _part(plane, window).astype(np.float32)
    total, count = np.zeros(part.shape, np.float32), np.zeros(part.shape, np.uint8)
    for other in before:
        known = _part(other, window)
        finite = np.isfinite(known)
        np.add(total, known, out=total, where=finite, casting="same_kind")
        count += finite
    return part - np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))


def in_noise(plane: NDArray[np.floating], window: Window) -> NDArray[np.float32]:
    """Return a window of a plane [y, x] in units of the noise of the whole plane; NaN if that has none."""
    told = image_statistics(plane)
    noise = told.rms if told and told.rms > 0 else np.nan
    return _part(plane, window).astype(np.float32) / np.float32(noise)


def _part(plane: NDArray[np.floating], window: Window) -> NDArray[np.floating]:
    return plane[window.bottom : window.bottom + window.height, window.left : window.left + window.width]
