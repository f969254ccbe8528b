"""The units of a FITS file, each a header and its data, and the unit that has the image, plain or compressed.

The sink reads with it and must import little: only numpy.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import BinaryIO

from fip.fits.tiles import as_image, is_image_table

BLOCK = 2880  # bytes: header and data are multiples of it
CARD = 80
LONGEST_HEADER = 100 * BLOCK
_VALUE = re.compile(r"(?P<name>[A-Z0-9_-]{1,8}) *= *(?:'(?P<text>(?:[^']|'')*)'|(?P<value>[^ /]+))")
_STRUCTURE = ("BITPIX", "NAXIS", "PCOUNT", "GCOUNT")

Cards = Mapping[str, str]
"""The values of a header as they are written, texts without their quotes."""

Read = Callable[[int, int], bytes]
"""A function of a place and a size: it returns so many bytes of a file from the place on, or fewer at the end."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A header and its data."""

    cards: tuple[str, ...]  # of 80 characters, without END
    start: int  # byte of the header
    begin: int  # byte of the data
    end: int  # byte behind them, and behind what fills their last block

    @property
    def compressed(self) -> bool:
        """Whether it is a table that holds an image."""
        return is_image_table(self.cards)

    @property
    def header(self) -> tuple[str, ...]:
        """Its cards; for a compressed image, those of the image."""
        return tuple(as_image(self.cards)) if self.compressed else self.cards


def unit_at(read: Read, start: int = 0) -> Unit:
    """Return the unit that begins at this byte. ValueError if none does."""
    cards: list[str] = []
    at = start
    while at - start < LONGEST_HEADER and len(block := read(at, BLOCK)) == BLOCK:
        at += BLOCK
        text = block.decode("ascii")
        for place in range(0, BLOCK, CARD):
            each = text[place : place + CARD]
            if each.rstrip() == "END":
                return Unit(tuple(cards), start, at, at + whole_blocks(_data_size(cards)))
            cards.append(each)
    raise ValueError(f"no header at byte {start}" if start else "it has no header")


def image_unit(read: Read) -> Unit:
    """Return the unit of a file that has the image: the first, or the next if that is empty. ValueError if none."""
    first = unit_at(read)
    return unit_at(read, first.end) if first.begin == first.end else first


def reading(file: BinaryIO) -> Read:
    """Return a function that reads an open file."""

    def read(begin: int, size: int) -> bytes:
        file.seek(begin)
        return file.read(size)

    return read


def reading_in(content: bytes | memoryview) -> Read:
    """Return a function that reads in the content of a file, or in its beginning."""
    view = memoryview(content)
    return lambda begin, size: bytes(view[begin : begin + size])


def values_of(cards: Sequence[str]) -> Cards:
    """Return the value of each keyword, the first if there are several."""
    found: dict[str, str] = {}
    for each in cards:
        if match := _VALUE.match(each):
            value = match["value"] if match["text"] is None else match["text"].replace("''", "'").rstrip()
            found.setdefault(match["name"], value)
    return found


def whole_blocks(size: int) -> int:
    """Return the bytes that so many take in a FITS file: a multiple of `BLOCK`."""
    return -(-size // BLOCK) * BLOCK


def _data_size(cards: Sequence[str]) -> int:
    """Return the bytes of the data (FITS standard 4.0, 4.4.1.2). ValueError if the cards do not say."""
    told = values_of([each for each in cards if each.startswith(_STRUCTURE)])
    try:
        axes = [int(told[f"NAXIS{axis}"]) for axis in range(1, int(told["NAXIS"]) + 1)]
        groups, more = int(told.get("GCOUNT", "1")), int(told.get("PCOUNT", "0"))
        size = abs(int(told["BITPIX"])) // 8 * groups * (more + prod(axes)) if axes else 0
    except KeyError as error:
        raise ValueError(f"a header without {error.args[0]}") from None
    if size < 0:
        raise ValueError("a header with a negative size")
    return size
