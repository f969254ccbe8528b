"""What is subtracted from an image before it is searched: nothing, or the sky by the images before it.

A running reference begins as the median of 16 images; each mean of 32 slices more is blended into it when it is 64
slices old, so that a transient is no part of what it is compared with. Its own noise, as it was when z was made, is
part of the noise of every boxcar. At the place of an event it stays as it is: otherwise the event would have a shadow.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fip.search.noise import Tiles, scatter
from fip.search.passes import STEPS, add_clipped, blend
from fip.search.pyramid import Pyramid, level_now, rows_of, spread_of
from fip.search.words import Matrix, Place

Floats = NDArray[np.float32]

FIRST = 16  # images; their median is the first reference
CHUNK = 32  # slices of a mean
AGE = 64  # slices that a mean waits before it is blended in
SHARE = 0.25  # of a mean in the reference then
CLIP = 4.0  # standard deviations: a sum over four slices is clipped to that
NOT_WHITE = 1.1
"""A sum over slices may scatter by so many times its noise; beyond that, sky is left in the images, and changes."""

_SPARED = 2.4  # full widths at half maximum about an event
_NOISIER = 1.1  # times the variance elsewhere: of a place that is held separately
_SAMPLE = 2**14  # pixels from which the scatter of a level is measured
_MEMORY = 0.8
_MEASURED = 4  # measurements before a level is judged


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of slices from `first` on, waiting to be blended in."""

    first: int  # step
    slices: int  # with an image
    pixels: Floats  # [y, x] Jy/beam


@dataclass(frozen=True, slots=True)
class Held:
    """A square about a place, in which the reference was left as it was and is noisier than elsewhere."""

    x: int
    y: int
    reach: int  # pixels to each side
    variance: float  # in units of that of an image

    def has(self, x: float, y: float) -> bool:
        """Return whether a pixel is in it."""
        return abs(x - self.x) <= self.reach and abs(y - self.y) <= self.reach


@dataclass(slots=True)
class Running:
    """A running reference. Only `warm` and `follow` change it."""

    pixels: Floats  # [y, x] Jy/beam; no values before it is known
    variance: float = 0.0  # in units of that of an image
    begun: list[Floats] = field(default_factory=list)  # the first images
    total: Floats | None = None  # [pixel] sum over the slices of this chunk, less the reference
    first: int = 0  # step of the chunk
    slices: int = 0  # with an image in it
    waiting: list[Mean] = field(default_factory=list)
    held: tuple[Held, ...] = ()

    @property
    def known(self) -> bool:
        """Return whether images can be searched."""
        return self.pixels.size > 0


@dataclass(slots=True)
class Whiteness:
    """The factor by which each level scatters more than white noise would, level 0 first. Only `weigh` changes it."""

    ratio: NDArray[np.float64]
    lately: NDArray[np.float64]  # the largest, or what is left of it
    measured: NDArray[np.int64]

    @property
    def model_needed(self) -> bool:
        """Return whether a level is so far from white that the sky has to be subtracted before imaging."""
        return bool(((self.measured >= _MEASURED) & (self.ratio > NOT_WHITE)).any())

    def factor(self, width: int) -> float:
        """Return the factor by which the threshold of a boxcar is to be raised."""
        level = min(max(0, width - 1).bit_length(), self.ratio.size - 1)
        return float(max(1.0, self.lately[level])) if self.measured[level] >= _MEASURED else 1.0


def whiteness(levels: int) -> Whiteness:
    """Make it for so many levels, before any is measured."""
    return Whiteness(np.ones(levels + 1), np.ones(levels + 1), np.zeros(levels + 1, np.int64))


