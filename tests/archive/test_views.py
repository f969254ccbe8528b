"""What a page is sent of an image: few bytes, and values that are what they say they are."""

import gzip

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.archive.views import EXACT, FINEST, LARGEST, NONE, View, Window, make_view

NOISE, PEAK = 1e-4, 3.0  # Jy/beam


@pytest.fixture(scope="module")
def plane() -> NDArray[np.floating]:
    """4096 x 4096 pixels of noise as they are on disk, one very bright, some of them NaN."""
    pixels = np.random.default_rng(3).normal(0.0, NOISE, (4096, 4096)).astype(">f4")
    pixels[1001, 2002] = PEAK
    pixels[:10] = np.nan
    return pixels


def told(view: View) -> NDArray[np.float64]:
    """Return the pixel values that a page reads."""
    numbers = np.frombuffer(gzip.decompress(view.content), np.uint8).reshape(4, -1).T.copy().view("<u4").ravel()
    if view.step:
        steps = np.where(numbers & 1, -((numbers >> 1).astype(np.int64) + 1), numbers >> 1)
        values = np.where(numbers == NONE, np.nan, steps * view.step)
    else:
        values = numbers.view("<f4").astype(np.float64)
    return values.reshape(view.height, view.width)


def test_a_large_image_takes_less_than_a_megabyte(plane: NDArray[np.floating]) -> None:
    """Each value is the maximum of its block, to half of the step given, and the step is far below the noise."""
    view = make_view(plane, Window(0, 0, 4096, 4096), 1024)
    assert len(view.content) <= LARGEST == 1_000_000
    assert (view.width, view.height, view.block) == (1024, 1024, 4)
    blocks = np.fmax.reduce(plane.astype(np.float64).reshape(1024, 4, 1024, 4), axis=(1, 3))
    np.testing.assert_allclose(told(view), blocks, rtol=0, atol=0.51 * view.step)
    assert view.step <= NOISE / FINEST
    assert np.nanargmax(told(view)) == 250 * 1024 + 500


def test_a_part_is_sent_as_finely_as_it_is_asked_for(plane: NDArray[np.floating]) -> None:
    """A small one exactly, to the last bit; a larger one pixel by pixel, to its step."""
    small = make_view(plane, Window(1900, 900, 300, 200), 1024)
    assert (small.block, small.step) == (1, 0.0)
    np.testing.assert_array_equal(told(small), plane[900:1100, 1900:2200].astype(np.float64))
    large = make_view(plane, Window(1500, 500, 1000, 900), 1024)
    assert large.block == 1
    assert 4 * large.width * large.height > EXACT
    np.testing.assert_allclose(told(large), plane[500:1400, 1500:2500], rtol=0, atol=0.51 * large.step)


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
def test_what_has_no_noise(value: float) -> None:
    """An image of nothing, of zeros, of one number."""
    view = make_view(np.full((1000, 1000), value, np.float32), Window(0, 0, 1000, 1000), 1024)
    np.testing.assert_allclose(told(view), value, rtol=1e-6)
    assert view.step > 0


def test_structure_that_packs_badly_is_told_more_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds for any image; the step that was taken is given with it."""
    pixels = np.random.default_rng(4).normal(0.0, NOISE, (1000, 1000)).astype(np.float32)
    fine = make_view(pixels, Window(0, 0, 1000, 1000), 1000)
    monkeypatch.setattr("fip.archive.views.LARGEST", len(fine.content) // 2)
    coarse = make_view(pixels, Window(0, 0, 1000, 1000), 1000)
    assert len(coarse.content) <= len(fine.content) // 2
    assert coarse.step > fine.step
    np.testing.assert_allclose(told(coarse), pixels, rtol=0, atol=0.51 * coarse.step)
