"""The header of a compressed image: one for the image and for the table that holds it (FITS standard 4.0, 10).

Keywords that the table needs for itself have a name with a Z for the image: NAXIS1 is ZNAXIS1, CHECKSUM is ZHECKSUM.
All other cards stay as they are. The sink reads with it and must import little: only numpy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ROW = np.dtype([("size", ">i8"), ("at", ">i8"), ("step", ">f8"), ("zero", ">f8")])
"""A row of the table: bytes of a tile, and the first of them among all; a whole number's step, and the value of 0."""

IN_THE_TABLE: Mapping[str, str] = {
    **{name: f"Z{name}" for name in ("SIMPLE", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "DATASUM")},
    **{f"NAXIS{axis}": f"ZNAXIS{axis}" for axis in range(1, 5)},
    "XTENSION": "ZTENSION",
    "CHECKSUM": "ZHECKSUM",
}
"""The names that keywords of an image have in its table."""
_OF_THE_IMAGE = {told: name for name, told in IN_THE_TABLE.items()}
_OF_THE_TABLE = re.compile(
    r"XTENSION|BITPIX|NAXIS[12]?|PCOUNT|GCOUNT|TFIELDS|T(?:TYPE|FORM)[123]|ZIMAGE|ZCMPTYPE|ZTILE[1-4]|"
    r"Z(?:NAME|VAL)[12]|ZQUANTIZ|ZDITHER0|ZBLANK|CHECKSUM|DATASUM"
)

CODING: Mapping[str, str | int] = {
    "ZCMPTYPE": "RICE_1", "ZNAME1": "BLOCKSIZE", "ZVAL1": 32, "ZNAME2": "BYTEPIX", "ZVAL2": 4,
    "ZQUANTIZ": "SUBTRACTIVE_DITHER_1",
}  # fmt: skip
"""The cards that say how tiles are coded: as `fip.fits.rice` does it."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image is cut into tiles, with what the header says of them."""

    width: int  # pixels, as of the image
    rows: int  # of a tile; the last of a plane may have fewer
    tiles: int  # of all planes
    seed: int  # ZDITHER0, 1 to 10,000
    blank: int  # the whole number of what is NaN
    size: int = 0  # bytes of all tiles
    longest: int = 0  # bytes of the longest one


def tiling_of(cards: Mapping[str, str]) -> Tiling:
    """Return the tiling of a table with these values. KeyError or ValueError if FIP has not written it."""
    for name, value in {**CODING, "NAXIS1": ROW.itemsize, "ZTILE3": 1, "ZTILE4": 1, "ZTILE1": cards["ZNAXIS1"]}.items():
        if cards[name] != str(value):
            raise ValueError(
                f"it is compressed otherwise than FIP does it: {name} is {cards[name]}; funpack unpacks it"
            )
    told = (int(cards[name]) for name in ("ZTILE1", "ZTILE2", "NAXIS2", "ZDITHER0", "ZBLANK", "PCOUNT"))
    found = Tiling(*told)
    if min(found.width, found.rows, found.seed) < 1:
        raise ValueError("its tiles have no pixels")
    return found


def is_image_table(cards: Sequence[str]) -> bool:
    """Return whether these are the cards of a table that is a compressed image."""
    return any(each[:8] == "ZIMAGE  " and each[10:].split("/")[0].strip() == "T" for each in cards)


def as_image(cards: Sequence[str]) -> list[str]:
    """Return the cards of the image, without END, from those of its table as they are read."""
    kept = [each for each in cards if not _OF_THE_TABLE.fullmatch(each[:8].rstrip())]
    return [renamed(each, _OF_THE_IMAGE) for each in kept]


def renamed(card: str, names: Mapping[str, str]) -> str:
    """Return a card with the new name of its keyword, if `names` has one."""
    return f"{names.get(card[:8].rstrip(), card[:8]):8}{card[8:]}"
