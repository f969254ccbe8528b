"""The file of a ledger, in SQLite: transactions that are whole, short waits, and what its errors mean.

One process writes it, and others read.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from fip.archive.file_systems import network_type
from fip.data.errors import DamagedLedgerError, NoRoomError, StoreError

BUSY_WITHIN = 0.2
"""Seconds that a statement of the writer waits for others. The sink has a loop to run: it tries again later."""
_PASSING = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM,
}  # fmt: skip
"""What may be otherwise in a while."""

Connect = Callable[..., sqlite3.Connection]
"""How a file is connected to: called as `sqlite3.connect`."""

_never_closed: list[sqlite3.Connection] = []
"""Connections to files that are not at their old paths: SQLite would remove logs by path, which are another's now."""


class LedgerFile:
    """An open file. It raises NoRoomError if trying again helps, DamagedLedgerError if not."""

    def __init__(self, path: Path, read_only: bool = False, connect: Connect = sqlite3.connect) -> None:
        """Open the file. Make it if it is missing, unless it is only read. Raises NoRoomError, DamagedLedgerError."""
        self.path, self._read_only = path, read_only
        self._within = False  # a transaction
        with self._faults("used"):
            if read_only:
                self._connection = _opened_to_read(path, connect)
            else:
                self._connection = _opened_to_write(path, connect)
        self._file = None if read_only else _identity(path)

    def close(self) -> None:
        """Close the file; a writer leaves it so that it can be read without write permission."""
        if not self._in_place:
            _never_closed.append(self._connection)
            return
        if not self._read_only:
            with suppress(sqlite3.Error):  # somebody is reading: it stays in WAL mode for now
                self._undo()
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    @property
    def version(self) -> int:
        """Return the version of its tables; 0 if it has none."""
        return int(self.value("PRAGMA user_version"))

    def rows(self, query: str, values: Sequence[object] = (), named: bool = False) -> Generator[Any, None, None]:
        """The rows that answer a query, tuples, or `sqlite3.Row` if they are to be `named`."""
        with self._faults("read"):
            cursor = self._connection.cursor()
            if named:
                cursor.row_factory = sqlite3.Row
            yield from cursor.execute(query, values)

    def value(self, query: str, values: Sequence[object] = ()) -> Any:
        """The first value of the first row that answers a query; None if there is none."""
        return next(self.rows(query, values), (None,))[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written within it is all on disk when it ends, or none of it is; one within another is part of it."""
        if self._within:
            yield
            return
        if not self._in_place:
            raise NoRoomError(f"ledger {self.path} is another file now, or gone: put it back, or restart FIP")
        self._within = True
        try:
            with self._faults("written"):
                self._undo()  # what could not be undone when it failed
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                with self._faults("written"):
                    self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # then the next transaction does it first, or fails
                    self._undo()
                raise
        finally:
            self._within = False

    def write(self, statement: str, *rows: Sequence[object]) -> None:
        """Run a statement in a transaction: once for each of `rows`, or once if there are none."""
        with self.transaction(), self._faults("written"):
            self._connection.executemany(statement, rows) if rows else self._connection.execute(statement)

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @property
    def _in_place(self) -> bool:
        """Whether the path leads to the file that is open; SQLite names its journals by the path."""
        return self._file is None or self._file == _identity(self.path)

    @contextmanager
    def _faults(self, done: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _fault(self.path, done, error) from None


def _fault(path: Path, done: str, error: sqlite3.DatabaseError) -> StoreError:
    """Return what an error of SQLite means to a caller that wanted something to be `done` with the file."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_BUSY)
    garbled = "decode to UTF-8" in str(error) or code == sqlite3.SQLITE_IOERR_CORRUPTFS
    if code & 0xFF in _PASSING and not garbled:
        return NoRoomError(f"ledger {path} cannot be {done}: {error}")
    return DamagedLedgerError(f"ledger {path} is damaged: {error}; move it away, or name another --output")


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _opened_to_write(path: Path, connect: Connect) -> sqlite3.Connection:
    database = connect(path, isolation_level=None, timeout=BUSY_WITHIN)
    try:
        shared = network_type(path.resolve().parent)  # a log beside the file needs memory that is shared
        database.execute(f"PRAGMA journal_mode = {'DELETE' if shared else 'WAL'}")
        database.execute("PRAGMA synchronous = EXTRA")  # as FULL, and a journal that is removed is so on disk
    except sqlite3.Error:
        database.close()
        raise
    return database


def _opened_to_read(path: Path, connect: Connect) -> sqlite3.Connection:
    """The file, opened for reading, as of its last whole transaction.

    A sink that was killed in the midst of one, on a network file system or as it closed, leaves a journal that undoes
    it; SQLite reads nothing before that is done. Whoever may write here does it by looking, without harm to a sink
    that lives. Others get an error that says so.
    """
    database = _read_only(path, connect)
    try:
        _look(database)
        return database
    except sqlite3.Error as error:
        database.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    with closing(connect(path)) as writable:
        try:
            _look(writable)
        except sqlite3.OperationalError:
            raise NoRoomError(
                f"ledger {path} cannot be read yet: its writer was killed in the midst of a transaction. Go on with "
                "the run, or look once as a user who may write here: that undoes it"
            ) from None
    return _read_only(path, connect)


def _look(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA user_version").fetchone()


def _read_only(path: Path, connect: Connect) -> sqlite3.Connection:
    return connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
