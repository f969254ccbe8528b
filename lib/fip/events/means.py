"""Means of images that a search has made, as FITS files: DIR/transients/means/NAME-[FIELD-]x32-tNNNNNN-I.fits.

NNNNNN is the first slice. The header is that of the field's first image, but for what differs.
"""

import io
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.archive.folder import Folder
from fip.data.quantities import SECONDS_PER_DAY, iso_utc
from fip.data.stokes import STOKES_CODES
from fip.events.words import Series

MEANS = "means"
_OF_ONE_SLICE = ("DATAMIN", "DATAMAX", "RMS", "FIPQUAL", "FIPSLICE", "FIPEMPTY", "FIPNVIS", "FIPWSUM", "FIPZERO")
_MORE = ("FIPFLAG", "FIPCOMPL", "FIPMAMP", "FIPMPHA", "FIPNOISE", "DATASUM", "CHECKSUM", "DATE-AVG", "MJD-AVG")


@dataclass(frozen=True, slots=True)
class MeanImage:
    """A weighted mean of images of a series."""

    series: Series  # of the means
    first: int  # slices
    last: int
    begin: float  # s UTC since MJD 0
    end: float
    images: int
    noise: float  # Jy/beam, that its weights promise
    pixels: NDArray[np.float32]  # [y, x] Jy/beam


def name_of(mean: MeanImage) -> str:
    """Return the name of its file."""
    series = mean.series
    parts = filter(None, (series.name, series.label, f"x{series.average}", f"t{mean.first:06d}", series.stokes))
    return "-".join(parts) + ".fits"


def write_mean(folder: Path, header: str, mean: MeanImage) -> None:
    """Write it under a temporary name, then put it in its place, also if it is there already. Raises OSError."""
    content = mean_file(header, mean)
    with closing(Folder(folder / MEANS)) as beside:
        beside.write_new(f"{name_of(mean)}.part", content)
        beside.replace(f"{name_of(mean)}.part", name_of(mean))
        beside.sync()


def mean_file(header: str, mean: MeanImage) -> bytes:
    """A FITS file; `header` is that of the first image, as text."""
    from astropy.io import fits

    made: Any = fits.Header.fromstring(header)
    for keyword in (*_OF_ONE_SLICE, *_MORE):
        made.remove(keyword, ignore_missing=True)
    begin, end = iso_utc(mean.begin), iso_utc(mean.end)
    for keyword in ("DATE-OBS", "DATE-BEG"):
        made[keyword] = begin
    for keyword in ("DATE-END", "END_UTC"):
        made[keyword] = end
    for keyword, time in (("MJD-OBS", mean.begin), ("MJD-BEG", mean.begin), ("MJD-END", mean.end)):
        made[keyword] = time / SECONDS_PER_DAY
    exposure = float(made.get("XPOSURE", 0.0)) * mean.images
    for keyword in ("XPOSURE", "EXPTIME", "TAU_TIME"):
        made[keyword] = exposure
    for keyword in ("TELAPSE", "DURATION"):
        made[keyword] = mean.end - mean.begin
    made["CRVAL4"] = (float(STOKES_CODES[mean.series.stokes]), mean.series.stokes)
    made["FIPMEAN"] = (mean.images, "images of which it is the mean, by their noise")
    made["FIPFIRST"], made["FIPLAST"] = (mean.first, "first slice"), (mean.last, "last slice")
    made["RMS"] = (mean.noise, "[Jy/beam] that the weights promise")
    content = io.BytesIO()
    fits.PrimaryHDU(mean.pixels[np.newaxis, np.newaxis], made).writeto(content)
    return content.getvalue()
