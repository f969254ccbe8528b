"""One event a transient: what the search makes of bright ones, with their own PSF, with an older one, and without.

    OMP_NUM_THREADS=1 python -m benchmarks.transients_bright [own] [old] [none] [--trials N] [--layout disc|core]
                                 [--size N] [--seed N] [--quick]

Each trial is a point source in the visibilities of an array, of random place, S/N log-uniform from 10 to 1000 over all
its slices and width log-uniform from 1 to 64, with noise before and behind, imaged by `dirty_image`. own: a slice has
its PSF if a worker would store it (`make_psf = "bright"`); old: that of 6 slices ago; none: no PSF. Counted are events
at the source, and others that nothing speaks against; S/N and flux are compared with those that were put in.
"""

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.__main__ import conditions, load
from benchmarks.report import Line, print_table
from benchmarks.transients.telescope import CADENCE, TURN, Pixels, Telescope
from fip.imaging.dirty import is_bright, wide_psf
from fip.imaging.statistics import image_statistics
from fip.search.events import Events, associate, close, places
from fip.search.floors import is_sidelobe, levels_of
from fip.search.injection import Injection
from fip.search.series import advance, begin, finish
from fip.search.theory import threshold
from fip.search.words import Budget, Event, Facts, Searched

BEFORE, BEHIND = 6, 20  # images of noise
OLD = 6  # slices
BANDS = ((10, 30), (30, 100), (100, 300), (300, 1000))


@dataclass(frozen=True)
class Trial:
    """What became of a source."""

    put: Injection
    here: tuple[Event, ...]  # events at its place that are reported
    elsewhere: tuple[Event, ...]  # others that are reported
    labelled: int


def trials(telescope: Telescope, searched: Searched, mode: str, count: int, seed: int) -> Iterator[Trial]:
    """Sources one by one, each with a search of its own."""
    random, size = np.random.default_rng(seed), telescope.grid.width
    u = threshold(Budget(1, 7 * 86400.0), [searched])
    for _ in range(count):
        width = min(64, int(math.exp(random.uniform(0, math.log(65)))))
        x, y = (float(each) for each in random.uniform(2, size - 3, 2))
        snr = math.exp(random.uniform(math.log(10), math.log(1000)))
        put = Injection(x, y, BEFORE, width, snr)
        events = _events(telescope, searched, u, mode, put, int(random.integers(TURN)), random)
        told = [each for each in events if each.best.snr >= u and not is_sidelobe(each, u)]
        near = [math.hypot(each.best.x - x, each.best.y - y) < 6 for each in told]
        here = tuple(each for each, at in zip(told, near, strict=True) if at)
        elsewhere = tuple(each for each, at in zip(told, near, strict=True) if not at)
        yield Trial(put, here, elsewhere, len(events) - len(told))


def _events(
    telescope: Telescope, searched: Searched, u: float, mode: str, put: Injection, start: int,
    random: np.random.Generator,
) -> list[Event]:  # fmt: skip
    state, events, found = begin(searched, u), Events(), dict[int, Event]()
    for index in range(BEFORE + put.width + BEHIND):
        uvw = telescope.uvw(start + index)
        seen = telescope.noise(random)
        if put.first <= index < put.first + put.width:
            seen = seen + telescope.source(uvw, put.snr * telescope.sigma / math.sqrt(put.width), put.x, put.y)
        pixels = telescope.image(telescope.slice(start + index, uvw, seen))
        facts = Facts(index, index * CADENCE, places(events), _psf(telescope, mode, pixels, start + index))
        state, look = advance(state, pixels, facts)
        events, changed = associate(events, look.peaks, searched.beam, searched.widest, look.step, index)
        found.update((event.number, event) for event in changed)
    state, peaks = finish(state)
    events, changed = associate(events, peaks, searched.beam, searched.widest, state.pyramid.step, index)
    found.update((event.number, event) for event in (*changed, *close(events)[1]))
    return list(found.values())


def _psf(telescope: Telescope, mode: str, pixels: Pixels, index: int) -> NDArray[np.float32] | None:
    """Return the PSF of a slice, if it is stored."""
    if mode == "none" or not is_bright(image_statistics(pixels)):
        return None
    return psf_of(telescope, index - OLD if mode == "old" else index)


def psf_of(telescope: Telescope, index: int) -> NDArray[np.float32]:
    """[y, x] of twice the image's size."""
    uvw = telescope.uvw(index)
    ones = np.ones((len(uvw), telescope.samples // len(uvw)), np.complex64)
    return np.asarray(wide_psf(telescope.slice(index, uvw, ones)).pixels[0, 0], np.float32)


def told(mode: str, of: list[Trial], sigma: float) -> list[Line]:
    """What is asked: exactly one event, at the source, as bright as it is."""
    lines = []
    for low, high in (*BANDS, (10, 1000)):
        mine = [each for each in of if low <= each.put.snr <= high]
        if not mine:
            continue
        once = [each for each in mine if len(each.here) == 1 and not each.elsewhere]
        what = f"{mode} PSF, S/N {low} to {high}: % of {len(mine)} with exactly one event"
        lines.append(Line(what, 100 * len(once) / len(mine), target=">= 99" if mode == "own" else ""))
        seen = [(each.here[0].best, each.put) for each in mine if each.here]
        ratio = [(abs(best.snr) / put.snr, best.flux * math.sqrt(put.width) / (put.snr * sigma)) for best, put in seen]
        if ratio:
            snr, flux = np.array(ratio).T
            lines.append(Line("... S/N found / put in: median, lowest", float(np.median(snr)), float(snr.min())))
            lines.append(Line("... flux found / put in: median, lowest", float(np.median(flux)), float(flux.min())))
        lines.append(Line("... not found; with others elsewhere", sum(not each.here for each in mine),
                          sum(bool(each.elsewhere) for each in mine)))  # fmt: skip
        lines.append(Line("... labelled events, a source", sum(each.labelled for each in mine) / len(mine)))
    return lines


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transients_bright", description=__doc__)
    parser.add_argument("modes", nargs="*", help="some of own, old, none  [default: all]")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--layout", choices=("disc", "core"), default="disc")
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--show", action="store_true", help="tell of each source that is not one event")
    parser.add_argument("--quick", action="store_true", help="few and small images: to see that it works")
    arguments = parser.parse_args()
    modes = arguments.modes or ["own", "old", "none"]
    if unknown := set(modes) - {"own", "old", "none"}:
        parser.error(f"PSF {unknown.pop()!r} is none of own, old, none")
    size, count = (128, 6) if arguments.quick else (arguments.size, arguments.trials)
    console = Console(width=160)
    console.print(conditions(), load(), sep="\n", highlight=False)
    telescope = Telescope(arguments.layout, size)
    searched = telescope.searched()
    searched = replace(searched, sidelobes=levels_of(psf_of(telescope, 0), searched.beam))
    for mode in modes:
        begun = time.process_time()
        done = list(islice(trials(telescope, searched, mode, count, arguments.seed), count))
        spent = Line("CPU s a source, imaging included", (time.process_time() - begun) / count)
        print_table(
            f"{arguments.layout}, {count} sources, {size}^2",
            "beside",
            [*told(mode, done, telescope.sigma), spent],
            console,
        )
        for each in done if arguments.show else []:
            if len(each.here) != 1 or each.elsewhere:
                console.print(each, highlight=False)
    console.print(load(), highlight=False)


if __name__ == "__main__":
    main()
