"""What a search finds in images whose sky was subtracted with wrong gains and through an ionosphere.

    OMP_NUM_THREADS=1 python -m benchmarks.transients_sky [--images N] [--size N] [--brightest SNR] [--seed N] [--quick]

A sky of sources of 1 to 10,000 standard deviations of the noise (1 mJy to 10 Jy at 1 mJy/beam) is in the visibilities
with gains that are wrong by 2 % and 3 deg rms an antenna, each source moved by 0.1 beams rms by itself, all of it
correlated over 30 slices; the same sky, as the model has it, is subtracted. Point sources are added, too. Told are the
events that no source accounts for beside those that the noise makes, and how many sources are found, by their S/N
against the noise as the images show it; all of it with the noise of `fip.search.variables` at sources, and without.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.__main__ import conditions, load
from benchmarks.report import Line, print_table
from benchmarks.transients import CADENCE, Injection, Telescope, injections
from fip.data.quantities import SPEED_OF_LIGHT
from fip.search.events import Events, associate, close
from fip.search.noise import image_noise
from fip.search.series import advance, begin, finish
from fip.search.reference import weigh, whiteness
from fip.search.theory import false_events, threshold
from fip.search.variables import Model, excess_noise, is_known, lasting, model_of
from fip.search.words import Budget, Event, Facts, Matrix, Peak, Searched

Array = NDArray[np.float64]
Pixels = NDArray[np.float32]

GAIN, PHASE, MOVED = 0.02, math.radians(3), 0.1  # rms of an antenna, an antenna in rad, and a source in beams
LONG = 30.0  # slices, over which errors are correlated
SOURCES = 30
RARE = 1e-2  # false events of noise in a slice
AWAY = 5.0  # beams from a source above `OF_BRIGHT` sigma, of sources that must be found
OF_BRIGHT = 20.0
_NO_REFERENCE = np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Steady:
    """A source of the model."""

    x: float
    y: float
    flux: float  # Jy


class Errors:
    """Numbers that wander about 0 with a standard deviation of 1, correlated over LONG slices."""

    def __init__(self, shape: tuple[int, ...], random: np.random.Generator) -> None:
        self._random, self.now = random, random.standard_normal(shape)

    def step(self) -> Array:
        """Those of the next slice."""
        keep = math.exp(-1 / LONG)
        self.now = keep * self.now + math.sqrt(1 - keep**2) * self._random.standard_normal(self.now.shape)
        return self.now


def sky(telescope: Telescope, brightest: float, random: np.random.Generator) -> list[Steady]:
    """Sources of 1 to so many standard deviations, as many in each decade, all over the image."""
    snrs = np.exp(np.linspace(0, math.log(brightest), SOURCES))
    side = telescope.grid.width
    return [Steady(*random.uniform(12, side - 12, 2), float(snr) * telescope.sigma) for snr in snrs]


def restored(sources: Sequence[Steady], side: int, beam: Matrix) -> Pixels:
    """[y, x] Jy/beam."""
    (xx, xy), (_, yy) = beam
    y, x = np.indices((side, side), np.float64)
    total = np.zeros((side, side))
    for each in sources:
        dx, dy = x - each.x, y - each.y
        total += each.flux * np.exp(-4 * math.log(2) * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
    return total.astype(np.float32)


class Observed:
    """What is left in the visibilities of a sky that was subtracted as the model has it."""

    def __init__(self, telescope: Telescope, sources: Sequence[Steady], beam: Matrix, random: np.random.Generator) -> None:
        self._telescope, self._sources = telescope, sources
        self._moved_by = MOVED / float(np.linalg.det(np.array(beam))) ** 0.25  # pixels
        self._gains, self._phases = Errors((64,), random), Errors((64,), random)
        self._moves = Errors((len(sources), 2), random)

    def left(self, uvw: Array) -> NDArray[np.complex64]:
        """[baseline, channel] Jy, of the next slice."""
        gain = (1 + GAIN * self._gains.step()) * np.exp(1j * PHASE * self._phases.step())
        one, other = np.triu_indices(64, 1)
        pairs = (gain[one] * gain[other].conj())[:, None]
        total = np.zeros(0)
        for each, move in zip(self._sources, self._moved_by * self._moves.step(), strict=True):
            seen = self._telescope.source(uvw, each.flux, each.x + move[0], each.y + move[1])
            part = pairs * seen - self._telescope.source(uvw, each.flux, each.x, each.y)
            total = part if not total.size else total + part
        return np.asarray(total, np.complex64)


class Search:
    """Images in order, with the noise at the sources of a model or without it."""

    def __init__(self, searched: Searched, u: float, model: Model | None) -> None:
        self._state, self._events, self._searched, self._u = begin(searched, u), Events(), searched, u
        self._model, self._index = model, 0
        self._white = whiteness(len(self._state.pyramid.levels))
        self._found: dict[int, Event] = {}

    def take(self, pixels: Pixels, noise: float) -> None:
        """The next image, and its noise."""
        factor = excess_noise(pixels, self._model, noise)[1] if self._model else None
        image = pixels if factor is None else pixels / factor
        self._state, look = advance(self._state, image, Facts(self._index, self._index * CADENCE))
        weigh(self._white, self._state.pyramid)
        self._associate([peak for peak in look.peaks if peak.snr >= self._u * self._raised(peak, factor)])
        self._index += 1

    def _raised(self, peak: Peak, factor: Pixels | None) -> float:
        if self._model is None:
            return 1.0
        here = 1.0 if factor is None else float(factor[round(peak.y), round(peak.x)])
        return max(lasting(here, peak.width), self._white.factor(peak.width))

    def finish(self) -> list[Event]:
        """All events."""
        self._state, peaks = finish(self._state)
        self._associate(peaks)
        self._found.update((event.number, event) for event in close(self._events)[1])
        return list(self._found.values())

    def _associate(self, peaks: Sequence[Peak]) -> None:
        searched, step = self._searched, self._state.pyramid.step
        self._events, changed = associate(self._events, peaks, searched.beam, searched.widest, step, self._index)
        self._found.update((event.number, event) for event in changed)
