"""The ventilator's jobs on disk: what was submitted is done, whatever is restarted. One small SQLite file."""

import fcntl
import json
import os
import sqlite3
import time
from pathlib import Path

from pydantic import TypeAdapter

from fip.archive.folder import make_folder
from fip.data.errors import ConfigError
from fip.data.older_formats import asked_at_0c91216
from fip.runtime.sockets import host_name
from fip.wire.messages import Submit

REMEMBERED = 100  # jobs that have ended
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    job TEXT PRIMARY KEY, submit TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, submitted REAL NOT NULL
);
"""
_SUBMIT = TypeAdapter(Submit)


class Queue:
    """The file of jobs; every change is on disk when its call returns."""

    def __init__(self, path: Path) -> None:
        """Opens the file, made where it is missing; ConfigError where it cannot be used, or is another ventilator's."""
        here = f"{host_name()}, process {os.getpid()}"
        try:
            make_folder(path.parent)
            lock = path.with_name(f"{path.name}.lock")
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(self._lock, 0)
            os.write(self._lock, here.encode())
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA synchronous = EXTRA")  # as FULL, and a journal that goes is gone on disk
            self._database.executescript(SCHEMA)
        except BlockingIOError:
            other = os.read(self._lock, 200).decode(errors="replace")
            raise ConfigError(
                f"ventilator.queue: {path} is in use by the ventilator on {other}; this one is on {here}: stop one of "
                "them, or give it another queue"
            ) from None
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"ventilator.queue: {path} cannot be used: {error}") from None

    def add(self, submit: Submit) -> float:
        """Enters a job; returns when that was, Unix time. Forgets the oldest jobs that have ended."""
        now = time.time()
        self._database.execute(
            "INSERT OR IGNORE INTO jobs VALUES (?, ?, 'queued', '', ?)",
            (submit.job, _SUBMIT.dump_json(submit, exclude_defaults=True).decode(), now),
        )
        self._database.execute(
            "DELETE FROM jobs WHERE job IN (SELECT job FROM jobs WHERE state IN ('done', 'failed', 'cancelled') "
            "ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
            (REMEMBERED,),
        )
        return now

    def set(self, job: str, state: str, reason: str) -> None:
        """Enters what became of a job."""
        self._database.execute("UPDATE jobs SET state = ?, reason = ? WHERE job = ?", (state, reason, job))

    def jobs(self) -> list[tuple[Submit, str, str, float]]:
        """(job, state, reason, submitted) of all jobs, the oldest first."""
        rows = self._database.execute("SELECT submit, state, reason, submitted FROM jobs ORDER BY rowid")
        return [(_submit(submit), *rest) for submit, *rest in rows]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
        os.close(self._lock)


def _submit(text: str) -> Submit:
    """A job as it was entered, also by FIP at 0c91216."""
    values = json.loads(text)
    if "selection" in values:
        values["asked"] = asked_at_0c91216(values.pop("selection"))
    return _SUBMIT.validate_python(values)
