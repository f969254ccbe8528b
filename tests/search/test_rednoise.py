"""Noise that stays for many slices, as what errors leave of a sky: what is found against it, and what is not."""

import math
from collections.abc import Iterator
from functools import cache
from itertools import islice

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.rednoise import even
from fip.search.theory import tail
from fip.search.words import Event
from support.noise_fields import Pixels, Search, gaussian, noise_fields, searched_field

SIDE, BEAM, U, COUNT = 192, 4.7, 6.5, 170
LASTS = 30.0  # slices
LEFT = 4.0  # times the noise of a slice, of what stays for so long
SOURCES = ((60, 60, 90, 1, 9.5), (120, 60, 96, 3, 9.5), (60, 125, 104, 8, 9.5), (125, 130, 100, 40, 11))
"""x, y, first slice, slices, S/N against what sums of as many slices scatter by around it."""


def wandering() -> Iterator[Pixels]:
    """Fields that wander about 0, of 1 Jy/beam."""
    fields, keep = noise_fields(SIDE, BEAM, 5), math.exp(-1 / LASTS)
    now = next(fields)
    for field in fields:
        yield now
        now = np.float32(keep) * now + np.float32(math.sqrt(1 - keep**2)) * field


@cache
def images() -> tuple[Pixels, ...]:
    """Return the images, with the sources in them."""
    made = [
        noise + LEFT * left
        for noise, left in zip(noise_fields(SIDE, BEAM, 6), islice(wandering(), COUNT), strict=False)
    ]
    quiet = [image.copy() for image in made]
    for x, y, first, width, snr in SOURCES:
        flux = snr * scatter(quiet[first : first + width], x, y) / width
        for index in range(first, first + width):
            made[index] = made[index] + np.float32(flux) * gaussian(SIDE, x, y, BEAM)
    return tuple(made)


def scatter(of: list[Pixels], x: int, y: int) -> float:
    """Return the scatter of the sums of images, 10 beams about a place."""
    reach = round(10 * BEAM)
    near = np.sum(of, axis=0)[y - reach : y + reach, x - reach : x + reach]
    return GAUSSIAN_RMS_PER_MAD * float(np.median(np.abs(near)))


@cache
def found() -> tuple[Event, ...]:
    search = Search(searched_field(SIDE, BEAM), U)
    for index, image in enumerate(images()):
        search.take(index, image)
    return tuple(search.finish())


def of_source(x: float, y: float) -> list[Event]:
    return [event for event in found() if math.hypot(event.best.x - x, event.best.y - y) < BEAM]


@pytest.mark.parametrize(("x", "y", "first", "width", "snr"), SOURCES)
def test_a_source_above_the_noise_that_lasts_is_found_in_its_slices(
    x: int, y: int, first: int, width: int, snr: float
) -> None:
    """Sums of 64 slices scatter by five times the noise of white noise: among these a short source would be lost."""
    (event,) = of_source(x, y)
    most = 1 + width // 8  # a part of it may be as good: a sum of more slices of such noise is hardly worth more
    assert first - most <= event.best.first
    assert event.best.last <= first + width - 1 + most
    assert event.best.snr == pytest.approx(snr, abs=3.5)
    assert event.best.around == 1


def test_what_lasts_is_no_event_itself() -> None:
    others = [event for event in found() if not any(event in of_source(x, y) for x, y, *_ in SOURCES)]
    assert len(others) <= 2


def test_noise_that_is_white_is_searched_as_ever() -> None:
    search = Search(searched_field(SIDE, BEAM), U)
    for index, image in enumerate(islice(noise_fields(SIDE, BEAM, 6), COUNT)):
        search.take(index, image)
    assert search.state.red is not None
    assert search.state.red.until == -1
    assert (search.state.red.times == 1).all()


def test_it_is_white_again_when_nothing_lasts_any_more() -> None:
    search = Search(searched_field(SIDE, BEAM), U)
    loud, quiet = islice(images(), 60), islice(noise_fields(SIDE, BEAM, 7), 150)
    red = []
    for index, image in enumerate([*loud, *quiet]):
        search.take(index, image)
        assert search.state.red is not None
        red.append(search.state.red.holds(index))
    assert (red[4], red[59], red[-1]) == (True, True, False)


def test_a_place_noisier_than_those_around_it_makes_no_more_of_it() -> None:
    """Noise whose level differs from place to place exceeds u less often than even noise exceeds even(u)."""
    random: NDArray[np.float64] = np.random.default_rng(1).standard_normal(4000)
    for u in (4.0, 5.0, 6.0):
        uneven = float(np.mean([tail(u / math.exp(0.08 * each)) for each in random]))
        assert 1.5 * tail(u) < uneven < tail(even(u, 30, True)) < 4 * uneven
    levels = np.linspace(4, 30, 100)
    for width, compared in ((1, True), (30, True), (1, False)):
        assert np.all(np.diff([even(each, width, compared) for each in levels]) >= 0)
