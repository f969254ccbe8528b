"""Which images are pinned: the sink's ring is not to take them, as they are of the time of an event.

A detector writes the list beside what it finds, whole and on disk; the sink reads it before anything expires. So it
holds whichever of them is away, and whatever was killed.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Len
from pydantic import TypeAdapter

from fip.archive.entries import SIZE
from fip.archive.file_names import FOUND
from fip.archive.ledger_file import LedgerFile
from fip.data.names import Number, OptionalLabel, RunId, Text

PINS = "pins.json"
"""The list, in the folder of what was found in a directory."""

MOST = 1000  # pins in a list
_LARGEST = 1 << 20  # bytes of a list


@dataclass(frozen=True, slots=True)
class Pin:
    """The images of a field that are of the time of an event."""

    event: Text  # its id
    run: RunId
    field: OptionalLabel  # "" if the run has one
    first: Number  # slice of the event
    end: Number  # the slice after its last
    margin: Number  # slices before it and after it that are of its time, too

    @property
    def slices(self) -> range:
        """All of them; not all need be there."""
        return range(max(0, self.first - self.margin), self.end + self.margin)


@dataclass(frozen=True, slots=True)
class Pinned:
    """A stored image that is of the time of an event."""

    index: int  # of the slice in its run
    size: int  # bytes of all its files
    seconds: float  # of exposure, and the gaps in it


@dataclass(frozen=True, slots=True)
class _Written:
    pins: Annotated[tuple[Pin, ...], Len(0, MOST)]  # those that matter most come first
    version: Literal[1] = 1


_LIST = TypeAdapter(_Written)


def pins_text(pins: Iterable[Pin]) -> bytes:
    """The list as it is written: those that matter most come first, and no more than are read."""
    return _LIST.dump_json(_Written(tuple(pins)[:MOST]), indent=1) + b"\n"


def read_pins(directory: Path) -> tuple[Pin, ...]:
    """The list of a directory; () if there is none. OSError or ValueError if it is not to be read."""
    try:
        descriptor = os.open(directory / FOUND / PINS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no file")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} bytes")
    return _LIST.validate_json(content).pins


class KnownPins:
    """What a ledger of this version has of pinned images. Its methods raise NoRoomError and DamagedLedgerError."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def stored(self, pin: Pin) -> list[Pinned]:
        """The images of a pin that are stored."""
        query = (
            f"SELECT slice, {SIZE}, end - begin FROM slices "
            "WHERE run = ? AND slice >= ? AND slice < ? AND label = ? AND state = 'stored'"
        )
        rows = self._file.rows(query, (pin.run, pin.slices.start, pin.slices.stop, pin.field))
        return [Pinned(int(index), int(size), float(seconds)) for index, size, seconds in rows]

    def outcomes(self, pin: Pin) -> dict[int, str]:
        """What became of the images of a pin, by slice: "stored", or "expired" if they were."""
        query = (
            "SELECT slice, state FROM slices WHERE run = ? AND slice >= ? AND slice < ? AND label = ? "
            "AND state != 'failed'"
        )
        return dict(self._file.rows(query, (pin.run, pin.slices.start, pin.slices.stop, pin.field)))
