"""Sends L0's items as ingest does: for tests, and for simulations that are sent."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import spead2
import spead2.send
from numpy.typing import NDArray

from fip.receiver.meerkat.heap import FLAVOUR, FREQUENCY, NAMES, Shape

PACKET = 8872  # bytes, as ingest's


class Sender:
    """Sends integrations to endpoints, to each its share of the channels."""

    def __init__(
        self, shape: Shape, endpoints: Sequence[tuple[str, int]], rate: float = 0.0, packet: int = PACKET
    ) -> None:
        """`endpoints` (host, port), in order of channels; `rate` bytes/s of each, 0 as fast as it goes."""
        self._shape = shape
        pool = spead2.ThreadPool()
        config = spead2.send.StreamConfig(max_packet_size=packet, rate=rate, max_heaps=8)
        each_has = shape.heaps // len(endpoints)
        self._streams: list[Any] = []
        self._groups: list[Any] = []
        for number in range(shape.heaps):
            stream = spead2.send.UdpStream(pool, [endpoints[number // each_has]], config, buffer_size=1 << 20)
            stream.set_cnt_sequence(number * shape.per_heap, shape.channels)
            group = _items(shape)
            stream.send_heap(group.get_start())
            self._streams.append(stream)
            self._groups.append(group)

    def send(
        self,
        dump: int,
        timestamp: float,
        visibility: NDArray[np.complex64],
        flag: NDArray[np.uint8],
        weight: NDArray[np.uint8],
        scale: NDArray[np.float32],
    ) -> None:
        """Send an integration [channel, product], with its number and its middle in s after the correlator's start."""
        threads = []
        for number, (stream, group) in enumerate(zip(self._streams, self._groups, strict=True)):
            here = slice(number * self._shape.per_heap, (number + 1) * self._shape.per_heap)
            values = visibility[here], flag[here], weight[here], scale[here], timestamp, dump
            for name, value in zip(NAMES, values, strict=True):
                group[name].value = value
            group["frequency"].value = here.start
            threads.append(threading.Thread(target=stream.send_heap, args=(group.get_heap(),)))
            threads[-1].start()
        for each in threads:
            each.join()

    def stop(self) -> None:
        """Say that no more comes."""
        for stream, group in zip(self._streams, self._groups, strict=True):
            stream.send_heap(group.get_end())


def _items(shape: Shape) -> Any:
    """Return an item group of a heap's items; each heap describes them."""
    group = spead2.send.ItemGroup(descriptor_frequency=1, flavour=spead2.Flavour(FLAVOUR[0], *FLAVOUR[1:], 0))
    cell = shape.per_heap, shape.products
    group.add_item(None, NAMES[0], "Visibilities", shape=cell, dtype=np.complex64)
    group.add_item(None, NAMES[1], "Flags for visibilities", shape=cell, dtype=np.uint8)
    group.add_item(None, NAMES[2], "Detailed weights, to be scaled by weights_channel", shape=cell, dtype=np.uint8)
    group.add_item(None, NAMES[3], "Coarse (per-channel) weights", shape=cell[:1], dtype=np.float32)
    group.add_item(None, NAMES[4], "Seconds since CBF sync time", shape=(), format=[("f", 64)])
    group.add_item(None, NAMES[5], "Index in time", shape=(), format=[("u", 64)])
    group.add_item(FREQUENCY, "frequency", "Channel index of first channel in the heap", shape=(), dtype=np.uint32)
    return group
