"""What a search has found, as files: written beside and put in their place, from what the detector's journal has."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from fip.archive.lightcurve import stored_entries
from fip.data.errors import NoRoomError, StoreError
from fip.events.completeness import INJECTIONS, injections_table
from fip.events.detector import live_of
from fip.events.findings import Findings, Hour, Key, is_event
from fip.events.folder import write_event
from fip.events.searching import hours_of
from fip.events.tables import as_ecsv, found_table, rates_table
from fip.events.watch import row_of
from fip.events.watching import variables_table, write_watched
from fip.events.words import CANDIDATES, EVENTS, FACTS, RATES, Asked, Found
from fip.follower.course import Course
from fip.follower.journal import JOURNAL


def publisher(asked: Asked) -> Callable[[Course], Callable[[], None]]:
    """Of a course of a search, what writes its files anew if more was found, or searched."""
    return lambda course: Publisher(course, asked).publish


VARIABLES = "variables.ecsv"

WATCHED_EVERY = 10.0  # s from one writing of the light curves of watched places to the next

Version = tuple[bool, tuple[str, ...], str]
"""What of an event its folder is written anew for: whether it is closed, its labels, its kind."""


def _version(found: Found) -> Version:
    return found.event.closed, found.labels, found.kind


class Publisher:
    """The files of one course, and what is known of its journal so far."""

    def __init__(self, course: Course, asked: Asked) -> None:
        self._course, self.asked = course, asked
        self._findings, self._last, self._count = Findings(), 0, 0
        self._shown: dict[str, bytes] = {}
        self._versions: dict[str, Version] = {}
        self._looks: dict[str, tuple[str, ...]] = {}  # by event, the labels that are given by how it looks
        self._curves, self._put_last = 0, float("-inf")  # images that these show, and when they were written

    @property
    def findings(self) -> Findings:
        """All that was found, up to the last call of `publish`."""
        return self._findings

    def publish(self) -> None:
        """Writes what has changed. Raises NoRoomError."""
        self._fold()
        found = self._findings.labelled()
        events = [each for each in found if is_event(each)]
        for each in events:
            self._described(each)
        self._put_tables(found)
        self._put_watched(now=False)
        if self._describe([each for each in events if not {"sidelobe", "injection"} & set(each.labels)]):
            self._put_tables(found)

    def found(self) -> list[Found]:
        """All that was found, with all labels, up to the last call of `publish`."""
        return list(map(self._with_looks, self._findings.labelled()))

    def _put_tables(self, found: Sequence[Found]) -> None:
        """Writes those that have changed."""
        known = list(map(self._with_looks, found))
        made = {
            EVENTS: found_table([each for each in known if is_event(each)]),
            CANDIDATES: found_table(known),
            INJECTIONS: injections_table(self._findings.injections.values()),
            RATES: rates_table(self._findings, known, self.hours()),
        }
        for name, table in made.items():
            self._put(name, as_ecsv(table).encode())

    def _with_looks(self, found: Found) -> Found:
        looks = self._looks.get(found.id, ())
        return replace(found, labels=(*found.labels, *looks)) if looks else found

    def finish(self) -> None:
        """Writes what else is to be seen when nothing more comes for now. Raises NoRoomError."""
        self.publish()
        self._put_watched(now=True)

    def _put_watched(self, now: bool) -> None:
        """The light curves of places that are watched; not each time, as each is written as a whole."""
        watched, folder = self._findings.watched, str(self._course.folder.absolute())
        if len(watched) == self._curves or not (now or time.monotonic() - self._put_last > WATCHED_EVERY):
            return
        stokes = watched[-1][2]["stokes"]
        alike = [each for each in watched if each[2]["stokes"] == stokes]
        curves = {}
        for place, each in enumerate(self.asked.watch):
            curves[each.name] = [row for row in (row_of(place, *told) for told in alike) if row]
            write_watched(self._course.directory, each, stokes, curves[each.name], folder)
        self._put(VARIABLES, as_ecsv(variables_table(curves, stokes)).encode())
        self._curves, self._put_last = len(watched), time.monotonic()

    def _describe(self, shown: Sequence[Found]) -> bool:
        """Measures events, and writes the folder of each, when it is opened, and closed, and if its labels change.

        Whether one has other labels now by how it looks.
        """
        course, entries, before = self._course, None, dict(self._looks)
        for found in shown:
            if self._described(found) != _version(found):
                entries = entries or stored_entries(course.directory)
                looks = write_event(course.directory, found, entries, str(course.folder.absolute())).found.labels
                self._looks[found.id] = tuple(each for each in looks if each not in found.labels)
                self._versions[found.id] = _version(found)
        return self._looks != before

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

    def _put(self, name: str, content: bytes) -> None:
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
        """Takes in what the journal has since; all of it again if a directory was cleared.

        StoreError for what this version cannot read.
        """
        journal = self._course.journal
        try:
            rows = list(journal.findings_after(self._last))
            if self._count + len(rows) != journal.counts()["findings"]:
                self._findings, self._count, rows = Findings(), 0, list(journal.findings_after(0))
            for number, run, index, finding in rows:
                self._findings.add(run, index, finding)
                self._last = number
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
            path = self._course.folder / JOURNAL
            raise StoreError(f"{path}: damaged, or another version's: a finding is not to be read: {said}") from None
        self._count += len(rows)
