"""The door of a socket that others join: how many connections it has, and how many are taken a second.

ZeroMQ itself takes whatever comes. A process that has no file descriptor left is aborted by its listener of ipc, and
spins in that of tcp. So the door counts, from what ZeroMQ's monitor says. If there are too many connections, it cuts
the one that is least likely to be missed. If they come too fast, the door is shut for some seconds. Whoever comes then
is not accepted: with tcp the kernel drops what asks for a connection, with ipc the socket's file is away.
"""

import ctypes
import resource
import socket as posix
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fip.runtime.allowance import Allowance, Allowances

HANDSHAKE_WITHIN = 5000  # ms; who has connected and says nothing is cut off by ZeroMQ
SETTLED = 2 * HANDSHAKE_WITHIN / 1000  # s after which a connection is one that has shaken hands
MOST_FILES = 65536  # descriptors that a daemon wants, and gets if it may have them
JUNK, REFUSAL = 1.0, 10.0  # what a message uses that is not understood, and one whose sender is refused
_REFUSED = 40.0, 1.0  # at once, and a second, of what a connection may use so
_UNREAD = 1000.0, 10.0  # messages that are not read, before it is cut off
CUT_OFF = 1 / 8  # of the connections that may come at once, what one counts for that was cut off: it will come again
_AWAY = "~"  # is added to the name of the file of a socket that is shut
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_DROP = struct.pack("HBBI", 0x06, 0, 0, 0)  # the program "return 0", as bpf(4) has it: no packet passes


@dataclass(frozen=True)
class Limits:
    """How many connections one socket takes."""

    most: int  # connections; fewer, if the process may have few descriptors
    burst: int  # that come at once, as when all peers join again
    rate: float  # a second, that come from then on


LIMITS: Final[dict[str, Limits]] = {
    "ventilator.control": Limits(2048, 1024, 30.0),
    "ventilator.status": Limits(256, 256, 30.0),
    "ventilator.lanes": Limits(8, 16, 0.5),
    "sink.images": Limits(2048, 1024, 30.0),
    "monitor.address": Limits(200, 400, 50.0),
}
"""By the configuration's key of the socket's address."""


def raise_limit() -> None:
    """Give this process as many descriptors as it wants and may have: the limit that it starts with is for old programs
    that use select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections(limits: Limits) -> int:
    """Return how many connections a socket may have, in a process with this limit of descriptors."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limits.most if files == resource.RLIM_INFINITY else max(2, min(limits.most, files // 8))


