"""The slice that a FITS file of FIP's shows, as its own header says, and whether the file is whole.

The sink reads with it and must import little: only numpy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import radians

import numpy as np

from fip.data.quantities import SECONDS_PER_DAY
from fip.data.values import Beam, ImageFile, Kind, Statistics
from fip.fits.units import BLOCK, Cards, image_unit, reading_in, unit_at, values_of

HEADER_READ = 12 * BLOCK
"""Bytes that are enough to identify a file: more than FIP's headers have without the last cards, those of stages."""
_ALL_ONES = 0xFFFFFFFF
_KINDS: Mapping[str, Kind] = {"Intensity": "dirty", "Beam": "psf"}
_SAME_TIME = 1e-3  # s, far less than an integration and more than a header rounds


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes an image the one it is."""

    run: str
    integration: int
    kind: Kind
    begin: float  # s UTC since MJD 0

    def matches(self, other: "Identity") -> bool:
        """Return whether both are of one slice, and of one kind."""
        return replace(self, begin=other.begin) == other and abs(self.begin - other.begin) < _SAME_TIME


def cards_of(content: bytes) -> Cards:
    """Return the header of the image of a file that begins so. ValueError if it is none."""
    return values_of(image_unit(reading_in(content)).header)


def identity_of(cards: Cards) -> Identity | None:
    """Return which image this is; None if it is none of FIP's."""
    try:
        begin = float(cards["MJD-BEG"]) * SECONDS_PER_DAY
        kind = cards.get("FIPKIND") or _KINDS[cards["BTYPE"]]
        return Identity(cards["FIPRUN"], int(cards["FIPSLICE"]), kind, begin)
    except (KeyError, ValueError):
        return None


def is_whole(content: bytes) -> bool:
    """Return whether the file is as long as its headers say and each CHECKSUM is right (FITS 4.0, 4.4.2.7)."""
    try:
        return all("CHECKSUM" in cards and _sum(unit) == _ALL_ONES for cards, unit in _units(memoryview(content)))
    except ValueError:
        return False


def as_in(cards: Cards, image: ImageFile) -> ImageFile:
    """Return the image as the header of its stored file has it; another attempt at its slice made that file."""
    beam, statistics = image.beam, image.statistics
    try:
        if "BMAJ" in cards:
            beam = Beam(*(radians(float(cards[name])) for name in ("BMAJ", "BMIN", "BPA")))
        if statistics:
            planes = int(cards["NAXIS4"])  # the header's extrema are those of all, the ledger's of the first
            extrema = (float(cards[name]) for name in ("DATAMIN", "DATAMAX"))
            ends = tuple(extrema) if planes == 1 else (statistics.minimum, statistics.maximum)
            statistics = Statistics(float(cards["RMS"]), *ends)
    except (KeyError, ValueError):
        return image
    return replace(image, beam=beam, statistics=statistics, quality=cards.get("FIPQUAL", image.quality))


def _units(content: memoryview) -> Iterator[tuple[Cards, memoryview]]:
    """Yield each header and its whole unit, to the end of the file. ValueError if it ends too early or is not FITS."""
    read, unit = reading_in(content), unit_at(reading_in(content))
    while True:
        if len(content) < unit.end:
            raise ValueError("it ends too early")
        yield values_of(unit.cards), content[unit.start : unit.end]
        if len(content) == unit.end:
            return
        unit = unit_at(read, unit.end)


def _sum(unit: memoryview) -> int:
    """The sum of 32-bit words with end-around carry."""
    total = int(np.frombuffer(unit, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & _ALL_ONES) + (total >> 32)
    return total
