"""What people say of events: kept, with who and when; the last counts; two may say it at once, and nothing is lost."""

import multiprocessing
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from astropy.table import Table

from fip.data.errors import UsageError
from fip.data.names import LONGEST_LINE
from fip.data.vetting import Said
from fip.events.vetted_table import vetted_table
from fip.events.vetting import STORE, TABLE, Entered, Verdict, enter, history, verdict_of, verdicts, write_table
from support.found_events import EVENTS, FAINTER, FLARE, write_found

BEAM = 0.01  # deg


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return DIR/transients of a search."""
    (tmp_path / "images").mkdir()
    write_found(tmp_path / "images", [each | {"beam": BEAM} for each in EVENTS], folders=False)
    return tmp_path / "images" / "transients"


def said(folder: Path) -> list[tuple[str, str, str]]:
    """Return all verdicts, oldest first."""
    return [(each.event, each.verdict.label, each.verdict.user) for each in history(folder)]


def told(folder: Path) -> list[tuple[str, str, str]]:
    """The same, as the table has it."""
    return [tuple(row) for row in Table.read(folder / TABLE, format="ascii.ecsv")["event", "label", "user"]]


def test_the_last_verdict_counts_and_all_are_kept(folder: Path) -> None:
    """One that is taken back is none, and stays in the table; what another says of another event is apart."""
    assert verdicts(folder) == {}
    enter(folder, FLARE, "rfi", "anna", "1")
    enter(folder, FLARE, "real", "ben", "2")
    enter(folder, FAINTER, "artefact", "ben", "3")
    found = verdict_of(folder, FLARE)
    assert found == Verdict("real", "ben", history(folder)[1].verdict.time)
    enter(folder, FAINTER, "none", "anna", "4")
    assert verdict_of(folder, FAINTER) is None
    assert verdicts(folder) == {FLARE: found}
    assert said(folder) == [
        (FLARE, "rfi", "anna"), (FLARE, "real", "ben"), (FAINTER, "artefact", "ben"), (FAINTER, "none", "anna"),
    ]  # fmt: skip
    assert told(folder) == said(folder)
    table = Table.read(folder / TABLE, format="ascii.ecsv")
    assert [str(each) for each in table["counts"]] == ["False", "True", "False", "False"]
    assert (table["ra"][0], table["dec"][0], table["beam"][0]) == (155.0, -45.0, BEAM)


def test_what_is_said_twice_under_one_name_is_entered_once(folder: Path) -> None:
    """A request may be repeated until it is answered; if whoever entered it was killed, the table is made anew."""
    for _ in range(2):
        enter(folder, FLARE, "real", "anna", "1")
        assert told(folder) == said(folder) == [(FLARE, "real", "anna")]
        (folder / TABLE).unlink()
    write_table(folder)
    assert told(folder) == said(folder)


@pytest.mark.parametrize(
    ("identity", "label", "says"),
    [
        ("another", "real", "{0} has no event another: `fip events --all` lists those that there are"),
        (FLARE, "none", "{0}: there is no verdict on " + FLARE + " that could be taken back"),
    ],
)
def test_what_is_not_there_is_not_labelled(folder: Path, identity: str, label: Said, says: str) -> None:
    """No event, no verdict: one line, and nothing is entered."""
    with pytest.raises(UsageError) as error:
        enter(folder, identity, label, "anna", "1")
    assert str(error.value) == says.format(folder.parent)
    assert history(folder) == ()


def test_a_damaged_store_is_said_in_one_line(folder: Path) -> None:
    """Both readers and whoever would add to it see the line; what is there is left."""
    (folder / STORE).write_bytes(b"no database" * 100)
    lines = set[str]()
    for do in (lambda: verdicts(folder), lambda: enter(folder, FLARE, "real", "anna", "1")):
        with pytest.raises(UsageError) as error:
            do()
        lines.add(str(error.value))
    path = folder / STORE
    assert lines == {
        f"{path}: verdicts cannot be read: {path} is damaged: file is not a database; move it away: {TABLE} has "
        "them, too"
    }
    path.unlink()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 2")
    with pytest.raises(UsageError, match="has version 2, this FIP reads 1"):
        verdicts(folder)


def test_a_verdict_that_nobody_knows_is_damage(folder: Path) -> None:
    """Somebody has edited such a store."""
    enter(folder, FLARE, "real", "anna", "1")
    with closing(sqlite3.connect(folder / STORE)) as edited, edited:
        edited.execute("UPDATE verdicts SET label = 'nonsense'")
    with pytest.raises(UsageError, match="'nonsense' is no verdict: real, rfi, satellite, artefact, or none"):
        verdicts(folder)


def _many(folder: Path, name: str) -> None:
    for number in range(10):
        enter(folder, FLARE, "rfi" if number % 2 else "real", name, f"{name}-{number}")


def test_several_may_say_it_at_once(folder: Path) -> None:
    """Each of two processes enters ten, and the table ends with all of them."""
    context = multiprocessing.get_context("fork")
    working = [context.Process(target=_many, args=(folder, name)) for name in ("anna", "ben")]
    for each in working:
        each.start()
    for each in working:
        each.join(60)
        assert each.exitcode == 0
    assert sorted(user for _, _, user in said(folder)) == ["anna"] * 10 + ["ben"] * 10
    assert told(folder) == said(folder)


def test_nobody_else_enters_while_the_table_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise an older table might come after a newer one."""
    said_to_others = []

    def while_written(rows: tuple[Entered, ...]) -> str:
        with closing(sqlite3.connect(folder / STORE, timeout=0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                said_to_others.append(str(error))
        return vetted_table(rows)

    monkeypatch.setattr("fip.events.vetted_table.vetted_table", while_written)
    enter(folder, FLARE, "real", "anna", "1")
    assert said_to_others == ["database is locked"]


def test_a_name_is_one_line(folder: Path) -> None:
    """What a user is called is shown at terminals."""
    enter(folder, FLARE, "real", "an\x1b[31mna\n\u202e", "1")
    enter(folder, FLARE, "rfi", "a" * 1000, "2")
    enter(folder, FLARE, "real", " \x1b\n ", "3")
    assert [each[2] for each in said(folder)] == ["an [31mna", "a" * LONGEST_LINE, "unknown"]


def test_who_may_not_write_is_told_what_would_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message comes before anything is made there."""
    monkeypatch.setattr("fip.events.vetting.os.access", lambda *asked: False)
    with pytest.raises(UsageError, match="you may not write there: say it as who may, or on the page"):
        enter(folder, FLARE, "real", "anna", "1")
    assert not (folder / STORE).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_enters_belongs_to_who_has_the_folder(folder: Path) -> None:
    """The detector, which is another user, goes on with it."""
    os.chown(folder, 4242, 4242)
    enter(folder, FLARE, "real", "anna", "1")
    assert ((folder / STORE).stat().st_uid, (folder / STORE).stat().st_gid) == (4242, 4242)
