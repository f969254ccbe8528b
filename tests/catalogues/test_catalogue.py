"""Catalogues: their files, what of them is at a place, and how likely that is by chance."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable, Table
from astropy.units import Unit

from fip.catalogues.catalogue import Catalogue, Sources
from fip.catalogues.known import Known, Listed
from fip.catalogues.words import Match, Seen
from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC, SECONDS_PER_DAY

NOW = 61100 * SECONDS_PER_DAY  # 2026-03-01
BEAM = 60 * ARCSEC
EVENT = Seen(math.radians(69.3), math.radians(-47.25), BEAM, NOW - 4, NOW + 4)
FK4 = """# %ECSV 1.0
# ---
# datatype:
# - {name: ra, datatype: float64}
# - {name: dec, datatype: float64}
# meta: {frame: fk4}
ra dec
69.3 -47.25
"""
NAMED = {"name": ["J0437-4715", "B"], "ra": [69.3, 70.0], "dec": [-47.25, 10.0]}


def written(path: Path, **columns: object) -> Path:
    """A table as the end of its name says."""
    kind = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv"}.get(path.suffix, "votable")
    table = QTable if any(hasattr(each, "unit") for each in columns.values()) else Table
    table(columns).write(path, format=kind, overwrite=True)
    return path


def matches(path: Path, event: Seen = EVENT, tell: bool | str = True) -> tuple[Match, ...]:
    return Known(catalogues={"pulsars": Listed(path, tell)}).matches(event)


@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".vot", ".xml"])
def test_a_source_of_any_kind_of_table_is_named(tmp_path: Path, suffix: str) -> None:
    (match,) = matches(written(tmp_path / f"psr{suffix}", **NAMED))
    assert (match.name, match.of, match.label, match.target) == ("J0437-4715", "pulsars", "", "")
    assert match.separation < 0.01 * ARCSEC


@pytest.mark.parametrize(
    "columns",
    [
        {"RAJ2000": [69.3], "DEJ2000": [-47.25]},
        {"PSRJ": ["J0437-4715"], "RAJD": [69.3], "DECJD": [-47.25]},
        {"ra": np.array([math.radians(69.3)]) * Unit("rad"), "dec": np.array([-2835.0]) * Unit("arcmin")},
    ],
)
def test_columns_have_usual_names_and_units(tmp_path: Path, columns: dict[str, object]) -> None:
    (match,) = matches(written(tmp_path / "psr.ecsv", **columns))
    assert match.name == ("J0437-4715" if "PSRJ" in columns else "psr-1")


def test_a_source_is_at_a_place_within_half_a_beam(tmp_path: Path) -> None:
    path = written(tmp_path / "psr.csv", **NAMED)
    for beams, there in ((0.45, 1), (0.55, 0)):
        assert len(matches(path, replace(EVENT, latitude=EVENT.latitude + beams * BEAM))) == there


@pytest.mark.parametrize(("tell", "said"), [(True, ("", "")), (False, ("known", "")), ("frbs", ("", "frbs"))])
def test_only_a_catalogue_that_is_not_told_speaks_against_an_event(
    tmp_path: Path, tell: bool | str, said: tuple[str, str]
) -> None:
    (match,) = matches(written(tmp_path / "psr.csv", **NAMED), tell=tell)
    assert (match.label, match.target) == said


@pytest.mark.parametrize("epoch", [{}, {"epoch": [2000.0]}, {"PosEpoch": [51544.5]}])
def test_sources_have_moved_since_their_epoch(tmp_path: Path, epoch: dict[str, list[float]]) -> None:
    """The motion is 10 arcsec a year, as Barnard's star has, for 26.16 years."""
    path = written(tmp_path / "star.csv", ra=[69.3], dec=[-47.25], pmra=[6000.0], pmdec=[8000.0], **epoch)
    years = (NOW / SECONDS_PER_DAY - 51544.5) / 365.25
    moved = replace(
        EVENT,
        longitude=EVENT.longitude + 6 * years * ARCSEC / math.cos(EVENT.latitude),
        latitude=EVENT.latitude + 8 * years * ARCSEC,
    )
    assert matches(path) == ()
    (match,) = matches(path, moved)
    assert match.separation < 1 * ARCSEC
    later = replace(moved, begin=moved.begin + 3e8, end=moved.end + 3e8)
    known = Known(catalogues={"stars": Listed(path)})
    assert known.matches(moved)  # and of another year, for which places are computed anew
    assert not known.matches(later)
    east, north = (each * 3e8 / (365.25 * SECONDS_PER_DAY) * ARCSEC for each in (6 / math.cos(EVENT.latitude), 8))
    assert known.matches(replace(later, longitude=later.longitude + east, latitude=later.latitude + north))


