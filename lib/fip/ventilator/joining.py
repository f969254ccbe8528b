"""Reading children that are units of their own, and join the ventilator at a Unix socket: without keys or network.

What comes out of them is believed, so none joins but a process of this user's: the socket is for this user alone, and
who is at its other end is asked of the kernel.
"""

import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fip.runtime.service import Loop
from fip.source.child import JoinedChild, peer
from fip.ventilator.manifests import Manifests
from fip.ventilator.reader import Reader
from fip.ventilator.readers import Readers

log = logging.getLogger("fip.ventilator")

MOST_SPARE = 64  # that have joined and have nothing to do


def joined(loop: Loop, path: Path, number: int, within: float, manifests: Manifests) -> Readers:
    """Return so many readers, by the children that join at a path; each is waited for `within` so many seconds."""
    joining = Joining(loop, path)
    readers = Readers([Reader(loop, within, joining.take) for _ in range(number)], manifests, joining)
    joining.on_joined = readers.wake
    return readers


class Joining:
    """The socket at which they join."""

    def __init__(self, loop: Loop, path: Path) -> None:
        self._loop, self._path = loop, path
        self.on_joined: Callable[[], None] = lambda: None
        self._spare: list[JoinedChild] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def listen(self) -> None:
        """Make the socket; remove one that a ventilator before left, as nobody uses it."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(self._path))
        finally:
            os.umask(before)
        self._socket.listen()
        self._loop.on(self._socket.fileno(), self._on_connection)
        log.info("reading children join at %s", self._path)

    def take(self) -> JoinedChild | None:
        """Return a child that has nothing to do yet; None if there is none now."""
        if not self._spare:
            return None
        child = self._spare.pop(0)
        self._loop.off(child.fileno())
        return child

    def close(self) -> None:
        """Let none join any more; those that have nothing to do end."""
        self._loop.off(self._socket.fileno())
        self._socket.close()
        with suppress(OSError):
            self._path.unlink()
        while child := self.take():
            child.leave()

    def _on_connection(self) -> None:
        with suppress(OSError):  # it has gone again
            connection, _ = self._socket.accept()
            pid, user = peer(connection)
            if user != os.geteuid() or len(self._spare) >= MOST_SPARE:
                why = "too many have joined" if user == os.geteuid() else f"it is of user {user}"
                log.warning("process %d does not join as a reading child: %s", pid, why)
                connection.close()
                return
            child = JoinedChild(pid, connection)
            self._spare.append(child)
            self._loop.on(child.fileno(), lambda: self._gone(child))
            log.info("reading child %d joins", pid)
            self.on_joined()

    def _gone(self, child: JoinedChild) -> None:
        """Take a child that says something without a question: that is its end."""
        self._loop.off(child.fileno())
        self._spare.remove(child)
        child.leave()
