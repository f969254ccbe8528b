"""Antennas that receive noise alone, found with a model of the sky: those and no others, whatever else is there."""

from dataclasses import replace

import numpy as np
import pytest

from fip.corrections.flags.dead import dead_rows
from fip.corrections.observed import Observed
from fip.corrections.predicted import Predicted
from support.observed_slices import PARALLEL, noise, phasor

DEAD = 5


def _night(flux: float, transient: float, seed: int = 0) -> tuple[Observed, Predicted]:
    """What is left of noise of 1 Jy, two sources of `flux` and a transient that all but one antenna see, less a model
    of the two; and that model."""
    slice_ = noise(antennas=20, channels=32, seed=seed)
    steady = flux * (phasor(slice_, 2e-3, -1e-3) + 0.5 * phasor(slice_, -4e-3, 3e-3))
    lives = (slice_.antenna1 != DEAD) & (slice_.antenna2 != DEAD)
    sky = (steady + transient * phasor(slice_, 1e-3, 5e-3)) * lives[:, None]
    seen = slice_.visibility.copy()
    seen[..., PARALLEL] += (sky - steady)[..., None]
    return replace(slice_, visibility=seen), Predicted(tuple(PARALLEL), np.repeat(steady[..., None], 2, axis=2))


@pytest.mark.parametrize("transient", [0.0, 1.0, 1000.0])
@pytest.mark.parametrize("flux", [1.0, 10.0])
def test_a_dead_antenna_is_marked_and_no_other(flux: float, transient: float) -> None:
    """The model is as bright as the noise of a sample, or brighter; a transient may have any flux."""
    for seed in range(5):
        slice_, model = _night(flux, transient, seed)
        expected = (slice_.antenna1 == DEAD) | (slice_.antenna2 == DEAD)
        np.testing.assert_array_equal(dead_rows(slice_, model), expected)


def test_nothing_is_said_with_a_model_that_noise_hides() -> None:
    """None of 100 slices has a row marked: what is common to neighbours is then by chance."""
    for seed in range(100):
        slice_, model = _night(0.01, 0.0, seed)
        assert not dead_rows(slice_, model).any()


def test_bad_samples_tell_nothing() -> None:
    """An antenna whose signal is bad in all samples is not dead by what stands there; one that was flagged is gone."""
    slice_, model = _night(2.0, 0.0)
    junk = slice_.antenna1 == 0
    slice_.visibility[junk] = np.nan
    slice_.bad[junk] = True
    slice_.bad[(slice_.antenna1 == DEAD) | (slice_.antenna2 == DEAD)] = True
    assert not dead_rows(slice_, model).any()
