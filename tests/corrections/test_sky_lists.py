"""Source lists: `.skymodel` as DP3 and WSClean write them, and tables."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, SkyCoord
from astropy.table import Table

from corrections.sky_support import BEGIN, FORMAT, FREQUENCY, GOOD, expected, opened, written
from fip.data.errors import FipError
from fip.data.quantities import ARCSEC
from fip.data.rotations import icrs_axes
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation


def vector(ra: float, dec: float, frame: object = None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Unit vector in ICRS of a place in deg, J2000 if nothing else is said."""
    found = SkyCoord(ra, dec, unit="deg", frame=FK5() if frame is None else frame).icrs.cartesian.xyz.value
    return np.asarray(found / np.linalg.norm(found))


def test_a_skymodel_has_its_columns_in_any_order_with_defaults_comments_quotes_and_patches(tmp_path: Path) -> None:
    list_ = written(
        tmp_path / "field.skymodel",
        "# made by hand",
        FORMAT,
        "",
        ", , north, 10:20:00, -45.00.00",
        "one, POINT, north, 10:20:31.97, -45.40.44.02, 2.5, [-0.7, 0.1]",
        "'two', GAUSSIAN, north, 155.5deg, -45.2deg, 1.5, [], , , 40, 20, 30, true",
        '"three", POINT, north, 10h21m00.5s, - 44d30m00s, -0.5, [-1], true, 1.2e9',
    )
    sky = opened(list_)
    found = sky.components(FREQUENCY, 0, BEGIN)
    assert found.names == ("one", "two", "three")
    ra = 15 * (10 + 20 / 60 + 31.97 / 3600)
    assert found.towards[0] == pytest.approx(vector(ra, -(45 + 40 / 60 + 44.02 / 3600)), abs=1e-14)
    assert found.towards[1] == pytest.approx(vector(155.5, -45.2), abs=1e-14)
    log = np.log10(FREQUENCY / 1.3e9)
    assert found.flux[0, :, 0] == pytest.approx(10 ** (math.log10(2.5) - 0.7 * log + 0.1 * log**2), rel=1e-13)
    assert found.flux[1, :, 0].tolist() == [1.5] * 5
    assert found.flux[2, :, 0] == pytest.approx(-0.5 * (FREQUENCY / 1.2e9) ** -1, rel=1e-13)
    assert found.major / ARCSEC == pytest.approx([0, 40, 0])
    assert found.minor / ARCSEC == pytest.approx([0, 20, 0])
    assert np.degrees(found.angle) == pytest.approx([0, 30, 0])
    assert "field.skymodel: 3 components, 3.538 Jy at 1300 MHz" in sky.notes
    assert not sky.polarised
    assert found.flux.shape == (3, 5, 1)


def test_a_linear_spectrum_is_a_polynomial_in_the_step_from_the_reference(tmp_path: Path) -> None:
    list_ = written(tmp_path / "a.skymodel", FORMAT, "x, POINT, , 10:20:00, -45.00.00, 3, [0.5, -2], false, 1e9")
    step = FREQUENCY / 1e9 - 1
    found = opened(list_).components(FREQUENCY, 0, BEGIN).flux[0, :, 0]
    assert found == pytest.approx(3 + 0.5 * step - 2 * step**2, rel=1e-13)


def test_columns_may_be_apart_by_blanks_and_named_in_a_comment_as_older_lists_have_it(tmp_path: Path) -> None:
    list_ = written(
        tmp_path / "old.txt",
        "# (Dec Ra I Name Dummy Q U V Category) = format",
        "-45.00.30 -13:40:00 2 src 'any thing' 0.1 -0.2 0.05 2",
    )
    sky = opened(list_)
    found = sky.components(FREQUENCY, 0, BEGIN)
    assert found.towards[0] == pytest.approx(vector(155.0, -(45 + 30 / 3600)), abs=1e-14)  # -13:40 h is 10:20 h
    assert found.flux[0, 0].tolist() == [2, 0.1, -0.2, 0.05]
    assert sky.polarised


