"""What a search finds in images whose sky was subtracted with wrong gains and through an ionosphere.

    OMP_NUM_THREADS=1 python -m benchmarks.transients_sky [--images N] [--parts N] [--size N] [--brightest SNR]

A sky of sources of 1 to 10,000 standard deviations of the noise (1 mJy to 10 Jy at 1 mJy/beam) is in the visibilities
with gains that are wrong by 2 % and 3 deg rms an antenna, and each source moved by 0.1 beams rms by itself, all of it
correlated over 30 slices; the same sky, as the model has it, is subtracted. Counted are the events of either sign that
are neither `unsteady` nor `refraction`, beside those that noise makes. Point sources are added more than 5 beams from
what is above 20 sigma, with a flux by the noise of as many images before; how many of them are found, by their S/N
against what the sums of their own images scatter by around them, stands beside that in images without the sky. One
that is on a source of the model is found if an event is there, which is `variable` by that. Each part is a run of its
own, with another sky: after each the table is printed of all so far.
"""

import argparse
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.__main__ import conditions, load
from benchmarks.report import Line, print_table
from benchmarks.transients.completeness import injections
from benchmarks.transients.telescope import CADENCE, Telescope
from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.events import Events, associate, close
from fip.search.injection import Injection
from fip.search.labels import REFRACTION, UNSTEADY, Circumstances, labels_among
from fip.search.noise import image_noise
from fip.search.series import advance, begin, finish
from fip.search.theory import false_events, threshold
from fip.search.variables import Model, excess_noise, is_known, model_of
from fip.search.words import Budget, Event, Facts, Matrix, Peak, Searched

Array = NDArray[np.float64]
Pixels = NDArray[np.float32]

GAIN, PHASE, MOVED = 0.02, math.radians(3), 0.1  # rms of an antenna, an antenna in rad, and a source in beams
LONG = 30.0  # slices, over which errors are correlated
SOURCES = 30
RARE = 1e-2  # false events of noise in a slice
SNRS = (5.0, 6.0, 7.0, 8.0, 10.0, 12.0)
NARROW = 4  # slices: what stays for 30 adds up in wider boxcars
SURE = 8.0  # S/N
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
        """Return the errors of the next slice."""
        keep = math.exp(-1 / LONG)
        self.now = keep * self.now + math.sqrt(1 - keep**2) * self._random.standard_normal(self.now.shape)
        return self.now


def sky(telescope: Telescope, brightest: float, random: np.random.Generator) -> list[Steady]:
    """Sources of 1 to so many standard deviations, as many in each decade, all over the image."""
    snrs = np.exp(np.linspace(0, math.log(brightest), SOURCES))
    side = telescope.grid.width
    places = random.uniform(12, side - 12, (SOURCES, 2)).tolist()
    return [Steady(x, y, snr * telescope.sigma) for (x, y), snr in zip(places, snrs.tolist(), strict=True)]


