"""What is known to be at the place of an event: found by real commands, kept, and no part of a search."""

import json
import math
from contextlib import closing
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from fip.catalogues.known import Known, Listed
from fip.config import Detector
from fip.events import describing
from fip.events.detector import detector_step, habits
from fip.events.duty import detector_duty
from fip.events.findings import is_told
from fip.events.listing import listed
from fip.events.matching import Matching
from fip.events.publishing import Publisher
from fip.events.shown import searched
from fip.events.words import Asked
from fip.fits.sky import wcs_of
from fip.follower.course import Course
from fip.local.detecting import detect
from support.fip_command import fip, images
from support.orbits import elements_at
from support.stored_run import CADENCE, GRID, ON, START, TRANSIENT, store_run

pytestmark = pytest.mark.timeout(400)  # s: it waits for commands, on a busy machine, too

SITE = (5109360.0, 2006852.0, -3238948.0)
RA, DEC = (float(each) for each in wcs_of(GRID).wcs_pix2world(*TRANSIENT, 0))
MIDDLE = START + sum(ON) / 2 * CADENCE
ASKED = Asked(reference="none")
LISTS = ("--tle", "geo.tle", "--catalogue", "pulsars=psr.csv")


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a satellite at the place of the flare, orbits of none there, and a pulsar there."""
    folder = tmp_path_factory.mktemp("lists")
    place = math.radians(RA), math.radians(DEC)
    (folder / "geo.tle").write_text(elements_at("GEO-7", place, MIDDLE, SITE))
    (folder / "away.tle").write_text(elements_at("GEO-7", (place[0], place[1] + 0.2), MIDDLE, SITE))
    (folder / "psr.csv").write_text(f"name,ra,dec\nJ1019-4501,{RA},{DEC + 1 / 3600}\nJ1,10,10\n")
    return folder


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with a flare, that nobody has searched."""
    folder = tmp_path_factory.mktemp("night")
    store_run(folder, 12)
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images, searched without any list."""
    folder = tmp_path_factory.mktemp("found")
    store_run(folder, 12)
    searched_anew(folder)
    return folder


def flare(directory: Path) -> dict[str, Any]:
    """The event, as `fip events --json` has it; another one is the steady source, which nobody has subtracted."""
    return next(each for each in listed([directory]) if each["first"] == ON[0])


def searched_anew(directory: Path, known: Known | None = None) -> list[str]:
    """What was said when it was searched."""
    said: list[str] = []
    assert detect(directory, ASKED, lambda line, *_, **__: said.append(line), known=known) == 0
    return said


def of(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["name"], each["of"]) for each in event["matches"]]


def test_an_event_is_told_with_what_is_there_and_other_lists_do_not_forbid_to_go_on(night: Path, lists: Path) -> None:
    said = fip("detect", night, "--reference", "none", *LISTS, cwd=lists)  # the other calls ask for the same
    assert said.returncode == 0, said.stderr
    assert "searched: 1 event, " in said.stdout
    assert "and 1 with labels (1 satellite)" in said.stdout
    event = flare(night)
    assert of(event) == [("GEO-7", "satellites"), ("J1019-4501", "pulsars")]
    assert event["labels"] == ["satellite"]
    satellite, pulsar = event["matches"]
    assert satellite["separation"] < 2  # arcsec
    assert satellite["label"] == "satellite"
    assert pulsar["separation"] == pytest.approx(1, abs=0.5)
    assert 0 < pulsar["chance"] < 1e-6
    assert "; there: GEO-7, J1019-4501\n" in fip("events", night, "--all").stdout
    told = "\n".join(describing.as_lines(described := describing.event_of(night, event["id"])))
    assert "  against it  satellite: a satellite was there\n" in told
    assert "  there       J1019-4501 (pulsars), " in told
    assert json.loads(describing.as_json(described))["matches"] == event["matches"]
    shown = searched(night)
    assert shown
    assert {each["id"]: each["matches"] for each in shown.events}[event["id"]] == event["matches"]
    facts = night / "transients" / event["id"] / "event.json"
    assert json.loads(facts.read_text())["matches"] == event["matches"]

    lines = searched_anew(night, Known(lists / "away.tle", {"psr": Listed(lists / "psr.csv")}))
    assert "searched: 2 events, " in "".join(lines)
    assert (of(flare(night)), flare(night)["labels"]) == ([("J1019-4501", "psr")], [])
    assert json.loads(facts.read_text())["labels"] == []


def test_the_same_lists_give_the_same_tables_and_without_any_what_was_matched_stays(found: Path, lists: Path) -> None:
    known = Known(lists / "geo.tle", {"pulsars": Listed(lists / "psr.csv")})
    tables = []
    with opened(found) as (course, asked):
        for each in (known, known, Known()):
            Publisher(course, asked, Matching(each, course.folder, anew=True)).publish(idle=False)
            tables.append((course.folder / "events.ecsv").read_bytes())
    assert b"GEO-7" in tables[0]
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize(("tell", "labels", "target"), [(True, (), ""), (False, ("known",), ""), ("frbs", (), "frbs")])
def test_a_catalogue_says_whether_its_sources_are_told(
    found: Path, lists: Path, tell: bool | str, labels: tuple[str, ...], target: str
) -> None:
    known = Known(catalogues={"pulsars": Listed(lists / "psr.csv", tell)})
    with opened(found) as (course, asked):
        publisher = Publisher(course, asked, Matching(known, course.folder, anew=True))
        publisher.publish(idle=False)
        event = next(each for each in publisher.found() if each.event.best.slices[0] == ON[0])
    assert (event.labels, is_told(event)) == (labels, not labels)
    assert [each.target for each in event.matches] == [target]


class opened(closing[Course]):  # noqa: N801
    """The course of a search, and what was asked of it."""

    def __init__(self, directory: Path) -> None:
        step = detector_step(ASKED, "transients")
        super().__init__(Course(directory, directory / "transients", step, habits()))

    def __enter__(self) -> tuple[Course, Asked]:  # type: ignore[override]
        return super().__enter__(), ASKED


def test_what_was_matched_stays_if_a_detector_begins_again_with_the_orbits_of_another_day(
    found: Path, lists: Path
) -> None:
    """Those of today say nothing of last month: an event does not become one to report when the file is renewed."""
    there, away = Known(lists / "geo.tle"), Known(lists / "away.tle")
    with opened(found) as (course, asked):
        Publisher(course, asked, Matching(there, course.folder, anew=True)).publish(idle=False)
        before = (course.folder / "events.ecsv").read_bytes()
        assert b"GEO-7" in before
        duty = detector_duty(Detector(reference="none"), away)
        assert duty.publisher
        duty.publisher(course).publish(idle=False)
        assert (course.folder / "events.ecsv").read_bytes() == before
        Publisher(course, asked, Matching(away, course.folder, anew=True)).publish(idle=False)
        assert b"GEO-7" not in (course.folder / "events.ecsv").read_bytes()


def test_of_images_that_do_not_say_where_the_array_is_it_is_said(tmp_path: Path, lists: Path) -> None:
    store_run(tmp_path, 12)
    for path in images(tmp_path):
        for axis in "XYZ":
            content = path.read_bytes()
            path.write_bytes(content.replace(f"OBSGEO-{axis}".encode(), f"OBSNOT-{axis}".encode()))
    said = searched_anew(tmp_path, Known(lists / "geo.tle", {"pulsars": Listed(lists / "psr.csv")}))
    assert f"--tle {lists}/geo.tle: images do not say where the array is" in "".join(said)
    assert of(flare(tmp_path)) == [("J1019-4501", "pulsars")]


def test_tables_of_an_older_fip_are_read(found: Path, tmp_path: Path) -> None:
    """They know of no matches."""
    copytree(found, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "transients" / "events.ecsv"
    lines = path.read_text().splitlines()
    dropped = [line for line in lines if "name: matches" not in line]
    rows = [line.removesuffix(" matches").removesuffix(' ""') for line in dropped]
    path.write_text("\n".join(rows) + "\n")
    assert flare(tmp_path)["matches"] == []
    shown = searched(tmp_path)
    assert shown
    assert [each["matches"] for each in shown.events] == [[], []]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tle", "none.tle"), "--tle none.tle: cannot be read: No such file or directory"),
        (("--catalogue", "psr.csv"), "--catalogue psr.csv: give a name and a file, as pulsars=pulsars.csv"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line_and_nothing_is_searched(
    tmp_path: Path, lists: Path, options: tuple[str, ...], said: str
) -> None:
    store_run(tmp_path, 3)
    refused = fip("detect", tmp_path, *options, cwd=lists)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert f"fip: {said}" in refused.stderr
    assert not (tmp_path / "transients").exists()


def test_a_run_that_looks_for_nothing_needs_no_list() -> None:
    refused = fip("run", "none.ms", "--catalogue", "a=b.csv")
    assert refused.returncode == 2
    assert refused.stderr == "fip: --catalogue is for --detect, which is not given: give it, too\n"