def test_each_source_has_moved_from_its_own_epoch(tmp_path: Path) -> None:
    """The epoch of Gaia is 2016; J2000 counts if none is known; without a proper motion a source does not move."""
    mas, unknown = 10_000.0, np.nan
    path = written(
        tmp_path / "stars.ecsv", name=["gaia", "plain", "still"], ra=[10.0, 20.0, 30.0], dec=[0.0, 0.0, 0.0],
        pmra=[0.0, 0.0, unknown], pmdec=[mas, mas, unknown], epoch=[2016.0, unknown, 2016.0],
    )  # fmt: skip
    year = 2000 + (NOW / SECONDS_PER_DAY - 51544.5) / 365.25
    for name, ra, years in (("gaia", 10.0, year - 2016), ("plain", 20.0, year - 2000), ("still", 30.0, 0.0)):
        event = replace(EVENT, longitude=math.radians(ra), latitude=1e-3 * mas * years * ARCSEC)
        [match] = matches(path, event)
        assert (match.name, match.separation < 0.1 * ARCSEC) == (name, True)
    behind = replace(EVENT, longitude=math.radians(20.0), latitude=(10 * (year - 2000) - 0.48 * 60) * ARCSEC)
    assert len(matches(path, behind)) == 1  # its place in the middle of the year is too far away


def test_the_chance_is_that_of_as_many_sources_at_random(tmp_path: Path) -> None:
    """1 - exp(-pi r^2 rho): one place in a hundred has a source whose chance is that of a hundredth."""
    random = np.random.default_rng(1)
    longitude, latitude = random.uniform(0, 2 * math.pi, 100_000), np.arcsin(random.uniform(-1, 1, 100_000))
    catalogue = Catalogue("nvss", Sources([str(each) for each in range(100_000)], longitude, latitude))
    event = Seen(0, 0, 480 * ARCSEC, NOW, NOW)
    places = [replace(event, longitude=x, latitude=y) for x, y in random.uniform(-0.9, 0.9, (6000, 2)).tolist()]
    found = [catalogue.near(each) for each in places]
    for within in (0.01, 0.02):
        assert np.mean([bool(each) and each[0].chance < within for each in found]) == pytest.approx(within, rel=0.25)
    nearest = next(each[0] for each in found if each)
    rho = 100_000 / (4 * math.pi)
    assert -math.log1p(-nearest.chance) == pytest.approx(math.pi * nearest.separation**2 * rho, rel=0.9)


def test_where_sources_are_crowded_a_match_says_less(tmp_path: Path) -> None:
    """The density is that about the place."""
    random = np.random.default_rng(2)
    crowd = EVENT.longitude + random.normal(0, 1e-3, 200), EVENT.latitude + random.normal(0, 1e-3, 200)
    sparse = random.uniform(0, 6, 200), random.uniform(-1, 1, 200)
    chances = []
    for longitude, latitude in (crowd, sparse):
        ra = np.append(longitude, EVENT.longitude + 10 * ARCSEC).astype(np.float64)
        dec = np.append(latitude, EVENT.latitude).astype(np.float64)
        chances.append(Catalogue("psr", Sources([str(each) for each in range(201)], ra, dec)).near(EVENT)[0].chance)
    assert chances[0] > 1e3 * chances[1]


def test_the_nearest_are_named_and_no_more() -> None:
    ra, dec = (EVENT.longitude + np.arange(1, 9) * ARCSEC).astype(np.float64), np.full(8, EVENT.latitude)
    found = Catalogue("psr", Sources(list("ABCDEFGH"), ra, dec)).near(EVENT)
    assert [each.name for each in found] == ["A", "B", "C"]


def test_a_source_is_found_by_its_name_however_it_is_spelt(tmp_path: Path) -> None:
    known = Known(catalogues={"psr": Listed(written(tmp_path / "psr.csv", **NAMED))})
    for name in ("J0437-4715", "j0437 -4715"):
        place = known.place_of(name, NOW)
        assert place is not None
        assert np.degrees(place) == pytest.approx([69.3, -47.25])
    assert known.place_of("J0000", NOW) is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.csv", None, "cannot be read: No such file or directory"),
        ("psr.fits", "x", "is no catalogue by its name: give a table as .ecsv, .csv, .vot, .votable, .xml"),
        ("psr.ecsv", "x y\n1 2\n", "is no table as .ecsv has it"),
        ("psr.xml", "no table", "is no table as .xml has it"),
        ("psr.csv", "name,glon,glat\na,1,2\n", "no column ra: ra and dec in degrees are needed; there are name, glon"),
        ("psr.csv", "ra,dec\n04:37:15,-47:15:09\n", "column ra holds no numbers: '04:37:15'; give deg"),
        ("psr.csv", "ra,dec\n10,95\n", "columns ra and dec hold no places in degrees"),
        ("psr.csv", "ra,dec\n", "no row of it has a place"),
        ("psr.ecsv", FK4, "its places are fk4: places in ICRS or J2000 are read: convert them"),
        ("psr.csv", "ra,dec,epoch\n10,20,J2000\n", "column epoch holds no numbers: 'J2000'; give years"),
    ],
)  # fmt: skip
def test_what_is_no_catalogue_is_one_line(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as refused:
        Known(catalogues={"psr": Listed(path)})
    assert str(refused.value).startswith(f"catalogue.psr {path}: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
