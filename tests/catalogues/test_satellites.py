"""Satellites at the place of an event: against astropy's own transformations, and rule by rule."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import erfa
import numpy as np
import pytest
from astropy import units
from astropy.coordinates import ITRS, TEME, AltAz, CartesianRepresentation, EarthLocation, SkyCoord
from astropy.time import Time
from astropy.utils import iers

from fip.catalogues.known import Known
from fip.catalogues.satellites import ALONG, BY_CHANCE, Orbit, Orbits, passing
from fip.catalogues.tle_file import read_tle
from fip.catalogues.turns import from_teme, rotation, velocity
from fip.catalogues.words import Seen
from fip.data.errors import UsageError
from fip.data.quantities import SECONDS_PER_DAY
from fip.simulation.orbits import circular, shells

START = 61100 * SECONDS_PER_DAY + 3 * 3600.0
SITE: tuple[float, float, float] = tuple(erfa.gd2gc(1, math.radians(21.44), math.radians(-30.71), 1050.0).tolist())
BEAM = math.radians(10 / 3600)
RAD = units.rad


def orbits_of(folder: Path, *elements: str) -> tuple[Orbit, ...]:
    """Return the orbits as a file has them."""
    (folder / "made.tle").write_text("".join(elements))
    return read_tle(folder / "made.tle")


def by_astropy(orbit: Orbit, time: float) -> SkyCoord:
    """Return the position at which a satellite is seen, among the stars of a catalogue."""
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        at = Time(time / SECONDS_PER_DAY, format="mjd")
        _, place, _ = orbit.record.sgp4(at.jd1, at.jd2)
        there = TEME(CartesianRepresentation(place, unit="km"), obstime=at).transform_to(ITRS(obstime=at))
        here = EarthLocation.from_geocentric(*SITE, unit="m")
        away = ITRS(there.cartesian - here.get_itrs().cartesian, obstime=at, location=here)
        seen = away.transform_to(AltAz(obstime=at, location=here))
        assert seen.alt.deg > 0
        return SkyCoord(AltAz(az=seen.az, alt=seen.alt, obstime=at, location=here)).icrs


def overhead(folder: Path, height: float) -> tuple[Orbit, SkyCoord]:
    """Return a satellite that is high at START, and its place; the file has it alone."""
    places = list(product(range(0, 360, 10), range(180, 360, 10)))
    tried = [circular(k, f"S{k}", START, height, 60, *place) for k, place in enumerate(places, 1)]
    sky = Orbits(orbits_of(folder, *tried)).sky(START, SITE)
    best = sky.orbits[int(np.argmin(sky.distance))]
    (orbit,) = orbits_of(folder, tried[int(best.number) - 1])
    return orbit, by_astropy(orbit, START)


def event_at(place: SkyCoord, seconds: float = 8.0, slices: int = 1) -> Seen:
    begin = START - seconds * slices / 2
    return Seen(place.ra.rad, place.dec.rad, BEAM, begin, begin + seconds * slices, slices, SITE)


@pytest.mark.parametrize("height", [550.0, 20200.0, 35786.0])
def test_a_satellite_is_where_astropy_sees_it(tmp_path: Path, height: float) -> None:
    orbit, place = overhead(tmp_path, height)
    (match,) = passing(Orbits([orbit]), event_at(place, 0.1))
    assert match.separation < math.radians(4 / 3600)  # refraction and the pole are not in it
    assert (match.name, match.of, match.label) == (orbit.name, "satellites", "satellite")


def beside(orbit: Orbit, place: SkyCoord, across: float, along: float) -> SkyCoord:
    """A place so many rad beside the place of a satellite at START, and further along its path."""
    ahead = place.position_angle(by_astropy(orbit, START + 1.0))
    there = place.directional_offset_by(ahead, along * RAD)
    return there.directional_offset_by(there.position_angle(place) + np.pi / 2 * RAD, across * RAD)


@pytest.mark.parametrize(
    ("across", "along", "there"),
    [(0.7 * BEAM, 0.3 * ALONG, True), (3 * BEAM, 0.3 * ALONG, False), (0, 0.9 * ALONG, True), (0, 1.2 * ALONG, False)],
)
def test_a_place_is_on_the_path_within_a_beam_across_and_half_a_degree_along(
    tmp_path: Path, across: float, along: float, there: bool
) -> None:
    """At 36,000 km 300 m are 2 arcsec: less than the beam; and in a tenth of a second it has not moved."""
    orbit, place = overhead(tmp_path, 35786.0)
    event = event_at(beside(orbit, place, across, along), 0.1)
    assert bool(passing(Orbits([orbit]), event)) is there


def test_along_the_path_a_beam_counts_if_that_is_more(tmp_path: Path) -> None:
    orbit, place = overhead(tmp_path, 35786.0)
    events = [event_at(beside(orbit, place, 0.0, along * ALONG), 0.1) for along in (1.8, 2.4)]
    found = [passing(Orbits([orbit]), replace(each, beam=2 * ALONG)) for each in events]
    assert list(map(bool, found)) == [True, False]


def test_orbits_are_right_across_to_300_m_whatever_the_beam(tmp_path: Path) -> None:
    orbit, place = overhead(tmp_path, 550.0)
    distance = float(Orbits([orbit]).sky(START, SITE).distance[0])
    places = [beside(orbit, place, metres / distance, 0.0) for metres in (250.0, 500.0)]
    found = [passing(Orbits([orbit]), replace(event_at(each, 0.1), beam=1e-6)) for each in places]
    assert list(map(bool, found)) == [True, False]


def test_an_event_of_many_slices_is_none_of_what_passed_in_one(tmp_path: Path) -> None:
    """A satellite in a low orbit is gone after a slice; one of navigation stays within half a degree for a minute."""
    fast, where_fast = overhead(tmp_path, 550.0)
    slow, where_slow = overhead(tmp_path, 35786.0)
    assert passing(Orbits([fast]), event_at(where_fast, slices=1))
    assert not passing(Orbits([fast]), event_at(where_fast, slices=16))
    assert passing(Orbits([slow]), event_at(where_slow, slices=16))


def test_what_is_below_the_horizon_is_not_there(tmp_path: Path) -> None:
    orbit, place = overhead(tmp_path, 550.0)
    x, y, z = SITE
    there, now = (-x, -y, -z), np.array([START])  # the other side of the Earth, through which it would be seen
    away = rotation(now)[0] @ from_teme(now)[0] @ Orbits([orbit]).sky(START, there).away[0]
    towards = SkyCoord(*(away / np.linalg.norm(away) - velocity(START)), representation_type="cartesian").spherical
    through = SkyCoord(towards.lon, towards.lat)
    assert passing(Orbits([orbit]), event_at(place))
    assert not passing(Orbits([orbit]), replace(event_at(through), site=there))


def test_a_match_that_is_likely_by_chance_does_not_speak_against_an_event(tmp_path: Path) -> None:
    """One of a thousand satellites is near any place if the beam is two degrees: it is named, not heeded."""
    orbit, place = overhead(tmp_path, 550.0)
    many = Orbits([*orbits_of(tmp_path, *shells(3000, START)), replace(orbit, number="99999")])
    wide = replace(event_at(place), beam=math.radians(2.0))
    (found,) = [each for each in passing(many, wide) if each.name == orbit.name]
    assert (found.label, found.chance > BY_CHANCE) == ("", True)
    (found,) = [each for each in passing(many, event_at(place)) if each.name == orbit.name]
    assert (found.label, found.chance < 0.01) == ("satellite", True)


def test_the_chance_is_how_often_a_satellite_is_at_a_random_place(tmp_path: Path) -> None:
    many, random = Orbits(orbits_of(tmp_path, *shells(3000, START))), np.random.default_rng(3)
    hits, chances = 0, []
    for number in range(300):
        event = replace(event_at(SkyCoord(0, 0, unit="deg")), beam=math.radians(1.0))
        event = replace(event, begin=event.begin + 60 * (number % 20), end=event.end + 60 * (number % 20))
        towards = random.normal(size=3)
        up = rotation(np.array([event.middle]))[0] @ np.array(SITE)
        towards *= np.sign(towards @ up) / np.linalg.norm(towards)
        event = replace(event, longitude=math.atan2(towards[1], towards[0]), latitude=math.asin(towards[2]))
        found = passing(many, event)
        hits += bool(found)
        chances += [each.chance for each in found[:1]]
    assert hits / 300 == pytest.approx(np.mean(chances), rel=0.4)


def test_of_a_satellite_with_several_epochs_the_nearest_counts(tmp_path: Path) -> None:
    old = circular(7, "OLD", START - 5 * SECONDS_PER_DAY, 550, 60, 10, 20)
    new = circular(7, "NEW", START, 550, 60, 200, 20)
    both = Orbits(orbits_of(tmp_path, old, new))
    for time, name in ((START, "NEW"), (START - 5 * SECONDS_PER_DAY, "OLD")):
        assert [each.name for each in both.sky(time, SITE).orbits] == [name]
    assert both.doubtful(START) == (1, 0, 0)
    assert both.sky(START + 40 * SECONDS_PER_DAY, SITE).orbits == ()


def test_orbits_of_other_days_are_warned_of_once(tmp_path: Path) -> None:
    late = START - 4 * SECONDS_PER_DAY
    path = tmp_path / "made.tle"
    orbits_of(tmp_path, circular(7, "A", late, 550, 60, 10, 20), circular(8, "B", START, 550, 60, 10, 20),
              circular(9, "C", START - 50 * SECONDS_PER_DAY, 550, 60, 10, 20))  # fmt: skip
    known = Known(path)
    for _ in range(2):
        known.matches(event_at(SkyCoord(10, -30, unit="deg")))
    assert known.remarks() == [
        f"--tle {path}: the orbits of 2 of 3 satellites are more than 3 days from the images, 1 of them more than 30 "
        "days, which are left out: places may be off by more than 0.5 deg; give orbits of these days"
    ]
    known.matches(event_at(SkyCoord(10, -30, unit="deg")))
    assert known.remarks() == []


def test_without_the_place_of_the_array_no_satellite_is_looked_for(tmp_path: Path) -> None:
    orbit, place = overhead(tmp_path, 550.0)
    known = Known(tmp_path / "made.tle")
    assert known.matches(event_at(place))[0].name == orbit.name
    assert known.matches(replace(event_at(place), site=None)) == ()
    (said,) = known.remarks()
    assert "images do not say where the array is (OBSGEO-X, -Y, -Z): no satellite is looked for" in said


def test_a_file_that_changes_is_read_again_and_one_that_is_spoilt_stays_as_it_was(tmp_path: Path) -> None:
    orbit, place = overhead(tmp_path, 550.0)
    path = tmp_path / "made.tle"
    orbits_of(tmp_path, circular(9, "ANOTHER", START, 550, 60, 10, 20))
    known = Known(path)
    assert known.matches(event_at(place)) == ()
    overhead(tmp_path, 550.0)  # writes the file that has it
    assert [each.name for each in known.matches(event_at(place))] == [orbit.name]
    path.write_text("NAME ALONE\n")
    assert [each.name for each in known.matches(event_at(place))] == [orbit.name]
    (said,) = known.remarks()
    assert said.endswith("without the two lines of its elements; what it held before still counts")


GOOD = circular(7, "A", START, 550, 60, 10, 20)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no satellite in it; give two-line elements"),
        ("name\nother name\n", "line 2: 'other name' is no first line of two-line elements"),
        (GOOD[:100], "line 2: no second line of the elements of 00007 follows"),
        (GOOD.replace(" 60.0000", " 61.0000"), "line 2: the checksum of '2 00007  61.0000  10...' is not"),
        (GOOD.replace("2 00007", "2 00008"), "line 2: no second line of the elements of 00007 follows: '2 00008"),
    ],
)
def test_what_are_no_elements_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.tle"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        Known(path)
    assert f"--tle {path}" in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--tle .*none\.tle: cannot be read: No such file or directory$"):
        Known(tmp_path / "none.tle")


def test_names_may_be_left_out(tmp_path: Path) -> None:
    (one, two) = orbits_of(tmp_path, GOOD.split("\n", 1)[1], "0 NAMED\n" + GOOD.split("\n", 1)[1])
    assert (one.name, two.name) == ("satellite 00007", "NAMED")
    assert one.epoch == pytest.approx(START, abs=1e-3)
