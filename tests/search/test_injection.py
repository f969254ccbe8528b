"""Sources in the search's own copy of pixels: the same ones again, away from edges, found as often as theory says."""

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.search.injection import BLOCK, QUIET, Injection, add_to, block_of, found_by, injection_of
from fip.search.theory import tail
from support.noise_fields import Search, events_in, gaussian, noise_fields, searched_field

SIDE, BEAM, U = 128, 4.7, 6.4
SEARCHED = searched_field(SIDE, BEAM)


def drawn(key: str, count: int, finite: NDArray[np.bool_] | None = None) -> list[Injection]:
    """Return the injections of the first blocks of a series."""
    found = [injection_of(key, block, SEARCHED, finite) for block in range(count)]
    return [each for each in found if each is not None]


def test_a_replay_makes_the_same_ones_and_another_series_others() -> None:
    assert drawn("run/I", 20) == drawn("run/I", 20)
    assert not set(drawn("run/I", 20)) & set(drawn("run/V", 20))
    assert injection_of("run/I", 3, SEARCHED) == drawn("run/I", 20)[3]
    first = drawn("run/I", 1)[0]  # of all versions and machines
    assert (first.first, first.width) == (160, 14)
    assert (first.x, first.y, first.snr) == pytest.approx((111.12278665, 28.50466243, 5.59782231), abs=1e-8)


def test_they_are_uniform_in_place_and_brightness_and_log_uniform_in_width() -> None:
    found = drawn("run/I", 1500)
    for block, each in enumerate(found):
        assert block_of(each.first) == block_of(each.last) == block
        assert 1 <= each.width <= 64
        assert 5 <= each.snr < 12
    margin = 2 * BEAM - 1
    for values, low, high in (
        ([each.x for each in found], margin, SIDE - 1 - margin),
        ([each.y for each in found], margin, SIDE - 1 - margin),
        ([each.snr for each in found], 5, 12),
        ([(each.first % BLOCK) / (BLOCK - QUIET - each.width + 1) for each in found], 0, 1),
    ):
        assert min(values) >= low
        assert max(values) <= high
        assert np.histogram(values, 4, (low, high))[0] == pytest.approx(len(found) / 4, rel=0.2)
    assert sum(each.width >= 8 for each in found) / len(found) == pytest.approx(1 - math.log(8, 65), abs=0.04)
    assert np.std([each.x % 1 for each in found]) == pytest.approx(1 / math.sqrt(12), abs=0.01)  # between pixels


def test_they_keep_from_pixels_without_a_value_and_fill_the_rest() -> None:
    across = np.arange(SIDE) - SIDE / 2
    sky = across**2 + across[:, np.newaxis] ** 2 < 40**2
    away = [math.hypot(each.x - SIDE / 2, each.y - SIDE / 2) for each in drawn("run/I", 500, sky)]
    assert max(away) < 40 - 2 * BEAM + 2
    assert np.mean(np.array(away) < 15) == pytest.approx((15 / 31) ** 2, abs=0.06)
    assert injection_of("run/I", 0, SEARCHED, np.zeros((SIDE, SIDE), bool)) is None
    assert injection_of("run/I", 0, replace(SEARCHED, width=12)) is None


def test_an_injection_has_its_brightness_between_pixels_and_pixels_are_copied() -> None:
    (pixels,) = islice(noise_fields(SIDE, BEAM, 1), 1)
    before = pixels.copy()
    pixels.setflags(write=False)
    put = Injection(40.4, 50.3, 0, 4, 10.0)
    with_it = add_to(pixels, put, 2.0, SEARCHED)
    assert pixels.tobytes() == before.tobytes()
    expected = gaussian(SIDE, 40.4, 50.3, BEAM) * 2 * 10 / math.sqrt(4)
    np.testing.assert_allclose(with_it - before, expected, atol=2e-3)


def test_the_shape_of_an_injection_is_that_of_the_psf_if_that_is_known() -> None:
    psf = gaussian(2 * SIDE, SIDE, SIDE, BEAM) - np.float32(0.2) * gaussian(2 * SIDE, SIDE + 10, SIDE + 4, BEAM)
    put = Injection(100.5, 60.25, 0, 1, 8.0)
    with_it = add_to(np.zeros((SIDE, SIDE), np.float32), put, 1.0, SEARCHED, psf)
    expected = 8 * gaussian(SIDE, 100.5, 60.25, BEAM) - np.float32(1.6) * gaussian(SIDE, 110.5, 64.25, BEAM)
    np.testing.assert_allclose(with_it, expected, atol=0.02)
    edge = add_to(np.zeros((SIDE, SIDE), np.float32), replace(put, x=1.0), 1.0, SEARCHED, psf)
    np.testing.assert_allclose(edge[:, :30], 8 * gaussian(SIDE, 1, 60.25, BEAM)[:, :30] - np.float32(1.6) * gaussian(
        SIDE, 11, 64.25, BEAM)[:, :30], atol=0.02)  # fmt: skip


def test_as_many_are_found_as_theory_says() -> None:
    """At the threshold about half: a known place and start has Q(u - S/N); the best of those nearby is 0.2 brighter."""
    put: list[Injection] = []
    for number in range(160):
        each = injection_of(f"{number}", 0, SEARCHED)
        assert each is not None
        if not any(math.hypot(each.x - one.x, each.y - one.y) < 3 * BEAM for one in put if near_in_time(each, one)):
            put.append(replace(each, snr=6.0 + len(put) % 2))
    search = Search(SEARCHED, U)
    for index, image in enumerate(islice(noise_fields(SIDE, BEAM, 8), BLOCK)):
        for each in put:
            if each.is_on(index):
                image = add_to(image, each, 1.0, SEARCHED)
        search.take(index, image)
    events = search.finish()
    found = [found_by(each, events, SEARCHED.beam) for each in put]
    for snr in (6.0, 7.0):
        share = np.mean([event is not None for each, event in zip(put, found, strict=True) if each.snr == snr])
        error = 0.5 / math.sqrt(sum(each.snr == snr for each in put))
        assert tail(U - snr) - 2.5 * error < share < tail(U - 0.4 - snr) + 2.5 * error
    assert len({event.number for event in found if event}) == sum(event is not None for event in found)


def near_in_time(one: Injection, other: Injection) -> bool:
    """Whether they might become one event."""
    return one.first <= other.last + 40 and other.first <= one.last + 40


def test_another_place_or_time_or_a_much_brighter_source_is_not_it() -> None:
    source = gaussian(SIDE, 60, 60, BEAM) * np.float32(10 / math.sqrt(4))
    images = [
        image + source * (30 <= index < 34) for index, image in enumerate(islice(noise_fields(SIDE, BEAM, 3), 60))
    ]
    events = events_in(SEARCHED, U, images)
    put = Injection(60.5, 60.2, 29, 5, 10.0)
    assert found_by(put, events, SEARCHED.beam) is events[0]
    for other in (replace(put, x=70.0), replace(put, first=40), replace(put, first=10), replace(put, snr=4.0)):
        assert found_by(other, events, SEARCHED.beam) is None
    faded = [replace(event, best=replace(event.best, sign=-1)) for event in events]
    assert found_by(put, faded, SEARCHED.beam) is None
