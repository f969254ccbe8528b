"""What is not steady leaves the model, or keeps what it has outside the time in which it is brighter."""

import numpy as np
import pytest

from fip.data.values import Grid
from fip.deconvolution.values import Array, Points
from fip.deconvolution.variables import brightest_stretch, sources_of, steady

GRID = Grid(64, 64, 1e-5, 0.1, 0.2, "ICRS")
IMAGES = 200
PLACE = np.array([20 * 64 + 30, 20 * 64 + 31, 40 * 64 + 10])  # two points of one source, and one of another


def _left(on: slice, above: float, seed: int = 0) -> Array:
    """What images of noise 1 have at the three points, if the model has a source as its mean: [image, point]."""
    values = np.random.default_rng(seed).normal(size=(IMAGES, 3))
    light = np.zeros(IMAGES)
    light[on] = above
    values[:, :2] += (light - light.mean())[:, None]
    return values


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("above", [8.0, 100.0])
def test_a_transient_leaves_the_model_and_a_steady_source_stays(share: float, above: float) -> None:
    on = slice(40, 40 + round(share * IMAGES))
    mean = above * share
    points = Points(1e9, PLACE, np.array([0.7 * mean, 0.3 * mean, 5.0]), np.full(3, -0.7))
    least = 5 / np.sqrt(IMAGES)  # 5 of the deep noise
    found, variables = steady(points, GRID, _left(on, above), np.ones(IMAGES), least)
    assert found.place.tolist() == [PLACE[2]] and found.flux.tolist() == [5.0]
    assert [(each.stretch.begin, each.stretch.end) for each in variables] == [(on.start, on.stop)]
    assert variables[0].now == 0


def test_a_flare_of_a_steady_source_leaves_what_it_has_at_other_times() -> None:
    on, above, quiet = slice(40, 60), 30.0, 50.0
    mean = quiet + above * 20 / IMAGES
    points = Points(1e9, PLACE, np.array([0.7 * mean, 0.3 * mean, 5.0]), np.full(3, -0.7))
    found, (variable,) = steady(points, GRID, _left(on, above), np.ones(IMAGES), 0.35)
    assert found.flux[:2].sum() == pytest.approx(quiet, abs=5 / np.sqrt(IMAGES - 20))  # 5 sd of a mean of the others
    assert found.flux[0] / found.flux[1] == pytest.approx(7 / 3) and found.flux[2] == 5
    assert variable.now == pytest.approx(found.flux[:2].sum()) and variable.was == pytest.approx(mean)


def test_noise_is_steady() -> None:
    # 8 sd is beyond the best of 20,000 stretches of each of 20 x 2 light curves: 1e-9 by chance
    points = Points(1e9, PLACE, np.array([1.0, 1.0, 1.0]), np.zeros(3))
    for seed in range(20):
        left = np.random.default_rng(seed).normal(size=(IMAGES, 3))
        assert steady(points, GRID, left, np.ones(IMAGES), 0.1)[1] == ()


def test_images_without_weight_and_too_few_of_them_say_nothing() -> None:
    assert brightest_stretch(np.array([0.0, 9.0]), np.ones(2)) is None
    values, weight = np.zeros(10), np.ones(10)
    values[3], weight[3] = 1e6, 0.0
    found = brightest_stretch(values, weight)
    assert found is not None and found.sure == pytest.approx(0, abs=1e-6)


def test_points_beside_each_other_are_one_source() -> None:
    points = Points(1e9, PLACE, np.ones(3), np.zeros(3))
    first, second, third = sources_of(points, GRID).tolist()
    assert first == second != third
