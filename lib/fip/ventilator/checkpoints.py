"""What a reading child knows of a recording that is being written, on disk now and then, so that a resume is fast.

Nothing depends on these files. If a file is of another version of FIP, or of other rows, the child that gets it throws
it away. Since the child unpickles it, a file that another user could have written is not even opened.
"""

import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

from fip.archive.folder import make_folder
from fip.source.pipe import Memory

SUFFIX = ".index"
EVERY = 60.0  # s from one to the next
BYTES_A_SECOND = 100_000  # of them on average: to make one takes the child 1 s for some 20 MB
_AT_ONCE = 1 << 24  # bytes


class Checkpoints:
    """The folder of the checkpoints."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next: dict[str, float] = {}  # monotonic s, from when on there is to be another
        self._has: dict[str, int] = {}  # slices that the last one knew of
        self._writing: threading.Thread | None = None

    def memory(self, name: str) -> Memory | None:
        """Return a file for children, which the caller closes; None if there is none that may be believed."""
        return kept(self._folder, name)

    def due(self, name: str, slices: int) -> bool:
        """Return whether to write another checkpoint of this MeasurementSet, if so many of its slices are known."""
        now = time.monotonic()
        if now < self._next.setdefault(name, now + EVERY) or slices == self._has.get(name, 0):
            return False
        return self._writing is None or not self._writing.is_alive()

    def write(self, name: str, memory: Memory, slices: int) -> None:
        """Write it in a thread: the disk may be slow. If it cannot be written now, the next one is."""
        size = os.fstat(memory.descriptor).st_size
        self._next[name], self._has[name] = time.monotonic() + max(EVERY, size / BYTES_A_SECOND), slices
        given = self._folder / f"{name}{SUFFIX}", os.dup(memory.descriptor), size
        self._writing = threading.Thread(target=_write, args=given, name="fip-checkpoint", daemon=True)
        self._writing.start()

    def remove(self, name: str) -> None:
        """Remove a checkpoint that is needed no more."""
        self._next.pop(name, None)
        self._has.pop(name, None)
        with suppress(OSError):
            (self._folder / f"{name}{SUFFIX}").unlink(missing_ok=True)


def kept(folder: Path, name: str) -> Memory | None:
    """Return what is kept of this name in a folder; None if there is nothing, or another user could have written it."""
    try:
        file = os.open(folder / f"{name}{SUFFIX}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022 or not about.st_size:
        os.close(file)
        return None
    return Memory(file)


def _write(path: Path, source: int, size: int) -> None:
    """Write beside, and take its place once it is on disk."""
    beside = path.with_name(f"{path.name}.new")
    try:
        make_folder(path.parent)
        beside.unlink(missing_ok=True)
        with open(beside, "xb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600)) as file:
            done = 0
            while done < size:
                done += file.write(os.pread(source, min(_AT_ONCE, size - done), done))
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    finally:
        os.close(source)
