"""A directory in which nothing works, as a state that every view shows."""

import sqlite3
from pathlib import Path

import pytest

from fip.archive.at_rest import at_rest
from fip.data.errors import UsageError
from fip.state.panels import headline, panels
from support.stored_run import RUN, store_run


def test_all_is_stored(tmp_path: Path) -> None:
    """It is finished, exit code 0; no daemon is missed, and no panel speaks of one."""
    store_run(tmp_path, count=3)
    state = at_rest(tmp_path, 1.8e9)
    assert (state.verdict, state.exit_code, state.reasons) == ("finished", 0, ())
    assert headline(state) == "finished"
    shown = {panel.name: panel for panel in panels(state)}
    assert shown.keys() == {"now", "jobs", "failures"}
    assert (shown["now"].title, shown["now"].summary) == ("done", "every slice is stored")


def test_some_failed(tmp_path: Path) -> None:
    """It is said which, and why, and what images of the directory there are."""
    store_run(tmp_path, count=5, failed=(1, 3))
    state = at_rest(tmp_path, 1.8e9)
    assert (state.verdict, state.exit_code, state.reasons) == ("failing", 1, ("2 slices failed",))
    assert [(each.run, each.index, each.attempt) for each in state.failures] == [(RUN, 1, 3), (RUN, 3, 3)]
    assert all("died" in each.reason for each in state.failures)


def test_a_run_was_interrupted(tmp_path: Path) -> None:
    """Nobody images the others; that is said, and what would help."""
    store_run(tmp_path / "one", count=3)
    store_run(tmp_path / "one", count=9, field="other", failed=())
    with sqlite3.connect(tmp_path / "one" / "fip.sqlite") as ledger:
        ledger.execute("DELETE FROM slices WHERE run = 'other' AND slice > 4")
    ledger.close()
    state = at_rest(tmp_path / "one", 1.8e9)
    assert (state.verdict, state.exit_code) == ("no pipeline", 3)
    assert state.reasons == ("nothing works on the other 4: run it again to resume",)
    assert [(run.stored, run.total) for run in state.now] == [(3, 3), (5, 9)]


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_no_directory_of_images(tmp_path: Path, name: str) -> None:
    """One line names the directory."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"{name}(: no such directory| is not a directory of images)"):
        at_rest(tmp_path / name, 1.8e9)
