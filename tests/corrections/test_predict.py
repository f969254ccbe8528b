"""Predicted visibilities are those of the sky model, to epsilon, in whichever way they are computed."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fip.corrections.predict import antennas, plain, rows
from fip.corrections.predict.geometry import pole as pole_of
from fip.corrections.predict.predicting import predict
from fip.corrections.predict.smearing import Smearing, smeared
from fip.corrections.predict.spectral import Spectra
from fip.corrections.sky.components import Components
from support.sky_seen import CORRELATIONS, START, components, error, exact, observed, turned

BAND = np.linspace(1.3e9, 1.4e9, 64)
FEW = np.linspace(1.3e9, 1.4e9, 12)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which ways were gone, in order."""
    gone: list[str] = []
    by_antennas, by_rows = antennas.add_by_antennas, rows.add_by_rows

    def antennas_noted(*given: Any, **named: Any) -> None:
        gone.append("antennas")
        by_antennas(*given, **named)

    def rows_noted(*given: Any, **named: Any) -> None:
        gone.append("rows")
        by_rows(*given, **named)

    monkeypatch.setattr(antennas, "add_by_antennas", antennas_noted)
    monkeypatch.setattr(rows, "add_by_rows", rows_noted)
    return gone


@pytest.mark.parametrize("epsilon", [1e-5, 1e-6, 1e-9])
@pytest.mark.parametrize("reach", [0.01, 0.9])
@pytest.mark.parametrize("planes", [1, 4])
def test_points_are_right_by_antennas(ways: list[str], epsilon: float, reach: float, planes: int) -> None:
    """Near the centre, and anywhere on the sky."""
    seen = observed(FEW, antennas=30)
    model = components(seen, 600, reach, planes=planes)
    found = predict(model, [], seen, epsilon)
    assert ways == ["antennas"]
    assert found.dtype == (np.complex64 if epsilon >= 1e-6 else np.complex128)
    assert found.shape == (435, 12, planes)
    assert error(found, exact(model, seen)) < epsilon


def test_fluxes_may_be_negative() -> None:
    """Clean components have negative fluxes, too."""
    seen = observed(FEW, antennas=30)
    model = components(seen, 600, 0.01)
    model = replace(model, flux=model.flux * np.where(np.arange(600) % 3, 1, -1)[:, None, None])
    assert error(predict(model, [], seen, 1e-5), exact(model, seen)) < 1e-5


def test_several_integrations_are_each_seen_along_their_own_axes(ways: list[str]) -> None:
    """A slice that is the mean of three integrations."""
    seen = observed(FEW, antennas=30, integrations=3, interval=300.0)
    seen = replace(seen, axes=np.stack([turned(axes.T, 0.02 * n).T for n, axes in enumerate(seen.axes)]))
    model = components(seen, 600, 0.02)
    assert error(predict(model, [], seen, 1e-5), exact(model, seen)) < 1e-5
    assert ways == ["antennas"] * 3


@pytest.mark.parametrize("epsilon", [1e-5, 1e-9])
def test_baselines_that_do_not_close_are_predicted_row_by_row(ways: list[str], epsilon: float) -> None:
    """A millimetre is enough, as of baselines that were averaged each over times of its own."""
    seen = observed(FEW, antennas=30)
    uvw = seen.uvw + np.random.default_rng(1).normal(scale=1e-3, size=seen.uvw.shape)
    seen = replace(seen, uvw=uvw)
    model = components(seen, 600, 0.01)
    assert error(predict(model, [], seen, epsilon), exact(model, seen)) < epsilon
    assert set(ways) == {"rows"}


def test_a_row_without_uvw_does_not_keep_the_others_from_closing(ways: list[str]) -> None:
    """It is 0 if it was no number on file, and its samples are bad."""
    seen = observed(FEW, antennas=30)
    seen.uvw[[7, 100]] = 0
    model = components(seen, 600, 0.01)
    assert error(predict(model, [], seen, 1e-5), exact(model, seen)) < 1e-5
    assert ways == ["antennas"]


def test_of_few_components_rows_are_cheaper(ways: list[str]) -> None:
    """One source is no work for matrices."""
    seen = observed(BAND, antennas=12)
    model = components(seen, 1, 0.01)
    assert error(predict(model, [], seen, 1e-5), exact(model, seen)) < 1e-5
    assert set(ways) == {"rows"}


@pytest.mark.parametrize("epsilon", [1e-5, 1e-9])
@pytest.mark.parametrize("spacing", ["even", "uneven"])
def test_a_thousand_channels_follow_from_few(epsilon: float, spacing: str) -> None:
    """Nodes are far fewer, and all channels are right, whichever way, wherever they are."""
    frequency = np.linspace(1.3e9, 1.4e9, 1024)
    if spacing == "uneven":
        frequency = np.sort(frequency + np.random.default_rng(0).uniform(-5e4, 5e4, 1024))
    seen = observed(frequency, antennas=8)
    model = components(seen, 150, 0.01)
    assert len(Spectra.of(frequency, model.flux, epsilon).nodes(3e-7).channels) < 150
    right = exact(model, seen)
    found = predict(model, [], seen, epsilon)
    assert error(found, right) < epsilon
    worst = np.linalg.norm(found - right, axis=0) / np.linalg.norm(right, axis=0)
    assert worst.max() < 2 * epsilon  # no channel is worse off
    by_rows = predict(model, [], replace(seen, uvw=seen.uvw + [[1e-3, 0, 0]] * np.eye(28)[:, :1]), epsilon)
    assert error(by_rows[1:], right[1:]) < epsilon


