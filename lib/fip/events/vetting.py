"""What people say of events. Each verdict is kept, with who gave it and when; of an event the last one counts.

DIR/transients/labels.sqlite is theirs alone, and several may write it: who sits at the directory, and the detector for
an operator at the page. labels.ecsv beside it is the same as a table, for others. Nothing in them is a function of the
images, so a new search leaves both.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fip.archive.folder import Folder
from fip.archive.ledger_file import LedgerFile
from fip.archive.stamps import Stamp, stamp_of_database
from fip.data.errors import FipError, NoRoomError, StoreError, UsageError
from fip.data.names import LONGEST_LINE
from fip.data.quantities import UNIX_EPOCH
from fip.data.vetting import NONE, Said, parse_said
from fip.events.shown import found_in

STORE, TABLE = "labels.sqlite", "labels.ecsv"

KEPT = (STORE, f"{STORE}-wal", f"{STORE}-shm", f"{STORE}-journal", TABLE)
"""What a new search of a directory leaves there."""

VERSION = 1
_SCHEMA = f"""
CREATE TABLE verdicts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL UNIQUE, event TEXT NOT NULL, label TEXT NOT NULL,
    user TEXT NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL, run TEXT NOT NULL, ra REAL NOT NULL, dec REAL NOT NULL,
    error REAL NOT NULL, beam REAL NOT NULL
);
PRAGMA user_version = {VERSION};
"""
_COLUMNS = "event, label, user, time, kind, run, ra, dec, error, beam"
_TRIES, _PAUSE = 20, 0.1  # while somebody else writes, and s between two of them


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody says of an event."""

    label: Said  # of a verdict that was taken back "none"; `verdict_of` gives none of these
    user: str
    time: float  # s UTC since MJD 0, when it was said


@dataclass(frozen=True, slots=True)
class Entered:
    """A verdict as it is kept, with the place of its event, which may be in no table any more."""

    event: str  # id
    verdict: Verdict
    kind: str  # of the event
    run: str
    ra: float  # deg, ICRS
    dec: float
    error: float  # deg, of the place
    beam: float  # deg, full width at half maximum of the images; 0 if that was not known


def verdict_of(folder: Path, event_id: str) -> Verdict | None:
    """The verdict on an event that counts; None if there is none, or it was taken back.

    `folder` is that of a search, DIR/transients. UsageError if what is there cannot be read.
    """
    return verdicts(folder).get(event_id)


def verdicts(folder: Path) -> Mapping[str, Verdict]:
    """The verdicts that count, by event. `folder` and errors as of `verdict_of`."""
    return {event: each.verdict for event, each in standing(folder).items()}


def standing(folder: Path) -> Mapping[str, Entered]:
    """The same, as they are kept."""
    last = {each.event: each for each in history(folder)}
    return {event: each for event, each in last.items() if each.verdict.label != NONE}


def history(folder: Path) -> tuple[Entered, ...]:
    """All verdicts of a folder, oldest first, those that were taken back and what took them back too. UsageError."""
    stamp = stamp_of(folder)
    return _read(folder, stamp) if stamp else ()


def stamp_of(folder: Path) -> Stamp:
    """Return a stamp that changes with each verdict, by a look at the files alone; () if there is none at all."""
    return stamp_of_database(folder / STORE)


def enter(folder: Path, event: str, said: Said, user: str, request: str) -> None:
    """Enter what a user says of an event; it is on disk when this returns, and in the table beside.

    `request` names what is said here: said again under that name it is entered once. UsageError if there is no such
    event, or no verdict on it to be taken back, or nothing can be written here; NoRoomError if it can be later.
    """
    row = _row(folder, event)
    user = "".join(each if each.isprintable() else " " for each in user).strip()[:LONGEST_LINE] or "unknown"
    values = (request, event, said, user, UNIX_EPOCH + time.time(), *row)

    def add(file: LedgerFile) -> None:
        with file.transaction():
            if not file.value("SELECT 1 FROM verdicts WHERE request = ?", (request,)):
                last = file.value("SELECT label FROM verdicts WHERE event = ? ORDER BY number DESC LIMIT 1", (event,))
                if said == NONE and last in (None, NONE):
                    raise UsageError(f"{folder.parent}: there is no verdict on {event} that could be taken back")
                file.write(f"INSERT INTO verdicts VALUES (NULL, {', '.join('?' * len(values))})", values)
        with file.transaction():  # others wait meanwhile, so that no older table comes after a newer one
            rows = _rows(file)
            _export(folder, rows)
            counts = {each.event: each.verdict.label for each in rows}
            from fip.events.pinning import repin  # late: it knows the search, whose compiler no page may load

            with suppress(FipError):  # then the detector does it, when it publishes
                repin(folder, {event: label for event, label in counts.items() if label != NONE})

    _with_store(folder, add)


