"""A small disk that fills up, turns read-only or is gone: a tmpfs in a mount namespace of the test's own.

The namespace is that of the thread which makes the disk, and of what it starts, and ends with them: nothing is mounted
that others see. It needs the rights to mount (root).
"""

import ctypes
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

TRIES = 50
CLONE_NEWNS = 0x00020000  # sched.h


class Disk:
    """A disk mounted at a path, and a second time at `spare`, which stays mounted. Use it as a context."""

    def __init__(self, at: Path, size: str) -> None:
        self._at, self.spare, self._size = at, at.with_name(f"{at.name}-spare"), size

    def __enter__(self) -> "Disk":
        if os.geteuid() != 0:
            pytest.skip("a disk that is mounted needs root")
        for path in (self._at, self.spare):
            path.mkdir(parents=True)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        _run("mount", "--make-rprivate", "/")
        _run("mount", "-t", "tmpfs", "-o", f"size={self._size}", "disk", self.spare)
        self.come_back()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for path in (self._at, self.spare):
            if path.is_mount():
                _run("umount", "--lazy", path)

    def resize(self, size: str) -> None:
        """Make it larger, or smaller."""
        _run("mount", "-o", f"remount,size={size}", self.spare)

    def fill(self) -> None:
        """Make it as small as what is on it, which may grow meanwhile."""
        for _ in range(TRIES):
            disk = os.statvfs(self.spare)
            with suppress(subprocess.CalledProcessError):  # more is on it by now
                self.resize(str((disk.f_blocks - disk.f_bfree) * disk.f_frsize))
                return
        raise AssertionError(f"{self.spare} fills up faster than it can be made smaller")

    def turn_read_only(self) -> None:
        """Nobody can write to it; as long as a file is open for writing that is not possible."""
        _run("mount", "-o", "remount,ro", self.spare)

    def turn_writable(self) -> None:
        """End what `turn_read_only` has begun."""
        _run("mount", "-o", "remount,rw", self.spare)

    def vanish(self) -> None:
        """Unmount it under those who use it."""
        _run("umount", "--lazy", self._at)

    def come_back(self) -> None:
        """End what `vanish` has begun."""
        _run("mount", "--bind", self.spare, self._at)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)
