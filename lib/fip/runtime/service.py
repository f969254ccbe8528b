"""The runtime that all daemons share: arguments, signals, systemd, and one loop for sockets and timers.

A daemon is an object with `start`, `drain` and `finished`; all it does happens in handlers that the loop calls, in
one thread. Long work goes to a `Background` thread, whose results come back as calls in the loop.
"""

import argparse
import heapq
import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from math import ceil
from pathlib import Path
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

import zmq

from fip import __version__
from fip.config import Config, Loaded, flatten, load
from fip.data.errors import ConfigError, FipError
from fip.runtime.door import raise_limit
from fip.runtime.logs import log_to_stderr
from fip.runtime.notify import Notifier
from fip.runtime.parent import end_with_parent

Result = TypeVar("Result")
Given = TypeVarTuple("Given")
log = logging.getLogger("fip")

_READ, _WRITE = int(zmq.POLLIN), int(zmq.POLLOUT)  # numbers: pyzmq's own enumeration is slow to take apart
EXIT_CONFIG = 78  # EX_CONFIG: systemd does not start the daemon again
MOST_SOCKETS = 16384  # of a process; a lane takes three, with what reports its connections
LONGEST_WAIT = 60.0  # s, of one turn: what is due in a thousand years is no reason to poll for so long
TELL_EVERY = 1.0  # s between two messages to systemd; its patience, WatchdogSec= in the units, is many times that
PARENT_VARIABLE = "FIP_PARENT"


class Daemon(Protocol):
    """A daemon as the loop runs it."""

    reloads: Collection[str]
    """The settings (dotted keys) that `reload` takes."""

    restarts: Collection[str]
    """The settings, or tables of them, that it reads at its start; what `reload` takes is left out of them."""

    def start(self) -> None:
        """Open sockets and register handlers."""

    def drain(self) -> None:
        """Take nothing new, and end what is in work: the first SIGTERM or SIGINT came."""

    @property
    def finished(self) -> bool:
        """Return whether the loop may end; asked after each turn."""

    def close(self) -> None:
        """Close all sockets and files of the daemon."""

    def reload(self, config: Config) -> None:
        """Take the settings that may change while it runs. Raises ConfigError, and then changes nothing."""

    @property
    def line(self) -> str:
        """Return what the daemon does or waits for, as one line for an operator."""

    @property
    def hangs(self) -> bool:
        """Return whether work outside the loop takes longer than any should: then systemd restarts the daemon."""
        return False


