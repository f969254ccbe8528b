"""Correlations of a model are what Stokes are formed of again, as feeds at any angle see them."""

import numpy as np
import pytest

from fip.corrections.predict.feeds import correlated, less
from fip.imaging.polarisation import form, products

LINEAR, CIRCULAR = ("XX", "XY", "YX", "YY"), ("RR", "RL", "LR", "LL")


def stokes(planes: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(7, 5, planes)) + 1j * rng.normal(size=(7, 5, planes))).astype(np.complex64)


@pytest.mark.parametrize("correlations", [LINEAR, CIRCULAR, ("I", "Q", "U", "V")])
def test_stokes_formed_of_correlations_are_the_models(correlations: tuple[str, ...]) -> None:
    """Both use the same conventions."""
    model = stokes(4)
    made = correlated(model, correlations, None)
    out, weight = np.zeros((4, 7, 5), np.complex64), np.zeros((4, 7, 5), np.float32)
    form(products("IQUV", correlations), made, np.ones(made.shape, np.float32), np.zeros(made.shape, bool), out, weight)
    np.testing.assert_allclose(np.moveaxis(out / weight, 0, 2), model, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("correlations", [LINEAR, CIRCULAR])
def test_feeds_that_are_turned_see_the_polarisation_turned(correlations: tuple[str, ...]) -> None:
    """Light polarised along the feed's own angle is Q to it, whatever that angle is."""
    angle = np.linspace(-1, 2, 7)
    model = np.zeros((7, 5, 4), np.complex64)
    model[..., 0] = 1
    model[..., 1], model[..., 2] = np.cos(2 * angle)[:, None], np.sin(2 * angle)[:, None]
    seen = correlated(model, correlations, angle)
    still = np.zeros_like(model)
    still[..., :2] = 1
    np.testing.assert_allclose(seen, correlated(still, correlations, None), atol=1e-6)


@pytest.mark.parametrize("planes", [1, 4])
@pytest.mark.parametrize("correlations", [LINEAR, CIRCULAR, ("XX", "YY"), ("RR",), ("I",)])
def test_less_is_the_difference(planes: int, correlations: tuple[str, ...]) -> None:
    """This is done in place; cross hands stay as they are if the model is I alone."""
    rng = np.random.default_rng(1)
    visibility = rng.normal(size=(7, 5, len(correlations))).astype(np.complex64)
    before, model, angle = visibility.copy(), stokes(planes), rng.normal(size=7)
    less(visibility, model, correlations, angle)
    np.testing.assert_allclose(visibility, before - correlated(model, correlations, angle), atol=1e-6)
    if planes == 1 and len(correlations) == 4:
        np.testing.assert_array_equal(visibility[..., 1:3], before[..., 1:3])
        assert (visibility[..., 0] != before[..., 0]).all()


def test_intensity_alone_is_not_copied() -> None:
    """There is no need to copy it."""
    model = stokes(1)
    assert np.shares_memory(correlated(model, ("XX", "YY"), None), model)
