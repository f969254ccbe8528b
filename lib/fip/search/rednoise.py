"""The noise of sums over slices if it is not white: what errors leave of a sky stays for many slices.

With white noise a sum over n slices, over sqrt(n), scatters as a slice does. Errors that last add up, and such sums
scatter by up to sqrt(n) times as much. Then that is taken as the noise of a boxcar, as it is now in each tile of the
image. Otherwise all of an image would stand out, and the boxcar of a short event would lose against a long one that is
nothing but errors.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.search.noise import Tiles, scatter, sizes_of_tiles
from fip.search.passes import STEPS
from fip.search.pyramid import Pyramid, boxcar_weights, level_now, spread_of
from fip.search.words import Matrix

RED = 1.25
"""Scatter of sums over slices, in units of that of white noise: from this factor on it counts as their noise.

White noise is measured to 4 % about a place, and to 8 in a corner of an image.
"""

BEFORE = 16
"""The least number of slices before a peak with which it is compared."""

COARSELY = 0.8
"""Share of a threshold: a tile's noise is a place's to a fifth, and a peak above is measured by its own noise."""

UNEVEN = 0.054, 0.08, 0.115
"""Share of the noise about a place by which that of the place itself differs, as a standard deviation: errors of a sky
are higher in sidelobes of its sources than between these. The last is the measured value, 0.115; the first two hold if
a peak was also compared with the slices before it: a peak of up to 16 slices, and of more."""

_LOG_NORMAL = 7.0  # S/N: up to it, the level of noise is known to scatter as widely as that
_TESTED = 2  # the first level that is tested: sums over four slices
_SURE = 5.0  # standard deviations by which RED must be sure, in an image of few beams
_SAMPLE = 2**14  # pixels that are enough for it
_MEMORY = 0.5  # share of the last value of a tile, when a level is made: errors change within some ten slices


@dataclass(slots=True)
class Red:
    """The factors by which sums over slices scatter more than those of white noise. Only `listen` changes it."""

    least: float  # the factor from which noise is red
    times: NDArray[np.float32]  # [level, row, column] of each tile, level 0 being a slice; 1 before it is measured
    until: int = -1  # the step up to which noise is red

    def holds(self, step: int) -> bool:
        """Return whether noise is red at a step."""
        return step <= self.until


def white(levels: int, tiles: Tiles, pixels: int, beam: Matrix) -> Red:
    """Make it for so many levels of a pyramid of images of so many pixels, before any is measured."""
    (xx, xy), (_, yy) = beam
    beams = max(1.0, pixels * math.sqrt(xx * yy - xy * xy))
    return Red(max(RED, 1 + _SURE / math.sqrt(beams)), np.ones((levels + 1, *tiles.level.shape), np.float32))


def listen(red: Red, pyramid: Pyramid, tiles: Tiles, pixels: NDArray[np.float32]) -> None:
    """Measure the image [y, x] that was pushed last, and the levels that were made with it."""
    if any(_is_red(red, *each) for each in _made(pyramid)):
        if not red.holds(pyramid.step):
            red.times[:] = 1
        red.until = pyramid.step + pyramid.widest
    if not red.holds(pyramid.step):
        return
    for level, made, spread in _made(pyramid):
        found = sizes_of_tiles(tiles, made.reshape(pixels.shape), pixels) / spread
        before = red.times[level]
        now = np.where(before == 1, found, before + (1 - _MEMORY) * (found - before))
        red.times[level] = np.where(np.isfinite(found), now, before)


def standing_out(
    red: Red, pyramid: Pyramid, tiles: Tiles, hot: NDArray[np.int32], low: float, width: int
) -> NDArray[np.int32]:
    """Return the hot places, in rows of `width` pixels, that are beyond low x the noise of their tile, or nearly."""
    hot = np.unique(hot)
    row, column = hot // width // tiles.side, hot % width // tiles.side
    out = np.zeros(hot.size, bool)
    for level, made, spread in _made(pyramid):
        out |= np.abs(made[hot]) > COARSELY * low * STEPS * spread * red.times[level, row, column]
    return hot[out]


def even(snr: float, width: int, compared: bool) -> float:
    """Return the S/N at which even noise is as rare, for a boxcar that was `compared` with slices before it, or not.

    If the level of noise scatters by s, exp(u^4 s^2 / 2) times as much of it is above u as of even noise: as much as of
    even noise above u - u^3 s^2 / 2. From _LOG_NORMAL on nothing more is taken off.
    """
    spread = UNEVEN[2] if not compared else UNEVEN[0] if width <= BEFORE else UNEVEN[1]
    return snr - min(snr, _LOG_NORMAL) ** 3 * spread**2 / 2


def least_of(red: Red, level: int) -> float:
    """Return a factor over white noise that all tiles have in a level, or nearly have."""
    return max(1.0, COARSELY * float(red.times[level].min()))


class Weights:
    """[width - 1, end] 1 / (variance of the sum of z) of boxcars, as from `boxcar_weights`, for each tile."""

    def __init__(self, pyramid: Pyramid, tiles: Tiles, red: Red | None) -> None:
        self._white = boxcar_weights(pyramid)
        self._tiles, self._red = tiles, red
        self._known: dict[int, NDArray[np.float32]] = {}

    def tile(self, x: NDArray[np.integer], y: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return the number of the tile of each pixel; one number for all if noise is white."""
        if self._red is None:
            return np.zeros_like(x)
        return np.asarray(y // self._tiles.side * self._tiles.level.shape[1] + x // self._tiles.side)

    def of(self, tile: int) -> NDArray[np.float32]:
        """Return the weights of a tile."""
        if self._red is None:
            return self._white
        if tile not in self._known:
            times = self._times(tile)[:, np.newaxis]
            self._known[tile] = (self._white / (times * times)).astype(np.float32)
        return self._known[tile]

    def at(self, x: int, y: int) -> NDArray[np.float32]:
        """Return the weights of a pixel."""
        return self.of(int(self.tile(np.array(x), np.array(y))))

    def times(self, x: int, y: int, width: int) -> float:
        """Return the factor by which sums over so many slices scatter more at a pixel than those of white noise."""
        return 1.0 if self._red is None else float(self._times(int(self.tile(np.array(x), np.array(y))))[width - 1])

    def _times(self, tile: int) -> NDArray[np.float64]:
        """Return the factors [width - 1], between levels by a power of the width."""
        assert self._red is not None
        levels = self._red.times.reshape(len(self._red.times), -1)[:, tile]
        octaves = np.log2(np.arange(1, len(self._white) + 1))
        return np.exp2(np.interp(octaves, np.arange(levels.size), np.log2(levels)))


def _made(pyramid: Pyramid) -> Iterator[tuple[int, NDArray[np.int16], float]]:
    """Yield the last slice, and the levels that were made with it: number, z [pixel], scatter of white noise there."""
    yield 0, pyramid.ring[pyramid.step % len(pyramid.ring)], 1.0
    for level in range(1, len(pyramid.levels) + 1):
        made = level_now(pyramid, level)
        if made is None:
            return
        yield level, made, spread_of(pyramid, level)


def _is_red(red: Red, level: int, made: NDArray[np.int16], spread: float) -> bool:
    if level < _TESTED or not spread > 0:
        return False
    return scatter(made[:: max(1, made.size // _SAMPLE) | 1]) > red.least * spread
