"""Who is alerted of what, and when: every rule."""

import math
from dataclasses import replace

import pytest

from fip.alerts.policy import (
    RECENT,
    Due,
    Seen,
    Spot,
    Told,
    due,
    recipients,
    tense_of,
    told_of_holds,
    why_not,
)
from fip.config import AlertTarget

NOW = 5.1e9  # s
SIGMA, REACH = 1e-5, 1e-4  # rad
SPOT = Spot(1.0, -0.5, SIGMA, SIGMA, NOW - 100, NOW - 90, 8.0, REACH)
SEEN = Seen("a-1", SPOT)
TOLD = Told("a-1", ("a-1.1",), NOW - 60, SPOT, names=frozenset({"a-1"}))
HERE = AlertTarget(url="http://127.0.0.1:8000")
FAR = AlertTarget(url="https://broker.example.org")


def kinds(*dues: Due) -> list[tuple[str, str, str]]:
    """Return the kind, the event and the reason of each."""
    return [(each.kind, each.event, each.reason) for each in dues]


def test_an_event_is_told_once() -> None:
    """The first time as initial, and then not again."""
    assert kinds(*due([SEEN], {"a-1"}, [])) == [("initial", "a-1", "")]
    assert kinds(*due([SEEN], {"a-1"}, [TOLD])) == []


def test_an_event_whose_times_have_changed_is_the_same() -> None:
    """Its best boxcar is another one now; its name is not."""
    later = replace(SPOT, begin=SPOT.end + 100, end=SPOT.end + 110)
    assert kinds(*due([replace(SEEN, spot=later)], {"a-1"}, [TOLD])) == []
    assert kinds(*due([replace(SEEN, spot=later)], {"a-1"}, [replace(TOLD, over=True)])) == []


@pytest.mark.parametrize(
    "seen",
    [
        replace(SEEN, labels=("edge",)), replace(SEEN, moving=True), replace(SEEN, described=False),
        replace(SEEN, stands=False), replace(SEEN, verdict="rfi"), replace(SEEN, verdict="satellite"),
        replace(SEEN, verdict="artefact"), replace(SEEN, labels=("injection",)),
    ],
)  # fmt: skip
def test_what_is_not_told(seen: Seen) -> None:
    """Labels, what moves, what is not measured yet, or may still get a label, what a person doubts, or FIP made."""
    assert kinds(*due([seen], {"a-1"}, [])) == []


def test_a_person_counts_more_than_labels() -> None:
    """What somebody calls real is sent at once, but not if FIP made it."""
    seen = replace(SEEN, labels=("edge",), moving=True, stands=False, verdict="real")
    assert kinds(*due([seen], {"a-1"}, [])) == [("initial", "a-1", "")]
    assert kinds(*due([replace(seen, labels=("injection",))], {"a-1"}, [])) == []


def test_injections_are_told_to_who_asks_for_them() -> None:
    """They are marked as injections."""
    seen = replace(SEEN, labels=("injection",))
    assert kinds(*due([seen], {"a-1"}, [], injections=True)) == [("initial", "a-1", "")]
    assert tense_of(seen, NOW) == "injection"


@pytest.mark.parametrize(("snr", "more"), [(9.6, True), (9.59, False)])  # of 8.0
def test_an_update_is_due_if_the_signal_has_grown_by_a_fifth(snr: float, more: bool) -> None:
    """It is not due before; it may be sent 30 s after the last alert."""
    found = list(due([replace(SEEN, spot=replace(SPOT, snr=snr))], {"a-1"}, [TOLD]))
    assert kinds(*found) == [("update", "a-1", "")] * more
    assert all(each.after == TOLD.issued + 30.0 for each in found)


@pytest.mark.parametrize(("sigmas", "more"), [(1.01, True), (0.99, False)])
def test_an_update_is_due_if_the_place_has_moved_by_a_standard_deviation(sigmas: float, more: bool) -> None:
    """This holds along any direction."""
    north = replace(SPOT, latitude=SPOT.latitude + sigmas * SIGMA)
    east = replace(SPOT, longitude=SPOT.longitude - sigmas * SIGMA / math.cos(SPOT.latitude))
    for moved in (north, east, replace(east, longitude=east.longitude + 2 * math.pi)):
        assert kinds(*due([replace(SEEN, spot=moved)], {"a-1"}, [TOLD])) == [("update", "a-1", "")] * more


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(SEEN, labels=("edge", "many")), "labelled edge, many"),
        (replace(SEEN, verdict="artefact"), "a person calls it artefact"),
        (replace(SEEN, moving=True), "it moves, as satellites and aircraft do"),
    ],
)
def test_an_event_is_taken_back_if_something_speaks_against_it(seen: Seen, reason: str) -> None:
    """Once; a person may have said that it is real all the same."""
    assert kinds(*due([seen], {"a-1"}, [TOLD])) == [("retraction", "a-1", reason)]
    assert kinds(*due([seen], {"a-1"}, [replace(TOLD, over=True)])) == []
    if not seen.verdict:
        assert kinds(*due([replace(seen, verdict="real")], {"a-1"}, [TOLD])) == []


def test_what_is_told_more_was_measured() -> None:
    """An update waits until that is so."""
    grown = replace(SEEN, spot=replace(SPOT, snr=20.0), described=False)
    assert kinds(*due([grown], {"a-1"}, [TOLD])) == []


