"""Lambda, from samples and from images, against noise for which it is known."""

import math
from itertools import islice

import numpy as np
import pytest

from fip.data.values import Beam, Grid
from fip.imaging.ducc import dirty
from fip.search.curvature import from_images, from_moments
from fip.search.theory import determinant_of
from fip.search.words import beam_matrix
from support.noise_fields import gaussian, noise_fields, searched_field


@pytest.mark.parametrize("beam", [3.2, 4.7, 11.0])
def test_images_tell_the_curvature_of_their_noise(beam: float) -> None:
    sky = 50 * gaussian(192, 40, 150, beam)  # does not change
    images = [image + sky for image in islice(noise_fields(192, beam, 4), 12)]
    images[3][:] = np.nan
    images[8][60:70, 60:70] += 1e4  # interference
    for image in images:
        image[:, :30] = np.nan
    (xx, xy), (_, yy) = from_images(images)
    expected = 8 * math.log(2) / beam**2
    assert (xx, yy) == pytest.approx((expected, expected), rel=0.04)
    assert xy == pytest.approx(0, abs=0.03 * expected)


def test_samples_and_images_tell_the_same() -> None:
    """The coverage is elongated at an angle; FIP makes images of noise in its samples."""
    random, grid = np.random.default_rng(6), Grid(256, 256, 1e-5, 0.0, 0.0, "FK5")
    along, across = 9000 * random.standard_normal(600), 4500 * random.standard_normal(600)
    u, v = (along - across) / math.sqrt(2), (along + across) / math.sqrt(2)
    wavelength = 0.2
    uvw = np.column_stack([u, v, 0 * u]) * wavelength
    frequency = np.array([299792458.0 / wavelength])
    images = []
    for _ in range(40):
        noise = random.standard_normal((600, 2), np.float32).view(np.complex64)
        images.append(dirty([uvw], [frequency], [noise.ravel()], np.complex64, (256, 256), grid.scale, 1e-4, True))
    told = from_moments(float(np.mean(u * u)), float(np.mean(u * v)), float(np.mean(v * v)), grid.scale)
    measured = from_images(images)
    assert np.array(measured) == pytest.approx(np.array(told), rel=0.06)
    assert abs(told[0][1]) > 0.3 * told[0][0]


def test_nothing_is_told_by_one_image() -> None:
    with pytest.raises(ValueError, match="there are not two images with values"):
        from_images([next(noise_fields(32, 4.0, 1))])


def test_distances_are_in_beams() -> None:
    beam = Beam(8e-5, 4e-5, math.radians(30))  # 8 by 4 pixels, its major axis from north to the east
    (xx, xy), (_, yy) = beam_matrix(beam, 1e-5)
    x, y = -8 * math.sin(math.radians(30)), 8 * math.cos(math.radians(30))  # east is to smaller x
    assert xx * x * x + 2 * xy * x * y + yy * y * y == pytest.approx(1)
    x, y = 4 * math.cos(math.radians(30)), 4 * math.sin(math.radians(30))
    assert xx * x * x + 2 * xy * x * y + yy * y * y == pytest.approx(1)


def test_the_curvature_of_a_gaussian_beam_is_known() -> None:
    assert determinant_of(searched_field(64, 5.0)) == pytest.approx((8 * math.log(2) / 25) ** 2)
