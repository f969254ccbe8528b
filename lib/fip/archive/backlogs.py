"""What a ledger knows of backlogs: slices that waited while newer ones were imaged, a series of their own in each run.

A slice never changes its series: what is entered comes after what was, and nothing is known of it yet. So a reader
that follows a series in order has missed nothing of it.
"""

from fip.archive.ledger_file import LedgerFile
from fip.archive.schema import PARTED
from fip.data.names import RunId
from fip.data.ranges import Ranges, joined, of, without


class Backlogs:
    """The backlogs in the file of a ledger of this version. Its methods raise NoRoomError and DamagedLedgerError."""

    def __init__(self, file: LedgerFile, version: int) -> None:
        self._file, self._version = file, version

    def of(self, run: RunId) -> Ranges:
        """The slices of the backlog of a run."""
        if self._version < PARTED:
            return ()
        query = "SELECT begin, end FROM backlog WHERE run = ? ORDER BY begin"
        return joined((int(begin), int(end)) for begin, end in self._file.rows(query, (run,)))

    def enter(self, run: RunId, told: Ranges) -> None:
        """Enter what is new of a backlog that the ventilator sends, but for slices that already have an entry."""
        end = int(self._file.value("SELECT COALESCE(MAX(end), 0) FROM backlog WHERE run = ?", (run,)))
        if new := tuple((max(begin, end), last) for begin, last in told if last > end):
            query = "SELECT slice FROM slices WHERE run = ? AND slice >= ? AND slice < ?"
            known = of(index for (index,) in self._file.rows(query, (run, new[0][0], new[-1][1])))
            if rows := [(run, *each) for each in without(new, known)]:
                self._file.write("INSERT INTO backlog VALUES (?, ?, ?)", *rows)

    def only(self, backlog: bool | None) -> str:
        """Return the condition of a query on `slices` for those of the backlog alone, or the others; None: for all."""
        if backlog is None or self._version < PARTED:
            return "TRUE"
        last = "SELECT end FROM backlog WHERE run = slices.run AND begin <= slice ORDER BY begin DESC LIMIT 1"
        return f"slice {'<' if backlog else '>='} COALESCE(({last}), 0)"