def restored(sources: Sequence[Steady], side: int, beam: Matrix) -> Pixels:
    """Return the restored image [y, x] in Jy/beam."""
    (xx, xy), (_, yy) = beam
    y, x = np.indices((side, side), np.float64)
    total = np.zeros((side, side))
    for each in sources:
        dx, dy = x - each.x, y - each.y
        total += each.flux * np.exp(-4 * math.log(2) * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
    return total.astype(np.float32)


class Observed:
    """What is left in the visibilities of a sky that was subtracted as the model has it."""

    def __init__(
        self, telescope: Telescope, sources: Sequence[Steady], beam: Matrix, random: np.random.Generator
    ) -> None:
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
        self._model, self._index, self.seconds = model, 0, 0.0
        self._found: dict[int, Event] = {}
        self._noise: list[float] = []
        self.variables: list[Event] = []
        """Events at sources of the model, once `told` was asked for."""

    def take(self, pixels: Pixels, noise: float) -> None:
        """The next image, and its noise."""
        begun = time.process_time()
        excess = excess_noise(pixels, self._model, noise)[1] if self._model else None
        facts = Facts(self._index, self._index * CADENCE, excess=excess)
        self._state, look = advance(self._state, pixels, facts)
        self._associate(look.peaks)
        self.seconds += time.process_time() - begun
        self._index += 1
        self._noise.append(noise)

    def told(self) -> list[Event]:
        """All events that are reported, those at sources of the model left out; all events if there is no model."""
        self._state, peaks = finish(self._state)
        self._associate(peaks)
        self._found.update((event.number, event) for event in close(self._events)[1])
        events = list(self._found.values())
        if self._model is None:
            return events
        noise, shape = float(np.median(self._noise)), (self._searched.height, self._searched.width)
        known = Circumstances(self._searched.beam, shape, self._u, self._u, model=self._model, noise=noise)
        given = labels_among(events, known)
        sound = [event for event in events if not {UNSTEADY, REFRACTION} & set(given[event.number])]
        at_source = [is_known(self._model, event.best.x, event.best.y, noise) for event in sound]
        self.variables = [event for event, known in zip(sound, at_source, strict=True) if known]
        return [event for event, known in zip(sound, at_source, strict=True) if not known]

    def _associate(self, peaks: Sequence[Peak]) -> None:
        searched, step = self._searched, self._state.pyramid.step
        self._events, changed = associate(self._events, peaks, searched.beam, searched.widest, step, self._index)
        self._found.update((event.number, event) for event in changed)


@dataclass
class Measured:
    """The measurements of some parts together."""

    images: int = 0
    levels: list[float] = field(default_factory=list)  # noise of an image, in that without the sky
    others: list[int] = field(default_factory=lambda: [0, 0])  # events that are no source: with the sky, and without
    predicted: float = 0.0
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])  # CPU of the search: with the sky, and without
    tried: list[tuple[Injection, bool, bool]] = field(default_factory=list)  # whether found: with the sky, and without

    def lines(self) -> list[Line]:
        """Return them as lines of a table."""
        with_it, without = (1e3 * seconds / self.images for seconds in self.seconds)
        lines = [
            Line("noise of an image, in that without the sky", float(np.mean(self.levels)), 1.0),
            Line("events told that are no source", self.others[0], self.predicted, target="<= 2 x predicted"),
            Line("... in images without the sky", self.others[1], self.predicted),
            Line("CPU ms of the search, an image", with_it, without),
        ]
        for narrow, (low, high) in product((True, False), pairwise(SNRS)):
            few = [each for each in self.tried if low <= each[0].snr < high and (each[0].width <= NARROW) == narrow]
            which = f"{'up to' if narrow else 'above'} {NARROW} slices"
            count = max(1, len(few))
            with_it, without = sum(found for _, found, _ in few) / count, sum(found for *_, found in few) / count
            lines.append(
                Line(f"share found of {len(few)} sources of S/N {low:g} to {high:g}, {which}", with_it, without)
            )
        sure = [each for each in self.tried if each[0].snr >= SURE]
        with_it, without = sum(found for _, found, _ in sure), sum(found for *_, found in sure)
        what = f"found of all {len(sure)} from S/N {SURE:g} on"
        return [*lines, Line(what, with_it, without, target=">= 0.98 of those without")]


