"""Anybody reads the ledger, while the sink writes and afterwards; nobody else writes it."""

import os
import signal
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from fip.archive.entries import RunTotals
from fip.archive.ledger import Ledger
from fip.data.errors import NoRoomError
from fip.data.settings import Asked
from fip.wire.messages import Failure, RunPlan

NOBODY = 65534
PLAN = RunPlan("r", "obs", 3, "/obs.ms", Asked(), "")


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _read(directory: Path) -> list[RunTotals]:
    ledger = Ledger(directory, read_only=True)
    try:
        return ledger.totals()
    finally:
        ledger.close()


def _write(directory: Path) -> None:
    ledger = Ledger(directory)
    ledger.add_failure(Failure("r", 2, 1, "forged"))


def test_another_user_reads_the_ledger_and_cannot_write_it(shared: Path) -> None:
    """What was entered is seen at once, through the write-ahead log and when that is gone."""
    with ProcessPoolExecutor(1, get_context("fork"), initializer=_become_nobody) as nobody:
        ledger = Ledger(shared)
        ledger.open_run(PLAN)
        for index in (0, 1):
            ledger.add_failure(Failure("r", index, 3, "no memory"))
            (totals,) = nobody.submit(_read, shared).result()
            assert [failed for failed, _ in totals.failed] == list(range(index + 1))
        with pytest.raises(NoRoomError):
            nobody.submit(_write, shared).result()
        ledger.close()
        assert not (shared / "fip.sqlite-wal").exists()
        assert nobody.submit(_read, shared).result() == [totals]


def _begin_and_die(directory: Path) -> None:
    """A transaction that is partly in the file and not committed, as a writer leaves it that is killed."""
    database = sqlite3.connect(directory / "fip.sqlite", isolation_level=None)
    database.execute("PRAGMA cache_size = 1")
    database.execute("BEGIN")
    database.execute("DELETE FROM slices")
    database.execute("CREATE TABLE large AS SELECT zeroblob(100000)")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_ledger_whose_writer_was_killed_in_a_transaction_is_read_without_it(shared: Path) -> None:
    """Whoever may write it can read it; for anyone else, the error says what to do, and reading works afterwards."""
    ledger = Ledger(shared)
    ledger.open_run(PLAN)
    ledger.add_failure(Failure("r", 0, 3, "no memory"))
    ledger.close()
    before = _read(shared)
    writer = get_context("fork").Process(target=_begin_and_die, args=(shared,))
    writer.start()
    writer.join()
    assert (writer.exitcode, (shared / "fip.sqlite-journal").stat().st_size > 0) == (-signal.SIGKILL, True)
    with ProcessPoolExecutor(1, get_context("fork"), initializer=_become_nobody) as nobody:
        with pytest.raises(NoRoomError, match="killed in the midst of a transaction"):
            nobody.submit(_read, shared).result()
        assert _read(shared) == before
        assert nobody.submit(_read, shared).result() == before


def test_the_noise_of_a_run_without_images_is_judged_in_peace(shared: Path) -> None:
    """There is nothing to say of it, and what comes after it is entered."""
    ledger = Ledger(shared)
    ledger.open_run(PLAN)
    ledger.judge_noise("r")
    ledger.expire([])
    ledger.add_failure(Failure("r", 0, 3, "no memory"))
    ledger.close()
    (totals,) = _read(shared)
    assert totals.failed == ((0, "no memory"),)
