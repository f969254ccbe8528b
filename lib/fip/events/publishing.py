"""What a search has found, as files: written beside and put in their place, from what the detector's journal has."""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from astropy.table import QTable

from fip.archive.pins import PINS, pins_text
from fip.catalogues.known import Known
from fip.catalogues.told import as_text
from fip.data.errors import FipError, NoRoomError, StoreError, UsageError
from fip.events import vetting
from fip.events.completeness import INJECTIONS, injections_table
from fip.events.describer import Describer, Files, files_of
from fip.events.detector import live_of
from fip.events.findings import Findings, Hour, Key, is_alone, is_event
from fip.events.folder import put_event
from fip.events.matching import Matching
from fip.events.pinning import pins_of, put_pins
from fip.events.raw import Raw
from fip.events.searching import hours_of
from fip.events.tables import as_ecsv, found_table, rates_table
from fip.events.watch import row_of
from fip.events.watching import variables_table, write_watched
from fip.events.words import CANDIDATES, EVENTS, FACTS, RATES, Asked, Found
from fip.follower.course import Course
from fip.follower.journal import JOURNAL

log = logging.getLogger("fip.events")


def publisher(asked: Asked, known: Known | None = None) -> Callable[[Course], "Publisher"]:
    """Return a function that makes a course's publisher, which writes its files anew; with what is `known` there."""
    describer = Describer()

    def of(course: Course) -> Publisher:
        with suppress(FipError):  # then views say so
            vetting.write_table(course.folder)
        return Publisher(course, asked, Matching(known, course.folder), describer)

    return of


VARIABLES = "variables.ecsv"

WRITTEN_EVERY = 2.0  # s from one writing of what changes with each image to the next
TRIES = 2  # at an event, if the process that describes it dies

Version = tuple[bool, tuple[str, ...], str, str]
"""If this changes, the folder of an event is written anew: whether it is closed, labels, kind, and what is there."""


def _version(found: Found) -> Version:
    return found.event.closed, found.labels, found.kind, as_text(found.matches)


