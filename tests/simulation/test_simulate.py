"""The simulator: MeasurementSets that are what they say, and a truth that is true."""

from pathlib import Path
from typing import Any

import erfa
import numpy as np
import pytest
from astropy.table import Table
from casacore.tables import table
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.simulation import layouts
from fip.simulation.observation import simulate
from fip.simulation.observed import JUNK
from fip.simulation.plan import Simulation

SMALL = Simulation(antennas=10, channels=7, integrations=5, transient_on=(2, 4), noise=0.2, seed=3)
PERFECT = Simulation(antennas=10, channels=7, integrations=5, transient_on=(2, 4), noise=0.0, flag_fraction=0.0)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set with noise and flags."""
    path: Path = tmp_path_factory.mktemp("small") / "small.ms"
    simulate(path, SMALL)
    return path


@pytest.fixture(scope="module")
def perfect(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sky without noise or flags."""
    path: Path = tmp_path_factory.mktemp("perfect") / "perfect.ms"
    simulate(path, PERFECT)
    return path


def column(path: Path, name: str) -> NDArray[Any]:
    """A whole column of a table; subtables as PATH::NAME."""
    with table(str(path), ack=False) as opened:
        return np.asarray(opened.getcol(name))


def direct_sum(path: Path, rows: NDArray[np.int64], transient: bool) -> NDArray[np.complex128]:
    """The measurement equation from the truth and the set's own UVW, term by term."""
    truth = Table.read(path.with_suffix(".truth.ecsv"))
    uvw = column(path, "UVW")[rows]
    frequency = column(Path(f"{path}::SPECTRAL_WINDOW"), "CHAN_FREQ")[0]
    ra0, dec0 = column(Path(f"{path}::FIELD"), "PHASE_DIR")[0, 0]
    integration = rows // (len(column(path, "TIME")) // PERFECT.integrations)
    total = np.zeros((len(rows), len(frequency), 4), complex)
    for source in truth:
        ra, dec = np.radians(source["ra"]), np.radians(source["dec"])
        l = np.cos(dec) * np.sin(ra - ra0)  # noqa: E741
        m = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
        n = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
        on = (source["first"] <= integration) & (integration < source["end"])
        if source["kind"] == "transient":
            on &= transient
        path_length = uvw @ np.array([l, m, n - 1.0])
        phasor = on[:, None] * np.exp(2j * np.pi * path_length[:, None] * frequency / 299792458.0)
        i, q, u, v = (float(source[stokes]) for stokes in "IQUV")
        total += phasor[..., None] * np.array([i + q, u + 1j * v, u - 1j * v, i - q])
    return total


def test_visibilities_are_those_of_the_truth(perfect: Path) -> None:
    """DATA and MODEL_DATA are the direct sum over the truth, with and without the transient, to single precision."""
    rows = np.arange(column(perfect, "TIME").size)
    # each source's phasor, its product with the flux and each of the sums round once, of at most 4 Jy in all
    rounding = 4.0 * 8 * np.finfo(np.float32).eps
    for name, transient in (("DATA", True), ("MODEL_DATA", False)):
        difference = column(perfect, name) - direct_sum(perfect, rows, transient)
        assert np.abs(difference).max() < rounding


def test_transient_is_in_the_data_and_only_while_it_is_on(perfect: Path) -> None:
    """DATA - MODEL_DATA holds the transient's flux in its integrations and nothing in the others."""
    rest = np.abs(column(perfect, "DATA") - column(perfect, "MODEL_DATA"))[..., 0]
    flux = rest.reshape(PERFECT.integrations, -1).mean(axis=1)
    assert flux == pytest.approx([0.0, 0.0, 0.3, 0.3, 0.0], abs=1e-5)


