"""What becomes of the connections of a daemon's sockets, from ZeroMQ's own monitor."""

import socket as posix
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import zmq

from fip.runtime.door import Door, at_descriptor
from fip.runtime.service import Loop
from fip.runtime.sockets import process_at

REFUSED = zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH
WATCHED = (
    REFUSED
    | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
    | zmq.Event.ACCEPTED
    | zmq.Event.CONNECTED
    | zmq.Event.LISTENING
    | zmq.Event.DISCONNECTED
    | zmq.Event.MONITOR_STOPPED
)
ENCRYPTED_FOR_ANOTHER = 0x11000001  # ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC
MECHANISM_MISMATCH = 0x11000002  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
AT_ONCE = 100  # events that are read before other sockets have their turn
_EVENT = struct.Struct("=Hi")  # what happened, and to which descriptor, or why
_numbers = count()

Tell = Callable[[str, str, str], None]
"""Called with (event, peer, reason): "connected", "disconnected" or "handshake failed"."""


def watch(loop: Loop, watched: zmq.Socket[bytes], tell: Tell, door: Door | None = None) -> None:
    """Call `tell` for each connection of a socket until it is closed; `door` is for a socket that is bound later."""
    monitor = watched.get_monitor_socket(WATCHED, f"inproc://monitor-{next(_numbers)}")
    connections = _Connections(tell, door)

    def happened() -> None:
        for _ in range(AT_ONCE):
            try:
                head, endpoint = monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            number, value = _EVENT.unpack(head)
            if number == zmq.Event.MONITOR_STOPPED:
                loop.off_any(monitor)
                monitor.close(0)
                if door:
                    door.close()
                return
            connections.happened(number, value, endpoint.decode(errors="replace"))

    loop.on_any(monitor, happened)


def event(monitor: zmq.Socket[bytes]) -> tuple[int, int]:
    """Return the next event of a socket's monitor, as `reason` takes it. pyzmq's own function imports asyncio."""
    number, value = _EVENT.unpack(monitor.recv_multipart()[0])
    return number, value


class _Connections:
    """The peers of one socket, by the file descriptors that events name them with."""

    def __init__(self, tell: Tell, door: Door | None) -> None:
        self._tell, self._door = tell, door
        self._peers: dict[int, str] = {}
        self._accepts = False
        self._failed = ""  # why the handshake failed of the connection that is closed next

    def happened(self, event: int, value: int, endpoint: str) -> None:
        if event == zmq.Event.CONNECTED:
            self._peers[value] = endpoint
            self._tell("connected", endpoint, "")
        elif event == zmq.Event.LISTENING and self._door:
            self._door.listens(value)
        elif event == zmq.Event.ACCEPTED:
            self._accepts = True
            self._peers[value] = peer = _peer(value)
            self._tell("connected", peer, "")
            if self._door:
                self._door.joined(value, time.monotonic())
        elif event == zmq.Event.DISCONNECTED:
            if self._door:
                self._door.left(value)
            failed, self._failed = self._failed, ""
            self._tell("handshake failed" if failed else "disconnected", self._peers.pop(value, ""), failed)
        elif not (self._accepts and event == zmq.Event.HANDSHAKE_FAILED_AUTH):  # which `fip.runtime.gate` reported
            # a handshake failed, of a connection that is named by the event that follows
            self._failed = reason(event, value)


def _peer(descriptor: int) -> str:
    """Return the other end of an accepted connection: tcp://HOST, or the process on this host; "" if it is gone."""
    with suppress(OSError), at_descriptor(descriptor) as connection:
        if connection.family == posix.AF_UNIX:
            return f"process {process_at(connection)}"
        host = str(connection.getpeername()[0])
        return f"tcp://[{host}]" if ":" in host else f"tcp://{host}"
    return ""


def reason(event: int, value: int) -> str:
    """Return why a handshake failed, as far as the end that gets this event knows."""
    if event == zmq.Event.HANDSHAKE_FAILED_AUTH:
        return "our key is not allowed there"
    if event == zmq.Event.HANDSHAKE_FAILED_NO_DETAIL:
        return "it hung up, as one does where one end has no key"
    if value == ENCRYPTED_FOR_ANOTHER:
        return "keys that do not belong together: it knows another ventilator's"
    if value == MECHANISM_MISMATCH:
        return "one end has no key"
    return f"it does not speak ZeroMQ as we do ({value:#x})"
