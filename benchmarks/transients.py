"""What the search for transients finds, and costs, on images that FIP makes.

    OMP_NUM_THREADS=1 python -m benchmarks.transients [noise] [completeness] [cost] [--images N] [--layout disc|core]
                                 [--size N] [--reference none|running|auto] [--seed N] [--quick]

noise: white noise in the visibilities of an array, imaged by `dirty_image`, slice by slice as the array turns, and
events found in the images beside those predicted by `fip.search.theory`. completeness: the same with point sources
added to the visibilities, of random place, S/N 4 to 12 and widths log-uniform from 1 to 64 slices; the points at which
half and nine tenths of them are found, by a cumulative normal fitted to what was found, beside those wanted. cost: CPU
of one thread an image of 1024 x 1024 (--cost-size), beside that of `dirty_image` of 64 channels. 4000 images of 512 x
512 are about a minute of a core; --quick takes a few seconds.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import poisson

from benchmarks.__main__ import conditions, load
from benchmarks.report import Line, print_table
from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT
from fip.data.settings import Imaging
from fip.data.values import Band, Block, Grid, Observation, Slice, Times
from fip.imaging.beam import fit_beam
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.search.curvature import from_moments
from fip.search.events import Events, associate, close, places
from fip.search.points import HALF_WANTED, MOST_WANTED, points
from fip.search.series import advance, begin, finish, memory
from fip.search.theory import false_events, looks, threshold
from fip.search.words import Budget, Event, Facts, Peak, Reference, Searched, beam_matrix
from fip.simulation.layouts import LOCAL_AXES, meerkat_like
from fip.source.advice.geometry import uvw_axes

LEVELS = (5.0, 5.25, 5.5, 5.75, 6.0, 6.25)
BINS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 64))
START = 61100 * 86400.0 + 20 * 3600.0  # s UTC since MJD 0
CADENCE = 8.0  # s
TURN = 2000  # slices after which the array stands as at first
CENTRE = math.radians(155.0), math.radians(-45.0)
FREQUENCY, BANDWIDTH = 1.284e9, 1e8  # Hz
APART = 40.0, 150  # pixels and slices between two injections

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Injection:
    """A point source that is on for some slices."""

    first: int
    width: int
    snr: float  # over all of them
    x: float
    y: float


class Telescope:
    """An array that sees noise, and sources, through samples of weight 1 whose real part has a noise of 1 Jy."""

    def __init__(self, layout: str, size: int, channels: int = 4, antennas: int = 64) -> None:
        positions = meerkat_like(antennas) if layout == "core" else _disc(antennas)
        one, other = np.triu_indices(antennas, 1)
        self._baselines = positions[one] - positions[other]
        self._frequency = FREQUENCY + (np.arange(channels) - (channels - 1) / 2) * BANDWIDTH / channels
        self.grid = Grid(size, size, 1.6 * ARCSEC, *CENTRE, "ICRS")
        self._settings = Imaging(size=(size, size), scale=self.grid.scale, epsilon=1e-5, kernel="slant")
        self._kernel = make_kernel(self._settings, self.grid)
        self.samples = len(self._baselines) * channels
        self.sigma = 1 / math.sqrt(self.samples)  # Jy/beam

    def uvw(self, index: int) -> NDArray[np.float64]:
        """[baseline, 3] m, of a slice."""
        return self._baselines @ uvw_axes(START + index % TURN * CADENCE, *CENTRE).T

    def noise(self, random: np.random.Generator) -> NDArray[np.complex64]:
        """[baseline, channel]."""
        shape = len(self._baselines), self._frequency.size, 2
        drawn: NDArray[np.complex64] = random.standard_normal(shape, np.float32).view(np.complex64)[..., 0]
        return drawn

    def source(self, uvw: NDArray[np.float64], flux: float, x: float, y: float) -> NDArray[np.complex64]:
        """[baseline, channel] of a point source at a pixel."""
        east, north = -(x - self.grid.width // 2) * self.grid.scale, (y - self.grid.height // 2) * self.grid.scale
        delay = uvw @ np.array([east, north, math.sqrt(1 - east**2 - north**2) - 1]) / SPEED_OF_LIGHT
        seen = flux * np.exp(2j * np.pi * delay[:, np.newaxis] * self._frequency)
        return np.asarray(seen, np.complex64)

    def slice(self, index: int, uvw: NDArray[np.float64], seen: NDArray[np.complex64]) -> Slice:
        """What the ventilator would cut."""
        middle = START + index * CADENCE
        band = Band(FREQUENCY, BANDWIDTH)
        block = Block(0, uvw, self._frequency, seen[np.newaxis], np.ones((1, *seen.shape), np.float32))
        times = Times(middle - CADENCE / 2, middle, middle + CADENCE / 2, CADENCE)
        observation = Observation("a.ms", "", "", "", "", None, 64, "DATA", ("XX", "YY"), "TOPOCENT")
        total = np.full((1, 1), self.samples)
        return Slice(
            "run", index, 1, index, "", times, self.grid, (band,), ((band,),), observation, self._settings, (block,),
            total.astype(float), total, self.samples, None,
        )  # fmt: skip

    def image(self, of: Slice) -> Pixels:
        """[y, x] Jy/beam."""
        return np.ascontiguousarray(dirty_image(of, self._kernel).pixels[0, 0], np.float32)

    def searched(self, reference: Reference = "none") -> Searched:
        """What its noise and its beam are, of the first slice."""
        uvw = self.uvw(0)
        waves = (self._frequency / SPEED_OF_LIGHT) ** 2
        uu, uv, vv = (float((uvw[:, i] * uvw[:, j]).mean() * waves.mean()) for i, j in ((0, 0), (0, 1), (1, 1)))
        beam = fit_beam(self.slice(0, uvw, np.ones((len(uvw), self._frequency.size), np.complex64)).blocks)
        assert beam is not None
        return Searched(
            self.grid.width, self.grid.height, from_moments(uu, uv, vv, self.grid.scale),
            beam_matrix(beam, self.grid.scale), CADENCE, reference=reference,
        )  # fmt: skip


def _disc(antennas: int) -> NDArray[np.float64]:
    """Positions in ITRF [antenna, 3] m of antennas all over a disc of 7 km: a beam without a pedestal."""
    random = np.random.default_rng(3)
    radius, angle = 3500 * np.sqrt(random.random(antennas)), 2 * math.pi * random.random(antennas)
    ground = np.stack([radius * np.sin(angle), radius * np.cos(angle), random.normal(0, 3, antennas)], axis=1)
    return np.asarray(meerkat_like(2)[0] + ground @ LOCAL_AXES)


class Search:
    """Images in order, and the CPU seconds that their search takes."""

    def __init__(self, searched: Searched, u: float) -> None:
        self._state, self._events, self._searched = begin(searched, u), Events(), searched
        self._found: dict[int, Event] = {}
        self._index, self.seconds = 0, 0.0

    def take(self, pixels: Pixels) -> None:
        """The next image."""
        start = time.process_time()
        facts = Facts(self._index, self._index * CADENCE, places(self._events))
        self._state, look = advance(self._state, pixels, facts)
        self._associate(look.peaks)
        self.seconds += time.process_time() - start
        self._index += 1

    def finish(self) -> list[Event]:
        """All events."""
        self._state, peaks = finish(self._state)
        self._associate(peaks)
        self._events, closed = close(self._events)
        self._found.update((event.number, event) for event in closed)
        return list(self._found.values())

    def _associate(self, peaks: Sequence[Peak]) -> None:
        searched, step = self._searched, self._state.pyramid.step
        self._events, changed = associate(self._events, peaks, searched.beam, searched.widest, step, self._index)
        self._found.update((event.number, event) for event in changed)


def false_events_of(telescope: Telescope, images: int, reference: Reference, seed: int) -> list[Line]:
    """Events in noise that wanders by a tenth, beside those predicted, above each of some thresholds."""
    random, searched = np.random.default_rng(seed), telescope.searched(reference)
    search, wander = Search(searched, LEVELS[0]), 0.0
    for index in range(images):
        wander = 0.9 * wander + 0.1 * math.sqrt(1 - 0.9**2) * float(random.standard_normal())
        noise = telescope.noise(random) * np.float32(math.exp(wander))
        search.take(telescope.image(telescope.slice(index, telescope.uvw(index), noise)))
    events = search.finish()
    lines = []
    for u in LEVELS:
        found = [event for event in events if event.best.snr >= u]
        positive = sum(event.best.sign > 0 for event in found)
        predicted = images * false_events(u, searched)
        low, high = poisson.interval(0.95, max(len(found), 1))
        what = (
            f"events above {u:g} ({positive} brighter), predicted, 95 %: {low / predicted:.2f}..{high / predicted:.2f}"
        )
        lines.append(
            Line(what, len(found), predicted, len(found) / predicted, "0.7 to 1.3" if predicted >= 100 else "")
        )
    lines.append(Line("CPU ms of the search of an image, at this low threshold", 1e3 * search.seconds / images))
    return lines


def injections(images: int, size: int, every: int, random: np.random.Generator) -> Iterator[Injection]:
    """Sources of random place, width and brightness, far enough from one another in place or time."""
    first, earlier = 100, list[Injection]()
    while (first := first + int(random.integers(1, 2 * every))) < images - 80:
        width = min(64, int(math.exp(random.uniform(0, math.log(65)))))
        snr = float(random.uniform(4, 12))
        for _ in range(50):
            x, y = (float(each) for each in random.uniform(2, size - 3, 2))
            near = [each for each in earlier[-200:] if first - each.first < APART[1]]
            if all(math.hypot(each.x - x, each.y - y) > APART[0] for each in near):
                earlier.append(Injection(first, width, snr, x, y))
                yield earlier[-1]
                break


def completeness(telescope: Telescope, images: int, reference: Reference, seed: int, every: int = 2) -> list[Line]:
    """What is found of sources in the visibilities, at one false event in 1000 slices."""
    random, searched = np.random.default_rng(seed), telescope.searched(reference)
    u = threshold(Budget(1e-3, CADENCE), [searched])
    put = list(injections(images, telescope.grid.width, every, random))
    search = Search(searched, u)
    for index in range(images):
        uvw = telescope.uvw(index)
        seen = telescope.noise(random)
        for each in put:
            if each.first <= index < each.first + each.width:
                seen = seen + telescope.source(uvw, each.snr * telescope.sigma / math.sqrt(each.width), each.x, each.y)
        search.take(telescope.image(telescope.slice(index, uvw, seen)))
    events = search.finish()
    matched = [(each, _match(each, events)) for each in put]
    used = {event.number for _, event in matched if event}
    others = sum(event.number not in used for event in events)
    lines = [
        Line(f"injected, in {images} images", len(put)),
        Line(f"false events at u = {u:.2f}, predicted", others, images * false_events(u, searched)),
    ]
    for low, high in BINS:
        tried = [(each.snr, event is not None) for each, event in matched if low <= each.width <= high]
        at = points([snr for snr, _ in tried], [found for _, found in tried])
        lines.append(
            Line(f"S/N at which half are found, widths {low} to {high}", at.half, u, target=f"<= {u + HALF_WANTED:.2f}")
        )
        wanted = f"<= {u + MOST_WANTED:.2f}"
        lines.append(Line(f"... nine tenths, widths {low} to {high}", at.most, u + 1.28, target=wanted))
    return lines + _quality(telescope, searched, matched)


def _match(put: Injection, events: list[Event]) -> Event | None:
    """The best event at its place and time."""
    near = [
        event
        for event in events
        if event.best.sign > 0
        and math.hypot(event.best.x - put.x, event.best.y - put.y) < 6
        and event.best.first <= put.first + put.width + 1
        and event.best.last >= put.first - 2
    ]
    return max(near, key=lambda event: event.best.snr, default=None)


def _quality(telescope: Telescope, searched: Searched, matched: list[tuple[Injection, Event | None]]) -> list[Line]:
    """Place and flux of what was found at S/N 8 and above."""
    strong = [(each, event.best) for each, event in matched if event and each.snr >= 8]
    if not strong:
        return []
    inverse = np.linalg.inv(np.array(searched.curvature))  # the variance of a place at S/N 1
    best = np.mean([inverse.trace() / each.snr**2 for each, _ in strong])
    square = np.mean([(peak.x - each.x) ** 2 + (peak.y - each.y) ** 2 for each, peak in strong])
    flux = [peak.flux * math.sqrt(each.width) / (each.snr * telescope.sigma) - 1 for each, peak in strong]
    return [
        Line("S/N >= 8: place, rms in pixels, Cramer-Rao", math.sqrt(square), math.sqrt(best), math.sqrt(square / best),
             "<= 1.1"),
        Line("S/N >= 8: % by which the flux of the boxcar is too large, median", 100 * float(np.median(flux))),
        Line("S/N >= 8: slices by which the start is late, median", float(np.median(
            [peak.first - each.first for each, peak in strong]))),
        Line("S/N >= 8: found width / true width, median", float(np.median(
            [peak.width / each.width for each, peak in strong]))),
    ]  # fmt: skip


def cost(size: int, images: int, rounds: int) -> list[Line]:
    """CPU ms of the search of an image, the best of some rounds, beside that of making it from 64 channels."""
    telescope = Telescope("disc", size, channels=64)
    random, uvw = np.random.default_rng(1), telescope.uvw(0)
    slices = [telescope.slice(index, uvw, telescope.noise(random)) for index in range(4)]
    made = [telescope.image(each) for each in slices]
    lines = []
    for reference in ("none", "running"):
        searched = telescope.searched(reference)
        u = threshold(Budget(1, 7 * 86400.0), [searched])
        search = Search(searched, u)
        for pixels in islice(_shifted(made, random), 100):
            search.take(pixels)
        times, imaging = [], []
        for _ in range(rounds):
            before = search.seconds
            for pixels in islice(_shifted(made, random), images):
                search.take(pixels)
            times.append((search.seconds - before) / images)
            start = time.process_time()
            for each in slices:
                telescope.image(each)
            imaging.append((time.process_time() - start) / len(slices))
        what = f"reference {reference}: CPU ms of an image of {size}^2, and of `dirty_image`"
        lines.append(Line(what, 1e3 * min(times), 1e3 * min(imaging), min(times) / min(imaging), "<= 4, ratio <= 0.4"))
        lines.append(Line(f"reference {reference}: GB of the state", memory(searched) / 1e9, target="<= 0.35"))
    return lines


def reading(size: int, images: int) -> Line:
    """CPU ms of reading the pixels of a stored image, as `fip detect` does: big-endian, mapped into memory."""
    with tempfile.TemporaryDirectory(prefix="fip-benchmarks-") as folder:
        path = Path(folder, "image")
        np.random.default_rng(1).standard_normal((size, size), np.float32).astype(">f4").tofile(path)
        start = time.process_time()
        for _ in range(images):
            np.asarray(np.memmap(path, ">f4", "r", 0, (size, size)), np.float32)
        spent = (time.process_time() - start) / images
    return Line(f"reading: CPU ms of an image of {size}^2, on top", 1e3 * spent)


def _shifted(images: Sequence[Pixels], random: np.random.Generator) -> Iterator[Pixels]:
    """Images that are independent enough: some, shifted at random."""
    while True:
        for pixels in images:
            down, across = random.integers(pixels.shape[0], size=2)
            yield np.roll(pixels, (int(down), int(across)), (0, 1))


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transients", description=__doc__)
    parser.add_argument("parts", nargs="*", help="some of noise, completeness, cost  [default: all]")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--layout", choices=("disc", "core"), default="disc")
    parser.add_argument("--size", type=int, default=512, help="pixels a side, of noise and completeness")
    parser.add_argument("--cost-size", type=int, default=1024, help="pixels a side, of cost")
    parser.add_argument("--reference", choices=("none", "running", "auto"), default="none")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="few and small images: to see that it works")
    arguments = parser.parse_args()
    parts = arguments.parts or ["noise", "completeness", "cost"]
    if unknown := set(parts) - {"noise", "completeness", "cost"}:
        parser.error(f"part {unknown.pop()!r} is none of noise, completeness, cost")
    size, images = (128, 300) if arguments.quick else (arguments.size, arguments.images)
    console = Console(width=160)
    console.print(conditions(), load(), sep="\n", highlight=False)
    telescope = Telescope(arguments.layout, size)
    searched = telescope.searched(arguments.reference)
    (xx, xy), (_, yy) = searched.curvature
    what = (
        f"{arguments.layout}, {images} images of {size}^2, reference {arguments.reference}, seed {arguments.seed}, "
        f"sqrt det Lambda {math.sqrt(xx * yy - xy * xy):.4f} a pixel^2, {looks(6, 64):.1f} looks at 6 sigma"
    )
    if "noise" in parts:
        lines = false_events_of(telescope, images, arguments.reference, arguments.seed)
        print_table(f"False events: {what}", "predicted", lines, console)
    if "completeness" in parts:
        lines = completeness(telescope, images, arguments.reference, arguments.seed + 1)
        print_table(f"Completeness: {what}", "wanted", lines, console)
    if "cost" in parts:
        side = 128 if arguments.quick else arguments.cost_size
        lines = [*cost(side, *((8, 1) if arguments.quick else (64, 3))), reading(side, 32)]
        print_table("Cost", "imaging", lines, console)
    console.print(load(), highlight=False)


if __name__ == "__main__":
    main()
