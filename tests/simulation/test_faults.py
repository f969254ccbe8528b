"""What a simulated telescope does to its data: gains, a dead antenna, interference; and the truth of it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from casacore.tables import table
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.simulation import layouts
from fip.simulation.gains import TIME_SCALE, drawn_gains
from fip.simulation.interference import emissions
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation, uvw_axes
from support.fip_command import fip

SMALL: dict[str, Any] = {"antennas": 8, "channels": 16, "integrations": 4}
FAULTLESS: dict[str, Any] = {**SMALL, "noise": 0.0, "flag_fraction": 0.0}


def column(path: Path | str, name: str) -> NDArray[Any]:
    """A whole column of a table; subtables as PATH::NAME."""
    with table(str(path), ack=False) as opened:
        return np.asarray(opened.getcol(name))


def test_the_tables_beside_hold_the_gains_that_the_data_have(tmp_path: Path) -> None:
    """DATA is G B V B^H G^H with what OUT.G and OUT.B say of the antennas at each time and channel; V is MODEL_DATA."""
    path = tmp_path / "gains.ms"
    simulate(path, Simulation(**FAULTLESS, transient=0.0, gain_errors=(0.05, 10.0), autocorrelations=True))
    drift = column(tmp_path / "gains.G", "CPARAM").reshape(4, 8, 2)
    bandpass = column(tmp_path / "gains.B", "CPARAM")
    assert bandpass.shape == (8, 16, 2)
    times = column(tmp_path / "gains.G", "TIME").reshape(4, 8)
    first, second, time, data, model = (
        column(path, each) for each in ("ANTENNA1", "ANTENNA2", "TIME", "DATA", "MODEL_DATA")
    )
    integration = np.searchsorted(times[:, 0], time)
    assert (times[integration, 0] == time).all()
    jones = drift[:, :, None] * bandpass
    one, other = jones[integration, first], jones[integration, second].conj()
    auto = first == second
    expected = model * one[..., [0, 0, 1, 1]] * other[..., [0, 1, 0, 1]]
    assert data[~auto] == pytest.approx(expected[~auto], abs=4e-6)
    assert np.abs(np.abs(drift) - 1).max() > 0.02
    assert np.abs(np.abs(bandpass) - 1).max() > 0.02


@pytest.mark.parametrize(("kind", "channels"), [("B", 16), ("G", 1)])
def test_the_tables_are_of_casas_kind(tmp_path: Path, kind: str, channels: int) -> None:
    """Type, keywords, columns and subtables are as CASA has them; a drift has one channel, as wide as the window."""
    simulate(tmp_path / "gains.ms", Simulation(**SMALL, gain_errors=(0.02, 3.0)))
    with table(str(tmp_path / f"gains.{kind}"), ack=False) as opened:
        assert opened.info()["type"] == "Calibration"
        keywords = {name: opened.getkeyword(name) for name in ("ParType", "MSName", "VisCal", "PolBasis")}
        columns = set(opened.colnames())
        subtables = {name for name in opened.keywordnames() if str(opened.getkeyword(name)).startswith("Table: ")}
        assert opened.getcolkeyword("TIME", "MEASINFO")["Ref"] == "UTC"
        assert opened.getcell("FLAG", 0).shape == opened.getcell("CPARAM", 0).shape == (channels, 2)
    assert keywords == {"ParType": "Complex", "MSName": "gains.ms", "VisCal": f"{kind} Jones", "PolBasis": "unknown"}
    assert columns == {
        "TIME",
        "FIELD_ID",
        "SPECTRAL_WINDOW_ID",
        "ANTENNA1",
        "ANTENNA2",
        "INTERVAL",
        "SCAN_NUMBER",
        "OBSERVATION_ID",
        "CPARAM",
        "PARAMERR",
        "FLAG",
        "SNR",
        "WEIGHT",
    }
    assert subtables == {"ANTENNA", "FIELD", "SPECTRAL_WINDOW", "OBSERVATION", "HISTORY"}
    frequency = column(tmp_path / f"gains.{kind}::SPECTRAL_WINDOW", "CHAN_FREQ")[0]
    assert len(frequency) == channels
    assert frequency.mean() == pytest.approx(1.284e9)
    names = column(tmp_path / f"gains.{kind}::ANTENNA", "NAME").tolist()
    assert names == [f"m{number:03d}" for number in range(8)]


def test_gains_drift_slowly_by_what_is_asked() -> None:
    """Over hours amplitude and phase scatter as asked, about 1; from one integration to the next they hardly move."""
    gains = drawn_gains(Simulation(antennas=16, channels=2, integrations=3000), (0.02, 3.0)).drift
    assert np.abs(gains).mean() == pytest.approx(1.0, abs=0.003)
    assert np.abs(gains).std() == pytest.approx(0.02, rel=0.15)
    assert np.angle(gains, deg=True).std() == pytest.approx(3.0, rel=0.15)
    fastest = 2 * math.pi * 8.0 / TIME_SCALE * math.sqrt(2 * 6)
    assert np.abs(np.diff(np.angle(gains, deg=True), axis=0)).max() < 3.0 * fastest


def test_a_dead_antenna_has_noise_alone_and_the_others_stay_as_they_are(tmp_path: Path) -> None:
    """Its baselines scatter by the noise about 0, unflagged but by chance; every other sample is what it was."""
    asked: dict[str, Any] = {**SMALL, "flag_fraction": 0.0, "noise": 0.1}
    simulate(tmp_path / "whole.ms", Simulation(**asked))
    simulate(tmp_path / "dead.ms", Simulation(**asked, dead_antenna=3))
    path = tmp_path / "dead.ms"
    dead = (column(path, "ANTENNA1") == 3) | (column(path, "ANTENNA2") == 3)
    data, whole = column(path, "DATA"), column(tmp_path / "whole.ms", "DATA")
    assert (data[~dead] == whole[~dead]).all()
    parts = np.concatenate([data[dead].real, data[dead].imag]).ravel()
    assert parts.std() == pytest.approx(0.1, rel=5 / math.sqrt(2 * parts.size))
    assert not column(path, "FLAG").any()
    assert (column(path, "MODEL_DATA") == column(tmp_path / "whole.ms", "MODEL_DATA")).all()


def test_interference_is_in_about_the_share_that_is_asked_and_nobody_flags_it(tmp_path: Path) -> None:
    """It is in DATA alone: narrow-band in all baselines, and over the whole band and its parts in some."""
    asked: dict[str, Any] = {**FAULTLESS, "antennas": 16, "integrations": 150, "transient": 0.0}
    path = tmp_path / "loud.ms"
    simulate(path, Simulation(**asked, interference=0.06))
    excess = np.abs(column(path, "DATA") - column(path, "MODEL_DATA"))
    hit = (excess > 0.01).any(axis=-1).reshape(150, 120, 16)
    assert hit.mean() == pytest.approx(0.06, rel=0.35)
    assert excess.max() > 10.0
    assert not column(path, "FLAG").any()
    carriers = hit.all(axis=1) & ~hit.all(axis=(1, 2))[:, None]
    impulses = hit.all(axis=2) & ~hit.all(axis=(1, 2))[:, None]
    assert carriers.mean() == pytest.approx(0.02, rel=0.5)
    assert impulses.mean() == pytest.approx(0.02, rel=0.7)


def test_waves_from_the_ground_are_curved() -> None:
    """Delays of a device near the antennas, from the phases over its channels, are of no direction on the sky."""
    # channels so narrow that the phase turns by less than half from one to the next
    simulation = Simulation(antennas=40, channels=64, bandwidth=1.28e6, integrations=200, interference=0.05)
    position = layouts.meerkat_like(40)
    towards = uvw_axes(simulation, 0)[2]
    near = [
        each
        for integration in range(200)
        for each in emissions(simulation, position, towards, integration)
        if each.phasor.shape[0] > 1
    ]
    bent = []
    for each in near:
        seen = each.phasor[0] != 0
        if np.count_nonzero(seen) < 12:
            continue
        turns = np.angle(each.phasor[1:, seen] / each.phasor[:-1, seen]).mean(axis=0) / (2 * math.pi)
        delay = turns * 64 / simulation.bandwidth
        plane = np.column_stack([position[seen] - position.mean(axis=0), np.ones(np.count_nonzero(seen))])
        fitted = plane @ np.linalg.lstsq(plane, delay, rcond=None)[0]
        bent.append(float(np.std(delay - fitted)))
    assert len(bent) > 5
    assert min(bent) > 3e-9


def test_what_is_beside_a_set_is_kept_unless_told(tmp_path: Path) -> None:
    """Tables and sky models of another simulation give way with overwrite alone, and no other folder ever does."""
    simulation = Simulation(antennas=3, channels=2, integrations=1, sources=5, gain_errors=(0.02, 3.0))
    simulate(tmp_path / "one.ms", simulation)
    written = {"one.B", "one.G", "one.ms", "one.skymodel", "one.truth.ecsv"}
    assert {each.name for each in tmp_path.iterdir()} == written
    (tmp_path / "two.skymodel").write_text("mine")
    with pytest.raises(UsageError, match=r"two\.skymodel exists.*--overwrite"):
        simulate(tmp_path / "two.ms", simulation)
    (tmp_path / "one.B" / "left").touch()
    simulate(tmp_path / "one.ms", simulation, overwrite=True)
    assert not (tmp_path / "one.B" / "left").exists()
    (tmp_path / "three.B").mkdir()
    with pytest.raises(UsageError, match=r"three\.B exists and is no table"):
        simulate(tmp_path / "three.ms", simulation, overwrite=True)


def test_the_command_takes_what_a_simulation_can_be_asked(tmp_path: Path) -> None:
    """Pairs and numbers are read from text; what cannot be read is refused in one line, with what would work."""
    small = ("--antennas", 4, "--channels", 2, "--integrations", 1)
    asked = ("--sources", 3, "--gain-errors", "0.02,3", "--dead-antenna", 2, "--primary-beam", "airy", "--smear")
    done = fip("simulate", tmp_path / "one.ms", *small, *asked, "--interference", 0.1)
    assert done.returncode == 0, done.stderr
    meta = Table.read(tmp_path / "one.truth.ecsv").meta
    found = [meta[name] for name in ("sources", "dead_antenna", "primary_beam", "smear", "interference")]
    assert found == [3, 2, "airy", True, 0.1]
    assert list(meta["gain_errors"]) == [0.02, 3.0]
    refused = fip("simulate", tmp_path / "two.ms", *small, "--gain-errors", "0.02")
    assert refused.returncode == 2
    assert refused.stderr == "fip: --gain-errors: '0.02' is not the drift of gains, a share and degrees as 0.02,3\n"
