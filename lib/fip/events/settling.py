"""What is searched in a run, found out from its first images: its series, their noise and their thresholds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import psutil
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.archive.followed import FollowedImage
from fip.data.errors import UsageError
from fip.data.values import Beam, Grid
from fip.events.psfs import psf_of
from fip.events.words import Asked, Series, Thresholds
from fip.fits.header import BODY, site_of
from fip.search.curvature import from_images, from_moments
from fip.search.marks import Power, power_of
from fip.search.series import memory
from fip.search.sidelobes import levels_of_noise
from fip.search.theory import threshold
from fip.search.words import WIDEST, Budget, Matrix, Reference, Searched, beam_matrix

OPENING = 8
"""Images of a field before anything is said of them: by these its noise, its cadence and its thresholds are known."""

FEWEST = 3  # images of a field that is over, to be searched at all
AVERAGED = (1, 32, 1024)
"""Slices in the images that are searched: themselves, and weighted means of 32 and of 32 x 32."""

CANDIDATES = Budget(1, 3600)
"""The budget of what is kept beside events, and not reported: it measures how many false ones there are."""

MOST_MEMORY = 0.25
"""Share of the machine's memory that a search takes; it looks for fewer widths rather than take more."""

_NOISE, _SIDELOBES = 512, 1024  # pixels a side of the part in the middle by which they are measured


@dataclass(frozen=True, slots=True)
class Begun:
    """One of the first images of a field."""

    index: int
    begin: float  # s UTC since MJD 0
    end: float
    pixels: NDArray[np.float32]  # [stokes, y, x]
    moments: tuple[float, float, float] | None  # uu, uv, vv of its samples, wavelengths^2; None if its header has none
    subtracted: bool  # whether a sky model was taken off its samples
    beam: tuple[float, float, float]  # rad: major, minor, angle
    injected: bool  # whether `fip inject` has added sources to its data
    power: Power | None  # of its samples
    psfs: tuple[NDArray[np.float32] | None, ...]  # of each Stokes plane, if one is stored
    site: tuple[float, float, float] | None = None  # m, ITRF, of the array
    follows: str = ""  # the body that the images follow


def begun(image: FollowedImage) -> Begun | None:
    """What an image says; None if it has no pixel with a value."""
    if image.entry.empty or image.beam is None or not np.isfinite(image.pixels).any():
        return None
    header = image.header
    moments = tuple(float(header.get(name, math.nan)) * 1e6 for name in ("FIPUU", "FIPUV", "FIPVV"))
    told = (moments[0], moments[1], moments[2]) if all(map(math.isfinite, moments)) else None
    subtracted = "FIPSKY" in header or "-MODEL_DATA" in str(header.get("FIPCOL", ""))
    beam = image.beam.major, image.beam.minor, image.beam.angle
    pixels = np.asarray(image.pixels, np.float32)
    injected = bool(header.get("FIPINJ", False))
    power, psfs = power_in(image.entry), tuple(psf_of(image, plane) for plane in range(len(image.stokes)))
    return Begun(
        image.index, image.entry.begin, image.entry.end, pixels, told, subtracted, beam, injected, power, psfs,
        site_of(header), str(header.get(BODY, "")),
    )  # fmt: skip


def power_in(entry: Entry) -> Power | None:
    """What the ledger says of the power of a slice's samples."""
    told = {name: getattr(entry, name) for name in ("data_weight", "data_power", "data_used")}
    return power_of({name: value for name, value in told.items() if value is not None})


