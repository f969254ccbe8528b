"""Others that search images for transients, on the same images as FIP, all at the same rate of false events.

vaster: the chi-square, peak and Gaussian maps of blocks of 70 images of VASTER (Wang et al. 2023, MNRAS 523, 5661),
written anew from what is published: pixels that stand out by 5 sigma in the logarithm of a map. pyse: sources in each
image by PySE, as TraP (Swinbank et al. 2015) calls it, those at one place within 32 images being one; also in means of
4, 16 and 64 images beside them. clip: each pixel against mean and variance of its last 64 values.
"""

import contextlib
import io
import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter
from scipy.stats import chi2, norm

from benchmarks.transients.completeness import Injection
from benchmarks.transients.searching import Search
from benchmarks.transients.telescope import Pixels, Telescope
from fip.search.theory import threshold
from fip.search.words import Budget, Searched

BLOCK = 70  # images of VASTER
WIDTHS = ((1, 1), (2, 4), (6, 12), (16, 32))
_DRAWN = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_MEMORY = 64  # images of the clip
_QUIET = 32  # images after which a source is a new one
_NEAR = 6.0  # pixels within which a detection is that of an injection
_WINDOW, _STEP = 299, 69  # pixels, of VASTER's local rms
_PEAKS = 61  # pixels, within which VASTER takes one maximum
_MEANS = (4, 16, 64)  # images, of the means that PySE is given, too
_BACK = 32  # pixels of PySE's background mesh


@dataclass(slots=True)
class Seen:
    """What a searcher says is there: how sure it is, in its own units, in which place and in which images."""

    sure: float
    x: float
    y: float
    first: int
    last: int


@dataclass(frozen=True)
class Said:
    """All that a searcher says of some images, from a low threshold on."""

    name: str
    seen: list[Seen]
    usual: float  # its own threshold
    seconds: float  # of CPU, of all images


def stream(telescope: Telescope, images: int, seed: int) -> tuple[NDArray[np.float32], list[Injection]]:
    """Images [image, y, x] with sources of S/N 6 to 10, each within a block of VASTER's, for its sake."""
    random, size = np.random.default_rng(seed), telescope.grid.width
    put, first = list[Injection](), 10
    while (first := first + int(random.integers(1, 6))) < images - 40:
        width, snr = int(random.choice(_DRAWN)), float(random.uniform(6, 10))
        if first // BLOCK != (first + width - 1) // BLOCK:
            continue
        for _ in range(50):
            x, y = (float(each) for each in random.uniform(20, size - 21, 2))
            near = [each for each in put[-200:] if first - each.start < 150]
            if all(math.hypot(each.x - x, each.y - y) > 40 for each in near):
                put.append(Injection(first, width, snr, 1, x, y, 0.0, width))
                break
    made = np.empty((images, size, size), np.float32)
    for index in range(images):
        uvw, seen = telescope.uvw(index), telescope.noise(random)
        for each in put:
            if each.share(index):
                seen = seen + telescope.source(uvw, each.flux(telescope.sigma), each.x, each.y)
        made[index] = telescope.image(telescope.slice(index, uvw, seen))
    return made, put


def clip(images: NDArray[np.float32], beam: float) -> Said:
    """Each pixel against the mean and the variance of its last values."""
    mean, square = np.zeros(images[0].shape), np.zeros(images[0].shape)
    kept, seen, start = list[NDArray[np.float64]](), list[Seen](), time.process_time()
    for index, image in enumerate(images):
        pixels = np.asarray(image, np.float64)
        if len(kept) == _MEMORY:
            middle = mean / _MEMORY
            variance = (square / _MEMORY - middle**2) * (_MEMORY + 1) / (_MEMORY - 1)
            z = np.abs(pixels - middle) / np.sqrt(variance)
            for y, x in np.argwhere(z > 5.5):
                _join(seen, Seen(float(z[y, x]), float(x), float(y), index, index), beam)
            oldest = kept.pop(0)
            mean -= oldest
            square -= oldest**2
        kept.append(pixels)
        mean += pixels
        square += pixels**2
    return Said("clip of a pixel", seen, 5.5, time.process_time() - start)


