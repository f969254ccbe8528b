"""Which members of a folder are imaged together, and when it is their turn: rules on values. No clock, no files.

A member is coming until it is whole and was looked into. Then it waits in a group of one time, until that is admitted.
Groups are admitted in order of time, and what is admitted never changes: rows are numbered by it.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Literal, TypeAlias

from fip.data.arriving import Rules
from fip.data.quantities import iso_utc
from fip.source.joined.grouping import before, fields_of, in_order, of_one_time, windows_of
from fip.source.joined.manifest import Group, Odd, Part

Mark: TypeAlias = tuple[tuple[str, int, int], ...]
"""What the files of a member look like from outside: name, bytes and time of change of each."""

Fate: TypeAlias = Literal["coming", "waiting", "admitted", "late", "truncated", "foreign", "duplicate", "removed"]
"""What became of a member. "coming" and "waiting" are not final; a truncated or removed member may come again."""

EVERY = 0.1  # s between two marks of a member that has just changed; later marks are farther and farther apart
USUAL = 32  # groups from which the usual time from one to the next is derived
GAP = 1.5  # times as long as usual: there may have been something between two groups
LONGEST = 4  # times the grace: if a member changes for longer, nothing waits for it any more; it may be a log


@dataclass(frozen=True, slots=True)
class Found:
    """A member that was looked into."""

    part: Part
    first: float  # s UTC since MJD 0, the middle of its first integration

    @property
    def begin(self) -> float:
        """Return when its first integration begins, s UTC."""
        return self.part.begin

    @property
    def end(self) -> float:
        """Return when its last integration ends, s UTC."""
        return self.part.end


@dataclass(frozen=True, slots=True)
class Told:
    """An oddity, and the words that report it."""

    odd: Odd
    why: str


@dataclass(slots=True)
class _Coming:
    """A member that was not looked into yet. Times are s of our clock: that of the files may be another."""

    seen: float  # first
    changed: float  # when we saw that last
    look: float  # when its mark is to be taken next
    open: float  # when it is to be looked into, if it stays as it is
    marked: float  # when its mark was taken last
    early: bool  # whether it was there before this began, and has not changed since
    mark: Mark | None = None


@dataclass(slots=True, eq=False)
class _Waiting:
    """A group that is not admitted yet."""

    news: float  # s of our clock, of its last part
    begin: float  # s UTC
    end: float  # s UTC
    parts: dict[str, Found] = field(default_factory=dict)  # by path
    disordered: str = ""  # the path of its first part, if that came after a later group had begun to come

    def put(self, found: Found, now: float) -> None:
        """Add one more part to the group."""
        self.parts[found.part.path], self.news = found, now
        self._span()

    def drop(self, path: str) -> bool:
        """Remove a part; return whether there are others."""
        del self.parts[path]
        if self.parts:
            self._span()
        return bool(self.parts)

    def _span(self) -> None:
        self.begin = min(each.begin for each in self.parts.values())
        self.end = max(each.end for each in self.parts.values())


class Admission:
    """Decides what becomes of the members of one folder."""

    def __init__(self, rules: Rules) -> None:
        self.fates: dict[str, Fate] = {}  # by path
        self._rules = rules
        self._coming: dict[str, _Coming] = {}
        self._given_up: dict[str, _Coming] = {}  # those that are truncated
        self._waiting: list[_Waiting] = []  # in order of time
        self._last: Group | None = None  # that was admitted
        self._newest: Found | None = None  # in time, of those that came
        self._idle: deque[float] = deque(maxlen=USUAL)  # s from the end of a group to the next
        self._most = 0  # parts that a group has had

    def take(self, group: Group) -> None:
        """Take a group that is admitted: by these rules, or before they began."""
        if self._last:
            self._idle.append(max(0.0, group.begin - self._last.end))
        self._last, self._most = group, max(self._most, len(group.parts))
        for part in group.parts:
            self.fates[part.path] = "admitted"

    def judge(self, odd: Odd) -> None:
        """Take an oddity that was reported before these rules began. What was truncated or removed is taken as new."""
        if odd.what in ("late", "foreign", "duplicate"):
            self.fates[odd.path] = odd.what

    def pending(self, now: float) -> bool:
        """Return whether the fate of some member is still open; members that change for ever do not count."""
        return bool(self._waiting or self._awaited(now))

    @property
    def begun(self) -> bool:
        """Return whether a group was admitted."""
        return self._last is not None

    # What is seen of members from outside

    def appeared(self, path: str, now: float, early: bool = False) -> None:
        """Take note that a path is new; `early` if it may have been there for long."""
        if self.fates.get(path, "removed") == "removed":
            self._coming[path] = _Coming(now, now, now, now + self._rules.settle, now, early)
            self.fates[path] = "coming"

    def gone(self, path: str, part: bool = False) -> list[Told]:
        """Take note that a path is no longer there; or that it is no member, but a `part` of one."""
        self._given_up.pop(path, None)
        if self.fates.get(path) not in ("coming", "waiting"):
            return []
        self._coming.pop(path, None)
        self._waiting = [each for each in self._waiting if path not in each.parts or each.drop(path)]
        self._sort()
        if part:
            del self.fates[path]
            return []
        return [self._odd("removed", path, "went before it was imaged")]

    def to_mark(self, now: float) -> list[str]:
        """Return the paths whose mark is to be taken."""
        return [path for some in (self._coming, self._given_up) for path, each in some.items() if each.look <= now]

    def marked(self, path: str, mark: Mark | None, now: float) -> None:
        """Take note of what a member looks like now; None if it was being changed at that moment."""
        each = self._given_up.get(path)
        if each:
            each.look = now + self._rules.grace
            if mark == each.mark:
                return
            self._coming[path] = self._given_up.pop(path)
            self.fates[path] = "coming"
        each = self._coming[path]
        if mark is None or mark != each.mark:
            each.early = each.early and each.mark is None
            each.mark, each.changed, each.open = mark, now, now + self._rules.settle
        each.marked = now
        quiet = now - each.changed
        each.look = each.open if each.early else min(now + max(EVERY, quiet), max(each.open, now))

    def to_open(self, now: float) -> list[str]:
        """Return the paths that are to be looked into: they have not changed for long enough."""
        return [path for path, each in self._coming.items() if each.open <= min(now, each.marked)]

    # What was seen in them

    def unreadable(self, path: str, why: str, now: float) -> list[Told]:
        """Take note that a member cannot be read; try again a few times, until the grace since its change is over."""
        each, grace = self._coming[path], self._rules.grace
        quiet = now - each.changed
        if quiet < grace:
            each.open = each.look = each.changed + min(grace, max(2 * quiet, EVERY))
            return []
        self._given_up[path] = self._coming.pop(path)
        self._given_up[path].look = now + grace
        return [self._odd("truncated", path, f"cannot be read, {quiet:.0f} s after it changed last: {why}")]

    def refused(self, path: str, why: str) -> list[Told]:
        """Take note that a path is no recording, or not of this array."""
        del self._coming[path]
        return [self._odd("foreign", path, why)]

    def found(self, found: Found, now: float) -> list[Told]:
        """Take note that a member is whole. If several are found at once, the first in time comes first."""
        path = found.part.path
        early = self._coming.pop(path).early
        if self._is_late(found):
            return [
                self._odd("late", path, f"is of {_time(found.first)} UTC: that, or what follows, was imaged before")
            ]
        group = self._group_of(found)
        rivals = [each.part for each in group.parts.values() if _same(each.part, found.part)] if group else []
        if rivals:
            return [self._odd("duplicate", path, f"has the time and the band of {rivals[0].path}")]
        if group is None:
            group = _Waiting(now, found.begin, found.end)
            if not early and self._newest and before(found, self._newest):
                group.disordered = path
            self._waiting.append(group)
        group.put(found, now)
        self._sort()
        self.fates[path] = "waiting"
        if self._newest is None or before(self._newest, found):
            self._newest = found
        return []

    def _is_late(self, found: Found) -> bool:
        """Return whether its first integration is not after the last one that was admitted."""
        last = self._last
        return last is not None and (found.first <= last.end or of_one_time(found, last) or not before(last, found))

    def _group_of(self, found: Found) -> _Waiting | None:
        """Return the waiting group of its time, the one with the most in common if there are two."""
        there = [each for each in self._waiting if each.begin <= found.end and each.end >= found.begin]
        mine = [each for each in there if of_one_time(each, found)]
        return max(mine, key=lambda each: min(each.end, found.end) - max(each.begin, found.begin), default=None)

    def _sort(self) -> None:
        self._waiting.sort(key=lambda each: each.begin)

    # Whose turn it is

    def decide(self, now: float, ended: bool = False) -> list[Group | Told]:
        """Return the groups whose turn it is, in order of time; `ended` if no more members come than are there.

        After each group come the oddities of its parts, and the members that are too late because of it.
        """
        made: list[Group | Told] = []
        while self._waiting and self._is_due(self._waiting[0], now, ended):
            expected = self._expected
            group = self._waiting.pop(0)
            parts = in_order([each.part for each in group.parts.values()])
            admitted = Group(parts, max(0, expected - len(parts)))
            self.take(admitted)
            made.append(admitted)
            if group.disordered in group.parts:
                why = f"came after sets of later than {_time(group.begin)} UTC"
                made.append(Told(Odd("out of order", group.disordered), why))
            made += self._overtaken()
        return made

    def _overtaken(self) -> list[Told]:
        """Return the members that waited, and begin while what was admitted lasts."""
        made = []
        for group in self._waiting:
            for path, found in list(group.parts.items()):
                if self._is_late(found):
                    group.drop(path)
                    made.append(self._odd("late", path, f"is of {_time(found.first)} UTC, in which another set ends"))
        self._waiting = [group for group in self._waiting if group.parts]
        self._sort()
        return made

    @property
    def _expected(self) -> int:
        """Return how many parts a group should have."""
        return self._rules.parts or max(self._most, max((len(each.parts) for each in self._waiting), default=0))

    def _is_due(self, group: _Waiting, now: float, ended: bool) -> bool:
        if any(each.early for each in self._coming.values()):  # nobody knows their times
            return False
        coming = [each for _, each in self._awaited(now)]
        if ended and not coming:
            return True
        if self._is_complete(group) and not self._may_follow_a_gap(group):
            return True
        until = group.news + self._rules.grace
        return now >= until and not any(self._may_be_of(group, each) for each in coming)

    def _awaited(self, now: float) -> list[tuple[str, _Coming]]:
        """Return the members that may still become whole, by path: not one that has changed for too long."""
        until = LONGEST * self._rules.grace
        return [(path, each) for path, each in self._coming.items() if each.early or now < each.seen + until]

    def _may_be_of(self, group: _Waiting, coming: _Coming) -> bool:
        """Return whether a member that is still being copied began to come when the group did: it is long."""
        grace = self._rules.grace
        return group.news - grace <= coming.seen <= group.news + grace - 2 * self._rules.settle

    def _is_complete(self, group: _Waiting) -> bool:
        """Return whether it has all its parts. How many those are, the first group cannot show."""
        return len(group.parts) >= self._expected and (self._rules.parts is not None or self._last is not None)

    def _may_follow_a_gap(self, group: _Waiting) -> bool:
        """Return whether it is so long after the one before that something may still come between them."""
        if self._last is None:
            return False
        idle = self._idle or [min((two.begin - one.end for one, two in pairwise(self._waiting)), default=0.0)]
        usual = max(0.0, median(idle))
        shorter = min(group.end - group.begin, self._last.end - self._last.begin)
        return group.begin - self._last.end > max(GAP * usual, usual + shorter / 2)

    def waits(self, now: float) -> str:
        """Return what is waited for, and for how long, in words; "" if nothing is."""
        if self._waiting:
            group = self._waiting[0]
            have, expected, when = len(group.parts), self._expected, f"{_time(group.begin)} UTC"
            since = f"for {max(0.0, now - group.news):.0f} s"
            if have < expected:
                return f"sub-band {have + 1} of {expected} of {when}, {since}"
            if self._is_complete(group):
                return f"sets of before {when}, {since}"
            return f"other sub-bands of {when}, {since}"
        oldest = min(self._awaited(now), key=lambda each: each[1].seen, default=None)
        return f"{oldest[0]} to be whole, for {max(0.0, now - oldest[1].seen):.0f} s" if oldest else ""

    def _odd(self, what: Literal["late", "truncated", "foreign", "duplicate", "removed"], path: str, why: str) -> Told:
        self.fates[path] = what
        return Told(Odd(what, path), why)


def _same(one: Part, other: Part) -> bool:
    """Return whether two of one time have a window, and a beam or a field, in common."""
    if one.beam != other.beam or set(fields_of(one)).isdisjoint(fields_of(other)):
        return False
    return not set(windows_of(one)).isdisjoint(windows_of(other))


def _time(seconds: float) -> str:
    """Return the time of the day, to the second."""
    return iso_utc(seconds)[11:19]
