"""The ledger: `DIR/fip.sqlite`, which says what is stored in a directory. It is the only durable state of a run.

One directory, one ledger, one selection of data and settings; several MeasurementSets are several runs in it.
The sink alone writes it; anybody may read while it does. The tables are described in docs/ledger.md.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fip.archive.file_names import LEDGER
from fip.archive.file_systems import network_type
from fip.data.errors import EmptyLedgerError, NoRoomError, StoreError
from fip.data.names import RunId, free_name
from fip.data.older_formats import asked_at_0c91216
from fip.data.quality import EMPTY, GOOD, noisy, with_noise
from fip.data.ranges import Ranges
from fip.data.ranges import of as ranges_of
from fip.data.settings import Asked, from_texts, texts
from fip.data.values import Beam, Fingerprint, ImageFile, Kind
from fip.wire.messages import Failure, RunPlan

SCHEMA_VERSION = 7
OLDEST_SCHEMA = 5  # of those that can be brought up to date
NUMBERS = """
CREATE TABLE numbers (
    run TEXT NOT NULL REFERENCES runs, slice INTEGER NOT NULL, name TEXT NOT NULL, value REAL, unit TEXT NOT NULL,
    PRIMARY KEY (run, slice, name)
) WITHOUT ROWID;
"""
HINTS = """
CREATE TABLE hints (run TEXT PRIMARY KEY REFERENCES runs, hints TEXT NOT NULL) WITHOUT ROWID;
"""
MIGRATIONS = {5: NUMBERS, 6: HINTS}
"""What each schema lacks of the next one. Tables and columns are added, and nothing else is changed."""

SCHEMA = f"""
CREATE TABLE directory (selection TEXT NOT NULL);
CREATE TABLE runs (
    run TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, measurement_set TEXT NOT NULL, total INTEGER NOT NULL,
    final INTEGER NOT NULL, opened REAL NOT NULL
);
CREATE TABLE slices (
    run TEXT NOT NULL REFERENCES runs, slice INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('stored', 'failed', 'expired')), reason TEXT,
    file TEXT UNIQUE, bytes INTEGER, digest TEXT, psf TEXT UNIQUE, psf_bytes INTEGER, psf_digest TEXT,
    integration INTEGER, label TEXT, empty INTEGER, quality TEXT,
    begin REAL, average REAL, end REAL, attempt INTEGER NOT NULL, worker TEXT, seconds TEXT,
    rms REAL, minimum REAL, maximum REAL, major REAL, minor REAL, angle REAL, recorded REAL NOT NULL,
    PRIMARY KEY (run, slice)
) WITHOUT ROWID;
CREATE INDEX age ON slices (recorded) WHERE state = 'stored';
{NUMBERS}{HINTS}"""
FINGERPRINT = {
    "data_weight": ("weight", "1/Jy2"), "data_real": ("real", "1/Jy"), "data_imaginary": ("imaginary", "1/Jy"),
    "data_power": ("power", ""), "data_used": ("used", ""),
}  # fmt: skip
"""The numbers by which changed data are known: the field of a `Fingerprint` that each is, and its unit."""


@dataclass(frozen=True)
class RunTotals:
    """One run as the ledger has it."""

    run: str
    name: str
    measurement_set: str
    total: int
    stored: int  # those that have expired since among them
    empty: int
    failed: tuple[tuple[int, str], ...]  # (slice, reason)
    doubtful: tuple[tuple[str, int], ...] = ()  # images of each quality but "good" and "empty"
    final: bool = True  # whether `total` is; while a MeasurementSet is being written, it grows
    expired: int = 0


@dataclass(frozen=True)
class Aged:
    """A stored image, as one of the oldest."""

    run: str
    index: int
    files: tuple[str, ...]
    size: int  # bytes of all of them


@dataclass(frozen=True)
class RunRow:
    """A run as it was opened."""

    run: str
    name: str
    measurement_set: str
    total: int  # slices that are known of
    final: bool  # whether that is all; while a MeasurementSet is being written, more come
    opened: float  # s UTC, Unix


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one stored image."""

    run: str
    index: int  # of the slice in its run
    file: str
    size: int  # bytes
    integration: int
    label: str  # of the field; "" where its MeasurementSet has one
    empty: bool
    quality: str  # as `fip.data.quality` says
    begin: float  # s UTC since MJD 0, here and in the next two
    average: float
    end: float
    attempt: int
    worker: str  # HOST/NAME
    seconds: dict[str, float]  # in the worker, by stage
    rms: float | None  # Jy/beam, here and in the next two; None for an empty image
    minimum: float | None
    maximum: float | None
    beam: Beam | None
    recorded: float  # s UTC, Unix