def test_a_skymodel_in_another_epoch_is_converted_as_its_reftype_says(tmp_path: Path) -> None:
    list_ = written(
        tmp_path / "b.skymodel",
        "Format = Name, RefType, Ra, Dec, I",
        "old, B1950, 10:18:05, -44.45.00, 1",
        "new, J2000, 10:20:05, -45.00.00, 1",
    )
    found = opened(list_).components(FREQUENCY, 0, BEGIN)
    ra, dec = 15 * (10 + 18 / 60 + 5 / 3600), -44.75
    towards = dict(zip(found.names, found.towards, strict=True))
    assert towards["old"] == pytest.approx(vector(ra, dec, FK4()), abs=1e-14)


def test_an_orientation_that_is_not_absolute_is_from_north_at_the_phase_centre(tmp_path: Path) -> None:
    row = "GAUSSIAN, , 10:40:00, -47.00.00, 1, [], , , 60, 20, 25"
    list_ = written(tmp_path / "g.skymodel", FORMAT, f"own, {row}, true", f"grid, {row}, false", f"unsaid, {row},")
    found = opened(list_).components(FREQUENCY, 0, BEGIN)
    assert np.degrees(found.angle[[0, 2]]) == pytest.approx([25, 25])
    # 5 deg east of the phase centre, meridians have turned by about 5 deg sin(-46 deg) = -3.6 deg.
    assert np.degrees(found.angle[1]) == pytest.approx(25 + 5 * math.sin(math.radians(-46)), abs=0.1)


def test_a_table_has_the_units_it_names_and_the_usual_ones_if_it_names_none(tmp_path: Path) -> None:
    bare = written(
        tmp_path / "bare.csv", "name,ra,dec,flux,frequency,alpha,major,minor,pa",
        "a,155.5,-45.5,2,1.3e9,-0.8,30,10,70", "b,154.5,-44.5,1,,,,0,",
    )  # fmt: skip
    table = Table(
        {"name": ["a", "b"], "ra": [155.5 / 15, 154.5 / 15], "dec": [-45.5 * 60, -44.5 * 60], "flux": [2000.0, 1000.0],
         "frequency": [1.3, 1.0], "alpha": [-0.8, 0.0], "major": [0.5, 0.0], "minor": [10.0, 0.0],
         "pa": np.radians([70.0, 0.0])},
        units={"ra": "hourangle", "dec": "arcmin", "flux": "mJy", "frequency": "GHz", "major": "arcmin",
               "minor": "arcsec", "pa": "rad"},
    )  # fmt: skip
    table.write(tmp_path / "units.ecsv")
    table["ra"], table["dec"] = [155.5, 154.5], [-45.5, -44.5]
    table["ra"].unit = table["dec"].unit = "deg"
    table.write(tmp_path / "units.vot", format="votable")
    written(
        tmp_path / "text.csv", "NAME,RA,Dec,I,frequency,alpha,major,minor,pa",
        "a,10:22:00,-45:30:00,2,1.3e9,-0.8,30,10,70", "b,10h18m00s,-44.30.00,1,,,0,0,0",
    )  # fmt: skip
    for path in (bare, tmp_path / "units.ecsv", tmp_path / "units.vot", tmp_path / "text.csv"):
        found = opened(path).components(FREQUENCY, 0, BEGIN)
        assert found.names == ("a", "b")
        assert found.towards == pytest.approx(np.array([vector(155.5, -45.5), vector(154.5, -44.5)]), abs=1e-12)
        assert found.flux[0, :, 0] == pytest.approx(2 * (FREQUENCY / 1.3e9) ** -0.8, rel=1e-12)
        assert found.flux[1, :, 0] == pytest.approx([1] * 5)
        assert [found.major[0], found.minor[0]] == pytest.approx([30 * ARCSEC, 10 * ARCSEC])
        assert np.degrees(found.angle[0]) == pytest.approx(70)


def test_a_table_says_its_frame_and_its_polarisation_follows_its_spectrum(tmp_path: Path) -> None:
    values = {"ra": [155.5], "dec": [-45.5], "I": [2.0], "Q": [0.2], "frequency": [1e9], "alpha": [-1.0]}
    Table(values, meta={"frame": "ICRS"}).write(tmp_path / "a.ecsv")
    sky = opened(tmp_path / "a.ecsv")
    found = sky.components(FREQUENCY, 0, BEGIN)
    ra, dec = np.radians(155.5), np.radians(-45.5)
    assert found.towards[0] == pytest.approx(
        [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], abs=1e-14
    )
    assert found.flux[0, :, 1] == pytest.approx(0.2 * 1e9 / FREQUENCY)
    assert sky.polarised


