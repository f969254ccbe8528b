"""The ledger: `DIR/fip.sqlite`, which says what is stored in a directory. It is the only durable state of a run.

One directory, one ledger, one selection of data and settings; several MeasurementSets are several runs in it.
The sink alone writes it; anybody may read while it does. The tables are described in docs/ledger.md.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fip.archive.backlogs import Backlogs
from fip.archive.clock import Clock, CountedTime
from fip.archive.entries import Aged
from fip.archive.file_names import LEDGER
from fip.archive.known_data import KnownData
from fip.archive.known_followers import KnownFollowers
from fip.archive.ledger_file import Connect, LedgerFile
from fip.archive.ledger_reading import COLUMNS, LedgerReading
from fip.archive.pins import KnownPins
from fip.archive.schema import MIGRATIONS, OLDEST_SCHEMA, SCHEMA, SCHEMA_VERSION
from fip.data.errors import EmptyLedgerError, StoreError
from fip.data.names import SliceId, free_name
from fip.data.quality import noisy, with_noise
from fip.data.settings import texts
from fip.data.values import ImageFile, Kind
from fip.wire.messages import Failure, RunPlan


class Ledger(LedgerReading):
    """One open ledger of a directory."""

    def __init__(
        self,
        directory: Path,
        read_only: bool = False,
        *,
        connect: Connect = sqlite3.connect,
        clock: Clock | None = None,
    ) -> None:
        """Open the ledger of a directory with `connect`. It is made if it is missing. `clock` counts ages.

        Raises StoreError if it cannot be used, NoRoomError if it cannot be used now but may be later; EmptyLedgerError
        if it is opened only to read and has no tables. All its methods raise NoRoomError and DamagedLedgerError.
        """
        self.path = directory / LEDGER
        self._file = LedgerFile(self.path, read_only, connect)
        try:
            self._version = self._checked_version(read_only)
            if not read_only:
                self._bring_up_to_date()
                self._count = CountedTime(self._file, clock or Clock())
                self._sequence = int(self._file.value("SELECT COALESCE(MAX(sequence), 0) FROM slices"))
        except BaseException:
            self._file.close()
            raise
        self.data = KnownData(self._file, self._version)
        self.followers = KnownFollowers(self._file, self._version)
        self.pins = KnownPins(self._file)
        self.backlogs = Backlogs(self._file, self._version)

    def _checked_version(self, read_only: bool) -> int:
        version = self._file.version
        if version and not OLDEST_SCHEMA <= version <= SCHEMA_VERSION:
            readable = f"{OLDEST_SCHEMA} to {SCHEMA_VERSION}"
            raise StoreError(f"ledger {self.path} has schema {version}, this FIP reads {readable}: use its FIP")
        if version == 0 and read_only:
            raise EmptyLedgerError(f"ledger {self.path} holds nothing yet: look again in a moment")
        return version

    def _bring_up_to_date(self) -> None:
        """Make the tables and columns that a ledger of its schema lacks, all of them or none."""
        missing = [MIGRATIONS[each] for each in range(self._version, SCHEMA_VERSION)] if self._version else [SCHEMA]
        if missing:
            with self._file.transaction():
                for statement in "".join(missing).split(";"):
                    self._file.write(statement)
                self._file.write(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._version = SCHEMA_VERSION

    def close(self) -> None:
        """Close the file; a writer leaves it so that it can be read without write permission."""
        self._file.close()

    def open_run(self, plan: RunPlan) -> str:
        """Enter a run, or what is new of it; return the name its files begin with (equal stems get "-2")."""
        with self._file.transaction():
            held: str | None = self._file.value("SELECT name FROM runs WHERE run = ?", (plan.run,))
            if held is not None:
                self._file.write(
                    "UPDATE runs SET total = MAX(total, ?), final = ? WHERE run = ?", (plan.total, plan.final, plan.run)
                )
                self.backlogs.enter(plan.run, plan.backlog)
                return self._label(held)
            name = free_name(plan.name, {taken for (taken,) in self._file.rows("SELECT name FROM runs")})
            if self.asked() is None:
                self._file.write("INSERT INTO directory VALUES (?)", (json.dumps(texts(plan.asked)),))
            self._file.write(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)",
                (plan.run, name, plan.measurement_set, plan.total, plan.final, time.time()),
            )
            self.data.set_hints(plan.run, plan.hints)
            self.backlogs.enter(plan.run, plan.backlog)
        return name

    def add_all(self, images: Iterable[tuple[ImageFile, Mapping[Kind, str]]]) -> None:
        """Enter stored images, whose files have these names, all or none; on disk when this returns."""
        with self._file.transaction():
            for image, names in images:
                self.add(image, names)

    def add(self, image: ImageFile, names: Mapping[Kind, str]) -> None:
        """Enter a stored image, whose files have these names; on disk when this returns.

        A slice that had failed is stored now.
        """
        times = image.times
        files: dict[str, object] = {}
        others: list[tuple[object, ...]] = []
        for file in image.parts:
            values = (names[file.kind], file.size, file.digest.hex())
            if file.kind in COLUMNS:
                files |= zip(COLUMNS[file.kind], values, strict=True)
            else:
                others.append((image.run, image.index, file.kind, *values))
        statistics = asdict(image.statistics) if image.statistics else {}
        beam = asdict(image.beam) if image.beam else {}
        with self._file.transaction():
            self._put(
                run=image.run, slice=image.index, state="stored",
                integration=image.integration, label=image.label, empty=image.empty, quality=image.quality,
                begin=times.begin, average=times.average, end=times.end,
                attempt=image.attempt, worker=image.worker, seconds=json.dumps(image.seconds),
                **files, **statistics, **beam,
            )  # fmt: skip
            if others:
                self._file.write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", *others)
            self._put_numbers(image.run, image.index, image.numbers)
            self.data.enter(image)

    def add_failure(self, failure: Failure) -> None:
        """Enter a slice that will not come, with its reason."""
        self.add_failures([failure])

    def add_failures(self, failures: Iterable[Failure]) -> None:
        """Enter slices that will not come, with their reasons, all or none; on disk when this returns."""
        with self._file.transaction():
            for each in failures:
                self._put(run=each.run, slice=each.index, state="failed", reason=each.reason, attempt=each.attempt)

    def forget(self, slices: Iterable[SliceId]) -> None:
        """These slices are not stored, nor failed: they are to be made."""
        rows = list(slices)
        with self._file.transaction():
            for table in ("files", "numbers", "slices") if rows else ():
                self._file.write(f"DELETE FROM {table} WHERE run = ? AND slice = ?", *rows)

    def expire(self, images: Iterable[Aged]) -> None:
        """The files of these stored images are no longer there."""
        self._set("state = 'expired'", [(each.run, each.index) for each in images])

    def clear(self) -> None:
        """Forget all: no image, run or selection is in it then."""
        with self._file.transaction():
            for table in ("files", "numbers", "slices", "hints", "followers", "backlog", "runs", "directory"):
                self._file.write(f"DELETE FROM {table}")

    def judge_noise(self, run: str) -> None:
        """Add "noise" to the quality of the images whose noise is out of line with others of their field and band."""
        band = f"{self._number('band_centre')}, {self._number('band_width')}"
        query = f"SELECT slice, quality, rms, maximum, label, {band} FROM slices WHERE run = ? AND state = 'stored'"
        alike: dict[tuple[Any, ...], list[Any]] = {}
        for index, quality, rms, maximum, *kind in self._file.rows(query, (run,)):
            alike.setdefault(tuple(kind), []).append((index, quality, rms, maximum))
        changes = []
        for images in alike.values():
            doubtful = noisy([rms for _, _, rms, _ in images], [maximum for *_, maximum in images])
            for (index, quality, _, _), doubt in zip(images, doubtful, strict=True):
                changes.append((with_noise(quality, doubt), run, index))
        self._set("quality = ?", changes)

    def _set(self, column: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Set a column of slices, as each of `rows` says: what there is to set, run, slice; all of them or none."""
        if rows:
            self._file.write(f"UPDATE slices SET {column} WHERE run = ? AND slice = ?", *rows)

    def _put(self, **values: object) -> None:
        sequence = self._sequence + 1
        values |= {"recorded": time.time(), "sequence": sequence, "counted": self._count.now}
        columns, places = ", ".join(values), ", ".join("?" * len(values))
        self._file.write(f"INSERT OR REPLACE INTO slices ({columns}) VALUES ({places})", (*values.values(),))
        self._sequence = sequence

    def _put_numbers(self, run: str, index: int, numbers: Mapping[str, tuple[float, str]]) -> None:
        """Enter numbers of a slice, each with its unit, by their names."""
        rows = [(run, index, name, value, unit) for name, (value, unit) in numbers.items()]
        if rows:
            self._file.write("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?, ?, ?)", *rows)
