"""What `fip detect` cannot search is said in one line, and nothing is written, not even a half of it."""

import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.table import Table

from fip.archive.folder import Folder
from fip.archive.place_lists import parse_places
from fip.cli.app import app
from fip.data.errors import StoreError, UsageError
from fip.events.describing import as_lines, event_of
from fip.events.listing import listed
from fip.events.words import Asked
from fip.follower.journal import JOURNAL
from fip.local.detecting import detect
from fip.search.words import Budget
from support.fip_command import images
from support.stored_run import GRID, store_run


def no_images(directory: Path) -> None:
    """A folder of something else."""
    (directory / "notes.txt").touch()


def none_good(directory: Path) -> None:
    """A run all of whose slices are empty."""
    store_run(directory, 4, empty=[0, 1, 2, 3])


def mixed_grids(directory: Path) -> None:
    """One image of another size."""
    store_run(directory, 6)
    store_run(directory.parent / "other", 6, grid=replace(GRID, width=192))
    images(directory)[4].write_bytes(images(directory.parent / "other")[4].read_bytes())


def moving_grid(directory: Path) -> None:
    """As with --phase-centre sun: each image is centred on the Sun, which moves by 2 arcsec a slice."""
    store_run(directory, 6)
    for at, path in enumerate(images(directory)):
        other = directory.parent / f"other{at}"
        store_run(other, 6, grid=replace(GRID, longitude=GRID.longitude + at * math.radians(2 / 3600)))
        path.write_bytes(images(other)[at].read_bytes())


def expired(directory: Path) -> None:
    """All images have gone to make room."""
    store_run(directory, 6)
    with closing(sqlite3.connect(directory / "fip.sqlite")) as database:
        database.execute("UPDATE slices SET state = 'expired'")
        database.commit()
    for path in images(directory):
        path.unlink()


def six(directory: Path) -> None:
    """A run that can be searched."""
    store_run(directory, 6)


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (no_images, (), "no fip.sqlite in it; give the folder that `fip run` stored images in"),
        (none_good, (), "a search needs 3 images of a field, one after the other; there are 0"),
        (expired, (), "no image is stored in it"),
        (mixed_grids, (), "192x160 pixels"),
        (moving_grid, (), "a search needs one grid: image them with the same --size, --scale and --phase-centre"),
        (six, ("--false-alarms", "9999/s"), "--false-alarms: 9999 false events in 1 s would take a threshold below"),
        (six, ("--stokes", "V"), "--stokes V: "),
        (six, ("--name", "../elsewhere"), "--name '../elsewhere': is not a label of 1 to 64 of A-Z a-z 0-9 . _ + -"),
    ],
)
def test_what_cannot_be_searched_is_one_line_and_nothing_is_written(
    tmp_path: Path, make: Callable[[Path], None], options: tuple[str, ...], said: str
) -> None:
    directory = tmp_path / "night"
    directory.mkdir()
    make(directory)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as refused:  # which `main` prints, and exits with 2
        app(["detect", str(directory), *options], standalone_mode=False)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    left = [path for path in sorted(tmp_path.rglob("*")) if not path.name.startswith("fip.sqlite-")]
    assert left == [path for path in before if not path.name.startswith("fip.sqlite-")]


def edited(path: Path, column: str) -> None:
    """A table without one of its columns."""
    table = Table.read(path, format="ascii.ecsv")
    del table[column]
    table.write(path, format="ascii.ecsv", overwrite=True)


def emptied(path: Path, column: str) -> None:
    """A table with no number in a column of them."""
    table = Table(Table.read(path, format="ascii.ecsv"), masked=True)
    table[column].mask = True
    table.write(path, format="ascii.ecsv", overwrite=True)


def found_one(directory: Path) -> str:
    """A directory that was searched; the name of the event in it."""
    store_run(directory, 12)
    assert detect(directory, Asked(reference="none", budget=Budget(1, 60)), print) == 0
    return next(str(each["id"]) for each in listed([directory]) if (directory / "transients" / each["id"]).is_dir())


def test_what_was_found_and_is_not_as_it_was_written_is_one_line(tmp_path: Path) -> None:
    """The line says what would work."""
    identity = found_one(tmp_path)
    events, rates = (tmp_path / "transients" / name for name in ("events.ecsv", "rates.ecsv"))
    for change, path, column, said in (
        (edited, events, "run", "it has no column run: it is not as `fip detect` writes it; `fip detect` writes it"),
        (emptied, events, "first", "column first has something else than numbers; `fip detect` writes it anew"),
        (edited, rates, "slices", "it has no column slices"),
    ):
        before = path.read_bytes()
        change(path, column)
        with pytest.raises(UsageError, match=f"^{path}: {said}"):
            listed([tmp_path, tmp_path])
        path.write_bytes(before)
    facts = tmp_path / "transients" / identity / "event.json"
    facts.write_text(json.dumps(json.loads(facts.read_bytes()) | {"time_err": None}))
    with pytest.raises(UsageError, match=f"^{facts}: it is not as FIP wrote it .*: remove it, and `fip detect` writes"):
        as_lines(event_of(tmp_path, identity))


@pytest.mark.parametrize("finding", ['{"what": "series", "key": "", "series": {}}', "{", "3"])
def test_a_journal_of_another_version_is_refused_in_one_line(tmp_path: Path, finding: str) -> None:
    """The line says to search anew, and that works."""
    store_run(tmp_path, 12)
    asked = Asked(reference="none")
    assert detect(tmp_path, asked, print) == 0
    journal = tmp_path / "transients" / JOURNAL
    with closing(sqlite3.connect(journal)) as database:
        database.execute("UPDATE findings SET finding = ?", (finding,))
        database.commit()
    with pytest.raises(StoreError, match=f"^{journal}: damaged, or another version's: .* --anew` searches all again$"):
        detect(tmp_path, asked, print)
    assert detect(tmp_path, asked, print, anew=True) == 0


def test_a_search_that_goes_on_is_not_forgotten_and_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    """`--anew` removes nothing under the hands of another."""
    store_run(tmp_path, 12)
    asked, folder = Asked(reference="none"), tmp_path / "transients"
    assert detect(tmp_path, asked, print) == 0
    with closing(Folder(folder)) as held:
        held.lock()
        with pytest.raises(UsageError, match=f"^{folder} is in use by another search"):
            detect(tmp_path, asked, print, anew=True)
    assert (folder / "events.ecsv").exists()
    elsewhere = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(elsewhere)
    with pytest.raises(UsageError, match=f"^{folder}: what a search found there cannot be removed: "):
        detect(tmp_path, asked, print, anew=True)
    assert (elsewhere / "events.ecsv").exists()


def test_places_that_are_watched_and_in_no_image_are_named(tmp_path: Path) -> None:
    store_run(tmp_path, 8)
    (tmp_path / "list").write_text("far 00h00m00s +80d00m00s\nhere 155deg -45deg\n")
    watched = parse_places(tmp_path / "list")
    said: list[str] = []
    assert detect(tmp_path, Asked(reference="none", watch=watched), lambda line, *_: said.append(line)) == 0
    assert "--watch: 1 of 2 places are in no image: far" in said
