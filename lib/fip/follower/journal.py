"""A follower's own file: how far it is in each run, what it decided of each slice, and what it found.

What is called a run here is a series of images: the backlog of a run is one of its own, by `Series.key`.
All that belongs to one image is one transaction: after whatever end, a slice was decided with all that was found in it,
or it was not. The tables are described in docs/extending/follower.md.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fip.archive.entries import Series
from fip.archive.follow import LATER, Turn
from fip.archive.followed import Finding
from fip.archive.ledger_file import Connect, LedgerFile
from fip.data.errors import StoreError, UsageError

JOURNAL = "follower.sqlite"
VERSION = 1
FAILED = "error"
"""The outcome of an image at which the step failed; it is not given to it again."""

ENDED = "ended"
"""The outcome that is entered with the last slice of a run when that is over: what was found then belongs to it."""

SEEN = ("stored", "late")
"""The outcomes of images that the step has seen, and sees again after a restart."""

TOGETHER = -1
"""The position in the backlog of a run if it is one series with the other slices."""

_OF_SLICE = "FROM findings WHERE run = ? AND slice = ?"

SCHEMA = f"""
CREATE TABLE follower (step TEXT NOT NULL);
CREATE TABLE runs (
    run TEXT PRIMARY KEY, name TEXT NOT NULL, opened REAL NOT NULL, next INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs, slice INTEGER NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, decided REAL NOT NULL
);
CREATE INDEX decisions_of_run ON decisions (run, number);
CREATE TABLE findings (
    run TEXT NOT NULL REFERENCES runs, slice INTEGER NOT NULL, place INTEGER NOT NULL,
    decision INTEGER NOT NULL REFERENCES decisions, finding TEXT NOT NULL,
    PRIMARY KEY (run, slice, place)
) WITHOUT ROWID;
CREATE TABLE starts (
    run TEXT NOT NULL REFERENCES runs, after INTEGER NOT NULL, reason TEXT NOT NULL, started REAL NOT NULL
);
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True)
class Decided:
    """What was decided of a slice."""

    number: int  # 1, 2, ... over all runs, in the order in which it was decided
    index: int
    outcome: str
    reason: str

    @property
    def seen(self) -> bool:
        """Whether the step has seen an image of it."""
        return self.outcome in SEEN