def write_table(folder: Path) -> None:
    """Write the table anew, as whoever entered the last verdict may have been killed before. Errors as of `enter`."""
    if not stamp_of(folder):
        return

    def export(file: LedgerFile) -> None:
        with file.transaction():
            _export(folder, _rows(file))

    _with_store(folder, export)


def _row(folder: Path, event: str) -> tuple[str, str, float, float, float, float]:
    """What is kept of an event beside a verdict. UsageError if there is none of this name."""
    found = found_in(folder)
    row = next((each for each in found.events if each["id"] == event), None) if found else None
    if row is None:
        raise UsageError(f"{folder.parent} has no event {event:.80}: `fip events --all` lists those that there are")
    return row["kind"], row["run"], row["ra"], row["dec"], error_of(row), row["beam"] or 0.0


def error_of(event: Mapping[str, Any]) -> float:
    """deg, the standard deviation of the place of an event."""
    return math.hypot((event["ra_err"] or 0.0) * math.cos(math.radians(event["dec"])), event["dec_err"] or 0.0)


def _with_store(folder: Path, do: Callable[[LedgerFile], None]) -> None:
    """Do something with the store, made if it is missing, when nobody else writes it."""
    path = folder / STORE
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder}: you may not write there: say it as who may, or on the page")
    for left in reversed(range(_TRIES)):
        try:
            with closing(LedgerFile(path)) as file:
                _prepare(path, file)
                return do(file)
        except NoRoomError as error:
            if not left:
                raise NoRoomError(f"{path}: the verdict is not entered: {_said(error)}") from None
            time.sleep(_PAUSE)
        except StoreError as error:
            raise _damaged(path, error) from None
    return None


def _prepare(path: Path, file: LedgerFile) -> None:
    """Make tables in a new file; one that root makes belongs to the folder's owner, who goes on with it."""
    if file.version == 0:
        with file.transaction():
            if file.version == 0:  # still: somebody else may have made them meanwhile
                for statement in _SCHEMA.split(";"):
                    file.write(statement)
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
    _check_version(path, file)


def _check_version(path: Path, file: LedgerFile) -> None:
    if file.version != VERSION:
        raise UsageError(f"{path} has version {file.version}, this FIP reads {VERSION}: use that which wrote it")


@lru_cache(maxsize=4096)
def _read(folder: Path, stamp: Stamp) -> tuple[Entered, ...]:
    path = folder / STORE
    try:
        with closing(LedgerFile(path, read_only=True)) as file:
            if file.version == 0:  # it is being made
                return ()
            _check_version(path, file)
            return _rows(file)
    except StoreError as error:
        raise _damaged(path, error) from None


def _rows(file: LedgerFile) -> tuple[Entered, ...]:
    found = []
    for event, label, user, when, kind, run, *place in file.rows(f"SELECT {_COLUMNS} FROM verdicts ORDER BY number"):
        try:
            verdict = Verdict(parse_said(label), str(user), float(when))
            found.append(Entered(str(event), verdict, str(kind), str(run), *map(float, place)))
        except (TypeError, ValueError) as error:
            raise StoreError(f"{file.path}: {error}") from None
    return tuple(found)


def _export(folder: Path, rows: tuple[Entered, ...]) -> None:
    """Write the table. NoRoomError if it cannot be written: then it is tried again, and the verdict is there once."""
    from fip.events.vetted_table import vetted_table  # late: astropy takes a while to be there

    try:
        with closing(Folder(folder, make=False)) as beside:
            beside.write_new(f"{TABLE}.part", vetted_table(rows).encode())
            beside.replace(f"{TABLE}.part", TABLE)
    except OSError as error:
        raise NoRoomError(f"{folder / TABLE}: {error.strerror}") from None


def _damaged(path: Path, error: StoreError) -> UsageError:
    return UsageError(f"{path}: verdicts cannot be read: {_said(error)}; move it away: {TABLE} has them, too")


def _said(error: Exception) -> str:
    """What a ledger's error says, without what would do for a ledger of images."""
    return str(error).partition(";")[0].removeprefix("ledger ")
