"""The formula of false events, against noise whose autocorrelation is known exactly, and its parts against theirs."""

import math
from itertools import islice

import numpy as np
import pytest
from scipy.stats import poisson

from fip.search.theory import COARSE, determinant_of, false_events, false_rate, looks, maxima, nu, threshold
from fip.search.words import Budget, parse_budget
from support.noise_fields import events_in, noise_fields, searched_field


@pytest.mark.parametrize("seed", [5])
def test_false_events_of_noise_are_as_many_as_predicted(seed: int) -> None:
    side, beam, images, u = 256, 4.7, 1600, 5.5
    searched = searched_field(side, beam)
    found = events_in(searched, u, islice(noise_fields(side, beam, seed), images))
    predicted = images * false_events(u, searched)
    low, high = poisson.interval(0.99, predicted)
    assert low <= len(found) <= high
    positive = sum(event.best.sign > 0 for event in found)
    low, high = poisson.interval(0.99, predicted / 2)
    assert low <= positive <= high
    assert low <= len(found) - positive <= high


def test_boxcars_have_their_maxima_at_places_of_their_own() -> None:
    """Looks at one pixel times maxima of one image are too many: here 325, and not 278."""
    side, beam, images, u = 256, 4.7, 1000, 5.0
    searched = searched_field(side, beam)
    found = len(events_in(searched, u, islice(noise_fields(side, beam, 8), images)))
    low, high = poisson.interval(0.99, images * false_events(u, searched))
    assert low <= found <= high
    apart = images * 2 * maxima(u, (side - 2) ** 2, determinant_of(searched)) * looks(u, searched.widest)
    assert found < poisson.ppf(0.005, apart)


def test_the_correction_of_a_walk_in_steps_is_siegmunds() -> None:
    """nu(x) = 2/x^2 exp(-2 sum_n Phi(-x sqrt(n) / 2) / n), which the formula used approximates."""
    n = np.arange(1, 200_000)
    for x in (0.3, 0.7, 1.0, 2.0, 3.0, 5.0):
        tails = np.array([math.erfc(x * math.sqrt(each) / (2 * math.sqrt(2))) / 2 for each in n[: int(4000 / x**2)]])
        exact = 2 / x**2 * math.exp(-2 * float((tails / n[: tails.size]).sum()))
        assert nu(x) == pytest.approx(exact, rel=0.03)
    assert nu(0) == 1
    assert nu(1e-3) == pytest.approx(math.exp(-0.583e-3), rel=1e-3)


def test_looks_of_all_boxcars_are_as_in_simulated_series() -> None:
    """White noise of one pixel: times at which the best boxcar rises above u, separated by half the widest."""
    u, widest, length = 4.0, 16, 1_500_000
    z = np.random.default_rng(2).standard_normal(length)
    sums = np.concatenate([[0.0], np.cumsum(z)])
    best = np.zeros(length + 1)
    for width in range(1, widest + 1):
        np.maximum(best[width:], np.abs(sums[width:] - sums[:-width]) / math.sqrt(width), out=best[width:])
    above = np.flatnonzero(best > u)
    found = 1 + np.count_nonzero(np.diff(above) > widest // 2)
    predicted = length * math.erfc(u / math.sqrt(2)) * looks(u, widest)
    assert predicted > 400
    assert found == pytest.approx(predicted, rel=0.1)


def test_an_image_too_coarse_to_show_all_maxima_has_no_more_than_pixels_above() -> None:
    assert maxima(6, 1e6, COARSE**2 * 0.99) > maxima(6, 1e6, COARSE**2 * 1.01)
    assert maxima(6, 1e6, 4.0) == pytest.approx(1e6 * math.erfc(6 / math.sqrt(2)) / 2)


def test_a_budget_is_over_all_series() -> None:
    one = searched_field(1024, 4.0)
    two = [one, searched_field(512, 6.0, cadence=256.0, widest=16)]
    week = parse_budget("1/week")
    u = threshold(week, two)
    assert false_rate(u, two) * 7 * 86400 == pytest.approx(1)
    assert u > threshold(week, [one])
    assert threshold(week, [one]) == pytest.approx(7.306, abs=0.001)


def test_a_budget_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(ValueError, match="below 3 sigma: ask for fewer"):
        threshold(Budget(1e9, 1), [searched_field(64, 4.0)])


@pytest.mark.parametrize(
    ("text", "events", "seconds"),
    [("1/week", 1, 604800), ("1/10 min", 1, 600), ("2.5/d", 2.5, 86400), ("1 / 30s", 1, 30), (".5/hour", 0.5, 3600)],
)
def test_a_budget_is_read_as_written(text: str, events: float, seconds: float) -> None:
    assert parse_budget(text) == Budget(events, seconds)


@pytest.mark.parametrize("text", ["", "1", "week", "0/week", "1/0 s", "1/fortnight", "-1/day", "1/week/day", "nan/s"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate of false events, as 1/week or 1/10 min"):
        parse_budget(text)