def test_uvw_is_the_baseline_turned_to_the_phase_centre(small: Path) -> None:
    """UVW is POSITION(ANTENNA1) - POSITION(ANTENNA2) rotated, and w is along the hour angle and declination."""
    position = column(Path(f"{small}::ANTENNA"), "POSITION")
    baseline = position[column(small, "ANTENNA1")] - position[column(small, "ANTENNA2")]
    uvw = column(small, "UVW")
    assert np.linalg.norm(uvw, axis=1) == pytest.approx(np.linalg.norm(baseline, axis=1), rel=1e-12)
    first = slice(0, 45)
    turn, *_ = np.linalg.lstsq(baseline[first], uvw[first], rcond=None)
    assert np.linalg.det(turn) == pytest.approx(1.0, abs=1e-6)
    day, seconds = divmod(column(small, "TIME")[0], 86400.0)
    hour_angle = erfa.gmst06(2400000.5 + day, seconds / 86400, 2400000.5 + day, seconds / 86400) - (
        SMALL.right_ascension
    )
    towards = np.array(
        [
            np.cos(SMALL.declination) * np.cos(hour_angle),
            -np.cos(SMALL.declination) * np.sin(hour_angle),
            np.sin(SMALL.declination),
        ]
    )
    half_a_degree = np.cos(np.radians(0.5))  # precession since J2000, left out of `towards`, is 0.37 deg
    assert turn[:, 2] @ towards > half_a_degree


def test_noise_is_as_asked_and_weight_and_sigma_agree(small: Path) -> None:
    """Real and imaginary parts scatter by `noise`; SIGMA says so, and WEIGHT is its inverse square."""
    good = ~column(small, "FLAG")
    rows = np.arange(len(good))
    noise = (column(small, "DATA") - direct_sum(small, rows, transient=True))[good]
    parts = np.concatenate([noise.real, noise.imag])
    five_sigma = 5.0 / np.sqrt(2 * parts.size)
    assert parts.std() == pytest.approx(SMALL.noise, rel=five_sigma)
    assert abs(parts.mean()) < 5.0 * SMALL.noise / np.sqrt(parts.size)
    assert column(small, "SIGMA") == pytest.approx(SMALL.noise)
    assert column(small, "WEIGHT") == pytest.approx(SMALL.noise**-2)


def test_flags_hide_junk(small: Path) -> None:
    """The asked share is flagged, one antenna wholly; all that is flagged is junk and nothing else is."""
    flags = column(small, "FLAG")
    junk = column(small, "DATA") == JUNK
    assert (flags == junk).all()
    bad = SMALL.flagged_antenna
    whole = (column(small, "ANTENNA1") == bad) | (column(small, "ANTENNA2") == bad)
    assert flags[whole].all()
    assert (column(small, "FLAG_ROW") == whole).all()
    rest = flags[~whole]
    expected = SMALL.flag_fraction
    assert rest.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / rest.size))


def test_truth_holds_every_parameter(small: Path) -> None:
    """The truth file says how to make the set again."""
    meta = Table.read(small.with_suffix(".truth.ecsv")).meta
    assert meta["antennas"] == 10
    assert meta["noise"] == 0.2
    assert meta["seed"] == 3
    assert tuple(meta["transient_on"]) == (2, 4)
    assert meta["flagged_antenna"] == 5


def test_rows_are_in_order_of_time_and_times_are_as_asked(small: Path) -> None:
    """Integrations follow one another at the cadence from the start, each with every baseline."""
    times = column(small, "TIME").reshape(SMALL.integrations, -1)
    assert times.shape[1] == 45
    assert np.ptp(times, axis=1) == pytest.approx(0.0)
    assert np.diff(times[:, 0]) == pytest.approx(SMALL.cadence)
    begin = 61100.0 * 86400 + 20 * 3600  # 2026-03-01T20:00:00 is MJD 61100 and 20 hours
    assert times[0, 0] - SMALL.cadence / 2 == pytest.approx(begin, abs=1e-6)


def test_all_subtables_describe_the_telescope(small: Path) -> None:
    """casacore opens the set with every required subtable; the dishes are MeerKAT's, the feeds linear."""
    with table(str(small), ack=False) as main:
        subtables = set(main.keywordnames()) - {"MS_VERSION"}
        tiled = {manager["TYPE"] for manager in main.getdminfo().values() if "DATA" in manager["COLUMNS"]}
        assert "WEIGHT_SPECTRUM" not in main.colnames()
    assert tiled == {"TiledColumnStMan"}
    may_be_empty = {"FLAG_CMD", "POINTING"}
    empty = {name for name in subtables if not table(f"{small}::{name}", ack=False).nrows()}
    assert empty == may_be_empty
    assert column(Path(f"{small}::ANTENNA"), "DISH_DIAMETER") == pytest.approx(layouts.DISH_DIAMETER)
    assert column(Path(f"{small}::POLARIZATION"), "CORR_TYPE").tolist() == [[9, 10, 11, 12]]
    frequency = column(Path(f"{small}::SPECTRAL_WINDOW"), "CHAN_FREQ")[0]
    assert frequency.mean() == pytest.approx(SMALL.frequency)
    assert np.diff(frequency) == pytest.approx(SMALL.bandwidth / SMALL.channels)


