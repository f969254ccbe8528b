"""Following a directory of images: each slice of its runs in turn, in order of index, by a cursor that its user keeps.

The backlog of a run, which was imaged while newer slices came, is a series of its own, in order and beside the others.
A slice that is not in the ledger is waited for, until the ledger says what became of it; one that comes to be stored
after it was passed over is handed out as `late`. Nothing here writes, and nobody waits for who follows.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from fip.archive.entries import Entry, RunRow, Series
from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.archive.stamps import Stamp, stamp_of
from fip.data.errors import EmptyLedgerError, NoRoomError
from fip.data.ranges import Ranges, first_from, without

Outcome = Literal["stored", "late", "failed", "expired", "gap", "unreadable", "ended"]
"""What is found of a slice: an image, in order or late; or that there is none: it failed, its image has expired, it was
waited for in vain (a gap, with patience alone), or its file cannot be read. After the last: the run is over."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
LATER: tuple[Outcome, ...] = ("failed", "gap", "unreadable")
"""Outcomes of a slice whose image may still come; it is late then."""

Outcomes = tuple[int, str, str | None]
"""What the ledger says of a slice: its index, state and reason."""

MOST_AT_ONCE = 256  # slices that are looked up together
LOOK_ANYWAY = 1.0  # s after which a ledger is looked at that seems not to have changed


@dataclass(frozen=True)
class Turn:
    """What became of the next slice of a run."""

    series: Series
    index: int  # of the slice in its run
    outcome: Outcome
    reason: str = ""  # why there is no image; "" if there is one
    entry: Entry | None = None  # what the ledger says of the image, if there is one


class Cursor(Protocol):
    """How far somebody has followed; kept by whoever follows, on disk, or else what is seen is seen again."""

    def is_apart(self, run: Series, whole: bool) -> bool:
        """Say whether the backlog of a run is a series of its own, given that run and whether it is `whole` by now.

        For whoever begins when the run is whole, it is one series with the others. The answer stays as it was first.
        """

    def position(self, series: Series) -> int:
        """The first slice of a series that was not taken yet."""

    def passed_over(self, series: Series) -> Collection[int]:
        """The slices before it that had no image when it was their turn, and may have one later: see `LATER`."""


