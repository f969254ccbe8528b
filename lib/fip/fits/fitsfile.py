"""The bytes of a FITS file, checksums included, written once into one buffer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.memory import on_boundary
from fip.data.values import Image, Kind, Slice, Written
from fip.fits.beam_table import beam_cards, beam_table
from fip.fits.header import channels_cards, header_cards
from fip.fits.user_table import table_unit

BLOCK = 2880  # bytes: header and data are multiples of it (FITS standard 4.0, 3.1)
PAGE = 4096  # bytes; a file that begins at a multiple of it in memory can be written past the page cache
_CARD = 80


def fits_bytes(slice_: Slice, image: Image, kind: Kind = "dirty") -> memoryview:
    """Return the complete FITS file of an image, with CHECKSUM and DATASUM.

    The primary array (STOKES, FREQ, DEC, RA) is the whole band. If the band is divided, an extension CHANNELS of the
    same axes has a plane for each output channel, and a table BEAMS has their beams. Tables of stages come last. Raise
    UserCodeError for a card of a stage that is in the header already.
    """
    units: list[tuple[str, NDArray[Any]]] = [(header_cards(slice_, image, kind), image.pixels[:, :1])]
    if image.pixels.shape[1] > 1:
        table = beam_table(slice_, image)
        units.append((channels_cards(slice_, image, kind), image.pixels[:, 1:]))
        units.append((beam_cards(table, slice_), table.view(">u4")))
    units += [table_unit(name, table) for name, table in image.tables.items()]
    written = image.written if image.written and image.written.pixels is image.pixels else None
    sums = [ones_complement_sum(data) for _, data in units[1:]]
    sums.insert(0, written.datasum if written else ones_complement_sum(units[0][1]))
    headers = [sealed(cards, total) for (cards, _), total in zip(units, sums, strict=True)]
    sizes = [len(header) + whole_blocks(data.nbytes) for header, (_, data) in zip(headers, units, strict=True)]
    file = _with_planes(written, len(headers[0]), sum(sizes))
    begin = 0
    for number, (header, (_, data), size) in enumerate(zip(headers, units, sizes, strict=True)):
        file[begin : begin + len(header)] = np.frombuffer(header, np.uint8)
        if number or not written:
            _fill(file[begin + len(header) : begin + size], data)
        begin += size
    return file.data


def begun_file(planes: NDArray[np.floating]) -> tuple[NDArray[np.uint8], list[NDArray[Any]], int]:
    """Make room for the file of planes[plane, y, x]; return its bytes, the flat room of each plane, the header's size.

    Room is left for a header as long as the last one was: if this one is not, `fits_bytes` moves the planes.
    """
    header = _last_header
    file = room_for(header + whole_blocks(planes.nbytes))
    file[header + planes.nbytes :] = 0
    data = file[header : header + planes.nbytes].view(planes.dtype)
    return file, list(data.reshape(len(planes), -1)), header


_last_header = 2 * BLOCK  # bytes, of the last image: it decides only at which byte the next one's planes are put


def _with_planes(written: Written | None, header: int, size: int) -> NDArray[np.uint8]:
    """Return a file of `size` bytes, with the planes behind a header of `header` bytes, if they are written."""
    global _last_header
    _last_header = header
    if written is None:
        return room_for(size)
    if not written.taken and (written.header, len(written.file)) == (header, size):
        written.taken = True
        return written.file
    file, planes = room_for(size), written.file[written.header :]
    file[header : header + len(planes)] = planes
    return file


def sealed(cards: str, datasum: int) -> bytearray:
    """Return the whole header of a unit, with the sum of its data and that of both: as long for any sum."""
    cards += f"DATASUM = '{datasum:<10d}'".ljust(_CARD)
    checksum_at = len(cards) + len("CHECKSUM= '")
    cards += f"CHECKSUM= '{'0' * 16}'".ljust(_CARD) + "END"
    header = bytearray(cards.encode("ascii").ljust(whole_blocks(len(cards))))
    header_sum = ones_complement_sum(np.frombuffer(header, ">u4"))
    header[checksum_at : checksum_at + 16] = encode_checksum(folded(header_sum + datasum))
    return header


def room_for(size: int) -> NDArray[np.uint8]:
    """Return room for so many bytes, which begins at a multiple of `PAGE`."""
    return on_boundary(size, PAGE)


def _fill(room: NDArray[np.uint8], data: NDArray[Any]) -> None:
    room[: data.nbytes].view(data.dtype.newbyteorder(">")).reshape(data.shape)[...] = data
    room[data.nbytes :] = 0


def ones_complement_sum(values: NDArray[Any]) -> int:
    """Sum an array's 32-bit words with end-around carry (FITS standard 4.0, 4.4.2.7), as if written big-endian.

    The words of native numbers are summed: of 4-byte numbers they are those of the file, of 8-byte numbers the
    two words of each change places, which a sum does not see.
    """
    words = np.ascontiguousarray(values, values.dtype.newbyteorder("=")).view(np.uint32)
    return folded(int(words.sum(dtype=np.uint64)))


def encode_checksum(total: int) -> bytes:
    """Make the CHECKSUM for which the sum of a HDU is all ones, given its sum with 16 characters '0' (appendix J)."""
    complement = 0xFFFFFFFF - total
    columns = []
    for byte in complement.to_bytes(4, "big"):
        quarter, rest = divmod(byte, 4)
        characters = [quarter + rest + 48, quarter + 48, quarter + 48, quarter + 48]
        # Pairs step away from one another until none is punctuation: their sum stays.
        while any(c in _PUNCTUATION for c in characters):
            for first in (0, 2):
                if characters[first] in _PUNCTUATION or characters[first + 1] in _PUNCTUATION:
                    characters[first] += 1
                    characters[first + 1] -= 1
        columns.append(characters)
    text = bytes(columns[byte][place] for place in range(4) for byte in range(4))
    return text[-1:] + text[:-1]  # the string starts on the last byte of a word: column 12 of a card


_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")


def folded(total: int) -> int:
    """Return a sum folded to 32 bits: its carries are added at its other end. Sums of parts fold to the sum of all."""
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def whole_blocks(size: int) -> int:
    """Return the bytes that so many take in a FITS file: a multiple of `BLOCK`."""
    return -(-size // BLOCK) * BLOCK
