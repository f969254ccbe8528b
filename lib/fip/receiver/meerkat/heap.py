"""What a heap of L0 is: its items, their places in its payload, and its number. Pure.

katsdpingest's `VisSender` (katsdpingest/sender.py) makes them; docs/meerkat.md says which line is the source of what.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FLAVOUR = (4, 64, 48)  # SPEAD's version, bits of an item pointer, and of an address in it
FREQUENCY = 0x4103  # the one item whose id is given: which channel is the heap's first
NAMES = ("correlator_data", "flags", "weights", "weights_channel", "timestamp", "dump_index")
FIRST_ID = 0x1000  # of these items; the others follow, in this order
MOST_OVERHEAD = 1 << 16  # bytes of a heap beside its data: what describes the items

_DESCRIPTORS = 5  # id of the items that describe others
_ADDRESS = (1 << 48) - 1


@dataclass(frozen=True)
class Shape:
    """What every heap of a stream brings: some channels of all products."""

    channels: int  # of the whole stream
    per_heap: int  # channels of a heap
    products: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the bytes of each item of NAMES."""
        samples = self.per_heap * self.products
        return 8 * samples, samples, samples, 4 * self.per_heap, 8, 8

    @property
    def size(self) -> int:
        """Return the bytes of all items."""
        return sum(self.sizes)

    @property
    def heaps(self) -> int:
        """Return how many heaps make an integration."""
        return self.channels // self.per_heap


@dataclass(frozen=True)
class Layout:
    """The places of the items in a heap, in bytes from its begin. They are the same in all heaps of a stream."""

    begin: Mapping[str, int]
    size: int  # of the heap


def layout_of(pointers: Sequence[int], length: int, shape: Shape) -> Layout | str:
    """Return the layout that a heap's item pointers give, `length` bytes long; or what is wrong with it."""
    begin: dict[int, int] = {}
    marks = [length]
    for pointer in pointers:
        number = (pointer >> 48) & 0x7FFF
        if pointer >> 63 or number < _DESCRIPTORS:  # a value in itself, or about the packet
            continue
        marks.append(pointer & _ADDRESS)
        if number >= FIRST_ID:
            begin[number] = pointer & _ADDRESS
    wanted = [FIRST_ID + each for each in range(len(NAMES))]
    if missing := [name for name, number in zip(NAMES, wanted, strict=True) if number not in begin]:
        return f"a heap without {missing[0]}: it is none of L0 visibilities"
    for name, number, size in zip(NAMES, wanted, shape.sizes, strict=True):
        end = min((mark for mark in marks if mark > begin[number]), default=0)
        if end - begin[number] != size:
            return f"a heap whose {name} has {max(0, end - begin[number])} bytes and not {size}"
    return Layout({name: begin[number] for name, number in zip(NAMES, wanted, strict=True)}, length)


def first_channel(pointers: Sequence[int]) -> int | None:
    """Return the channel that the heap says is its first; None if it does not.

    It is in the pointer itself: four bytes in the order of ingest's processor, the lowest first.
    """
    for pointer in pointers:
        if pointer >> 48 == 0x8000 | FREQUENCY:
            return int.from_bytes((pointer & 0xFFFFFFFF).to_bytes(4, "big"), "little")
    return None


def heap_bounds(shape: Shape) -> tuple[int, int]:
    """Return the smallest and the largest that a heap of a shape may be, in bytes."""
    return shape.size, shape.size + MOST_OVERHEAD


def dump_and_time(raw: bytes) -> tuple[int | None, float | None]:
    """Return the integration's number, and its middle in s after the correlator's start, from 16 bytes, big-endian.

    `raw` is the timestamp and the dump index, 8 bytes each. One that did not come is None: then all of its bits are 1.
    """
    time, dump = (np.frombuffer(raw, kind, 1, at)[0] for kind, at in ((">f8", 0), (">u8", 8)))
    return (int(dump) if dump < 1 << 62 else None), (float(time) if math.isfinite(time) else None)
