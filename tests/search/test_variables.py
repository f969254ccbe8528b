"""Sources of a model: what errors of gains and the ionosphere leave of them is noise, and what varies is reported."""

import math

import numpy as np
import pytest

from fip.search.variables import NOTHING, Model, excess_noise, is_known, model_of, variability
from support.noise_fields import Pixels, Search, gaussian, noise_fields, searched_field

SIDE, BEAM = 128, 5.0
SEARCHED = searched_field(SIDE, BEAM)
PLACES = [(20.0 + 22 * (at % 5), 20.0 + 22 * (at // 5)) for at in range(20)]
FLUXES = np.geomspace(50, 2000, 20)


def sky(share: list[float] | None = None, shift: tuple[float, float] = (0, 0), every: int = 1) -> Pixels:
    """20 sources of S/N 50 to 2000, or some, each with a share of its flux more, all moved by a part of a pixel."""
    more = share or [0.0] * 20
    parts = zip(PLACES[::every], FLUXES[::every], more[::every], strict=True)
    found: Pixels = sum(
        (np.float32(flux * (1 + by)) * gaussian(SIDE, x + shift[0], y + shift[1], BEAM) for (x, y), flux, by in parts),
        np.zeros((SIDE, SIDE), np.float32),
    )
    return found


def model() -> Model:
    return model_of(sky(), SEARCHED.beam, 1.0)


def test_errors_of_gains_and_a_shift_are_measured_on_the_sources() -> None:
    random, of = np.random.default_rng(3), model()
    images = noise_fields(SIDE, BEAM, 3)
    found = []
    for _ in range(20):
        share, shift = random.normal(0, 0.03, 20).tolist(), (0.3, -0.2)
        excess, factor = excess_noise(sky(share, shift) - sky() + next(images), of, 1.0)
        assert factor is not None
        found.append((excess.share, *np.ravel(excess.shift)))
        assert excess.sources == 20
    share, xx, xy, _, yy = np.mean(found, axis=0).tolist()
    assert share == pytest.approx(0.03, rel=0.2)
    assert (xx, xy, yy) == pytest.approx((0.09, -0.06, 0.04), rel=0.2)  # a pixel is a fifth of a beam


def test_noise_alone_is_no_excess() -> None:
    of, images = model(), noise_fields(SIDE, BEAM, 4)
    found = [excess_noise(next(images), of, 1.0)[0] for _ in range(40)]
    assert np.median([each.share for each in found]) < 0.005
    assert excess_noise(next(images), model_of(np.zeros((SIDE, SIDE)), SEARCHED.beam, 1.0), 1.0) == (NOTHING, None)


def test_the_noise_is_higher_where_the_model_is_bright_and_nowhere_else() -> None:
    share = np.random.default_rng(5).normal(0, 0.05, 20).tolist()
    excess, factor = excess_noise(sky(share) - sky(), model(), 1.0)
    assert factor is not None
    x, y = (round(each) for each in PLACES[-1])
    assert factor[y, x] == pytest.approx(math.hypot(1, excess.share * 2000), rel=0.01)
    assert factor[5, 5] == 1
    assert factor.min() == 1


def test_a_flare_of_one_source_is_not_taken_for_an_error_of_all() -> None:
    share = np.random.default_rng(6).normal(0, 0.01, 20)
    share[7] = 0.5
    excess, _ = excess_noise(sky(share.tolist()) - sky(), model(), 1.0)
    assert excess.share < 0.02


def test_what_errors_leave_makes_no_events_and_a_transient_between_sources_is_found() -> None:
    """Errors that stay for 30 slices add up as a source does: that is what `lasting` is for."""
    random, images = np.random.default_rng(8), noise_fields(SIDE, BEAM, 8)
    of = model_of(sky(every=4), SEARCHED.beam, 1.0)
    with_noise, without = Search(SEARCHED, 6.5), Search(SEARCHED, 6.5)
    for index in range(150):
        if index % 30 == 0:
            left = sky(random.normal(0, 0.02, 20).tolist(), (0.1, 0.05), every=4) - sky(every=4)
        pulse = np.float32(6 if 60 <= index < 63 else 0) * gaussian(SIDE, 31, 31, BEAM)
        image = next(images) + left + pulse
        with_noise.take(index, image, excess=excess_noise(image, of, 1.0)[1])
        without.take(index, image)
    (found,) = (event.best for event in with_noise.finish())
    assert math.hypot(found.x - 31, found.y - 31) < 1
    errors = [event.best for event in without.finish() if event.best.snr > found.snr]
    assert errors
    assert all(min(math.dist((each.x, each.y), place) for place in PLACES) < BEAM for each in errors)


def test_a_flare_of_a_source_is_found_with_its_flux_where_errors_add_to_the_noise() -> None:
    random, images = np.random.default_rng(9), noise_fields(SIDE, BEAM, 9)
    of, (x, y), most = model_of(sky(every=4), SEARCHED.beam, 1.0), PLACES[16], float(FLUXES[16])
    search = Search(SEARCHED, 6.5)
    for index in range(60):
        left = sky(random.normal(0, 0.02, 20).tolist(), every=4) - sky(every=4)
        flare = np.float32(0.5 * most if 30 <= index < 34 else 0) * gaussian(SIDE, x, y, BEAM)
        image = next(images) + left + flare
        search.take(index, image, excess=excess_noise(image, of, 1.0)[1])
    (found,) = (event.best for event in search.finish())
    assert math.hypot(found.x - x, found.y - y) < 1
    assert found.flux == pytest.approx(0.5 * most, rel=0.2)


def test_at_a_source_of_the_model_it_is_the_source_that_varies() -> None:
    of = model()
    x, y = PLACES[12]
    assert is_known(of, x + 1, y - 1, 1.0)
    assert not is_known(of, x + 6, y, 1.0)  # on its flank
    assert not is_known(of, 5, 5, 1.0)
    assert not is_known(of, x, y, 1000.0)


def test_variability_is_that_of_trap() -> None:
    """The sums are those of Swinbank et al. (2015), equations for V and eta."""
    random = np.random.default_rng(11)
    error = random.uniform(0.5, 1.5, 400)
    flux = 20 + random.normal(0, 4, 400) + random.normal(0, 1, 400) * error
    found = variability([*flux, math.nan, 3.0], [*error, 1.0, 0.0])
    n, w = 400, error**-2
    assert found.points == n
    assert found.v == pytest.approx(math.sqrt(n / (n - 1) * (np.mean(flux**2) - np.mean(flux) ** 2)) / np.mean(flux))
    assert found.eta == pytest.approx(n / (n - 1) * (np.mean(w * flux**2) - np.mean(w * flux) ** 2 / np.mean(w)))
    assert found.modulation == pytest.approx(0.2, abs=0.02)
    steady = variability(20 + random.normal(0, 1, 400) * error, error)
    assert steady.eta == pytest.approx(1, abs=0.2)
    assert steady.modulation < 0.03 < steady.v
    assert math.isnan(variability([1.0], [0.1]).eta)
    assert variability([], []).points == 0
