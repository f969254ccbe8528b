"""Flags by residuals: sources stay, interference goes."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.corrections.flags.automatic import Automatic
from fip.corrections.observed import Observed
from support.observed_slices import PARALLEL, noise, noise_over_thermal, per_sample, phasor, places

AUTO = Automatic.opened()
ANTENNAS, CHANNELS = 64, 64


def changed(observed: Observed, rows: NDArray[np.complex128], feeds: tuple[float, ...]) -> Observed:
    """Return the data with [row, channel] added to each correlation, times its factor."""
    added = observed.visibility + np.multiply.outer(rows, np.array(feeds)).astype(np.complex64)
    return replace(observed, visibility=added, bad=observed.bad.copy())


@pytest.fixture(scope="module")
def quiet() -> Observed:
    return noise(ANTENNAS, CHANNELS)


@pytest.mark.parametrize("snr", [10, 100, 1000, 10_000])
@pytest.mark.parametrize("part", [slice(0, 64), slice(0, 32), slice(20, 36)], ids=str)
def test_a_point_source_in_one_slice_keeps_its_flux(quiet: Observed, snr: float, part: slice) -> None:
    on = np.zeros(CHANNELS)
    on[part] = per_sample(quiet, snr)
    seen = AUTO.after(changed(quiet, phasor(quiet, 9e-3, -8e-3) * on, (1, 0, 0, 1)))
    lost = np.asarray(seen.bad[..., PARALLEL].any(axis=2))[:, part].mean()
    assert lost < 0.001
    assert seen.bad.mean() < 0.001


def test_a_bright_source_in_one_integration_of_several_keeps_its_flux() -> None:
    observed = noise(ANTENNAS, 32, integrations=4)
    in_one = np.array(observed.integration == 2)
    on = per_sample(observed, 10_000) * np.multiply.outer(in_one, np.arange(32) < 16)
    seen = AUTO.after(changed(observed, phasor(observed, 4e-3, 6e-3) * on, (1, 0, 0, 1)))
    assert seen.bad.mean() < 0.001


def test_a_baseline_of_little_weight_is_noisy_and_no_interference() -> None:
    observed = noise(ANTENNAS, CHANNELS)
    noisy = observed.antenna1 == 7
    weight = np.where(noisy[:, None, None], np.float32(1 / 25), observed.weight)
    values = np.where(noisy[:, None, None], 5 * observed.visibility, observed.visibility)
    for flux in (0.0, 3.0, 20.0):
        source = changed(
            replace(observed, weight=weight, visibility=values), flux * phasor(observed, 0, 0), (1, 0, 0, 1)
        )
        assert AUTO.after(source).bad.mean() < 0.001
    unsaid = AUTO.after(replace(observed, visibility=values, bad=observed.bad.copy()))
    assert unsaid.bad[noisy].all(), "noise that weights do not speak of is flagged"


def interference(kind: str, observed: Observed, strength: float) -> NDArray[np.complex128]:
    """Interference [row, channel] in Jy of amplitudes about this strength."""
    random = np.random.default_rng(5)
    rows, channels = observed.bad.shape[:2]
    length = np.hypot(observed.uvw[:, 0], observed.uvw[:, 1])[:, None]
    delay = random.normal(size=(rows, 1)) * 300
    wave = strength * np.exp(2j * np.pi * (random.random((rows, 1)) + delay * np.arange(channels) / channels))
    antennas = np.stack([observed.antenna1, observed.antenna2], axis=1)
    on = np.ones((rows, channels))
    if kind == "narrow":
        on[:] = np.isin(np.arange(channels), (5, 20, 21, 40))
    elif kind == "narrow, on short baselines":
        on[:] = np.isin(np.arange(channels), (0, 33, 63)) * (length < 300)
    elif kind == "an eighth of the band":
        on[:] = (np.arange(channels) < channels // 8) * random.uniform(0.5, 1.5, (rows, 1))
    elif kind == "impulse":
        on *= np.where(length < 250, 250 / (length + 25), 0)
    elif kind == "impulse, any baselines":
        on *= random.lognormal(0, 0.5, (rows, 1)) * (random.random((rows, 1)) < 0.25)
    elif kind == "one antenna's":
        on *= (antennas == 3).any(axis=1)[:, None]
    else:
        wave, on = strength * near_field(observed), np.ones(())
    return np.asarray(wave * on)


def near_field(observed: Observed) -> NDArray[np.complex128]:
    """A curved wave [row, channel] from among the antennas, that those within 400 m of it receive."""
    distance = np.linalg.norm(places(ANTENNAS) - [400.0, 150.0, 0.0], axis=1)
    voltage = np.where(distance < 400, np.minimum(1, 200 / distance), 0)
    path = distance[observed.antenna1] - distance[observed.antenna2] - observed.uvw[:, 2]
    near = voltage[observed.antenna1] * voltage[observed.antenna2]
    turns = np.multiply.outer(path, observed.frequency) / 299792458.0
    return np.asarray(near[:, None] * np.exp(2j * np.pi * turns))


@pytest.mark.parametrize("strength", [10, 1000])
@pytest.mark.parametrize(
    "kind",
    [
        "narrow",
        "narrow, on short baselines",
        "an eighth of the band",
        "impulse",
        "impulse, any baselines",
        "one antenna's",
        "near-field",
    ],
)
def test_interference_leaves_the_noise_thermal(quiet: Observed, kind: str, strength: float) -> None:
    hit = changed(quiet, interference(kind, quiet, strength), (1, 0.4, 0.4, 0.7))
    thermal = noise_over_thermal(quiet)
    assert noise_over_thermal(hit) > 1.1 * thermal, "it is no matter if it is not flagged"
    seen = AUTO.after(hit)
    assert noise_over_thermal(seen) < 1.1 * thermal
    assert seen.bad.mean() < 0.35


def test_interference_in_more_than_half_of_the_baselines_is_known_if_it_differs_among_them(quiet: Observed) -> None:
    random = np.random.default_rng(6)
    hit = np.array(random.random(len(quiet.antenna1)) < 0.55)
    strength = np.where(hit, 30 * random.lognormal(0, 1, len(hit)), 0)
    turns = np.exp(2j * np.pi * random.random((len(hit), CHANNELS)))
    seen = AUTO.after(changed(quiet, strength[:, None] * turns, (1, 0.4, 0.4, 0.7)))
    assert noise_over_thermal(seen) < 1.1 * noise_over_thermal(quiet)
    assert seen.bad.mean() < 0.6


def test_an_antenna_with_most_of_its_baselines_hit_goes_as_a_whole(quiet: Observed) -> None:
    of_it = (quiet.antenna1 == 5) | (quiet.antenna2 == 5)
    hit = of_it & (quiet.antenna1 + quiet.antenna2 < 50)
    seen = AUTO.after(changed(quiet, 20 * hit[:, None] * phasor(quiet, 0.3, 0.2), (1, 0.4, 0.4, 0.7)))
    assert seen.bad[of_it].all()
    assert seen.bad[~of_it].mean() < 0.001


def test_what_is_bad_or_no_number_is_left_as_it_is() -> None:
    observed = noise(12, 32)
    observed.visibility[3, 4, 0] = np.nan
    observed.visibility[3, 5, 0] = 1e20
    observed.weight[8] = 0
    observed.bad[5] = True
    before = observed.bad.copy()
    assert np.array_equal(AUTO.after(observed).bad, before)


@pytest.mark.parametrize(("antennas", "channels"), [(2, 1), (3, 1), (64, 1), (2, 64), (4, 7)])
def test_few_channels_or_baselines_are_no_reason_to_flag(antennas: int, channels: int) -> None:
    assert AUTO.after(noise(antennas, channels)).bad.mean() < 0.01
    nothing = noise(antennas, channels)
    nothing.bad[...] = True
    assert AUTO.after(nothing).bad.all()
