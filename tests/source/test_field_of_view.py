"""How far an image can be trusted, against the definitions: beams, smearing, and UVW against the antennas."""

import math

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from scipy.special import j1

from fip.data.directions import Frame
from fip.source.advice.field_of_view import LOSSES, bandwidth_radius, beam_width, primary_beam, time_radius
from fip.source.advice.geometry import check_uvw, uvw_axes

SPEED_OF_LIGHT = 299792458.0
TIME = 5.1e9  # s UTC since MJD 0


def test_the_primary_beam_is_the_half_power_width_of_an_airy_disc() -> None:
    """(2 J1(x)/x)^2 = 1/2 at half its width, to the three digits that 1.03 lambda/D has."""
    x = math.pi * 25 * math.sin(primary_beam(25.0, 1.4e9) / 2) / (SPEED_OF_LIGHT / 1.4e9)
    assert (2 * j1(x) / x) ** 2 == pytest.approx(0.5, abs=2e-3)


def mean_over_gaussian(spread: float) -> float:
    """The mean of sin(pi x)/(pi x) for x Gaussian of this standard deviation."""
    x, weight = np.polynomial.hermite_e.hermegauss(80)
    return float(weight @ np.sinc(spread * x) / weight.sum())


@pytest.mark.parametrize("loss", LOSSES)
def test_smearing_takes_that_share_of_a_source(loss: float) -> None:
    """At the radius the mean over (u, v) of the response, averaged over channel or integration, is down by the loss."""
    rms, frequency, channel, seconds = 2000.0, 1.4e9, 1e6, 8.0
    sigma = rms / math.sqrt(2) * frequency / SPEED_OF_LIGHT  # of one coordinate, in wavelengths
    theta = bandwidth_radius(loss, rms, frequency, channel)
    assert mean_over_gaussian(channel / frequency * sigma * theta) == pytest.approx(1 - loss, abs=1e-6)
    theta = time_radius(loss, rms, frequency, seconds)
    turned = 2 * math.pi / 86164.1 * seconds  # rad, of the Earth
    assert mean_over_gaussian(turned * sigma * theta) == pytest.approx(1 - loss, abs=1e-5)


def test_a_small_loss_in_time_is_that_of_bridle_and_schwab() -> None:
    """The loss is 1.22e-9 (theta/theta_b)^2 t^2."""
    theta = time_radius(0.01, 2000.0, 1.4e9, 8.0)
    assert 1.22e-9 * (theta / beam_width(2000.0, 1.4e9)) ** 2 * 64 == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize("frame", ["ICRS", "FK5", "GALACTIC", "FK4"])
def test_axes_follow_the_frame(frame: Frame) -> None:
    """w points to the place, u east and v north of it in the frame; all frames agree on the places of sources."""
    place = SkyCoord(1.2, -0.4, unit="rad", frame="icrs")
    names = {"ICRS": "icrs", "FK5": "fk5", "GALACTIC": "galactic", "FK4": "fk4"}
    there = place.transform_to(names[frame]).spherical
    x, y = float(there.lon.rad), float(there.lat.rad)
    u, v, w = uvw_axes(TIME, x, y, frame)
    np.testing.assert_allclose(w, uvw_axes(TIME, 1.2, -0.4)[2], atol=3e-6)  # FK4 aberrates by 0.34 arcsec
    step = 1e-4
    np.testing.assert_allclose((uvw_axes(TIME, x, y + step, frame)[2] - w) / step, v, atol=1e-4)
    np.testing.assert_allclose((uvw_axes(TIME, x + step, y, frame)[2] - w) / step / math.cos(y), u, atol=1e-4)
    np.testing.assert_allclose(np.cross(u, v), w, atol=1e-12)


def baselines() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """r2 - r1 of an array that is not flat, m."""
    return np.random.default_rng(0).normal(size=(40, 3)) * [1000.0, 1000.0, 200.0]


@pytest.mark.parametrize(("scale", "says"), [(1.0, "1.0000 x (r2 - r1)"), (-1.0, "1.0000 x (r1 - r2)")])
def test_either_sign_of_uvw_agrees(scale: float, says: str) -> None:
    """MeasurementSets come with both; the line says which."""
    check = check_uvw(scale * baselines(), baselines())
    assert check.fit is not None
    assert check.fit.good
    assert str(check).startswith(says)


@pytest.mark.parametrize("scale", [0.998, -1.002, 0.3048])
def test_another_scale_disagrees(scale: float) -> None:
    """They disagree by more than one in a thousand, as with positions in feet."""
    said = str(check_uvw(scale * baselines(), baselines()))
    assert said.startswith("warning: UVW disagree with the antennas")
    assert f"{abs(scale):.4f} x (r{'2 - r1' if scale > 0 else '1 - r2'})" in said
    assert "turned" not in said


def test_another_direction_disagrees() -> None:
    """The line says by how much UVW are turned."""
    cos, sin = math.cos(0.2), math.sin(0.2)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    said = str(check_uvw(-baselines() @ turn, baselines()))
    assert said.startswith("warning")
    assert "turned by 11.5 deg they are 1.0000 x (r1 - r2)" in said


def test_uvw_that_are_nothing_are_not_compared() -> None:
    """All zero, or antennas all at one place."""
    for uvw, difference in ((0 * baselines(), baselines()), (baselines(), 0 * baselines())):
        assert "cannot be compared" in str(check_uvw(uvw, difference))
