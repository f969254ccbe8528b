"""An integration becomes packets. Pure: `sending` has the socket."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.receiver.datagrams.packet import HEADER, LARGEST, MAGIC, SIZE, UVW_SIZE, VERSION, Kind, arrays
from fip.spool.setup import Setup

_AT_ONCE = 64  # packets that are made at a time


def packets(
    setup: Setup, dump: int, time: float, field: int, found: Mapping[str, NDArray[Any]], size: int = SIZE
) -> Iterator[memoryview]:
    """Yield the packets of an integration, none larger than `size` bytes; send each before you ask for the next.

    `found` has the arrays by the names of `fip.spool.layout.sections`: "0.visibility" [channel, product], "uvw" and so
    on; a band that is not in it sends nothing. `time` is its middle, s UTC, Unix. UsageError for a size that cannot be.
    """
    header = _header(setup, dump, time, field)
    if "uvw" in found:
        yield from _uvw(header, np.ascontiguousarray(found["uvw"], "<f8"), size)
    for band in range(len(setup.bands)):
        if f"{band}.visibility" in found:
            header["band"] = band
            yield from _band(setup, header, [found[f"{band}.{each.name}"] for each in arrays(setup)], size)


def end_packet(setup: Setup, sender: int = 0, senders: int = 1) -> bytes:
    """Return what a sender of so many sends, some times over, once it has sent all."""
    header = _header(setup, 0, 0.0, 0)
    header["kind"], header["first"], header["count"] = Kind.END, sender, senders
    return header.tobytes()


def split(setup: Setup, size: int) -> tuple[int, int]:
    """Return (channels, products) of a packet of at most `size` bytes: whole channels, or some of one's products."""
    room, products, wanted = _room(size), len(setup.products), arrays(setup)
    of_channel = sum(each.size(1, products) for each in wanted)
    if of_channel <= room:
        return room // of_channel, products
    of_product = sum(each.size(1, 1) for each in wanted if each.each)
    most = (room - sum(each.size(1, 1) for each in wanted if not each.each)) // of_product
    return 1, -(-products // -(-products // most))


def _room(size: int) -> int:
    """Return bytes behind the header of the largest packet."""
    if not 512 <= size <= LARGEST:
        raise UsageError(f"packets of {size} bytes: they may have 512 to {LARGEST}")
    return size - HEADER.itemsize


def _header(setup: Setup, dump: int, time: float, field: int) -> NDArray[Any]:
    """Return the [1] HEADER of samples, without their place."""
    header = np.zeros(1, HEADER)
    header["magic"], header["version"], header["kind"] = MAGIC, VERSION, Kind.SAMPLES
    header["digest"] = int.from_bytes(bytes.fromhex(setup.digest), "little")
    header["dump"], header["time"], header["field"] = dump, time, field
    return header


def _uvw(header: NDArray[Any], uvw: NDArray[np.float64], size: int) -> Iterator[memoryview]:
    most, own = _room(size) // UVW_SIZE, header.copy()
    own["kind"] = Kind.UVW
    for first in range(0, len(uvw), most):
        some = uvw[first : first + most]
        own["first"], own["count"] = first, len(some)
        yield memoryview(own.tobytes() + some.tobytes())


def _band(setup: Setup, header: NDArray[Any], found: list[NDArray[Any]], size: int) -> Iterator[memoryview]:
    """Yield some channels at a time, of these all runs of products: what comes together is alike, and cheap to take."""
    channels, products = split(setup, size)
    total = len(found[0])
    whole = total - total % channels
    for begin in range(0, whole, channels * _AT_ONCE):
        yield from _alike(
            setup, header, found, range(begin, min(begin + channels * _AT_ONCE, whole), channels), products
        )
    if whole < total:
        yield from _alike(setup, header, found, range(whole, total, total - whole), products)


def _alike(
    setup: Setup, header: NDArray[Any], found: list[NDArray[Any]], begins: range, products: int
) -> Iterator[memoryview]:
    """Yield packets of `begins.step` channels each."""
    channels = slice(begins.start, begins.stop if begins.step == 1 else begins.start + len(begins) * begins.step)
    for first in range(0, len(setup.products), products):
        count = min(products, len(setup.products) - first)
        sizes = [each.size(begins.step, count) for each in arrays(setup)]
        made = np.empty((len(begins), HEADER.itemsize + sum(sizes)), np.uint8)
        headers = np.repeat(header, len(begins))
        headers["first"], headers["count"], headers["channels"], headers["channel"] = first, count, begins.step, begins
        made[:, : HEADER.itemsize] = headers.view(np.uint8).reshape(len(begins), -1)
        at = HEADER.itemsize
        for each, values, length in zip(arrays(setup), found, sizes, strict=True):
            some = values[channels, first : first + count] if each.each else values[channels]
            shape, steps = (len(begins), length // each.dtype.itemsize), (made.shape[1], each.dtype.itemsize)
            np.ndarray(shape, each.dtype, made.data, at, steps)[:] = some.reshape(shape)
            at += length
        yield from map(memoryview, made)  # type: ignore[arg-type]