def test_a_wide_window_is_cut_into_segments() -> None:
    """Delays times bandwidth of some hundred turns."""
    frequency = np.linspace(0.9e9, 1.7e9, 1024)
    seen = observed(frequency, antennas=5)
    model = components(seen, 40, 0.02, alpha=-1.5)
    nodes = Spectra.of(frequency, model.flux, 1e-5).nodes(1.2e-7)
    assert nodes.matrices is not None
    assert len(nodes.matrices) > 1
    assert error(predict(model, [], seen, 1e-5), exact(model, seen)) < 1e-5


def test_a_spectrum_with_a_line_is_predicted_in_each_channel() -> None:
    """No polynomial follows it, and nothing is made of neighbours."""
    seen = observed(np.linspace(1.3e9, 1.31e9, 256), antennas=6)
    model = components(seen, 30, 0.01)
    model.flux[7, 100] *= -3
    assert Spectra.of(seen.frequency, model.flux, 1e-5).nodes(0.0).matrices is None
    assert error(predict(model, [], seen, 1e-5), exact(model, seen)) < 1e-5


def gaussian(model: Components, major: float, minor: float, angle: float) -> Components:
    every = np.ones(len(model))
    return replace(model, major=every * major, minor=every * minor, angle=every * angle)


@pytest.mark.parametrize("reach", [0.01, 0.7])
def test_a_gaussian_is_the_light_of_many_points_on_the_sky_where_it_is(reach: float) -> None:
    """The angle is at its own north; a degree or half a sky from the centre.

    The points are on the sphere, the Gaussian on the plane that touches it: pi w A^2 f / (8 ln 2 c), 3e-5 at most.
    """
    seen = observed(np.linspace(1.3e9, 1.4e9, 4), antennas=5, size=1000.0)
    where = components(seen, 1, reach, seed=4)
    major, minor, angle = 4e-5, 1.5e-5, 0.6
    towards = where.towards[0]
    east = np.cross([0, 0, 1], towards)
    east /= np.linalg.norm(east)
    north = np.cross(towards, east)
    step = np.linspace(-2.5, 2.5, 41)
    along, across = (each.ravel() for each in np.meshgrid(step, step))
    share = np.exp(-4 * np.log(2) * (along**2 + across**2))
    offset = np.outer(along * major, north * np.cos(angle) + east * np.sin(angle))
    offset += np.outer(across * minor, east * np.cos(angle) - north * np.sin(angle))
    places = towards + offset
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    none = np.zeros(len(share))
    flux = where.flux[0] * (share / share.sum())[:, None, None]
    points = Components(("",) * len(share), places, flux, none, none, none)
    right = exact(points, seen)
    assert error(right, exact(where, seen)) > 0.05  # it is resolved
    assert error(predict(gaussian(where, major, minor, angle), [], seen, 1e-9), right) < 5e-5


@pytest.mark.parametrize("reach", [1e-6, 0.002])
def test_gaussians_are_right_by_nodes(reach: float) -> None:
    """A sum over 512 channels is as right as each by itself: the light is at other delays than the centres."""
    seen = observed(np.linspace(0.5e9, 1.5e9, 512), antennas=6)
    model = gaussian(components(seen, 40, reach, alpha=0.0), 5e-5, 2e-5, 1.0)
    every = np.concatenate(
        [
            predict(
                replace(model, flux=model.flux[:, each : each + 1]), [],
                replace(seen, frequency=seen.frequency[each : each + 1], width=seen.width[:1]), 1e-11,
            )
            for each in range(0, 512, 37)
        ],
        axis=1,
    )  # fmt: skip
    for epsilon in (1e-5, 1e-9):
        assert error(predict(model, [], seen, epsilon)[:, ::37], every) < epsilon


def test_the_pole_is_that_of_date() -> None:
    """It moves by 20.04 arcsec a year along x (IAU 2006), and nods by 9 arcsec."""
    for year in (2000, 2026, 2050):
        x, y, z = pole_of((51544.5 + 365.25 * (year - 2000)) * 86400)
        assert abs(x - (year - 2000) * np.deg2rad(20.042 / 3600)) < 6e-5
        assert abs(y) < 6e-5
        assert abs(x * x + y * y + z * z - 1) < 1e-15


