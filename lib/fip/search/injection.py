"""Sources that the search puts into its own copy of the pixels, to measure the share of true ones that it finds.

There is one in a block of 500 slices. All of it is drawn by a hash of the series and the number of the block: there is
no state and no clock in it, and a replay makes the same sources. No stored image ever holds one.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fip.search.peaks import is_near
from fip.search.words import Event, Matrix, Searched

BLOCK = 500
"""Steps of a block, in which there is one injection."""

QUIET = 100
"""Steps at the end of a block in which it is off: its event is found, and over, before the next block begins."""

WEAKEST, BRIGHTEST = 5.0, 12.0
"""Limits of the S/N of all its slices together, between which it is drawn."""

MARGIN = 2.0
"""Its distance in full widths at half maximum from the edges, and from pixels without a value, at least."""

_TOO_BRIGHT = 5.0  # sigma above what was put in: noise adds so much once in 3 million, so another source is there
_FAINTEST = 1e-4  # of a source's peak, to which its Gaussian reaches
_AROUND = 16  # points around a place that must have values, too
_CORE = 6.0  # full widths at half maximum: a PSF's image is added as far as that


@dataclass(frozen=True, slots=True)
class Injection:
    """A point source that is on for some steps of a block."""

    x: float  # pixel, from 0, to a fraction
    y: float
    first: int  # step in which it is first on
    width: int  # steps
    snr: float  # over all of them

    @property
    def last(self) -> int:
        """The last step in which it is on."""
        return self.first + self.width - 1

    def is_on(self, step: int) -> bool:
        """Return whether an image of a step holds it."""
        return self.first <= step <= self.last


def block_of(step: int) -> int:
    """Return the number of the block that holds a step."""
    return step // BLOCK


def injection_of(key: str, block: int, searched: Searched, finite: NDArray[np.bool_] | None = None) -> Injection | None:
    """Draw the source of a block, uniform in place and S/N, log-uniform in width, over 100 steps before the block ends.

    `key` names the series: run, field, plane, average. `finite` [y, x] says which pixels have values, all if it is not
    given. None if no pixel is so far from edges.
    """
    whole = np.ones((searched.height, searched.width), np.bool_) if finite is None else finite
    inside = _inside(whole, searched.beam)
    of_row = np.cumsum(inside.sum(axis=1))
    if not of_row[-1]:
        return None
    where, right, down, start, wide, bright = _drawn(f"{key}\n{block}", 6)
    rank = int(where * int(of_row[-1]))
    y = int(np.searchsorted(of_row, rank, side="right"))
    x = int(np.flatnonzero(inside[y])[rank - (int(of_row[y - 1]) if y else 0)])
    width = min(searched.widest, int((searched.widest + 1) ** wide))
    first = BLOCK * block + int(start * (BLOCK - QUIET - width + 1))
    return Injection(x + right - 0.5, y + down - 0.5, first, width, WEAKEST + (BRIGHTEST - WEAKEST) * bright)


def add_to(
    pixels: NDArray[np.floating],
    injection: Injection,
    noise: float,
    searched: Searched,
    psf: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Return a copy of the pixels [y, x] in Jy/beam of a slice in which it is on, with it; `noise` is the slice's.

    Its shape is the PSF [y, x], 1 in its middle (height // 2, width // 2), as far as 6 beams from there. Without a PSF,
    it is the Gaussian with the same curvature at its peak as the noise, by Lambda.
    """
    flux = injection.snr / math.sqrt(injection.width) * noise
    reach = _reach(searched.curvature, -2 * math.log(_FAINTEST)) if psf is None else _reach(searched.beam, _CORE**2)
    rows, columns = (
        slice(max(0, math.floor(at - far)), min(size, math.ceil(at + far) + 1))
        for at, far, size in zip((injection.y, injection.x), reach, pixels.shape, strict=True)
    )
    dy = np.arange(rows.start, rows.stop)[:, np.newaxis] - injection.y
    dx = np.arange(columns.start, columns.stop) - injection.x
    if psf is None:
        (xx, xy), (_, yy) = searched.curvature
        shape = np.exp(-(xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy) / 2)
    else:
        y, x = np.broadcast_arrays(dy + psf.shape[0] // 2, dx + psf.shape[1] // 2)
        shape = ndimage.map_coordinates(np.asarray(psf, np.float64), [y, x], order=3, mode="constant")
    with_it = np.array(pixels, np.float32)
    with_it[rows, columns] += (flux * shape).astype(np.float32)
    return with_it


def found_by(injection: Injection, events: Iterable[Event], beam: Matrix) -> Event | None:
    """Return the event that it made: the best within 1.2 beams that overlaps in time; None if it was not found.

    An event that is brighter by 5 sigma than what was put in is not taken for it, nor one that became fainter.
    """
    near = [
        event
        for event in events
        if event.best.sign > 0
        and is_near(event.best.x - injection.x, event.best.y - injection.y, beam)
        and event.best.first <= injection.last
        and event.best.last >= injection.first
        and event.best.snr < injection.snr + _TOO_BRIGHT
    ]
    return max(near, key=lambda event: event.best.snr, default=None)


def _drawn(text: str, count: int) -> list[float]:
    """Return numbers from 0 to below 1 that a text stands for, the same on any machine and in any version."""
    drawn = hashlib.blake2b(text.encode(), digest_size=8 * count).digest()
    return [int.from_bytes(drawn[8 * at : 8 * at + 8]) / 2**64 for at in range(count)]


def _inside(finite: NDArray[np.bool_], beam: Matrix) -> NDArray[np.bool_]:
    """Return which pixels [y, x] have values, as do all on an ellipse of 2 beams around, which is within the image."""
    found = finite.copy()
    height, width = finite.shape
    axes = np.linalg.inv(np.linalg.cholesky(np.array(beam)).T) * MARGIN
    for turn in range(_AROUND):
        angle = 2 * math.pi * turn / _AROUND
        dx, dy = (round(each) for each in (axes @ (math.cos(angle), math.sin(angle))).tolist())
        if abs(dx) >= width or abs(dy) >= height:
            return np.zeros_like(found)
        rows, columns = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
        found[rows, columns] &= finite[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
        found[: rows.start], found[rows.stop :] = False, False
        found[:, : columns.start], found[:, columns.stop :] = False, False
    return found


def _reach(shape: Matrix, most: float) -> tuple[float, float]:
    """Return the pixels, in y and x, to which d.S d may be as large as `most`."""
    x, y = np.sqrt(most * np.diag(np.linalg.inv(np.array(shape)))).tolist()
    return y, x
