"""The detector as a follower: what it finds is the same wherever it was interrupted, of images and of their means."""

import os
import random
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from fip.archive.lightcurve import Named, Offset
from fip.data.values import Grid
from fip.events.detector import detector_step
from fip.events.findings import Findings, folded
from fip.events.folder import facts_found
from fip.events.publishing import Publisher
from fip.events.words import Asked
from fip.follower.course import Course, Habits
from fip.search.words import Budget, Reference
from support.followed_images import FollowedImages, recorded
from support.stored_run import GRID, NOISE, RUN, stored_image

SMALL = replace(GRID, width=64, height=48)
COUNT = 230
FAILED, EMPTY = (30, 31, 90), (40,)
ON, PLACE = (70, 76), (20, 30)
SLOW, SLOW_PLACE = (64, 224), (45, 12)
"""A source that is on for 160 slices: 2.5 times as long as the widest boxcar of single images."""


WAITED = 50, 110
"""Slices that are a backlog, with the first source in the midst of them."""


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, with a source of S/N 25 in six images and one that is there for long, S/N 2 in each."""
    folder = tmp_path_factory.mktemp("images")
    coming = FollowedImages(folder, COUNT)
    for index in range(COUNT):
        if index in FAILED:
            coming.fail(index)
        else:
            coming.store.put(stored_image(RUN, index, empty=index in EMPTY, grid=SMALL, add=sources(index, SMALL)))
    coming.close()
    return folder


def sources(index: int, grid: Grid) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What is on in a slice, as a beam of 4 x 3 pixels shows it."""
    x, y = np.meshgrid(np.arange(grid.width), np.arange(grid.height))
    made = np.zeros((grid.height, grid.width))
    for (first, end), (at_x, at_y), flux in ((ON, PLACE, 10.0), (SLOW, SLOW_PLACE, 2.0)):
        if first <= index < end:
            made += flux * NOISE * np.exp(-4 * np.log(2) * (((x - at_x) / 3) ** 2 + ((y - at_y) / 4) ** 2))
    return made


def search(images: Path, folder: Path, asked: Asked, interrupted: random.Random | None = None) -> Findings:
    """Search all; with `interrupted`, it is left at once again and again, as by a SIGKILL."""
    while True:
        with closing(Course(images, folder, detector_step(asked), Habits(16))) as course:
            left = interrupted.randint(1, 40) if interrupted else COUNT + 1
            while left and course.advance():
                left -= 1
            if course.over:
                Publisher(course, asked).finish()
                assert course.cold_starts == 0
                return folded(course.journal.findings_after(0))


