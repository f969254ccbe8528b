"""The Sun, the Moon and Jupiter, the A-team, and what is above the horizon."""

import math
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord, get_body_barycentric
from astropy.time import Time
from astropy.utils import iers
from scipy.special import j1

from corrections.sky_support import BEGIN, EXPECTED, FREQUENCY, SITE, expected, opened, written
from fip.corrections.sky.bodies import FINEST, RADII, disc, seen
from fip.corrections.sky.components import Components
from fip.data.directions import Direction
from fip.data.errors import FipError
from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT

DAY = 86400.0


@pytest.mark.parametrize("body", RADII)
def test_a_body_is_where_astropys_builtin_ephemeris_has_it_as_seen_from_the_array(body: str) -> None:
    location = EarthLocation.from_geocentric(*SITE, unit="m")
    for days in (60000.9, 61100.3):
        towards, distance = seen(body, days * DAY, SITE)
        time = Time(days, format="mjd", scale="utc")
        with iers.conf.set_temp("auto_download", False):
            here = get_body_barycentric("earth", time, "builtin").xyz + location.get_gcrs_posvel(time)[0].xyz
        then = time - distance / SPEED_OF_LIGHT * u.s
        away = (get_body_barycentric(body, then, "builtin").xyz - here).to_value("m")
        assert towards == pytest.approx(away / np.linalg.norm(away), abs=0.3 * ARCSEC)
        assert distance == pytest.approx(np.linalg.norm(away), rel=1e-6)


def test_the_moon_is_seen_with_its_parallax() -> None:
    other = EarthLocation.from_geodetic(-107.6 * u.deg, 34.1 * u.deg).to_geocentric()
    here, there = (seen("moon", BEGIN, np.array(place))[0] for place in (SITE, [each.to_value("m") for each in other]))
    assert 0.5 < math.degrees(math.acos(here @ there)) < 1.9  # two places on Earth see it up to 1.9 deg apart


def test_a_disc_of_pieces_has_the_visibility_of_a_disc() -> None:
    turns = np.linspace(0, math.pi, 7)
    for reach in (0.3, 3.0, 12.0, FINEST):
        offsets, shares, width = disc(reach)
        assert width == 0
        for x in np.linspace(0.1, reach, 9):
            along = x * np.stack([np.cos(turns), np.sin(turns)])
            found = shares @ np.exp(1j * offsets @ along)
            assert found == pytest.approx(np.full(7, 2 * j1(x) / x), abs=1e-4)
    offsets, shares, width = disc(1000.0)
    for x in (40.0, 80.0, 300.0):  # its pieces are wide enough not to be seen as such
        along = x * np.stack([np.cos(turns), np.sin(turns)])
        smoothed = np.exp(-((x * width) ** 2) / (16 * math.log(2)))
        assert np.abs(smoothed * (shares @ np.exp(1j * offsets @ along))).max() < 0.02
    assert len(disc(0.01)[1]) == 1


def centre_of(found: Components) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    mean = np.average(found.towards, axis=0, weights=found.flux[:, 0, 0])
    return np.asarray(mean / np.linalg.norm(mean))


def at(body: str, time: float) -> Direction:
    x, y, z = seen(body, time, SITE)[0]
    return Direction(math.atan2(y, x) % (2 * math.pi), math.asin(z), "ICRS")


def test_a_body_moves_from_slice_to_slice_and_has_the_flux_of_its_temperature() -> None:
    begin = BEGIN + 4 * 3600.0
    sky = opened("moon:225K", centres={0: at("moon", begin)}, begin=begin, end=begin + 600)
    for time in (begin, begin + 8, begin + 95):
        found = sky.components(FREQUENCY, 0, time)
        assert centre_of(found) == pytest.approx(seen("moon", time, SITE)[0], abs=0.1 * ARCSEC)
    distance = seen("moon", begin, SITE)[1]
    solid = math.pi * (1.7374e6 / distance) ** 2
    jansky = 2 * 1.380649e-23 * 225 * solid * (FREQUENCY / SPEED_OF_LIGHT) ** 2 * 1e26
    found = sky.components(FREQUENCY, 0, begin)
    assert found.flux[:, :, 0].sum(axis=0) == pytest.approx(jansky, rel=1e-4)
    radius = np.arccos(np.clip(found.towards @ centre_of(found), -1, 1)).max()
    assert radius == pytest.approx(1.7374e6 / distance, rel=0.02)
    assert sky.components(FREQUENCY, 0, begin + 8).flux is sky.components(FREQUENCY, 0, begin + 16).flux
    assert len(sky.brightest(3, 1.3e9, 0, begin)) == 0  # a disc has no flux at a point


def test_a_bodys_flux_at_a_frequency_is_taken_along_its_index() -> None:
    begin = BEGIN + 4 * 3600.0
    for written_, index in (("moon:900Jy@1.3GHz", 2.0), ("moon:9e2@1300MHz^-0.5", -0.5)):
        sky = opened(written_, centres={0: at("moon", begin)}, begin=begin, end=begin)
        total = sky.components(FREQUENCY, 0, begin).flux[:, :, 0].sum(axis=0)
        assert total == pytest.approx(900 * (FREQUENCY / 1.3e9) ** index, rel=1e-9)


@pytest.mark.parametrize(
    "asked", ["sun", "moon", "jupiter", "Sun:", "sun:bright", "moon:0K", "sun:-5@1GHz", "sun:1@1.2.3GHz"]
)
def test_a_body_whose_brightness_is_not_given_is_refused_with_the_reason(asked: str) -> None:
    with pytest.raises(FipError, match=r"how bright it is cannot be known|is no brightness above 0") as error:
        opened(asked)
    assert "give" in str(error.value)


