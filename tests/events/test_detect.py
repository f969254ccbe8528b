"""`fip detect` and `fip events`: real commands, on images that real daemons made, and on what cannot be searched."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table

from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.data.quantities import iso_utc
from fip.events.words import Asked
from fip.local.detecting import detect, series_of
from fip.search.curvature import from_images, from_moments
from fip.search.words import Budget
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from support.fip_command import fip, images
from support.stored_run import GRID, store_run

ON = (25, 31)
FILES = ["candidates.ecsv", "events.ecsv", "injections.ecsv", "rates.ecsv"]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images with a transient in six of them, bright enough for sidelobes, the steady sources subtracted."""
    folder = tmp_path_factory.mktemp("night")
    plan = Simulation(antennas=20, channels=4, integrations=40, transient=0.6, transient_on=ON, noise=1.0, seed=5)
    simulate(folder / "night.ms", plan)
    made = fip("run", folder / "night.ms", "--output", folder / "night.fip", "--subtract-model", "--size", 576)
    assert made.returncode == 0, made.stderr
    return folder / "night.fip"


@pytest.fixture(scope="module")
def searched(night: Path) -> tuple[CompletedProcess[str], list[dict[str, Any]]]:
    """What was said when it was searched, and the events."""
    before = {path.name: path.read_bytes() for path in images(night)}
    said = fip("detect", night)
    assert said.returncode == 0, said.stderr
    assert {path.name: path.read_bytes() for path in images(night)} == before
    return said, json.loads(fip("events", night, "--json").stdout)


Searched = tuple[CompletedProcess[str], list[dict[str, Any]]]


def truth(directory: Path) -> SkyCoord:
    """Return the position of the transient."""
    table = Table.read(directory.with_name("night.truth.ecsv"), format="ascii.ecsv")
    (row,) = table[table["kind"] == "transient"]
    return SkyCoord(float(row["ra"]), float(row["dec"]), unit="deg")


def test_a_transient_is_one_event_in_its_slices_at_its_place(night: Path, searched: Searched) -> None:
    said, found = searched
    assert "reference none" in said.stdout
    assert "1 event, " in said.stdout
    (event,) = [each for each in found if not each["labels"]]
    assert (event["kind"], event["stokes"]) == ("transient", "I")
    assert (event["first"], event["last"]) == (ON[0], ON[1] - 1)
    assert event["flux"] == pytest.approx(0.6, rel=0.1)
    assert truth(night).separation(SkyCoord(event["ra"], event["dec"], unit="deg")).arcsec < 4
    assert f"{event['id']}: transient at ICRS" in said.stdout
    assert f"slices {ON[0]} to {ON[1] - 1}, S/N" in said.stdout
    with closing(sqlite3.connect(night / "fip.sqlite")) as database:
        (begin,) = database.execute("SELECT begin FROM slices WHERE slice = ?", (ON[0],)).fetchone()
    assert event["begin"] == iso_utc(begin)


def test_its_sidelobes_are_labelled_and_shown(night: Path, searched: Searched) -> None:
    """A source of S/N 40 and an array of 20 antennas: many, and none of them is reported."""
    said, found = searched
    labelled = [each for each in found if each["labels"]]
    assert len(labelled) > 5
    assert all("sidelobe" in each["labels"] for each in labelled), [each["labels"] for each in labelled]
    assert f"and {len(labelled)} with labels (" in said.stdout
    assert f"{len(labelled)} sidelobe" in said.stdout
    assert len(fip("events", night, "--all").stdout.splitlines()) == len(found)


def test_the_same_images_give_the_same_files(night: Path, searched: Searched) -> None:
    folder = night / "transients"
    first = {name: (folder / name).read_bytes() for name in FILES}
    assert fip("detect", night).returncode == 0
    assert {name: (folder / name).read_bytes() for name in FILES} == first
    assert sorted(path.name for path in folder.glob("*.*csv*")) == FILES
    events = Table.read(folder / "events.ecsv", format="ascii.ecsv")
    assert events["ra_err"].unit == "deg"
    assert events["flux"].unit == "Jy / beam"
    rates = Table.read(folder / "rates.ecsv", format="ascii.ecsv")
    (rate,) = rates[rates["average"] == 1]
    assert (rate["slices"], rate["events"]) == (40, 1)
    # 8 s an image; nine tenths of the budget are those of images, the others are those of their means
    assert rate["predicted"] == pytest.approx(40 * 8 / (7 * 86400), rel=0.1)


def test_a_budget_that_allows_more_has_a_lower_threshold(night: Path) -> None:
    least = [next(series_of(night, Asked(budget))).thresholds for budget in (Budget(1, 7 * 86400), Budget(1, 60))]
    assert least[0].event > least[0].candidate > least[1].event == least[1].candidate


def test_an_image_that_is_gone_is_left_out_and_named(tmp_path: Path) -> None:
    store_run(tmp_path, 12)
    gone = images(tmp_path)[5]
    gone.unlink()
    said = fip("detect", tmp_path, "--reference", "none")
    assert said.returncode == 1
    assert f"left out: 1 image, the last of them slice 5: {gone}: not an image that FIP can read" in said.stdout
    assert slices_searched(tmp_path) == 11


