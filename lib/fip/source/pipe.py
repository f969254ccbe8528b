"""A pair of processes that call each other: Python values go through a socket, large buffers without being copied.

What would be copied for each of several processes goes as the descriptor of a file in memory, which they map.
"""

import io
import os
import pickle
import socket
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

_LENGTHS = struct.Struct("<QQQ")  # bytes of the pickled value, and how many buffers and descriptors are with it
PROTOCOL = 5  # of pickle: the first with buffers beside the value
MOST_DESCRIPTORS = 4  # with one value


@dataclass(frozen=True, eq=False)
class Memory:
    """A file in memory; what comes out of a pipe is another descriptor of the same file, to be closed by its holder."""

    descriptor: int

    def close(self) -> None:
        """Close the descriptor; the memory is free when nobody has one."""
        os.close(self.descriptor)


class Pipe:
    """One end of a pipe. What comes out of it is believed: the other end must be a process of ours."""

    def __init__(self, connection: socket.socket, within: float | None = None) -> None:
        """`within` is in s: TimeoutError if the other end pauses for longer in the midst of a value."""
        connection.settimeout(within)  # also if the socket was another process's before
        self._connection = connection

    def fileno(self) -> int:
        """Return its descriptor, which can be read when a value has come."""
        return self._connection.fileno()

    def send(self, value: Any) -> None:
        """Send a value; `pickle.PickleBuffer`s in it go from their own memory. OSError if the other end is gone."""
        buffers: list[pickle.PickleBuffer] = []
        pickler = _Pickler(out := io.BytesIO(), PROTOCOL, buffer_callback=buffers.append)
        pickler.dump(value)
        pickled, views, memories = out.getbuffer(), [each.raw() for each in buffers], pickler.memories
        lengths = _LENGTHS.pack(len(pickled), len(views), len(memories))
        begin = b"".join((lengths, struct.pack(f"<{len(views)}Q", *map(len, views)), pickled))
        sent = socket.send_fds(self._connection, [begin], [each.descriptor for each in memories]) if memories else 0
        self._connection.sendall(begin[sent:] if sent else begin)
        for view in views:
            self._connection.sendall(view)

    def receive(self) -> Any:
        """Wait for a value; buffers are views of new memory. EOFError if the other end is gone."""
        begin, descriptors, _, _ = socket.recv_fds(
            self._connection, _LENGTHS.size, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC | socket.MSG_WAITALL
        )
        if not begin:
            raise EOFError("the other end is gone")
        begin += bytes(self._read(_LENGTHS.size - len(begin)))
        length, number, _ = _LENGTHS.unpack(begin)
        sizes = struct.unpack(f"<{number}Q", self._read(8 * number))
        pickled = self._read(length)
        unpickler = _Unpickler(io.BytesIO(pickled), buffers=[self._read(size) for size in sizes])
        unpickler.descriptors = descriptors
        return unpickler.load()

    def close(self) -> None:
        """Close this end of the pipe."""
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


class _Pickler(pickle.Pickler):
    """A pickler that leaves files in memory out, and names them by their number."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.memories: list[Memory] = []

    def persistent_id(self, value: Any) -> int | None:
        if not isinstance(value, Memory):
            return None
        self.memories.append(value)
        return len(self.memories) - 1


class _Unpickler(pickle.Unpickler):
    descriptors: list[int]

    def persistent_load(self, number: Any) -> Memory:
        return Memory(self.descriptors[number])
