"""What a search has found, as files: written beside and put in their place, from what the detector's journal has."""

from collections.abc import Callable

from fip.data.errors import NoRoomError
from fip.events.completeness import INJECTIONS, injections_table
from fip.events.detector import live_of
from fip.events.findings import Findings, Hour, Key, is_event
from fip.events.searching import hours_of
from fip.events.tables import CANDIDATES, EVENTS, RATES, as_ecsv, found_table, rates_table
from fip.follower.course import Course


def publisher(course: Course) -> Callable[[], None]:
    """What writes the files of a course anew if more was found, or searched."""
    return Publisher(course).publish


class Publisher:
    """The files of one course, and what is known of its journal so far."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._findings, self._last, self._count = Findings(), 0, 0
        self._shown: dict[str, bytes] = {}

    @property
    def findings(self) -> Findings:
        """All that was found, up to the last call of `publish`."""
        return self._findings

    def publish(self) -> None:
        """Writes what has changed. Raises NoRoomError."""
        self._fold()
        found = self._findings.labelled()
        made = {
            EVENTS: found_table([each for each in found if is_event(each)]),
            CANDIDATES: found_table(found),
            INJECTIONS: injections_table(self._findings.injections.values()),
            RATES: rates_table(self._findings, found, self.hours()),
        }
        for name, table in made.items():
            self._put(name, as_ecsv(table).encode())

    def hours(self) -> dict[tuple[Key, int], Hour]:
        """How much was searched in each hour, those in which a run is now among them."""
        passes = self._course.passes.items()
        return self._findings.with_hours({run: hours_of(live_of(each.state)) for run, each in passes})

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
        """Takes in what the journal has since; all of it again if a directory was cleared."""
        journal = self._course.journal
        rows = list(journal.findings_after(self._last))
        if self._count + len(rows) != journal.counts()["findings"]:
            self._findings, self._count, rows = Findings(), 0, list(journal.findings_after(0))
        for number, run, _, finding in rows:
            self._findings.add(run, finding)
            self._last = number
        self._count += len(rows)
