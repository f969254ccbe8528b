"""What `fip detect` cannot search is said in one line, and nothing is written, not even a half of it."""

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fip.cli.app import app
from fip.data.errors import UsageError
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
    """As of --phase-centre sun: each image about where that is, by 2 arcsec a slice."""
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
