"""The steps in which an image is given: of its noise, and not of what a burst makes of that."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.values import Grid, Image, Slice
from fip.imaging.statistics import image_statistics
from fip.imaging.steps import steps_of
from support.synthetic import make_slice

SIDE = 256
GRID = Grid(SIDE, SIDE, 1e-5, 1.0, -0.5, "FK5")


def case(
    noise: tuple[tuple[float, ...], ...] = ((2.0,),), expected: float | None = None, peak: float = 0.0
) -> tuple[Slice, Image]:
    """A slice, and its image of planes [stokes][plane] of such noise; weights go as one over its square."""
    random = np.random.default_rng(0)
    sigma = np.array(noise)
    pixels = (sigma[:, :, np.newaxis, np.newaxis] * random.standard_normal((*sigma.shape, SIDE, SIDE))).astype("f4")
    pixels[0, 0, 7, 9] += peak
    channels = sigma[:, 1:] if sigma.shape[1] > 1 else sigma
    numbers = {} if expected is None else {"noise.expected": (expected, "Jy/beam")}
    slice_ = replace(make_slice([], GRID), sum_of_weights=channels**-2.0, numbers=numbers)
    return slice_, Image(pixels, None, image_statistics(pixels[0, 0]))


def steps(slice_: Slice, image: Image, to_the_noise: float = 16.0) -> NDArray[np.float64]:
    """Return the step of each plane."""
    found = steps_of(slice_, image, to_the_noise)
    assert found is not None
    lowest = np.floor(np.nanmin(image.pixels, axis=(2, 3)) / found.step)
    np.testing.assert_array_equal(found.lowest, lowest)
    return found.step


MAD = 5 * 1.17 / SIDE
"""Five standard deviations of a noise that is measured as the MAD of so many pixels."""


def test_a_step_is_a_share_of_the_noise_that_is_found() -> None:
    """If none is expected, and if more than half of it is; of each plane its own."""
    root = math.sqrt(3)
    noise = ((2.0, 2 * root, 2 * root, 2 * root), (1.0, root, root, root))
    for expected in (None, 1.5):
        found = steps(*case(noise, expected))
        np.testing.assert_allclose(found, np.array(noise) / 16, rtol=MAD)
    np.testing.assert_allclose(steps(*case(noise), to_the_noise=4.0), np.array(noise) / 4, rtol=MAD)


def test_a_step_is_at_most_a_share_of_twice_the_noise_that_is_expected() -> None:
    """This keeps sidelobes of a burst from coarsening it; other planes go by their weights."""
    root = math.sqrt(3)
    lobes = ((100.0, 100 * root, 100 * root, 100 * root), (50.0, 50 * root, 50 * root, 50 * root))
    found = steps(*case(lobes, expected=0.1))
    np.testing.assert_allclose(found, 2 * 0.1 / 16 * np.array([[1, root, root, root], [0.5, *3 * [root / 2]]]))


def test_no_step_is_finer_than_whole_numbers_have_room_for() -> None:
    """2^28 of them to the brightest pixel."""
    slice_, image = case(((1e-12,),), peak=3.0)
    np.testing.assert_allclose(steps(slice_, image), 3.0 / 2**28, rtol=1e-6)


def test_planes_without_numbers_or_weight_have_steps_too() -> None:
    """1, of NaN and of zeros; what is found, of a plane that has no weight."""
    slice_, image = case(((2.0, 2.0, 2.0),), expected=0.5)
    pixels = image.pixels.copy()
    pixels[0, 1], pixels[0, 2] = np.nan, 0.0
    found = steps_of(slice_, replace(image, pixels=pixels), 16.0)
    assert found is not None
    assert found.step[0, 1:].tolist() == [1.0, 1.0]
    without = replace(slice_, sum_of_weights=np.array([[1.0, 0.0]]))
    assert steps(without, image)[0, 2] == pytest.approx(2 / 16, rel=MAD)
    nothing = replace(image, pixels=np.full_like(pixels, np.nan), statistics=None)
    found = steps_of(slice_, nothing, 16.0)
    assert found is not None
    assert (found.step == 1).all()


@pytest.mark.parametrize("value", [math.inf, -math.inf])
@pytest.mark.parametrize("plane", [0, 1])
def test_an_image_with_an_infinite_pixel_has_none(value: float, plane: int) -> None:
    """It is stored as it is, as a stage of somebody's has made it."""
    slice_, image = case(((2.0, 2.0, 2.0),))
    pixels = image.pixels.copy()
    pixels[0, plane, 3, 3] = value
    changed = replace(image, pixels=pixels, statistics=image_statistics(pixels[0, 0]))
    assert steps_of(slice_, changed, 16.0) is None
