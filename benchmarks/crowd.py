"""One process that speaks for very many workers, each with a control connection, a lane and a connection to the sink.

    python -m benchmarks.crowd CONTROL WORKERS SECONDS EVERY

What each of them says and when is what a worker says (lib/fip/worker/worker.py), whole states EVERY so many seconds;
an image takes SECONDS in which nothing is done, and is the same small FITS for each slice. It reads orders, a line
each: `lose N` has the next N workers fall silent at once, as when their host loses its power, and answers how many
slices they had; `again` answers how many of these have come to others since, how many are left, and how long after that
the last one came; `said` how many states and briefs were sent so far.
"""

import heapq
import os
import random
import select
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice

import numpy as np
import zmq

from fip.data.names import Attempt
from fip.data.values import FitsFile, Image, ImageFile, Slice, Statistics
from fip.fits.fitsfile import fits_bytes
from fip.runtime.credit import MOST_AHEAD
from fip.runtime.door import raise_limit
from fip.runtime.sockets import control_socket, data_socket, host_name, waits
from fip.wire.batches import apart
from fip.wire.codec import decode_control, decode_slice, encode_control, encode_image
from fip.wire.messages import BRIEF_INTERVAL, Bye, Lane, Task, WorkerBrief, WorkerState
from fip.wire.status import Latency, Resources, SocketEvent, Status
from fip.worker.worker import REMEMBERED, TASKS_TOLD

MOST_SOCKETS = 20_000
STAGES = ("wait", "image", "dirty", "beam", "fits", "hand_on")


