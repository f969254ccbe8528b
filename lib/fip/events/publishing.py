"""What a search has found, as files: written beside and put in their place, from what the detector's journal has."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from astropy.table import QTable

from fip.archive.lightcurve import stored_entries
from fip.archive.pins import PINS, pins_text
from fip.data.errors import FipError, NoRoomError, StoreError, UsageError
from fip.events import vetting
from fip.events.completeness import INJECTIONS, injections_table
from fip.events.detector import live_of
from fip.events.findings import Findings, Hour, Key, is_alone, is_event
from fip.events.folder import write_event
from fip.events.pinning import pins_of
from fip.events.searching import hours_of
from fip.events.tables import as_ecsv, found_table, rates_table
from fip.events.watch import row_of
from fip.events.watching import variables_table, write_watched
from fip.events.words import CANDIDATES, EVENTS, FACTS, RATES, Asked, Found
from fip.follower.course import Course
from fip.follower.journal import JOURNAL


def publisher(asked: Asked) -> Callable[[Course], "Publisher"]:
    """Of a course of a search, what writes its files anew if more was found, or searched."""

    def of(course: Course) -> Publisher:
        with suppress(FipError):  # then views say so
            vetting.write_table(course.folder)
        return Publisher(course, asked)

    return of


VARIABLES = "variables.ecsv"

WRITTEN_EVERY = 2.0  # s from one writing of what changes with each image to the next

Version = tuple[bool, tuple[str, ...], str]
"""What of an event its folder is written anew for: whether it is closed, its labels, its kind."""


def _version(found: Found) -> Version:
    return found.event.closed, found.labels, found.kind


class Publisher:
    """The files of one course, and what is known of its journal so far."""

    def __init__(self, course: Course, asked: Asked) -> None:
        self._course, self.asked = course, asked
        self._findings, self._last = Findings(), 0
        self._opened: dict[str, float] = {}  # when each run was
        self._shown: dict[str, bytes] = {}
        self._versions: dict[str, Version] = {}
        self._looks: dict[str, tuple[str, ...]] = {}  # by event, the labels that are given by how it looks
        self._told: list[Found] | None = None  # as the tables have it; None before they were written
        self._vetted: tuple[object, Mapping[str, str]] = None, {}  # verdicts by event, and the stamp of their store
        self._told_plain: Sequence[Found] = ()  # the same, without labels by looks
        self._curves = 0  # images that the light curves of watched places show
        self._written, self._shown_last = float("-inf"), 0  # when all was written, and up to which decision

    @property
    def findings(self) -> Findings:
        """All that was found, up to the last call of `publish`."""
        return self._findings

    @property
    def position(self) -> int:
        """The last decision of the journal in which something was found, up to the last call of `publish`."""
        return self._last

    @property
    def shown(self) -> Sequence[Found]:
        """All that was found, with all labels, as the tables have it."""
        return self._told or ()

    @property
    def described(self) -> frozenset[str]:
        """The ids of the events whose folders have them as they are in the tables."""
        told = self._told_plain
        return frozenset(each.id for each in told if is_event(each) and self._described(each) == _version(each))

    def describe(self, identity: str) -> None:
        """Measures an event anew, and writes its folder: its signal may have grown since. Raises NoRoomError."""
        for each in self._told_plain:
            if each.id == identity:
                self._describe(each, self._told_plain)

    def publish(self, idle: bool) -> bool:
        """Writes what has changed; whether all is shown. Raises NoRoomError.

        Images come first: what takes long is written if nothing else is to be done, one event at a time.
        """
        self._fold()
        found = self._findings.labelled()
        self._put_events(found)
        if not idle:
            return False
        if time.monotonic() - self._written > WRITTEN_EVERY:
            self._put_the_rest(found)
        return not self._describe_one(found) and self._shown_last == self._last

    def finish(self) -> None:
        """Writes all. Raises NoRoomError."""
        self.publish(idle=False)
        found = self._findings.labelled()
        while self._describe_one(found):
            pass
        self._put_the_rest(found)

    def close(self) -> None:
        """It holds nothing open: the journal is the course's."""

    def found(self) -> list[Found]:
        """All that was found, with all labels, up to the last call of `publish`."""
        return list(map(self._with_looks, self._findings.labelled()))

    def _put_events(self, found: Sequence[Found]) -> None:
        """Events and candidates, if there are more or others."""
        for each in filter(is_event, found):
            self._described(each)
        self._told_plain = found
        known = list(map(self._with_looks, found))
        self._put_content(PINS, pins_text(pins_of(known, self._verdicts())))  # first: what is told is kept
        if known != self._told:
            self._put(EVENTS, found_table([each for each in known if is_event(each)]))
            self._put(CANDIDATES, found_table(known))
            self._told = known

    def _verdicts(self) -> Mapping[str, str]:
        """What was said of events, by their ids; what was read before holds if it is not to be read."""
        folder = self._course.folder
        if (stamp := vetting.stamp_of(folder)) != self._vetted[0]:
            with suppress(UsageError):  # those who show verdicts say so
                self._vetted = stamp, {event: each.label for event, each in vetting.verdicts(folder).items()}
        return self._vetted[1]

    def _put_the_rest(self, found: Sequence[Found]) -> None:
        """What changes with each image, and is written as a whole: not each time."""
        known = list(map(self._with_looks, found))
        self._put(INJECTIONS, injections_table(self._findings.injections.values()))
        self._put(RATES, rates_table(self._findings, known, self.hours()))
        self._put_watched()
        self._written, self._shown_last = time.monotonic(), self._last

    def _with_looks(self, found: Found) -> Found:
        looks = self._looks.get(found.id, ())
        return replace(found, labels=(*found.labels, *looks)) if looks else found

    def _put_watched(self) -> None:
        """The light curves of places that are watched."""
        watched, folder = self._findings.watched, str(self._course.folder.absolute())
        if len(watched) == self._curves:
            return
        stokes = watched[-1][2]["stokes"]
        alike = [each for each in watched if each[2]["stokes"] == stokes]
        curves = {}
        for place, each in enumerate(self.asked.watch):
            curves[each.name] = [row for row in (row_of(place, *told) for told in alike) if row]
            write_watched(self._course.directory, each, stokes, curves[each.name], folder)
        self._put(VARIABLES, variables_table(curves, stokes))
        self._curves = len(watched)

    def _describe_one(self, found: Sequence[Found]) -> bool:
        """Measures an event, and writes its folder, if it was opened, or closed, or its labels have changed since.

        Whether there was one.
        """
        for each in filter(is_event, found):
            if is_alone(each) and self._described(each) != _version(each):
                self._describe(each, found)
                return True
        return False

    def _describe(self, each: Found, found: Sequence[Found]) -> None:
        entries = stored_entries(self._course.directory)
        folder = str(self._course.folder.absolute())
        looks = write_event(self._course.directory, each, entries, folder).found.labels
        self._looks[each.id] = tuple(label for label in looks if label not in each.labels)
        self._versions[each.id] = _version(each)
        self._put_events(found)

    def _described(self, found: Found) -> Version | None:
        """As what an event was last described; None if it was not."""
        if found.id not in self._versions:
            try:
                told = json.loads((self._course.folder / found.id / FACTS).read_bytes())
                self._looks[found.id] = looks = tuple(map(str, told["looks"]))
                given = tuple(each for each in told["labels"] if each not in looks)
                self._versions[found.id] = bool(told["closed"]), given, str(told["kind"])
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._versions[found.id]

    def hours(self) -> dict[tuple[Key, int], Hour]:
        """How much was searched in each hour, those in which a run is now among them."""
        states = self._course.states().items()
        return self._findings.with_hours({run: hours_of(live_of(state)) for run, state in states})

    def _put(self, name: str, table: QTable) -> None:
        self._put_content(name, as_ecsv(table).encode())

    def _put_content(self, name: str, content: bytes) -> None:
        if self._shown.get(name) == content:
            return
        folder = self._course.files
        try:
            folder.write_new(f"{name}.part", content)
            folder.replace(f"{name}.part", name)
            if name == PINS:
                folder.sync()
        except OSError as error:
            raise NoRoomError(f"{folder.path / name}: cannot be written: {error.strerror}") from None
        self._shown[name] = content

    def _fold(self) -> None:
        """Takes in what the journal has since; all of it again if a directory was cleared.

        StoreError for what this version cannot read.
        """
        journal = self._course.journal
        opened = journal.opened()
        if any(opened.get(run) != since for run, since in self._opened.items()):
            self._findings, self._last = Findings(), 0
        self._opened = opened
        try:
            for number, run, index, finding in journal.findings_after(self._last):
                self._findings.add(run, index, finding)
                self._last = number
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
            path = self._course.folder / JOURNAL
            raise StoreError(f"{path}: damaged, or another version's: a finding is not to be read: {said}") from None