def settle(
    of: tuple[str, str, str], grid: Grid, stokes: tuple[str, ...], images: Sequence[Begun], asked: Asked, taken: float
) -> tuple[Series, ...]:
    """The series of a field: each Stokes plane, as it is and averaged. `of`: the run's id, its name and the field.

    `taken`: bytes that other searches have. UsageError if the field cannot be searched, for one line.
    """
    if len(images) < FEWEST:
        raise UsageError(f"a search needs {FEWEST} images of a field, one after the other; there are {len(images)}")
    cadence = median(float(each) for each in np.diff([(each.begin + each.end) / 2 for each in images]))
    if not cadence > 0:
        raise UsageError("its images do not follow one another in time")
    for name in asked.stokes or ():
        if name not in stokes:
            raise UsageError(f"--stokes {name}: there is {', '.join(stokes)}")
    found = []
    for plane, name in enumerate(stokes):
        if name in (asked.stokes or stokes):
            searched, area = _searched(grid, images, plane, cadence)
            searched = replace(searched, widest=asked.widest, reference=asked.reference or _reference(images, name))
            found.append((plane, name, searched, area))
    fitting, averages = _that_fit([searched for _, _, searched, _ in found], taken)
    exposure = median(each.end - each.begin for each in images)
    series = [
        Series(*of, name, plane, average, grid, area, averaged(searched, average), Thresholds(0, 0))
        for (plane, name, _, area), searched in zip(found, fitting, strict=True)
        for average in averages
    ]
    thresholds = _thresholds(series, asked, exposure)
    injected = any(each.injected for each in images)
    first = images[0]
    return tuple(
        replace(each, thresholds=thresholds, injected=injected, site=first.site, follows=first.follows)
        for each in series
    )


def averaged(searched: Searched, slices: int) -> Searched:
    """Return the same for means of so many slices: with fewer widths, as the next means have the longer ones."""
    if slices == 1:
        return searched
    return replace(searched, cadence=searched.cadence * slices, widest=min(searched.widest, WIDEST // 2))


def _thresholds(series: Sequence[Series], asked: Asked, exposure: float) -> Thresholds:
    """Return thresholds by the budget of false events, of all series of a field in its exposure. UsageError if none."""
    each = [replace(one.searched, cadence=max(exposure, 1e-9) * one.average) for one in series]
    areas = [one.area for one in series]
    try:
        event = threshold(asked.budget, each, areas)
        return Thresholds(event, min(event, threshold(CANDIDATES, each, areas)))
    except ValueError as error:
        raise UsageError(f"--false-alarms: {error}") from None


def _that_fit(planes: Sequence[Searched], taken: float) -> tuple[list[Searched], tuple[int, ...]]:
    """The same with what fits into memory: without the longest means first, then with fewer widths; and which means.

    UsageError if nothing fits.
    """
    total = float(psutil.virtual_memory().total)
    left, widest = MOST_MEMORY * total - taken, max(each.widest for each in planes)
    while widest:
        narrow = [replace(each, widest=min(widest, each.widest)) for each in planes]
        for averages in (AVERAGED, AVERAGED[:2], AVERAGED[:1]):
            if sum(memory(averaged(each, slices)) for each in narrow for slices in averages) <= left:
                return narrow, averages
        widest //= 2
    one = planes[0]
    raise UsageError(
        f"images of {one.width}x{one.height} pixels and {len(planes)} planes do not fit into the memory that a search "
        f"may have: a quarter of {total / 1e9:.1f} GB, of which {taken / 1e9:.1f} GB are taken"
    )


def _searched(grid: Grid, images: Sequence[Begun], plane: int, cadence: float) -> tuple[Searched, int]:
    """What the search of a plane has to know, and how many pixels have values."""
    pixels = [each.pixels[plane] for each in images]
    shape = beam_matrix(Beam(*images[0].beam), grid.scale)
    try:
        curvature = _told(images, grid.scale) or from_images(_middle(each, _NOISE) for each in pixels)
    except ValueError as error:
        raise UsageError(str(error)) from None
    sidelobes = levels_of_noise((_middle(each, _SIDELOBES) for each in pixels), shape)
    area = int(np.isfinite(pixels[0]).sum())
    return Searched(grid.width, grid.height, curvature, shape, cadence, sidelobes=sidelobes), area


def _told(images: Iterable[Begun], scale: float) -> Matrix | None:
    """Return Lambda by what headers say about the samples; None if one of them says nothing about it."""
    moments = [each.moments for each in images]
    if any(each is None for each in moments):
        return None
    uu, uv, vv = np.mean(np.array(moments, float), axis=0).tolist()
    return from_moments(uu, uv, vv, scale)


def _middle(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    y, x = (max(0, (each - side) // 2) for each in pixels.shape)
    return pixels[y : y + side, x : x + side]


def _reference(images: Sequence[Begun], stokes: str) -> Reference:
    """Return the reference to use: Stokes V has next to no sky, nor has an image without the sky of its model."""
    return "none" if stokes == "V" or all(each.subtracted for each in images) else "auto"
