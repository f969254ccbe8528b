"""The FITS header of an image: what TraP, PySE, CARTA, DS9 and astropy read, and how FIP made it (FIPxxxx).

Keywords follow the FITS standard 4.0 with its papers on world coordinates (Greisen & Calabretta 2002), spectra
(Greisen et al. 2006) and time (Rots et al. 2015). What is the same in every slice of a run is made once.
There is no DATE: a file is a function of its slice alone, bit for bit.
"""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from textwrap import wrap
from typing import Any, NamedTuple

import erfa
import numpy as np

from fip import __version__
from fip.data.directions import Body
from fip.data.errors import UsageError, UserCodeError
from fip.data.quantities import SECONDS_PER_DAY, iso_utc
from fip.data.settings import Imaging, cards
from fip.data.stokes import stokes_axis
from fip.data.user_code import is_settled
from fip.data.values import SINGLE_PRECISION_EPSILON, Band, Grid, Image, Kind, Observation, Slice, whole

BODY = "FIPBODY"
"""Keyword of an image whose grid follows a body: its pixels are of the body's frame, not of one place on the sky."""

CHANNELS = "CHANNELS"
"""Name of the extension that has the output channels."""

IAU_1976 = (6378140.0, 1 / 298.2577)  # m, flattening

_EQUATORIAL = {"FK5": 2000.0, "ICRS": 2000.0, "FK4": 1950.0}
_LONGEST_STRING = 68  # characters between the quotes of a card

CardTuple = tuple[str, "str | float | int | bool", str]


def frequency_axis(bands: tuple[Band, ...]) -> tuple[float, float]:
    """Return (CRVAL3, CDELT3) in Hz; one plane spans the selected band. UsageError for bands not evenly spaced."""
    if len(bands) == 1:
        return bands[0].centre, bands[0].width
    step = (bands[-1].centre - bands[0].centre) / (len(bands) - 1)
    for plane, band in enumerate(bands):
        if abs(bands[0].centre + plane * step - band.centre) > 1e-3 * abs(step):
            raise UsageError(
                f"output channel {plane} at {band.centre:.0f} Hz is off the even spacing of {step:.0f} Hz "
                "that a FITS axis has: choose windows or channels_out that divide the band evenly"
            )
    return bands[0].centre, step


def header_cards(slice_: Slice, image: Image, kind: Kind) -> str:
    """Return the primary header's cards, 80 characters each, for the whole band, without CHECKSUM, DATASUM and END."""
    varying = "".join(card(*each) for each in (*_slice_cards(slice_, image, kind), *_sample_cards(slice_)))
    return _with_added(_same_in_all(False, slice_, image, kind) + varying, image)


def channels_cards(slice_: Slice, image: Image, kind: Kind) -> str:
    """Return those of the extension CHANNELS, whose planes are the output channels; the table BEAMS has their beams."""
    varying = "".join(card(*each) for each in _time_cards(slice_))
    return _same_in_all(True, slice_, image, kind) + varying


def _with_added(header: str, image: Image) -> str:
    """Return the header with the cards that stages have added. UserCodeError for one that the header has already."""
    own = {header[at : at + 8].rstrip() for at in range(0, len(header), 80)} if image.cards else set()
    for each in image.cards:
        if each.keyword in own:
            raise UserCodeError(f"card {each.keyword} of a stage is one of FIP's own: name it otherwise")
    return header + "".join(card(each.keyword, each.value, each.comment) for each in image.cards)


def _same_in_all(apart: bool, slice_: Slice, image: Image, kind: Kind) -> str:
    planes, channels, height, width = image.pixels.shape
    grid, settings = slice_.grid, slice_.settings
    if (grid.width, grid.height) != (width, height):  # a PSF of twice the size is about the same centre
        grid = replace(grid, width=width, height=height)
    if planes != len(settings.stokes):  # one PSF of all
        settings = replace(settings, stokes=settings.stokes[:planes])
    bands = slice_.bands if channels > 1 else (whole(slice_.bands),)
    return _run_cards(
        apart, _Shown(kind, image.unit, image.shows, image.primary_beam), slice_.run, grid, bands, slice_.observation,
        settings,
    )  # fmt: skip


def printable(text: str) -> str:
    """Return the text in the characters of a FITS header, no longer than a card takes: é becomes e, 東 becomes ?."""
    plain = text
    if not (text.isascii() and text.isprintable()):
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        plain = "".join(c if " " <= c <= "~" else "?" for c in plain)
    plain = plain.strip()
    while len(plain) + plain.count("'") > _LONGEST_STRING:  # a quote is written twice
        plain = plain[:-1]
    return plain.rstrip()


