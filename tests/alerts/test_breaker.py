"""What holds all alerts back: every rule, and what does not."""

from dataclasses import replace
from typing import Any

import pytest

from fip.alerts.breaker import AT_ONCE, LOOKED_AT, Trip, limit, tripped
from fip.alerts.policy import Seen, Spot

HOUR = 3600.0
WEEKLY = 1 / (7 * 86400)  # false events a second
APART = 1e-3  # rad


def seen(number: int, begin: float, length: float = 8.0, **others: Any) -> Seen:
    """One at a place of its own."""
    spot = Spot(1.0, number * APART, 1e-5, 1e-5, begin, begin + length, 7.0, 1e-4)
    return replace(Seen(f"event-{number}", spot), **others)


def cause(*events: Seen, budget: float = WEEKLY, qualities: tuple[str, ...] = (), since: float = 0.0) -> str:
    """Why all is held; "" if nothing is."""
    trip = tripped(events, budget, qualities, since)
    return trip.cause if trip else ""


def test_four_unrelated_events_in_a_slice_hold_all() -> None:
    """Three do not; nor do four of one place, or what something else has made."""
    events = [seen(number, 1000.0, labels=("many",)) for number in range(AT_ONCE + 1)]
    trip = tripped(events, WEEKLY, (), 0.0)
    assert trip == Trip("slice", "4 unrelated events in a slice", tuple(each.id for each in events))
    assert cause(*events[1:]) == ""
    assert cause(*(replace(each, spot=events[0].spot) for each in events)) == ""
    for label in ("sidelobe", "injection", "refraction", "leakage", "satellite", "solar-system", "known"):
        assert cause(*events[1:], replace(events[0], labels=(label,))) == ""
    assert cause(*events[1:], replace(events[0], moving=True)) == ""  # a satellite's: one is no sign of others


def test_events_that_overlap_little_are_not_of_one_slice() -> None:
    """A long event is there with many short ones; no two of the short ones are at the same time."""
    labels = ("unsteady",)
    short = [seen(number, 1000.0 + 10 * number, labels=labels) for number in range(8)]
    assert cause(seen(9, 1000.0, length=90.0, labels=labels), *short) == ""


def test_what_was_looked_at_before_holds_nothing() -> None:
    """Whoever released a hold has seen what was there then."""
    events = [seen(number, 1000.0, labels=("many",)) for number in range(AT_ONCE + 1)]
    assert cause(*events, since=999.0) == "slice"
    assert cause(*events, since=1000.0) == ""


@pytest.mark.parametrize(
    ("expected", "most"), [(0.006, AT_ONCE), (1.0, 5), (6.0, 15), (1e5, 100979)]
)  # scipy.stats.poisson.ppf
def test_the_most_that_chance_gives(expected: float, most: int) -> None:
    """99.9 % sure; a sky may have three in any case."""
    assert limit(expected) == most


def test_more_events_in_an_hour_than_the_budget_explains_hold_all() -> None:
    """Only events count that nobody has looked at, each at a place of its own."""
    events = [seen(number, 1000.0 + 600 * number) for number in range(AT_ONCE + 1)]
    assert cause(*events) == "events"
    assert cause(*events[1:]) == ""
    assert cause(*events[1:], replace(events[0], verdict="real")) == ""
    assert cause(*events[1:], replace(events[0], labels=("edge",))) == ""
    assert (
        cause(*events[1:], replace(events[0], spot=replace(events[0].spot, begin=-2700.0, end=-2692.0)), since=-HOUR)
        == ""
    )
    assert cause(*events, budget=6 / HOUR) == ""
    more = [seen(number, 1000.0 + 200 * number) for number in range(16)]
    assert cause(*more[1:], budget=6 / HOUR) == ""
    assert cause(*more, budget=6 / HOUR) == "events"


def test_more_that_became_fainter_than_the_budget_explains_holds_all() -> None:
    """They are half of what noise gives, and labelled."""
    fainter: dict[str, Any] = {"negative": True, "labels": ("negative",)}
    events = [seen(number, 1000.0 + 600 * number, **fainter) for number in range(AT_ONCE + 1)]
    assert cause(*events) == "negatives"
    assert cause(*events[1:]) == ""
    assert cause(*events, budget=12 / HOUR) == ""
    assert limit(6.0) == 15
    more = [seen(number, 1000.0 + 200 * number, **fainter) for number in range(16)]
    assert cause(*more, budget=12 / HOUR) == "negatives"


def test_images_whose_gains_are_wrong_hold_all() -> None:
    """Half of the last ones, whatever else is said of them; a few do not."""
    good, bad = "good", "flagged+calibration"
    assert cause(qualities=(good,) * 9 + (bad,) * (LOOKED_AT // 2)) == "gains"
    assert cause(qualities=(bad,) * 9 + (good, bad, bad, bad) + (good,) * 4) == ""
    assert cause(qualities=(bad,) * (LOOKED_AT - 1)) == ""