# Of table 5 of Perley & Butler 2017: the flux at 1 GHz, and at 2 GHz: log10(2) is 0.30103.
LOG = math.log10(2)
A_TEAM = {
    "CygA": (299.868, 40.734, 3.3498, 3.3498 - 1.0022 * LOG - 0.225 * LOG**2 + 0.023 * LOG**3 + 0.043 * LOG**4),
    "casa": (350.85, 58.815, 3.3584, 3.3584 - 0.7518 * LOG - 0.035 * LOG**2 - 0.071 * LOG**3),
    "TauA": (83.633, 22.0145, 2.9516, 2.9516 - 0.217 * LOG - 0.047 * LOG**2 - 0.067 * LOG**3),
    "VIRA": (187.706, 12.391, 2.4466, 2.4466 - 0.8116 * LOG - 0.048 * LOG**2),
}


@pytest.mark.parametrize("name", A_TEAM)
def test_the_a_team_has_the_spectra_of_perley_and_butler_and_cas_a_fades(name: str) -> None:
    ra, dec, at_1_ghz, at_2_ghz = A_TEAM[name]
    centre = Direction(math.radians(ra), math.radians(dec), "ICRS")
    north = expected().position + SITE * [0, 0, -2]  # as far north of the equator
    sky = opened(name, centres={0: centre}, position=north, end=BEGIN + DAY)
    times = BEGIN + np.arange(0, DAY, 3600)
    found = next(seen for time in times if len(seen := sky.components(np.array([1e9, 2e9]), 0, time)))
    fading = (1 - 0.0067) ** ((BEGIN / DAY - 57388) / 365.25) if name == "casa" else 1  # MJD 57388 is 2016-01-01
    assert found.flux[0, :, 0] == pytest.approx(np.array([10**at_1_ghz, 10**at_2_ghz]) * fading, rel=1e-6)
    away = math.acos(found.towards[0] @ SkyCoord(ra, dec, unit="deg").cartesian.xyz.value)
    assert math.degrees(away) < 0.005
    assert any("Perley & Butler 2017" in note for note in sky.notes)
    assert any("taken as a point" in note for note in sky.notes)


def test_a_spectrum_is_not_used_beyond_its_fit() -> None:
    window = expected().windows[0]
    low = type(window)(0, np.array([60e6]), np.array([1e5]), window.correlations)
    with pytest.raises(
        FipError, match=r"CasA: the spectrum .* holds from 200 to 4000 MHz, and the data are from 59.95 to"
    ):
        opened("CasA", windows=(low,))


def test_what_is_below_the_horizon_is_left_out_until_it_rises(tmp_path: Path) -> None:
    # Right ascensions all around at -30 deg: half of them are up at any time.
    rows = [f"s{hour}, {hour:02d}:00:00, -30.00.00, 1" for hour in range(24)]
    list_ = written(tmp_path / "all.skymodel", "Format = Name, Ra, Dec, I", *rows)
    location = EarthLocation.from_geocentric(*SITE, unit="m")
    sky = opened(list_, end=BEGIN + DAY)
    for time in (BEGIN, BEGIN + 3 * 3600, BEGIN + 9 * 3600):
        names = sky.components(FREQUENCY, 0, time).names
        when = Time(time / DAY, format="mjd", scale="utc")
        with iers.conf.set_temp("auto_download", False):
            up = when.sidereal_time("apparent", location).hour
        for hour in range(24):
            towards = SkyCoord(hour * 15, -30, unit="deg")
            near = towards.separation(SkyCoord(155, -45, unit="deg")).deg < 90
            angle = math.radians(15 * (up - hour))
            latitude, declination = location.lat.rad, math.radians(-30)
            sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
                angle
            )
            if abs(sine) > 0.01:  # not at the horizon itself
                assert (f"s{hour}" in names) == (near and sine > 0), (time, hour)
    assert any("below the horizon at the begin" in note for note in sky.notes)


def test_a_model_of_which_nothing_ever_rises_is_refused_unless_more_is_to_come(tmp_path: Path) -> None:
    list_ = written(tmp_path / "set.skymodel", "Format = Name, Ra, Dec, I", "low, 16:30:00, -30.00.00, 1")
    assert not len(opened(list_, growing=True).components(FREQUENCY, 0, BEGIN))
    with pytest.raises(FipError, match="nothing of it is seen"):
        opened(list_)
    assert opened(list_, end=BEGIN + DAY).visible(0, BEGIN + 9 * 3600) == 1


@pytest.mark.parametrize("place", [0.0, np.nan])
def test_antennas_without_a_place_do_not_take_the_horizon_away(tmp_path: Path, place: float) -> None:
    """Sets list antennas that were never used, at (0, 0, 0): the others give the place of the array."""
    position = EXPECTED.position.copy()
    position[5:] = place
    north = written(tmp_path / "north.csv", "ra,dec,flux", "155,60,1", "155,-45,1")
    sky = opened(north, position=position)
    assert any("below the horizon at the begin" in note for note in sky.notes)
    assert not any("no horizon of its own" in note for note in sky.notes)


def test_an_array_as_large_as_the_earth_has_no_horizon(tmp_path: Path) -> None:
    list_ = written(tmp_path / "set.skymodel", "Format = Name, Ra, Dec, I", "low, 16:30:00, -30.00.00, 1")
    sky = opened(list_, position=np.array([SITE, -SITE, SITE[::-1]]))
    assert len(sky.components(FREQUENCY, 0, BEGIN)) == 1
    assert any("no horizon of its own" in note for note in sky.notes)
