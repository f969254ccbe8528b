"""A slice that was cut, as the bytes of a file and back. Pure.

    8 bytes    MAGIC
    16 bytes   xxh3-128 of all that follows
    4 bytes    length of the header, little-endian
    header     msgpack, as `_Header`
    frames     as they go over the wire, one after the other

A file that is damaged, cut short, of another run or slice, or of another version of FIP is no slice: it gives None.
"""

import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any

import msgpack
import numpy as np
import xxhash
from annotated_types import Len
from pydantic import ConfigDict, TypeAdapter, ValidationError

from fip.data.names import Count, Label, Line, Real, RunId, SliceId
from fip.imaging.antennas import AntennaTally
from fip.source.requests import Cut
from fip.wire.codec import PROTOCOL

MAGIC = b"FIPCUT1\n"
_DIGEST = 16  # bytes
_LENGTH = struct.Struct("<I")
_BEGIN = len(MAGIC) + _DIGEST
_SUMS = AntennaTally._fields[1:]  # [antenna] float64, each


@dataclass(frozen=True)
class _Header:
    """What an entry says of itself."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    protocol: Count  # of the wire: its frames are sent as they are
    run: RunId
    index: Count
    frames: Annotated[tuple[Count, ...], Len(1, 1000)]  # bytes of each
    nbytes: Count
    seconds: Real
    ill: dict[Label, float]
    corrected: dict[Line, float]
    antennas: tuple[str, ...]
    sums: Annotated[tuple[bytes, ...], Len(len(_SUMS), len(_SUMS))]  # of the antennas, as `AntennaTally` has them


@cache
def _header() -> TypeAdapter[_Header]:
    return TypeAdapter(_Header)


def encode_entry(key: SliceId, cut: Cut) -> bytes:
    """Return the content of a slice's file."""
    views: list[Any] = [memoryview(frame).cast("B") if memoryview(frame).nbytes else b"" for frame in cut.frames]
    sums = tuple(np.ascontiguousarray(each, "<f8").tobytes() for each in cut.antennas[1:])
    header = _Header(
        PROTOCOL, key.run, key.slice, tuple(map(len, views)), cut.nbytes, cut.seconds,
        dict(cut.ill), dict(cut.corrected), tuple(cut.antennas.names), sums,
    )  # fmt: skip
    packed = msgpack.packb(asdict(header))
    rest = [_LENGTH.pack(len(packed)), packed, *views]
    return b"".join((MAGIC, _digest(rest), *rest))


def decode_entry(content: bytes, key: SliceId) -> Cut | None:
    """Return the slice in this file, whose frames are views of it; None if it is not this slice, whole."""
    view = memoryview(content)
    if content[: len(MAGIC)] != MAGIC or content[len(MAGIC) : _BEGIN] != _digest([view[_BEGIN:]]):
        return None
    begin = _BEGIN + _LENGTH.size
    try:
        (length,) = _LENGTH.unpack(view[_BEGIN:begin])
        said = _header().validate_python(msgpack.unpackb(view[begin : begin + length], use_list=False))
        antennas = _tally(said)
    except (ValidationError, ValueError, TypeError, struct.error, msgpack.UnpackException):
        return None
    begin += length
    whole = begin + sum(said.frames) == len(content)
    if not whole or said.protocol != PROTOCOL or (said.run, said.index) != (key.run, key.slice):
        return None
    frames: list[Any] = []
    for size in said.frames:
        frames.append(view[begin : begin + size])
        begin += size
    return Cut(frames, said.nbytes, antennas, said.seconds, said.ill, said.corrected)


def _tally(said: _Header) -> AntennaTally:
    """Return the tally of antennas. ValueError if its sums are not of its antennas."""
    sums = [np.frombuffer(each, "<f8") for each in said.sums]
    if any(each.shape != (len(said.antennas),) for each in sums):
        raise ValueError("sums of other antennas")
    return AntennaTally(said.antennas, *sums)


def _digest(parts: Sequence[Any]) -> bytes:
    found = xxhash.xxh3_128()
    for part in parts:
        found.update(part)
    return found.digest()