class Publisher:
    """The files of one course, and what is known of its journal so far.

    Images come first: events are measured and drawn by a `describer`, which the courses of a detector share.
    """

    def __init__(
        self, course: Course, asked: Asked, matching: Matching | None = None, describer: Describer | None = None
    ) -> None:
        self._course, self.asked = course, asked
        self._matching = matching or Matching(folder=course.folder)
        self._describer = describer or Describer()
        self._died: Counter[tuple[str, Version]] = Counter()  # how often the describer did, of what
        self._raw = Raw(course.directory, course.folder)
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
        """Measure an event anew, and write its folder: its signal may have grown since. Raises NoRoomError."""
        for each in self._told_plain:
            if each.id == identity:
                self._describe_now(each)
                self._put_events(self._told_plain)

    def publish(self, idle: bool) -> bool:
        """Write what has changed; return whether all is shown. Slow writing waits for `idle`. Raises FipError."""
        self._put_described()
        self._fold()
        found = self._labelled()
        self._put_events(found)
        described = self._has_described(found)
        if not idle:
            return False
        if time.monotonic() - self._written > WRITTEN_EVERY:
            self._put_the_rest(found)
        return described and self._shown_last == self._last

    def finish(self) -> None:
        """Write all that is left. Raises FipError."""
        self._put_described(wait=True)
        self._fold()
        found = self._labelled()
        self._put_events(found)
        while due := self._undescribed(found):
            self._describe_now(due[0])
        self._put_events(found, last=True)
        self._put_the_rest(found)

    def close(self) -> None:
        """Release what it holds open; the journal is the course's."""
        self._raw.close()

    def found(self) -> list[Found]:
        """All that was found, with all labels, up to the last call of `publish`."""
        return list(map(self._with_looks, self._labelled()))

    def _labelled(self) -> list[Found]:
        """All that was found, with the labels that need no images, and with what is known to be there."""
        return self._matching.matched(self._findings.labelled())

    def _put_events(self, found: Sequence[Found], last: bool = False) -> None:
        """Events and candidates, if there are more or others; `last` as of `Raw.keep`."""
        for each in filter(is_event, found):
            self._described(each)
        self._told_plain = found
        known = list(map(self._with_looks, found))
        self._pin(known, last)
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

    def _undescribed(self, found: Sequence[Found]) -> list[Found]:
        """Events that were opened, or closed, or have other labels since they were last described."""
        alone = (each for each in found if is_event(each) and is_alone(each))
        return [each for each in alone if self._described(each) != _version(each)]

    def _has_described(self, found: Sequence[Found]) -> bool:
        """Whether all are; else has one of them described, if none is in work."""
        if not (due := self._undescribed(found)):
            return True
        if self._describer.free():
            self._describer.ask(self._course.directory, due[0])
        return False

    def _describe_now(self, found: Found) -> None:
        """Describe it in the other process, if that runs, as it has loaded what draws; else in this one."""
        self._put_described(wait=True)
        if self._describer.pid and self._describer.free():
            self._describer.ask(self._course.directory, found)
            self._put_described(wait=True)
        else:
            self._put_files(files_of(self._course.directory, found))

    def _put_described(self, wait: bool = False) -> None:
        """Write what was described since the last call; give up at last on an event that makes the describer die."""
        if not self._describer.is_at(self._course.directory):
            return
        of = self._describer.found
        try:
            files = self._describer.answer(wait)
        except ChildProcessError as error:
            key = (of.id, _version(of))
            self._died[key] += 1
            given_up = self._died[key] >= TRIES
            log.warning("%s; %s", error, "it has no folder" if given_up else "trying again")
            if given_up:
                self._versions[of.id] = _version(of)
            return
        if files:
            self._put_files(files)

    def _put_files(self, files: Files) -> None:
        found = files.of
        put_event(self._course.folder / found.id, files.files)
        self._looks[found.id] = tuple(label for label in files.looks if label not in found.labels)
        self._versions[found.id] = _version(found)

    def _described(self, found: Found) -> Version | None:
        """Return the version in which an event was last described; None if it was not."""
        if found.id not in self._versions:
            try:
                facts = json.loads((self._course.folder / found.id / FACTS).read_bytes())
                self._looks[found.id] = looks = tuple(map(str, facts["looks"]))
                given = tuple(each for each in facts["labels"] if each not in looks)
                there = json.dumps(facts["matches"]) if facts.get("matches") else ""
                self._versions[found.id] = bool(facts["closed"]), given, str(facts["kind"]), there
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._versions[found.id]

    def hours(self) -> dict[tuple[Key, int], Hour]:
        """How much was searched in each hour, those in which a run is now among them."""
        states = self._course.states().items()
        return self._findings.with_hours({run: hours_of(live_of(state)) for run, state in states})

    def _pin(self, known: Sequence[Found], last: bool) -> None:
        """Before anything is shown, keep the images of each event, and what was received at its time."""
        pins = pins_of(known, self._verdicts())
        try:
            put_pins(self._course.files, pins_text(pins))
        except OSError as error:
            raise NoRoomError(f"{self._course.files.path / PINS}: cannot be written: {error.strerror}") from None
        pinned = {each.event for each in pins}
        self._raw.keep([each for each in known if each.id in pinned], last)

    def _put(self, name: str, table: QTable) -> None:
        content = as_ecsv(table).encode()
        if self._shown.get(name) == content:
            return
        folder = self._course.files
        try:
            folder.write_new(f"{name}.part", content)
            folder.replace(f"{name}.part", name)
        except OSError as error:
            raise NoRoomError(f"{folder.path / name}: cannot be written: {error.strerror}") from None
        self._shown[name] = content

    def _fold(self) -> None:
        """Take in what the journal has since; all of it again if a directory was cleared.

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
