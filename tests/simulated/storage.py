"""Disks and databases that fail, and that lose at a crash what was not said to be safe.

A directory keeps what fsync covered: contents that were synced, under names that the directory had when it was synced.
SQLite's own safety is trusted: a database falls back to its last commit.
"""

import errno
import os
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fip.archive.folder import Folder, checked
from simulated.process import Process
from simulated.world import World

CODES = {
    "BUSY": (sqlite3.OperationalError, sqlite3.SQLITE_BUSY, "database is locked"),
    "FULL": (sqlite3.OperationalError, sqlite3.SQLITE_FULL, "database or disk is full"),
    "IOERR": (sqlite3.OperationalError, sqlite3.SQLITE_IOERR, "disk I/O error"),
    "READONLY": (sqlite3.OperationalError, sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
    "CORRUPT": (sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT, "database disk image is malformed"),
}
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|CREATE|BEGIN|COMMIT|REPLACE)", re.IGNORECASE)


class Directory:
    """What a directory holds now, and what it would hold after a crash."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.safe: dict[str, bytes] = {}
        self.locked_by: object = None
        self.appeared: dict[str, float] = {}  # when each file did, s of the world


class Disk:
    """The disk of a host."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.directories: dict[Path, Directory] = {}
        self.trouble = 0  # an errno that writing raises
        self.failed = False  # whether there ever was one
        self.away = False  # whether it is not mounted in its place

    def crash(self) -> None:
        """The host lost its power: of what was not synced, chance decides name by name."""
        for directory in self.directories.values():
            names = sorted({*directory.files, *directory.safe})
            found = {}
            for name in names:
                before, after = directory.safe.get(name), directory.files.get(name)
                kept = after if self.world.chance.random() < 0.5 else before
                if kept is not None:
                    found[name] = kept
            directory.files, directory.safe = found, dict(found)
            directory.locked_by = None


class SimFolder(Folder):
    """The one door to the files of a directory, on a disk that was made up."""

    def __init__(self, disk: Disk, owner: Process, path: Path) -> None:
        self.path, self._disk, self._owner = path, disk, owner
        self.synced = 0.0
        self._write()
        self._held = disk.directories.setdefault(path, Directory())

    def close(self) -> None:
        if self._held.locked_by is self._owner:
            self._held.locked_by = None

    def lock(self) -> None:
        if self._held.locked_by not in (None, self._owner):
            raise BlockingIOError
        self._held.locked_by = self._owner

    def still_in_place(self) -> bool:
        return not self._disk.away

    def names(self) -> list[str]:
        return sorted(self._held.files)

    def free(self) -> float:
        return 0.0 if self._disk.trouble == errno.ENOSPC else 1.0

    def size(self, name: str) -> int:
        return len(self._there(name))

    def read(self, name: str, most: int = -1) -> bytes:
        content = self._there(name)
        return content if most < 0 else content[:most]

    def write_new(self, name: str, content: bytes | memoryview) -> None:
        self._write()
        self._held.files[checked(name)] = bytes(content)

    def write_all(self, files: Mapping[str, bytes | memoryview]) -> dict[str, OSError]:
        for number, (name, content) in enumerate(files.items()):
            try:
                self.write_new(name, content)
            except OSError as error:
                return dict.fromkeys([*files][number:], error)
        return {}

    def link(self, name: str, to: str) -> None:
        self._write()
        if checked(to) in self._held.files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._held.files[to] = self._there(name)
        self._held.appeared.setdefault(to, self._disk.world.now)

    def replace(self, name: str, to: str) -> None:
        self._write()
        self._held.files[checked(to)] = self._there(name)
        del self._held.files[name]

    def symlink(self, target: Path, name: str) -> None:
        raise OSError(errno.EPERM, "not simulated")

    def unlink(self, name: str) -> None:
        self._there(name)
        self._write(full_matters=False)
        del self._held.files[name]

    def sync(self) -> None:
        self._write(full_matters=False)
        self._held.safe = dict(self._held.files)

    def sync_file(self, name: str) -> None:
        self._there(name)
        self._write(full_matters=False)
        self._held.appeared[name] = self._disk.world.now  # to the sink: one before it may have left it

    def leave_memory(self, name: str) -> None:
        self._there(name)

    def _there(self, name: str) -> bytes:
        if self._disk.trouble == errno.EIO:
            self._write()
        if checked(name) not in self._held.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._held.files[name]

    def _write(self, full_matters: bool = True) -> None:
        self._owner.operation()
        trouble = self._disk.trouble
        if trouble and (full_matters or trouble != errno.ENOSPC):
            raise OSError(trouble, os.strerror(trouble))


