"""One endpoint of L0: its socket, spead2's chunk receiver, and the memory of the heaps that come to it."""

import logging
import socket
from typing import Any

import numpy as np
import spead2
import spead2.recv

from fip.receiver.listening import bound, buffers_of, unusable
from fip.receiver.meerkat import placing
from fip.receiver.meerkat.heap import Shape, heap_bounds
from fip.receiver.meerkat.placing import At
from fip.receiver.part import Buffers

CHUNKS = placing.WINDOW + 1  # in which heaps come, and one that is taken meanwhile
_PENDING = 8  # heaps that spead2 keeps apart: those that have no place are among them
LARGEST_PACKET = 9200  # bytes

logging.getLogger("spead2").setLevel(logging.ERROR)  # FIP itself reports what it warns of


def opened(endpoint: str, buffer: int) -> socket.socket:
    """Return a UDP socket at "udp://HOST:PORT", of a multicast group if HOST is one. ConfigError if it cannot be."""
    host, _, port = endpoint.removeprefix("udp://").rpartition(":")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        return bound(endpoint, family, address, buffer)
    except (OSError, OverflowError) as error:
        raise unusable(endpoint, error) from None


class Memory:
    """The heaps of all endpoints: whoever looks whether one is whole looks at one array."""

    def __init__(self, shape: Shape, endpoints: int) -> None:
        """Take what is needed: `CHUNKS` integrations."""
        heaps = shape.heaps // endpoints
        self.slot = -(-(heap_bounds(shape)[1] + placing.ALIGNED) // 4096) * 4096
        self.data = np.full((endpoints, CHUNKS, heaps * self.slot), 0xFF, np.uint8)
        self.present = np.zeros((endpoints, CHUNKS, heaps), np.uint8)
        self.taken = np.zeros((endpoints, CHUNKS, heaps), np.uint8)
        self.extra = np.full((endpoints, CHUNKS, heaps, placing.EXTRA), -1, np.int64)
        self.state = np.zeros((endpoints, At.LAST), np.int64)  # what the gate keeps of each endpoint: `At` says what
        for number, state in enumerate(self.state):
            placing.begin(state, shape, heaps * number, heaps, self.slot)


class Port:
    """An endpoint that hears heaps into memory."""

    def __init__(self, number: int, found: socket.socket, asked: int, memory: Memory, pool: Any) -> None:
        """`number` of the endpoint, a bound socket, the bytes asked for it, and a spead2.ThreadPool."""
        self._socket, self._asked = found, asked
        self._memory, self._number = memory, number
        self._place = placing.placing(memory.state[number])
        config = spead2.recv.ChunkStreamConfig(
            items=[spead2.HEAP_CNT_ID, spead2.HEAP_LENGTH_ID, spead2.STREAM_CTRL_ID],
            max_chunks=placing.WINDOW,
            place=self._place,
            max_heap_extra=placing.EXTRA * 8,
        )
        how = spead2.recv.StreamConfig(allow_out_of_order=True, max_heaps=_PENDING, stop_on_stop_item=False)
        self._ready, free = spead2.recv.ChunkRingbuffer(CHUNKS), spead2.recv.ChunkRingbuffer(CHUNKS)
        self._stream = spead2.recv.ChunkRingStream(pool, how, config, self._ready, free)
        self._which: dict[int, int] = {}
        for chunk in range(CHUNKS):
            data = memory.data[number, chunk]
            self._which[data.ctypes.data] = chunk
            self._stream.add_free_chunk(
                spead2.recv.Chunk(
                    present=memory.present[number, chunk],
                    data=data,
                    extra=memory.extra[number, chunk].reshape(-1),
                )
            )
        self._stream.add_udp_reader(found, max_size=LARGEST_PACKET)

    @property
    def packets(self) -> int:
        """Return how many packets came, whatever they were."""
        return int(self._stream.stats["packets"])

    @property
    def buffers(self) -> Buffers:
        """Return the bytes asked of the kernel and those that it gave, without the half for its own use."""
        return buffers_of(self._socket, self._asked)

    @property
    def address(self) -> tuple[str, int]:
        """Return the (host, port) at which it hears."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    def aged(self) -> tuple[int, Any] | None:
        """Return a chunk that is too old for more, with its memory's number, or None. Give it to `renew`."""
        try:
            chunk = self._ready.get_nowait()
        except (spead2.Empty, spead2.Stopped):
            return None
        return self._which[np.asarray(chunk.data).ctypes.data], chunk

    def renew(self, chunk: int, given: Any) -> None:
        """Let a chunk's memory, which has been made ready for that, be used again."""
        self._memory.extra[self._number, chunk] = -1
        self._memory.present[self._number, chunk] = 0
        self._memory.taken[self._number, chunk] = 0
        self._stream.add_free_chunk(given)

    def stop(self) -> None:
        """Take no packet any more; what came in part is then as if it was too old."""
        self._stream.stop()

    def close(self) -> None:
        """Close the socket of the endpoint."""
        self._socket.close()