def card(keyword: str, value: str | float, comment: str) -> str:
    """Make a card of 80 characters in the fixed format (FITS standard 4.0, 4.2), as astropy writes it, but faster.

    Characters that a header cannot have are changed (`printable`); a comment that is too long is cut. Comments have no
    quotes: after an empty text astropy would read them as part of it.
    """
    if keyword in ("COMMENT", "HISTORY"):
        return f"{keyword:8}{printable(str(value))}".ljust(80)
    written = f"{keyword:8}= {_written(value)}"
    room = 80 - len(written) - len(" / ")
    return (f"{written} / {comment[:room]}" if comment and room > 0 else written).ljust(80)


def _written(value: str | float) -> str:
    if isinstance(value, str):
        characters = printable(value).replace("'", "''")
        quoted = f"'{characters:8}'"
        return f"{quoted:20}" if characters else "''"
    if isinstance(value, bool):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, int):
        return f"{value:>20d}"
    mantissa, e, exponent = repr(float(value)).partition("e")
    return f"{mantissa[: 20 - len(e + exponent)] + e.upper() + exponent:>20}"


class _Shown(NamedTuple):
    """What the pixels of an image are."""

    kind: Kind
    unit: str
    quantity: str
    primary_beam: str


@lru_cache(maxsize=64)
def _run_cards(
    apart: bool,
    shown: _Shown,
    run: str,
    grid: Grid,
    bands: tuple[Band, ...],
    observation: Observation,
    settings: Imaging,
) -> str:
    """Return the cards that are the same in every slice of a run, for the whole band or for the output channels."""
    axis = bands if apart else (whole(bands),)
    found = [
        *_array_cards(apart, shown, grid, bands, settings),
        *sky_cards(grid),
        *_frequency_cards(axis, observation),
        *_stokes_cards(settings),
        *_observation_cards(observation),
        *_settings_cards(run, observation, settings, shown.primary_beam),
    ]
    return "".join(card(*each) for each in found)


def _array_cards(
    apart: bool, shown: _Shown, grid: Grid, bands: tuple[Band, ...], settings: Imaging
) -> Iterator[CardTuple]:
    yield ("XTENSION", "IMAGE", "output channels apart") if apart else ("SIMPLE", True, "FITS standard 4.0")
    yield "BITPIX", -32 if settings.epsilon >= SINGLE_PRECISION_EPSILON else -64, "IEEE floating point"
    yield "NAXIS", 4, ""
    for axis, length in enumerate((grid.width, grid.height, len(bands) if apart else 1, len(settings.stokes)), 1):
        yield f"NAXIS{axis}", length, ""
    if apart:
        yield "PCOUNT", 0, ""
        yield "GCOUNT", 1, ""
        yield "EXTNAME", CHANNELS, ""
        yield "CASAMBM", True, "each plane has a beam, see extension BEAMS"
    elif len(bands) > 1:
        yield "EXTEND", True, ""
        yield "FIPCHOUT", len(bands), "output channels, see extension CHANNELS"
    yield "BSCALE", 1.0, ""
    yield "BZERO", 0.0, ""
    if shown.kind == "psf":
        yield "BTYPE", "Beam", "point spread function at the phase centre"
        return
    if shown.unit:
        apparent = (shown.unit, shown.primary_beam) == ("Jy/beam", "NONE")
        yield "BUNIT", shown.unit, "apparent flux density" if apparent else ""
    yield "BTYPE", shown.quantity, ""
    if (shown.kind, shown.quantity) != ("dirty", "Intensity"):
        yield "FIPKIND", shown.kind, "kind of image"


def sky_cards(grid: Grid) -> Iterator[CardTuple]:
    """Yield the cards of the celestial axes."""
    longitude, latitude = math.degrees(grid.longitude) % 360, math.degrees(grid.latitude)
    equatorial = grid.frame in _EQUATORIAL
    names = ("RA---SIN", "DEC--SIN") if equatorial else ("GLON-SIN", "GLAT-SIN")
    scale = float(f"{math.degrees(grid.scale):.13g}")  # short enough that both signs are written alike
    axes = ((longitude, -scale, grid.width), (latitude, scale, grid.height))
    for axis, (name, (value, step, length)) in enumerate(zip(names, axes, strict=True), 1):
        yield f"CTYPE{axis}", name, "orthographic projection"
        yield f"CRVAL{axis}", value, "phase centre"
        yield f"CDELT{axis}", step, ""
        yield f"CRPIX{axis}", length / 2 + 1, ""
        yield f"CUNIT{axis}", "deg", ""
    yield "LONPOLE", 180.0, ""
    yield "LATPOLE", latitude, ""
    if equatorial:
        yield "RADESYS", grid.frame, ""
        yield "EQUINOX", _EQUATORIAL[grid.frame], ""
        yield "OBSRA", longitude, "[deg] phase centre"
        yield "OBSDEC", latitude, "[deg] phase centre"


