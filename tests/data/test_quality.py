"""The quality of an image: what is doubtful is named, and what is only noise or sky is not."""

from dataclasses import replace

import numpy as np
import pytest

from fip.data.quality import noisy, quality, with_noise
from fip.data.values import Beam, Grid, Slice, Statistics
from fip.imaging.beam import fit_beam
from fip.imaging.dirty import dirty_image, slice_beam
from fip.imaging.kernels import make_kernel
from fip.imaging.statistics import image_statistics
from support.synthetic import Source, array_uvw, make_block, make_slice

GRID = Grid(128, 128, 4e-5, 1.0, -0.5, "FK5")
BEAM = Beam(2e-4, 1e-4, 0.3)
SKY = [(2e-4, -3e-4, 1.0), (-1.1e-3, 9e-4, 0.4)]
UVW = array_uvw(1, 24, 600.0, 1.0)
BAND = np.linspace(1.0e9, 1.01e9, 4)


def observed(sky: list[Source], seed: int = 0) -> Slice:
    """A sky, a tenth of its samples flagged, with a beam that is the nominal one to some per cent."""
    block = make_block(UVW, BAND, sky, seed=seed)
    slice_ = make_slice([block], GRID, samples=block.weight[0].size)
    return replace(slice_, nominal_beam=fit_beam([replace(block, weight=np.ones_like(block.weight))]))


def judged(slice_: Slice) -> str:
    """The quality of the slice's image."""
    pixels = dirty_image(slice_, make_kernel(slice_.settings, slice_.grid)).pixels
    return quality(slice_, slice_beam(slice_), image_statistics(pixels[0, 0]))


def test_a_sky_of_sources_is_good() -> None:
    """Sidelobes are negative, but not as deep as the source is high."""
    assert judged(observed(SKY)) == "good"


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_good(seed: int) -> None:
    """Its negative peak may well be deeper than the positive one is high, yet it is no artefact."""
    slice_ = observed([], seed)
    (block,) = slice_.blocks
    random = np.random.default_rng(seed)
    noise = random.normal(size=block.visibility.shape) + 1j * random.normal(size=block.visibility.shape)
    assert (
        judged(replace(slice_, blocks=(replace(block, visibility=(block.weight * noise).astype(np.complex64)),)))
        == "good"
    )


def test_a_negative_source_is_an_artefact() -> None:
    """In total intensity, which has none; in Stokes Q it may be."""
    slice_ = observed([(0.0, 2e-4, -1.0)])
    assert judged(slice_) == "artefacts"
    assert judged(replace(slice_, settings=replace(slice_.settings, stokes=("Q",)))) == "good"


def test_what_is_flagged_is_said() -> None:
    """It is said if more than half of the samples do not count."""
    slice_ = observed(SKY)
    used = int(slice_.visibilities[0].sum())
    assert judged(replace(slice_, samples=2 * used)) == "good"
    assert judged(replace(slice_, samples=2 * used + 1)) == "flagged"


@pytest.mark.parametrize(
    ("beam", "expected"),
    [
        (BEAM, "good"),
        (replace(BEAM, major=1.9 * BEAM.major), "good"),
        (replace(BEAM, major=2.1 * BEAM.major), "beam"),
        (replace(BEAM, minor=0.4 * BEAM.minor), "beam"),
        (None, "beam"),
    ],
)
def test_a_beam_that_is_another(beam: Beam | None, expected: str) -> None:
    """An axis twice or half that of the nominal beam, or no beam although there should be one."""
    slice_ = replace(observed(SKY), nominal_beam=BEAM)
    assert quality(slice_, beam, Statistics(0.1, -0.2, 1.0)) == expected


def test_no_beam_is_no_fault_where_there_can_be_none() -> None:
    """A linear array has none at any time."""
    assert quality(replace(observed(SKY), nominal_beam=None), None, Statistics(0.1, -0.2, 1.0)) == "good"


def test_without_the_outer_antennas_the_beam_tells() -> None:
    """Only the baselines of a quarter of the length are left: flagged, and a beam four times as wide."""
    slice_ = observed(SKY)
    (block,) = slice_.blocks
    lengths = np.hypot(*UVW[:, :2].T)
    weight = block.weight * (lengths < 0.25 * lengths.max())[None, :, None]
    counts = np.count_nonzero(weight, axis=(1, 2))[:, None]
    blocks = (replace(block, weight=weight, visibility=block.visibility * (weight > 0)),)
    assert judged(replace(slice_, blocks=blocks, visibilities=counts)).split("+")[:2] == ["flagged", "beam"]


def test_an_empty_slice_is_empty() -> None:
    """It has no other quality."""
    assert quality(make_slice([], GRID), None, None) == "empty"


@pytest.mark.parametrize(
    "found", [None, Statistics(0.0, 0.0, 0.0), Statistics(0.0, 3.0, 3.0), Statistics(1.0, -2.0, np.inf)]
)
def test_an_image_that_shows_nothing_is_blank(found: Statistics | None) -> None:
    """All NaN though there are samples, one constant, or with infinite pixels: never good."""
    assert quality(replace(observed(SKY), nominal_beam=None), None, found) == "blank"


def test_garbled_samples_are_said() -> None:
    """Although they are left out."""
    assert judged(replace(observed(SKY), garbled=1)) == "garbled"


@pytest.mark.parametrize(
    ("numbers", "offset", "expected"),
    [
        ({}, None, "good"),
        ({"model.amplitude": 0.81, "noise.expected": 0.07}, 0.19, "good"),
        ({"model.amplitude": 0.79}, None, "calibration"),
        ({"model.amplitude": 1.21}, None, "calibration"),
        ({"model.amplitude": 1.0}, 0.21, "calibration"),
        ({"noise.expected": 0.066}, None, "sky"),
        ({"model.amplitude": 0.5, "noise.expected": 0.01}, None, "calibration+sky"),
    ],
)
def test_gains_and_models_that_do_not_fit_are_said(
    numbers: dict[str, float], offset: float | None, expected: str
) -> None:
    """This needs numbers that show it: those of a slice that was corrected."""
    slice_ = replace(observed(SKY), nominal_beam=None, numbers={name: (each, "") for name, each in numbers.items()})
    assert quality(slice_, None, Statistics(0.1, -0.2, 1.0), offset) == expected


def test_a_flare_is_not_taken_for_noise() -> None:
    """Its sidelobes are up with it; noise and interference have no peak that is so much higher."""
    usual = [1.0] * 9
    assert noisy([*usual, 5.0], [6.0] * 9 + [106.0])[-1] is False  # a burst of 106 sigma, sidelobes of 5 per cent
    assert noisy([*usual, 5.0], [6.0] * 9 + [25.0])[-1] is True  # noise of five times as much
    assert noisy([*usual, 2.5], [100.0] * 10)[-1] is True  # a steady source, and most samples lost
    assert noisy([*usual, 5.0])[-1] is True


def test_noise_is_judged_by_that_of_the_others() -> None:
    """More than twice the median; images without statistics have none; what was said before is said once."""
    assert noisy([1.0, 1.1, 0.9, 2.3, None, 1.9]) == [False, False, False, True, False, False]
    assert noisy([None]) == [False]
    assert noisy([]) == []
    assert with_noise("good", True) == with_noise("noise", True) == "noise"
    assert with_noise("flagged+beam", True) == "flagged+beam+noise"
    assert with_noise("flagged+noise", False) == "flagged"
    assert with_noise("noise", False) == "good"
