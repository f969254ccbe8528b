"""Events that are one thing moving become one; events that have nothing to do with one another do not."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.search.tracks import tracks_of
from fip.search.words import Event, Peak
from support.noise_fields import Search, gaussian, noise_fields, searched_field

SIDE, BEAM = 512, 5.0
SEARCHED = searched_field(SIDE, BEAM)


def event(number: int, x: float, y: float, first: int, width: int = 1, sign: int = 1) -> Event:
    best = Peak(x, y, first, width, 9.0, sign, 1.0, (first, first + width - 1))
    return Event(number, best, first, first, first, first + width - 1, 1, closed=True)


def mover(number: int, count: int, velocity: tuple[float, float], seed: int = 0, gap: int = 1) -> list[Event]:
    """Events from (100, 80) on, whose places are known to 0.3 pixels."""
    random = np.random.default_rng(seed)
    ats = gap * np.arange(count)
    places = random.normal(0, 0.3, (count, 2)) + np.array([100.0, 80.0]) + np.outer(ats, velocity)
    return _events(number, places, 30 + ats)


def unrelated(count: int, seed: int, slices: int = 200, number: int = 1000) -> list[Event]:
    random = np.random.default_rng(seed)
    return _events(number, random.uniform(0, SIDE, (count, 2)), random.integers(0, slices, count))


def _events(number: int, places: NDArray[np.float64], firsts: NDArray[np.int64]) -> list[Event]:
    each = zip(places.tolist(), firsts.tolist(), strict=True)
    return [event(number + at, x, y, first) for at, ((x, y), first) in enumerate(each)]


def test_a_mover_of_25_events_is_one_track_with_its_velocity() -> None:
    (track,) = tracks_of([*unrelated(30, 1), *mover(0, 25, (7.0, -2.5))], SEARCHED)
    assert track.events == tuple(range(25))
    for found, error, true in zip(track.velocity, track.error, (7.0, -2.5), strict=True):
        assert abs(found - true) < 4 * error
        assert error == pytest.approx(0.3 / math.sqrt(sum((at - 12) ** 2 for at in range(25))), rel=0.5)
    assert track.speed == pytest.approx(math.hypot(7, 2.5), rel=0.01)


@pytest.mark.parametrize("count", [3, 30, 300])
def test_unrelated_events_make_no_track(count: int) -> None:
    seeds = range(900 // count if count > 100 else 20)
    assert [tracks_of(unrelated(count, seed), SEARCHED) for seed in seeds] == [()] * len(seeds)


def test_three_events_are_a_track_and_two_are_none() -> None:
    assert len(tracks_of(mover(0, 3, (4.0, 3.0)), SEARCHED)) == 1
    assert tracks_of(mover(0, 2, (4.0, 3.0)), SEARCHED) == ()


@pytest.mark.parametrize(
    ("velocity", "gap"), [((0.3, 0.2), 12), ((200.0, 0.0), 1), ((4.0, 3.0), 21)], ids=["slow", "fast", "rare"]
)
def test_what_is_slower_or_faster_than_things_in_the_sky_or_rarer_is_none(
    velocity: tuple[float, float], gap: int
) -> None:
    assert tracks_of(mover(0, 4, velocity, gap=gap), SEARCHED) == ()
    assert len(tracks_of(mover(0, 4, (4.0, 3.0), gap=12), SEARCHED)) == 1


def test_a_transient_on_the_way_of_a_mover_at_another_time_is_none_of_it() -> None:
    events = [*mover(0, 12, (6.0, 0.0)), event(50, 136.0, 80.0, 90, 4), event(51, 136.0, 80.0, 36, sign=-1)]
    (track,) = tracks_of(events, SEARCHED)
    assert track.events == tuple(range(12))


def test_two_movers_that_cross_are_two() -> None:
    one = mover(0, 15, (6.0, 1.0))
    other = [event(100 + at, 100 + 6.0 * at, 175 - 8.0 * at, 30 + at) for at in range(15)]
    first, second = tracks_of([*one, *other], SEARCHED)
    assert {first.events[0], second.events[0]} == {0, 100}
    assert (
        min(len(first.events), len(second.events)) >= 13
    )  # one of the other's may lie within a beam of it, when they meet


def test_what_moves_through_images_is_found_as_one_track() -> None:
    side, searched = 128, searched_field(128, BEAM)
    search, images = Search(searched, 6.5), noise_fields(side, BEAM, 7)
    for index in range(110):
        moving = 10 * gaussian(side, 10 + 4.0 * (index - 40), 20 + 3.0 * (index - 40), BEAM) if 40 <= index < 66 else 0
        search.take(index, next(images) + moving + (8 * gaussian(side, 30, 100, BEAM) if 50 <= index < 54 else 0))
    events = search.finish()
    (track,) = tracks_of(events, searched)
    (still,) = [each for each in events if each.number not in track.events]
    assert (round(still.best.x), round(still.best.y)) == (30, 100)
    assert track.velocity == pytest.approx((4, 3), abs=0.1)
