"""What a daemon counts and times of its own work, for its `Status`. Each daemon has one `Vitals`.

Everything here is bounded, and cheap enough to be called for every slice: quantiles, memory and the like are taken
twice a second, however often the status is sent.
"""

import logging
import os
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import Generic, TypeVar

import zmq

from fip import __version__
from fip.data.errors import WireError
from fip.runtime.connections import watch
from fip.runtime.door import Door
from fip.runtime.logs import PeerWarnings
from fip.runtime.resources import resources
from fip.runtime.service import Loop
from fip.wire.messages import LATELY, STATE_INTERVAL
from fip.wire.status import Latency, Logged, Resources, SocketEvent, Status

Key = TypeVar("Key", bound=Hashable)
log = logging.getLogger("fip")

WINDOW = 512  # durations that the quantiles are taken from
REMEMBERED = 8  # errors, and socket events, in a status
LONGEST_TEXT = 200  # characters of an error


class Vitals:
    """Counters, times and mishaps of one daemon."""

    def __init__(
        self,
        loop: Loop,
        role: str,
        host: str,
        name: str,
        counters: Iterable[str],
        disk: Path | None = None,
        device: str = "",
    ) -> None:
        """Every counter begins at 0. `disk` is a path that the daemon writes to, `device` what it images on."""
        self.counters = Counter(dict.fromkeys((*counters, "refused", "warnings", "errors"), 0))
        self.stopwatch = Stopwatch()
        self.warnings = PeerWarnings()
        self.role = role
        self._loop, self._host, self._name = loop, host, name
        self._disk, self._device = disk, device
        self._started = time.time()
        self._windows = defaultdict[str, Window](Window)
        self._errors = _Errors(self.counters)
        self._events = Recent[tuple[str, str, str, str]](REMEMBERED)
        self._measured = -STATE_INTERVAL
        self._resources = Resources()
        self._latencies: dict[str, Latency] = {}
        self._images: deque[tuple[float, int]] = deque(maxlen=ceil(LATELY / STATE_INTERVAL))  # when, how many
        self._connected: Counter[str] = Counter()  # how many connections each socket has
        logging.getLogger("fip").addHandler(self._errors)
        self._log_charged, loop.charge = loop.charge, self.charge

    def charge(self, error: Exception) -> None:
        """Count a message that could not be handled, for a reason that nobody has thought of, as a bad one."""
        self.counters["bad_messages"] += 1
        self._log_charged(error)

    def bad_message(self, sender: str, error: WireError) -> None:
        """Count, log and drop a message that cannot be taken."""
        self.counters["bad_messages"] += 1
        self.warnings.warning(f"from {sender}: ", error)

    def took(self, stage: str, seconds: float) -> None:
        """Note that a stage was done once, and took so long."""
        self._windows[stage].add(seconds)

    def watch(self, name: str, watched: zmq.Socket[bytes], door: Door | None = None) -> None:
        """Report the connections of a socket from now on, by this name, until it is closed; `door` as in `watch`."""

        def tell(event: str, peer: str, reason: str) -> None:
            self._connected[name] += 1 if event == "connected" else -1
            self.connection(name, event, peer, reason)

        watch(self._loop, watched, tell, door)

    def connected(self, name: str) -> bool:
        """Return whether a socket that is watched has a connection."""
        return self._connected[name] > 0

    def connection(self, socket: str, event: str, peer: str, reason: str = "") -> None:
        """Note what became of a connection; with a reason, it was refused."""
        key = (socket, event, peer, reason)
        self.counters["refused"] += bool(reason)
        if reason and key not in self._events:  # who is refused tries again and again
            log.warning("%s: no connection with %s: %s", socket, peer or "a peer that is gone", reason)
        self._events.add(key)

    def status(self, state: str, queues: Mapping[str, int]) -> Status:
        """Return what the daemon says about itself now."""
        now = time.monotonic()
        if now - self._measured >= STATE_INTERVAL:
            self._measured = now
            self._resources = resources(self._disk, self._device)
            self._images.append((now, self.counters["images"]))
            self._latencies = {stage: window.latency() for stage, window in self._windows.items()}
        return Status(
            self.role, self._host, self._name, os.getpid(), state,
            counters=dict(self.counters), seconds=self.stopwatch.seconds(), latencies=self._latencies,
            queues=dict(queues), resources=self._resources, errors=self._errors.logged(),
            events=tuple(SocketEvent(at, *key, times) for key, at, times in self._events.items()),
            version=__version__, started=self._started, device=self._device,
        )  # fmt: skip

    @property
    def rate(self) -> float:
        """Return the recent rate, images/s."""
        if len(self._images) < 2:
            return 0.0
        (before, then), (after, now) = self._images[0], self._images[-1]
        return (now - then) / (after - before)


class Stopwatch:
    """Time spent idle, busy and blocked; the three sum to the wall time since it was made (as in Flink's web UI)."""

    def __init__(self) -> None:
        self._seconds = {"idle": 0.0, "busy": 0.0, "blocked": 0.0}
        self._state = "idle"
        self._since = time.monotonic()

    def enter(self, state: str) -> None:
        """Count the time for "idle", "busy" or "blocked" from now on."""
        now = time.monotonic()
        self._seconds[self._state] += now - self._since
        self._state, self._since = state, now

    def seconds(self) -> dict[str, float]:
        """Return seconds in each state up to now."""
        self.enter(self._state)
        return dict(self._seconds)


class Window:
    """Durations: how many there were, their sum, and quantiles of the last `WINDOW` of them."""

    def __init__(self) -> None:
        self._count, self._total = 0, 0.0
        self._last: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        """Add one more duration, in s."""
        self._count += 1
        self._total += seconds
        self._last.append(seconds)

    def latency(self) -> Latency:
        """Return them for a status. A quantile q is the smallest duration that at least a share q does not exceed."""
        ordered = sorted(self._last) or [0.0]
        p50, p95, p99 = (ordered[ceil(quantile * len(ordered)) - 1] for quantile in (0.5, 0.95, 0.99))
        return Latency(self._count, self._total, p50, p95, p99)


class Recent(Generic[Key]):
    """The last few different things that happened. What happens again is counted, and is the newest again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Key, tuple[float, int]] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._known

    def add(self, key: Key) -> None:
        """Add something that happened now: it is the newest, and counted."""
        _, times = self._known.pop(key, (0.0, 0))
        self._known[key] = time.time(), times + 1
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def items(self) -> list[tuple[Key, float, int]]:
        """Return (what, last time as s UTC, Unix, how often), the newest last."""
        return [(key, at, times) for key, (at, times) in self._known.items()]


class _Errors(logging.Handler):
    """Counts warnings and errors, of all threads, and keeps the last."""

    def __init__(self, counters: Counter[str]) -> None:
        super().__init__(logging.WARNING)
        self._counters = counters
        self._recent = Recent[tuple[str, str]](REMEMBERED)

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        self._counters[f"{level}s"] += 1
        self._recent.add((level, record.getMessage()[:LONGEST_TEXT]))

    def logged(self) -> tuple[Logged, ...]:
        """Return what was kept, the newest last."""
        self.acquire()
        try:
            return tuple(Logged(at, *key, times) for key, at, times in self._recent.items())
        finally:
            self.release()