def test_one_word_against_a_source_takes_all_of_it_back() -> None:
    """It does not matter that nothing speaks against its other events: a person has looked at this one."""
    other = replace(SEEN, id="a-x32-1", spot=replace(SPOT, snr=20.0))
    doubted = replace(SEEN, verdict="rfi")
    assert kinds(*due([doubted, other], {"a-1", "a-x32-1"}, [TOLD])) == [("retraction", "a-1", "a person calls it rfi")]
    labelled = replace(SEEN, labels=("edge",))
    assert kinds(*due([labelled, other], {"a-1", "a-x32-1"}, [TOLD])) == [("update", "a-1", "")]


def test_an_event_is_taken_back_if_it_has_become_part_of_another() -> None:
    """But not if its run is searched anew, and it was not found yet."""
    assert [each.kind for each in due([], {"a-1"}, [TOLD])] == ["retraction"]
    assert kinds(*due([], set(), [TOLD])) == []


def test_one_source_is_told_under_one_name() -> None:
    """What means of slices show better, or another plane, at this place and time is no other event."""
    better = replace(SEEN, id="a-x32-1", spot=replace(SPOT, snr=12.0, end=SPOT.end + 300))
    assert kinds(*due([SEEN, better], {"a-1", "a-x32-1"}, [])) == [("initial", "a-x32-1", "")]
    assert kinds(*due([better], {"a-1", "a-x32-1"}, [TOLD])) == [("update", "a-1", "")]
    later = replace(better, spot=replace(better.spot, begin=SPOT.end + 200, end=SPOT.end + 300))
    assert kinds(*due([SEEN, later], {"a-1", "a-x32-1"}, [TOLD])) == [("initial", "a-x32-1", "")]
    elsewhere = replace(better, spot=replace(better.spot, latitude=SPOT.latitude + 1.01 * REACH))
    assert kinds(*due([SEEN, elsewhere], {"a-1"}, [TOLD])) == [("initial", "a-x32-1", "")]
    wide = replace(elsewhere, spot=replace(elsewhere.spot, reach=2 * REACH))  # of images with a wider beam
    assert kinds(*due([SEEN, wide], {"a-1"}, [TOLD])) == [("update", "a-1", "")]
    assert SPOT.is_near(wide.spot)
    assert wide.spot.is_near(SPOT)
    assert kinds(*due([replace(better, labels=("edge",)), SEEN], {"a-1"}, [TOLD])) == []


def test_what_was_seen_long_ago_is_no_news() -> None:
    """Unless that is asked for; so is what comes from a clock that is wrong."""
    old = replace(SEEN, spot=replace(SPOT, end=NOW - RECENT - 1))
    early = replace(SEEN, spot=replace(SPOT, end=NOW + RECENT + 1))
    assert [tense_of(each, NOW) for each in (SEEN, old, early)] == ["current", "archival", "archival"]
    assert tense_of(SEEN, NOW, archival=True) == "archival"
    assert tense_of(replace(SEEN, backlog=True), NOW) == "archival", "it had to wait while newer slices were imaged"
    assert recipients(old, "archival", {"here": HERE}) == {}
    assert recipients(old, "archival", {"here": HERE}, archival=True) == {"here": "due"}


def test_other_hosts_are_told_what_a_person_has_called_real() -> None:
    """Unless the configuration says all, or none; this host is sent all."""
    targets = {
        "here": HERE, "far": FAR, "all": FAR.model_copy(update={"tell": "all"}),
        "none": FAR.model_copy(update={"tell": "none"}), "careful": HERE.model_copy(update={"tell": "vetted"}),
    }  # fmt: skip
    first = {"here": "due", "far": "waiting", "all": "due", "careful": "waiting"}
    assert recipients(SEEN, "current", targets) == first
    assert recipients(replace(SEEN, verdict="real"), "current", targets) == dict.fromkeys(first, "due")
    assert told_of_holds(targets) == ["here", "all"]


def test_a_catalogue_may_name_the_one_who_is_told() -> None:
    """Nobody else is alerted in that case."""
    seen = replace(SEEN, only=frozenset({"pulsars"}))
    assert recipients(seen, "current", {"here": HERE, "pulsars": HERE}) == {"pulsars": "due"}
    assert recipients(seen, "current", {"here": HERE}) == {}


def test_injections_go_to_this_host_alone_and_if_asked_for() -> None:
    """Whatever is sent to others."""
    seen, asked = replace(SEEN, labels=("injection",)), {"injections": True, "tell": "vetted"}
    targets = {"here": HERE, "asked": HERE.model_copy(update=asked), "far": FAR.model_copy(update=asked)}
    assert recipients(seen, "injection", targets) == {"asked": "due"}


@pytest.mark.parametrize(
    ("identity", "tense", "facts"),
    [
        ("injection-a.1", "current", {}), ("test-a.1", "current", {}), ("a.1", "injection", {}), ("a.1", "test", {}),
        ("a.1", "current", {"labels": ["edge", "injection"]}),
    ],
)  # fmt: skip
def test_what_is_not_real_is_refused_to_other_hosts(identity: str, tense: str, facts: dict[str, object]) -> None:
    """Its id, its tense or its labels may say so; one is enough."""
    assert why_not(identity, tense, facts, FAR)
    assert not why_not(identity, tense, facts, HERE)
    assert not why_not("a.1", "current", {"labels": []}, FAR)