class Journal:
    """The open file. Its methods raise NoRoomError if trying again helps, and DamagedLedgerError if not."""

    def __init__(self, folder: Path, step: str, connect: Connect = sqlite3.connect) -> None:
        """Open the file in a folder, made if it is missing. UsageError if it is that of another step."""
        self._file = LedgerFile(folder / JOURNAL, connect=connect)
        try:
            if self._file.version == 0:
                with self._file.transaction():
                    for statement in SCHEMA.split(";"):
                        self._file.write(statement)
                    self._file.write("INSERT INTO follower VALUES (?)", (step,))
            elif self._file.version != VERSION:
                raise StoreError(f"{folder / JOURNAL} has schema {self._file.version}, this FIP reads {VERSION}")
            if (held := self._file.value("SELECT step FROM follower")) != step:
                raise UsageError(f"{folder} holds what {held} found, not {step}: give this follower another name")
        except BaseException:
            self._file.close()
            raise
        self._passed_over: dict[str, set[int]] = {}

    def close(self) -> None:
        """Close the file of the journal."""
        self._file.close()

    def is_apart(self, run: Series, whole: bool) -> bool:
        """Whether the backlog of a run is a series of its own: not for who begins when the run is `whole`.

        It is entered when it is first asked for.
        """
        backlog = replace(run, backlog=True)
        if not self._knows(backlog):
            with self._file.transaction():
                together = whole and self.position(run) == 0
                self._enter(backlog)
                if together:
                    self._file.write("UPDATE runs SET next = ? WHERE run = ?", (TOGETHER, backlog.key))
        return self.position(backlog) != TOGETHER

    def position(self, series: Series) -> int:
        """The first slice of a series that is not decided; a run that the directory was cleared of begins anew."""
        self._enter(series)
        return int(self._file.value("SELECT next FROM runs WHERE run = ?", (series.key,)))

    def passed_over(self, series: Series) -> set[int]:
        """The slices of a series that had no image when it was their turn, and may have one later."""
        self._enter(series)
        key = series.key
        if key not in self._passed_over:
            last = "SELECT slice, outcome, MAX(number) FROM decisions WHERE run = ? AND outcome != ? GROUP BY slice"
            query = f"SELECT slice FROM ({last}) WHERE outcome IN ({', '.join('?' * len(LATER))})"
            rows = self._file.rows(query, (key, ENDED, *LATER))
            self._passed_over[key] = {index for (index,) in rows}
        return self._passed_over[key]

    def record(self, turn: Turn, outcome: str, reason: str, findings: Sequence[str]) -> int:
        """Enter what was decided of a slice, with what was found in it, each JSON text, all or nothing.

        On disk when this returns. Returns the number of the decision.
        """
        run = turn.series.key
        with self._file.transaction():
            self._file.write(
                "INSERT INTO decisions VALUES (NULL, ?, ?, ?, ?, ?)", (run, turn.index, outcome, reason, time.time())
            )
            number = int(self._file.value("SELECT last_insert_rowid()"))
            before = int(self._file.value(f"SELECT COUNT(*) {_OF_SLICE}", (run, turn.index)))
            rows = [(run, turn.index, before + place, number, text) for place, text in enumerate(findings)]
            if rows:
                self._file.write("INSERT INTO findings VALUES (?, ?, ?, ?, ?)", *rows)
            self._file.write("UPDATE runs SET next = MAX(next, ?) WHERE run = ?", (turn.index + 1, run))
        if outcome != ENDED:
            self.passed_over(turn.series).discard(turn.index)
        if outcome in LATER:
            self.passed_over(turn.series).add(turn.index)
        return number

    def record_cold_start(self, run: str, after: int, reason: str) -> None:
        """Enter that the state of a run was made empty after a decision; what was before is not asked for again."""
        self._file.write("INSERT INTO starts VALUES (?, ?, ?, ?)", (run, after, reason, time.time()))

    def cold_start(self, run: str) -> int:
        """The decision after which the state of a run was last empty."""
        return int(self._file.value("SELECT COALESCE(MAX(after), 0) FROM starts WHERE run = ?", (run,)))

    def cold_starts(self) -> list[tuple[str, str]]:
        """(run, reason) of each time that a state was made empty though images had been seen."""
        return list(self._file.rows("SELECT run, reason FROM starts WHERE reason != '' ORDER BY started"))

    def decided(self, run: str, after: int) -> list[Decided]:
        """What was decided of the slices of a run after a decision, in that order; but for its end."""
        query = (
            "SELECT number, slice, outcome, reason FROM decisions WHERE run = ? AND number > ? AND outcome != ? "
            "ORDER BY number"
        )
        return [Decided(*row) for row in self._file.rows(query, (run, after, ENDED))]

    def seen_after(self, run: str, number: int) -> int:
        """How many images of a run were seen after a decision."""
        query = "SELECT COUNT(*) FROM decisions WHERE run = ? AND number > ? AND outcome IN (?, ?)"
        return int(self._file.value(query, (run, number, *SEEN)))

    def first_seen_after(self, run: str, number: int) -> int | None:
        """The first slice in order whose image was seen after a decision; None if none was."""
        query = "SELECT slice FROM decisions WHERE run = ? AND number > ? AND outcome = ? ORDER BY number LIMIT 1"
        found = self._file.value(query, (run, number, SEEN[0]))
        return None if found is None else int(found)

    def findings(self, run: str, index: int) -> tuple[Finding, ...]:
        """What was found in an image."""
        query = f"SELECT finding {_OF_SLICE} ORDER BY place"
        return tuple(json.loads(text) for (text,) in self._file.rows(query, (run, index)))

    def findings_after(self, number: int) -> Iterator[tuple[int, str, int, Finding]]:
        """All findings after a decision, in the order of decisions: (decision, run, slice, finding)."""
        query = "SELECT decision, run, slice, finding FROM findings WHERE decision > ? ORDER BY decision, place"
        for decision, run, index, text in self._file.rows(query, (number,)):
            yield decision, run, index, json.loads(text)

    def opened(self) -> dict[str, float]:
        """The runs that are known here, and when each was opened."""
        return dict(self._file.rows("SELECT run, opened FROM runs"))

    def positions(self) -> dict[str, int]:
        """Return the first slice that is not decided, for each run that is known here."""
        return dict(self._file.rows("SELECT run, next FROM runs"))

    def has_ended(self, series: Series) -> bool:
        """Whether it was entered that a series is over, with as many slices as its run has now."""
        query = "SELECT COUNT(*) FROM decisions WHERE run = ? AND outcome = ? AND slice = ?"
        return bool(self._file.value(query, (series.key, ENDED, series.row.total - 1)))

    def last_reason(self, outcome: str) -> str:
        """Which slice last had this outcome, and why; "" if none had."""
        query = "SELECT slice, reason FROM decisions WHERE outcome = ? ORDER BY number DESC LIMIT 1"
        row = next(self._file.rows(query, (outcome,)), None)
        return f"slice {row[0]}: {row[1]}" if row else ""

    def counts(self) -> dict[str, int]:
        """How many slices of all runs have each outcome, and how many findings there are, as "findings"."""
        query = "SELECT outcome, COUNT(DISTINCT run || '/' || slice) FROM decisions GROUP BY outcome"
        counts = dict(self._file.rows(query))
        return counts | {"findings": int(self._file.value("SELECT COUNT(*) FROM findings"))}

    def _knows(self, series: Series) -> bool:
        query = "SELECT opened FROM runs WHERE run = ?"
        return bool(self._file.value(query, (series.key,)) == series.row.opened)

    def _enter(self, series: Series) -> None:
        """Enter a series that is new; what was of its images is forgotten if the directory was cleared since."""
        if self._knows(series):
            return
        key, opened = series.key, series.row.opened
        with self._file.transaction():
            for table in ("findings", "decisions", "starts", "runs"):
                self._file.write(f"DELETE FROM {table} WHERE run = ?", (key,))
            self._file.write("INSERT INTO runs VALUES (?, ?, ?, 0)", (key, series.name, opened))
            last = int(self._file.value("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence"))  # of all decisions ever
            self._file.write("INSERT INTO starts VALUES (?, ?, '', ?)", (key, last, time.time()))
        self._passed_over.pop(key, None)