def test_a_truth_table_is_a_model_of_its_steady_sources(tmp_path: Path) -> None:
    simulation = Simulation(antennas=3, channels=2, integrations=2)
    truth = simulate(tmp_path / "sim.ms", simulation)
    sky = opened(truth)
    found = sky.components(FREQUENCY, 0, BEGIN)
    table = Table.read(truth)
    steady = table[table["kind"] == "steady"]
    assert found.names == tuple(steady["name"].tolist())
    assert found.flux[:, 0].tolist() == [[row[name] for name in "IQUV"] for row in steady]
    assert any("1 transient" in note for note in sky.notes)


def test_the_same_content_is_not_subtracted_twice_and_its_name_says_nothing(tmp_path: Path) -> None:
    one = written(tmp_path / "one.skymodel", FORMAT, GOOD)
    two = written(tmp_path / "two.skymodel", FORMAT, GOOD)
    with pytest.raises(FipError, match=r"is there already, as one\.skymodel@.*twice"):
        opened(one, two)
    assert opened(one).digest == opened(two).digest
    assert opened(one).named == f"one.skymodel@{opened(one).named[-8:]}"
    other = written(tmp_path / "other.skymodel", FORMAT, GOOD + "1")
    assert opened(other).digest != opened(one).digest
    both = opened(one, other)
    assert len(both.components(FREQUENCY, 0, BEGIN)) == 2


def test_what_is_behind_a_field_is_left_out_there_and_said(tmp_path: Path) -> None:
    list_ = written(
        tmp_path / "wide.skymodel", FORMAT, GOOD,
        "far, POINT, , 21:20:00, 10.00.00, 5", "up, POINT, , 10:20:00, -30.00.00, 3",
    )  # fmt: skip
    sky = opened(list_)
    assert sky.components(FREQUENCY, 0, BEGIN).names == ("x", "up")
    assert any(
        "1 of 3 components are more than 90 deg from the phase centre of field deep" in note for note in sky.notes
    )
    assert sky.brightest(5, 1.3e9, 0, BEGIN).names == ("up", "x")
    assert sky.brightest(1, 1.3e9, 0, BEGIN).names == ("up",)


def test_what_stands_still_is_evaluated_once(tmp_path: Path) -> None:
    sky = opened(written(tmp_path / "a.skymodel", FORMAT, GOOD))
    first = sky.components(FREQUENCY, 0, BEGIN)
    assert sky.components(FREQUENCY.copy(), 0, BEGIN + 300) is first
    assert sky.components(FREQUENCY[:2], 0, BEGIN).flux.shape == (1, 2, 1)


@pytest.mark.parametrize("beam", ["airy", "gaussian:1.1deg"])
def test_with_a_primary_beam_fluxes_are_those_of_the_sky_and_without_apparent(tmp_path: Path, beam: str) -> None:
    list_ = written(tmp_path / "a.skymodel", FORMAT, "x, POINT, , 10:22:00, -45.20.00, 2")
    plain = opened(list_)
    beamed = opened(list_, primary_beam=beam)
    found, apparent = (sky.components(FREQUENCY, 0, BEGIN) for sky in (beamed, plain))
    away = math.acos(float(found.towards[0] @ icrs_axes(expected().centres[0])[2]))
    if beam == "airy":
        from scipy.special import j1

        x = math.pi * 13.5 * FREQUENCY / 299792458.0 * math.sin(away)
        power = (2 * j1(x) / x) ** 2
    else:
        power = np.exp(-4 * math.log(2) * (away / math.radians(1.1) * FREQUENCY / 1.3e9) ** 2)
    assert apparent.flux[0, :, 0].tolist() == [2] * 5
    assert found.flux[0, :, 0] == pytest.approx(2 * power, rel=1e-9)
    assert any("primary beam" in note for note in beamed.notes)
    assert any("apparent" in note for note in plain.notes)


