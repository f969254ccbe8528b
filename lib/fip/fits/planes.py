"""The planes of an image on disk, of the whole band and of its output channels, and how a source looks in each."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC
from fip.data.values import Band, Beam, UvMoments
from fip.fits.beam_table import ROW
from fip.fits.pixels import Pixels
from fip.fits.stored_image import Layout, StoredImage
from fip.fits.units import Cards, reading, unit_at, values_of


@dataclass(frozen=True, slots=True)
class BandPlanes:
    """A band that an image was made of, the whole or an output channel, and the place of its planes."""

    band: Band  # its weighted mean frequency, and its width; NaN if that is not known
    beam: Beam | None
    pixels: Pixels  # of the unit that has its planes
    first: int  # the number of the plane of the first Stokes
    step: int  # planes from one Stokes to the next


@dataclass(frozen=True, slots=True)
class Planes:
    """An image of FIP's: a plane for each band and Stokes."""

    path: Path
    layout: Layout
    bands: tuple[BandPlanes, ...]  # the whole first, then the output channels, if they were asked for and are there
    moments: UvMoments | None  # of the whole band; None if the header has none
    telescope: str = ""  # as the header names it
    span: tuple[float, float] = (math.nan, math.nan)  # Hz, from the lowest to the highest of what was selected

    @classmethod
    def open(cls, path: Path, apart: bool = False) -> Self:
        """Read the header; also that of the output channels, if `apart`.

        UsageError if the file is none of FIP's, or cannot be read.
        """
        image = StoredImage.open(path)
        try:
            cards = values_of(image.cards)
            width, frequency = (float(cards.get(name, math.nan)) for name in ("CDELT3", "CRVAL3"))
            band = Band(float(cards.get("FIPFREQ", frequency)), width)
            whole = BandPlanes(band, _beam(cards), image.pixels, 0, 1)
            middle, half = float(cards.get("RESTFRQ", frequency)), float(cards.get("RESTBW", width)) / 2
            span = middle - half, middle + half
            channels = _channels(image.pixels) if apart and "FIPCHOUT" in cards else ()
        except (OSError, KeyError, IndexError, ValueError) as error:
            raise UsageError(f"{path}: not an image that FIP can read ({error})") from None
        return cls(path, image.layout, (whole, *channels), _moments(cards), cards.get("TELESCOP", "").strip(), span)

    def plane(self, stokes: int = 0, band: int = 0) -> NDArray[np.floating]:
        """Return all pixels [y, x] of a plane; a plain file is mapped into memory, and read when it is used.

        UsageError if the file is shorter than its header says, or damaged.
        """
        return self.rows(0, self.layout.grid.height, stokes, band)

    def rows(self, begin: int, end: int, stokes: int = 0, band: int = 0) -> NDArray[np.floating]:
        """Return the rows of a plane from `begin` to `end`, as far as it has them. UsageError as `plane`."""
        where = self.bands[band]
        return where.pixels.rows(where.first + stokes * where.step, begin, end)


def _channels(whole: Pixels) -> tuple[BandPlanes, ...]:
    """Return the planes of the extension CHANNELS, with the beams and frequencies of the table BEAMS behind it."""
    with whole.path.open("rb") as file:
        read = reading(file)
        unit = unit_at(read, whole.unit.end)
        table = unit_at(read, unit.end)
        told = values_of(table.cards)
        rows = np.frombuffer(read(table.begin, int(told["NAXIS1"]) * int(told["NAXIS2"])), ROW)
    cards = values_of(unit.header)
    count, pixels = int(cards["NAXIS3"]), replace(whole, unit=unit)
    found = []
    for channel in range(count):
        row = rows[(rows["CHAN"] == channel) & (rows["POL"] == 0)][0]
        frequency = float(row["FREQ"])
        if not math.isfinite(frequency):  # no data: what was selected
            frequency = float(cards["CRVAL3"]) + channel * float(cards["CDELT3"])
        beam = Beam(float(row["BMAJ"]) * ARCSEC, float(row["BMIN"]) * ARCSEC, math.radians(float(row["BPA"])))
        band = Band(frequency, float(cards["CDELT3"]))
        known = beam if math.isfinite(beam.major) else None
        found.append(BandPlanes(band, known, pixels, channel, count))
    return tuple(found)


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
