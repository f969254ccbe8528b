"""The axes of a cube: which plane each image is, and how its header says so. Pure.

Axes are RA, DEC, TIME, STOKES, in this order: CARTA takes four at most, and steps through the third one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fip.archive.entries import Entry
from fip.archive.views import Window
from fip.data.quantities import SECONDS_PER_DAY, iso_utc
from fip.data.stokes import stokes_axis
from fip.data.values import Beam
from fip.fits.header import BODY, CardTuple, sky_cards
from fip.fits.stored_image import Layout

KIND = "cube"
"""FIPKIND of a cube."""

SHARED = (
    *("BUNIT", "BTYPE", "RESTFRQ", "RESTBW", "SPECSYS", "TELESCOP", "INSTRUME", "OBSERVER", "PROJECT", "OBJECT"),
    *("OBSGEO-X", "OBSGEO-Y", "OBSGEO-Z", "OBSGEO-L", "OBSGEO-B", "OBSGEO-H", "ORIGIN"),
    *("FIPINJ", "FIPPB", "FIPSTOKE", "FIPMS", "FIPCOL", "FIPRUN", BODY),
)
"""The keywords that a cube takes over from its images: they are the same in all of them."""

_STRAY = 0.05  # of the cadence, that an image may be off its place on a regular axis
_MOST_EMPTY, _SPARE = 2, 64  # a series with more planes than so many times its images, and so many, is not regular


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The planes of a cube."""

    planes: tuple[int, ...]  # of each image
    slices: tuple[int, ...]  # of each plane; -1 if there was none at that time
    begin: float  # s UTC since MJD 0, the middle of the first plane
    cadence: float | None  # s from one plane to the next; None: images come irregularly, and times are in a table alone


def time_axis(entries: Sequence[Entry]) -> TimeAxis:
    """Return the time axis of images of one series, in order of time; images missing between them get planes, too."""
    middles = np.array([(each.begin + each.end) / 2 for each in entries])
    numbers = [each.index for each in entries]
    most = _MOST_EMPTY * len(entries) + _SPARE
    if len(entries) == 1:
        return TimeAxis((0,), (numbers[0],), float(middles[0]), entries[0].end - entries[0].begin)
    apart = np.diff(middles)
    steps = np.rint(apart / np.median(apart)).astype(np.int64)
    planes = np.concatenate([[0], np.cumsum(steps)])
    cadence, begin = np.polyfit(planes, middles - middles[0], 1) if planes[-1] else (0.0, 0.0)
    stray = np.abs(middles - middles[0] - begin - cadence * planes)
    if steps.min() >= 1 and planes[-1] < most and stray.max() <= _STRAY * cadence:
        found = tuple(planes.tolist())
        return TimeAxis(found, _slices(found, numbers), float(middles[0] + begin), float(cadence))
    rising = all(after > before for before, after in pairwise(numbers))
    if not rising or numbers[-1] - numbers[0] >= most:
        return TimeAxis(tuple(range(len(numbers))), tuple(numbers), float(middles[0]), None)
    found = tuple(each - numbers[0] for each in numbers)
    return TimeAxis(found, tuple(range(numbers[0], numbers[-1] + 1)), float(middles[0]), None)


def _slices(planes: Sequence[int], numbers: Sequence[int]) -> tuple[int, ...]:
    """The slice of each plane: between two images it is known if there are as many slices as planes."""
    found = [-1] * (planes[-1] + 1)
    for plane, number in zip(planes, numbers, strict=True):
        found[plane] = number
    for at in range(len(planes) - 1):
        if numbers[at + 1] - numbers[at] == planes[at + 1] - planes[at]:
            found[planes[at] : planes[at + 1]] = range(numbers[at], numbers[at + 1])
    return tuple(found)


