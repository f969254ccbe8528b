"""How many real transients are reported if all that FIP knows of the sky is loaded: the whole chain of a search.

    OMP_NUM_THREADS=1 python -m benchmarks.transients_chain [--transients N] [--size N] [--satellites N] [--seed N]
                   [--false-alarms 1/week] [--quick]

Images of an array of 64 antennas, one in 8 s: noise, and point sources of S/N 9 to 20, on for 1 to 16 slices, far from
one another. They are stored as a sink does, and searched by what `fip detect` runs, with the orbits of satellites
(random ones, on the orbits of constellations, of navigation and geostationary), a catalogue of 1.8 million sources and
one of 3000. A transient survives if an event at its place and time is reported: nothing speaks against it.
"""

import argparse
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.__main__ import conditions, load
from benchmarks.report import Line, print_table
from benchmarks.transients.completeness import Injection
from benchmarks.transients.telescope import CADENCE, START, Pixels, Telescope
from fip.catalogues.catalogue import Catalogue, Sources
from fip.catalogues.known import Known
from fip.catalogues.words import Match, Seen
from fip.data.detecting import parse_budget
from fip.data.settings import Asked as AskedOfRun
from fip.data.values import FitsFile, ImageFile, Slice, Times
from fip.events.detector import detector_step, habits
from fip.events.findings import is_event, is_told
from fip.events.matching import Matching
from fip.events.publishing import Publisher
from fip.events.words import FOLDER, Asked, Found
from fip.fits.fitsfile import fits_bytes
from fip.follower.course import Course
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.imaging.statistics import image_statistics
from fip.local.followers import advance
from fip.simulation.layouts import meerkat_like
from fip.simulation.orbits import shells
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from fip.worker.stages import image_file

RUN = "00112233445566778899aabbccddeeff"
SNRS, WIDEST = (9.0, 20.0), 16  # S/N of all of a transient; slices
APART, FAR = (8, 15), 40.0  # slices from one to the next; pixels within 100 slices
NOISES = 300  # images of noise, which come again: twice as many as any sum reaches
NVSS, PULSARS = 1_800_000, 3000  # sources


def drawn(count: int, size: int, random: np.random.Generator) -> list[Injection]:
    """Transients one after the other, so few at a time that they do not look like interference."""
    put, start = list[Injection](), 100
    while len(put) < count:
        start += int(random.integers(*APART))
        wide = int(math.exp(random.uniform(0, math.log(WIDEST + 1))))
        late = [each for each in put[-20:] if start - each.start < 100]
        while True:
            x, y = random.uniform(8, size - 9, 2).tolist()
            if all(math.hypot(each.x - x, each.y - y) > FAR for each in late[-2:]):
                break
        put.append(Injection(start, wide, float(random.uniform(*SNRS)), 1, x, y, float(random.uniform(-3, 1)), wide))
    return put


class Images:
    """What a worker would make: noise as the array stands, and sources as they are on."""

    def __init__(self, telescope: Telescope, put: list[Injection], random: np.random.Generator) -> None:
        self._telescope, self._put = telescope, put
        self._noise = [telescope.image(self._slice(k, telescope.noise(random))) for k in range(NOISES)]
        ones = self._slice(0, telescope.source(telescope.uvw(0), 1.0, *[telescope.grid.width / 2] * 2))
        kernel = make_kernel(ones.settings, ones.grid)
        self._like, self._image, self._made = (
            image_file(ones, kernel, "head/cpu0", 0.0),
            dirty_image(ones, kernel),
            ones,
        )
        self.count = round(put[-1].start + put[-1].width) + 100

    def _slice(self, index: int, seen: NDArray[np.complex64]) -> Slice:
        made = self._telescope.slice(index, self._telescope.uvw(index), seen)
        begin, site = START + index * CADENCE, meerkat_like(64).mean(axis=0).tolist()
        times = Times(begin, begin + CADENCE / 2, begin + CADENCE, CADENCE)
        observation = replace(made.observation, position=(site[0], site[1], site[2]))
        return replace(made, run=RUN, index=index, integration=index, times=times, observation=observation)

    def _source(self, put: Injection) -> Pixels:
        """[y, x] Jy/beam in each of its slices."""
        uvw = self._telescope.uvw(round(put.start + put.width / 2))
        seen = self._telescope.source(uvw, put.flux(self._telescope.sigma), put.x, put.y, put.index)
        return self._telescope.image(self._slice(round(put.start + put.width / 2), seen))

    def files(self) -> Iterator[ImageFile]:
        """Yield all files, in order."""
        beam = self._like.beam
        waiting, on = list(self._put), list[tuple[float, Pixels]]()
        for index in range(self.count):
            while waiting and waiting[0].start <= index:
                one = waiting.pop(0)
                on.append((one.start + one.width, self._source(one)))
            on = [each for each in on if each[0] > index]
            pixels = np.sum([self._noise[index % NOISES], *(each for _, each in on)], axis=0)[None, None]
            statistics = image_statistics(pixels[0, 0])
            image = replace(self._image, pixels=pixels.astype(np.float32), beam=beam, statistics=statistics)
            begin = START + index * CADENCE
            times = Times(begin, begin + CADENCE / 2, begin + CADENCE, CADENCE)
            made = replace(self._made, index=index, integration=index, times=times)
            files = (FitsFile("dirty", bytes(fits_bytes(made, image))),)
            yield replace(
                self._like, index=index, integration=index, times=times, statistics=statistics, files=files,
                fingerprint=None,
            )  # fmt: skip


