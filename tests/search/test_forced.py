"""Forced flux in real dirty images, at any place between pixels, and in what is not all image."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.settings import Imaging
from fip.data.values import Grid
from fip.imaging.beam import fit_beam, uv_moments
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.search.curvature import from_moments
from fip.search.forced import Core, core_of, forced_flux, noise_around, spectral_index, unbiased
from fip.search.words import beam_matrix
from fip.simulation.layouts import LOCAL_AXES, meerkat_like
from support.noise_fields import gaussian, noise_fields
from support.synthetic import array_uvw, make_block, make_slice

FREQUENCY = np.linspace(1.28e9, 1.42e9, 8)
SIDE = 64
OFFSETS = (0.0, 0.13, 0.27, 0.5, 0.74)
ROUND = ((1 / 16, 0.0), (0.0, 1 / 16))  # a beam of 4 pixels


def disc() -> NDArray[np.float64]:
    """Baselines [row, 3] in m of 40 antennas all over a disc: a beam without a pedestal, and a sharp end of uv."""
    random = np.random.default_rng(3)
    radius, angle = 3500 * np.sqrt(random.random(40)), 2 * np.pi * random.random(40)
    return _baselines(np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * radius], axis=1))


def arms() -> NDArray[np.float64]:
    """Return the baselines of 27 antennas along three arms, like the VLA."""
    along = 17000 * (np.arange(1, 10) / 9) ** 1.716
    angle = 2 * np.pi / 3 * np.arange(3)[:, np.newaxis] + 0.1
    places = np.stack([along * np.cos(angle), along * np.sin(angle), 0 * along + 0 * angle], axis=-1).reshape(-1, 3)
    return _baselines(places)


def core() -> NDArray[np.float64]:
    """Return the baselines of 40 antennas, a dense core and few far out: its fitted beam hides how narrow a peak is."""
    places = meerkat_like(40) @ LOCAL_AXES.T
    return _baselines(places - places.mean(axis=0))


def cloud() -> NDArray[np.float64]:
    """Return the baselines of 30 antennas in a Gaussian cloud, seen at 50 degrees."""
    return array_uvw(5, 30, 1000.0, math.radians(50.0))


def _baselines(places: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = np.triu_indices(len(places), 1)
    return (places[first] - places[second]) * [1.0, 0.85, 0.0]


ARRAYS = {"disc": disc, "arms": arms, "cloud": cloud, "core": core}


def shown(array: str, pixels: float) -> tuple[list[tuple[float, float, NDArray[np.floating]]], Core, Core]:
    """Dirty images of a source of 1 Jy at sub-pixel places, its minor axis so many pixels; its core, and the beam's."""
    uvw = ARRAYS[array]()
    coverage = make_block(uvw, FREQUENCY, [(0.0, 0.0, 1.0)], seed=1)
    beam, moments = fit_beam([coverage]), uv_moments([coverage])
    assert beam is not None and moments is not None
    grid = Grid(SIDE, SIDE, beam.minor / pixels, math.radians(155.0), math.radians(-45.0), "ICRS")
    settings = Imaging(size=(SIDE, SIDE), scale=grid.scale, epsilon=1e-5, kernel="wgridder")
    kernel, images = make_kernel(settings, grid), []
    for dx in OFFSETS:
        for dy in (0.0, 0.31, 0.5):
            x, y = 37 + dx, 26 + dy
            place = (SIDE // 2 - x) * grid.scale, (y - SIDE // 2) * grid.scale
            slice_ = make_slice([make_block(uvw, FREQUENCY, [(*place, 1.0)], seed=1)], grid)
            images.append((x, y, dirty_image(slice_, kernel).pixels[0, 0]))
    matrix = beam_matrix(beam, grid.scale)
    curved = from_moments(moments.uu, moments.uv, moments.vv, grid.scale)
    return images, core_of(matrix, curved), core_of(matrix)


def worst(images: list[tuple[float, float, NDArray[np.floating]]], core: Core) -> float:
    """The largest error of the flux."""
    return max(abs(forced_flux(pixels, x, y, core, 1.0).flux - 1) for x, y, pixels in images)


@pytest.mark.parametrize(
    ("array", "pixels"),
    [(array, pixels) for array in ("disc", "arms", "cloud") for pixels in (3, 4, 6, 10)] + [("core", 6), ("core", 10)],
)
def test_the_flux_is_right_to_half_a_percent_at_any_place_between_pixels(array: str, pixels: float) -> None:
    images, core, _ = shown(array, pixels)
    assert worst(images, core) < 0.005


def test_the_fitted_beam_alone_does_not_tell_how_narrow_a_peak_is() -> None:
    """The array has a dense core and few long baselines; if nothing more is known, the fitted beam serves."""
    images, core, beam = shown("core", 6)
    assert worst(images, beam) > 2 * worst(images, core)
    images, _, beam = shown("disc", 4)
    assert worst(images, beam) < 0.005


def test_noise_is_no_more_than_that_of_a_pixel() -> None:
    """A fit of the shape with equal weights has 1.15 of it: sqrt(4 / 3) for a Gaussian beam."""
    core, spread, fitted = core_of(ROUND), list[float](), list[float]()
    for image, _ in zip(noise_fields(64, 4.0, 1), range(60), strict=False):
        pixels = np.asarray(image, np.float64)
        for x in np.arange(12.5, 52, 13):
            for y in np.arange(12.5, 52, 13):
                spread.append(forced_flux(pixels, x, y, core, 1.0).flux)
                shape = gaussian(64, x, y, 4.0)
                fitted.append(float((shape * pixels).sum() / (shape * shape).sum()))
    sure = 4 / math.sqrt(2 * len(spread))  # standard deviations of a standard deviation
    assert np.std(spread) == pytest.approx(1.0, abs=sure)
    assert np.std(fitted) == pytest.approx(math.sqrt(4 / 3), abs=1.2 * sure)


def test_on_a_pixel_it_is_the_pixel() -> None:
    pixels = np.random.default_rng(1).normal(size=(20, 20))
    assert forced_flux(pixels, 7, 11, core_of(ROUND), 0.5) == (
        found := forced_flux(pixels, 7.004, 11, core_of(ROUND), 0.5)
    )
    assert (found.flux, found.error) == (pixels[11, 7], 0.5)


def test_pixels_that_are_no_number_do_not_count() -> None:
    """The error shows that there were fewer; if most are missing there is no flux, as outside of the image."""
    pixels = np.asarray(gaussian(40, 20.4, 20.3, 4.0), np.float64)
    whole = forced_flux(pixels, 20.4, 20.3, core_of(ROUND), 1.0)
    pixels[:, 20:] = np.nan
    half = forced_flux(pixels, 20.4, 20.3, core_of(ROUND), 1.0)
    assert half.flux == pytest.approx(1.0, abs=0.005)
    assert whole.error < 1.01 < half.error
    pixels[:, 19:] = np.nan
    for x, y in ((20.4, 20.3), (-1.0, 5.0), (5.0, 40.0), (1e6, 5.0)):
        found = forced_flux(pixels, x, y, core_of(ROUND), 1.0)
        assert np.isnan(found.flux) and np.isnan(found.error)
    assert forced_flux(np.asarray(gaussian(40, 0.4, 39.2, 4.0)), 0.4, 39.2, core_of(ROUND), 1.0).flux == pytest.approx(
        1.0
    )


def test_the_error_is_the_noise_around() -> None:
    """It agrees to 5 sigma of a MAD of 6400 independent pixels, 1.17/80 each; without pixels there is none."""
    pixels = np.random.default_rng(2).normal(3.0, 2.0, (128, 128))
    assert noise_around(pixels, 60.2, 70.1, core_of(ROUND)) == pytest.approx(2.0, rel=5 * 1.17 / 80)
    assert np.isnan(noise_around(np.full((9, 9), np.nan), 4, 4, core_of(ROUND)))


def test_few_pixels_of_a_wide_beam_tell_its_noise() -> None:
    """They do as well as all of them: to a tenth of how well 350 beams can."""
    pixels, core = next(noise_fields(256, 16.0, 5)), core_of(((1 / 256, 0.0), (0.0, 1 / 256)))
    every = 1.4826 * np.median(np.abs(pixels - np.median(pixels)))
    assert noise_around(pixels, 128, 128, core) == pytest.approx(every, rel=0.02)


def test_the_best_of_many_is_too_bright() -> None:
    assert unbiased(-10.0, 1.0) == pytest.approx(-math.sqrt(97.2))
    assert unbiased(1.0, 1.0) == 0.0


def test_a_spectral_index_and_its_error_are_those_of_the_bands() -> None:
    """400 noisy spectra, each with one band below the noise: their scatter is the error given, about the truth."""
    random, frequency = np.random.default_rng(1), np.array([1.0e9, 1.2e9, 1.4e9, 1.6e9])
    true, error = 3.0 * (frequency / 1.3e9) ** -2.5, np.array([0.3, 0.3, 0.3, 0.6])
    found = [spectral_index(frequency, true + error * random.standard_normal(4), error) for _ in range(400)]
    indices, errors = np.array([each for each in found if each is not None]).T
    assert len(indices) == 400
    assert np.median(indices) == pytest.approx(-2.5, abs=0.1)
    assert np.std(indices) == pytest.approx(np.median(errors), rel=0.2)
    assert spectral_index(frequency, true, error) == pytest.approx((-2.5, errors.mean()), rel=0.05)
    assert spectral_index(frequency[:1], true[:1], error[:1]) is None
    assert spectral_index(frequency, np.full(4, np.nan), error) is None
