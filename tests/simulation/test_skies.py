"""Skies of many sources: their number counts, what is written of them beside the set, beams, and smearing."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from casacore.tables import table
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.imaging.primary_beam import beam_of
from fip.simulation import counts, layouts
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.simulation.sky import FIELD_RADIUS, sky

C = 299792458.0
FAULTLESS: dict[str, Any] = {"antennas": 9, "channels": 6, "integrations": 2, "noise": 0.0, "flag_fraction": 0.0}


def column(path: Path | str, name: str) -> NDArray[Any]:
    """A whole column of a table; subtables as PATH::NAME."""
    with table(str(path), ack=False) as opened:
        return np.asarray(opened.getcol(name))


def degrees(text: str, separator: str) -> float:
    """An angle of a sky model, hours or degrees of three parts."""
    whole, minutes, seconds = text.lstrip("+-").split(separator, 2)
    return (-1 if text[0] == "-" else 1) * (int(whole) + int(minutes) / 60 + float(seconds) / 3600)


def predicted(path: Path, model: Path) -> NDArray[np.complex128]:
    """The sum [row, channel] over a sky model's lines, as BBS and WSClean define them, from the set's own UVW."""
    uvw, frequency = column(path, "UVW"), column(f"{path}::SPECTRAL_WINDOW", "CHAN_FREQ")[0]
    ra0, dec0 = column(f"{path}::FIELD", "PHASE_DIR")[0, 0]
    total = np.zeros((len(uvw), len(frequency)), complex)
    for line in model.read_text().splitlines():
        if line.startswith(("Format", "#")):
            continue
        found = re.fullmatch(r"\w+,POINT,([^,]+),([^,]+),([^,]+),\[([^]]*)],(true|false),([^,]+),,,", line)
        assert found
        ra, dec = math.radians(15 * degrees(found[1], ":")), math.radians(degrees(found[2], "."))
        flux, terms, ratio = float(found[3]), [float(each) for each in found[4].split(",")], frequency / float(found[6])
        if found[5] == "true":
            spectrum = flux * 10 ** sum(each * np.log10(ratio) ** power for power, each in enumerate(terms, 1))
        else:
            spectrum = flux + sum(each * (ratio - 1) ** power for power, each in enumerate(terms, 1))
        l = math.cos(dec) * math.sin(ra - ra0)  # noqa: E741
        m = math.sin(dec) * math.cos(dec0) - math.cos(dec) * math.sin(dec0) * math.cos(ra - ra0)
        path_length = uvw @ [l, m, math.sqrt(1 - l * l - m * m) - 1]
        total += spectrum * np.exp(2j * np.pi * path_length[:, None] * frequency / C)
    return total


def test_flux_densities_follow_the_published_counts() -> None:
    """In many draws, as many are above each flux density as the integral of the counts says, within chance."""
    area, number = 0.002, 4000
    flux = counts.drawn_fluxes(number, area, np.random.default_rng(1))
    assert (np.diff(flux) <= 0).all()
    fine = np.linspace(math.log10(0.003), 0.0, 20001)
    differential = 10 ** sum(each * (fine + 3) ** power for power, each in enumerate(counts.COEFFICIENTS))
    for faintest in (0.003, 0.03, 0.1):
        above = fine >= math.log10(faintest)
        integrand = (differential * 10 ** (-1.5 * fine) * math.log(10))[above]
        expected = area * float(np.trapezoid(integrand, fine[above]))
        assert np.count_nonzero(flux > faintest) == pytest.approx(expected, abs=5 * math.sqrt(expected))


def test_drawn_sources_lie_all_over_the_field_with_their_spectra() -> None:
    """Places are even over 1.5 widths of the beam; spectral indices are -0.7 within 0.2; brightest first."""
    steady = [each for each in sky(Simulation(sources=3000)) if each.kind == "steady"]
    width = 1.029 * C / 1.284e9 / layouts.DISH_DIAMETER
    share = np.array([math.hypot(each.l, each.m) for each in steady]) / (FIELD_RADIUS * width)
    assert len(steady) == 3000
    assert share.max() <= 1.0
    assert np.mean(share**2) == pytest.approx(0.5, abs=5 * math.sqrt(1 / 12 / 3000))
    index = np.array([each.index for each in steady])
    assert index.mean() == pytest.approx(-0.7, abs=5 * 0.2 / math.sqrt(3000))
    assert index.std() == pytest.approx(0.2, rel=5 / math.sqrt(6000))


@pytest.mark.parametrize("beam", [None, "airy"])
def test_the_sky_model_beside_is_what_is_in_the_set(tmp_path: Path, beam: str | None) -> None:
    """The list, read as its format defines, gives MODEL_DATA to 1e-6 of it: with a beam the fluxes are apparent."""
    path = tmp_path / "many.ms"
    simulate(path, Simulation(**FAULTLESS, sources=60, transient=0.0, bandwidth=300e6, primary_beam=beam))
    expected = predicted(path, tmp_path / "many.skymodel")
    model = column(path, "MODEL_DATA")
    rms = math.sqrt(float(np.mean(np.abs(expected) ** 2)))
    for correlation, factor in enumerate((1, 0, 0, 1)):
        assert np.abs(model[..., correlation] - factor * expected).max() < 1e-6 * rms
    assert (column(path, "DATA") == model).all()


def test_the_primary_beam_takes_from_each_source_what_the_dishes_do(tmp_path: Path) -> None:
    """The truth says which; the known sources and the transient keep so much of it over the band."""
    path = tmp_path / "beam.ms"
    simulate(path, Simulation(**FAULTLESS, primary_beam="airy", autocorrelations=True, transient_on=(0, 2)))
    truth = Table.read(tmp_path / "beam.truth.ecsv")
    beam = beam_of("airy", layouts.DISH_DIAMETER, 1.284e9)
    east, north = (truth["ra"] - 155.0) * math.cos(math.radians(45)), truth["dec"] + 45.0
    away = np.radians(np.hypot(east, north))
    assert np.array(truth["beam"]) == pytest.approx(beam(away, 0 * away, 1.284e9), abs=1e-3)
    itself = column(path, "ANTENNA1") == column(path, "ANTENNA2")
    for name, count in (("MODEL_DATA", 5), ("DATA", 6)):
        seen = (truth["beam"] * (truth["I"] - truth["Q"]))[:count].sum() + 400.0 * (name == "DATA")
        assert column(path, name)[itself][:9, :, 3].real.mean() == pytest.approx(float(seen), abs=2e-3)


def test_smearing_is_the_mean_over_the_integration_and_the_channel(tmp_path: Path) -> None:
    """One source's amplitude falls by sinc(turns in the channel) x sinc(turns in the integration), as in MODEL_DATA."""
    asked = {**FAULTLESS, "channels": 4, "cadence": 60.0, "bandwidth": 40e6}
    simulation = Simulation(**asked, sources=1, transient=0.0, smear=True)
    simulate(tmp_path / "smeared.ms", simulation)
    simulate(tmp_path / "sharp.ms", Simulation(**{**vars(simulation), "smear": False}))
    smeared, sharp = (column(tmp_path / f"{name}.ms", "DATA")[..., 0] for name in ("smeared", "sharp"))
    (source,) = sky(simulation)
    uvw = column(tmp_path / "sharp.ms", "UVW").reshape(2, -1, 3)
    frequency = simulation.channel_frequencies
    delay = uvw @ np.array(source.towards) / C
    over_channel = np.sinc(delay[0] * simulation.bandwidth / simulation.channels)
    over_time = np.sinc((delay[1] - delay[0])[:, None] * frequency)
    ratio = (smeared / sharp).reshape(2, -1, 4)[0]
    assert np.abs(ratio).min() < 0.9
    assert np.abs(ratio) == pytest.approx(np.abs(over_channel[:, None] * over_time), abs=0.01)
    assert (column(tmp_path / "smeared.ms", "MODEL_DATA")[..., 0] == smeared).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sources": -1}, "sources -1"),
        ({"sources": 10**6}, r"sources 1000000: at most \d+ can be drawn: the counts end at 0.05 mJy"),
        ({"primary_beam": "wide"}, "primary beam: 'wide' is no primary beam: give airy"),
        ({"gain_errors": (0.02, 400.0)}, "gain errors .* a share of 0 to 0.5 and 0 to 90 deg"),
        ({"interference": 0.7}, "interference 0.7: a share"),
        ({"antennas": 4, "dead_antenna": 4}, "dead antenna 4: 0 to 3"),
    ],
)
def test_skies_and_faults_that_cannot_be_are_refused(tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    """Each is named with what would work, and nothing is written."""
    with pytest.raises(UsageError, match=message):
        simulate(tmp_path / "one.ms", Simulation(**asked))
    assert not list(tmp_path.iterdir())