def _filter(opened: posix.socket, shut: bool) -> None:
    """Let the kernel drop all packets to a socket of tcp, or no more; one that listens then lets nobody in."""
    program = ctypes.create_string_buffer(_DROP, len(_DROP))
    if shut:
        said = struct.pack("HP", len(_DROP) // 8, ctypes.addressof(program))
        opened.setsockopt(posix.SOL_SOCKET, _SO_ATTACH_FILTER, said)
    else:
        opened.setsockopt(posix.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def end_reading(descriptor: int) -> None:
    """End a connection of ZeroMQ's: nothing more comes in, and ZeroMQ closes it when it has read what is there.

    It is not shut down as a whole: if ZeroMQ does not read it for now, as its queue is full, libzmq 4.3.5 then stops at
    an assertion (`!_io_error`). A descriptor that is no connection is left alone.
    """
    with suppress(OSError), at_descriptor(descriptor) as opened:
        if not opened.getsockopt(posix.SOL_SOCKET, posix.SO_ACCEPTCONN):
            opened.setsockopt(posix.SOL_SOCKET, posix.SO_LINGER, struct.pack("ii", 1, 0))
            if opened.family != posix.AF_UNIX:
                _filter(opened, shut=True)
            opened.shutdown(posix.SHUT_RD)


@contextmanager
def at_descriptor(descriptor: int) -> Iterator[posix.socket]:
    """Give, for a context, a descriptor as a socket; the descriptor stays ZeroMQ's."""
    opened = posix.socket(fileno=descriptor)
    try:
        yield opened
    finally:
        opened.detach()


class Door:
    """The connections of one socket, by their descriptors."""

    def __init__(
        self,
        limits: Limits,
        address: str,
        at: Callable[[float, Callable[[], None]], object],
        hang_up: Callable[[int], None] = end_reading,
    ) -> None:
        """`at` calls something at a monotonic time, `hang_up` ends a connection."""
        self._hang_up = hang_up
        self._most = most_connections(limits)
        self._coming = Allowance(limits.burst, limits.rate)
        self._cut_off = CUT_OFF * limits.burst
        self._at = at
        self._file = Path(address.removeprefix("ipc://")) if address.startswith("ipc://") else None
        self._listener = -1
        self._new: dict[int, float] = {}  # those that were never heard: since when, the oldest first
        self._heard: dict[int, None] = {}  # those that were, the longest silent first
        self._refused, self._unread = Allowances[int](*_REFUSED), Allowances[int](*_UNREAD)
        self.shut = False

    def listens(self, descriptor: int) -> None:
        """Take the descriptor of the socket that is bound now."""
        self._listener = descriptor

    def joined(self, descriptor: int, now: float) -> None:
        """Take a connection that was accepted; perhaps cut another for it, or shut the door behind it."""
        self._forget(descriptor)
        self._new[descriptor] = now
        if len(self._new) + len(self._heard) > self._most:
            cut = self._least_missed(now)
            self.left(cut)
            self._hang_up(cut)
        self._use(1, now)

    def left(self, descriptor: int) -> None:
        """Forget a connection that has ended."""
        self._new.pop(descriptor, None)
        self._heard.pop(descriptor, None)
        self._forget(descriptor)

    def hears(self, descriptor: int, now: float) -> bool:
        """Return whether a message that came over a connection is to be read; if not, the connection may be cut."""
        if self._new.pop(descriptor, None) is not None or self._heard.pop(descriptor, 0) is None:
            self._heard[descriptor] = None
        if self._refused.left(descriptor, now) > 0:
            return True
        if self._unread.use(descriptor, 1, now) < 0 and descriptor in self._heard:
            del self._heard[descriptor]
            self._hang_up(descriptor)
            self._use(self._cut_off, now)
        return False

    def refuse(self, descriptor: int, amount: float, now: float) -> None:
        """Count a message that came over a connection and was refused: `JUNK` or `REFUSAL`."""
        self._refused.use(descriptor, amount, now)

    def close(self) -> None:
        """Remove what is left of a socket that is closed."""
        if self.shut and self._file:
            with suppress(OSError):
                self._file.with_name(self._file.name + _AWAY).unlink()
        self._listener = -1

    def _forget(self, descriptor: int) -> None:
        for each in (self._refused, self._unread):
            each.forget(descriptor)

    def _least_missed(self, now: float) -> int:
        """Return the oldest that may not have shaken hands; else, if we hear of peers here, the one that was silent for
        longest; else the one that came last.
        """
        fresh = next((each for each, since in self._new.items() if now - since < SETTLED), None)
        if fresh is not None and len(self._new) > 1:
            return fresh
        return next(iter(self._heard), next(reversed(self._new)))

    def _use(self, amount: float, now: float) -> None:
        """Use some of what may come. Shut the door if that is too much, and open it when some has come back."""
        if self._coming.use(amount, now) < 0 and not self.shut:
            self._set(shut=True)
            self._at(now + self._coming.until(self._coming.rate, now), lambda: self._set(shut=False))

    def _set(self, shut: bool) -> None:
        if self._listener < 0 or shut == self.shut:
            return
        self.shut = shut
        with suppress(OSError):
            if self._file:
                away = self._file.with_name(self._file.name + _AWAY)
                (self._file if shut else away).rename(away if shut else self._file)
            else:
                with at_descriptor(self._listener) as listener:
                    _filter(listener, shut)