class Follow:
    """Looks at a directory of images. It keeps no file open, so that the sink may close its ledger."""

    def __init__(
        self, directory: Path, patience: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """With `patience`, a slice that is missing for so many seconds while later ones are there makes a gap."""
        self.directory, self._patience, self._clock = directory, patience, clock
        self._turns: deque[Turn] = deque()
        self._stamp: Stamp | None = None
        self._given_up: dict[tuple[str, int], int] = {}  # by series and slice: as which an image was entered
        self.seen: Stamp = ()  # of the ledger, at the last look
        self._looked = float("-inf")
        self._missing: dict[str, tuple[int, float]] = {}  # by series: the one after those waited for, and since when
        self._sequence: dict[str, int] = {}  # by series: up to which images were looked at for late ones
        self.series: tuple[Series, ...] = ()  # all that there were at the last look
        self.finished: tuple[Series, ...] = ()  # those with nothing left, at the last look
        self.over = False  # whether all runs were final, and nothing was left of them, at the last look

    def next(self, cursor: Cursor) -> Turn | None:
        """Return what comes next, or None if there is nothing now. The cursor must have taken it before the next call.

        Raises StoreError if the ledger cannot be read.
        """
        if not self._turns and self._due():
            self._look(cursor)
        return self._turns.popleft() if self._turns else None

    def again(self) -> None:
        """Let the ledger be looked at again, even if it has not changed."""
        self._turns.clear()
        self._sequence.clear()
        self._stamp = None

    def give_up(self, turn: Turn) -> None:
        """Note that the image of a turn cannot be read: it is not late before it is entered anew."""
        if turn.entry:
            self._given_up[turn.series.key, turn.index] = turn.entry.sequence

    def _due(self) -> bool:
        """Whether the ledger may say something new; a look costs little more than this if it does not."""
        now, stamp = self._clock(), stamp_of(self.directory)
        if stamp == self._stamp and now - self._looked < LOOK_ANYWAY:
            return False
        self._stamp = self.seen = stamp
        self._looked = now
        return (self.directory / LEDGER).exists()

    def _look(self, cursor: Cursor) -> None:
        try:
            with closing(Ledger(self.directory, read_only=True)) as ledger:
                series = list[Series]()
                self.finished = ()
                for row in ledger.runs():
                    over, parts = row.final, self._parts(ledger, row, cursor)
                    for part in parts:
                        slices = self._take(ledger, part, cursor)
                        over = over and first_from(slices, cursor.position(part)) is None
                        self.finished += (part,) if over else ()  # the backlog, which is last, grows until others are
                    series += parts
                self.series = tuple(series)
                self.over = not self._turns and len(self.finished) == len(series)
        except EmptyLedgerError:
            return
        if self._turns:
            self._stamp = None  # there may be more than what is looked up at once

    @staticmethod
    def _parts(ledger: Ledger, row: RunRow, cursor: Cursor) -> list[Series]:
        """The series of a run; the backlog is the last."""
        if not ledger.backlogs.of(row.run):
            return [Series(row, backlog=False)]
        if not cursor.is_apart(Series(row, backlog=False), ledger.is_whole(row)):
            return [Series(row)]
        return [Series(row, backlog=False), Series(row, backlog=True)]

    def _take(self, ledger: Ledger, series: Series, cursor: Cursor) -> Ranges:
        """Find what comes next in a series; return its slices."""
        run, position = series.row.run, cursor.position(series)
        found = ledger.outcomes(run, position, MOST_AT_ONCE, series.backlog)
        # Looked up after that: a slice about which something is known does not enter the backlog any more.
        backlog = ledger.backlogs.of(run) if series.backlog is not None else ()
        end = max(series.row.total, found[-1][0] + 1 if found else 0)
        slices = backlog if series.backlog else without(((0, end),), backlog)
        late = [index for index in cursor.passed_over(series) if first_from(slices, index) == index]
        self._turns.extend(self._late(ledger, series, late))
        self._turns.extend(self._in_order(ledger, series, position, found, slices))
        return slices

    def _late(self, ledger: Ledger, series: Series, passed_over: Collection[int]) -> Iterator[Turn]:
        """The images that came after their turn."""
        if not passed_over:
            return
        run, key = series.row.run, series.key
        for index, sequence in ledger.entered_after(run, self._sequence.get(key, -1), max(passed_over) + 1):
            self._sequence[key] = max(sequence, self._sequence.get(key, -1))
            if index in passed_over and sequence > self._given_up.get((key, index), -1):
                for entry in ledger.entries(run, index, index + 1):
                    yield Turn(series, index, "late", entry=entry)

    def _in_order(
        self, ledger: Ledger, series: Series, position: int, found: Sequence[Outcomes], slices: Ranges
    ) -> Iterator[Turn]:
        """What is known of the next slices, up to the first that is missing."""
        if not found:
            self._missing.pop(series.key, None)
            return
        entries = {each.index: each for each in ledger.entries(series.row.run, position, found[-1][0] + 1)}
        for index, state, reason in found:
            while (missing := first_from(slices, position)) is not None and missing < index:
                waited = self._waited_for(series.key, index)
                if self._patience is None or waited < self._patience:
                    return
                yield Turn(series, missing, "gap", f"was waited for in vain for {self._patience:g} s")
                position = missing + 1
            position = index + 1
            if state == "stored" and index in entries:
                yield Turn(series, index, "stored", entry=entries[index])
            elif state == "failed":
                yield Turn(series, index, "failed", reason or "")
            elif state == "expired":
                yield Turn(series, index, "expired", "its image had expired before it was seen")
            else:
                return  # it changed between two queries

    def _waited_for(self, key: str, later: int) -> float:
        """Seconds since the slices before `later`, which is there, were first seen to be missing."""
        known, since = self._missing.get(key, (-1, 0.0))
        if later > known:
            since = self._clock()
            self._missing[key] = later, since
        return self._clock() - since


def follow(directory: Path, cursor: Cursor, wait: Callable[[], bool], patience: float | None = None) -> Iterator[Turn]:
    """What became of each slice of the runs in a directory, in order of index.

    When one is asked for, the cursor must have taken the one before. If there is nothing now, `wait` is called, which
    waits for a moment and says whether to go on. Raises StoreError if the ledger cannot be read.
    """
    following = Follow(directory, patience)
    while True:
        try:
            turn = following.next(cursor)
        except NoRoomError:  # it is busy, or its disk is away: for now
            turn = None
        if turn:
            yield turn
        elif not wait():
            return
