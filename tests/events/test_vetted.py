"""What was said of an event is shown with it, and with others at its place, in directories beside it, too."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fip.cli.app import app
from fip.data.errors import FipError
from fip.data.vetting import Said
from fip.events.describing import as_lines, event_of
from fip.events.listing import as_lines as lines_of
from fip.events.listing import listed
from fip.events.reporting import transients_of
from fip.events.vetting import STORE, enter
from fip.local.detecting import forget
from support.found_events import event, write_found

BEAM = 0.002  # deg
ERROR = 1e-6  # deg
DEC = -45.0


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Return the folder for directories of images."""
    (tmp_path / "night").mkdir()
    return tmp_path / "night"


def searched(night: Path, name: str, *events: dict[str, Any]) -> Path:
    """A directory in which these were found."""
    directory = night / name
    directory.mkdir()
    write_found(directory, events, folders=False)
    return directory


def at(name: str, beams: float = 0.0, **others: Any) -> dict[str, Any]:
    """An event so many beams to the east of 155 deg."""
    east = beams * BEAM / math.cos(math.radians(DEC))
    place = {"ra": 155.0 + east, "dec": DEC, "ra_err": ERROR, "dec_err": ERROR, "beam": BEAM}
    return event(name, "", (1, 2), (40, 40), **place | others)


def say(directory: Path, name: str, said: Said, user: str = "anna") -> None:
    """Enter a verdict on an event."""
    enter(directory / "transients", name, said, user, f"{directory}-{name}-{said}")


def before(directory: Path, name: str) -> list[tuple[str, str, str]]:
    """What an event shows of those before it: id, verdict, and name of the directory."""
    (found,) = [each for each in listed([directory]) if each["id"] == name]
    return [(each["id"], each["label"], Path(each["directory"]).name) for each in found["before"]]


def test_a_place_that_was_labelled_is_known_again(night: Path) -> None:
    """Within 1.2 beams, in this directory or one beside it, the last said first; what was taken back is not shown."""
    one = searched(night, "one", at("a-0"), at("a-1", 1.15), at("a-2", 1.25), at("a-3", 0.5))
    two = searched(night, "two", at("b-0", 0.1), at("b-1", -3.0))
    say(one, "a-0", "rfi")
    say(one, "a-3", "artefact")
    say(one, "a-3", "none")
    say(two, "b-0", "satellite", "ben")
    assert before(one, "a-0") == [("b-0", "satellite", "two")]
    assert before(one, "a-1") == [("b-0", "satellite", "two"), ("a-0", "rfi", "one")]
    assert before(one, "a-2") == [("b-0", "satellite", "two")]
    assert before(two, "b-0") == [("a-0", "rfi", "one")]
    assert before(two, "b-1") == []
    (found,) = [each for each in listed([one]) if each["id"] == "a-1"]
    assert found["before"][1]["separation"] == pytest.approx(1.15 * BEAM * 3600, rel=1e-3)


def test_errors_of_places_and_the_narrower_beam_count(night: Path) -> None:
    """3 standard deviations of both are added; what a wide beam has not resolved is not taken for a narrow one's."""
    one = searched(night, "one", at("a-0"), at("a-1", 3.0, dec_err=BEAM), at("a-2", 3.0), at("a-3", 3.0, beam=9 * BEAM))
    say(one, "a-0", "rfi")
    assert [before(one, name) for name in ("a-1", "a-2", "a-3")] == [[("a-0", "rfi", "one")], [], []]


def test_what_moves_is_at_no_place(night: Path) -> None:
    """A track of a satellite says nothing of what is there later."""
    one = searched(night, "one", at("a-0", kind="moving"), at("a-1"), at("a-2"))
    say(one, "a-0", "satellite")
    say(one, "a-1", "rfi")
    assert (before(one, "a-2"), before(one, "a-0")) == ([("a-1", "rfi", "one")], [])


