"""The extension BEAMS of a file with output channels: CASA's table of a beam for each plane, and what was really there.

CASA writes the columns BMAJ to POL, a row for each channel and Stokes, behind an image whose header says CASAMBM. Beams
are those of the first Stokes, as in the primary header.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC
from fip.data.values import Image, Slice
from fip.fits.header import CardTuple, card

_COLUMNS = {  # dtype, TFORM, TUNIT
    "BMAJ": (">f4", "1E", "arcsec"),
    "BMIN": (">f4", "1E", "arcsec"),
    "BPA": (">f4", "1E", "deg"),
    "CHAN": (">i4", "1J", ""),
    "POL": (">i4", "1J", ""),
    "FREQ": (">f8", "1D", "Hz"),  # weighted mean frequency
    "BANDWID": (">f8", "1D", "Hz"),  # bandwidth with good data
    "NVIS": (">i8", "1K", ""),  # visibilities imaged
    "WSUM": (">f8", "1D", ""),  # sum of their weights
}

ROW = np.dtype([(name, dtype) for name, (dtype, _, _) in _COLUMNS.items()])
"""The dtype of a row of the table, as a file has it."""


def beam_table(slice_: Slice, image: Image) -> NDArray[np.void]:
    """Return a row for each output channel and Stokes, as a FITS table has them; NaN for no beam or no data."""
    rows = [row for channel in range(len(slice_.bands)) for row in _rows(slice_, image, channel)]
    return np.array(rows, ROW)


def _rows(slice_: Slice, image: Image, channel: int) -> Iterator[tuple[float, ...]]:
    beam = image.channel_beams[channel]
    ellipse = (math.nan, math.nan, math.nan)
    if beam is not None:
        ellipse = beam.major / ARCSEC, beam.minor / ARCSEC, math.degrees(beam.angle)
    for stokes in range(len(slice_.settings.stokes)):
        plane = stokes, channel
        band = slice_.effective[stokes][channel]
        there = (band.centre, band.width) if band else (math.nan, 0.0)
        yield *ellipse, channel, stokes, *there, int(slice_.visibilities[plane]), float(slice_.sum_of_weights[plane])


def beam_cards(table: NDArray[np.void], slice_: Slice) -> str:
    """Return all cards of its header except CHECKSUM, DATASUM and END, 80 characters each."""
    cards: list[CardTuple] = [
        ("XTENSION", "BINTABLE", "beam and data of each output channel"),
        ("BITPIX", 8, ""),
        ("NAXIS", 2, ""),
        ("NAXIS1", table.dtype.itemsize, ""),
        ("NAXIS2", len(table), ""),
        ("PCOUNT", 0, ""),
        ("GCOUNT", 1, ""),
        ("TFIELDS", len(_COLUMNS), ""),
        ("EXTNAME", "BEAMS", ""),
        ("NCHAN", len(slice_.bands), ""),
        ("NPOL", len(slice_.settings.stokes), ""),
    ]
    for number, (name, (_, form, unit)) in enumerate(_COLUMNS.items(), 1):
        cards += [(f"TTYPE{number}", name, ""), (f"TFORM{number}", form, "")]
        cards += [(f"TUNIT{number}", unit, "")] if unit else []
    return "".join(card(*each) for each in cards)
