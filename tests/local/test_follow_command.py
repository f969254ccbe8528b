"""`fip run --follower` and `fip follow`: the real commands."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fip.config import Config
from fip.data.errors import UsageError
from fip.local.followers import chosen
from support.fip_command import fip

STEPS = """
import sqlite3
import time

SLICES = 10


def count(state, image):
    state["count"] = state.get("count", 0) + 1
    if state["count"] == 4:
        raise ValueError("four is too many")
    return state, [{"count": state["count"]}]


def peak(state, image):
    with sqlite3.connect(f"file:{image.path.parent}/fip.sqlite?mode=ro", uri=True) as ledger:
        give_up = time.monotonic() + 60  # it is slower than all imaging together
        while ledger.execute("SELECT COUNT(*) FROM slices").fetchone() < (SLICES,) and time.monotonic() < give_up:
            time.sleep(0.01)
    return state, [{"peak": image.pixels.max()}]
"""


SEEN = "follower peak: 10 images seen, 10 findings, in out/followers/peak\n"


def test_a_run_has_followers_see_all_of_its_images(simulated_ms: Path, tmp_path: Path) -> None:
    """Whatever they had seen when it ended; a step that fails is said, and so is the exit code.

    Two images are to be kept, and one of the followers has them held.
    """
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "fip.toml").write_text(
        '[sink]\nkeep = "60kB"\n[follower.peak]\nstep = "steps:peak"\nhold = "1h"\nlog_level = "debug"\n'
    )
    grid = ("--size", "64", "--scale", "40arcsec", "--workers", "1", "--config", "fip.toml")
    followers = ("--follower", "peak", "--follower", "fip.archive.mean:step", "--follower", "steps:count")
    done = fip("run", simulated_ms, "--output", "out", *grid, *followers, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    folder = tmp_path / "out" / "followers"
    assert SEEN in done.stdout
    assert "follower mean: 10 images seen, 0 findings, in out/followers/mean\n" in done.stdout
    assert "follower count: 3 images seen, 3 findings, in out/followers/count, 7 error\n" in done.stdout
    assert "follower count: slice 9: ValueError: four is too many (steps.py, line 11)\n" in done.stdout
    assert (folder / "mean" / "sim-mean.fits").exists()
    again = fip("follow", "out", "steps:peak", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (
        0,
        SEEN,
    )
    with closing(sqlite3.connect(folder / "peak" / "follower.sqlite")) as database:
        assert database.execute("SELECT COUNT(*), COUNT(DISTINCT slice) FROM findings").fetchone() == (10, 10)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nowhere:step", "follower nowhere:step: nowhere cannot be imported: ModuleNotFoundError: No module"),
        ("mean", "follower 'mean': is neither package.module:step nor one of the configuration, which has none"),
        ("fip.archive.mean:stop", "follower fip.archive.mean:stop: fip.archive.mean has no function stop"),
    ],
)
def test_what_cannot_be_followed_is_said_in_one_line(given: str, says: str) -> None:
    """The message comes before anything is started."""
    with pytest.raises(UsageError) as told:
        chosen(Config(), [given])
    assert str(told.value).startswith(says)
    assert "\n" not in str(told.value)


def test_a_directory_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    """Every command on images says the same; nothing is made in it."""
    done = fip("follow", tmp_path, "fip.archive.mean:step")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == f"fip: {tmp_path} is not a directory of images, as `fip run` leaves it: there is no fip.sqlite\n"
    )
    assert not list(tmp_path.iterdir())
