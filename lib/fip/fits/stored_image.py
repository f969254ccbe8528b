"""An image as it is on disk: what its header tells, and its pixels, of which only those asked for are read."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.stokes import STOKES_CODES
from fip.data.values import Beam, Grid
from fip.fits.fitsfile import BLOCK

_CARD = 80
_LONGEST_HEADER = 100 * BLOCK
_NAMES = {code: name for name, code in STOKES_CODES.items()}
_LAYOUT = {
    keyword.encode().ljust(8)
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
    offset: int  # bytes before the first pixel

    @classmethod
    def open(cls, path: Path) -> Self:
        """Reads the header. UsageError where the file is none of FIP's, or cannot be read."""
        cards = []
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    found = [block[at : at + _CARD] for at in range(0, BLOCK, _CARD)]
                    cards += [card for card in found if card[:8] in _LAYOUT]
                    if any(card.rstrip() == b"END" for card in found):
                        return cls(path, _layout(b"".join(cards)), file.tell())
                    if file.tell() > _LONGEST_HEADER:
                        break
        except (OSError, KeyError, ValueError) as error:
            raise UsageError(f"{path}: not an image that FIP can read ({error})") from None
        raise UsageError(f"{path}: not an image that FIP can read (its header has no end)")

    def plane(self, stokes: int = 0) -> NDArray[np.floating]:
        """All pixels [y, x] of a plane in Jy/beam, mapped into memory: what is not looked at is not read.

        UsageError where the file is shorter than its header says.
        """
        grid, dtype = self.layout.grid, np.dtype(self.layout.dtype)
        begin = self.offset + stokes * grid.height * grid.width * dtype.itemsize
        try:
            return np.memmap(self.path, dtype, "r", begin, (grid.height, grid.width))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.path}: its pixels cannot be read ({error})") from None


@lru_cache(maxsize=64)
def _layout(cards: bytes) -> Layout:
    header = fits.Header.fromstring(cards)
    if header["NAXIS"] != 4 or header["NAXIS3"] != 1 or header["CTYPE4"].strip() != "STOKES":
        raise ValueError("its axes are not (RA, DEC, FREQ, STOKES), one frequency")
    codes = (header["CRVAL4"] + header["CDELT4"] * plane for plane in range(header["NAXIS4"]))
    stokes = tuple(_NAMES[round(code)] for code in codes)
    return Layout(grid_of(header), stokes, {-32: ">f4", -64: ">f8"}[header["BITPIX"]])


def grid_of(header: Any) -> Grid:
    """The grid of a FITS header; KeyError where it has none."""
    return Grid(
        width=header["NAXIS1"],
        height=header["NAXIS2"],
        scale=math.radians(header["CDELT2"]),
        longitude=math.radians(header["CRVAL1"]),
        latitude=math.radians(header["CRVAL2"]),
        frame="GALACTIC" if header["CTYPE1"].startswith("GLON") else header.get("RADESYS", "ICRS"),
    )


def beam_of(header: Any) -> Beam | None:
    """The restoring beam of a FITS header."""
    if "BMAJ" not in header:
        return None
    return Beam(*(math.radians(header[key]) for key in ("BMAJ", "BMIN", "BPA")))
