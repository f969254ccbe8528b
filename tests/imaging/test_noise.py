"""The noise that images should have against the noise that images have."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.corrections.observed import Observed
from fip.data.settings import Imaging
from fip.data.values import Block, Grid
from fip.imaging.ducc import dirty
from fip.imaging.noise import expected_noise
from fip.imaging.weighting import weigh
from support.observed_slices import PARALLEL, noise, phasor

GRID = Grid(width=512, height=512, scale=2e-5, longitude=0.0, latitude=0.0, frame="FK5")
THERMAL = 1 / np.sqrt(2)  # Jy, of either part of Stokes I of one sample of weight 1


def block(observed: Observed, weight: NDArray[np.float32], sky: NDArray[np.complex128] | float = 0.0) -> Block:
    """Stokes I of it and a sky [row, channel], whose noise falls with the root of the weight [row, channel]."""
    deviation = np.divide(1, np.sqrt(weight), out=np.zeros_like(weight), where=weight > 0)
    value = observed.visibility[..., PARALLEL].mean(axis=2) * deviation + sky
    return Block(0, observed.uvw, observed.frequency, (value * weight).astype(np.complex64)[None], weight[None])


def weights(observed: Observed, seed: int = 1) -> NDArray[np.float32]:
    """Different for each row and channel, a tenth of the samples flagged."""
    random = np.random.default_rng(seed)
    shape = observed.bad.shape[:2]
    made = random.uniform(0.3, 3, (shape[0], 1)) * random.uniform(0.8, 1.2, shape) * (random.random(shape) > 0.1)
    return made.astype(np.float32)


def measured(blocks: list[Block]) -> float:
    values = [each.visibility[0].ravel() for each in blocks]
    image = dirty(
        [each.uvw for each in blocks],
        [each.frequency for each in blocks],
        values,
        np.complex64,
        (GRID.height, GRID.width),
        GRID.scale,
        1e-5,
    )
    return float(np.std(image) / sum(each.weight.sum(dtype=np.float64) for each in blocks))


@pytest.mark.parametrize(
    ("weight", "robust", "taper"),
    [("natural", None, None), ("uniform", None, None), ("briggs", 0.0, None), ("briggs", -1.0, 1e-4)],
)
def test_noise_is_expected_as_images_have_it(weight: Any, robust: float | None, taper: float | None) -> None:
    settings = Imaging(stokes=("I",), epsilon=1e-5, kernel="wgridder", weight=weight, robust=robust, taper=taper)
    observed = [noise(seed=seed) for seed in (1, 2)]
    natural = [block(each, weights(each)) for each in observed]
    weighed = weigh(natural, settings, GRID)
    (expected,) = expected_noise(natural, weighed)
    assert expected == pytest.approx(measured(list(weighed)), rel=0.03)


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_few_channels_make_it_no_larger_or_smaller(channels: int) -> None:
    observed = [noise(channels=channels, seed=seed) for seed in range(4)]
    blocks = [block(each, np.ones(each.bad.shape[:2], np.float32)) for each in observed]
    thermal = THERMAL / np.sqrt(sum(each.weight.size for each in blocks))
    assert expected_noise(blocks, blocks)[0] == pytest.approx(thermal, rel=0.03)


def test_the_scale_of_weights_is_no_matter() -> None:
    observed = noise(antennas=32)
    weight = weights(observed)
    one, other = block(observed, weight), block(observed, weight)
    seven = Block(0, one.uvw, one.frequency, 7 * one.visibility, 7 * one.weight)
    assert expected_noise([seven], [seven]) == pytest.approx(expected_noise([other], [other]), rel=1e-5)


def test_a_row_whose_weights_are_wrong_alone_is_known_by_its_scatter() -> None:
    observed = noise()
    weight = weights(observed)
    right = block(observed, weight)
    wrong = np.where(observed.antenna1[:, None] % 2 == 0, np.float32(4), np.float32(1)) * right.weight[0]
    told = Block(0, right.uvw, right.frequency, right.visibility / right.weight.clip(1e-9) * wrong, wrong[None])
    (expected,) = expected_noise([told], [told])
    assert expected == pytest.approx(measured([told]), rel=0.03)


@pytest.mark.parametrize("snr", [10, 100, 1000, 10_000])
def test_a_source_far_away_with_a_spectrum_is_no_noise(snr: float) -> None:
    observed = noise()
    weight = np.ones(observed.bad.shape[:2], np.float32)
    thermal = THERMAL / np.sqrt(weight.size)
    sky = phasor(observed, 0.012, -0.009) * snr * thermal * (observed.frequency / 1.28e9) ** -2
    one = block(observed, weight, sky)
    assert expected_noise([one], [one])[0] == pytest.approx(thermal, rel=0.05)
    half = block(observed, weight, sky * (np.arange(64) < 32))
    assert expected_noise([half], [half])[0] == pytest.approx(thermal, rel=0.05)


def test_a_row_without_neighbouring_channels_has_the_scatter_of_the_others() -> None:
    observed = noise()
    weight = np.ones(observed.bad.shape[:2], np.float32)
    weight[::3, ::2] = 0
    one = block(observed, weight)
    assert expected_noise([one], [one])[0] == pytest.approx(measured([one]), rel=0.03)


def test_noise_that_cannot_be_told_is_nan() -> None:
    observed = noise(antennas=5, channels=1)
    single = block(observed, np.ones((10, 1), np.float32))
    nothing = block(noise(antennas=5, channels=4), np.zeros((10, 4), np.float32))
    assert np.isnan(expected_noise([single], [single])).tolist() == [True]
    assert np.isnan(expected_noise([nothing], [nothing])).tolist() == [True]
    assert expected_noise([], []).shape == (0,)