def measure(total: Measured, telescope: Telescope, images: int, brightest: float, seed: int) -> None:
    """Add a part: events reported, and how many of the added sources are found."""
    random, searched = np.random.default_rng(seed), telescope.searched()
    u, side = threshold(Budget(RARE, CADENCE), [searched]), telescope.grid.width
    sources = sky(telescope, brightest, random)
    seen, model_pixels = Observed(telescope, sources, searched.beam, random), restored(sources, side, searched.beam)
    drawn = injections(np.zeros(images, bool), side, 1, random, None)
    put = [Injection(each.x, each.y, round(each.start), round(each.width), each.snr) for each in drawn]
    levels, searches, fluxes = list[float](), list[Search](), dict[Injection, float]()
    late: deque[Pixels] = deque(maxlen=64)
    sums = dict[Injection, Pixels]()
    for index in range(images):
        uvw, thermal = telescope.uvw(index), telescope.noise(random)
        on = [each for each in put if each.first <= index < each.first + each.width]
        fluxes.update((each, _flux(each, late, searched)) for each in on if each.first == index)
        with_sky, without = thermal + seen.left(uvw), thermal
        for each in on:
            one = telescope.source(uvw, 1.0, each.x, each.y)
            with_sky = with_sky + np.float32(fluxes[each]) * one
            without = without + np.float32(each.snr * telescope.sigma / math.sqrt(each.width)) * one
        image, alone = (telescope.image(telescope.slice(index, uvw, each)) for each in (with_sky, without))
        late.append(image)
        sums.update({each: sums.get(each, np.float32(0)) + image for each in on})
        noise = image_noise(image, _NO_REFERENCE)
        if not searches:
            model = model_of(model_pixels, searched.beam, noise)
            searches = [Search(searched, u, each) for each in (model, None)]
        levels.append(noise / telescope.sigma)
        for search, pixels in zip(searches, (image, alone), strict=True):
            search.take(pixels, noise)
    bright = [each for each in sources if each.flux > OF_BRIGHT * float(np.mean(levels)) * telescope.sigma]
    beam = float(np.linalg.det(np.array(searched.beam))) ** -0.25
    counted = [each for each in put if all(math.hypot(each.x - b.x, each.y - b.y) > AWAY * beam for b in bright)]
    told = [search.told() for search in searches]
    total.images += images
    total.levels += levels
    total.predicted += images * false_events(u, searched)
    total.others = [before + _others(events, put) for before, events in zip(total.others, told, strict=True)]
    total.seconds = [before + search.seconds for before, search in zip(total.seconds, searches, strict=True)]
    found = [events + search.variables for events, search in zip(told, searches, strict=True)]
    for each in counted:
        with_it, without_it = (any(_is_of(event, each) for event in events) for events in found)
        then = fluxes[each] * each.width / _scatter(sums[each], each, searched)
        total.tried.append((replace(each, snr=then), with_it, without_it))


def _flux(put: Injection, late: Sequence[Pixels], searched: Searched) -> float:
    """Jy, for its S/N against what sums of as many late images scatter by."""
    return put.snr * _scatter(np.sum([late[-1 - at] for at in range(put.width)], axis=0), put, searched) / put.width


def _scatter(total: Pixels, put: Injection, searched: Searched) -> float:
    """Jy/beam, what a sum of images scatters by, 2 to 10 beams from a place."""
    (xx, xy), (_, yy) = searched.beam
    y, x = np.indices(total.shape)
    dx, dy = x - put.x, y - put.y
    squared = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy
    near = np.abs(total[(squared > 4) & (squared < 100)])
    return GAUSSIAN_RMS_PER_MAD * float(np.median(near))


def _others(events: Sequence[Event], put: Sequence[Injection]) -> int:
    return sum(not any(_is_of(event, each) for each in put) for event in events)


def _is_of(event: Event, put: Injection) -> bool:
    best = event.best
    there = best.sign > 0 and math.hypot(best.x - put.x, best.y - put.y) < 6
    return there and best.first <= put.first + put.width + 1 and best.last >= put.first - 2


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transients_sky", description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="of a part")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--size", type=int, default=256, help="pixels a side")
    parser.add_argument("--brightest", type=float, default=1e4, help="S/N of the brightest source")
    parser.add_argument("--seed", type=int, default=5, help="of the first part; that of the next is one more")
    parser.add_argument("--quick", action="store_true", help="few images: to see that it works")
    arguments = parser.parse_args()
    images = 200 if arguments.quick else arguments.images
    console = Console(width=160)
    console.print(conditions(), load(), sep="\n", highlight=False)
    total, telescope = Measured(), Telescope("disc", arguments.size)
    for part in range(arguments.parts):
        measure(total, telescope, images, arguments.brightest, arguments.seed + part)
        what = f"{total.images} images of {arguments.size}^2, {SOURCES} sources up to {arguments.brightest:g} sigma"
        title = f"A sky with errors: {what}, {RARE:g} false a slice"
        print_table(title, "without the sky", total.lines(), console)
        console.print(load(), highlight=False)


if __name__ == "__main__":
    main()
