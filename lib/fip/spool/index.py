"""Records of the index: written, and believed if they are whole. Pure."""

import zlib

import numpy as np
from numpy.typing import NDArray

from fip.spool.layout import RECORD

_CHECKED = RECORD.itemsize - 4  # bytes of a record that its CRC-32 covers


def record(
    number: int, dump: int, time: float, arrived: float, nbytes: int, received: float, field: int
) -> NDArray[np.void]:
    """Return one record, as an array [1] of RECORD."""
    made = np.zeros(1, RECORD)
    made[0] = number, dump, time, arrived, nbytes, received, field, b"", 0
    made["check"] = zlib.crc32(made.tobytes()[:_CHECKED])
    return made


def records(octets: bytes, first: int) -> NDArray[np.void]:
    """Return the records in `octets`, up to what is torn, or not there yet; `first` is the number of the first.

    ValueError if whole ones come after one that is not: then it is damaged.
    """
    found, size = np.frombuffer(octets, RECORD, len(octets) // RECORD.itemsize), RECORD.itemsize
    checks = [zlib.crc32(octets[begin : begin + _CHECKED]) for begin in range(0, size * found.size, size)]
    whole = (found["number"] == np.arange(first, first + found.size)) & (found["check"] == np.array(checks, np.uint32))
    if whole.all():
        return found
    count = int(np.argmin(whole))
    if whole[count:].any():
        raise ValueError(f"its record {first + count} is damaged")
    return found[:count]
