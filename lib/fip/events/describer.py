"""A process that describes events for a detector, so that images go on being searched while one is measured and drawn.

It reads, and hands over what is to be written. Only the process that has the lock of a folder writes there.
"""

import logging
import os
import select
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import finalize

from fip.archive.lightcurve import stored_entries
from fip.data.errors import FipError
from fip.events.folder import describe
from fip.events.words import Found
from fip.runtime.parent import start_python
from fip.source.pipe import Pipe

log = logging.getLogger("fip.events")

WITHIN = 300.0  # s that it may be at one event
_PROGRAM = """
from fip.runtime.parent import belong_to
belong_to(PARENT)
from fip.events.describer import serve
serve({descriptor})
"""
_SAYS_WITHIN = 5.0  # s in which, once it has begun to answer, it goes on


@dataclass(frozen=True)
class Files:
    """What is to be written of an event, and the labels that it is given by how it looks."""

    of: Found
    files: dict[str, bytes]
    looks: tuple[str, ...]


@dataclass(frozen=True)
class _At:
    directory: Path
    found: Found
    since: float  # monotonic s


class Describer:
    """One event at a time; the process is started with the first, and ends with this one."""

    def __init__(self) -> None:
        self.pid = 0
        self._pipe: Pipe | None = None
        self._at: _At | None = None

    def free(self) -> bool:
        """Whether nothing is in work, and no answer waits to be taken."""
        return self._at is None

    def is_at(self, directory: Path) -> bool:
        """Whether an event of this directory is in work, or its answer waits to be taken."""
        return self._at is not None and self._at.directory == directory

    @property
    def found(self) -> Found:
        """The event that is in work."""
        assert self._at
        return self._at.found

    def ask(self, directory: Path, found: Found) -> None:
        """Ask it, if it is free, to describe an event of the images in a directory. Raises FipError if none runs."""
        if self._pipe is None:
            try:
                self.pid, connection = start_python(_PROGRAM.replace("PARENT", str(os.getpid())))
            except OSError as error:
                raise FipError(f"no process can be started that describes events: {error.strerror}") from None
            self._pipe = Pipe(connection, _SAYS_WITHIN)
            self._ending = finalize(self, _end, self.pid, self._pipe)  # also if nobody has this any more
        self._at = _At(directory, found, time.monotonic())
        with suppress(OSError):  # it has died, as is seen when the answer is taken
            self._pipe.send((directory, found))

    def answer(self, wait: bool = False) -> Files | None:
        """Return what it has made of the event; None if it is not ready, unless that is waited for.

        FIP's errors that it raised are raised here; ChildProcessError if it died of the event, or took too long.
        """
        if self._at is None or self._pipe is None:
            return None
        poll = select.poll()
        poll.register(self._pipe.fileno(), select.POLLIN)
        at, left = self._at, self._at.since + WITHIN - time.monotonic()
        if not poll.poll(1e3 * max(left, 0.0) if wait else 0):
            if wait or left < 0:
                self.end()
                raise ChildProcessError(f"{at.found.id}: was not described within {WITHIN:.0f} s")
            return None
        try:
            files, error = self._pipe.receive()
        except (EOFError, OSError):
            self.end()
            raise ChildProcessError(f"{at.found.id}: the process that describes events died of it") from None
        self._at = None
        if error is not None:
            raise error
        answered: Files = files
        return answered

    def end(self) -> None:
        """End the process; what was in work is dropped."""
        if self._pipe is not None:
            self._ending()
        self.pid, self._pipe, self._at = 0, None, None


def _end(pid: int, pipe: Pipe) -> None:
    pipe.close()
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def serve(descriptor: int) -> None:
    """The process: describes what it is asked to, until nobody is left to ask. Signals are for the detector."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    pipe = Pipe(socket.socket(fileno=descriptor))
    with suppress(EOFError, OSError):
        while True:
            pipe.send(_described(*pipe.receive()))


def _described(directory: Path, found: Found) -> tuple[Files | None, FipError | None]:
    try:
        return files_of(directory, found), None
    except FipError as error:
        return None, error


def files_of(directory: Path, found: Found) -> Files:
    """Describe an event of the images in a directory. Raises FipError if one cannot be read."""
    described = describe(directory, found, stored_entries(directory))
    return Files(found, described.files, described.looks)
