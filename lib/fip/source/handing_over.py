"""What one reading child knows of an open recording, for another: its rows are indexed once, and the run settled once.

All of it is kept except the open recording itself, which each child opens. It is also for a child that begins later;
what another version of FIP has left is of no use.
"""

import hashlib
import mmap
import os
import pickle
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fip import __version__
from fip.source.pipe import PROTOCOL, Memory
from fip.source.recording import Recording

if TYPE_CHECKING:
    from fip.source.requests import Opened

_RECORDING = "recording"
_FIP = Path(__file__).parents[1]


def handed_over(opened: "Opened") -> Memory:
    """Return what is known of an open recording, as a file in memory."""
    memory = Memory(os.memfd_create("fip-index"))
    with open(memory.descriptor, "wb", closefd=False) as file:
        file.write(_version())
        _Packer(file, opened.recording).dump(opened)
    return memory


def taken_over(memory: Memory, open_it: Callable[[], Recording]) -> "Opened | None":
    """Take that in another process, which opens the recording itself; None if another version of FIP left it."""
    with mmap.mmap(memory.descriptor, 0, prot=mmap.PROT_READ) as file:
        if file.read(len(_version())) != _version():
            return None
        opened: Opened = _Unpacker(file, open_it()).load()
    return opened


@cache
def _version() -> bytes:
    """Return a digest of what makes these values: the files of FIP, as they are installed."""
    files = sorted((str(each), each.stat().st_size, each.stat().st_mtime_ns) for each in _FIP.rglob("*.py"))
    return hashlib.sha256(f"{__version__} {sys.version} {np.__version__} {files}".encode()).digest()


class _Packer(pickle.Pickler):
    def __init__(self, file: Any, recording: Recording) -> None:
        super().__init__(file, PROTOCOL)
        self._recording = recording

    def persistent_id(self, value: Any) -> str | None:
        return _RECORDING if value is self._recording else None


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: Any, recording: Recording) -> None:
        super().__init__(file)
        self._recording = recording

    def persistent_load(self, number: Any) -> Recording:
        return self._recording