def _frequency_cards(bands: tuple[Band, ...], observation: Observation) -> Iterator[CardTuple]:
    value, step = frequency_axis(bands)
    lowest = min(band.centre - band.width / 2 for band in bands)
    highest = max(band.centre + band.width / 2 for band in bands)
    yield "CTYPE3", "FREQ", ""
    yield "CRVAL3", value, "centre of the selected band" if len(bands) == 1 else "centre of the first output channel"
    yield "CDELT3", step, "width of the selected band" if len(bands) == 1 else ""
    yield "CRPIX3", 1.0, ""
    yield "CUNIT3", "Hz", ""
    yield "RESTFRQ", (lowest + highest) / 2, "[Hz] centre of all that was selected"
    yield "RESTBW", highest - lowest, "[Hz] width of all that was selected"
    if observation.frequency_frame:
        yield "SPECSYS", observation.frequency_frame, "frequencies are as in the data"


def _stokes_cards(settings: Imaging) -> Iterator[CardTuple]:
    value, step = stokes_axis(settings.stokes)
    yield "CTYPE4", "STOKES", ""
    yield "CRVAL4", float(value), settings.stokes[0]
    yield "CDELT4", float(step), ""
    yield "CRPIX4", 1.0, ""


def _observation_cards(observation: Observation) -> Iterator[CardTuple]:
    texts = {
        "TELESCOP": observation.telescope,
        "INSTRUME": observation.telescope,
        "OBSERVER": observation.observer,
        "PROJECT": observation.project,
        "OBJECT": observation.field,
    }
    yield from ((keyword, text, "") for keyword, text in texts.items() if text)
    if observation.injected:
        yield "FIPINJ", True, "sources were added to its data: not the sky alone"
    yield "NANT", observation.antennas, "antennas with visibilities"
    if observation.position is not None:
        yield from _position_cards(observation.position)
    yield "ORIGIN", f"FIP {__version__}", ""


def _position_cards(position: tuple[float, float, float]) -> Iterator[CardTuple]:
    """Yield Cartesian and geodetic, on the ellipsoid of IAU 1976 (Rots et al. 2015): wcslib warns of either alone."""
    longitude, latitude, height = erfa.gc2gde(*IAU_1976, np.array(position))
    for axis, value in zip("XYZ", position, strict=True):
        yield f"OBSGEO-{axis}", float(value), "[m] ITRF"
    yield "OBSGEO-L", math.degrees(longitude), "[deg] longitude"
    yield "OBSGEO-B", math.degrees(latitude), "[deg] latitude"
    yield "OBSGEO-H", float(height), "[m] height"


