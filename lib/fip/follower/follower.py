"""The follower's state machine: stored images in, findings out. It tells its state like every daemon."""

import logging
import os
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from fip.config import Config, Loaded
from fip.data.errors import ConfigError, StoreError, UsageError
from fip.follower.course import Habits, Taken
from fip.follower.courses import Courses, Done
from fip.follower.journal import ENDED, FAILED
from fip.follower.status_line import follower_line
from fip.follower.step import load_step
from fip.runtime.control_link import Link
from fip.runtime.gate import Gate
from fip.runtime.logs import set_level
from fip.runtime.service import Background, Daemon, Loop
from fip.runtime.sockets import host_name
from fip.runtime.vitals import Vitals
from fip.wire.messages import STATE_INTERVAL, Control, Followed, FollowerState

log = logging.getLogger("fip.follower")

LOOK_AGAIN = 0.05  # s after which new images are looked for
STALLED_FOR = 1.0  # s after which what could not be done is tried again
COUNTED = {"stored": "images", "gap": "gaps", FAILED: "failures"}
COUNTERS = (
    *("images", "late", "failed", "expired", "gaps", "unreadable", "failures", "findings", "cold_starts"),
    *("bytes_in", "stalls"),
)
STATE_DIRECTORY = "STATE_DIRECTORY"
"""The variable with which systemd tells a daemon where it may write (systemd.exec(5))."""


class Follower(Daemon):
    """Images in order, one after the other, in a thread of its own."""

    def __init__(self, name: str, loaded: Loaded, loop: Loop) -> None:
        """Raises ConfigError if the configuration has no follower of this name, or its step cannot be imported."""
        config = loaded.config
        if name not in config.follower:
            known = ", ".join(config.follower) or "none"
            raise ConfigError(f"follower.{name}: there is no such table, which says its step; there are: {known}")
        told = config.follower[name]
        try:
            step = load_step(told.step)
        except UsageError as error:
            raise ConfigError(f"follower.{name}.step: {error}") from None
        base = told.folder or (Path(os.environ[STATE_DIRECTORY]) if STATE_DIRECTORY in os.environ else None)
        self._root = told.directory or config.sink.directory
        self._courses = Courses(name, step, Habits(told.checkpoint, told.window, told.patience), self._root, base)
        self._loop, self._ventilator = loop, config.ventilator.control
        self._thread = Background(loop, "following")
        self._working, self._draining, self._finished = False, False, False
        self._within = told.step_within
        self._stalled = ""
        self._runs: tuple[Followed, ...] = ()
        self._looked = float("-inf")
        self._vitals = Vitals(loop, "follower", host_name(), name, COUNTERS, disk=base or self._root)
        self._gate = Gate(loop, config.security, "follower", self._vitals)
        self.reloads = (f"follower.{name}.log_level",)
        self.restarts = (f"follower.{name}", "security", "ventilator.control", "sink.directory")
        self._name = name
        self.reload(config)

    def start(self) -> None:
        """Points itself at the ventilator, of which it needs nothing, and looks for images."""
        self._link = Link(self._loop, self._gate, self._vitals, self._ventilator, self._hear, self._state, self._state)
        self._work()
        log.info("%s follows the images in %s", self._name, self._root)

    def drain(self) -> None:
        """Ends with the image in work."""
        self._draining = self._courses.leaving = True
        if not self._working:
            self._work()

    @property
    def finished(self) -> bool:
        """Whether it has ended with the image that was in work, and written its state."""
        return self._finished

    @property
    def hangs(self) -> bool:
        """Whether the step is at one image for longer than it may be."""
        return self._courses.hangs(self._within)

    def close(self) -> None:
        """Says good-bye."""
        self._link.say()
        self._link.close()

    def reload(self, config: Config) -> None:
        """Takes the log level."""
        self._gate.reload()
        if self._name in config.follower:
            set_level(config.follower[self._name].log_level)

    @property
    def line(self) -> str:
        """What it does, for an operator."""
        return follower_line(self._state(), str(self._root), self._vitals.rate)

    def _work(self) -> None:
        """Has the thread work for a moment, or end."""
        if self._working or self._finished:
            return
        self._working = True
        self._vitals.stopwatch.enter("busy")
        self._thread.call(self._done, self._in_thread)

    def _in_thread(self) -> tuple[Done, tuple[Followed, ...]]:
        """A moment's work, and how far it is then."""
        if self._courses.leaving:
            return self._courses.close(), ()
        done, runs = self._courses.work(), self._runs
        if time.monotonic() - self._looked >= STATE_INTERVAL:
            with suppress(StoreError):  # then what was known before
                runs = self._courses.followed()
            self._looked = time.monotonic()
        return done, runs

    def _done(self, future: "Future[tuple[Done, tuple[Followed, ...]]]") -> None:
        """Counts what the thread did, and has it work again."""
        done, self._runs = future.result()
        self._working, self._finished = False, done.closed
        for taken, seconds in done.taken:
            self._count(taken, seconds)
        self._vitals.counters["cold_starts"] = self._courses.cold_starts
        if done.stalled and not self._stalled:
            log.warning("%s; trying again", done.stalled)
            self._vitals.counters["stalls"] += 1
        self._stalled = done.stalled
        if done.taken:
            self._link.changed()
        if self._draining or (done.taken and not done.stalled):
            self._work()
        else:  # what stands still in one directory does not hold up the others
            self._vitals.stopwatch.enter("blocked" if done.stalled else "idle")
            wait = STALLED_FOR if done.stalled and not done.taken else LOOK_AGAIN
            self._loop.at(time.monotonic() + wait, self._work)

    def _count(self, taken: Taken, seconds: float) -> None:
        if taken.outcome != ENDED:
            self._vitals.counters[COUNTED.get(taken.outcome, taken.outcome)] += 1
        self._vitals.counters["findings"] += taken.findings
        if entry := taken.turn.entry:
            self._vitals.counters["bytes_in"] += entry.size
            self._vitals.took("step", seconds)
            self._vitals.took("behind", max(0.0, time.time() - entry.recorded))

    def _hear(self, message: Control) -> None:
        """The ventilator tells it nothing that it needs."""

    def _state(self) -> FollowerState:
        doing = "draining" if self._draining else "stalled" if self._stalled else "running"
        return FollowerState(self._vitals.status(doing, {}), self._runs, self._stalled, self._finished)
