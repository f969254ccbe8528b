"""The follower's state machine: stored images in, findings out. It reports its state like every daemon."""

import logging
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress

from fip.config import DETECTOR, Config, Loaded
from fip.data.errors import FipError, StoreError
from fip.follower.course import Taken
from fip.follower.courses import Courses, Done
from fip.follower.duty import Duty, Entering
from fip.follower.journal import ENDED, FAILED
from fip.follower.status_line import follower_line
from fip.runtime.control_link import Link
from fip.runtime.gate import Gate
from fip.runtime.logs import set_level
from fip.runtime.service import Background, Daemon, Loop
from fip.runtime.sockets import host_name
from fip.runtime.vitals import Vitals
from fip.wire.messages import STATE_INTERVAL, Answered, Control, Followed, FollowerState, Vet

log = logging.getLogger("fip.follower")

LOOK_AGAIN = 0.02  # s after which new images are looked for
ANSWERS = 32  # answers to operators that are reported; more are not asked for within a moment
STALLED_FOR = 1.0  # s after which what could not be done is tried again
COUNTED = {"stored": "images", "gap": "gaps", FAILED: "failures"}
COUNTERS = (
    *("images", "late", "failed", "expired", "gaps", "unreadable", "failures", "findings", "cold_starts"),
    *("bytes_in", "stalls"),
)


class Follower(Daemon):
    """Images in order, one after the other, in a thread of its own."""

    def __init__(self, duty: Duty, loaded: Loaded, loop: Loop) -> None:
        config, name = loaded.config, duty.name
        self._root = config.followers[name].directory or config.sink.directory
        self._courses = Courses(name, duty.step, duty.habits, self._root, duty.base, duty.beside, duty.publisher)
        self._entering = duty.entering
        self._asked: deque[str] = deque(maxlen=ANSWERS)  # the last requests
        self._answered: deque[Answered] = deque(maxlen=ANSWERS)
        self._loop, self._ventilator = loop, config.ventilator.control
        self._thread = Background(loop, "following")
        self._working, self._draining, self._finished = False, False, False
        self._within = duty.step_within
        self._stalled = ""
        self._runs: tuple[Followed, ...] = ()
        self._looked = float("-inf")
        self._vitals = Vitals(loop, "follower", host_name(), name, COUNTERS, disk=duty.base or self._root)
        self._gate = Gate(loop, config.security, "follower", self._vitals)
        self.reloads = (f"{duty.table}.log_level",)
        alerts = ("alerts",) if name == DETECTOR else ()
        self.restarts = (duty.table, *alerts, "security", "ventilator.control", "sink.directory")
        self._name = name
        self.reload(config)

    def start(self) -> None:
        """Open the link to the ventilator, from which it needs nothing, and look for images."""
        self._link = Link(self._loop, self._gate, self._vitals, self._ventilator, self._hear, self._state, self._state)
        self._work()
        log.info("%s follows the images in %s", self._name, self._root)

    def drain(self) -> None:
        """End with the image in work."""
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
        """Say good-bye to the ventilator."""
        self._link.leave()

    def reload(self, config: Config) -> None:
        """Take the log level from the configuration."""
        self._gate.reload()
        if told := config.followers.get(self._name):
            set_level(told.log_level)

    @property
    def line(self) -> str:
        """What it does, for an operator."""
        return follower_line(self._state(), str(self._root), self._vitals.rate)

    def _work(self) -> None:
        """Let the thread work for a moment, or end."""
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
        """Count what the thread did, and let it work again."""
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
        """Handle a message of the ventilator. An operator may have something entered, and repeats the request until
        this follower's state has the answer. Nothing else is needed from the ventilator.
        """
        if isinstance(message, Vet) and self._entering and message.request not in self._asked:
            self._asked.append(message.request)
            self._thread.call(self._entered, self._enter, self._entering, message)

    def _enter(self, enter: Entering, vet: Vet) -> Answered:
        """Enter what is said, in the thread."""
        try:
            enter(self._courses.folder_of(vet.directory), vet)
        except FipError as error:
            return Answered(vet.request, str(error))
        return Answered(vet.request)

    def _entered(self, future: "Future[Answered]") -> None:
        self._answered.append(future.result())
        self._link.changed(waited_for=True)

    def _state(self) -> FollowerState:
        doing = "draining" if self._draining else "stalled" if self._stalled else "running"
        status, answered = self._vitals.status(doing, {}), tuple(self._answered)
        return FollowerState(status, self._runs, self._stalled, self._finished, answered)
