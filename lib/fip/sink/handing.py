"""Hands files to the workers of this host, over a Unix socket, so that they write large images themselves.

A worker has files for a few images, and the number of files in all is limited. A worker that asks for more waits for
its answer: that is the back pressure. A file that nobody hands on is closed after a while, and soon if its worker is
gone.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fip.config import Sink
from fip.data.errors import WireError
from fip.runtime.descriptors import accept, hand, listen
from fip.runtime.service import Loop
from fip.runtime.vitals import Vitals
from fip.sink.opened import Opened
from fip.wire.codec import pack, unpack
from fip.wire.handing import LONGEST_MESSAGE, Files, Given, Wanted

log = logging.getLogger("fip.sink")

PEERS = 256  # connections
PAUSE = 1.0  # s, after one could not be accepted
MOST = 64  # images that files are given for, in all
MOST_OF_ONE = 4  # the same, of one worker
KEPT = 120.0  # s that an image may take to be written and handed on, while the sink can store
KEPT_OF_THE_GONE = 15.0  # s that what a worker has handed on may be on its way when the worker is gone

Place = Callable[[Wanted], tuple[Opened, bool]]
"""Returns what opens the wanted files, and whether nobody follows. Raises WireError if a worker may not have them."""


@dataclass
class _Peer:
    """The connection of one worker, and what it waits for."""

    connection: socket.socket
    wants: Wanted | None = None  # what it was not answered yet


@dataclass
class _Image:
    """Files that were given for an image."""

    at: Opened
    tokens: list[str]
    peer: _Peer
    left: float = field(default=KEPT)  # s

    @property
    def is_out(self) -> bool:
        """Return whether it is still to come."""
        return any(token in self.at for token in self.tokens)


class Handing:
    """The sink's end of the socket at which workers get files."""

    def __init__(self, loop: Loop, vitals: Vitals, settings: Sink, boot: str, place: Place) -> None:
        """Listen; if that is not possible, images come with their bytes, and the log says so."""
        self._loop, self._vitals, self._place = loop, vitals, place
        self._peers: dict[int, _Peer] = {}  # by descriptor; those that wait in the order in which they asked
        self._images: list[_Image] = []
        self._at = _beside(settings.images)
        self._socket: socket.socket | None = None
        self.files: Files | None = None
        if self._at is None:
            return
        try:
            self._socket = listen(self._at)
        except OSError as error:
            log.info("workers of this host send the bytes of images: %s: %s", self._at, error.strerror or error)
            return
        self.files = Files(str(self._at), boot, settings.written_from)
        self._listen()

    def go_on(self) -> None:
        """Answer workers that wait, as far as there is room now."""
        self._images = [each for each in self._images if each.is_out]
        for peer in [each for each in self._peers.values() if each.wants]:
            own = sum(each.peer is peer for each in self._images)
            if len(self._images) < MOST and own < MOST_OF_ONE and peer.wants:
                wanted, peer.wants = peer.wants, None
                self._answer(peer, wanted)

    def passed(self, seconds: float) -> None:
        """Let so much time pass in which images could be stored: close what nobody has handed on for too long."""
        for each in self._images:
            each.left -= seconds
            if each.left <= 0:
                each.at.drop(each.tokens)
        self.go_on()

    def close(self) -> None:
        """Hand out no more files, and close the socket."""
        for peer in list(self._peers.values()):
            self._left(peer)
        if self._socket and self._at:
            self._unwatch(self._socket)
            self._socket = None
            self._at.unlink(missing_ok=True)

    def _listen(self) -> None:
        if self._socket:
            self._watch(self._socket, self._on_connection)

    def _on_connection(self) -> None:
        assert self._socket
        try:
            connection = accept(self._socket)
        except OSError:  # this process lacks descriptors: it would be asked again and again
            self._loop.off(self._socket.fileno())
            self._loop.at(time.monotonic() + PAUSE, self._listen)
            return
        if connection is None:
            return
        if len(self._peers) >= PEERS:
            connection.close()
            return
        peer = self._peers[connection.fileno()] = _Peer(connection)
        self._watch(connection, partial(self._on_question, peer))

    def _on_question(self, peer: _Peer) -> None:
        """Take a question, or a worker's end; cut off one that asks again before its answer, or says something else."""
        try:
            message = peer.connection.recv(LONGEST_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message or peer.wants:
            self._left(peer)
            return
        try:
            peer.wants = unpack(message, Wanted)
        except WireError as error:
            self._vitals.bad_message("a worker of this host", error)
            self._left(peer)
            return
        self._peers[peer.connection.fileno()] = self._peers.pop(peer.connection.fileno())
        self.go_on()

    def _answer(self, peer: _Peer, wanted: Wanted) -> None:
        tokens: dict[str, int] = {}
        try:
            if self.files and wanted.boot != self.files.boot:
                raise WireError(f"this is not the sink {wanted.boot}")
            at, direct = self._place(wanted)
            if at.refusal:
                raise WireError(at.refusal)
            tokens = at.open(wanted.run, wanted.index, wanted.files)
            self._images.append(_Image(at, list(tokens), peer))
            given = Given(tuple(tokens), direct)
        except (WireError, OSError) as error:
            given = Given(reason=str(error))
        try:
            hand(peer.connection, pack(given), list(tokens.values()))
        except OSError:  # it is gone, or does not read
            self._left(peer)
        if tokens:
            at.given_away(tokens)

    def _left(self, peer: _Peer) -> None:
        """Forget a worker that is gone; what it has handed on may still be on its way."""
        if self._peers.pop(peer.connection.fileno(), None):
            self._unwatch(peer.connection)
        for each in self._images:
            if each.peer is peer:
                each.left = min(each.left, KEPT_OF_THE_GONE)

    def _watch(self, opened: socket.socket, handler: Callable[[], None]) -> None:
        self._loop.on(opened.fileno(), partial(self._loop.take, handler))

    def _unwatch(self, opened: socket.socket) -> None:
        self._loop.off(opened.fileno())
        opened.close()


def _beside(images: str) -> Path | None:
    """Return the path of the socket, for a sink with this address for images; None if there is no place for it.

    Beside a socket of ipc, or in the folder that systemd has made for the sink's sockets (RuntimeDirectory=).
    """
    if images.startswith("ipc://"):
        return Path(f"{images.removeprefix('ipc://')}.fd")
    folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(folder) / "images.fd" if folder else None
