"""A daemon's process in made time: its loop takes turns when something is ready, and systemd starts it again."""

import re
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from itertools import count
from typing import Any

import zmq

from fip.data.errors import ConfigError, FipError
from fip.runtime.service import Daemon, Loop
from simulated.network import Network, SimContext, SimPoller
from simulated.world import Host, ViolationError, World
from support.repository import ROOT

TURN = 50e-6  # s that a turn takes, at the least
UNITS = ROOT / "systemd"


@cache
def setting(unit: str, name: str) -> float:
    """A number that systemd has for a unit, as RestartSec=: of its drop-ins the last that says it."""
    files = [UNITS / "daemon.conf", *sorted((UNITS / f"{unit}.service.d").glob("*.conf"))]
    found = [value for file in files for value in re.findall(rf"^{name}=([0-9.]+)s?$", file.read_text(), re.MULTILINE)]
    return float(found[-1])


class KilledError(BaseException):
    """SIGKILL, or the power, in the midst of a turn: nothing of the daemon may catch it."""


class SimLoop(Loop):
    """The real loop, with its dispatch, on simulated sockets."""

    def __init__(self, process: "Process") -> None:
        self.process = process
        self.made = SimContext(process.network, process.host, process.wake, lambda: process.stopped)
        self.context = self.made  # type: ignore[assignment]
        self._sockets = SimPoller()
        self._poller = self._sockets  # type: ignore[assignment]
        self._handlers = {}
        self._timers = []
        self._sequence = process.sequence
        self._calls = process.calls
        self.charge = _charged

    def soon(self, call: Callable[[], None]) -> None:
        """Call in the next turn."""
        self._calls.append(call)
        self.process.wake()

    def on_any(self, what: zmq.Socket[bytes], handler: Callable[[], None]) -> None:
        """Register a handler, as `on` does."""
        self.on(what, handler)

    def off_any(self, what: zmq.Socket[bytes]) -> None:
        """Remove a handler, as `off` does."""
        self.off(what)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call once, at a monotonic time of its host."""
        super().at(when, call)
        self.process.wake_at(when - self.process.host.booted)

    def turn(self) -> None:
        """All that can be done now."""
        while self._calls:
            self._calls.popleft()()
        self._turn()

    @property
    def ready(self) -> bool:
        """Whether a handler is to be called."""
        return bool(self._calls) or self._sockets.any

    def close(self) -> None:
        """Close all sockets of this process."""
        self.made.destroy()

    @property
    def next_timer(self) -> float | None:
        """When the next timer is due, in s of the world."""
        return self._timers[0][0] - self.process.host.booted if self._timers else None


def _charged(error: Exception) -> None:
    raise ViolationError(f"a message was not taken for data: {type(error).__name__}: {error}") from error


class SimBackground:
    """A thread in which work takes made time; `Process.work` says how long, and whether it ends."""

    def __init__(self, loop: SimLoop, name: str) -> None:
        self._process = loop.process

    def call(self, then: Callable[[Future[Any]], None], function: Callable[..., Any], *args: Any) -> None:
        """Call `then` with what `function` gives, later."""
        process = self._process
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:  # noqa: BLE001 it is the daemon's to deal with
            future.set_exception(error)
        seconds = process.work()
        if seconds is not None:
            process.later(seconds, lambda: then(future))

    def close(self) -> None:
        """There is no thread to wait for."""


class Process:
    """One unit of systemd's and the daemon that it runs."""

    def __init__(
        self, name: str, unit: str, host: Host, world: World, network: Network, make: Callable[[Loop], Daemon]
    ) -> None:
        self._unit = unit
        self.name, self.host, self.world, self.network, self._make = name, host, world, network, make
        self.daemon: Daemon | None = None
        self.stopped = False  # SIGSTOP, or a machine that swaps
        self.life = 0
        self.work: Callable[[], float | None] = lambda: 0.02
        self.on_death: Callable[[], None] = lambda: None
        self.dies_in: int | None = None  # operations on disks and databases, after which it is killed
        self._deaths: list[float] = []
        self.failed = False  # whether systemd has given up on it
        self._due: float | None = None

    def start(self) -> None:
        """Start it, if it does not run."""
        if self.daemon is not None or self.failed:
            return
        self.life += 1
        self.calls: deque[Callable[[], None]] = deque()
        self.sequence = count()
        self._due = None
        self.loop = SimLoop(self)
        with self.world.on(self.host):
            try:
                self.daemon = self._make(self.loop)
                self.daemon.start()
                self.loop.charge = _charged
                self.world.say(f"{self.name} starts")
            except KilledError:
                self._died(own=False)
                return
            except FipError as error:
                self.world.say(f"{self.name} cannot start: {error}")
                self.failed = isinstance(error, ConfigError)  # as RestartPreventExitStatus= has it
                self._died(own=True)
                return
        self.wake()

    def kill(self) -> None:
        """SIGKILL; systemd starts it again."""
        if self.daemon is not None:
            self.world.say(f"{self.name} is killed")
            self._died(own=False)

    def die(self) -> None:
        """It dies by itself, of what it does."""
        if self.daemon is not None:
            self.world.say(f"{self.name} dies")
            self._died(own=True)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call in the loop after so many seconds, unless the daemon has ended by then."""
        life = self.life

        def now() -> None:
            if self.life == life:
                self.loop.soon(call)

        self.world.after(seconds, now)

    def operation(self) -> None:
        """It is about to do something to a disk or a database."""
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in < 0:
                self.dies_in = None
                raise KilledError

    def terminate(self) -> None:
        """Act on a first SIGTERM: drain."""
        if self.daemon is not None:
            self.world.say(f"{self.name} drains")
            self.loop.soon(self.daemon.drain)

    def stop(self, seconds: float) -> None:
        """It does nothing for so many seconds."""
        self.stopped = True
        self.world.say(f"{self.name} stands still for {seconds:.2f} s")

        def go_on() -> None:
            self.stopped = False
            self.wake()

        self.world.after(seconds, go_on)

    def wake(self) -> None:
        """Look again soon: something may be ready."""
        self.wake_at(self.world.now + TURN)

    def wake_at(self, when: float) -> None:
        """Something will be ready then."""
        if self._due is None or when < self._due:
            self._due = when
            self.world.at(when, lambda: self._turn(when, self.life))

    def _turn(self, when: float, life: int) -> None:
        if when != self._due or life != self.life:
            return
        self._due = None
        if self.daemon is None or self.stopped:
            return
        self.world.turns += 1
        self.world.ending = False
        with self.world.on(self.host):
            try:
                self.loop.turn()
                over = self.daemon.finished
                if over:
                    self.world.ending = True  # with no loop to keep turning, it may wait
                    self.daemon.close()
            except ViolationError:
                raise
            except KilledError:
                self.world.say(f"{self.name} is killed at work")
                self._died(own=False)
                return
            except Exception as error:
                raise ViolationError(f"{self.name} dies of {type(error).__name__}: {error}") from error
        if over:
            self.world.say(f"{self.name} has ended")
            self.loop.made.destroy()
            self._gone()
            return
        if self.loop.ready:
            self.wake()
        elif self.loop.next_timer is not None:
            self.wake_at(max(self.loop.next_timer, self.world.now + TURN))

    def _died(self, own: bool) -> None:
        self.loop.made.abort()
        if own:
            within, most = setting(self._unit, "StartLimitIntervalSec"), setting(self._unit, "StartLimitBurst")
            self._deaths = [at for at in self._deaths if self.world.now - at < within] + [self.world.now]
            if len(self._deaths) >= most and within > 0:
                self.failed = True
                self.world.say(f"systemd gives {self.name} up")
        self._gone()

    def _gone(self) -> None:
        self.on_death()
        self.daemon = None
        self.life += 1
        if not self.failed:
            self.world.after(setting(self._unit, "RestartSec") * (1 + self.world.chance.random()), self.start)