class Ledger:
    """One open ledger."""

    def __init__(self, directory: Path, read_only: bool = False) -> None:
        """Opens the ledger of a directory, made where it is missing.

        Raises StoreError where it cannot be used, NoRoomError where it cannot now and may later; EmptyLedgerError where
        it is to be read and has no tables.
        """
        self.path = directory / LEDGER
        self._read_only = read_only
        try:
            if read_only:
                self._database = _opened_to_read(self.path)
            else:
                self._database = sqlite3.connect(self.path, isolation_level=None)
                shared = network_type(self.path.resolve().parent)  # a log beside the file needs memory that is shared
                self._database.execute(f"PRAGMA journal_mode = {'DELETE' if shared else 'WAL'}")
                self._database.execute("PRAGMA synchronous = FULL")
            self._schema = version = _schema_of(self._database)
            if version and not OLDEST_SCHEMA <= version <= SCHEMA_VERSION:
                readable = f"{OLDEST_SCHEMA} to {SCHEMA_VERSION}"
                raise StoreError(f"ledger {self.path} has schema {version}, this FIP reads {readable}: use its FIP")
            if not read_only:
                self._bring_up_to_date(version)
                self._schema = SCHEMA_VERSION
        except sqlite3.Error as error:
            kind = NoRoomError if isinstance(error, sqlite3.OperationalError) else StoreError
            raise kind(f"ledger {self.path} cannot be used: {error}") from None
        if version == 0 and read_only:
            self._database.close()
            raise EmptyLedgerError(f"ledger {self.path} holds nothing yet: look again in a moment")

    def _bring_up_to_date(self, version: int) -> None:
        """Makes the tables that a ledger of this schema lacks, all of them or none."""
        missing = [MIGRATIONS[each] for each in range(version, SCHEMA_VERSION)] if version else [SCHEMA]
        if missing:
            script = f"BEGIN; {''.join(missing)} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            self._database.executescript(script)

    def close(self) -> None:
        """Closes the file; a writer leaves it so that it can be read without write permission."""
        if not self._read_only:
            with suppress(sqlite3.OperationalError):  # somebody is reading: it stays in WAL mode for now
                self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.close()

    def asked(self) -> Asked | None:
        """What this directory holds images of; None if it holds none yet."""
        row = self._database.execute("SELECT selection FROM directory").fetchone()
        if row is None:
            return None
        written = json.loads(row[0])
        return asked_at_0c91216(written) if "subset" in written else from_texts(written)

    def open_run(self, plan: RunPlan) -> str:
        """Enters a run, or what is new of it; returns the name its files begin with (equal stems get "-2")."""
        row = self._database.execute("SELECT name FROM runs WHERE run = ?", (plan.run,)).fetchone()
        if row:
            self._write(
                "UPDATE runs SET total = MAX(total, ?), final = ? WHERE run = ?", (plan.total, plan.final, plan.run)
            )
            return str(row[0])
        taken = {name for (name,) in self._database.execute("SELECT name FROM runs")}
        name = free_name(plan.name, taken)
        if self.asked() is None:
            self._write("INSERT INTO directory VALUES (?)", (json.dumps(texts(plan.asked)),))
        self._write(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)",
            (plan.run, name, plan.measurement_set, plan.total, plan.final, time.time()),
        )
        self.set_hints(plan.run, plan.hints)
        return name

    def older_of(self, plan: RunPlan) -> RunId | None:
        """The older id of a run, if it is that by which this ledger has it."""
        known = {run for (run,) in self._database.execute("SELECT run FROM runs")}
        return plan.older if plan.older in known and plan.run not in known else None

    def hints(self, run: str) -> str | None:
        """How the files of a run's data looked when they were last known to be what is stored; None if unknown."""
        row = self._database.execute("SELECT hints FROM hints WHERE run = ?", (run,)).fetchone()
        return str(row[0]) if row else None

    def set_hints(self, run: str, hints: str) -> None:
        """The data of a run, whose files look like this, are what is stored."""
        self._write("INSERT OR REPLACE INTO hints VALUES (?, ?)", (run, hints))

    def fingerprints(self, run: str) -> dict[int, Fingerprint]:
        """Of the slices of a run, as they were when they were stored."""
        if self._schema < SCHEMA_VERSION:  # it is only read
            return {}
        names = ", ".join(f"'{name}'" for name in FINGERPRINT)
        rows = self._database.execute(
            f"SELECT slice, name, value FROM numbers WHERE run = ? AND name IN ({names}) AND value IS NOT NULL", (run,)
        )
        found: dict[int, dict[str, float]] = {}
        for index, name, value in rows:
            found.setdefault(index, {})[FINGERPRINT[name][0]] = value
        return {
            index: Fingerprint(**values | {"used": int(values["used"])})  # type: ignore[arg-type]
            for index, values in found.items()
            if len(values) == len(FINGERPRINT)
        }

    def stored(self, run: str) -> Ranges:
        """The slices of a run that are stored, or were until they expired."""
        rows = self._database.execute("SELECT slice FROM slices WHERE run = ? AND state != 'failed'", (run,))
        return ranges_of(index for (index,) in rows)

    def add(self, image: ImageFile, names: Mapping[Kind, str]) -> None:
        """Enters a stored image, whose files have these names; on disk when this returns.

        A slice that had failed is stored now.
        """
        times = image.times
        files: dict[str, object] = {}
        for file in image.files:
            columns = ("psf", "psf_bytes", "psf_digest") if file.kind == "psf" else ("file", "bytes", "digest")
            values = (names[file.kind], len(file.content), file.digest.hex())
            files |= zip(columns, values, strict=True)
        statistics = asdict(image.statistics) if image.statistics else {}
        beam = asdict(image.beam) if image.beam else {}
        with self._transaction():
            self._put(
                run=image.run, slice=image.index, state="stored",
                integration=image.integration, label=image.label, empty=image.empty, quality=image.quality,
                begin=times.begin, average=times.average, end=times.end,
                attempt=image.attempt, worker=image.worker, seconds=json.dumps(image.seconds),
                **files, **statistics, **beam,
            )  # fmt: skip
            self._put_numbers(image.run, image.index, _numbers_of(image.fingerprint))

    def add_failure(self, failure: Failure) -> None:
        """Enters a slice that will not come, with its reason."""
        self._put(run=failure.run, slice=failure.index, state="failed", reason=failure.reason, attempt=failure.attempt)

    def files(self) -> Iterator[str]:
        """The names of all files of stored images."""
        rows = self._database.execute("SELECT file, psf FROM slices WHERE state = 'stored'")
        yield from (name for row in rows for name in row if name)

    def bytes_stored(self) -> int:
        """Bytes of all files of stored images."""
        query = "SELECT COALESCE(SUM(bytes + COALESCE(psf_bytes, 0)), 0) FROM slices WHERE state = 'stored'"
        return int(self._database.execute(query).fetchone()[0])

    def oldest(self, before: float = float("inf"), number: int = 1000) -> list[Aged]:
        """The images that were stored first, at most `number`: those from before a time (Unix), but never the last."""
        query = (
            "SELECT run, slice, file, psf, bytes + COALESCE(psf_bytes, 0) FROM slices WHERE state = 'stored' "
            "AND recorded < ? AND recorded < (SELECT MAX(recorded) FROM slices WHERE state = 'stored') "
            "ORDER BY recorded LIMIT ?"
        )
        rows = self._database.execute(query, (before, number))
        return [Aged(run, index, (file, psf) if psf else (file,), size) for run, index, file, psf, size in rows]

    def expire(self, images: Iterable[Aged]) -> None:
        """The files of these stored images are no longer there."""
        self._set("state = 'expired'", [(each.run, each.index) for each in images])

    def images_in_time_order(self) -> list[str]:
        """The file names of the images that are not empty, earliest first."""
        query = "SELECT file FROM slices WHERE state = 'stored' AND NOT empty ORDER BY begin, file"
        return [file for (file,) in self._database.execute(query)]

    def runs(self) -> list[RunRow]:
        """All runs, in the order in which they were opened."""
        query = "SELECT run, name, measurement_set, total, final, opened FROM runs ORDER BY opened"
        rows = self._database.execute(query)
        return [RunRow(run, name, path, total, bool(final), opened) for run, name, path, total, final, opened in rows]

    def entries(self, run: str | None = None, first: int = 0, end: int = sys.maxsize) -> Iterator[Entry]:
        """The stored images, earliest first; of one run alone, or of its slices from `first` up to `end`."""
        where = "state = 'stored'"
        values: tuple[str | int, ...] = ()
        if run is not None:
            where += " AND run = ? AND slice >= ? AND slice < ?"
            values = (run, first, end)
        cursor = self._database.cursor()
        cursor.row_factory = sqlite3.Row
        return map(_entry, cursor.execute(f"SELECT {_ENTRY} FROM slices WHERE {where} ORDER BY begin, file", values))

    def totals(self) -> list[RunTotals]:
        """Each run, in the order in which they were opened."""
        return [self._totals(each) for each in self.runs()]

    def _totals(self, opened: RunRow) -> RunTotals:
        select = "SELECT {} FROM slices WHERE run = ? AND state {}"
        stored, empty = self._database.execute(
            select.format("COUNT(*), COALESCE(SUM(empty), 0)", "!= 'failed'"), (opened.run,)
        ).fetchone()
        failed = self._database.execute(select.format("slice, reason", "= 'failed'"), (opened.run,)).fetchall()
        expired = self._database.execute(select.format("COUNT(*)", "= 'expired'"), (opened.run,)).fetchone()[0]
        doubtful = self._database.execute(
            "SELECT quality, COUNT(*) FROM slices WHERE run = ? AND state = 'stored' AND quality NOT IN (?, ?) "
            "GROUP BY quality ORDER BY quality",
            (opened.run, GOOD, EMPTY),
        ).fetchall()
        return RunTotals(
            opened.run, opened.name, opened.measurement_set, opened.total,
            stored, empty, tuple(failed), tuple(doubtful), opened.final, expired,
        )  # fmt: skip

    def judge_noise(self, run: str) -> None:
        """Adds "noise" to the quality of the images whose noise is out of line with that of others of their field."""
        rows = self._database.execute(
            "SELECT slice, label, quality, rms FROM slices WHERE run = ? AND state = 'stored'", (run,)
        ).fetchall()
        changes = []
        for field in {label for _, label, _, _ in rows}:
            images = [(index, quality, rms) for index, label, quality, rms in rows if label == field]
            for (index, quality, _), doubtful in zip(images, noisy([rms for _, _, rms in images]), strict=True):
                changes.append((with_noise(quality, doubtful), run, index))
        self._set("quality = ?", changes)

    def _set(self, column: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Sets a column of slices, as each of `rows` says: what there is to set, run, slice; all of them or none."""
        if rows:
            self._write("BEGIN")
            self._write(f"UPDATE slices SET {column} WHERE run = ? AND slice = ?", *rows)
            self._write("COMMIT")

    def _put(self, **values: object) -> None:
        values["recorded"] = time.time()
        columns, places = ", ".join(values), ", ".join("?" * len(values))
        self._write(f"INSERT OR REPLACE INTO slices ({columns}) VALUES ({places})", (*values.values(),))

    def _put_numbers(self, run: str, index: int, numbers: Mapping[str, tuple[float, str]]) -> None:
        """Enters numbers of a slice, each with its unit, by their names."""
        rows = [(run, index, name, value, unit) for name, (value, unit) in numbers.items()]
        if rows:
            self._write("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?, ?, ?)", *rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """What is written within it is on disk when it ends, or nothing of it is."""
        self._write("BEGIN")
        try:
            yield
            self._write("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._database.rollback()
            raise

    def _write(self, statement: str, *rows: tuple[object, ...]) -> None:
        """Runs a statement, for each of `rows` where there are any."""
        try:
            self._database.executemany(statement, rows) if rows else self._database.execute(statement)
        except sqlite3.Error as error:
            raise NoRoomError(f"ledger {self.path} cannot be written: {error}") from None


_ENTRY = (
    "run, slice AS 'index', file, bytes AS size, integration, label, empty, quality, begin, average, end, attempt, "
    "worker, seconds, rms, minimum, maximum, major, minor, angle, recorded"
)


def _entry(row: sqlite3.Row) -> Entry:
    values: dict[str, Any] = dict(row)
    major, minor, angle = (values.pop(name) for name in ("major", "minor", "angle"))
    values["beam"] = None if major is None else Beam(major, minor, angle)
    return Entry(**values | {"empty": bool(values["empty"]), "seconds": json.loads(values["seconds"])})


def _numbers_of(known: Fingerprint | None) -> dict[str, tuple[float, str]]:
    """A fingerprint as numbers of its slice."""
    if known is None:
        return {}
    return {name: (float(getattr(known, field)), unit) for name, (field, unit) in FINGERPRINT.items()}


def _schema_of(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _opened_to_read(path: Path) -> sqlite3.Connection:
    """The ledger, opened for reading, as of its last whole transaction.

    A sink that was killed in the midst of one, on a network file system or as it closed, leaves a journal that undoes
    it; SQLite reads nothing before that is done. Whoever may write here does it by looking, without harm to a sink
    that lives. Others are told so.
    """
    database = _read_only(path)
    try:
        _schema_of(database)
        return database
    except sqlite3.OperationalError as error:
        database.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    with closing(sqlite3.connect(path)) as writable:
        try:
            _schema_of(writable)
        except sqlite3.OperationalError:
            raise NoRoomError(
                f"ledger {path} cannot be read yet: its writer was killed in the midst of a transaction. Go on with "
                "the run, or look once as a user who may write here: that undoes it"
            ) from None
    return _read_only(path)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