def test_the_last_ten_are_told_and_no_more(night: Path) -> None:
    one = searched(night, "one", *(at(f"a-{number}") for number in range(12)))
    for number in range(11):
        say(one, f"a-{number}", "rfi")
    assert [name for name, _, _ in before(one, "a-11")] == [f"a-{number}" for number in range(10, 0, -1)]


def test_a_damaged_neighbour_hides_nothing(night: Path) -> None:
    """It says so of itself; in its own directory a damaged store is said."""
    one, two = searched(night, "one", at("a-0"), at("a-1")), searched(night, "two", at("b-0"))
    say(one, "a-0", "rfi")
    (two / "transients" / STORE).write_text("none" * 100)
    assert before(one, "a-1") == [("a-0", "rfi", "one")]
    with pytest.raises(FipError, match=r"labels.sqlite: verdicts cannot be read"):
        listed([two])
    told = transients_of(two)
    assert told is not None
    assert "verdicts cannot be read" in told.line


def test_a_table_of_an_older_fip_has_no_beam(night: Path) -> None:
    """For a verdict there, the beam of the other one counts."""
    old = at("a-0")
    del old["beam"]
    one, two = searched(night, "one", old), searched(night, "two", at("b-0", 1.0))
    say(one, "a-0", "rfi")
    assert before(two, "b-0") == [("a-0", "rfi", "one")]


def test_all_views_tell_it(night: Path) -> None:
    """The list, an event and the report; a real one is listed even if something speaks against it."""
    one = searched(night, "one", at("a-0") | {"labels": "edge"}, at("a-1"))
    assert len([line for line in lines_of(listed([one])) if line.startswith("a-")]) == 1
    say(one, "a-0", "real")
    begins = (
        "a-0: transient, but edge at",
        "  verdict: real, says anna, 20",
        "a-1: transient at",
        "  here before: real, ",
    )
    lines = lines_of(listed([one]))
    assert len(lines) == len(begins)
    assert all(line.startswith(begin) for line, begin in zip(lines, begins, strict=True)), lines
    told = as_lines(event_of(one, "a-0"))
    assert told[1].startswith("  verdict     real, says anna, 20")
    assert as_lines(event_of(one, "a-1"))[1].startswith("  here before real, says anna, 20")
    report = transients_of(one)
    assert report is not None
    by_name = {each.name: each.said for each in report.events}
    assert by_name["a-0"][0].startswith("verdict: real, says anna")
    assert by_name["a-1"][0].endswith(f"of a-0 in {one}, 0 arcsec away")


def test_a_new_search_leaves_what_was_said(night: Path) -> None:
    """It also leaves the pins; it leaves nothing else that the last one has found."""
    one = searched(night, "one", at("a-0"))
    say(one, "a-0", "rfi")
    forget(one)
    assert sorted(path.name for path in (one / "transients").iterdir() if path.name[0] != ".") == [
        "labels.ecsv", "labels.sqlite", "pins.json",
    ]  # fmt: skip
    write_found(one, [at("a-0"), at("a-1")], folders=False)
    assert before(one, "a-1") == [("a-0", "rfi", "one")]


def test_it_is_said_at_a_terminal(night: Path) -> None:
    """`fip event` takes the beginning of a name, too; what is no verdict is refused, and a folder that is not ours."""
    one = searched(night, "one", at("a-0"), at("b-1"))
    run = CliRunner()
    done = run.invoke(app, ["event", str(one), "a", "--label", "artefact", "--json"])
    assert (done.exit_code, json.loads(done.output)["verdict"]["label"]) == (0, "artefact")
    undone = run.invoke(app, ["event", str(one), "a-0", "--label", "none", "--json"])
    assert json.loads(undone.output)["verdict"] is None
    for words, says in (
        (("a-0", "--label", "none"), f"{one}: there is no verdict on a-0 that could be taken back"),
        (("a-0", "--label", "noise"), "--label: 'noise' is no verdict: real, rfi, satellite, artefact, or none, which"),
        (("c", "--label", "rfi"), f"{one} has no event c; near that are"),
    ):
        error = run.invoke(app, ["event", str(one), *words]).exception
        assert isinstance(error, FipError)
        assert str(error).startswith(says)