def vaster(images: NDArray[np.float32]) -> list[Said]:
    """Its maps, and the two that it takes together by default."""
    start = time.process_time()
    seen: dict[str, list[Seen]] = {"chi-square": [], "peak": [], "Gaussian": []}
    for first in range(0, len(images) - BLOCK + 1, BLOCK):
        for name, (values, floor) in _maps(images[first : first + BLOCK]).items():
            logarithm = np.log10(np.maximum(values, 1e-9))
            sure = (logarithm - logarithm.mean()) / logarithm.std()
            highest = (values == maximum_filter(values, _PEAKS)) & (sure > 3.5) & (values > floor)
            for y, x in np.argwhere(highest):
                seen[name].append(Seen(float(sure[y, x]), float(x), float(y), first, first + BLOCK))
    seconds = time.process_time() - start
    both = [Seen(each.sure, each.x, each.y, each.first, each.last) for each in seen["chi-square"]]
    for each in seen["peak"]:
        same = [one for one in both if one.first == each.first and math.hypot(one.x - each.x, one.y - each.y) < _NEAR]
        if same:
            same[0].sure = max(same[0].sure, each.sure)
        else:
            both.append(each)
    named = {f"VASTER, {name}": found for name, found in seen.items()} | {"VASTER, chi-square and peak": both}
    return [Said(name, found, 5.0, seconds) for name, found in named.items()]


def _maps(cube: NDArray[np.float32]) -> dict[str, tuple[NDArray[np.float64], float]]:
    """Return each map of a block, and the value below which it never counts."""
    rms = np.array([_local_rms(image) for image in cube])
    free = len(cube) - 1
    snr = cube / rms
    smooth = gaussian_filter1d(cube, 4, axis=0, mode="constant")
    return {
        "chi-square": ((((cube - cube.mean(0)) / rms) ** 2).sum(0) / free, float(chi2.isf(norm.sf(3), free) / free)),
        "peak": (snr.max(0) - np.median(snr, 0), float(norm.isf(-norm.logcdf(3) / len(cube)))),
        "Gaussian": (smooth.max(0) - smooth.mean(0), 0.0),
    }