class Loop:
    """Sockets, timers and calls from other threads, handled one after the other.

    What comes to a socket is data: an error that leaves the handler of one is charged to its message, and the daemon
    goes on. An error in a timer or a call, which nobody sends, ends the daemon, and so does an AssertionError anywhere:
    then what it knows is wrong, and whoever starts it again has it begin from what is on disk.
    """

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, MOST_SOCKETS)
        self.charge: Callable[[Exception], None] = Charged()
        self._poller = zmq.Poller()
        self._handlers: dict[tuple[zmq.Socket[bytes] | int, int], Callable[[], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = count()
        self._calls: deque[Callable[[], None]] = deque()
        self._waker, self._wake = socket.socketpair()
        for end in (self._waker, self._wake):
            end.setblocking(False)
        self.on(self._wake.fileno(), self._run_calls)
        self._many = select.epoll()
        self._any: dict[int, tuple[zmq.Socket[bytes], Callable[[], None]]] = {}  # by their descriptors
        self.on(self._many.fileno(), self._run_many)

    def on(self, what: zmq.Socket[bytes] | int, handler: Callable[[], None], event: int = _READ) -> None:
        """Call `handler` whenever the socket (or file descriptor) can be read, or written: POLLOUT."""
        self._handlers[what, int(event)] = handler
        self._watch(what)

    def off(self, what: zmq.Socket[bytes] | int, event: int = _READ) -> None:
        """End what `on` began; for a socket that is not watched, change nothing."""
        self._handlers.pop((what, int(event)), None)
        self._watch(what)

    def on_any(self, what: zmq.Socket[bytes], handler: Callable[[], None]) -> None:
        """Do as `on`, for one of very many sockets, which its handler alone uses: silent ones cost nothing. The handler
        may be called without need."""
        descriptor = int(what.getsockopt(zmq.FD))
        self._any[descriptor] = what, handler
        self._many.register(descriptor, select.EPOLLIN)
        self.soon(partial(self._serve, descriptor))  # its descriptor reports changes alone

    def off_any(self, what: zmq.Socket[bytes]) -> None:
        """End what `on_any` began, before the socket is closed."""
        descriptor = int(what.getsockopt(zmq.FD))
        self._many.unregister(descriptor)
        del self._any[descriptor]

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call once, at a monotonic time."""
        heapq.heappush(self._timers, (when, next(self._sequence), call))

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call now and then every so many seconds."""

        def again() -> None:
            self.at(time.monotonic() + seconds, again)
            call()

        again()

    def soon(self, call: Callable[[], None]) -> None:
        """Call in the loop's thread; safe from any thread and from a signal handler."""
        self._calls.append(call)
        with suppress(OSError):  # it is awake already, or over
            self._waker.send(b"\0")

    def run(self, daemon: Daemon) -> None:
        """Run until the daemon has finished."""
        daemon.start()
        while not daemon.finished:
            self._turn()
        daemon.close()
        self.close()

    def close(self) -> None:
        """Close all sockets of the loop."""
        self.context.destroy()
        self._many.close()
        self._waker.close()
        self._wake.close()

    def _turn(self) -> None:
        wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else LONGEST_WAIT
        for what, events in self._poller.poll(ceil(1000 * min(wait, LONGEST_WAIT))):
            for event in (_READ, _WRITE):
                if events & event and (handler := self._handlers.get((what, event))):
                    if isinstance(what, int):  # a file descriptor of this process's own: nobody else writes there
                        handler()
                    else:
                        self.take(handler)
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def take(self, handler: Callable[[], None]) -> None:
        """Call the handler of a socket; what it cannot take costs its sender that message, and others nothing.

        For a socket that is not ZeroMQ's, and so is only a descriptor to the loop, give this to `on`.
        """
        try:
            handler()
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001 the one place for whatever nobody has thought of
            self.charge(error)

    def _run_many(self) -> None:
        for descriptor, _ in self._many.poll(0):
            self._serve(descriptor)

    def _serve(self, descriptor: int) -> None:
        what, handler = self._any.get(descriptor, (None, None))
        if handler:
            self.take(handler)
        if what and not what.closed and int(what.getsockopt(zmq.EVENTS)) & _READ:
            self.soon(partial(self._serve, descriptor))

    def _run_calls(self) -> None:
        self._wake.recv(4096)
        while self._calls:
            self._calls.popleft()()

    def _watch(self, what: zmq.Socket[bytes] | int) -> None:
        events = sum(event for event in (_READ, _WRITE) if (what, event) in self._handlers)
        if events:
            self._poller.register(what, events)
        elif what in self._poller:
            self._poller.unregister(what)


class Charged:
    """Counts the errors that were charged to messages, and logs each kind once, with its place in the code."""

    def __init__(self) -> None:
        self._kinds: set[tuple[type, str, int]] = set()

    def __call__(self, error: Exception) -> None:
        """Count a message that could not be handled, for a reason that nobody has thought of."""
        at = traceback.extract_tb(error.__traceback__)[-1]
        kind = type(error), at.filename, at.lineno or 0
        if kind not in self._kinds:
            self._kinds.add(kind)
            log.error("a message cannot be handled and is dropped; others like it are only counted", exc_info=error)


class Background:
    """One thread for long work; results come back in the loop, in the order of the calls."""

    def __init__(self, loop: Loop, name: str) -> None:
        self._loop = loop
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def call(
        self,
        then: Callable[[Future[Result]], None],
        function: Callable[[Unpack[Given]], Result],
        *args: *Given,
    ) -> None:
        """Call `function` in the thread, then `then` with its finished future in the loop."""
        future = self._executor.submit(function, *args)
        future.add_done_callback(lambda done: self._loop.soon(lambda: then(done)))

    def close(self) -> None:
        """Wait for the call in work, and drop the others."""
        self._executor.shutdown(cancel_futures=True)


def run_daemon(
    parser: argparse.ArgumentParser,
    make: Callable[[argparse.Namespace, Loaded, Loop], Daemon],
    overrides: Callable[[argparse.Namespace], dict[str, Any]] = lambda arguments: {},
) -> None:
    """Run a daemon's process for its whole life. Exits with 0, 1 (an error while running) or 78 (configuration)."""
    parser.add_argument("--config", type=Path, help="configuration file (default: the defaults)")
    parser.add_argument("--version", action="version", version=f"fip {__version__}")
    arguments = parser.parse_args()
    _end_with_parent()
    raise_limit()
    log_to_stderr(parser.prog)

    def read() -> Loaded:
        return load(arguments.config, overrides(arguments))

    try:
        loaded = read()
        loop = Loop()
        daemon = make(arguments, loaded, loop)
        _Life(loop, daemon, loaded.config, lambda: read().config)
        loop.run(daemon)
        logging.shutdown()
        os._exit(0)  # at once: what Python would take apart piece by piece, the kernel frees as a whole
    except FipError as error:
        log.error("%s", error)
        Notifier().line(str(error).splitlines()[0])
        sys.exit(EXIT_CONFIG if isinstance(error, ConfigError) else error.exit_code)


class _Life:
    """A daemon's dealings with whoever started it: signals that come in, and messages to systemd."""

    def __init__(self, loop: Loop, daemon: Daemon, config: Config, read: Callable[[], Config]) -> None:
        self._loop, self._daemon, self._read = loop, daemon, read
        self._started_with = self._config = config
        self._notifier = Notifier()
        self._draining = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._first)
        signal.signal(signal.SIGHUP, lambda number, frame: loop.soon(self._reload))
        loop.soon(self._ready)

    def _ready(self) -> None:
        self._notifier.tell("READY=1")
        self._loop.every(TELL_EVERY, self._tell)

    def _tell(self) -> None:
        """Send that the loop turns and, as far as the daemon knows, its long work too; and what it does."""
        if self._notifier.heard:
            self._notifier.line(self._daemon.line)
        if not self._daemon.hangs:  # one that is silent for as long as its unit's WatchdogSec= is killed
            self._notifier.tell("WATCHDOG=1", within=0.0)

    def _first(self, number: int, frame: object) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._second)
        log.info("%s: draining; once more to stop at once", signal.Signals(number).name)
        self._loop.soon(self._drain)

    def _second(self, number: int, frame: object) -> None:
        log.warning("stopped at once by %s", signal.Signals(number).name)
        logging.shutdown()
        os._exit(128 + number)  # nothing is lost: what is not stored is leased again

    def _drain(self) -> None:
        self._draining = True
        self._notifier.tell("STOPPING=1")
        self._daemon.drain()
        self._tell()

    def _reload(self) -> None:
        """Read the configuration again, take what may change, and say what needs a restart."""
        if self._draining:
            return
        self._notifier.tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            config = self._read()
            self._daemon.reload(config)
        except ConfigError as error:
            log.error("the configuration is not read again, nothing has changed: %s", error)
        else:
            taken = changes(self._config, config, self._daemon.reloads)
            others = changes(self._started_with, config, self._daemon.restarts, apart_from=self._daemon.reloads)
            self._config = config
            for change in taken.values():
                log.info("%s: in force", change)
            for change in others.values():
                log.warning("%s: needs a restart", change)
            log.info("the configuration was read again: %d changes in force", len(taken))
        self._notifier.tell("READY=1")
        self._tell()


def changes(old: Config, new: Config, keys: Collection[str], apart_from: Collection[str] = ()) -> dict[str, str]:
    """Return the settings of `keys` that differ, and how, by key; a key is dotted, or names a table as a whole."""
    before, after = (dict(flatten(config.model_dump(mode="json"))) for config in (old, new))
    return {
        key: f"{key} = {after.get(key)!r} (was {before.get(key)!r})"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and key not in apart_from
        and any(key == each or key.startswith(f"{each}.") for each in keys)
    }


def _end_with_parent() -> None:
    """Let the kernel send this daemon SIGTERM when the `fip run` that started it is gone."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return
    end_with_parent(signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(EXIT_CONFIG)
