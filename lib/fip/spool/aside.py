"""Integrations that are set aside: a spool of their own, with links to files of a ring that will drop them."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, NoRoomError
from fip.data.folders import make_folder, sync_folder
from fip.spool.index import record, records
from fip.spool.layout import ENDED_FILE, INDEX_FILE, RECORD, SETUP_FILE, integration_file
from fip.spool.reading import Spool

ROOM = 0.1
"""Share of a disk that stays free if files have to be copied to it, because they cannot be linked."""


@dataclass(frozen=True)
class Aside:
    """What was set aside of a time."""

    integrations: int
    gone: int  # that had left the ring before
    final: bool  # whether the ring has later ones, or has ended: no more will come


def set_aside(ring: Spool, output: Path, begin: float, end: float) -> Aside:
    """Make `output` a spool of the integrations whose middle is in `begin` to `end`, s UTC, Unix; it has ended.

    If it is there already, it keeps what it has, and gets what came since; nothing is done if that is nothing. It is
    made beside, and is in its place once it is whole and on disk. InputError if the ring cannot be read, or the other
    one is of another set-up; NoRoomError if it cannot be written.
    """
    ring.refresh()
    told = ring.records
    here = told[(told["time"] >= begin) & (told["time"] <= end)]
    final = ring.ended or bool(told.size and told["time"][-1] > end)
    try:
        there = _there(ring, output)
        sources = {int(each["dump"]): (output, each) for each in there}
        others = [each for each in here if int(each["dump"]) not in sources]
        new = [each for each in others if integration_file(ring.path, int(each["number"])).exists()]
        if new:
            sources.update({int(each["dump"]): (ring.path, each) for each in new})
            beside = output.with_name(f"{output.name}.part")
            _make(beside, sources, ring.path)
            _put(beside, output)
    except OSError as error:
        raise NoRoomError(f"{output}: cannot be written: {error.strerror}") from None
    return Aside(len(sources), len(others) - len(new), final)


def _there(ring: Spool, output: Path) -> NDArray[np.void]:
    """Return the records of what is aside already."""
    old = _old(output)
    if output.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():  # whoever was killed in `_put` had moved it out of the way
        old.rename(output)
    else:
        return np.zeros(0, RECORD)
    if (output / SETUP_FILE).read_bytes() != (ring.path / SETUP_FILE).read_bytes():
        raise InputError(f"{output}: is of another set-up than {ring.path}: move it away")
    return records((output / INDEX_FILE).read_bytes(), 0)


def _make(beside: Path, sources: dict[int, tuple[Path, np.void]], ring: Path) -> None:
    """Make the new folder, numbered from 0, without an integration that leaves the ring at this moment."""
    shutil.rmtree(beside, ignore_errors=True)
    make_folder(beside)
    index = bytearray()
    for dump in sorted(sources):
        of, told = sources[dump]
        number = len(index) // RECORD.itemsize
        with suppress(FileNotFoundError):
            _take(integration_file(of, int(told["number"])), integration_file(beside, number))
            values = (told[name].item() for name in ("time", "arrived", "nbytes", "received", "field"))
            index += record(number, dump, *values).tobytes()
    _write(beside / INDEX_FILE, bytes(index))
    _write(beside / SETUP_FILE, (ring / SETUP_FILE).read_bytes())
    _write(beside / ENDED_FILE, b"")
    sync_folder(beside)


def _take(file: Path, into: Path) -> None:
    """Link a file, or copy it if it is on another disk or not ours; it is on disk then. OSError."""
    try:
        os.link(file, into)
    except FileNotFoundError:
        raise
    except OSError:
        usage = shutil.disk_usage(into.parent)
        if usage.free - file.stat().st_size < ROOM * usage.total:
            raise OSError(0, f"{file} cannot be linked, and a copy would leave too little room") from None
        shutil.copyfile(file, into)
    descriptor = os.open(into, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)  # a receiver does not wait for the disk
    finally:
        os.close(descriptor)


def _put(beside: Path, output: Path) -> None:
    """Put the folder in its place; remove what was there once the new one is there."""
    old = _old(output)
    with suppress(FileNotFoundError):
        output.rename(old)
    beside.rename(output)
    sync_folder(output.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old(output: Path) -> Path:
    return output.with_name(f"{output.name}.old")


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