def _local_rms(image: Pixels) -> NDArray[np.float64]:
    """Return the rms of windows all over an image, and between them."""
    half = min(_WINDOW, min(image.shape) // 2) // 2
    at = np.arange(half + 1, image.shape[0] - half, _STEP)
    values = [[np.nanstd(image[y - half : y + half + 1, x - half : x + half + 1]) for x in at] for y in at]
    places = np.clip(np.arange(image.shape[0]), at[0], at[-1])
    if len(at) < 2:
        return np.full(image.shape, float(values[0][0]))
    return np.asarray(RectBivariateSpline(at, at, np.array(values), kx=1, ky=1)(places, places))


def pyse(images: NDArray[np.float32], beam: tuple[float, float], scale: float) -> list[Said]:
    """PySE's sources of 5 sigma, of islands of 3, and their association; and these with those of means of images."""
    extract, wide = _extractor(beam, scale), math.sqrt(beam[0] * beam[1])
    extract(images[0])
    said, seen, seconds = list[Said](), list[Seen](), 0.0
    for average in (1, *_MEANS):
        own, start = list[Seen](), time.process_time()
        for first in range(0, len(images) - average + 1, average):
            image = images[first : first + average].mean(0) if average > 1 else images[first]
            for sure, x, y in extract(image):
                _join(own, Seen(sure, x, y, first, first + average - 1), wide)
        for each in own:
            _join(seen, replace(each), wide)
        seconds += time.process_time() - start
        if average == 1:
            said.append(Said("PySE and association", own, 5.0, seconds))
    means = ", ".join(str(each) for each in _MEANS)
    return [*said, Said(f"PySE, of means of {means}, too", seen, 5.0, seconds)]


def _extractor(beam: tuple[float, float], scale: float) -> Callable[[Pixels], list[tuple[float, float, float]]]:
    """What finds the sources of an image: significance, x, y of each."""
    from sourcefinder.config import Conf, ExportSettings, ImgConf
    from sourcefinder.image import ImageData
    from sourcefinder.utility.coordinates import WCS

    logging.disable(logging.CRITICAL)
    wcs = WCS()
    wcs.crpix, wcs.cdelt, wcs.crval = (257, 257), (-math.degrees(scale), math.degrees(scale)), (155.0, -45.0)
    wcs.ctype, wcs.cunit = ("RA---SIN", "DEC--SIN"), ("deg", "deg")
    of = ImgConf(detection_thr=5.0, analysis_thr=3.0, back_size_x=_BACK, back_size_y=_BACK)
    settings = Conf(image=of, export=ExportSettings())

    def extract(image: Pixels) -> list[tuple[float, float, float]]:
        turned = np.ascontiguousarray(image.T)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                found = ImageData(turned, (beam[0] / 2, beam[1] / 2, 0.1), wcs, settings).extract()
            except (ValueError, IndexError, ZeroDivisionError):  # what it makes of an image without a source
                return []
        if found is None or not len(found):
            return []
        named = {str(name).split(".")[-1].lower(): name for name in found.columns}
        return [tuple(float(row[named[each]]) for each in ("sig", "x", "y")) for _, row in found.iterrows()]  # type: ignore[misc]

    return extract


def _join(seen: list[Seen], new: Seen, beam: float) -> None:
    """A detection is one of a source that was seen at its place a short while ago, or a new one."""
    for each in reversed(seen[-2000:]):
        near = abs(each.x - new.x) < beam and abs(each.y - new.y) < beam
        if near and new.first - each.last < _QUIET and each.first - new.last < _QUIET:
            each.first, each.last = min(each.first, new.first), max(each.last, new.last)
            each.sure = max(each.sure, new.sure)
            return
    seen.append(new)


@dataclass(frozen=True)
class Judged:
    """What comes of a searcher at a threshold."""

    name: str
    threshold: float
    false: int
    at_8: float  # share of the sources of S/N 7.5 to 8.5 that are found
    by_width: tuple[float, ...]  # ... of S/N 7 to 9, of WIDTHS
    milliseconds: float  # CPU of an image


def judge(said: Said, put: Sequence[Injection], images: int, false: int | None) -> Judged:
    """Judge at the threshold above which so many are false, or, if that is None, at the usual one."""
    matches = [(each, [one for one in range(len(put)) if _is_of(each, put[one])]) for each in said.seen]
    wrong = sorted((each.sure for each, of in matches if not of), reverse=True)
    threshold = said.usual
    if false is not None:
        threshold = wrong[false] if len(wrong) > false else min((each.sure for each, _ in matches), default=0.0)
    found = {one for each, of in matches if each.sure > threshold for one in of}

    def share(low: float, high: float, widths: tuple[int, int]) -> float:
        tried = [n for n, one in enumerate(put) if low <= one.snr < high and widths[0] <= one.width <= widths[1]]
        return sum(one in found for one in tried) / max(len(tried), 1)

    return Judged(
        said.name, threshold, sum(each > threshold for each in wrong), share(7.5, 8.5, (1, 64)),
        tuple(share(7, 9, widths) for widths in WIDTHS), 1e3 * said.seconds / images,
    )  # fmt: skip


def _is_of(seen: Seen, put: Injection) -> bool:
    if math.hypot(seen.x - put.x, seen.y - put.y) >= _NEAR:
        return False
    return seen.first < put.start + put.width + 2 and seen.last > put.start - 2


def side_by_side(telescope: Telescope, images: int, seed: int) -> dict[str, list[Judged]]:
    """All of them at their own thresholds, and at the rates of false events of FIP at two."""
    made, put = stream(telescope, images, seed)
    searched = telescope.searched()
    beam = 1 / np.sqrt(np.linalg.eigvalsh(np.array(searched.beam)))
    wide = (float(beam[0]), float(beam[1]))
    others = [
        *vaster(made), clip(made, math.sqrt(wide[0] * wide[1])),
        *pyse(made, wide, telescope.grid.scale),
    ]  # fmt: skip
    sources = f"{len(put)} sources, {sum(7.5 <= each.snr < 8.5 for each in put)} of them of S/N 7.5 to 8.5"
    tables = {f"Their own thresholds, {sources}": [judge(each, put, images, None) for each in others]}
    for rate in (1e-2, 1e-3):
        u, allowed = threshold(Budget(rate, searched.cadence), [searched]), round(rate * images)
        judged = [
            judge(fip(made, searched, u), put, images, None),
            *(judge(each, put, images, allowed) for each in others),
        ]
        tables[f"At {rate:g} false events an image, {allowed} in all"] = judged
    return tables


def fip(images: NDArray[np.float32], searched: Searched, u: float) -> Said:
    """Return the events that FIP finds."""
    search = Search(searched, u)
    for image in images:
        search.take(image)
    seen = [Seen(each.best.snr, each.best.x, each.best.y, each.first, each.last) for each in search.finish()]
    return Said("FIP", seen, u, search.seconds)


def table(title: str, judged: Sequence[Judged]) -> Table:
    """Return the table for people to read."""
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column("")
    widths = [f"{low} to {high}" if high > low else f"{low}" for low, high in WIDTHS]
    for name in ("threshold", "false", "S/N 8", *(f"widths {each}" for each in widths), "CPU ms an image"):
        made.add_column(name, justify="right")
    for each in judged:
        shares = [f"{share:.2f}" for share in (each.at_8, *each.by_width)]
        made.add_row(each.name, f"{each.threshold:.2f}", str(each.false), *shares, f"{each.milliseconds:.2f}")
    return made
