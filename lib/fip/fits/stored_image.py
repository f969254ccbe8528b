"""An image as it is on disk: what its header says, and its pixels. Only the pixels asked for are read."""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.stokes import STOKES_CODES
from fip.data.values import Beam, Grid
from fip.fits.pixels import TYPES, Pixels
from fip.fits.units import image_unit, reading

_NAMES = {code: name for name, code in STOKES_CODES.items()}
_LAYOUT = {
    keyword.ljust(8)
    for keyword in (
        *("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS4", "CTYPE1", "CTYPE2", "CTYPE3", "CTYPE4"),
        *("CRVAL1", "CRVAL2", "CRVAL4", "CDELT2", "CDELT4", "RADESYS"),
    )
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What is the same in every image of a field: the grid, the planes, and how numbers are written."""

    grid: Grid
    stokes: tuple[str, ...]  # of each plane, as the STOKES axis has them
    dtype: str  # of a pixel on disk, big-endian


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A dirty image or a point spread function that FIP stored, axes (STOKES, FREQ, DEC, RA), one frequency."""

    path: Path
    layout: Layout
    cards: tuple[str, ...] = field(repr=False)  # of the image's header, 80 characters each, without END
    pixels: Pixels = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the header. UsageError if the file is none of FIP's, or cannot be read."""
        try:
            with path.open("rb") as file:
                unit = image_unit(reading(file))
            cards = unit.header
            layout = _layout("".join(each for each in cards if each[:8] in _LAYOUT))
        except (OSError, KeyError, ValueError) as error:
            raise UsageError(f"{path}: not an image that FIP can read ({error})") from None
        shape = layout.grid.height, layout.grid.width
        return cls(path, layout, cards, Pixels(path, unit, shape, layout.dtype))

    def plane(self, stokes: int = 0) -> NDArray[np.floating]:
        """Return all pixels [y, x] of a plane in Jy/beam; a plain file is mapped into memory, and read when it is used.

        UsageError if the file is shorter than its header says, or damaged.
        """
        return self.pixels.plane(stokes)


def header_of(path: Path) -> fits.Header:
    """Return the header of the image of a FITS file, whoever wrote it. OSError, or ValueError if it is none."""
    with path.open("rb") as file:
        return fits.Header.fromstring("".join(image_unit(reading(file)).header))


def image_hdu(opened: fits.HDUList) -> Any:
    """Return the image of a file that astropy has opened: the first unit, or the next one if the first is empty."""
    return opened[0] if opened[0].header["NAXIS"] or len(opened) == 1 else opened[1]


@lru_cache(maxsize=64)
def _layout(cards: str) -> Layout:
    header = fits.Header.fromstring(cards)
    if header["NAXIS"] != 4 or header["NAXIS3"] != 1 or header["CTYPE4"].strip() != "STOKES":
        raise ValueError("its axes are not (RA, DEC, FREQ, STOKES), one frequency")
    codes = (header["CRVAL4"] + header["CDELT4"] * plane for plane in range(header["NAXIS4"]))
    stokes = tuple(_NAMES[round(code)] for code in codes)
    return Layout(grid_of(header), stokes, TYPES[header["BITPIX"]])


def grid_of(header: Any) -> Grid:
    """Return the grid of a FITS header; KeyError if it has none."""
    return Grid(
        width=header["NAXIS1"],
        height=header["NAXIS2"],
        scale=math.radians(header["CDELT2"]),
        longitude=math.radians(header["CRVAL1"]),
        latitude=math.radians(header["CRVAL2"]),
        frame="GALACTIC" if header["CTYPE1"].startswith("GLON") else header.get("RADESYS", "ICRS"),
    )


def beam_of(header: Any) -> Beam | None:
    """Return the restoring beam of a FITS header, None if it has none."""
    if "BMAJ" not in header:
        return None
    return Beam(*(math.radians(header[key]) for key in ("BMAJ", "BMIN", "BPA")))