def test_same_seed_same_data_other_seed_other_noise(small: Path, tmp_path: Path) -> None:
    """A seed makes the same set again; another seed another one."""
    simulate(tmp_path / "again.ms", SMALL)
    simulate(tmp_path / "other.ms", Simulation(**(vars(SMALL) | {"seed": 4})))
    assert (column(tmp_path / "again.ms", "DATA") == column(small, "DATA")).all()
    assert (column(tmp_path / "other.ms", "DATA") != column(small, "DATA")).any()


def test_autocorrelations_and_weight_spectrum(tmp_path: Path) -> None:
    """Autocorrelations are real, far brighter than the sky and at uvw zero; WEIGHT_SPECTRUM repeats WEIGHT."""
    path = tmp_path / "auto.ms"
    simulate(path, Simulation(antennas=3, channels=4, integrations=2, autocorrelations=True, weight_spectrum=True))
    auto = column(path, "ANTENNA1") == column(path, "ANTENNA2")
    assert auto.sum() == 2 * 3
    power = column(path, "DATA")[auto][..., [0, 3]][~column(path, "FLAG")[auto][..., [0, 3]]]
    assert (power.imag == 0).all()
    assert power.real.min() > 100.0
    assert not column(path, "UVW")[auto].any()
    assert (column(path, "WEIGHT_SPECTRUM") == column(path, "WEIGHT")[:, None, :]).all()


@pytest.mark.parametrize("antennas", [2, 3, 8, 16, 64])
def test_layout_has_short_and_long_baselines(antennas: int) -> None:
    """Any number of antennas reaches kilometres, from 3 on also within 600 m, and no two dishes touch."""
    position = layouts.meerkat_like(antennas)
    one, other = np.triu_indices(antennas, 1)
    length = np.linalg.norm(position[one] - position[other], axis=1)
    assert 4000 < length.max() < 8000
    assert length.min() > layouts.DISH_DIAMETER
    assert antennas < 3 or length.min() < 600


def test_existing_set_is_kept_unless_told(tmp_path: Path) -> None:
    """A taken name is refused; with overwrite an older set gives way, but never a folder that is no set."""
    path = tmp_path / "one.ms"
    tiny = Simulation(antennas=2, channels=1, integrations=1)
    simulate(path, tiny)
    with pytest.raises(UsageError, match=r"one\.ms exists.*--overwrite"):
        simulate(path, tiny)
    simulate(path, Simulation(antennas=3, channels=1, integrations=1), overwrite=True)
    assert column(path, "TIME").size == 3
    papers = tmp_path / "papers"
    papers.mkdir()
    with pytest.raises(UsageError, match="no MeasurementSet"):
        simulate(papers, tiny, overwrite=True)
    with pytest.raises(UsageError, match=r"folder .*nowhere does not exist"):
        simulate(tmp_path / "nowhere" / "one.ms", tiny)


def test_interrupted_simulation_leaves_nothing(tmp_path: Path) -> None:
    """What stops half way leaves neither a set nor a partial one, and an older set untouched."""

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "one.ms"
    simulate(path, Simulation(antennas=2, channels=1, integrations=1))
    with pytest.raises(KeyboardInterrupt):
        simulate(path, SMALL, overwrite=True, progress=interrupt)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["one.ms", "one.truth.ecsv"]
    assert column(path, "TIME").size == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"antennas": 1}, "antennas 1: 2 to 512"),
        ({"channels": 0}, "channels 0"),
        ({"cadence": float("nan")}, "cadence nan"),
        ({"noise": -1.0}, "noise -1.0 Jy"),
        ({"transient_on": (5, 30)}, "5~30: a range within 0~20"),
        ({"flag_fraction": 1.0}, "flag fraction 1.0"),
        ({"bandwidth": 3e9}, "reaches below 0"),
        ({"start": "yesterday"}, "start 'yesterday': a UTC time as"),
        ({"start": "2026-03-01T20:00:00+02:00"}, "UTC is needed"),
        ({"declination": 1.2}, "deg below MeerKAT's horizon"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, object], message: str) -> None:
    """Each impossible parameter is named with its value and what would work."""
    with pytest.raises(UsageError, match=message):
        Simulation(**parameters)  # type: ignore[arg-type]
