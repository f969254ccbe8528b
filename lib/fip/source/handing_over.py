"""What one reading child knows of an open recording, for another: its rows are indexed once, and the run settled once.

All of it is kept but the open recording itself, which each child opens.
"""

import mmap
import os
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fip.source.pipe import PROTOCOL, Memory
from fip.source.recording import Recording

if TYPE_CHECKING:
    from fip.source.requests import Opened

_RECORDING = "recording"


def handed_over(opened: "Opened") -> Memory:
    """What is known of an open recording, as a file in memory."""
    memory = Memory(os.memfd_create("fip-index"))
    with open(memory.descriptor, "wb", closefd=False) as file:
        _Packer(file, opened.recording).dump(opened)
    return memory


def taken_over(memory: Memory, open_it: Callable[[], Recording]) -> "Opened":
    """The same in another process, which has the recording open itself."""
    with mmap.mmap(memory.descriptor, 0, prot=mmap.PROT_READ) as file:
        opened: Opened = _Unpacker(file, open_it()).load()
    return opened


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
