"""What is found of point sources that are added to the visibilities, and how well it is measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Line
from benchmarks.transients.noise import predicted, turning
from benchmarks.transients.searching import Search
from benchmarks.transients.telescope import FREQUENCY, Telescope
from fip.search.peaks import is_near
from fip.search.points import HALF_WANTED, MOST_WANTED, points
from fip.search.theory import threshold
from fip.search.words import Budget, Event, Matrix, Reference

BINS = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 31), (32, 64))
APART = 40.0, 150  # pixels and images between two injections
EDGE = 5.0  # pixels, from 2 on, within which one in ten lies
MISSING = 0.03  # share of the slices that have no image, in runs of up to 5
FALSE = 1e-3  # events an image


@dataclass(frozen=True)
class Injection:
    """A point source that is on for some time; images are counted, and may begin and end while it is on."""

    start: float
    width: float
    snr: float  # over all of it, less what is missing: of the flux F of the mean over the band, F sqrt(width) / sigma
    sign: int
    x: float
    y: float
    index: float  # of its spectrum
    seen: float  # of its width, that is in images

    def share(self, image: int) -> float:
        """Return the share of an image during which it is on."""
        return max(0.0, min(self.start + self.width, image + 1) - max(self.start, image))

    def flux(self, sigma: float) -> float:
        """Jy, with its sign, averaged over the band."""
        return self.sign * self.snr * sigma / math.sqrt(self.seen)


def missing_of(images: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which slices have no image."""
    gone = np.zeros(images, bool)
    while gone.mean() < MISSING:
        start, length = int(random.integers(100, images)), int(random.integers(1, 6))
        gone[start : start + length] = True
    return gone


def injections(
    missing: NDArray[np.bool_], size: int, every: int, random: np.random.Generator, width: float | None
) -> Iterator[Injection]:
    """Sources of random place, width and brightness, far enough from one another in place or time.

    A third of them lie in the middle between four pixels, a tenth near the edge. With a `width`, in images, all have
    it, and begin within an image.
    """
    first, earlier = 100, list[Injection]()
    while (first := first + int(random.integers(1, 2 * every))) < missing.size - 80:
        wide = float(min(64, int(math.exp(random.uniform(0, math.log(65)))))) if width is None else width
        start = first + (0.0 if width is None else float(random.random()))
        seen = wide - float(missing[first : first + round(wide)].sum())
        kind = random.random()
        for _ in range(50):
            x, y = (float(each) for each in random.uniform(2, size - 3, 2))
            if kind < 1 / 3:
                x, y = math.floor(x) + 0.5, math.floor(y) + 0.5
            elif kind > 0.9:
                x = float(random.uniform(2, EDGE)) if random.random() < 0.5 else float(random.uniform(-EDGE, -3)) + size
            near = [each for each in earlier[-200:] if start - each.start < APART[1]]
            if seen and all(math.hypot(each.x - x, each.y - y) > APART[0] for each in near):
                snr, sign = float(random.uniform(4, 12)), int(random.choice((-1, 1)))
                earlier.append(Injection(start, wide, snr, sign, x, y, float(random.uniform(-3, 3)), seen))
                yield earlier[-1]
                break


