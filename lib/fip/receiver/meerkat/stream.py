"""MeerKAT's L0 as a `Stream`: heaps become parts as soon as they are whole, others once they are too old for more."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import spead2
from numpy.typing import NDArray

from fip.data.errors import FipError, InputError, first_line
from fip.receiver.meerkat import placing
from fip.receiver.meerkat.heap import Layout, dump_and_time, first_channel, layout_of
from fip.receiver.meerkat.observation import Observation
from fip.receiver.meerkat.placing import At
from fip.receiver.meerkat.port import CHUNKS, LARGEST_PACKET, Memory, Port, opened
from fip.receiver.meerkat.weights import PowerScale
from fip.receiver.part import Buffers, Heard, Part
from fip.spool.setup import Setup

log = logging.getLogger("fip.receiver.meerkat")

LOOK = 0.01  # of the cadence, from one look for whole heaps to the next
LONGEST_LOOK = 0.02  # s
SETTLED = 0.02  # s after the first heap of an integration, in which packets of the one before still come
QUIET = 0.3  # s in which no packet came: then what came in part is all that comes
SILENCE = 5.0  # s in which nothing came at all, after which an end that not all endpoints said is believed
ASKED = 1.0  # s from one look at telstate to the next
_SLOW = 5  # looks for whole heaps, to one for all else

_FROM_BEFORE = "weights", "weights_channel"  # what did not come of these is as in an integration shortly before
_REFUSED = {
    At.WRONG_SIZE: "heaps that have not the size of this stream's",
    At.WRONG_CHANNELS: "heaps of other channels: receiver.listen has to name endpoints in their order",
    At.LEAPT: "heaps whose number is far from the others'",
}


@dataclass
class _Endpoint:
    """What is known of one endpoint, beside its port."""

    port: Port
    base: int | None = None  # an integration's number less that of its chunk
    began: dict[int, float] = field(default_factory=dict)  # chunk -> when it was first seen that it had begun
    packets: int = 0
    heard: float = 0.0  # when packets came last, monotonic s


class MeerkatStream:
    """Hears L0. `open_stream` makes it."""

    def __init__(self, observation: Observation, endpoints: Sequence[str], buffer: int) -> None:
        """Raise ConfigError if an endpoint cannot be bound, or their number does not fit."""
        self._observation, self._shape = observation, observation.shape(len(endpoints))
        sockets: list[Any] = []
        try:
            for endpoint in endpoints:
                sockets.append(opened(endpoint, buffer))
            memory = Memory(self._shape, len(endpoints))
            pool = spead2.ThreadPool()
            self._endpoints = [
                _Endpoint(Port(number, each, buffer, memory, pool)) for number, each in enumerate(sockets)
            ]
        except BaseException:
            for each in sockets:
                each.close()
            raise
        self._memory = memory
        self._layout: Layout | None = None
        self._pointers = np.zeros(0, np.int64)
        heaps = self._shape.heaps
        self._scales: list[PowerScale] = []
        if observation.power_scale:
            self._scales = [PowerScale(observation.setup, self._shape.per_heap) for _ in range(heaps)]
        self._counted = np.zeros_like(memory.state)
        self._newest = [-1] * len(endpoints)
        self._closed = self._listening = False

    @property
    def setup(self) -> Setup:
        """Return what all its integrations share."""
        return self._observation.setup

    @property
    def buffers(self) -> tuple[Buffers, ...]:
        """Return the buffers of each of its sockets."""
        return tuple(each.port.buffers for each in self._endpoints)

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Return (host, port) of each endpoint."""
        return tuple(each.port.address for each in self._endpoints)

    def listen(self, heard: Heard) -> None:
        """Hear the stream until `close` is called, or it says its end; then hand on also what came in part."""
        self._listening = True
        looks, pause = 0, min(LONGEST_LOOK, LOOK * self.setup.cadence)
        if self._observation.look:
            threading.Thread(target=self._ask, args=(self._observation.look,), daemon=True).start()
        try:
            while not self._closed:
                time.sleep(pause)  # cheaper than to wait for an event, a hundred times a second
                self._take_whole(heard)
                looks += 1
                if looks % _SLOW == 0 and self._look_round(heard, time.monotonic()):
                    break
        finally:
            self._closed = True
            self._finish(heard)

    def _ask(self, look: Callable[[], None]) -> None:
        """Ask again and again for what may have changed, in a thread of its own: it may take long."""
        said = ""
        while not self._closed:
            try:
                look()
                said = ""
            except (FipError, OSError) as error:
                if (why := first_line(error)) != said:
                    log.warning("telstate cannot be heeded: %s", why)
                said = why
            time.sleep(ASKED)

    def close(self) -> None:
        """End `listen`; any thread may call this."""
        self._closed = True
        if not self._listening:
            self._finish(None)

    def _finish(self, heard: Heard | None) -> None:
        for each in self._endpoints:
            each.port.stop()
        for number, _ in enumerate(self._endpoints):
            for chunk in range(CHUNKS) if heard else ():
                self._take_rest(heard, number, chunk)
        for each in self._endpoints:
            each.port.close()

    def _take_whole(self, heard: Heard) -> None:
        """Hand on the heaps that have become whole."""
        memory = self._memory
        if not (memory.present > memory.taken).any():
            return
        found = np.argwhere(memory.present > memory.taken).tolist()
        for number, chunk, heap in sorted(found, key=lambda at: int(memory.extra[*at, placing.CHUNK])):
            self._take(heard, number, chunk, heap, whole=True)

    def _look_round(self, heard: Heard, now: float) -> bool:
        """Hand on heaps that get no more, and report what was refused; return whether the stream is over."""
        newest = self._memory.state[:, At.NEWEST].tolist()
        chunks = self._memory.extra[..., placing.CHUNK].max(axis=2).tolist()
        open_ = ((self._memory.taken == 0) & (self._memory.extra[..., placing.CHUNK] >= 0)).any(axis=2).tolist()
        for number, each in enumerate(self._endpoints):
            if newest[number] != self._newest[number]:
                self._newest[number] = newest[number]
                each.began = {**dict(list(each.began.items())[-2 * placing.WINDOW :]), newest[number]: now}
                each.heard = now
            while (aged := each.port.aged()) is not None:
                self._take_rest(heard, number, aged[0])
                self._renew(number, *aged)
                open_[number][aged[0]] = False
            packets = each.port.packets
            if packets != each.packets:
                each.packets, each.heard = packets, now
            for chunk in range(CHUNKS):
                later = [when for other, when in each.began.items() if other > chunks[number][chunk]]
                settled = (later and now - min(later) > SETTLED) or now - each.heard > QUIET
                if open_[number][chunk] and settled:
                    self._take_rest(heard, number, chunk)
        self._tell_refused(heard)
        return self._over(heard, now)

    def _over(self, heard: Heard, now: float) -> bool:
        """Return whether all endpoints said the end, or some did and nothing came for long; then `heard` knows it."""
        stopped = self._memory.state[:, At.STOPS] > 0
        if not stopped.any():
            return False
        silent = now - max(each.heard for each in self._endpoints)
        if silent < (QUIET if stopped.all() else max(SILENCE, 3 * self.setup.cadence)):
            return False
        heard.end()
        return True

    def _tell_refused(self, heard: Heard) -> None:
        fresh = self._memory.state - self._counted
        if not fresh[:, list(_REFUSED)].any():
            return
        self._counted += fresh
        for at, why in _REFUSED.items():
            for number in np.flatnonzero(fresh[:, at]).tolist():
                host, port = self._endpoints[number].port.address
                heard.refuse(why, int(fresh[number, at]), f"at {host}:{port}")

    def _take_rest(self, heard: Heard | None, number: int, chunk: int) -> None:
        """Hand on the heaps of a chunk that came in part."""
        memory = self._memory
        for heap in range(memory.present.shape[2]):
            if heard and not memory.taken[number, chunk, heap] and memory.extra[number, chunk, heap, 0] >= 0:
                self._take(heard, number, chunk, heap, whole=bool(memory.present[number, chunk, heap]))

    def _renew(self, number: int, chunk: int, given: Any) -> None:
        """Make a chunk's memory ready: what does not come is NaN, or flagged; weights are those of the heap before."""
        memory = self._memory
        for heap in range(memory.present.shape[2]):
            data = memory.data[number, chunk, heap * memory.slot : (heap + 1) * memory.slot]
            shift = int(memory.extra[number, chunk, heap, placing.SHIFT])
            wanted = int(memory.state[number, At.SHIFT_WANTED])
            if self._layout is None or shift != wanted:
                data[:] = 0xFF
                continue
            for name, size in zip(self._layout.begin, self._shape.sizes, strict=True):
                if name not in _FROM_BEFORE:
                    begin = shift + self._layout.begin[name]
                    data[begin : begin + size] = 0xFF
        self._endpoints[number].port.renew(chunk, given)

    def _take(self, heard: Heard, number: int, chunk: int, heap: int, whole: bool) -> None:
        memory = self._memory
        memory.taken[number, chunk, heap] = 1
        extra = memory.extra[number, chunk, heap]
        layout = self._layout_of(heard, extra)
        if layout is None:
            return
        begin = heap * memory.slot + int(extra[placing.SHIFT])
        data = memory.data[number, chunk, begin : begin + layout.size]
        items = {
            name: data[layout.begin[name] : layout.begin[name] + size]
            for name, size in zip(layout.begin, self._shape.sizes, strict=True)
        }
        found = self._when(self._endpoints[number], extra, items, whole)
        if found is None:
            heard.refuse("heaps of which the first packet did not come, before any was whole")
            return
        part = self._part(int(extra[placing.COUNTER]), items, *found)
        if not whole:
            part = _with_gaps(part)
        if part.field >= len(self.setup.targets):
            raise InputError(f"{self.setup.name}: a target was set that is not in the set-up: the receiver begins anew")
        if part.field < 0:
            heard.refuse("heaps of a target that has no RA and Dec")
        elif part.missing < part.visibility.size:
            heard.put(part)

    def _layout_of(self, heard: Heard, extra: NDArray[np.int64]) -> Layout | None:
        """Return the places of the items of a heap: as it says, or else as in the heap before."""
        count, length = int(extra[placing.COUNT]), int(extra[placing.LENGTH])
        if count < 0:
            if self._layout is None or self._layout.size != length:
                heard.refuse("heaps of which the first packet did not come, before any was whole")
                return None
            return self._layout
        pointers = extra[placing.FIRST_POINTER :][:count]
        channel = first_channel([int(each) & (1 << 64) - 1 for each in pointers])
        if channel is not None and channel != int(extra[placing.COUNTER]) % self._shape.channels:
            heard.refuse("heaps whose counter is not that of their channels", 1, f"channel {channel}")
            return None
        addressed = pointers[pointers >= 0]
        if self._layout is not None and self._layout.size == length and np.array_equal(self._pointers, addressed):
            return self._layout
        layout = layout_of([int(each) for each in addressed], length, self._shape)
        if isinstance(layout, str):
            heard.refuse("heaps that are not of this stream", 1, layout)
            return None
        self._layout, self._pointers = layout, addressed.copy()
        self._memory.state[:, At.SHIFT_WANTED] = -layout.begin["correlator_data"] % placing.ALIGNED
        return layout

    def _when(
        self, endpoint: _Endpoint, extra: NDArray[np.int64], items: dict[str, NDArray[np.uint8]], whole: bool
    ) -> tuple[int, float] | None:
        """Return the number and middle (s UTC, Unix) of a heap's integration; None if no heap so far has them.

        The bytes of a heap that is not whole may be of two heaps: so believe the count from the heap before first.
        """
        chunk = int(extra[placing.CHUNK])
        dump, since = dump_and_time(items["timestamp"].tobytes() + items["dump_index"].tobytes())
        if dump is None or since is None or (not whole and endpoint.base is not None):
            if endpoint.base is None:
                return None
            dump = chunk + endpoint.base
            since = self._observation.since_sync(dump)
        if dump < 0:
            return None
        endpoint.base = dump - chunk
        self._observation.first = since - dump * self.setup.cadence
        return dump, self._observation.sync_time + since

    def _part(self, counter: int, items: dict[str, NDArray[np.uint8]], dump: int, middle: float) -> Part:
        channel = counter % self._shape.channels
        cell = self._shape.per_heap, self._shape.products
        visibility = items["correlator_data"].view("<c8").reshape(cell)
        weight = items["weights"].reshape(cell)
        scale = np.nan_to_num(items["weights_channel"].view("<f4"), nan=0.0, posinf=0.0, neginf=0.0)
        if self._scales:
            weight, scale = self._scales[channel // self._shape.per_heap](visibility, weight, scale)
        return Part(
            dump,
            middle,
            self._observation.field_at(middle),
            0,
            slice(channel, channel + cell[0]),
            0,
            visibility,
            items["flags"].reshape(cell),
            weight,
            scale,
            packets=-(-self._shape.size // LARGEST_PACKET),  # at the least: one heap says as much as these
        )


def _with_gaps(part: Part) -> Part:
    """Return the part of a heap that did not come whole, with how much is missing; half a sample counts as missing.

    A sample that did not come has no flag: it counts as one that did not come, and not as flagged as well.
    """
    lost = np.isnan(part.visibility)
    flat, whole = lost.reshape(-1), lost.reshape(-1).copy()
    flat[1:] |= whole[:-1]
    flat[:-1] |= whole[1:]
    np.copyto(part.visibility, np.complex64(complex(np.nan, np.nan)), where=lost)
    if part.flag is not None:
        np.copyto(part.flag, 0, where=lost)
    return replace(part, missing=int(np.count_nonzero(lost)))
