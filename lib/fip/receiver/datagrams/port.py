"""A UDP port that is read many packets at a time: one system call a batch, into memory that is used again."""

import ctypes
import os
import socket
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.receiver.datagrams.decoding import Batch
from fip.receiver.datagrams.endpoints import resolved
from fip.receiver.datagrams.packet import HEADER
from fip.receiver.listening import bound, buffers_of, unusable
from fip.receiver.part import Buffers

AT_ONCE = 256  # packets of a batch at most
_SLOT = 1 << 16
_SENDER = 28  # bytes of the largest sockaddr

_IOVEC = np.dtype([("base", np.uintp), ("length", np.uintp)])
_MESSAGE = np.dtype(
    [
        ("name", np.uintp),
        ("namelen", np.uint32),
        ("iov", np.uintp),
        ("iovlen", np.uintp),
        ("control", np.uintp),
        ("controllen", np.uintp),
        ("flags", np.int64),  # an int, and what fills it up: the struct msghdr ends here
        ("length", np.uint32),  # of what came; the kernel writes it
    ],
    align=True,
)
"""A struct mmsghdr of recvmmsg(2), for machines of 64 bits."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class Memory:
    """What batches come into; several ports may share it, one after the other."""

    def __init__(self) -> None:
        self.headers = np.zeros(AT_ONCE, HEADER)
        self.payload = np.full((AT_ONCE, _SLOT), 0, np.uint8)  # touched now: while packets wait there is no time
        self.senders = np.zeros((AT_ONCE, _SENDER), np.uint8)
        self.messages = np.zeros(AT_ONCE, _MESSAGE)
        self._parts = np.zeros((AT_ONCE, 2), _IOVEC)
        for column, array in enumerate((self.headers.view(np.uint8).reshape(AT_ONCE, -1), self.payload)):
            self._parts["base"][:, column] = _addresses(array)
            self._parts["length"][:, column] = array.shape[1]
        self.messages["iov"], self.messages["iovlen"] = _addresses(self._parts), 2
        self.messages["name"] = _addresses(self.senders)


class Port:
    """A bound socket that packets come to."""

    def __init__(self, endpoint: str, buffer: int) -> None:
        """`endpoint` is "udp://HOST:PORT"; `buffer` bytes are asked of the kernel. ConfigError if it cannot be had."""
        try:
            self._socket = bound(endpoint, *resolved(endpoint), buffer)
        except (OSError, ValueError) as error:
            raise unusable(endpoint, error) from None
        self._asked, self._buffers = buffer, Buffers(buffer, 0)

    @property
    def address(self) -> tuple[str, int]:
        """Return the (host, port) at which it hears."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def buffers(self) -> Buffers:
        """Return the bytes asked of the kernel and those that it gave, without the half for its own use."""
        with suppress(OSError):  # it is closed: then it is what it was last
            self._buffers = buffers_of(self._socket, self._asked)
        return self._buffers

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def read(self, memory: Memory) -> Batch:
        """Return what waits, at most `AT_ONCE` packets: none if none does. OSError if the socket is broken."""
        memory.messages["namelen"] = _SENDER
        count = _LIBC.recvmmsg(
            self.fileno(), ctypes.c_void_p(memory.messages.ctypes.data), AT_ONCE, socket.MSG_DONTWAIT, None
        )
        if count < 0:
            error = ctypes.get_errno()
            if not isinstance(OSError(error, ""), BlockingIOError | InterruptedError | ConnectionError):
                raise OSError(error, os.strerror(error))
            count = 0
        sizes = memory.messages["length"][:count].astype(np.int64)
        return Batch(memory.headers[:count], memory.payload[:count], sizes)

    def close(self) -> None:
        """Close the port, and remember its buffer."""
        _ = self.buffers
        self._socket.close()


def sender(memory: Memory, row: int) -> str:
    """Return the source of a packet of the last batch, for example "10.1.2.3:4000"."""
    raw = memory.senders[row].tobytes()
    port = int.from_bytes(raw[2:4], "big")
    if int.from_bytes(raw[:2], "little") == socket.AF_INET6:
        return f"[{socket.inet_ntop(socket.AF_INET6, raw[8:24])}]:{port}"
    return f"{socket.inet_ntop(socket.AF_INET, raw[4:8])}:{port}"


def _addresses(array: NDArray[Any]) -> NDArray[np.uintp]:
    """Return the address in memory of each row of an array."""
    return array.ctypes.data + array.strides[0] * np.arange(len(array), dtype=np.uintp)