@dataclass
class Member:
    """One worker of the crowd."""

    name: str
    control: zmq.Socket[bytes]
    lane: Lane = field(default_factory=lambda: Lane("", ""))
    slices: zmq.Socket[bytes] | None = None
    images: zmq.Socket[bytes] | None = None
    holds: dict[Attempt, float] = field(default_factory=dict)
    waiting: deque[Slice] = field(default_factory=deque)
    working: Slice | None = None
    since: float = 0.0
    handed_on: deque[tuple[Attempt, float]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    tasks: deque[Task] = field(default_factory=lambda: deque(maxlen=TASKS_TOLD))
    done: int = 0
    changed: bool = False
    gone: bool = False


class Crowd:
    """All of them, in one loop."""

    def __init__(self, control: str, workers: int, seconds: float, every: float) -> None:
        self.every, self.seconds, self.host, self.began = every, seconds, host_name(), time.time()
        self.context = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, MOST_SOCKETS)
        self.chance = random.Random(1)
        self.epoll = select.epoll()
        self.handlers: dict[int, Callable[[], object]] = {}
        self.timers: list[tuple[float, int, Callable[[], object]]] = []
        self.sequence = count()
        self.image: FitsFile | None = None
        self.lost: set[tuple[str, int]] = set()  # slices that those had which fell silent
        self.lost_at, self.last_back, self.back = 0.0, 0.0, 0
        self.said = 0  # states and briefs
        self.members = [self._member(number, control, workers) for number in range(workers)]
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        self.handlers[sys.stdin.fileno()] = self._order

    def run(self) -> None:
        """Run until the input ends."""
        while True:
            wait = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else 1.0
            for descriptor, _ in self.epoll.poll(wait):
                if handler := self.handlers.get(descriptor):
                    handler()
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()

    def _at(self, when: float, call: Callable[[], object]) -> None:
        heapq.heappush(self.timers, (when, next(self.sequence), call))

    def _watch(self, opened: zmq.Socket[bytes], handler: Callable[[], object]) -> None:
        self.handlers[_descriptor(opened)] = handler
        self.epoll.register(_descriptor(opened), select.EPOLLIN)
        handler()

    def _close(self, opened: zmq.Socket[bytes] | None) -> None:
        if opened:
            self.epoll.unregister(_descriptor(opened))
            del self.handlers[_descriptor(opened)]
            opened.close(0)

    def _member(self, number: int, control: str, workers: int) -> Member:
        member = Member(f"w{number}", control_socket(self.context, zmq.DEALER))

        def join() -> None:
            member.control.connect(control)
            self._watch(member.control, lambda: self._hear(member))
            self._say(member)

        self._at(time.monotonic() + 0.02 * number + self.every * number / workers, join)
        return member

    # What each does

    def _say(self, member: Member) -> None:
        """Its whole state, now and then."""
        if not member.gone:
            self._tell(member, WorkerState(self._brief(member), self._status(member), tuple(member.tasks)))
            self._at(time.monotonic() + self.every, lambda: self._say(member))

    def _change(self, member: Member, waited_for: bool = False) -> None:
        """Something has changed, as `fip.runtime.control_link.Briefs` says it."""

        def tell() -> None:
            if member.changed and not member.gone:
                self._tell(member, self._brief(member))

        if waited_for:
            member.changed = True
            tell()
        elif not member.changed:
            member.changed = True
            self._at(time.monotonic() + BRIEF_INTERVAL, tell)

    def _tell(self, member: Member, said: WorkerState | WorkerBrief) -> None:
        member.changed = False
        self.said += 1
        with suppress(zmq.Again):
            member.control.send(encode_control(said), zmq.NOBLOCK)
        self._after(member.control)

    def _after(self, opened: zmq.Socket[bytes]) -> None:
        """Look again: what came to a socket while it was used is not shown by its descriptor."""
        if waits(opened):
            self._at(0.0, self.handlers[_descriptor(opened)])

    def _hear(self, member: Member) -> None:
        while not member.gone and waits(member.control):
            said = decode_control(member.control.recv())
            if isinstance(said, Bye):
                said = Lane("", member.lane.sink)
            if isinstance(said, Lane):
                self._join(member, said)

    def _join(self, member: Member, lane: Lane) -> None:
        if lane.lane != member.lane.lane:
            self._close(member.slices)
            member.slices = None
        if lane.sink != member.lane.sink:
            self._close(member.images)
            member.images = None
        member.lane = lane
        if lane.lane and member.slices is None:
            member.slices = data_socket(self.context, zmq.PULL, MOST_AHEAD)
            member.slices.connect(lane.lane)
            self._watch(member.slices, lambda: self._take(member))
        if lane.sink and member.images is None:
            member.images = data_socket(self.context, zmq.PUSH, 1)
            member.images.connect(lane.sink)
            self._watch(member.images, partial(waits, member.images))  # so that its descriptor is quiet again
        self._change(member, waited_for=True)

    def _take(self, member: Member) -> None:
        while member.slices and waits(member.slices):
            now = time.monotonic()
            for values in map(decode_slice, apart(member.slices.recv_multipart())):
                member.holds[Attempt(values.run, values.index, values.attempt)] = now
                member.waiting.append(values)
                if (values.run, values.index) in self.lost:
                    self.lost.discard((values.run, values.index))
                    self.back, self.last_back = self.back + 1, now
            self._begin(member)
            self._change(member)

    def _begin(self, member: Member) -> None:
        if member.working is None and member.waiting:
            member.working, member.since = member.waiting.popleft(), time.monotonic()
            self._at(member.since + self.seconds * self.chance.uniform(0.5, 1.5), lambda: self._end(member))

    def _end(self, member: Member) -> None:
        """An image is ready: it is handed on, or a little later."""
        values = member.working
        if member.gone or values is None or member.images is None:
            return
        try:
            member.images.send_multipart(encode_image(self._image_of(values, member)), zmq.NOBLOCK)
        except zmq.Again:
            self._at(time.monotonic() + 0.01, lambda: self._end(member))
            return
        attempt = Attempt(values.run, values.index, values.attempt)
        member.handed_on.append((attempt, member.holds.pop(attempt)))
        took = time.monotonic() - member.since
        member.tasks.append(Task(values.run, values.index, time.time() - took, 0.01, took, 0.001))
        member.working, member.done = None, member.done + 1
        self._begin(member)
        self._change(member, waited_for=not member.waiting)

    def _image_of(self, values: Slice, member: Member) -> ImageFile:
        if self.image is None:
            pixels = np.zeros((1, 1, values.grid.height, values.grid.width), np.float32)
            made = Image(pixels, None, Statistics(1.0, -1.0, 1.0), (), "slant", "good")
            self.image = FitsFile("dirty", bytes(fits_bytes(values, made, "dirty")))
        return ImageFile(
            values.run, values.index, values.attempt, values.integration, values.label, f"{self.host}/{member.name}",
            values.times, False, "good", None, Statistics(1.0, -1.0, 1.0), {"wait": 0.01, "dirty": self.seconds},
            (self.image,), ticket=values.ticket,
        )  # fmt: skip

    # What each says

    def _brief(self, member: Member) -> WorkerBrief:
        now, working = time.monotonic(), member.working
        came = [*(at for _, at in member.handed_on), *member.holds.values()]
        return WorkerBrief(
            self.host, member.name, f"boot{os.getpid()}", member.lane.lane, member.lane.sink, tuple(member.holds),
            tuple(attempt for attempt, _ in member.handed_on), tuple(now - at for at in came), (),
            Attempt(working.run, working.index, working.attempt) if working else None,
            now - member.since if working else 0.0, False, member.lane.files.boot if member.lane.files else "",
        )  # fmt: skip

    def _status(self, member: Member) -> Status:
        counters = dict.fromkeys(("slices", "images", "bytes_in", "bytes_out"), member.done)
        zeros = dict.fromkeys(("failures", "bad_messages", "refused", "warnings", "errors"), 0)
        latency = Latency(member.done, member.done * self.seconds, self.seconds, 1.4 * self.seconds, 1.5 * self.seconds)
        events = (SocketEvent(self.began, each, "connected", "process 1", "") for each in ("control", "lane", "images"))
        return Status(
            "worker", self.host, member.name, os.getpid(), "running", counters | zeros,
            {"idle": 1.0, "busy": time.time() - self.began, "blocked": 0.0},
            dict.fromkeys(STAGES, latency) if member.done else {},
            {"waiting": len(member.waiting), "outgoing": 0}, Resources(time.process_time(), 300_000_000),
            (), tuple(events), "0.1.0", self.began, "cpu",
        )  # fmt: skip

    # What it is asked for

    def _order(self) -> None:
        word, _, number = (sys.stdin.readline() or "end").strip().partition(" ")
        if word == "end":
            os._exit(0)
        if word == "lose":
            self.lost_at, self.last_back, self.back = time.monotonic(), 0.0, 0
            for member in list(islice((each for each in self.members if not each.gone), int(number))):
                self._lose(member)
            print(len(self.lost), flush=True)
        if word == "said":
            print(self.said, flush=True)
        if word == "again":
            print(self.back, len(self.lost), max(0.0, self.last_back - self.lost_at), flush=True)

    def _lose(self, member: Member) -> None:
        member.gone = True
        self.lost |= {(attempt.run, attempt.slice) for attempt in member.holds}
        for each in (member.slices, member.images):
            self._close(each)
        member.slices = member.images = None
        self._close(member.control)


def _descriptor(opened: zmq.Socket[bytes]) -> int:
    return int(opened.getsockopt(zmq.FD))


def main() -> None:
    """Run the command with its arguments."""
    raise_limit()
    control, workers, seconds, every = sys.argv[1:]
    Crowd(control, int(workers), float(seconds), float(every)).run()


if __name__ == "__main__":
    main()
