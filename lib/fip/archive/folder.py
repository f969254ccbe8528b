"""A directory of images, held open: the one door to its files; it leads to the same directory whatever is mounted."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import BinaryIO

from fip.archive.file_names import LOCK_FILE
from fip.archive.new_file import NewFile, begin
from fip.data.folders import make_folder as make_folder
from fip.data.folders import sync_folder as sync_folder

SYNCED_AT_ONCE = 8  # files


class Folder:
    """A directory whose files are written, linked, read and removed by their plain names.

    All of them are reached through the descriptor that was opened at first, and never by a path. If a disk is
    unmounted, or another is mounted there, the same files are still meant. Each call raises OSError as the file system
    does, and for a name that leads out of the directory.
    """

    def __init__(self, path: Path, make: bool = True) -> None:
        """Open the directory. If it is missing and `make` is true, make it; it is then on disk."""
        self.path = path
        self.synced = 0.0  # s, all that was waited for the disk in fsync
        if make:
            make_folder(path)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock: int | None = None
        self._threads: ThreadPoolExecutor | None = None  # that wait for the disk

    def close(self) -> None:
        """Close the directory, and release its lock."""
        if self._threads:
            self._threads.shutdown()
        os.close(self._descriptor)
        if self._lock is not None:
            os.close(self._lock)

    def lock(self) -> None:
        """Take the lock of the directory for this process. BlockingIOError if another process has it."""
        if self._lock is None:
            self._lock = self._open(LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def still_in_place(self) -> bool:
        """Say whether the path still leads to the directory that was opened; OSError if it now leads nowhere."""
        return os.path.samestat(self.path.stat(), os.fstat(self._descriptor))

    def names(self) -> list[str]:
        """The names of all that is in the directory."""
        return os.listdir(self._descriptor)  # noqa: PTH208 of a descriptor

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return os.stat(checked(name), dir_fd=self._descriptor).st_size

    def read(self, name: str, most: int = -1) -> bytes:
        """Return the content of a file, or its first `most` bytes. If it is no file (a pipe), nothing is waited for."""
        with open(name, "rb", opener=partial(self._open, more=os.O_NONBLOCK)) as file:
            return file.read(most)

    def write_new(self, name: str, content: bytes | memoryview) -> None:
        """Make a file with this content, in place of one of that name; its content is on disk when this returns."""
        self.write_from(name, lambda file: _write_whole(file, content), buffering=0)

    def write_from(self, name: str, write: Callable[[BinaryIO], None], buffering: int = -1) -> None:
        """Make a file as `write_new`, from what `write` puts into it, which is never in memory as a whole."""
        with self._new(name, buffering) as file:
            write(file)
            file.flush()
            self._sync(file.fileno())

    def write_all(self, files: Mapping[str, bytes | memoryview]) -> dict[str, OSError]:
        """Make files with these contents, as `write_new`, at the same time; return those that cannot be made, with why.

        Nothing is written after one that cannot be. All are synced together, by threads: the journal of a disk then
        takes what it would take for each in turn for many at once.
        """
        errors: dict[str, OSError] = {}
        with ExitStack() as stack:
            opened: dict[str, int] = {}
            for name, content in files.items():
                try:
                    file = stack.enter_context(self._new(name, buffering=0))
                    _write_whole(file, content)
                    opened[name] = file.fileno()
                except OSError as error:
                    errors = {each: error for each in files if each not in opened}
                    break
            return errors | self._sync_all(opened)

    def _sync_all(self, opened: Mapping[str, int]) -> dict[str, OSError]:
        """Wait until these descriptors are on disk; return those that cannot be, with why."""
        if len(opened) > 1 and self._threads is None:
            self._threads = ThreadPoolExecutor(SYNCED_AT_ONCE, "fsync")
        begun, errors = time.monotonic(), dict[str, OSError]()
        calls = {}
        for name, descriptor in opened.items():
            if self._threads and len(opened) > 1:
                calls[name] = self._threads.submit(os.fsync, descriptor).result
            else:
                calls[name] = partial(os.fsync, descriptor)
        for name, call in calls.items():
            try:
                call()
            except OSError as error:
                errors[name] = error
        self.synced += time.monotonic() - begun
        return errors

    def begin(self, temporary: str) -> NewFile:
        """A file that another process writes: it has no name yet, or `temporary` if the file system needs one."""
        return begin(self._descriptor, checked(temporary))

    def finish(self, file: NewFile, name: str) -> None:
        """Give a file that was begun its name; its content is on disk then. FileExistsError as `link`."""
        self._sync(file.descriptor)
        os.link(f"/proc/self/fd/{file.descriptor}", checked(name), dst_dir_fd=self._descriptor)

    def link(self, name: str, to: str) -> None:
        """Give a file a second name. FileExistsError if that name is taken: unlike a rename, no file is lost."""
        os.link(checked(name), checked(to), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def replace(self, name: str, to: str) -> None:
        """Give a file another name, in place of one that has it."""
        os.replace(checked(name), checked(to), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def symlink(self, target: Path, name: str) -> None:
        """Make a symbolic link of this name, to anywhere. FileExistsError if the name is taken."""
        os.symlink(target, checked(name), dir_fd=self._descriptor)

    def unlink(self, name: str) -> None:
        """Remove a file. FileNotFoundError if it does not exist."""
        os.unlink(checked(name), dir_fd=self._descriptor)

    def sync(self) -> None:
        """Put on disk the names that were linked and removed so far."""
        self._sync(self._descriptor)

    def sync_file(self, name: str) -> None:
        """Put the content of a file on disk."""
        with open(name, "rb", opener=self._open) as file:
            self._sync(file.fileno())

    def free(self) -> float:
        """What share of its file system is free for whoever is not root, 0 to 1."""
        status = os.statvfs(self._descriptor)
        return status.f_bavail / max(1, status.f_blocks)

    def leave_memory(self, name: str) -> None:
        """Let the kernel use otherwise the memory in which it has a file."""
        descriptor = self._open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    def _new(self, name: str, buffering: int) -> BinaryIO:
        return open(name, "wb", buffering=buffering, opener=partial(self._open, more=os.O_NOFOLLOW))

    def _open(self, name: str, flags: int, more: int = 0) -> int:
        return os.open(checked(name), flags | more, 0o666, dir_fd=self._descriptor)

    def _sync(self, descriptor: int) -> None:
        begun = time.monotonic()
        os.fsync(descriptor)
        self.synced += time.monotonic() - begun


def _write_whole(file: BinaryIO, content: bytes | memoryview) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def is_plain(name: str) -> bool:
    """Whether a text is the name of a file in a directory, and leads nowhere else."""
    return bool(name) and name not in (".", "..") and not {"/", "\0"} & set(name)


def checked(name: str) -> str:
    """Return the name. OSError if it leads out of its directory."""
    if not is_plain(name):
        raise OSError(errno.EINVAL, f"{name!r:.80} is not the name of a file in this directory")
    return name
