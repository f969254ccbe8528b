"""What a search finds in Stokes V if feeds leak: bright sources of Stokes I that turn with the parallactic angle.

    OMP_NUM_THREADS=1 python -m benchmarks.transients_leakage [--images N] [--size N] [--sources N] [--seed N] [--quick]

Sources of 1000 standard deviations of the noise (1 Jy at 1 mJy/beam) are in the visibilities of Stokes V by 3 %, times
the cosine of twice an angle that turns by half a circle in the time given, and one true flare of S/N 20 that is on for
8 slices, away from these. Events count if nothing speaks against them: what is below a tenth of Stokes I at its place,
the restored image of the sources, has the label `leakage`.
"""

import argparse
import math
from dataclasses import replace

import numpy as np
from rich.console import Console

from benchmarks.__main__ import conditions, load
from benchmarks.report import Line, print_table
from benchmarks.transients.searching import Search
from benchmarks.transients.telescope import Telescope
from benchmarks.transients_bright import psf_of
from benchmarks.transients_sky import Steady, restored
from fip.imaging.dirty import is_bright
from fip.imaging.statistics import image_statistics
from fip.search.appearance import Appearance
from fip.search.appearance import labels_of as labels_by_look
from fip.search.floors import levels_of
from fip.search.labels import Circumstances, labels_among
from fip.search.theory import threshold
from fip.search.words import Budget, Event

BRIGHT, LEAKS, TURN = 1000.0, 0.03, 450  # S/N a slice; share; slices of half a turn, one hour
FLARE, WIDTH = 20.0, 8  # S/N, slices
AWAY = 5.0  # beams of the flare from any source


def measured(telescope: Telescope, images: int, count: int, seed: int) -> list[Line]:
    """Search one series, and count the events that are reported."""
    random, side = np.random.default_rng(seed), telescope.grid.width
    searched = telescope.searched()
    searched = replace(searched, sidelobes=levels_of(psf_of(telescope, 0), searched.beam))
    beam = float(np.linalg.det(np.array(searched.beam))) ** -0.25
    flux, places = BRIGHT * telescope.sigma, random.uniform(12, side - 12, (count, 2)).tolist()
    sources, angles = [Steady(x, y, flux) for x, y in places], random.uniform(0, math.pi, count).tolist()
    flare = random.uniform(12, side - 12, 2).tolist()
    while any(math.dist(flare, place) < AWAY * beam for place in places):
        flare = random.uniform(12, side - 12, 2).tolist()
    u, begin = threshold(Budget(1, 7 * 86400), [searched]), images // 2
    search = Search(searched, u)
    for index in range(images):
        uvw, seen = telescope.uvw(index), telescope.noise(random)
        for each, angle in zip(sources, angles, strict=True):
            share = LEAKS * math.cos(math.pi * index / TURN + angle)
            seen = seen + telescope.source(uvw, share * each.flux, each.x, each.y)
        if begin <= index < begin + WIDTH:
            seen = seen + telescope.source(uvw, FLARE * telescope.sigma / math.sqrt(WIDTH), *flare)
        pixels = telescope.image(telescope.slice(index, uvw, seen))
        search.take(pixels, psf_of(telescope, index) if is_bright(image_statistics(pixels)) else None)
    events = search.finish()
    known = Circumstances(searched.beam, (side, side), u, u, signed=True)
    labels = labels_among(events, known)
    intensity = restored(sources, side, searched.beam)
    told = list[Event]()
    for event in events:
        here = float(intensity[round(event.best.y), round(event.best.x)])
        leaks = labels_by_look(Appearance(flux=event.best.flux, intensity=here))
        if not (*labels[event.number], *leaks):
            told.append(event)
    true = [event for event in told if math.dist((event.best.x, event.best.y), flare) < beam]
    return [
        Line("events told", len(told), target="1"),
        Line("... of which the flare", len(true), target="1"),
        Line("S/N of the flare", true[0].best.snr if true else math.nan, FLARE),
        Line("events with labels", len(events) - len(told)),
        Line("CPU ms of the search, an image", 1e3 * search.seconds / images),
    ]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transients_leakage", description=__doc__)
    parser.add_argument("--images", type=int, default=450)
    parser.add_argument("--size", type=int, default=384, help="pixels a side")
    parser.add_argument("--sources", type=int, default=5)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few and small images: to see that it works")
    given = parser.parse_args()
    images, size = (60, 128) if given.quick else (given.images, given.size)
    console = Console(width=160)
    console.print(conditions(), load(), sep="\n", highlight=False)
    lines = measured(Telescope("disc", size), images, given.sources, given.seed)
    title = (
        f"Stokes V: {images} images of {size}^2, {given.sources} sources of {BRIGHT:g} sigma that leak by {LEAKS:.0%}"
    )
    print_table(title, "put in", lines, console)
    console.print(load(), highlight=False)


if __name__ == "__main__":
    main()
