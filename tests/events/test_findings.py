"""What speaks against events, and what is one thing moving, as the files of a search say it."""

from fip.events.findings import Findings, is_told
from fip.events.words import Found, Series, Thresholds
from fip.search.words import Event, Peak
from support.noise_fields import searched_field
from support.stored_run import GRID

KEY = ("run", "")
SERIES = Series(
    "run", "night", "", "I", 0, 1, GRID, 128 * 128, searched_field(128, 5.0), Thresholds(6.5, 5.5)
)  # fmt: skip


def findings(*events: Event, injected: frozenset[int] = frozenset()) -> dict[int, Found]:
    """Return what they are reported as, by number."""
    made = Findings(series={KEY: SERIES}, injected={(KEY, number) for number in injected})
    made.found = {(KEY, each.number): Found(SERIES, each, 0.0, 1.0) for each in events}
    return {each.event.number: each for each in made.labelled()}


def event(number: int, x: float, y: float, first: int, snr: float = 9.0, **more: float) -> Event:
    best = Peak(x, y, first, 1, snr, 1, snr, (first, first), **more)
    return Event(number, best, first, first, first, first, 1, closed=True)


def test_what_moves_is_told_once_by_its_brightest_event() -> None:
    moving = [event(at, 20 + 6.0 * at, 30 + 3.0 * at, 40 + at, snr=20.0 if at == 4 else 9.0) for at in range(9)]
    found = findings(*moving, event(50, 90, 100, 42))
    assert {number: each.kind for number, each in found.items()} == {4: "moving", 50: "transient"}
    assert all(map(is_told, found.values()))


def test_an_injected_source_that_passes_is_no_part_of_what_moves() -> None:
    moving = [event(at, 20 + 6.0 * at, 30 + 3.0 * at, 40 + at) for at in range(3)]
    assert set(findings(*moving, injected=frozenset({2}))) == {0, 1, 2}


def test_labels_are_given_by_all_events_of_a_series() -> None:
    found = findings(
        event(0, 60, 60, 10, snr=60.0), event(1, 100, 20, 10, snr=7.0, floor=6.0), event(2, 60, 60, 90, beside=8.0),
        event(3, 1, 60, 120), event(4, 60, 20, 150, around=2.0), event(5, 20, 100, 180),
    )  # fmt: skip
    labels = [(), ("sidelobe",), ("refraction",), ("edge",), ("unsteady",), ()]
    assert {number: each.labels for number, each in found.items()} == dict(enumerate(labels))
    assert [number for number, each in found.items() if is_told(each)] == [0, 5]