def site_of(header: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Return the place of the array, m in ITRF, that an image names; None if it names none."""
    try:
        x, y, z = (float(header[f"OBSGEO-{axis}"]) for axis in "XYZ")
    except (KeyError, TypeError, ValueError):
        return None
    return (x, y, z) if math.isfinite(x + y + z) and (x, y, z) != (0, 0, 0) else None


def _settings_cards(run: str, observation: Observation, settings: Imaging, primary_beam: str) -> Iterator[CardTuple]:
    yield "FIPPB", primary_beam, "primary beam correction"
    made = ["pseudoI" if plane == "I" and observation.pseudo else plane for plane in settings.stokes]
    yield "FIPSTOKE", ",".join(made), "planes as they are made"
    yield from cards(settings)
    if isinstance(settings.phase_centre, Body):
        yield BODY, settings.phase_centre.name, "which the grid follows: CRVAL is where it is"
    for number, stage in enumerate(settings.stages, 1):
        yield f"FIPSTG{number}", stage, "stage of a user @ digest of its package"
    if is_settled(settings.kernel):
        yield "FIPKCODE", settings.kernel, "kernel of a user @ digest of its package"
    yield "FIPMS", observation.measurement_set, "MeasurementSet"
    yield "FIPCOL", observation.column, "column imaged"
    yield "FIPCORR", ",".join(observation.correlations), "correlations used"
    yield "FIPRUN", run, "run"
    if observation.selection:
        yield "FIPSEL", observation.selection, "selected"
        if printable(observation.selection) != observation.selection:
            yield from (("COMMENT", printable(line), "") for line in wrap(f"selected: {observation.selection}", 68))
    if "V" in settings.stokes:
        yield "COMMENT", "V is (RR - LL)/2 = -i(XY - YX)/2 (IAU 1974).", ""
    if {"Q", "U"} & set(settings.stokes) and not observation.parallactic:
        yield "COMMENT", "Q and U are in the frame of the feeds: no parallactic rotation is applied.", ""
    if observation.pseudo:
        yield "COMMENT", "pseudoI is I, and where one hand is flagged the other hand alone.", ""


def _slice_cards(slice_: Slice, image: Image, kind: Kind) -> Iterator[CardTuple]:
    """Yield the cards that change from slice to slice."""
    yield from _time_cards(slice_)
    yield "FIPKERN", image.kernel or "NONE", "imaging kernel used for this slice"
    if image.beam is not None:
        yield "BMAJ", math.degrees(image.beam.major), "[deg] FWHM of the fitted beam"
        yield "BMIN", math.degrees(image.beam.minor), "[deg] FWHM of the fitted beam"
        yield "BPA", math.degrees(image.beam.angle), "[deg] from north through east"
    if image.moments is not None:
        for keyword, name, value in (
            ("FIPUU", "u^2", image.moments.uu), ("FIPUV", "u v", image.moments.uv), ("FIPVV", "v^2", image.moments.vv),
        ):  # fmt: skip
            yield keyword, value / 1e6, f"[1e6] weighted mean of {name}, in wavelengths"
    if image.statistics is not None:
        others = image.pixels[1:, 0]  # statistics are of the first
        yield "DATAMIN", float(np.fmin.reduce(others, axis=None, initial=image.statistics.minimum)), ""
        yield "DATAMAX", float(np.fmax.reduce(others, axis=None, initial=image.statistics.maximum)), ""
        unit = f"[{image.unit}] " if image.unit and kind != "psf" else ""
        yield "RMS", image.statistics.rms, f"{unit}1.4826 x MAD, first plane"
    if kind == "dirty":
        yield "FIPQUAL", image.quality, "good, or what is doubtful"


def _time_cards(slice_: Slice) -> Iterator[CardTuple]:
    times = slice_.times
    yield "TIMESYS", "UTC", ""
    yield "DATE-OBS", iso_utc(times.begin), "start"
    yield "MJD-OBS", times.begin / SECONDS_PER_DAY, "start"
    for name, seconds in (("BEG", times.begin), ("AVG", times.average), ("END", times.end)):
        yield f"DATE-{name}", iso_utc(seconds), ""
        yield f"MJD-{name}", seconds / SECONDS_PER_DAY, ""
    yield "END_UTC", iso_utc(times.end), "= DATE-END, for TraP"
    span = times.end - times.begin
    yield "XPOSURE", times.exposure, "[s] mean exposure of the samples"
    yield "EXPTIME", times.exposure, "[s] = XPOSURE"
    yield "TAU_TIME", times.exposure, "[s] = XPOSURE"
    yield "TELAPSE", span, "[s] DATE-END - DATE-BEG"
    yield "DURATION", span, "[s] = TELAPSE"


def _sample_cards(slice_: Slice) -> Iterator[CardTuple]:
    """Yield the cards of what was really there, of the first Stokes."""
    visibilities = int(slice_.visibilities[0].sum())
    yield "FIPSLICE", slice_.integration, "number of the (first) integration"
    yield "FIPEMPTY", slice_.empty, "no good visibility"
    yield "FIPNVIS", visibilities, "visibilities imaged"
    yield "FIPWSUM", float(slice_.sum_of_weights[0].sum()), "sum of their weights"
    yield "FIPZERO", slice_.zeros, "samples exactly 0 in all hands, as if flagged"
    if slice_.garbled:
        yield "FIPGARBL", slice_.garbled, "samples of no possible value, as if flagged"
    if slice_.samples:
        yield "FIPFLAG", 1 - visibilities / slice_.samples, "share of the samples that is flagged"
    yield "FIPCOMPL", slice_.complete, "share of the expected samples that is there"
    yield from ((each.keyword, each.value, each.comment) for each in slice_.cards)
    band = effective_band(slice_)
    if band is not None:
        yield "FIPFREQ", band.centre, "[Hz] weighted mean frequency"
        yield "FIPBWEFF", band.width, "[Hz] bandwidth with good data"


def effective_band(slice_: Slice) -> Band | None:
    """Return the weighted mean frequency and the width of what has weight in the whole band, of the first Stokes."""
    weights = slice_.sum_of_weights[0].tolist()
    found = [(band, weight) for band, weight in zip(slice_.effective[0], weights, strict=True) if band is not None]
    if not found:
        return None
    centre = sum(band.centre * weight for band, weight in found) / sum(weight for _, weight in found)
    return Band(centre, sum(band.width for band, _ in found))
