"""What a packet of FIP's own stream is, byte by byte; docs/streams.md says the same in words."""

import struct
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import numpy as np

from fip.spool.setup import Setup

MAGIC = b"FIPs"
VERSION = 1
LARGEST = 65507  # bytes of a UDP packet over IPv4
SIZE = 8192  # bytes of a packet, unless other is asked for: fits into a frame of 9000 whatever is around it


class Kind(IntEnum):
    """The kinds of packets, by what they bring."""

    SAMPLES = 1
    UVW = 2
    END = 3


HEADER = np.dtype(
    [
        ("magic", "S4"),
        ("version", "<u2"),
        ("kind", "<u2"),
        ("digest", "<u8"),  # the 8 bytes of the set-up's digest, as they stand in it
        ("dump", "<u8"),
        ("time", "<f8"),
        ("field", "<u4"),
        ("band", "<u4"),
        ("first", "<u4"),  # product; of UVW, baseline; of an end, which sender
        ("count", "<u4"),  # products; of UVW, baselines; of an end, senders
        ("channels", "<u4"),  # how many; 0 of UVW and of an end
        ("channel", "<u4"),  # the first of them
    ]
)
"""56 bytes. The channel is last: all before it is the same in packets that differ by their channels alone."""

SAME = HEADER.itemsize - 4  # bytes before the channel
_SAME = struct.Struct("<8x8xQdIIIII")
_KIND = struct.Struct("<6xH")


class Place(NamedTuple):
    """The place of samples, without their channel."""

    dump: int
    time: float  # s UTC, Unix
    field: int
    band: int
    first: int
    number: int
    channels: int


def place_of(same: bytes) -> Place:
    """Return what the first `SAME` bytes of a packet say."""
    return Place(*_SAME.unpack(same))


def kind_of(same: bytes) -> int:
    """Return which `Kind` a packet says that it is."""
    kind: int = _KIND.unpack_from(same)[0]
    return kind


class Array(NamedTuple):
    """An array of a packet of samples."""

    name: str  # as in a `Part`
    dtype: np.dtype[Any]
    each: bool  # whether of each product; else of each channel alone

    def size(self, channels: int, products: int) -> int:
        """Return the bytes of this array in a packet of so many channels and products."""
        return self.dtype.itemsize * channels * (products if self.each else 1)


def arrays(setup: Setup) -> tuple[Array, ...]:
    """Return the arrays that follow a header, one after the other: all [channel, product], a scale [channel]."""
    weights = (Array("scale", np.dtype("<f4"), False), Array("weight", np.dtype("u1"), True)) if setup.weights else ()
    flags = (Array("flag", np.dtype("u1"), True),) if setup.flags else ()
    return Array("visibility", np.dtype("<c8"), True), *weights, *flags


UVW_SIZE = 24  # bytes of a baseline's


class Reason(StrEnum):
    """Why a packet is not believed."""

    SHORT = "it is shorter than a header of 56 bytes"
    MAGIC = "it is no packet of FIP's stream"
    VERSION = f"it is of another version of FIP's stream than {VERSION}"
    DIGEST = "it is of another set-up"
    KIND = "its kind is none of 1, 2, 3"
    DUMP = "its dump is not below 2^63"
    TIME = "its time is no number, or none of this age"
    FIELD = "its field is none of the set-up's targets"
    BAND = "its band is none of the set-up's"
    PRODUCTS = "its products are none of the set-up's"
    CHANNELS = "its channels are none of its band's"
    BASELINES = "its baselines are none of the set-up's"
    UVW = "it brings UVW, and the set-up says that the stream has none"
    INFINITE = "its UVW are no numbers, or none of this Earth"
    SENDERS = "its sender is none of so many"
    SIZE = "it is shorter or longer than its header says"
