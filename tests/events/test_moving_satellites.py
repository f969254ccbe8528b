"""Twelve satellites over an array that sees all of the sky: each is one track, or labelled."""

import math
from collections import Counter
from pathlib import Path

import erfa
import numpy as np
import pytest

from fip.catalogues.known import Known
from fip.catalogues.satellites import Orbits
from fip.catalogues.tle_file import read_tle
from fip.catalogues.turns import from_teme, rotation, velocity
from fip.data.quantities import SECONDS_PER_DAY
from fip.data.values import Grid
from fip.events.findings import Findings, is_told
from fip.events.matching import Matching
from fip.events.words import Found, Series, Thresholds
from fip.fits.sky import wcs_of
from fip.search.words import Event, Peak
from support.noise_fields import searched_field
from support.orbits import elements_at

START = 61100 * SECONDS_PER_DAY + 20 * 3600.0
SITE: tuple[float, float, float] = tuple(erfa.gd2gc(1, math.radians(21.44), math.radians(-30.71), 1050.0).tolist())
SLICES, CADENCE, SIDE, BEAM = 10, 2.0, 512, 5.0  # s; pixels
KEY = ("run", "")
LOW, SLOW = (550.0, 1200.0), (20200.0, 35786.0)  # km
HEIGHTS = (*LOW * 3, *SLOW * 3)


def zenith() -> tuple[float, float]:
    """Return (right ascension, declination) of the zenith in rad, at START."""
    x, y, z = (rotation(np.array([START]))[0] @ np.array(SITE)).tolist()
    return math.atan2(y, x) % (2 * math.pi), math.atan2(z, math.hypot(x, y))


GRID = Grid(SIDE, SIDE, 2.02 / SIDE, *zenith(), "ICRS")
SERIES = Series(
    "run", "night", "", "I", 0, 1, GRID, SIDE**2, searched_field(SIDE, BEAM), Thresholds(6.5, 5.5), site=SITE,
)  # fmt: skip


def passes(folder: Path) -> tuple[Path, dict[str, list[tuple[float, float]]]]:
    """The orbits of satellites that are high at START, and of each the pixel that shows it in each slice."""
    longitude, latitude = zenith()
    places = [(longitude + 0.35 * (k % 4) - 0.5, latitude + 0.33 * (k // 4) - 0.3) for k in range(len(HEIGHTS))]
    path = folder / "sky.tle"
    path.write_text("".join(
        elements_at(f"S{k}-{height:g}", place, START + CADENCE * SLICES / 2, SITE, height, k + 1)
        for k, (height, place) in enumerate(zip(HEIGHTS, places, strict=True))
    ))  # fmt: skip
    orbits, seen = Orbits(read_tle(path)), dict[str, list[tuple[float, float]]]()
    for index in range(SLICES):
        time = START + (index + 0.5) * CADENCE
        sky, at = orbits.sky(time, SITE), np.array([time])
        turn = rotation(at)[0] @ from_teme(at)[0]
        towards = (sky.away / sky.distance[:, None]) @ turn.T - velocity(time)
        for orbit, (x, y, z) in zip(sky.orbits, towards.tolist(), strict=True):
            ra, dec = math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))
            column, row = map(float, wcs_of(GRID).wcs_world2pix(ra, dec, 0))
            seen.setdefault(orbit.name, []).append((column, row))
    return path, seen


def findings(seen: dict[str, list[tuple[float, float]]]) -> tuple[Findings, dict[int, str]]:
    """Events as a search gives them, and whose each is: fast ones in each slice, slow ones in all as one."""
    made, names = Findings(series={KEY: SERIES}), dict[int, str]()
    for name, places in seen.items():
        is_slow = math.dist(places[0], places[-1]) < BEAM
        for first, (x, y) in [(0, places[len(places) // 2])] if is_slow else list(enumerate(places)):
            number, last = len(names), SLICES - 1 if is_slow else first
            best = Peak(x, y, first, last - first + 1, 9.0 + first / 100, 1, 9.0, (first, last))
            event = Event(number, best, first, last, first, last, 1, closed=True)
            span = START + first * CADENCE, START + (last + 1) * CADENCE
            made.found[KEY, number] = Found(SERIES, event, *span)
            names[number] = name
    return made, names


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Findings, dict[int, str]]:
    """The file of their orbits, and what a search has found of them."""
    path, seen = passes(tmp_path_factory.mktemp("sky"))
    return path, *findings(seen)


def test_without_orbits_what_is_fast_is_one_track_and_what_is_slow_one_event(
    sky: tuple[Path, Findings, dict[int, str]],
) -> None:
    _, made, names = sky
    told = [each for each in Matching(Known()).matched(made.labelled()) if each.kind == "moving"]
    assert Counter(names[each.event.number] for each in told) == {
        f"S{k}-{height:g}": 1 for k, height in enumerate(HEIGHTS) if height in LOW
    }


def test_with_orbits_every_satellite_is_labelled_by_its_own_name(
    sky: tuple[Path, Findings, dict[int, str]],
) -> None:
    path, made, names = sky
    found = Matching(Known(path)).matched(made.labelled())
    assert {names[each.event.number] for each in found} == set(names.values())
    assert not any(map(is_told, found))
    for each in found:
        assert "satellite" in each.labels
        assert each.matches[0].name == names[each.event.number]
