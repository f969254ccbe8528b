"""The pyramid and what it leads to, against all boxcars summed one by one."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.search.passes import SPAN, STEPS, best_boxcars
from fip.search.pyramid import Pyramid, boxcar_weights, bytes_of, new_pyramid, push, push_gap, rows_of
from fip.search.series import SURELY_SEEN

SIDE, SLICES = 24, 260
LOW = 3.5


def history(seed: int, gaps: float) -> list[NDArray[np.float32] | None]:
    """White noise with pulses of either sign in it, of all widths, and slices that are missing."""
    random = np.random.default_rng(seed)
    z = random.standard_normal((SLICES, SIDE, SIDE)).astype(np.float32)
    for width in (1, 2, 3, 5, 7, 11, 13, 23, 29, 37, 45, 61, 63, 64):
        for _ in range(12):
            y, x, first = random.integers(SIDE), random.integers(SIDE), random.integers(SLICES - width)
            z[first : first + width, y, x] += random.choice([-1, 1]) * random.uniform(5, 9) / math.sqrt(width)
    return [None if random.random() < gaps else image for image in z]


def best_by_brute_force(
    z: NDArray[np.float64], spread: NDArray[np.float64], end: int, widest: int
) -> NDArray[np.float64]:
    """[pixel] the largest |S/N| of all boxcars that end in slice `end`; z [slice, pixel], NaN of a missing slice."""
    best = np.zeros(z.shape[1])
    for width in range(1, widest + 1):
        first = end + 1 - width
        if first < 0 or np.isnan(z[end, 0]) or np.isnan(z[first, 0]):
            continue
        present = ~np.isnan(z[first : end + 1, 0])
        variance = (1 - spread[first : end + 1][present] ** 2).sum() + spread[first : end + 1][present].sum() ** 2
        np.maximum(best, np.abs(np.nansum(z[first : end + 1], axis=0)) / math.sqrt(variance), out=best)
    return best


def pushed(pyramid: Pyramid, image: NDArray[np.float32] | None, index: int, spread: float) -> NDArray[np.int32]:
    """The hot places after an image of noise 1, or a gap."""
    if image is None:
        return pyramid.hot[: push_gap(pyramid, LOW)]
    factors, none = np.full((1, 1), STEPS, np.float32), np.empty((0, 0), np.float32)
    return pyramid.hot[: push(pyramid, image, none, (1.0, spread, index), factors, SIDE, LOW)]


@pytest.mark.parametrize("gaps", [0.0, 0.25])
@pytest.mark.parametrize(("widest", "spread"), [(64, 0.0), (64, 0.3), (8, 0.0)])
def test_the_best_boxcar_of_a_pixel_is_that_of_all_starts_and_widths(widest: int, spread: float, gaps: float) -> None:
    random = np.random.default_rng(7)
    images = history(3, gaps)
    spreads = random.uniform(0.5 * spread, spread, SLICES)
    rounded = np.full((SLICES, SIDE * SIDE), np.nan)
    pyramid = new_pyramid(SIDE * SIDE, widest)
    everywhere = np.arange(SIDE * SIDE, dtype=np.int32)
    compared = 0
    for index, image in enumerate(images):
        pushed(pyramid, image, index, float(spreads[index]))
        if image is not None:
            rounded[index] = pyramid.ring[index % len(pyramid.ring)] / STEPS
        if index % 40 == 39:
            ends, widths = np.empty(SIDE * SIDE, np.int32), np.empty(SIDE * SIDE, np.int32)
            squares = np.empty(SIDE * SIDE, np.float32)
            weights = boxcar_weights(pyramid)
            loud, beyond = pyramid.loud, pyramid.beyond
            best_boxcars(pyramid.ring, loud, beyond, rows_of(pyramid), weights, everywhere, ends, widths, squares)
            by_end = [best_by_brute_force(rounded, spreads, index - SPAN + 1 + end, widest) for end in range(SPAN)]
            expected = np.max(by_end, axis=0)
            assert np.sqrt(squares) / STEPS == pytest.approx(expected, rel=1e-5)
            chosen = index - SPAN + 1 + ends
            for pixel in range(0, SIDE * SIDE, 17):
                first, last = chosen[pixel] + 1 - widths[pixel], chosen[pixel]
                present = ~np.isnan(rounded[first : last + 1, pixel])
                of = spreads[first : last + 1][present]
                total = abs(np.nansum(rounded[first : last + 1, pixel]))
                assert total / math.sqrt((1 - of**2).sum() + of.sum() ** 2) == pytest.approx(expected[pixel], rel=1e-5)
            compared += 1
    assert compared == SLICES // 40


@pytest.mark.parametrize("gaps", [0.0, 0.25])
def test_no_boxcar_is_overlooked(gaps: float) -> None:
    """A pixel is hot while the boxcar that is its best for some time ends in one of the last slices."""
    pyramid, rounded = new_pyramid(SIDE * SIDE), np.full((SLICES + SPAN, SIDE * SIDE), np.nan)
    hot = np.zeros((SLICES + SPAN, SIDE * SIDE), bool)
    for index, image in enumerate([*history(11, gaps), *[None] * SPAN]):
        hot[index, pushed(pyramid, image, index, 0.0)] = True
        if image is not None:
            rounded[index] = pyramid.ring[index % len(pyramid.ring)] / STEPS
    none = np.zeros(len(rounded))
    best = np.array([best_by_brute_force(rounded, none, end, 64) for end in range(len(rounded))])
    around = np.pad(best, ((SPAN, SPAN), (0, 0)))
    best_of_around = np.lib.stride_tricks.sliding_window_view(around, 2 * SPAN + 1, axis=0).max(axis=-1)
    strong: NDArray[np.bool_] = (best[:SLICES] >= best_of_around[:SLICES]) & (best[:SLICES] > LOW / SURELY_SEEN)
    seen = np.lib.stride_tricks.sliding_window_view(hot, SPAN, axis=0)[:SLICES].any(axis=-1)
    assert np.count_nonzero(strong) > 80
    assert not (strong & ~seen).any()


def test_memory_is_what_is_said() -> None:
    for widest in (8, 64):
        pyramid = new_pyramid(10_000, widest)
        assert pyramid.ring.nbytes + sum(level.nbytes for level in pyramid.levels) == bytes_of(10_000, widest)
    assert bytes_of(1) == 220


def test_a_width_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="the widest boxcar has 48 slices: give 1, 2, 4, 8, 16, 32 or 64"):
        new_pyramid(100, 48)
