"""The bytes of a FITS file whose image is compressed, in tiles (FITS standard 4.0, 10), lossily.

Its primary unit is empty. Behind it is the image, as a table with a row for each tile, then, if the band is divided,
the image CHANNELS in the same way and the table BEAMS, and the tables of stages.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.compressing import Steps
from fip.data.values import Image, Kind, Slice
from fip.fits import rice
from fip.fits.beam_table import beam_cards, beam_table
from fip.fits.fitsfile import folded, ones_complement_sum, room_for, sealed, whole_blocks
from fip.fits.header import CHANNELS, CardTuple, card, channels_cards, header_cards
from fip.fits.tiles import CODING, IN_THE_TABLE, ROW, Tiling, renamed
from fip.fits.user_table import table_unit

_CARD = 80
_SUMS = 2  # cards, of a header and its data
_WHOLE_TILE = 8192
"""The pixels of a tile, and more to fill its last row: with so many, the overhead of a tile is small."""

_EMPTY: tuple[CardTuple, ...] = (
    ("SIMPLE", True, "FITS standard 4.0"), ("BITPIX", 8, ""), ("NAXIS", 0, "the image is in the next unit"),
    ("EXTEND", True, ""),
)  # fmt: skip


def compressed_bytes(slice_: Slice, image: Image, kind: Kind, steps: Steps) -> memoryview:
    """Return the complete FITS file, with CHECKSUM and DATASUM, of an image without infinite pixels, planes in steps.

    A pixel is read back within half a step. ZHECKSUM and ZDATASUM are those of the image that is compressed. The dither
    is that of the run and the slice. UserCodeError for a card of a stage that is in the header already.
    """
    images = [(header_cards(slice_, image, kind), slice(0, 1), "")]
    tables: list[tuple[str, NDArray[Any]]] = []
    if image.pixels.shape[1] > 1:
        table = beam_table(slice_, image)
        images.append((channels_cards(slice_, image, kind), slice(1, None), CHANNELS))
        tables.append((beam_cards(table, slice_), table.view(">u4")))
    tables += [table_unit(name, table) for name, table in image.tables.items()]
    empty = sealed("".join(card(*each) for each in _EMPTY), 0)
    behind = [_table_bytes(*each) for each in tables]
    room = len(empty) + sum(_room(cards, image.pixels[:, part]) for cards, part, _ in images) + sum(map(len, behind))
    file = room_for(room)
    file[: len(empty)] = np.frombuffer(empty, np.uint8)
    at = len(empty)
    for cards, part, name in images:
        seed = _seed(slice_, name)
        at = _put_image(file, at, cards, image.pixels[:, part], steps.step[:, part], steps.lowest[:, part], seed)
    for each in behind:
        file[at : at + len(each)] = np.frombuffer(each, np.uint8)
        at += len(each)
    return file[:at].data


def _seed(slice_: Slice, name: str) -> int:
    """Return ZDITHER0, 1 to 10,000: different in each slice, and the same whoever images it."""
    return 1 + zlib.crc32(f"{slice_.run} {slice_.index} {name}".encode()) % rice.SEQUENCE


def _table_bytes(cards: str, data: NDArray[Any]) -> bytes:
    content = data.astype(">u4").tobytes()
    return bytes(sealed(cards, ones_complement_sum(data))) + content.ljust(whole_blocks(len(content)), b"\0")


def _room(cards: str, pixels: NDArray[np.floating]) -> int:
    """Return more bytes than the unit of an image takes."""
    tiling = _tiling(pixels, 1, 0)
    plane = pixels.shape[2] * pixels.shape[3]
    heap = pixels.shape[0] * pixels.shape[1] * rice.most_bytes(plane, tiling.width * tiling.rows)
    return _header_size(cards, tiling) + whole_blocks(tiling.tiles * ROW.itemsize + heap)


def _tiling(pixels: NDArray[np.floating], seed: int, blank: int) -> Tiling:
    stokes, planes, height, width = pixels.shape
    rows = min(height, -(-_WHOLE_TILE // width))
    return Tiling(width, rows, stokes * planes * -(-height // rows), seed, blank)


def _header_size(cards: str, tiling: Tiling) -> int:
    own = len(_as_table("", tiling)) + (2 * _SUMS + 1) * _CARD
    return whole_blocks(len(cards) + own)


def _put_image(
    file: NDArray[np.uint8], begin: int, cards: str, pixels: NDArray[np.floating], step: NDArray[np.float64],
    lowest: NDArray[np.int64], seed: int,
) -> int:  # fmt: skip
    """Write the unit of an image [stokes, plane, y, x] at file[begin:], and return its end."""
    tiling = _tiling(pixels, seed, int(lowest.min()) - 1)
    table = begin + _header_size(cards, tiling)
    heap = table + tiling.tiles * ROW.itemsize
    ends, total = _code_planes(file, heap, tiling, pixels, step)
    end = int(ends[-1])
    rows = file[table:heap].view(ROW)
    begins = np.concatenate([[heap], ends[:-1]])
    rows["size"], rows["at"], rows["zero"] = ends - begins, begins - heap, 0.0
    rows["step"] = np.repeat(step.ravel(), tiling.tiles // step.size)
    filled = table + whole_blocks(end - table)
    file[end:filled] = 0
    of_image = sealed(cards, total)[: len(cards) + _SUMS * _CARD].decode("ascii")
    told = replace(tiling, size=end - heap, longest=int((ends - begins).max()))
    header = sealed(_as_table(of_image, told), folded(rice.sum_of_words(file[table:filled])))
    file[begin:table] = np.frombuffer(header, np.uint8)
    return filled


def _code_planes(
    file: NDArray[np.uint8], at: int, tiling: Tiling, pixels: NDArray[np.floating], step: NDArray[np.float64]
) -> tuple[NDArray[np.int64], int]:
    """Code all planes at file[at:]; return the end of each tile, and the sum of the words of all pixels."""
    stokes, planes, *_ = pixels.shape
    tile, of_a_plane = tiling.width * tiling.rows, tiling.tiles // (stokes * planes)
    ends, work, total = np.empty(tiling.tiles, np.int64), np.empty(2 * tile + 4 * rice.BLOCK, np.int32), 0
    for number, (one, plane) in enumerate(np.ndindex(stokes, planes)):
        first = number * of_a_plane
        flat = np.ascontiguousarray(pixels[one, plane]).reshape(-1).view()
        flat.flags.writeable = False  # numba would compile for others, too
        at, words = rice.encode(
            flat, flat.view(np.uint32), tile, float(step[one, plane]), tiling.blank, first + tiling.seed - 1,
            rice.DITHER, file, at, ends[first : first + of_a_plane], work,
        )  # fmt: skip
        total = folded(total + int(words))
    return ends, total


def _as_table(image: str, tiling: Tiling) -> str:
    """Return the cards of the table, except its own CHECKSUM, DATASUM and END, for all cards of an image except END."""
    own: Sequence[CardTuple] = (
        ("XTENSION", "BINTABLE", "a compressed image"), ("BITPIX", 8, ""), ("NAXIS", 2, ""),
        ("NAXIS1", ROW.itemsize, ""), ("NAXIS2", tiling.tiles, "tiles"), ("PCOUNT", tiling.size, ""), ("GCOUNT", 1, ""),
        ("TFIELDS", 3, ""), ("TTYPE1", "COMPRESSED_DATA", ""), ("TFORM1", f"1QB({tiling.longest})", ""),
        ("TTYPE2", "ZSCALE", ""), ("TFORM2", "1D", ""), ("TTYPE3", "ZZERO", ""), ("TFORM3", "1D", ""),
        ("ZIMAGE", True, ""), ("ZTILE1", tiling.width, ""), ("ZTILE2", tiling.rows, ""), ("ZTILE3", 1, ""),
        ("ZTILE4", 1, ""), *((name, value, "") for name, value in CODING.items()), ("ZDITHER0", tiling.seed, ""),
        ("ZBLANK", tiling.blank, "what is NaN"),
    )  # fmt: skip
    cards = (image[at : at + _CARD] for at in range(0, len(image), _CARD))
    return "".join([*(card(*each) for each in own), *(renamed(each, IN_THE_TABLE) for each in cards)])