class Databases:
    """SQLite in memory, one database a path, behind connections that fail as they are ordered to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.raw: dict[str, sqlite3.Connection] = {}
        self.trouble: dict[str, tuple[str, float]] = {}  # of paths that hold this text: a code, and how often it comes
        self.open: dict[str, Process] = {}

    def connect(self, owner: Process, path: Any, uri: bool = False, **rest: Any) -> Any:
        """Connect one process, as `sqlite3.connect` does."""
        place = str(path).removeprefix("file://").partition("?")[0]
        if place not in self.raw:
            self.raw[place] = sqlite3.connect(":memory:", isolation_level=None)
        self.fail(place, "PRAGMA", False)
        self.open[place] = owner
        return SimConnection(self, place, owner)

    def fail(self, place: str, statement: str, within: bool) -> None:
        """Raise what a statement is to meet."""
        for text, (code, share) in self.trouble.items():
            if text not in place or self.world.chance.random() >= share:
                continue
            if code in ("FULL", "READONLY", "BUSY") and not WRITES.match(statement):
                continue
            words = statement.upper().split()[:2]
            if (
                words[0] == "ROLLBACK"
                or (code == "BUSY" and words == ["BEGIN"])
                or (code == "FULL" and words[0] == "BEGIN")
            ):
                continue  # that always works; these take neither a lock nor room
            kind, number, said = CODES[code]
            error = kind(said)
            error.sqlite_errorcode, error.sqlite_errorname = number, f"SQLITE_{code}"
            if within and code in ("FULL", "IOERR") and self.world.chance.random() < 0.5:
                self.raw[place].rollback()
            raise error

    def crash(self, owner: Process) -> None:
        """A process is gone: what it had not committed is undone."""
        for place, whose in self.open.items():
            if whose is owner and self.raw[place].in_transaction:
                self.raw[place].rollback()

    def close(self) -> None:
        """Close all databases in memory."""
        for each in self.raw.values():
            each.close()


class SimCursor:
    """A cursor whose statements may fail."""

    def __init__(self, connection: "SimConnection", cursor: sqlite3.Cursor) -> None:
        object.__setattr__(self, "_connection", connection)
        object.__setattr__(self, "_cursor", cursor)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        self._connection.check(statement)
        found: sqlite3.Cursor = self._cursor.execute(statement, values)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cursor, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class SimConnection:
    """One connection to a database."""

    def __init__(self, databases: Databases, place: str, owner: Process) -> None:
        self._databases, self.place, self._owner = databases, place, owner
        self._raw = databases.raw[place]

    def check(self, statement: str) -> None:
        """Raise what this statement is to meet."""
        self._owner.operation()
        self._databases.fail(self.place, statement, self._raw.in_transaction)

    @property
    def in_transaction(self) -> bool:
        return self._raw.in_transaction

    @property
    def total_changes(self) -> int:
        return self._raw.total_changes

    def cursor(self) -> SimCursor:
        return SimCursor(self, self._raw.cursor())

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        self.check(statement)
        return self._raw.execute(statement, values)

    def executemany(self, statement: str, rows: Any) -> sqlite3.Cursor:
        self.check(statement)
        return self._raw.executemany(statement, rows)

    def executescript(self, script: str) -> sqlite3.Cursor:
        self.check("CREATE")
        return self._raw.executescript(script)

    def commit(self) -> None:
        self.check("COMMIT")
        self._raw.commit()

    def rollback(self) -> None:
        self._raw.rollback()

    def close(self) -> None:
        """Undo what was not committed, as SQLite does."""
        if self._raw.in_transaction:
            self._raw.rollback()
        self._databases.open.pop(self.place, None)


Connect = Callable[..., Any]