@pytest.mark.parametrize("tracked", ["phase centre", "another"])
def test_smearing_is_the_mean_over_a_channel_and_an_integration(tracked: str) -> None:
    """The fringes are about the centre that was tracked, in 32 x 32 sub-steps while the Earth turns.

    Delays are not quite linear in time, 1e-4 rad here, nor is f tau one in f and time, 1e-4 rad.
    """
    seen = observed(np.linspace(1.3e9, 1.4e9, 9), antennas=6, interval=8.0)
    seen = replace(seen, width=seen.width * 0.2)
    model = components(seen, 30, 0.03)
    centre = seen.axes[0, 2] if tracked == "phase centre" else model.towards[3]
    smear = Smearing(None if tracked == "phase centre" else centre[None], always=True)
    pole = pole_of(START)
    baselines = seen.uvw @ seen.axes[0]
    right = np.zeros(seen.visibility.shape[:2], complex)
    steps = (np.arange(32) + 0.5) / 32 - 0.5
    for time in steps:
        there = turned(baselines, 7.292115e-5 * 8 * time, tuple(pole))
        for part in steps:
            frequency = seen.frequency + part * seen.width
            fringes = np.einsum("rc,f->rcf", there @ (model.towards - centre).T, frequency)
            fixed = np.einsum("r,f->rf", baselines @ (centre - seen.axes[0, 2]), seen.frequency)
            turns = (fringes + fixed[:, None]) / 299792458.0
            right += np.einsum("rcf,cf->rf", np.exp(2j * np.pi * turns), model.flux[..., 0]) / 32**2
    found = predict(model, [], seen, 1e-9, smear=smear)[..., 0]
    assert error(found, exact(model, seen)[..., 0]) > 0.05  # there is something to smear
    assert error(found, right) < 3e-4  # the sub-steps', and what is not linear
    assert error(predict(model, [], seen, 1e-5, smear=smear)[..., 0], found) < 1e-5


def test_only_what_smearing_takes_from_above_the_noise_is_smeared() -> None:
    """A tenth of 1 / sqrt(sum w) is the limit, of the mean loss over all baselines."""
    seen = observed(BAND, antennas=12)
    model = components(seen, 50, 0.01)
    always = predict(model, [], seen, 1e-9, smear=Smearing(always=True))
    lost = exact(model, seen) - always
    assert not smeared(model, seen, None).any()
    for noise in (1e-5, 1e-2, 1e3):
        weight = np.full_like(seen.weight, 1 / (2 * 66 * 64 * noise**2))
        weighted = replace(seen, weight=weight)
        which = smeared(model, weighted, Smearing())
        assert which.all() if noise == 1e-5 else not which.any() if noise == 1e3 else 0 < which.sum() < 50
        found = predict(model, [], weighted, 1e-9, smear=Smearing())
        left = exact(model, seen) - lost - found
        assert np.abs(left.mean()) < 0.1 * noise * 50
        for source in np.flatnonzero(~which):
            one = Components(("",), model.towards[[source]], model.flux[[source]], *(np.zeros(1) for _ in range(3)))
            alone = predict(one, [], seen, 1e-9) - predict(one, [], seen, 1e-9, smear=Smearing(always=True))
            dephased = alone * exact(replace(one, flux=one.flux / one.flux), seen).conj()
            assert np.abs(dephased.mean()) < 0.1 * noise


@pytest.mark.parametrize("way", ["extended", "smeared", "both", "neither"])
def test_without_compiled_code_the_results_are_the_same(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy agrees to the rounding."""
    seen = observed(BAND, antennas=10)
    model = components(seen, 80, 0.01, planes=4)
    if way in ("extended", "both"):
        model = gaussian(model, 3e-5, 1e-5, 0.5)
    smear = Smearing(always=True) if way in ("smeared", "both") else None
    compiled = predict(model, [], seen, 1e-11, smear=smear)
    for module in (antennas, rows):
        monkeypatch.setattr(module, "functions", lambda: plain)
    assert error(predict(model, [], seen, 1e-11, smear=smear), compiled) < 1e-12
    assert error(predict(model, [], seen, 1e-5, smear=smear), compiled) < 1e-5


CONFINED = """
import ctypes, logging, mmap, sys
logging.basicConfig()
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, of Linux 6.3: as MemoryDenyWriteExecute
    def refused(*given, **named): raise PermissionError(13, "Permission denied")
    mmap.mmap = refused
from fip.corrections.predict.compiled import functions
print(functions().__name__, "numba" in sys.modules)
"""


def test_if_no_machine_code_may_be_made_numpy_predicts_and_the_log_says_so() -> None:
    """The unit has MemoryDenyWriteExecute, with which LLVM would end the process."""
    done = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fip.corrections.predict.plain", "False"]
    assert "without compiled code" in done.stderr


def test_no_components_and_no_rows_are_nothing() -> None:
    """Zeros of the right shape."""
    seen = observed(BAND, antennas=4)
    nothing = components(seen, 0, 0.01)
    assert not predict(nothing, [], seen, 1e-5).any()
    empty = observed(BAND, antennas=1)
    assert predict(components(seen, 3, 0.01), [], empty, 1e-5).shape == (0, 64, 1)
    assert seen.correlations == CORRELATIONS