def test_what_failed_and_what_is_empty_are_slices_without_an_image(tmp_path: Path) -> None:
    store_run(tmp_path, 12, empty=[2], failed=[5, 6])
    assert detect(tmp_path, Asked(reference="none"), print) == 0
    assert slices_searched(tmp_path) == 9


def slices_searched(directory: Path) -> int:
    """Return the number of slices searched, as in the table of rates."""
    rates = Table.read(directory / "transients" / "rates.ecsv", format="ascii.ecsv")
    return int(rates["slices"][rates["average"] == 1].sum())


def mixed(directory: Path) -> None:
    """Have an image of another size in a run."""
    store_run(directory, 6)
    other = directory / "other"
    store_run(other, 6, grid=replace(GRID, width=192))
    images(directory)[4].write_bytes(images(other)[4].read_bytes())


def nothing(directory: Path) -> None:
    """Make nothing: there is no directory of images."""


def empty_ledger(directory: Path) -> None:
    """A run without an image."""
    store_run(directory, 3, failed=[0, 1, 2])


def expired(directory: Path) -> None:
    """All images of a run have expired."""
    store_run(directory, 6)
    with closing(sqlite3.connect(directory / "fip.sqlite")) as database:
        database.execute("UPDATE slices SET state = 'expired'")
        database.commit()


def six(directory: Path) -> None:
    """Store six images of a run."""
    store_run(directory, 6)


def few(directory: Path) -> None:
    """Store two images of a run."""
    store_run(directory, 2)


@pytest.mark.parametrize(
    ("make", "asked", "said"),
    [
        (nothing, Asked(), "no fip.sqlite in it; give the folder that `fip run` stored images in"),
        (empty_ledger, Asked(), "no image is stored in it yet"),
        (expired, Asked(), "no image is stored in it yet"),
        (few, Asked(), "a search needs 3 images of a field"),
        (mixed, Asked(), "192x160 pixels of 2arcsec, I; the images before it: 160x160 pixels of 2arcsec, I"),
        (six, Asked(stokes=("V",)), "--stokes V: there is I"),
        (six, Asked(Budget(1e6, 1)), "--false-alarms: 1e+06 false events in 1 s would take a threshold below"),
    ],
)
def test_what_cannot_be_searched_is_one_line(
    tmp_path: Path, make: Callable[[Path], None], asked: Asked, said: str
) -> None:
    make(tmp_path)
    with pytest.raises(UsageError) as refused:
        detect(tmp_path, asked, print)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--false-alarms", "some"), "detector.false_alarms: 'some' is not a rate of false events, as 1/week or"),
        (("--widths", "5"), "fip: --widths 5: give 1, 2, 4, 8, 16, 32 or 64"),
        ((), "192x160 pixels"),
    ],
)
def test_if_it_is_refused_nothing_is_written(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    mixed(tmp_path)
    refused = fip("detect", tmp_path, *options)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "transients").exists()


def test_a_run_that_was_interrupted_and_has_nothing_new_is_counted_as_before(tmp_path: Path) -> None:
    """The hour that it is in is not over: how much of it was searched is known from the images themselves."""
    store_run(tmp_path, 12)
    with closing(sqlite3.connect(tmp_path / "fip.sqlite")) as database:
        database.execute("DELETE FROM slices WHERE slice >= 10")
        database.commit()
    said: list[list[str]] = [[], []]
    tables = []
    for lines in said:
        assert detect(tmp_path, Asked(reference="none"), lambda line, *_, lines=lines: lines.append(line)) == 0
        tables.append((tmp_path / "transients" / "rates.ecsv").read_bytes())
    assert said[0] == said[1]
    assert said[0][-1].startswith("10 images searched: ")
    assert tables[0] == tables[1]


def test_a_directory_that_was_not_searched_says_so(tmp_path: Path) -> None:
    store_run(tmp_path, 3)
    refused = fip("events", tmp_path)
    assert (refused.returncode, refused.stderr) == (
        2, f"fip: {tmp_path} was not searched for transients: `fip detect {tmp_path}` does\n",
    )  # fmt: skip


def test_lambda_is_what_headers_and_ledger_tell_of_the_samples(night: Path) -> None:
    """It is near that of the images' own noise, which serves if they say nothing."""
    series = next(series_of(night, Asked()))
    header = fits.getheader(images(night)[0])
    uu, uv, vv = (header[name] * 1e6 for name in ("FIPUU", "FIPUV", "FIPVV"))
    np.testing.assert_allclose(series.searched.curvature, from_moments(uu, uv, vv, series.grid.scale), rtol=0.05)
    with closing(Ledger(night, read_only=True)) as ledger:
        numbers = ledger.numbers()[series.run, 0]
    assert [numbers[f"uv.{name}"][0] * 1e6 for name in ("uu", "uv", "vv")] == pytest.approx([uu, uv, vv], rel=1e-9)
    assert numbers["weights"][0] == pytest.approx(header["FIPWSUM"])
    measured = from_images(fits.getdata(each)[0, 0] for each in images(night)[:8])
    root = [float(np.sqrt(np.linalg.det(np.array(each)))) for each in (series.searched.curvature, measured)]
    assert root[0] == pytest.approx(root[1], rel=0.15)