def weigh(white: Whiteness, pyramid: Pyramid) -> None:
    """Measure the levels that were made now, of four slices and more."""
    for level in range(2, white.ratio.size):
        made = level_now(pyramid, level)
        if made is None:
            break
        spread, each = spread_of(pyramid, level), max(1, made.size // _SAMPLE)
        found = scatter(made[:: each | 1]) if spread > 0 else math.nan
        if math.isfinite(found):
            share = max(1 / (1 + int(white.measured[level])), 1 - _MEMORY)
            white.ratio[level] += share * (found / spread - white.ratio[level])
            left = white.lately[level] + share * (white.ratio[level] - white.lately[level])
            white.lately[level] = max(found / spread, left)
            white.measured[level] += 1


def warm(running: Running, pixels: Floats) -> None:
    """Add one of the first images, [y, x]; after the last of them the reference is known."""
    running.begun.append(pixels.copy())
    if len(running.begun) == FIRST:
        with np.errstate(all="ignore"):
            running.pixels = np.median(np.stack(running.begun), axis=0).astype(np.float32)
        running.variance = math.pi / 2 / FIRST  # of a median
        running.begun.clear()


def follow(running: Running, pyramid: Pyramid, tiles: Tiles, beam: Matrix, spared: tuple[Place, ...]) -> None:
    """Add what was pushed last, an image or a gap, and blend in means that are old enough."""
    height, width = running.pixels.shape
    if running.total is None:
        running.total, running.first, running.slices = np.zeros(height * width, np.float32), pyramid.step, 0
    running.slices += int(pyramid.present[rows_of(pyramid)[-1]])
    fours = level_now(pyramid, 2) if (pyramid.step + 1) % 4 == 0 else None
    if fours is not None:
        rows = rows_of(pyramid)[-4:]
        scale = pyramid.scale[rows][pyramid.present[rows]].mean() if pyramid.present[rows].any() else 0.0
        factors = (2 * scale / STEPS * tiles.level).astype(np.float32)  # the sum of four is twice their level
        add_clipped(running.total, fours, factors, tiles.side, width, np.float32(CLIP * STEPS))
    if pyramid.step + 1 - running.first < CHUNK:
        return
    if running.slices >= CHUNK // 4:
        mean = running.pixels + running.total.reshape(height, width) / np.float32(running.slices)
        running.waiting.append(Mean(running.first, running.slices, mean))
    running.total[:] = 0
    running.first, running.slices = pyramid.step + 1, 0
    while running.waiting and pyramid.step + 1 - running.waiting[0].first >= AGE:
        _blend(running, running.waiting.pop(0), beam, spared)


def held_factor(running: Running, x: float, y: float, width: int) -> float:
    """Return the factor by which the noise of a boxcar is larger at a place than the reference's variance says."""
    most = max((each.variance for each in running.held if each.has(x, y)), default=running.variance)

    def spread(variance: float) -> float:
        return (width + width**2 * variance) / (1 + variance)

    return math.sqrt(max(1.0, spread(most) / spread(running.variance)))


def _blend(running: Running, old: Mean, beam: Matrix, spared: tuple[Place, ...]) -> None:
    """Blend a mean into the reference, except at spared places, and keep account of its noise now."""
    widest = 1 / math.sqrt(float(np.linalg.eigvalsh(np.array(beam))[0]))
    reach, now = math.ceil(_SPARED * widest), list[Held]()
    for place in spared:
        if place.first < old.first + CHUNK and place.last >= old.first:
            x, y = round(place.x), round(place.y)
            variance = max([each.variance for each in running.held if each.has(x, y)], default=running.variance)
            now.append(Held(x, y, reach, variance))
            at = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
            old.pixels[at] = running.pixels[at]
    blend(running.pixels.ravel(), old.pixels.ravel(), np.float32(SHARE))
    running.variance = _blended(running.variance, old)
    before = [replace(each, variance=_blended(each.variance, old)) for each in running.held]
    running.held = (*now, *(each for each in before if each.variance > _NOISIER * running.variance))


def _blended(variance: float, mean: Mean) -> float:
    return (1 - SHARE) ** 2 * variance + SHARE**2 / mean.slices


def bytes_of(pixels: int, running: bool) -> int:
    """Return the bytes of a reference: 20 a pixel, and 64 while it begins, when nothing else is kept."""
    return 20 * pixels if running else 0
