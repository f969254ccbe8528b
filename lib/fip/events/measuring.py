"""What is known of an event beside what found it: its flux in every image around it, in each band and plane.

Measured in what is stored, and in nothing else: the same files give the same values.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.archive.file_names import file_name
from fip.archive.lightcurve import Point, in_frame_of, read_points
from fip.data.directions import Direction
from fip.data.errors import UsageError
from fip.events.words import Found
from fip.fits.planes import Planes
from fip.fits.sky import wcs_of
from fip.search.forced import spectral_index, unbiased

WINDOW = 64
"""Images before an event, and after it, in which it is measured; of means of n images n times as many."""

_MOST = 4096  # images in which it is measured; of more, every second, third, ... of those in which it is not on
_SLACK = 1e-3  # s

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its standard deviation."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The place of an event in one image."""

    entry: Entry
    on: bool  # whether it is one of those that show it
    bands: tuple[Point, ...]  # the whole band first, then the output channels
    beam: Floats  # [stokes, band] how much of a flux the array saw there; NaN if that is not known


@dataclass(frozen=True, slots=True)
class Measured:
    """An event as it was measured in the images that are stored. Fluxes are of its own Stokes plane, Jy/beam."""

    found: Found
    place: Direction  # ICRS
    stokes: tuple[str, ...]
    samples: tuple[Sample, ...]  # in order of time
    steady: Value | None  # flux of what is there always, if the search took that off
    flux: Value | None  # mean over its images, apparent; None if none of them could be read
    unbiased: Value | None  # the same, less what is chosen of noise by being the best of many
    corrected: Value | None  # the latter over the primary beam; None if that is not known
    primary_beam: float | None  # at its place, of 1
    spectrum: tuple[tuple[float, Value], ...]  # frequency in Hz and flux of each output channel, as `spectrum_of` says
    spectrum_of: str  # "corrected" if the primary beam of each channel is known, else "apparent"
    index: Value | None  # spectral: flux ~ frequency^index
    left_out: tuple[str, ...]  # files that could not be read
    telescope: str = ""  # as the images name it
    span: tuple[float, float] = (math.nan, math.nan)  # Hz, from the lowest to the highest that they are made of

    @property
    def plane(self) -> int:
        """The index of its own Stokes in `stokes`."""
        own = self.found.series.stokes
        return self.stokes.index(own) if own in self.stokes else 0


def measure(directory: Path, found: Found, entries: Sequence[Entry]) -> Measured:
    """Measure an event in what is stored of its run and field, from 64 images before its first to 64 after its last.

    `entries` may hold others, which count for nothing. An image that cannot be read is left out, and named.
    """
    series, best = found.series, found.event.best
    samples, left_out = list[Sample](), list[str]()
    stokes: tuple[str, ...] = (series.stokes,)
    telescope, span = "", (math.nan, math.nan)
    for entry, shows in _around(found, entries):
        try:
            image = Planes.open(directory / entry.file, apart=True)
            stokes, telescope, span = image.layout.stokes, image.telescope, image.span
            bands = tuple(read_points(image, entry, best.x, best.y, range(len(stokes))))
        except UsageError:
            left_out.append(entry.file)
            continue
        samples.append(Sample(entry, shows, bands, _primary_beam(directory, series.name, entry, best.x, best.y, image)))
    number = stokes.index(series.stokes) if series.stokes in stokes else 0
    place, _, _ = place_of_event(found)
    steady = None
    if series.searched.reference != "none":
        steady = mean_flux((each for each in samples if not each.on), number)
    on = [each for each in samples if each.on]
    flux = _less(mean_flux(on, number), steady)
    chosen = flux and Value(unbiased(flux.value, flux.error), flux.error)
    gains = [float(each.beam[number, 0]) for each in on if np.isfinite(each.beam[number, 0])]
    gain = float(np.mean(gains)) if gains else None
    corrected = Value(chosen.value / gain, chosen.error / gain) if chosen and gain else None
    spectrum, of = _spectrum(samples, number, series.searched.reference != "none")
    return Measured(
        found, place, stokes, tuple(samples), steady, flux, chosen, corrected, gain, spectrum, of,
        _index(spectrum), tuple(left_out), telescope, span,
    )  # fmt: skip


def place_of_event(found: Found) -> tuple[Direction, float, float]:
    """Return its place (ICRS), and the standard deviations to the east and north (rad) that noise makes.

    They are those of Cramer and Rao: Lambda^-1 / S^2 in pixels.
    """
    grid, best = found.series.grid, found.event.best
    longitude, latitude = map(float, wcs_of(grid).wcs_pix2world(best.x, best.y, 0))
    there = in_frame_of(Direction(math.radians(longitude), math.radians(latitude), grid.frame), "ICRS")
    across = np.sqrt(np.diag(np.linalg.inv(np.array(found.series.searched.curvature)))) / best.snr * grid.scale
    return there, float(across[0]), float(across[1])


