"""Cut-outs about an event: what is around its place in the images that show it, and in some before and after."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.data.errors import UsageError
from fip.events.measuring import is_on, of_its_field
from fip.events.words import Found
from fip.fits.planes import Planes
from fip.search.forced import core_of, noise_around

SIDE = 65
"""Pixels a side."""

FEWEST = 8
"""Images before an event, and after it; of one that is longer, as many as show it."""

MOST = 192
"""Images of one cut-out; of more, every second, third, ... one."""


@dataclass(frozen=True, slots=True)
class Cutouts:
    """What is around the place of an event."""

    entries: tuple[Entry, ...]  # of the images, in order of time
    on: tuple[bool, ...]  # whether an image shows it
    noise: tuple[float, ...]  # Jy/beam around it
    column: int  # pixel of the image, from 0, that is the middle of a cut-out
    row: int
    difference: NDArray[np.float32]  # [image, y, x] Jy/beam, less what is always there; NaN beyond the image

    @property
    def snr(self) -> NDArray[np.float32]:
        """The same in units of the noise."""
        return (self.difference / np.array(self.noise, np.float32)[:, np.newaxis, np.newaxis]).astype(np.float32)


def cut_out(directory: Path, found: Found, entries: Sequence[Entry]) -> Cutouts:
    """Cut an event out of what is stored; images that cannot be read are left out.

    If the search took a reference off its images, the median of those that do not show it is taken off here.
    """
    best, core = found.event.best, core_of(found.series.searched.beam, found.series.searched.curvature)
    column, row = math.floor(best.x + 0.5), math.floor(best.y + 0.5)
    taken, shows, noise, parts = list[Entry](), list[bool](), list[float](), list[NDArray[np.float32]]()
    for entry in _around(found, of_its_field(found, entries)):
        try:
            image = Planes.open(directory / entry.file)
            pixels = image.plane(image.layout.stokes.index(found.series.stokes))
        except (UsageError, ValueError):
            continue
        taken.append(entry)
        shows.append(is_on(found, entry))
        noise.append(noise_around(pixels, best.x, best.y, core))
        parts.append(_part(pixels, column, row))
    cube = np.stack(parts) if parts else np.empty((0, SIDE, SIDE), np.float32)
    off = ~np.array(shows, bool)
    if found.series.searched.reference != "none" and off.any():
        known = cube[off][np.isfinite(cube[off]).any(axis=(1, 2))]
        if len(known):
            cube = cube - np.median(known, axis=0)
    return Cutouts(tuple(taken), tuple(shows), tuple(noise), column, row, cube.astype(np.float32))


def _around(found: Found, mine: Sequence[Entry]) -> list[Entry]:
    shown = [number for number, each in enumerate(mine) if is_on(found, each)]
    if not shown:
        return []
    beside = max(FEWEST, shown[-1] + 1 - shown[0])
    window = mine[max(shown[0] - beside, 0) : shown[-1] + 1 + beside]
    return list(window[:: -(-len(window) // MOST)])


def _part(pixels: NDArray[np.floating], column: int, row: int) -> NDArray[np.float32]:
    """[SIDE, SIDE] about a pixel; NaN beyond the image."""
    half, (height, width) = SIDE // 2, pixels.shape
    part = np.full((SIDE, SIDE), np.nan, np.float32)
    left, low = max(column - half, 0), max(row - half, 0)
    right, high = min(column + half + 1, width), min(row + half + 1, height)
    if left < right and low < high:
        part[low - row + half : high - row + half, left - column + half : right - column + half] = pixels[
            low:high, left:right
        ]
    return part
