"""Records of the index: written, and believed if they are whole. Pure."""

import zlib

import numpy as np
from numpy.typing import NDArray

from fip.spool.layout import RECORD

_CHECKED = RECORD.itemsize - 4  # bytes of which a record has the CRC-32


def record(
    number: int, dump: int, time: float, arrived: float, nbytes: int, received: float, field: int
) -> NDArray[np.void]:
    """One, as an array [1] of RECORD."""
    made = np.zeros(1, RECORD)
    made[0] = number, dump, time, arrived, nbytes, received, field, b"", 0
    made["check"] = zlib.crc32(made.tobytes()[:_CHECKED])
    return made


def records(octets: bytes, first: int) -> NDArray[np.void]:
    """Those at the begin of `octets`, of which the first has this number, up to one that is torn or another's."""
    found = np.frombuffer(octets, RECORD, len(octets) // RECORD.itemsize)
    wrong = found["number"] != np.arange(first, first + found.size)
    whole = int(np.argmax(wrong)) if wrong.any() else found.size
    size = RECORD.itemsize
    for at in range(whole):
        if zlib.crc32(octets[at * size : at * size + _CHECKED]) != found["check"][at]:
            return found[:at]
    return found[:whole]