def test_a_thousand_sources_are_the_same_in_every_format(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    count = 1000
    columns = {
        "name": [f"s{number}" for number in range(count)],
        "ra": 155 + random.normal(size=count), "dec": -45 + random.normal(size=count),
        "flux": random.lognormal(-3, 1, count), "frequency": np.full(count, 1.28e9),
        "alpha": random.normal(-0.7, 0.2, count), "major": random.choice([0.0, 20.0], count),
        "minor": np.zeros(count), "pa": random.uniform(0, 180, count),
    }  # fmt: skip
    table = Table(columns)
    table.write(tmp_path / "a.ecsv")
    table.write(tmp_path / "a.csv")
    table.write(tmp_path / "a.vot", format="votable")
    rows = (
        f"{name}, GAUSSIAN, {ra!r}deg, {dec!r}deg, {flux!r}, {frequency!r}, [{alpha!r}], {major!r}, {minor!r}, {pa!r}"
        for name, ra, dec, flux, frequency, alpha, major, minor, pa in zip(
            *(table[each].tolist() for each in table.colnames), strict=True
        )
    )
    head = "Format = Name, Type, Ra, Dec, I, ReferenceFrequency, SpectralIndex, MajorAxis, MinorAxis, Orientation"
    written(tmp_path / "a.skymodel", head, *rows)
    first, *others = (
        opened(tmp_path / f"a.{kind}").components(FREQUENCY, 0, BEGIN) for kind in ("skymodel", "ecsv", "csv", "vot")
    )
    assert len(first) == count
    for other in others:
        assert other.names == first.names
        assert np.abs(other.towards - first.towards).max() < 1e-14
        assert np.abs(other.flux / first.flux - 1).max() < 1e-12
        assert np.abs(other.major - first.major).max() < 1e-18
        assert np.abs((other.angle - first.angle)[first.major > 0]).max() < 1e-14


def test_a_model_is_the_same_after_it_was_handed_to_another_process(tmp_path: Path) -> None:
    list_ = written(tmp_path / "a.skymodel", FORMAT, GOOD)
    sky = opened(list_, "moon:225K", primary_beam="airy", end=BEGIN + 86400)
    other = pickle.loads(pickle.dumps(sky))
    assert (other.digest, other.named, other.notes) == (sky.digest, sky.named, sky.notes)
    for time in (BEGIN, BEGIN + 8):
        one, same = (each.components(FREQUENCY, 0, time) for each in (sky, other))
        assert same.names == one.names
        assert np.array_equal(same.flux, one.flux)
        assert np.array_equal(same.towards, one.towards)


def test_a_truth_table_says_its_index_about_the_frequency_of_its_head_and_whether_a_beam_is_before_it(
    tmp_path: Path,
) -> None:
    values = {"name": ["a"], "ra": [155.5], "dec": [-45.5], "I": [2.0], "kind": ["steady"], "index": [-0.7]}
    Table({**values, "beam": [1.0]}, meta={"frequency": 1.28e9}).write(tmp_path / "plain.truth.ecsv")
    found = opened(tmp_path / "plain.truth.ecsv").components(FREQUENCY, 0, BEGIN)
    assert found.flux[0, :, 0] == pytest.approx(2 * (FREQUENCY / 1.28e9) ** -0.7, rel=1e-12)
    beamed = tmp_path / "beam.truth.ecsv"
    Table({**values, "beam": [0.8]}, meta={"frequency": 1.28e9}).write(beamed)
    with pytest.raises(FipError, match=r"seen through a primary beam \(column beam\): give --primary-beam, or"):
        opened(beamed)
    assert len(opened(beamed, primary_beam="airy").components(FREQUENCY, 0, BEGIN)) == 1


def test_a_simulated_sky_seen_through_a_beam_is_the_same_as_truth_with_the_beam_and_as_a_list_without(
    tmp_path: Path,
) -> None:
    simulation = Simulation(antennas=3, channels=8, integrations=2, sources=30, primary_beam="airy")
    truth = simulate(tmp_path / "sim.ms", simulation)
    frequency = simulation.channel_frequencies
    of_sky = opened(truth, primary_beam="airy").components(frequency, 0, BEGIN)
    apparent = opened(tmp_path / "sim.skymodel").components(frequency, 0, BEGIN)
    assert apparent.names == of_sky.names
    assert np.abs(apparent.towards - of_sky.towards).max() < 1e-13
    assert np.abs(apparent.flux - of_sky.flux).max() < 1e-8 * np.abs(of_sky.flux).max()
