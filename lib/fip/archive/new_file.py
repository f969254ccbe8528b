"""A file of a directory that another process writes, and that gets its name afterwards.

It is opened for writing once. That descriptor goes to who writes, and what is kept here can only read: so it can be
asked of the kernel whether anybody is left who could still write.
"""

import errno
import fcntl
import os
import signal
from contextlib import suppress

_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)  # open(2) of what does not know O_TMPFILE


class NewFile:
    """One such file. It goes when it is closed without having been given a name."""

    def __init__(self, descriptor: int, writing: int, folder: int, temporary: str) -> None:
        self.descriptor = descriptor  # reads
        self._writing: int | None = writing
        self._folder, self._temporary = folder, temporary  # the directory's descriptor; "" if it has no name

    @property
    def writing(self) -> int:
        """The descriptor that writes, until it is given away."""
        assert self._writing is not None
        return self._writing

    def given_away(self) -> None:
        """Another process has the descriptor that writes; here it is closed."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return os.fstat(self.descriptor).st_size

    def read(self, most: int) -> bytes:
        """Its first bytes, and no others are read ahead."""
        os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        return os.pread(self.descriptor, most, 0)

    @property
    def is_written(self) -> bool:
        """Whether any process still has it open for writing, or mapped so. Raises OSError if that cannot be known.

        The kernel leases a file to a reader only if nobody has (fcntl(2), F_SETLEASE). Whoever opens it meanwhile
        would have it send a signal, and SIGURG is one that does nothing.
        """
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return True
        fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def close(self) -> None:
        """Close it, and remove a temporary name if it has one."""
        self.given_away()
        os.close(self.descriptor)
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._folder)


def begin(folder: int, temporary: str) -> NewFile:
    """A new file in the directory with this descriptor; `temporary` is its name if it needs one. Raises OSError."""
    flags, name = os.O_RDWR | os.O_CLOEXEC, ""
    try:
        writing = os.open(".", flags | os.O_TMPFILE, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_UNNAMED:
            raise
        name = temporary
        writing = os.open(name, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666, dir_fd=folder)
    try:
        reading = os.open(f"/proc/self/fd/{writing}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        os.close(writing)
        if name:
            os.unlink(name, dir_fd=folder)
        raise
    return NewFile(reading, writing, folder, name)


def set_direct(descriptor: int) -> None:
    """From now on, write the file past the page cache. OSError if the file system does not do that."""
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_DIRECT)