@pytest.mark.parametrize("reference", ["none", "running", "auto"])
def test_what_is_found_does_not_depend_on_where_it_was_interrupted(
    night: Path, tmp_path: Path, reference: Reference
) -> None:
    asked = Asked(Budget(20, 3600), reference)
    undisturbed = search(night, tmp_path / "a", asked)
    search(night, tmp_path / "b", asked, random.Random(3))
    found = [recorded(tmp_path / each)["findings"] for each in "ab"]
    assert len(found[0]) > 20
    assert found[0] == found[1]
    for name in ("events.ecsv", "candidates.ecsv", "rates.ecsv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert undisturbed.labelled()


def test_what_lasts_longer_than_any_boxcar_is_found_in_the_means(night: Path, tmp_path: Path) -> None:
    """Once: what the images themselves show of it is the same event."""
    found = [each for each in search(night, tmp_path, Asked(Budget(1, 86400), "none")).labelled() if not each.labels]
    (short,) = [each for each in found if each.series.average == 1 and near(each.event.best.x, PLACE[0])]
    assert short.event.best.slices == (ON[0], ON[1] - 1)
    (long,) = [each for each in found if near(each.event.best.x, SLOW_PLACE[0])]
    assert (long.series.average, long.event.best.slices) == (32, (SLOW[0], SLOW[1] - 1))
    table = Table.read(tmp_path / "events.ecsv", format="ascii.ecsv")
    assert set(table["average"]) == {1, 32}


def test_a_backlog_is_searched_beside_what_is_newer(tmp_path: Path) -> None:
    """A search of its own does it, and the events say so; whatever ends the detector."""
    images, asked = FollowedImages(tmp_path / "images", WAITED[1] + 20), Asked(Budget(1, 86400), "none")

    def put(first: int, end: int) -> None:
        for index in range(first, end):
            images.store.put(stored_image(RUN, index, grid=SMALL, add=sources(index, SMALL)))
        with closing(Course(images.directory, tmp_path / "found", detector_step(asked), Habits(16))) as course:
            while course.advance():
                pass

    put(0, WAITED[0])
    images.set_aside(WAITED)
    put(WAITED[1], images.count - 5)
    put(*WAITED)
    put(images.count - 5, images.count)
    found = search(images.directory, tmp_path / "found", asked)
    assert {(run, series.backlog) for (run, _), series in found.series.items()} == {
        (RUN, False), (f"{RUN}-backlog", True),
    }  # fmt: skip
    (flare,) = [each for each in found.labelled() if each.event.best.slices == (ON[0], ON[1] - 1)]
    assert (flare.series.run, flare.series.followed, flare.id[:17]) == (RUN, f"{RUN}-backlog", f"{RUN[:8]}-backlog-")
    assert facts_found(flare)["backlog"] is True


def near(one: float, other: float) -> bool:
    """Return whether the two are within a pixel."""
    return abs(one - other) < 1


def test_means_are_stored_if_that_is_asked_for(night: Path, tmp_path: Path) -> None:
    """They are means of 32 images, weighted by their noise, with the header of one of them but for what differs."""
    images = tmp_path / "night"
    shutil.copytree(night, images, copy_function=os.link)
    search(images, images / "transients", Asked(Budget(1, 86400), "none", store_averages=(32,)))
    made = sorted((images / "transients" / "means").iterdir())
    assert [path.name for path in made][:2] == ["night-x32-t000000-I.fits", "night-x32-t000032-I.fits"]
    header, one = fits.getheader(made[1]), fits.getheader(images / "night-t000032-dirty.fits")
    assert (header["FIPFIRST"], header["FIPLAST"], header["FIPMEAN"]) == (32, 63, 31)  # one of them was empty
    assert header["DATE-OBS"] == one["DATE-OBS"]
    shown = [fits.getdata(images / f"night-t{index:06d}-dirty.fits")[0, 0] for index in range(32, 64) if index != 40]
    mean = fits.getdata(made[1])[0, 0]
    assert np.abs(mean - np.mean(shown, axis=0)).max() < 0.1 * header["RMS"]  # weights differ by some percent
    assert mean.std() == pytest.approx(header["RMS"], rel=0.1)


def test_a_watched_place_has_a_light_curve_and_varies_if_it_does(night: Path, tmp_path: Path) -> None:
    """The source that is on for long, and a place with nothing in it; none beyond the images."""
    places = {"on": SLOW_PLACE, "off": (10, 40), "beyond": (900, 900)}
    scale = SMALL.scale
    watch = tuple(
        Named(name, Offset((SMALL.width // 2 - x) * scale, (y - SMALL.height // 2) * scale))
        for name, (x, y) in places.items()
    )
    search(night, tmp_path, Asked(Budget(1, 86400), "none", watch=watch))
    curve = Table.read(tmp_path / "watch" / "on.ecsv", format="ascii.ecsv")
    on = (curve["slice"] >= SLOW[0]) & (curve["slice"] < SLOW[1])
    assert len(curve) == COUNT - len(FAILED) - len(EMPTY)
    assert np.mean(curve["flux_I"][on]) == pytest.approx(2 * NOISE, abs=5 * NOISE / np.sqrt(on.sum()))
    variables = {row["name"]: row for row in Table.read(tmp_path / "variables.ecsv", format="ascii.ecsv")}
    assert (variables["on"]["changes"], variables["off"]["changes"]) == (1, 0)
    assert variables["beyond"]["images"] == 0
    assert variables["on"]["eta"] > 1.5 > variables["off"]["eta"]
