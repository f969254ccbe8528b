"""A pair of processes that call each other: Python values go through a socket, large buffers without being copied."""

import pickle
import socket
import struct
from typing import Any

import numpy as np

_LENGTHS = struct.Struct("<QQ")  # bytes of the pickled value, and how many buffers follow it
PROTOCOL = 5  # of pickle: the first with buffers beside the value


class Pipe:
    """One end. What comes out of it is believed: the other end must be a process of ours."""

    def __init__(self, connection: socket.socket, within: float | None = None) -> None:
        """TimeoutError where the other end does not go on `within` so many seconds with what it has begun to say."""
        connection.settimeout(within)  # also of one that has been another process's
        self._connection = connection

    def fileno(self) -> int:
        """Its descriptor, which can be read when a value has come."""
        return self._connection.fileno()

    def send(self, value: Any) -> None:
        """Sends a value; `pickle.PickleBuffer`s in it go from their own memory. OSError where the other end is gone."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, PROTOCOL, buffer_callback=buffers.append)
        views = [each.raw() for each in buffers]
        sizes = struct.pack(f"<{len(views)}Q", *map(len, views))
        self._connection.sendall(b"".join((_LENGTHS.pack(len(pickled), len(views)), sizes, pickled)))
        for view in views:
            self._connection.sendall(view)

    def receive(self) -> Any:
        """Waits for a value; buffers are views of new memory. EOFError where the other end is gone."""
        length, number = _LENGTHS.unpack(self._read(_LENGTHS.size))
        sizes = struct.unpack(f"<{number}Q", self._read(8 * number))
        pickled = self._read(length)
        return pickle.loads(pickled, buffers=[self._read(size) for size in sizes])

    def close(self) -> None:
        """Closes this end."""
        self._connection.close()

    def _read(self, size: int) -> memoryview:
        read = np.empty(size, np.uint8).data
        rest = read
        while rest:
            got = self._connection.recv_into(rest, 0, socket.MSG_WAITALL)
            if not got:
                raise EOFError("the other end is gone")
            rest = rest[got:]
        return read
