"""One damaged ledger ends its own job, with the reason, and nothing else; what may pass is waited for."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.client.operator import new_job
from fip.data.errors import DamagedLedgerError, NoRoomError, StoreError
from fip.data.settings import Asked
from fip.wire.messages import Failure, RunPlan
from support.fip_command import images
from support.many_slices import SELECTION
from support.mesh import Mesh

FEW = replace(SELECTION, source=replace(SELECTION.source, interval=(0, 20)))
FAULTY = """
import os, sqlite3

class Faulty(sqlite3.Connection):
    entries = 0

    def executemany(self, statement, *values):
        if "INTO slices" in statement:
            Faulty.entries += 1
            if {when}:
                error = sqlite3.DatabaseError("a fault")
                error.sqlite_errorcode = {code}
                raise error
        return super().executemany(statement, *values)

connect = sqlite3.connect

def faulty(path, *rest, **named):
    named |= {{"factory": Faulty}} if "faulty" in str(path) else {{}}
    return connect(path, *rest, **named)

sqlite3.connect = faulty
"""


def faults(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, when: str) -> None:
    """Daemons that are started now have this error in the ledger of a directory of this name."""
    (folder / "fault").mkdir()
    (folder / "fault" / "sitecustomize.py").write_text(FAULTY.format(code=code, when=when))
    monkeypatch.setenv("PYTHONPATH", str(folder / "fault"), prepend=":")


def test_a_ledger_that_is_damaged_when_it_is_opened_fails_its_job(many_ms: Path, tmp_path: Path) -> None:
    """It is no ledger at all, or lacks a table: the reason is given, the next job is done, the sink lives."""
    with Mesh(tmp_path / "m") as mesh:
        mesh.wait(lambda status: bool(status.sink and status.workers))
        damaged = mesh.images / "damaged" / LEDGER
        damaged.parent.mkdir(parents=True)
        damaged.write_bytes(b"not a ledger" * 1000)
        with mesh.operator() as operator:
            first = operator.submit(new_job([many_ms], FEW, directory="damaged")).job
        second = mesh.submit([many_ms], FEW)
        mesh.wait_for_job(second)
        with mesh.operator() as operator:
            told = {job.job: job for job in operator.status().jobs}
        assert told[first].state == "failed"
        assert f"ledger {damaged} is damaged: file is not a database" in told[first].reason
        assert mesh.daemons["sink"].poll() is None


def test_a_ledger_that_turns_out_to_be_damaged_fails_its_job(
    many_ms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of a run (SQLITE_CORRUPT): what was stored stays, the next job is done, the sink lives."""
    faults(tmp_path, monkeypatch, code=sqlite3.SQLITE_CORRUPT, when="Faulty.entries > 5")
    with Mesh(tmp_path / "m") as mesh:
        mesh.wait(lambda status: bool(status.sink and status.workers))
        with mesh.operator() as operator:
            first = operator.submit(new_job([many_ms], FEW, directory="faulty")).job
        second = mesh.submit([many_ms], FEW)

        def no_error_is_new() -> None:
            assert "Traceback" not in mesh.log

        mesh.wait_for_job(second, no_error_is_new)
        with mesh.operator() as operator:
            told = {job.job: job for job in operator.status().jobs}
        assert told[first].state == "failed"
        assert "is damaged: a fault" in told[first].reason
        assert len(images(mesh.images / "faulty")) >= 5
        assert len(images(mesh.images / second)) == 20
        assert mesh.daemons["sink"].poll() is None
        assert "Traceback" not in mesh.log


def test_what_may_pass_is_waited_for(many_ms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLITE_FULL, once: the sink says that it waits, and the job goes on by itself."""
    faults(tmp_path, monkeypatch, sqlite3.SQLITE_FULL, when="Faulty.entries == 3")
    with Mesh(tmp_path / "m", workers=1) as mesh:
        mesh.wait(lambda status: bool(status.sink and status.workers))
        with mesh.operator() as operator:
            job = operator.submit(new_job([many_ms], FEW, directory="faulty")).job
        mesh.wait_for_job(job)
        assert "waiting until there is room" in mesh.log
        assert len(images(mesh.images / "faulty")) == 20


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((getattr(sqlite3, f"SQLITE_{name}"), NoRoomError) for name in ("FULL", "BUSY", "READONLY", "CANTOPEN")),
        (sqlite3.SQLITE_IOERR, NoRoomError),
        (sqlite3.SQLITE_IOERR_FSYNC, NoRoomError),
        (sqlite3.SQLITE_READONLY_DBMOVED, NoRoomError),
        (sqlite3.SQLITE_CORRUPT, DamagedLedgerError),
        (sqlite3.SQLITE_NOTADB, DamagedLedgerError),
        (sqlite3.SQLITE_ERROR, DamagedLedgerError),
        (sqlite3.SQLITE_IOERR_CORRUPTFS, DamagedLedgerError),
    ],
)
def test_an_error_says_whether_waiting_helps(code: int, kind: type[StoreError], tmp_path: Path) -> None:
    """By its code; and nothing is entered of failures if one of them cannot be."""

    class Faulty(sqlite3.Connection):
        writes = 0

        def executemany(self, statement: str, *values: Any) -> sqlite3.Cursor:
            Faulty.writes += "INTO slices" in statement
            if Faulty.writes == 3:
                error = sqlite3.OperationalError("a fault")
                error.sqlite_errorcode = code
                raise error
            return super().executemany(statement, *values)

    ledger = Ledger(tmp_path, connect=partial(sqlite3.connect, factory=Faulty))
    ledger.open_run(RunPlan("r", "a", 10, "/a.ms", Asked(), ""))
    failures = [Failure("r", index, 1, "why") for index in range(5)]
    with pytest.raises(StoreError, match="a fault") as raised:
        ledger.add_failures(failures)
    assert type(raised.value) is kind
    assert ledger.totals()[0].failed == ()
    ledger.add_failures(failures)
    ledger.close()
    with closing(Ledger(tmp_path, read_only=True)) as seen:
        assert [index for index, _ in seen.totals()[0].failed] == list(range(5))