class Timed(Known):
    """All that is known, and how long it takes to look it up."""

    def __init__(self, tle: Path, catalogues: list[Catalogue]) -> None:
        super().__init__(tle)
        self._more, self.seconds = catalogues, list[float]()

    def matches(self, seen: Seen) -> tuple[Match, ...]:
        """Match as it does, with catalogues that are in no file."""
        begun = time.thread_time()
        found = [*super().matches(seen), *(match for each in self._more for match in each.near(seen))]
        self.seconds.append(time.thread_time() - begun)
        return tuple(sorted(found, key=lambda each: each.separation))


def all_over(name: str, count: int, random: np.random.Generator) -> Catalogue:
    """A catalogue of sources all over the sky."""
    longitude, latitude = random.uniform(0, 2 * math.pi, count), np.arcsin(random.uniform(-1, 1, count))
    return Catalogue(name, Sources([f"{name}-{number}" for number in range(count)], longitude, latitude))


def searched(directory: Path, known: Known, budget: str) -> list[Found]:
    """All that is found, as `fip detect` does."""
    asked = Asked(parse_budget(budget), reference="none", inject=False)
    folder = directory / FOLDER
    with closing(Course(directory, folder, detector_step(asked, folder.name), habits())) as course:
        publisher = Publisher(course, asked, Matching(known, folder, anew=True, warn=print))
        advance(course, directory, watch=False)
        publisher.finish()
        return publisher.found()


def measured(directory: Path, telescope: Telescope, known: Timed, count: int, budget: str, seed: int) -> list[Line]:
    """How many survive, and what speaks against the others."""
    random = np.random.default_rng(seed)
    put = drawn(count, telescope.grid.width, random)
    images = Images(telescope, put, random)
    with closing(Store(directory)) as store:
        store.open_run(RunPlan(RUN, "night", images.count, "/data/night.ms", AskedOfRun(), ""))
        for each in images.files():
            store.put(each)
    found = searched(directory, known, budget)
    events = list(filter(is_event, found))
    mine = [[event for event in events if _is_of(event, each)] for each in put]
    told = [any(map(is_told, each)) for each in mine]
    labels = Counter(
        label for each, survives in zip(mine, told, strict=True) if not survives for event in each
        for label in event.labels
    )  # fmt: skip
    others = [event for event in events if is_told(event) and not any(_is_of(event, each) for each in put)]
    by_list = [[event for event in events if set(event.labels) & {name}] for name in ("satellite", "known")]
    lines = [
        Line(f"{count} transients in {images.count} images: share told", float(np.mean(told)), target=">= 0.98"),
        Line("... found, labelled or not: share", float(np.mean([bool(each) for each in mine]))),
        Line("events with a label of a satellite, of a catalogue", len(by_list[0]), len(by_list[1])),
        Line("events with the name of something known", sum(bool(each.matches) for each in events)),
        Line("events told that are no transient", len(others)),
        Line("CPU ms to look up an event: median, and the most", 1e3 * float(np.median(known.seconds)),
             1e3 * max(known.seconds)),
    ]  # fmt: skip
    return lines + [Line(f"transients that are not told, labelled {name}", number) for name, number in labels.items()]


def _is_of(event: Found, put: Injection) -> bool:
    best = event.event.best
    near = math.hypot(best.x - put.x, best.y - put.y) < 8
    return near and best.sign > 0 and best.last >= put.start - 2 and best.first <= put.start + put.width + 1


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transients_chain", description=__doc__)
    parser.add_argument("--transients", type=int, default=500)
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--satellites", type=int, default=10_000)
    parser.add_argument("--false-alarms", default="1/week")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="few transients: to see that it works")
    arguments = parser.parse_args()
    count, sources = (10, 10_000) if arguments.quick else (arguments.transients, NVSS)
    console = Console(width=160)
    console.print(conditions(), load(), sep="\n", highlight=False)
    random = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="fip-benchmarks-") as temporary:
        folder = Path(temporary)
        (folder / "sky.tle").write_text("".join(shells(arguments.satellites, START)))
        begun = time.process_time()
        known = Timed(folder / "sky.tle", [all_over("nvss", sources, random), all_over("pulsars", PULSARS, random)])
        spent = time.process_time() - begun
        telescope = Telescope("disc", arguments.size)
        lines = measured(folder / "images", telescope, known, count, arguments.false_alarms, arguments.seed)
    lines.append(Line("CPU s to make the lists ready", spent))
    what = f"{arguments.satellites} orbits, {sources} and {PULSARS} sources, images of {arguments.size}^2"
    print_table(f"Transients that survive: {what}", "", lines, console)
    console.print(load(), highlight=False)


if __name__ == "__main__":
    main()
