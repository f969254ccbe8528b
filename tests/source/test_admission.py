"""Members of a folder, in whatever order they come: what becomes of each, and which are imaged together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.data.arriving import Rules
from fip.source.arriving.admission import Admission, Found, Mark, Told
from fip.source.joined.manifest import Group, Odd, Part

CADENCE = 10.0  # s from one set to the next
RULES = Rules(settle=2.0, grace=10.0)
STEP = 0.5  # s between two looks
FINAL = {"admitted", "late", "truncated", "foreign", "duplicate", "removed"}


@dataclass(frozen=True)
class Member:
    """A set that comes: what it holds, and when that is seen."""

    path: str
    slot: int  # its time, in cadences
    band: int
    comes: float  # s
    takes: float = 0.0  # s, in which it is copied
    kind: str = "whole"  # or "half", "foreign"
    goes: float = float("inf")  # s, when it is removed

    def mark(self, now: float) -> Mark:
        """Return the mark of its files at a time."""
        return (("table.f0", int(100 * min(now - self.comes, self.takes)), 0),)

    @property
    def found(self) -> Found:
        """What looking into it gives."""
        middle = CADENCE * self.slot
        part = Part(self.path, 1, middle - CADENCE / 2, middle + CADENCE / 2, (self.band,), (0,), ())
        return Found(part, middle)


@dataclass
class Life:
    """What came of some members, and when it was reported."""

    admission: Admission
    groups: list[tuple[float, Group]] = field(default_factory=list)
    told: list[tuple[float, Told]] = field(default_factory=list)
    found: dict[str, float] = field(default_factory=dict)  # when each was looked into with success

    def hear(self, now: float, made: Iterable[Group | Told]) -> None:
        """Note what the rules say."""
        for each in made:
            if isinstance(each, Group):
                self.groups.append((now, each))
            else:
                self.told.append((now, each))

    @property
    def slots(self) -> list[tuple[int, list[int], int]]:
        """Return the time of each group, its bands and how many are missing."""
        return [
            (round((group.begin + group.end) / 2 / CADENCE), [part.windows[0] for part in group.parts], group.missing)
            for _, group in self.groups
        ]


def lived(members: Sequence[Member], rules: Rules = RULES, until: float = 100.0, marked: float = float("inf")) -> Life:
    """The members come and go, and are looked at every `STEP` s; from `marked` on, no more come."""
    life, there, by_path = Life(Admission(rules)), set[str](), {each.path: each for each in members}
    for step in range(int(until / STEP)):
        now, admission = step * STEP, life.admission
        here = {each.path for each in members if each.comes <= now < each.goes}
        for path in sorted(there - here):
            life.hear(now, admission.gone(path))
        for path in sorted(here - there):
            admission.appeared(path, now, early=step == 0)
        there = here
        for path in admission.to_mark(now):
            admission.marked(path, by_path[path].mark(now), now)
        whole = []
        for path in admission.to_open(now):
            member = by_path[path]
            if member.kind == "foreign":
                life.hear(now, admission.refused(path, "is a cat"))
            elif member.kind == "half":
                life.hear(now, admission.unreadable(path, "it ends early", now))
            else:
                whole.append(member.found)
                life.found[path] = now
        for each in sorted(whole, key=lambda each: each.first):
            life.hear(now, admission.found(each, now))
        life.hear(now, admission.decide(now, ended=now >= marked))
    return life


@st.composite
def members(draw: st.DrawFn) -> list[Member]:
    """Draw members of some times and bands; some come twice, some are half, foreign, late or taken away."""
    some = draw(
        st.lists(
            st.tuples(
                st.integers(0, 6), st.integers(0, 2), st.floats(0, 60), st.floats(0, 3),
                st.sampled_from(["whole"] * 6 + ["half", "foreign"]), st.sampled_from([1e9] * 4 + [1.0, 4.0, 30.0]),
            ),
            min_size=1, max_size=20,
        )
    )  # fmt: skip
    return [
        Member(f"{number}.ms", slot, band, comes, takes, kind, comes + stays)
        for number, (slot, band, comes, takes, kind, stays) in enumerate(some)
    ]


@given(members(), st.sampled_from([None, 2, 3]), st.booleans())
def test_each_member_ends_in_exactly_one_way(some: list[Member], parts: int | None, ends: bool) -> None:
    """Whatever comes, and whenever: one fate each, reported once, and what is imaged is in one group."""
    life = lived(some, replace(RULES, parts=parts), marked=70.0 if ends else 1e9)
    seen = {each.path for each in some if any(each.comes <= step * STEP < each.goes for step in range(200))}
    fates = life.admission.fates
    assert set(fates) == seen
    assert set(fates.values()) <= FINAL
    imaged = Counter(part.path for _, group in life.groups for part in group.parts)
    assert imaged == Counter(path for path, fate in fates.items() if fate == "admitted")
    told = Counter((each.odd.path, each.odd.what) for _, each in life.told if each.odd.what != "out of order")
    assert told == Counter((path, fate) for path, fate in fates.items() if fate != "admitted")


@given(members(), st.sampled_from([None, 2, 3]))
def test_groups_follow_each_other_in_time(some: list[Member], parts: int | None) -> None:
    """Each begins after the one before, has a band once, and no more parts than are said to be missing."""
    life = lived(some, replace(RULES, parts=parts))
    slots = life.slots
    assert [slot for slot, _, _ in slots] == sorted({slot for slot, _, _ in slots})
    for _, bands, missing in slots:
        assert len(set(bands)) == len(bands)
        assert parts is None or len(bands) + missing >= parts


@given(members(), st.sampled_from([None, 2]))
def test_nothing_waits_longer_than_the_grace_once_it_is_its_turn(some: list[Member], parts: int | None) -> None:
    """A group is admitted within the grace of its last part, be that gone, or as soon as those before it are, or gone.

    One that stays half-written may be a part of it: that is waited for until its own grace ends.
    """
    life = lived(some, replace(RULES, parts=parts))
    before = 0.0
    for when, group in life.groups:
        slots = {each.slot for each in some for part in group.parts if part.path == each.path}
        news = max(life.found[each.path] for each in some if each.slot in slots and each.path in life.found)
        slow = [
            each.comes + each.takes + 2 * RULES.settle + RULES.grace
            for each in some
            if each.kind == "half" and each.comes <= news + RULES.grace
        ]
        gone = [each.goes for each in some if each.goes <= when]
        assert when <= max([before, news + RULES.grace, *slow, *gone]) + 2 * STEP
        before = when


@given(st.permutations([(slot, band) for slot in range(4) for band in range(3)]), st.sampled_from([None, 3]))
def test_what_comes_within_the_grace_is_imaged_whatever_its_order(
    order: list[tuple[int, int]], parts: int | None
) -> None:
    """Complete groups, in order of time, and nothing is odd but the order."""
    some = [Member(f"{slot}-{band}.ms", slot, band, 1.0 + 0.1 * number) for number, (slot, band) in enumerate(order)]
    life = lived(some, replace(RULES, parts=parts, settle=1.0))
    if parts is None:  # the first group waits for what may come before it
        assert life.slots == [(slot, [0, 1, 2], 0) for slot in range(4)]
        assert {told.odd.what for _, told in life.told} <= {"out of order"}
    assert [slot for slot, _, _ in life.slots] == sorted(slot for slot, _, _ in life.slots)


def arrivals(*slots: tuple[int, int, float]) -> list[Member]:
    """Sets of a time and a band that come at a time."""
    return [Member(f"{slot}-{band}.ms", slot, band, comes) for slot, band, comes in slots]


def test_a_complete_group_does_not_wait() -> None:
    """Once it is known how many parts there are, a group is imaged when it has them, and has settled."""
    life = lived(arrivals((0, 0, 1), (0, 1, 1), (1, 0, 30), (1, 1, 31)))
    (first, _), (second, _) = life.groups
    assert first == 1 + RULES.settle + RULES.grace
    assert second == 31 + RULES.settle


def test_the_number_of_parts_may_be_told() -> None:
    """Then the first group does not wait, either."""
    life = lived(arrivals((0, 0, 1), (0, 1, 4)), replace(RULES, parts=2))
    assert [when for when, _ in life.groups] == [4 + RULES.settle]


def test_a_part_that_does_not_come_is_waited_for_and_missing() -> None:
    """For the grace after the last one; what is complete after it waits for it."""
    life = lived(arrivals((0, 0, 1), (0, 1, 1), (1, 0, 30), (2, 0, 32), (2, 1, 32)))
    assert life.slots == [(0, [0, 1], 0), (1, [0], 1), (2, [0, 1], 0)]
    assert [when for when, _ in life.groups][1:] == [30 + RULES.settle + RULES.grace] * 2


def test_a_gap_waits_for_what_may_come_out_of_order() -> None:
    """The set that fills it is imaged in its place, and said to be out of order; without it the gap is believed."""
    whole = arrivals((0, 0, 1), (1, 0, 2), (3, 0, 30))
    life = lived([*whole, *arrivals((2, 0, 35))])
    assert [slot for slot, _, _ in life.slots] == [0, 1, 2, 3]
    assert [(told.odd.what, told.odd.path) for _, told in life.told] == [("out of order", "2-0.ms")]
    alone = lived(whole)
    assert alone.groups[-1][0] == 30 + RULES.settle + RULES.grace


def test_what_comes_after_its_turn_is_late() -> None:
    """A part of a group that was imaged, and a set of before it."""
    life = lived(arrivals((1, 0, 1), (2, 0, 2), (1, 1, 40), (0, 0, 40)))
    assert sorted(path for path, fate in life.admission.fates.items() if fate == "late") == ["0-0.ms", "1-1.ms"]


def test_a_second_set_of_a_time_and_band_is_a_duplicate_and_one_of_another_beam_is_none() -> None:
    """Beams of a time are apart, by FEED1 or by their fields, and all are in its group."""
    admission = Admission(RULES)
    one = Member("a.ms", 0, 0, 0.0).found
    beam = replace(one, part=replace(one.part, path="beam.ms", beam=1))
    field = replace(one, part=replace(one.part, path="field.ms", fields=(-1, 1)))
    again = replace(one, part=replace(one.part, path="again.ms"))
    told = []
    for each in (one, beam, field, again):
        admission.appeared(each.part.path, 0.0)
        told += admission.found(each, 0.0)
    assert [each.odd for each in told] == [Odd("duplicate", "again.ms")]
    (group,) = admission.decide(100.0)
    assert isinstance(group, Group)
    assert len(group.parts) == 3


def test_sets_that_overlap_by_less_than_half_are_not_imaged_out_of_order() -> None:
    """Rows are in order of time: the second one of two that share an integration is late."""
    admission, told = Admission(RULES), []
    for path, begin in (("a.ms", 0.0), ("b.ms", 80.0)):
        admission.appeared(path, 0.0)
        told += admission.found(Found(Part(path, 1, begin, begin + 100, (0,), (0,), ()), begin + 5), 0.0)
    made = admission.decide(100.0)
    assert [type(each) for each in made] == [Group, Told]
    assert admission.fates == {"a.ms": "admitted", "b.ms": "late"}


def test_those_that_were_there_before_are_all_looked_into_before_one_is_imaged() -> None:
    """Nobody knows their times: their names come in another order than their times."""
    some = [Member(f"{9 - slot}-{band}.ms", slot, band, 0.0) for slot in range(3) for band in range(2)]
    admission = Admission(replace(RULES, parts=2))
    for each in some:
        admission.appeared(each.path, 0.0, early=True)
    for each in some[2:]:
        admission.found(each.found, 50.0)
    assert admission.decide(60.0) == []
    for each in some[:2]:
        admission.found(each.found, 70.0)
    assert len(admission.decide(70.0)) == 3


def test_a_file_that_is_written_for_ever_holds_up_nothing() -> None:
    """A log that its writer goes on with beside the sets is waited for no longer than one that is copied slowly."""
    life = lived([Member("a.log", 0, 0, 0.0, takes=1e9), *arrivals((0, 0, 1), (1, 0, 2), (1, 1, 50))], until=100.0)
    assert [slot for slot, _, _ in life.slots] == [0, 1]
    assert life.admission.fates["a.log"] == "coming"
    assert life.admission.waits(100.0) == ""
    assert not life.admission.pending(100.0)


def test_a_large_part_that_is_copied_when_the_others_are_there_is_waited_for() -> None:
    """Its copying takes longer than the grace: it began when the others did, and may be of their time."""
    some = [*arrivals((0, 0, 1), (0, 1, 1)), Member("0-2.ms", 0, 2, 3.0, takes=25.0)]
    assert lived(some).slots == [(0, [0, 1, 2], 0)]


@pytest.mark.parametrize("size", [1, 2])
def test_what_was_truncated_may_be_completed_later(size: int) -> None:
    """It is looked at now and then: if it changes, it is as one that has just come."""
    admission = Admission(RULES)
    admission.appeared("a.ms", 0.0)
    admission.marked("a.ms", (("table.f0", 1, 1),), 0.0)
    assert [each.odd.what for each in admission.unreadable("a.ms", "it ends early", 10.0)] == ["truncated"]
    assert admission.to_mark(19.0) == []
    for now in (20.0, 30.0):
        assert admission.to_mark(now) == ["a.ms"]
        admission.marked("a.ms", (("table.f0", size, 1),), now)
    assert admission.to_open(30.0) == (["a.ms"] if size == 2 else [])
    assert admission.fates["a.ms"] == ("coming" if size == 2 else "truncated")


def test_a_restart_knows_what_was_decided() -> None:
    """Members of the manifest are not looked into again; those that were truncated are."""
    admission = Admission(RULES)
    admission.take(Group((Member("a.ms", 0, 0, 0.0).found.part,)))
    admission.judge(Odd("foreign", "b.tar"))
    admission.judge(Odd("truncated", "c.ms"))
    for path in ("a.ms", "b.tar", "c.ms"):
        admission.appeared(path, 0.0, early=True)
    assert admission.to_mark(0.0) == ["c.ms"]
    assert [each.odd.what for each in admission.gone("c.ms")] == ["removed"]
    assert admission.gone("a.ms") == []
