"""The layout of a spool: its files, and the sections of an integration's file."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fip.spool.setup import Setup

SETUP_FILE = "spool.json"  # what all integrations share; a folder that has it is a spool
INDEX_FILE = "index"  # a RECORD an integration, appended once its file is in place; never shortened
ENDED_FILE = "ended"  # is there if no more comes
PAGE = 4096  # bytes: sections begin at multiples of it

RECORD = np.dtype(
    [
        ("number", "<u8"),  # of the integration, from 0 without gaps: that of its file, and of its slice
        ("dump", "<u8"),  # its number in the stream
        ("time", "<f8"),  # s UTC, Unix: its middle
        ("arrived", "<f8"),  # s UTC, Unix, by the receiver's clock: when it was committed
        ("nbytes", "<u8"),  # of its file
        ("received", "<f4"),  # share of its samples that came, 0 to 1
        ("field", "<i4"),  # which of the set-up's targets
        ("spare", "V12"),
        ("check", "<u4"),  # CRC-32 of the 60 bytes before: a record that was torn is none
    ]
)
"""64 bytes of the index."""


@dataclass(frozen=True)
class Section:
    """An array in an integration's file."""

    offset: int  # bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Return the section's size in bytes."""
        return self.dtype.itemsize * math.prod(self.shape)


def is_spool(path: Path) -> bool:
    """Return whether a folder is one; False, too, if it may not be asked."""
    return os.path.exists(path / SETUP_FILE)  # noqa: PTH110


def integration_file(spool: Path, number: int) -> Path:
    """Return the file of an integration. It never changes, and is removed when it leaves the ring."""
    return spool / f"{number:010d}.int"


def sections(setup: Setup) -> Mapping[str, Section]:
    """Return the arrays of an integration's file, by name; of each band "BAND.visibility" and so on.

    visibility complex64 [channel, product], NaN if nothing came; flag uint8 of the same shape, 0 for good; weight uint8
    of the same shape, which counts times scale float32 [channel]; uvw float64 [baseline, 3] in m. What the stream does
    not have is not there.
    """
    products, found, offset = len(setup.products), dict[str, Section](), 0
    for number, band in enumerate(setup.bands):
        cell = band.channels, products
        wanted: list[tuple[str, str, tuple[int, ...]]] = [("visibility", "<c8", cell)]
        wanted += [("flag", "u1", cell)] if setup.flags else []
        wanted += [("weight", "u1", cell), ("scale", "<f4", (band.channels,))] if setup.weights else []
        for name, dtype, shape in wanted:
            section = found[f"{number}.{name}"] = Section(offset, np.dtype(dtype), shape)
            offset += -(-section.nbytes // PAGE) * PAGE
    if setup.uvw:
        found["uvw"] = Section(offset, np.dtype("<f8"), (len(baselines(setup)), 3))
    return found


def file_size(setup: Setup) -> int:
    """Return bytes of an integration's file."""
    last = list(sections(setup).values())[-1]
    return last.offset + -(-last.nbytes // PAGE) * PAGE


def baselines(setup: Setup) -> tuple[tuple[int, int], ...]:
    """Return (antenna 1, antenna 2), each once, in the order in which products first name them."""
    return tuple(dict.fromkeys((each.antenna1, each.antenna2) for each in setup.products))
