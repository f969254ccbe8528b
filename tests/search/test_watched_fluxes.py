"""Known places in each image: their fluxes, and what counts as a change."""

import math

import numpy as np
import pytest

from fip.search.forced import core_of, forced_flux
from fip.search.theory import tail
from fip.search.watching import Change, Fluxes, History, false_changes, look, threshold_of, watch_fluxes
from fip.search.words import Budget
from support.noise_fields import gaussian, noise_fields

CORE = core_of(((1 / 16, 0.0), (0.0, 1 / 16)))  # a beam of 4 pixels


def test_fluxes_are_the_forced_ones_of_each_place_and_plane() -> None:
    """A place outside, or that the grid does not show, has none."""
    noise = next(noise_fields(256, 4.0, 1)).astype(float)
    planes = np.stack([20 * gaussian(256, 30.4, 40.7, 4.0) + noise, noise])
    places = np.array([(30.4, 40.7), (200.0, 60.5), (-3.0, 5.0), (np.nan, np.nan)])
    found = watch_fluxes(planes, places, CORE)
    for stokes in (0, 1):
        for place, (x, y) in enumerate(places[:2]):
            alone = forced_flux(planes[stokes], x, y, CORE)
            assert found.flux[place, stokes] == alone.flux
            assert found.error[place, stokes] == pytest.approx(alone.error, rel=0.2)
    assert np.isnan(found.flux[2:]).all() and np.isnan(found.error[2:]).all()


def changes_of(flux: np.ndarray, error: float, threshold: float, scatter: float = 0.0) -> list[tuple[int, Change]]:
    """Return, for fluxes [image, place], the image with which each change is reported."""
    history, found = History(), []
    for image, each in enumerate(flux):
        column = each[:, np.newaxis]
        history, told = look(history, Fluxes(column, np.where(np.isfinite(column), error, np.nan)), threshold, scatter)
        found += [(image, change) for change in told]
    return found


def test_noise_changes_no_oftener_than_the_formula_says() -> None:
    """400 places in 600 images; and changes are not much less often either."""
    noise = np.random.default_rng(1).normal(3.0, 0.1, (600, 400))
    found = len(changes_of(noise, 0.1, 4.0))
    most = (600 - 16) * false_changes(4.0, 400)
    assert most == pytest.approx((600 - 16) * 400 * 14 * tail(4.0))
    assert 0.1 * most < found < most


def test_a_change_is_told_once_with_its_width_and_means() -> None:
    flux = np.random.default_rng(2).normal(1.0, 0.1, (200, 3))
    flux[100:104, 1] += 0.5  # 5 sigma an image, 10 in all
    flux[50:60, 2] = np.nan  # without an image
    flux[150:, 2] -= 0.2  # for good
    (first, flare), (later, drop) = changes_of(flux, 0.1, 6.0)
    assert (flare.place, flare.stokes, drop.place) == (1, 0, 2)
    assert 100 < first < 104
    assert flare.width in (2, 4)
    assert flare.before == pytest.approx(1.0, abs=0.05)
    assert flare.flux == pytest.approx(1.5, abs=0.2)
    assert (flare.snr > 6, drop.snr < -6, 150 < later < 180) == (True, True, True)


def test_what_gains_do_is_no_change() -> None:
    """Fluxes that scatter by 5 % of themselves change all the time, unless that is known."""
    random = np.random.default_rng(3)
    flux = random.normal(10.0, 0.1, (200, 4)) * random.normal(1.0, 0.05, (200, 1))
    assert len(changes_of(flux, 0.1, 5.0)) > 3
    assert changes_of(flux, 0.1, 5.0, scatter=0.05) == []


def test_the_threshold_is_five_or_what_the_budget_asks() -> None:
    week = Budget(1, 7 * 86400)
    assert threshold_of(week, 1, 8.0) == 5.0
    many = threshold_of(week, 10_000, 8.0)
    assert 5.0 < many < 7.0
    assert false_changes(many, 10_000) * 7 * 86400 / 8.0 == pytest.approx(1.0, rel=1e-6)
    assert math.isclose(threshold_of(Budget(1, 1.0), 10_000, 8.0), 5.0)
