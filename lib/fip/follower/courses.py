"""All directories of images that a follower follows: a directory itself, or the folders of jobs in one. One thread."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fip.archive.file_names import LEDGER
from fip.archive.stamps import Stamp, stamp_of
from fip.data.errors import FipError, StoreError, UsageError
from fip.data.names import is_label
from fip.follower.course import Course, Habits, Taken
from fip.follower.step import Step
from fip.wire.messages import Followed

log = logging.getLogger("fip.follower")

LOOK_EVERY = 1.0  # s between two looks for directories
ENDED = 8  # runs that are over for which it is still reported how far they were followed
AT_ONCE = 0.1  # s of work, before what was done is reported


class Showing(Protocol):
    """What shows people all that was found in a course. Its methods raise FipError."""

    def publish(self, idle: bool) -> bool:
        """Publish after more was found; `idle`: nothing else is to be done now. Returns whether all is shown."""

    def finish(self) -> None:
        """Show all that is not shown yet."""

    def close(self) -> None:
        """Release what it holds open."""


Publisher = Callable[[Course], Showing]

FOLDER = "followers"
"""Beside images, the folder of what followers found, by their names."""


@dataclass(frozen=True)
class Done:
    """What was done at once."""

    taken: tuple[tuple[Taken, float], ...] = ()  # each with the s that it took
    stalled: str = ""  # why something cannot be done now
    closed: bool = False  # whether that was all


class Courses:
    """The courses of one follower; each is opened if there may be something new, and closed when its runs are over."""

    def __init__(
        self,
        name: str,
        step: Step,
        habits: Habits,
        root: Path,
        base: Path | None,
        beside: str = "",
        publisher: Publisher | None = None,
    ) -> None:
        """`root` holds images, or folders of them; what is found goes to `base`, by job, or else beside the images.

        There it is `beside`, or followers/NAME.
        """
        self._name, self._step, self._habits = name, step, habits
        self._root, self._base, self._beside = root, base, beside or f"{FOLDER}/{name}"
        self._publisher = publisher
        self._showing: dict[Path, Showing] = {}
        self._unpublished: set[Path] = set()
        self._open: dict[Path, Course] = {}
        self._rest: dict[Path, Stamp] = {}  # of those whose runs are over
        self._looked = float("-inf")
        self._cold_starts = 0  # of those that are closed
        self._ended: deque[Followed] = deque(maxlen=ENDED)  # how far the last were that are closed
        self.leaving = False  # set from any thread: what is in work is ended, and no more

    def work(self) -> Done:
        """Decide slices for a moment, one of each directory in turn. What cannot be done now is said, not raised."""
        taken: list[tuple[Taken, float]] = []
        stalled = self._look()
        until, going = time.monotonic() + AT_ONCE, list(self._open)
        while going and time.monotonic() < until:
            for directory in list(going):
                if self.leaving:
                    return Done(tuple(taken))
                begun = time.monotonic()
                found = None
                try:
                    found = self._open[directory].advance()
                except FipError as error:
                    stalled = str(error)
                if found is None:
                    going.remove(directory)
                else:
                    taken.append((found, time.monotonic() - begun))
                    self._unpublished.add(directory)
        stalled = self._publish_all(idle=not taken) or stalled
        return Done(tuple(taken), stalled or self._close_those_that_are_over())

    def hangs(self, within: float) -> bool:
        """Say whether the step is at one image for longer than so many seconds; that is noted. From any thread."""
        for course in list(self._open.values()):
            at = course.stepping
            if at and time.monotonic() - at.since > within:
                course.mark_hung(at)
                return True
        return False

    def followed(self) -> tuple[Followed, ...]:
        """How far each run is that is followed now. Raises StoreError."""
        now = [each for directory, course in self._open.items() for each in self._of(directory, course)]
        return (*self._ended, *now)

    def _publish_all(self, idle: bool) -> str:
        """Show what was found; slow work only if nothing else is to be done. Return why it cannot be shown, or ""."""
        stalled = ""
        for directory in list(self._unpublished):
            try:
                if directory not in self._showing or self._showing[directory].publish(idle):
                    self._unpublished.discard(directory)
            except FipError as error:  # it does not hold up the others
                stalled = str(error)
        return stalled

    def close(self) -> Done:
        """Write checkpoints, and close all courses."""
        for directory, course in self._open.items():
            with suppress(FipError):  # the next life shows it
                if directory in self._unpublished and directory in self._showing:
                    self._showing[directory].finish()
            self._conclude(course)
            self._let_go(directory)
            course.close()
        self._open.clear()
        return Done(closed=True)

    @property
    def cold_starts(self) -> int:
        """The number of times it had to begin with nothing."""
        return self._cold_starts + sum(course.cold_starts for course in self._open.values())

    def _of(self, directory: Path, course: Course) -> Iterator[Followed]:
        job = "" if directory == self._root or not is_label(directory.name) else directory.name
        for run, (first, *later) in course.under_way().items():
            far = course.how_far(first)
            backlog = course.how_far(later[0]) if later else far if first.backlog is None else None
            yield Followed(self._name, job, run, *far, str(course.folder), backlog)

    def _look(self) -> str:
        """Open the courses of directories that may have something new; return why one cannot be opened, or ""."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return ""
        self._looked = time.monotonic()
        stalled = ""
        for directory in self._directories():
            if directory not in self._open and self._rest.get(directory) != stamp_of(directory):
                try:
                    course = Course(directory, self._place(directory), self._step, self._habits)
                    self._open[directory] = course
                    if self._publisher:
                        self._showing[directory] = self._publisher(course)
                        self._unpublished.add(directory)
                except FipError as error:
                    stalled = str(error)
        return stalled

    def _directories(self) -> list[Path]:
        """Those with a ledger: the root, else what is in it."""
        if (self._root / LEDGER).exists():
            return [self._root]
        try:
            return sorted(path for path in self._root.iterdir() if (path / LEDGER).exists())
        except OSError:
            return []

    def folder_of(self, job: str) -> Path:
        """The folder of what is found in the images of a job, "" for those of the root. UsageError if it has none."""
        directory = self._root / job
        if directory not in self._directories():
            raise UsageError(f"{directory} is not followed here: it has no images of a run")
        return self._place(directory)

    def _place(self, directory: Path) -> Path:
        """The folder of what is found in a directory."""
        if self._base is None:
            return directory / self._beside
        return self._base / directory.resolve().name

    def _close_those_that_are_over(self) -> str:
        """Why the state of one cannot be written now, or ""."""
        for directory, course in list(self._open.items()):
            if course.over and directory not in self._unpublished:
                if fault := self._conclude(course):
                    return fault
                with suppress(StoreError):  # then what was reported last holds
                    self._ended.extend(list(self._of(directory, course)))
                self._rest[directory] = course.stamp
                self._cold_starts += course.cold_starts
                self._let_go(directory)
                course.close()
                del self._open[directory]
        return ""

    def _let_go(self, directory: Path) -> None:
        if showing := self._showing.pop(directory, None):
            showing.close()

    @staticmethod
    def _conclude(course: Course) -> str:
        """Why what is known cannot be written now; "" if it is."""
        try:
            course.conclude()
        except FipError as error:
            log.warning("%s", error)
            return str(error)
        return ""