def is_on(found: Found, entry: Entry) -> bool:
    """Whether an image is one of those that show it."""
    return found.begin - _SLACK <= (entry.begin + entry.end) / 2 <= found.end + _SLACK


def of_its_field(found: Found, entries: Iterable[Entry]) -> list[Entry]:
    """The images of its run and field, in order of time."""
    series = found.series
    mine = [each for each in entries if (each.run, each.label) == (series.run, series.label)]
    return sorted(mine, key=lambda each: (each.begin, each.index))


def _around(found: Found, entries: Sequence[Entry]) -> list[tuple[Entry, bool]]:
    """The images in which it is measured, and whether they show it."""
    mine = of_its_field(found, entries)
    shown = [number for number, each in enumerate(mine) if is_on(found, each)]
    if not shown:
        return []
    reach = WINDOW * found.series.average
    first, last = max(shown[0] - reach, 0), min(shown[-1] + reach, len(mine) - 1)
    step = -(-(last + 1 - first) // _MOST)
    return [
        (each, number in range(shown[0], shown[-1] + 1))
        for number, each in enumerate(mine[first : last + 1], first)
        if shown[0] <= number <= shown[-1] or number % step == 0
    ]


def _primary_beam(directory: Path, name: str, entry: Entry, x: float, y: float, image: Planes) -> Floats:
    """[stokes, band] of the primary beam at a place, by the stored image of its square; NaN if there is none."""
    path = directory / file_name(name, entry.label, entry.integration, "pbweight")
    found = np.full((len(image.layout.stokes), len(image.bands)), np.nan)
    if path.exists():
        try:
            squares = Planes.open(path, apart=True)
            for stokes in range(len(squares.layout.stokes)):
                for band in range(len(squares.bands)):
                    found[stokes, band] = math.sqrt(_between(squares.plane(stokes, band), x, y))
        except (UsageError, IndexError):
            return found
    return found


def _between(pixels: NDArray[np.floating], x: float, y: float) -> float:
    """A smooth plane [y, x] between pixels; NaN beyond the outermost."""
    left, low = math.floor(x), math.floor(y)
    right, high = math.ceil(x), math.ceil(y)
    if left < 0 or low < 0 or not (right < pixels.shape[1] and high < pixels.shape[0]):
        return math.nan
    rows = [(1 - (x - left)) * float(pixels[row, left]) + (x - left) * float(pixels[row, right]) for row in (low, high)]
    return (1 - (y - low)) * rows[0] + (y - low) * rows[1]


def mean_flux(samples: Iterable[Sample], number: int, band: int = 0, corrected: bool = False) -> Value | None:
    """The mean flux of a plane and band, by weights; None if no image has one."""
    total, weights = 0.0, 0.0
    for each in samples:
        if band >= len(each.bands):
            continue
        gain = float(each.beam[number, band]) if corrected else 1.0
        flux, error = float(each.bands[band].flux[number]) / gain, float(each.bands[band].error[number]) / gain
        if math.isfinite(flux) and error > 0:
            total, weights = total + flux / error**2, weights + 1 / error**2
    return Value(total / weights, weights**-0.5) if weights else None


def _less(flux: Value | None, steady: Value | None) -> Value | None:
    if flux is None or steady is None:
        return flux
    return Value(flux.value - steady.value, math.hypot(flux.error, steady.error))


def _spectrum(samples: Sequence[Sample], number: int, changes: bool) -> tuple[tuple[tuple[float, Value], ...], str]:
    """Frequency and flux of each output channel over its images; of what `changes`, without what is there always."""
    on, off = [each for each in samples if each.on], [each for each in samples if not each.on]
    count = max((len(each.bands) for each in on), default=1)
    corrected = bool(on) and all(np.isfinite(each.beam[number]).all() for each in samples)
    found = []
    for band in range(1, count):
        flux = mean_flux(on, number, band, corrected)
        if changes:
            flux = _less(flux, mean_flux(off, number, band, corrected))
        told = [each.bands[band].band for each in on if band < len(each.bands)]
        centres = [each.centre for each in told if each and math.isfinite(each.centre)]
        if flux and centres:
            found.append((float(np.mean(centres)), flux))
    return tuple(found), "corrected" if corrected else "apparent"


def _index(spectrum: Sequence[tuple[float, Value]]) -> Value | None:
    frequency = np.array([each for each, _ in spectrum])
    flux, error = (np.array([getattr(each, name) for _, each in spectrum]) for name in ("value", "error"))
    found = spectral_index(frequency, flux, error)
    return Value(*found) if found else None
