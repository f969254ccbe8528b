"""What a search has found, as page, terminal and Prometheus show it: read by hand, and as astropy reads it."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive.at_rest import at_rest
from fip.data.errors import UsageError
from fip.events.listing import listed
from fip.events.shown import files_of, how_to_search, searched, view_of, with_transients
from fip.events.vetted import with_verdicts
from fip.state.panels import panels
from fip.state.transients import line, summed
from support.fip_command import fip
from support.found_events import ANOTHER, FAINTER, FLARE, INJECTED, LINE, event, write_found
from support.found_events import EVENTS as FOUND
from support.pipeline_states import state
from support.stored_run import RUN, store_run
from support.told_states import pipeline


def test_events_are_those_of_fip_events(tmp_path: Path) -> None:
    """They have all that `fip events --json` says; newest first, but those that something speaks against come last."""
    store_run(tmp_path, count=12)
    assert searched(tmp_path) is None
    write_found(tmp_path)
    found = searched(tmp_path)
    assert found
    assert [each["id"] for each in found.events] == [FLARE, FAINTER, INJECTED]
    known = {each["id"]: each for each in listed([tmp_path])}
    for each in with_verdicts(tmp_path, found.events):
        assert known[each["id"]].items() <= each.items()
        assert each.keys() - known[each["id"]].keys() == {"x", "y", "width", "sign", "threshold"}


def test_all_is_said_in_a_line(tmp_path: Path) -> None:
    """Counts of all hours; without columns of injections these are not spoken of; of another run nothing."""
    write_found(tmp_path)
    found = searched(tmp_path)
    assert found
    assert line(found.view) == LINE
    assert line(summed([found.view, found.view])).startswith("2 events, 0.8 false expected, 2 negative, 4 of 6 inj")
    assert (found.view.slices, found.view.candidates, found.view.negative_candidates) == (12, 42, 22)
    assert found.of(RUN).view == found.view
    assert found.of(ANOTHER).view.events == found.of(ANOTHER).view.slices == 0
    write_found(tmp_path, injected=False)
    found = searched(tmp_path)
    assert found
    assert line(found.view) == "1 event, 0.4 false expected, 1 negative, 1 labelled"


def test_tables_are_read_when_they_change_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_found(tmp_path)
    first = searched(tmp_path)
    assert searched(tmp_path) is first
    write_found(tmp_path, [*FOUND, event("later-0", "", (11, 11), (9, 9))])
    again = searched(tmp_path)
    assert again
    assert again.events[0]["id"] == "later-0"
    write_found(tmp_path, [])
    none = searched(tmp_path)
    assert none
    assert (none.events, line(none.view)[:9]) == ((), "0 events,")


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "no column"), ("# %ECSV\nid kind\na b c\n", "no column"), ('id "kind\n', "unexpected end"), ("\0\xff", "")],
)
def test_a_table_that_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    """In a line, with what would work; who watches sees it, and nothing else ends."""
    write_found(tmp_path, [event("one-0", "", (1, 1), (9, 9), flux=math.nan)])
    found = searched(tmp_path)
    assert found
    assert found.events[0]["flux"] is None  # JSON knows no NaN
    (tmp_path / "transients" / "rates.ecsv").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=rf"rates\.ecsv: cannot be read: .*{said}.*`fip detect` writes it anew"):
        searched(tmp_path)
    view = view_of(tmp_path)
    assert view
    assert line(view).startswith(f"{tmp_path}/transients/rates.ecsv: cannot be read")


def test_files_of_an_event_alone_are_given(tmp_path: Path) -> None:
    """None by a name that leads elsewhere, and none that is a link."""
    write_found(tmp_path)
    assert files_of(tmp_path, FLARE).keys() == {"event.png", "cutout.fits", "light.ecsv", "event.json"}
    for name in ("..", ".", "", "../transients", f"{FLARE}/../{FAINTER}", "a\0b", "/etc"):
        assert files_of(tmp_path, name) == {}
    (tmp_path / "transients" / FLARE / "light.ecsv").unlink()
    (tmp_path / "transients" / FLARE / "light.ecsv").symlink_to("/etc/passwd")
    (tmp_path / "transients" / "link-0").symlink_to(tmp_path / "transients" / FAINTER)
    assert "light.ecsv" not in files_of(tmp_path, FLARE)
    assert files_of(tmp_path, "link-0") == {}


def test_a_directory_says_what_was_found_in_it(tmp_path: Path) -> None:
    """`fip status`, in words and as JSON, with the exit code that it has without; and every view, as a panel."""
    store_run(tmp_path, count=12)
    assert view_of(tmp_path) is None
    assert how_to_search(tmp_path).startswith(f"Not searched for transients: `fip detect {tmp_path}`")
    write_found(tmp_path)
    said = fip("status", tmp_path)
    assert f"transients: {LINE}\n" in said.stdout
    assert said.returncode == 0
    told = json.loads(fip("status", tmp_path, "--json").stdout)["transients"]
    assert (told["kinds"], told["injected_found"]) == ({"transient": 1}, 2)
    resting = with_transients(at_rest(tmp_path, 1.8e9), tmp_path)
    (panel,) = [each for each in panels(resting) if each.name == "transients"]
    assert panel.summary == LINE
    assert {fact.name for fact in panel.facts} == {"searched", "candidates", "labels"}


def test_what_counts_is_of_the_jobs_that_count_now(tmp_path: Path) -> None:
    """Each has its folder; of one that was not searched, or is over, nothing is said."""
    said = pipeline(1)
    jobs = {name: replace(said.jobs[0], job=name, directory=name) for name in ("one", "two", "plain", "over")}
    jobs["over"] = replace(jobs["over"], state="done")
    for name in jobs:
        (tmp_path / name).mkdir()
        if name != "plain":
            write_found(tmp_path / name, folders=False)
    found = with_transients(state(replace(said, jobs=tuple(jobs.values()))), tmp_path).transients
    assert found
    assert line(found).startswith("2 events, 0.8 false expected")
    assert with_transients(state(replace(said, jobs=(jobs["plain"],))), tmp_path).transients is None
    last = with_transients(state(replace(said, jobs=(jobs["over"],))), tmp_path).transients
    assert last
    assert line(last) == LINE
