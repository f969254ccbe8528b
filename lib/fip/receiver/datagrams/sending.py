"""Sends FIP's own stream, evenly: what is sent in bursts finds buffers full."""

import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.receiver.datagrams.encoding import end_packet, packets, split
from fip.receiver.datagrams.endpoints import resolved
from fip.receiver.datagrams.packet import SIZE
from fip.spool.setup import Setup

_ENDS, _BETWEEN = 5, 0.02  # how often an end is said, as packets are lost; s between
_STEP = 0.005  # s of a stream that are sent at once
_BUFFER = 4_000_000  # bytes asked of the kernel


class Sender:
    """A socket that sends a set-up's integrations to a receiver."""

    def __init__(self, endpoint: str, setup: Setup, size: int = SIZE, rate: float | None = None) -> None:
        """`endpoint` is "udp://HOST:PORT"; send at most `rate` bytes a second, None for as fast as possible.

        UsageError for a host that is not known, or a size of packets that cannot be.
        """
        split(setup, size)
        try:
            family, address = resolved(endpoint)
            with ExitStack() as undo:
                self._socket = undo.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                self._socket.connect(address)
                undo.pop_all()
        except (OSError, ValueError) as error:
            raise UsageError(f"{endpoint}: {error}") from None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._setup, self._size, self._rate = setup, size, rate
        self._due, self._left = time.monotonic(), 0
        self.unheard = 0  # packets at which the host said that nobody listens

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, dump: int, time: float, field: int, found: Mapping[str, NDArray[Any]]) -> int:
        """Send the packets of an integration, as `packets` has them; return how many there were."""
        count = 0
        for each in packets(self._setup, dump, time, field, found, self._size):
            self.send_packet(each)
            count += 1
        return count

    def end(self, sender: int = 0, senders: int = 1) -> None:
        """Say that this sender, of so many, sends no more."""
        for _ in range(_ENDS):
            self.send_packet(end_packet(self._setup, sender, senders))
            time.sleep(_BETWEEN)

    def send_packet(self, packet: memoryview | bytes) -> None:
        """Send a packet that is made already."""
        try:
            self._socket.send(packet)
        except ConnectionRefusedError:  # nobody heard an earlier one: a sender of UDP does not care
            self.unheard += 1
            with suppress(ConnectionRefusedError):
                self._socket.send(packet)
        if self._rate:
            self._left -= len(packet)
            if self._left <= 0:
                now = time.monotonic()
                self._due = max(self._due, now - _STEP) + _STEP  # what was missed long ago is not made up for at once
                time.sleep(max(0.0, self._due - now))
                self._left += int(self._rate * _STEP)
