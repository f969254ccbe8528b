"""The planes of an image on disk, of the whole band and of its output channels, and how a source looks in each."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC
from fip.data.values import Band, Beam, UvMoments
from fip.fits.beam_table import ROW
from fip.fits.fitsfile import BLOCK
from fip.fits.identity import LONGEST_HEADER, Cards, cards_of
from fip.fits.stored_image import Layout, StoredImage

_CARD = 80


@dataclass(frozen=True, slots=True)
class BandPlanes:
    """A band that an image was made of, the whole or an output channel, and where its planes are."""

    band: Band  # its weighted mean frequency, and its width; NaN if that is not told
    beam: Beam | None
    offset: int  # bytes before the plane of the first Stokes
    step: int  # bytes from one Stokes to the next


@dataclass(frozen=True, slots=True)
class Planes:
    """An image of FIP's: a plane for each band and Stokes."""

    path: Path
    layout: Layout
    bands: tuple[BandPlanes, ...]  # the whole first, then the output channels, if they were asked for and are there
    moments: UvMoments | None  # of the whole band; None if the header does not tell
    telescope: str = ""  # as the header names it
    span: tuple[float, float] = (math.nan, math.nan)  # Hz, from the lowest to the highest of what was selected

    @classmethod
    def open(cls, path: Path, apart: bool = False) -> Self:
        """Reads the header; of the output channels, too, if they are wanted.

        UsageError if the file is none of FIP's, or cannot be read.
        """
        image = StoredImage.open(path)
        one = _size(image.layout)
        try:
            with path.open("rb") as file:
                cards = cards_of(file.read(image.offset))
                width, frequency = (float(cards.get(name, math.nan)) for name in ("CDELT3", "CRVAL3"))
                band = Band(float(cards.get("FIPFREQ", frequency)), width)
                whole = BandPlanes(band, _beam(cards), image.offset, one)
                middle, half = float(cards.get("RESTFRQ", frequency)), float(cards.get("RESTBW", width)) / 2
                span = middle - half, middle + half
                channels = _channels(file, image.layout, image.offset) if apart and "FIPCHOUT" in cards else ()
        except (OSError, KeyError, IndexError, ValueError) as error:
            raise UsageError(f"{path}: not an image that FIP can read ({error})") from None
        return cls(path, image.layout, (whole, *channels), _moments(cards), cards.get("TELESCOP", "").strip(), span)

    def plane(self, stokes: int = 0, band: int = 0) -> NDArray[np.floating]:
        """All pixels [y, x] of a plane, mapped into memory: what is not looked at is not read.

        UsageError if the file is shorter than its header says.
        """
        grid, where = self.layout.grid, self.bands[band]
        begin = where.offset + stokes * where.step
        try:
            return np.memmap(self.path, np.dtype(self.layout.dtype), "r", begin, (grid.height, grid.width))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.path}: its pixels cannot be read ({error})") from None


def _channels(file: BinaryIO, layout: Layout, offset: int) -> tuple[BandPlanes, ...]:
    """The planes of the extension CHANNELS, with the beams and frequencies of the table BEAMS behind it."""
    one, stokes = _size(layout), len(layout.stokes)
    cards, begin = _unit(file, offset + _padded(stokes * one))
    count = int(cards["NAXIS3"])
    table, rows = _unit(file, begin + _padded(stokes * count * one))
    file.seek(rows)
    told = np.frombuffer(file.read(int(table["NAXIS1"]) * int(table["NAXIS2"])), ROW)
    found = []
    for channel in range(count):
        row = told[(told["CHAN"] == channel) & (told["POL"] == 0)][0]
        frequency = float(row["FREQ"])
        if not math.isfinite(frequency):  # no data: what was selected
            frequency = float(cards["CRVAL3"]) + channel * float(cards["CDELT3"])
        beam = Beam(float(row["BMAJ"]) * ARCSEC, float(row["BMIN"]) * ARCSEC, math.radians(float(row["BPA"])))
        band = Band(frequency, float(cards["CDELT3"]))
        known = beam if math.isfinite(beam.major) else None
        found.append(BandPlanes(band, known, begin + channel * one, count * one))
    return tuple(found)


def _unit(file: BinaryIO, begin: int) -> tuple[Cards, int]:
    """The cards of a header that begins at this byte, and the byte at which its data begin. ValueError if none does."""
    file.seek(begin)
    header = b""
    while len(header) < LONGEST_HEADER and (block := file.read(BLOCK)):
        header += block
        if any(block[at : at + _CARD].rstrip() == b"END" for at in range(0, len(block), _CARD)):
            return cards_of(header), begin + len(header)
    raise ValueError(f"no header at byte {begin}")


def _beam(cards: Cards) -> Beam | None:
    if "BMAJ" not in cards:
        return None
    major, minor, angle = (math.radians(float(cards[name])) for name in ("BMAJ", "BMIN", "BPA"))
    return Beam(major, minor, angle)


def _moments(cards: Cards) -> UvMoments | None:
    if "FIPUU" not in cards:
        return None
    uu, uv, vv = (float(cards[name]) * 1e6 for name in ("FIPUU", "FIPUV", "FIPVV"))
    return UvMoments(uu, uv, vv)


def _size(layout: Layout) -> int:
    """Bytes of a plane."""
    return layout.grid.width * layout.grid.height * np.dtype(layout.dtype).itemsize


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