def completeness(
    telescope: Telescope, images: int, reference: Reference, seed: int, every: int = 2, width: float | None = None
) -> list[Line]:
    """What is found at one false event in 1000 images; with a `width`, images that are means, of sources so wide.

    A mean of n slices of white noise is white noise of 1 / sqrt(n): it is made as such, as the array stands in its
    middle.
    """
    random, searched = np.random.default_rng(seed), telescope.searched(reference)
    u = threshold(Budget(FALSE, searched.cadence), [searched])
    missing = missing_of(images, random) if width is None else np.zeros(images, bool)
    put = list(injections(missing, telescope.grid.width, every, random, width))
    search = Search(searched, u)
    for index in range(images):
        if missing[index]:
            search.skip()
            continue
        uvw = telescope.uvw(index)
        seen = telescope.noise(random)
        for each in put:
            if share := each.share(index):
                flux = share * each.flux(telescope.sigma) / _mean_of_band(telescope, each.index)
                seen = seen + telescope.source(uvw, flux, each.x, each.y, each.index)
        search.take(telescope.image(telescope.slice(index, uvw, seen)))
    events = search.finish()
    matched = [(each, _match(each, events, searched.beam)) for each in put]
    used = {event.number for _, event in matched if event}
    others = sum(event.number not in used for event in events)
    lines = [
        Line(f"injected, in {images} images", len(put)),
        Line(f"false events at u = {u:.2f}, predicted", others, predicted(u, turning(telescope, images))),
    ]
    for low, high in BINS if width is None else ((math.floor(width), math.ceil(width)),):
        tried = [(each.snr, event is not None) for each, event in matched if low <= each.width <= high]
        at = points([snr for snr, _ in tried], [found for _, found in tried])
        what = f"widths {low} to {high}, {len(tried)} sources"
        lines.append(Line(f"S/N at which half are found, {what}", at.half, u, target=f"<= {u + HALF_WANTED:.2f}"))
        lines.append(Line(f"... nine tenths, {what}", at.most, u + 1.28, target=f"<= {u + MOST_WANTED:.2f}"))
    edge = [(each.snr, event is not None) for each, event in matched if _is_edge(each, telescope.grid.width)]
    half = points([snr for snr, _ in edge], [found for _, found in edge]).half
    lines += [Line(f"S/N at which half are found, within {EDGE:g} pixels of the edge, {len(edge)}", half, u)]
    return lines + _quality(telescope, matched)


def _mean_of_band(telescope: Telescope, index: float) -> float:
    return float(((telescope.frequency / FREQUENCY) ** index).mean())


def _is_edge(put: Injection, size: int) -> bool:
    return min(put.x, put.y, size - 1 - put.x, size - 1 - put.y) < EDGE


def _match(put: Injection, events: list[Event], beam: Matrix) -> Event | None:
    """The best event at its place and time, of its sign."""
    near = [
        event
        for event in events
        if event.best.sign == put.sign
        and is_near(event.best.x - put.x, event.best.y - put.y, beam)
        and event.best.first <= put.start + put.width + 1
        and event.best.last >= put.start - 2
    ]
    return max(near, key=lambda event: event.best.snr, default=None)


def _bound(telescope: Telescope, put: Injection) -> float:
    """Cramer and Rao's, of the square of the error of a place, pixels^2."""
    curvature = telescope.curvature(round(put.start + put.width / 2))
    return float(np.linalg.inv(np.array(curvature)).trace()) / put.snr**2


def _quality(telescope: Telescope, matched: list[tuple[Injection, Event | None]]) -> list[Line]:
    """Place and flux of what was found at S/N 8 and above."""
    strong = [(each, event.best) for each, event in matched if event and each.snr >= 8]
    if not strong:
        return []
    curvatures = [telescope.curvature(round(each.start + each.width / 2)) for each, _ in strong]
    best = [
        np.linalg.inv(np.array(one)).trace() / each.snr**2 for one, (each, _) in zip(curvatures, strong, strict=True)
    ]
    away = [(peak.x - each.x) ** 2 + (peak.y - each.y) ** 2 for each, peak in strong]
    flux = [100 * (peak.flux / each.flux(telescope.sigma) - 1) for each, peak in strong]
    return [
        Line(f"S/N >= 8, {len(strong)}: place, rms in pixels, Cramer-Rao", math.sqrt(np.mean(away)),
             math.sqrt(np.mean(best)), math.sqrt(np.mean(away) / np.mean(best)), "<= 1.1"),
        Line("S/N >= 8: place, root of the median of error^2 / Cramer-Rao's, which of a Gaussian is 0.8",
             math.sqrt(np.median(np.array(away) / np.array(best)))),
        Line("S/N >= 8: % by which the flux of the boxcar is too large, median", float(np.median(flux)),
             target="within 1"),
        Line("S/N >= 8: ..., mean, and its error", float(np.mean(flux)), float(np.std(flux)) / math.sqrt(len(flux)),
             target="within 1"),
        Line("S/N >= 8: slices by which the start is late, median", float(np.median(
            [peak.first - each.start for each, peak in strong]))),
        Line("S/N >= 8: found width / true width, median", float(np.median(
            [peak.width / each.width for each, peak in strong]))),
    ]  # fmt: skip
