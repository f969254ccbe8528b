"""FIP's own stream: it reads packets in batches and hands them on as parts."""

import os
import select
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.config import Receiver
from fip.data.errors import ConfigError
from fip.receiver.datagrams.decoding import Decoder, Ended, Refused, described
from fip.receiver.datagrams.pace import Pace
from fip.receiver.datagrams.packet import Reason
from fip.receiver.datagrams.port import AT_ONCE, Memory, Port, sender
from fip.receiver.part import Buffers, Heard, Part
from fip.spool.setup import Setup, read_setup


class DatagramStream:
    """A `Stream` of FIP's own format."""

    def __init__(self, setup: Setup, ports: tuple[Port, ...]) -> None:
        self._setup, self._ports = setup, ports
        self._decoder, self._memory = Decoder(setup), Memory()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._changing, self._listening, self._closed = threading.Lock(), False, False
        self._said = set[Reason]()
        self._senders, self._ended = 0, set[int]()

    @property
    def setup(self) -> Setup:
        """Return what all its integrations share."""
        return self._setup

    @property
    def buffers(self) -> tuple[Buffers, ...]:
        """Return the buffers of each of its sockets."""
        return tuple(port.buffers for port in self._ports)

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Return (host, port) of each of its sockets, in the order of `[receiver] listen`."""
        return tuple(port.address for port in self._ports)

    def listen(self, heard: Heard) -> None:
        """Hear the stream until `close` is called; run this in a thread of its own. OSError if a socket breaks."""
        with self._changing:
            if self._closed:
                return
            self._listening = True
        try:
            self._listen(heard)
        finally:
            with self._changing:
                self._listening = False
                self._release()

    def close(self) -> None:
        """End `listen`, and close the sockets; any thread may call this, more than once."""
        with self._changing:
            if self._listening:
                os.eventfd_write(self._wake, 1)
            else:
                self._release()

    def _release(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._wake)
            for port in self._ports:
                port.close()

    def _listen(self, heard: Heard) -> None:
        ports = {port.fileno(): port for port in self._ports}
        waiting, woken = select.poll(), select.poll()
        for descriptor in (*ports, self._wake):
            waiting.register(descriptor, select.POLLIN)
        woken.register(self._wake, select.POLLIN)
        pace, full = Pace(min(each.got for each in self.buffers), self._setup.cadence, time.monotonic()), False
        while True:
            ready = [descriptor for descriptor, _ in waiting.poll()]
            if self._wake in ready or (not full and woken.poll(pace.pause)):
                return
            taken = [self._take(ports[descriptor], heard) for descriptor in ready]
            full = AT_ONCE in map(len, taken)
            pace.took(sum(int(sizes.sum()) for sizes in taken), time.monotonic())

    def _take(self, port: Port, heard: Heard) -> NDArray[np.int64]:
        """Hand on a batch of what waits at a port; return [packet] bytes."""
        batch = port.read(self._memory)
        for each in self._decoder.read(batch):
            if isinstance(each, Part):
                heard.put(each)
            elif isinstance(each, Refused):
                told = "" if each.why in self._said else described(batch, each.rows[0])
                self._said.add(each.why)
                heard.refuse(each.why, len(each.rows), told and f"{sender(self._memory, each.rows[0])}: {told}")
            else:
                self._end(each, heard)
        return batch.sizes

    def _end(self, said: Ended, heard: Heard) -> None:
        """End the stream once all of its senders have said so, each several times, as packets are lost."""
        if said.senders != self._senders:
            self._senders, self._ended = said.senders, set()
        if said.sender not in self._ended:
            self._ended.add(said.sender)
            if len(self._ended) == said.senders:
                heard.end()


def open_stream(receiver: Receiver) -> DatagramStream:
    """Open FIP's own stream, as `[receiver]` says. ConfigError or InputError of one line if it cannot be heard."""
    if not receiver.setup:
        raise ConfigError("receiver.setup: is not given; it is the path of a JSON file that docs/streams.md describes")
    if not receiver.listen:
        raise ConfigError('receiver.listen: has no address; give one as ["udp://0.0.0.0:7148"]')
    setup = read_setup(Path(receiver.setup))
    ports = list[Port]()
    try:
        for endpoint in receiver.listen:
            ports.append(Port(endpoint, receiver.buffer))
    except ConfigError:
        for port in ports:
            port.close()
        raise
    return DatagramStream(setup, tuple(ports))
