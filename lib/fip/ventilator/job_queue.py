"""The ventilator's jobs on disk: what was submitted is done, whatever is restarted. One small SQLite file.

A disk that is full, read-only or gone for a while stops nothing: the states of jobs are kept in memory until they can
be written. A job is taken only when it is on disk.
"""

import errno
import fcntl
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from fip.archive.folder import make_folder
from fip.data.errors import ConfigError, NoRoomError, UsageError
from fip.data.names import Real, Text
from fip.data.older_formats import asked_at_0c91216
from fip.runtime.sockets import host_name
from fip.wire.messages import JobState, RunStatus, Submit

log = logging.getLogger("fip.ventilator")

REMEMBERED = 100  # jobs that have ended
BUSY_WITHIN = 0.1  # s that is waited for another process that has the file locked; then it is tried again later
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    job TEXT PRIMARY KEY, submit TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, submitted REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS records (job TEXT PRIMARY KEY, record TEXT NOT NULL);
"""
_PASSING = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
}  # fmt: skip
_DISK_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE}
"""Errors of SQLite and of the disk that may be over in a while; with others the file cannot be used."""
_SUBMIT = TypeAdapter(Submit)
_ROW = TypeAdapter(tuple[JobState, Text, Real])


@dataclass(frozen=True)
class Record:
    """When a job was worked on, Unix time, and how far each of its runs came."""

    began: Real | None = None
    ended: Real | None = None
    runs: tuple[RunStatus, ...] = ()


_RECORD = TypeAdapter(Record)
Entered = tuple[Submit, JobState, str, float, Record]
"""A job, its state, the reason if it failed, when it was submitted, Unix time, and its record."""


class Queue:
    """The file on disk that keeps all jobs."""

    def __init__(self, path: Path, connect: Callable[..., sqlite3.Connection] = sqlite3.connect) -> None:
        """Open the file, and make it if it is missing. If that cannot be done yet, try later: `trouble` says why.

        Raises ConfigError if the file cannot be used, or is another ventilator's.
        """
        self.trouble = ""
        """Why the file cannot be written now; "" if it can."""
        self._path, self._connect = path, connect
        self._lock: int | None = None
        self._database: sqlite3.Connection | None = None
        self._unsaved: dict[str, tuple[str, str, str]] = {}  # job -> (state, reason, record), to be written yet
        self._settled: dict[str, str] = {}  # job -> its submit with the user's code settled, to be written yet
        self._open()

    def add(self, submit: Submit) -> float:
        """Enter a job, on disk when this returns; return when that was, Unix time.

        The oldest that have ended are forgotten. NoRoomError if it cannot be written now; then the job is not entered.
        """
        now = time.time()
        self._write(
            ("INSERT OR IGNORE INTO jobs VALUES (?, ?, 'queued', '', ?)", (submit.job, _written(submit), now)),
            (
                "DELETE FROM jobs WHERE job IN (SELECT job FROM jobs WHERE state IN ('done', 'failed', 'cancelled') "
                "ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
                (REMEMBERED,),
            ),
            ("DELETE FROM records WHERE job NOT IN (SELECT job FROM jobs)", ()),
        )
        if self.trouble:
            raise NoRoomError(self.trouble)
        return now

    def set(self, job: str, state: JobState, reason: str, record: Record = Record()) -> None:
        """Enter what became of a job: on disk when this returns, or else as soon as it can be written."""
        self._unsaved[job] = state, reason, _RECORD.dump_json(record).decode()
        self._write()

    def settle(self, submit: Submit) -> None:
        """Enter what a job asks for once it is settled: on disk when this returns, or as soon as it can be written."""
        self._settled[submit.job] = _written(submit)
        self._write()

    def save(self) -> bool:
        """Try again what could not be done; return whether the file is newly open: then its jobs are to be read."""
        opened = self._database is None and self._open()
        if self._unsaved or self._settled:
            self._write()
        return opened

    def jobs(self) -> list[Entered]:
        """Return all jobs, the oldest first. A row that is no job goes to the log, and is left as it is."""
        if self._database is None:
            return []
        query = (
            "SELECT jobs.job, submit, record, state, reason, submitted FROM jobs LEFT JOIN records "
            "ON jobs.job = records.job ORDER BY jobs.rowid"
        )
        try:
            rows = self._database.execute(query).fetchall()
        except sqlite3.Error as error:
            if not _passes(error):
                raise ConfigError(f"ventilator.queue: {self._path} is damaged: {error}; move it away") from None
            self._database.close()
            self._database = None  # `save` opens it again
            self._tell(f"ventilator.queue: {self._path} cannot be read: {error}")
            return []
        return [job for row in rows if (job := self._entered(*row))]

    def _entered(self, job: object, submit: object, record: object, *rest: object) -> Entered | None:
        try:
            found = _submit(json.loads(str(submit)))
            if found.job != job:
                raise ValueError(f"it is of a job {found.job}")
            state, reason, submitted = _ROW.validate_python(tuple(rest))
        except (ValueError, TypeError, KeyError, AttributeError, UsageError, RecursionError) as error:
            fault = "; ".join(str(error).splitlines()[:3])
            log.error("ventilator.queue: %s: job %.100r cannot be read and is left out: %s", self._path, job, fault)
            return None
        try:
            return found, state, reason, submitted, _RECORD.validate_json(str(record)) if record else Record()
        except ValueError:  # what is to be done is known
            return found, state, reason, submitted, Record()

    def close(self) -> None:
        """Close the file and release its lock."""
        if self._database:
            self._database.close()
        if self._lock is not None:
            os.close(self._lock)

    def _open(self) -> bool:
        """Open the file; return whether it is open. Raises ConfigError if trying again would not help."""
        try:
            make_folder(self._path.parent)
            self._take_lock()
            database = self._connect(self._path, isolation_level=None, timeout=BUSY_WITHIN)
            try:
                database.text_factory = partial(str, encoding="utf-8", errors="replace")
                database.execute("PRAGMA synchronous = EXTRA")  # a journal that is removed is so on disk
                database.executescript(SCHEMA)
            except sqlite3.Error:
                database.close()
                raise
            self._database = database
        except (OSError, sqlite3.Error) as error:
            if not _passes(error):
                raise ConfigError(f"ventilator.queue: {self._path} cannot be used: {error}") from None
            self._tell(f"ventilator.queue: {self._path} cannot be opened: {error}")
            return False
        self._tell("")
        return True

    def _take_lock(self) -> None:
        """Take the lock beside the file, and say in it who has it. Raises OSError, and ConfigError for another's."""
        if self._lock is not None:
            return
        here = f"{host_name()}, process {os.getpid()}"
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.read(lock, 200).decode(errors="replace")
            os.close(lock)
            raise ConfigError(
                f"ventilator.queue: {self._path} is in use by the ventilator on {other}; this one is on {here}: stop "
                "one of them, or give it another queue"
            ) from None
        with suppress(OSError):  # on a full disk nobody learns whose it is; it is this one's all the same
            os.truncate(lock, 0)
            os.write(lock, here.encode())
        self._lock = lock

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Write statements, and with them what could not be written before, all or nothing; `trouble` says whether."""
        if self._database is None:
            return
        updates: list[tuple[str, tuple[object, ...]]] = []
        for job, text in self._settled.items():
            updates.append(("UPDATE jobs SET submit = ? WHERE job = ?", (text, job)))
        for job, (state, reason, record) in self._unsaved.items():
            updates.append(("UPDATE jobs SET state = ?, reason = ? WHERE job = ?", (state, reason, job)))
            updates.append(("INSERT OR REPLACE INTO records VALUES (?, ?)", (job, record)))
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for statement, values in (*updates, *statements):
                self._database.execute(statement, values)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
            self._tell(f"ventilator.queue: {self._path} cannot be written: {error}")
        else:
            self._unsaved.clear()
            self._settled.clear()
            self._tell("")

    def _tell(self, trouble: str) -> None:
        """Log what has changed in the trouble with the disk."""
        if trouble and not self.trouble:
            log.error("%s; it is tried again until it can", trouble)
        elif self.trouble and not trouble:
            log.info("the queue of jobs can be written again")
        self.trouble = trouble


def _passes(error: OSError | sqlite3.Error) -> bool:
    """Return whether it may be otherwise in a while."""
    if isinstance(error, OSError):
        return error.errno in _DISK_PASSING
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _PASSING


def _written(submit: Submit) -> str:
    return _SUBMIT.dump_json(submit, exclude_defaults=True).decode()


def _submit(values: Any) -> Submit:
    """Return a job as it was entered, also by FIP at 0c91216."""
    if "selection" in values:
        values["asked"] = asked_at_0c91216(values.pop("selection"))
    return _SUBMIT.validate_python(values)