def cube_cards(
    layout: Layout, window: Window, axis: TimeAxis, entries: Sequence[Entry], shared: Mapping[str, str | float | int]
) -> Iterator[CardTuple]:
    """All cards of its header but DATASUM, CHECKSUM and END; `shared` are those of `SHARED` that its images have."""
    yield "SIMPLE", True, "FITS standard 4.0"
    yield "BITPIX", -32 if layout.dtype == ">f4" else -64, "IEEE floating point"
    yield "NAXIS", 4, ""
    for number, length in enumerate((window.width, window.height, len(axis.slices), len(layout.stokes)), 1):
        yield f"NAXIS{number}", length, ""
    yield "EXTEND", True, ""
    corner = {"CRPIX1": layout.grid.width / 2 + 1 - window.left, "CRPIX2": layout.grid.height / 2 + 1 - window.bottom}
    for keyword, value, comment in sky_cards(layout.grid):
        yield keyword, corner.get(keyword, value), comment
    yield from _time_cards(axis, entries, "OBSGEO-X" in shared)
    first, step = stokes_axis(layout.stokes)
    yield "CTYPE4", "STOKES", ""
    yield "CRVAL4", float(first), layout.stokes[0]
    yield "CDELT4", float(step), ""
    yield "CRPIX4", 1.0, ""
    yield from _beam_cards([each.beam for each in entries if each.beam])
    yield from ((name, value, _SAID.get(name, "")) for name, value in shared.items())
    yield "FIPKIND", KIND, "kind of image"
    yield "NIMAGES", len(entries), "images in it; a plane without one is NaN"
    yield "COMMENT", "extension TIMES: slice, times and state of each plane; BEAMS: its beam", ""


_SAID = {"RESTFRQ": "[Hz] centre of the band", "RESTBW": "[Hz] its width", BODY: "which the grid follows: first CRVAL"}


def _time_cards(axis: TimeAxis, entries: Sequence[Entry], located: bool) -> Iterator[CardTuple]:
    if axis.cadence is None:
        yield "CTYPE3", "IMAGE", "in order of time, not evenly: see TIMES"
        yield "CRVAL3", 1.0, "the first"
        yield "CDELT3", 1.0, ""
        yield "CRPIX3", 1.0, ""
    else:
        yield "CTYPE3", "TIME", "middle of the exposure"
        yield "CRVAL3", 0.0, "[s] from MJDREF"
        yield "CDELT3", axis.cadence, "[s]"
        yield "CRPIX3", 1.0, ""
        yield "CUNIT3", "s", ""
    day = math.floor(axis.begin / SECONDS_PER_DAY)
    yield "TIMESYS", "UTC", ""
    yield "TIMEUNIT", "s", ""
    yield "MJDREFI", day, "middle of the first plane"
    yield "MJDREFF", axis.begin / SECONDS_PER_DAY - day, ""
    yield "DATEREF", iso_utc(axis.begin), "= MJDREF"
    if located:
        yield "TREFPOS", "TOPOCENTER", "times are those of the array"
    begin, end = entries[0].begin, max(each.end for each in entries)
    for name, time in (("BEG", begin), ("END", end)):
        yield f"DATE-{name}", iso_utc(time), ""
        yield f"MJD-{name}", time / SECONDS_PER_DAY, ""
    yield "DATE-OBS", iso_utc(begin), "start"
    yield "MJD-OBS", begin / SECONDS_PER_DAY, "start"
    yield "TELAPSE", end - begin, "[s] DATE-END - DATE-BEG"


def _beam_cards(beams: Iterable[Beam]) -> Iterator[CardTuple]:
    """Yield the beam of the plane of median area, for viewers that know only one beam.

    CASAMBM, which points CASA to the table BEAMS, is left out: casacore accepts it only for a spectral axis, and opens
    no image that has it without one.
    """
    known = sorted(beams, key=lambda each: each.major * each.minor)
    if known:
        beam = known[len(known) // 2]
        yield "BMAJ", math.degrees(beam.major), "[deg] FWHM, of the plane of median area"
        yield "BMIN", math.degrees(beam.minor), "[deg] FWHM"
        yield "BPA", math.degrees(beam.angle), "[deg] from north through east"
