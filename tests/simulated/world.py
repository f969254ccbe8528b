"""Made time, chance, and the order of events: what happens next is the earliest event, and nothing else.

Everything that a simulated pipeline does is drawn from one seed, so a seed replays to the same trace.
"""

import heapq
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from unittest.mock import patch

import xxhash

from fip.wire.status import Resources

EPOCH = 1_800_000_000.0
"""Unix s, where wall clocks begin."""


class ViolationError(AssertionError):
    """The pipeline broke a promise."""


@dataclass
class Host:
    """A machine: its clocks may step and drift, the wall clock alone."""

    name: str
    booted: float = 0.0  # s: its monotonic clock minus that of the world
    ahead: float = 0.0  # s: its wall clock minus the right time
    drift: float = 0.0  # s a second
    boots: int = 1

    def reboot(self, now: float) -> None:
        """Its monotonic clock begins again."""
        self.booted, self.boots = -now, self.boots + 1


class World:
    """The time, the events to come, and the chance of one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0  # s
        self.here = Host("nowhere")  # whose clocks are read
        self.turns = 0
        self.ending = False  # whether a daemon closes what it has
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._trace = xxhash.xxh3_64()
        self.story: list[str] = []  # what happened, for whoever reads a replay
        self._uuids = count(1)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call once at a time of the world, in s."""
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once after so many seconds."""
        self.at(self.now + seconds, call)

    def say(self, what: str) -> None:
        """Enter what happened into the trace."""
        line = f"{self.now:.6f} {what}"
        self._trace.update(line.encode())
        self.story.append(line)

    @property
    def trace(self) -> str:
        """A digest of all that happened."""
        return str(self._trace.hexdigest())

    def run(self, until: float, over: Callable[[], bool]) -> None:
        """Let events happen up to a time, or until it is `over`."""
        while self._events and self._events[0][0] <= until and not over():
            self.now, _, call = heapq.heappop(self._events)
            call()

    @contextmanager
    def on(self, host: Host) -> Iterator[None]:
        """Clocks and name of this host."""
        before, self.here = self.here, host
        try:
            yield
        finally:
            self.here = before

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Replace Python's clocks, the host's name and random ids by those of the world, within this context."""
        with (
            patch("time.monotonic", self._monotonic),
            patch("time.time", self._wall),
            patch("time.sleep", self._sleep),
            patch("socket.gethostname", lambda: self.here.name),
            patch("uuid.uuid4", self._uuid),
            patch("fip.runtime.vitals.resources", lambda disk, device: Resources()),
            patch("fip.sink.sink.uuid4", self._uuid),
            patch("fip.worker.worker.uuid4", self._uuid),
        ):
            yield

    def _monotonic(self) -> float:
        return self.now + self.here.booted

    def _wall(self) -> float:
        return EPOCH + self.now * (1 + self.here.drift) + self.here.ahead

    def _sleep(self, seconds: float) -> None:
        if not self.ending:
            raise ViolationError(f"a daemon slept for {seconds} s in its loop")

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=next(self._uuids) << 80)


REAL_CLOCK = time.perf_counter
"""How long a simulation takes."""
