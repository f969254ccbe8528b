"""What can be read of a ledger, by whoever may, while the sink writes it."""

import json
import sys
from collections.abc import Container, Iterable, Iterator
from contextlib import closing, contextmanager
from math import inf, nan
from pathlib import Path

from fip.archive.backlogs import Backlogs
from fip.archive.clock import CountedTime
from fip.archive.entries import ENTRY, NAMED, OF_SLICE, SIZE, Aged, Entry, Listed, RunRow, RunTotals, entry_of, run_of
from fip.archive.folder import is_plain
from fip.archive.ledger_file import LedgerFile
from fip.archive.schema import NUMBERED, OF_ALL_KINDS, ORDERED
from fip.data.antennas import FAULTS, IllAntenna, gathered
from fip.data.complete import COMPLETE, Complete
from fip.data.errors import DamagedLedgerError
from fip.data.names import RunId, SliceId, is_label
from fip.data.older_formats import asked_at_0c91216
from fip.data.quality import EMPTY, GOOD
from fip.data.ranges import Ranges
from fip.data.ranges import of as ranges_of
from fip.data.settings import Asked, from_texts
from fip.data.values import INJECTED_NUMBER
from fip.fits.identity import Identity
from fip.wire.messages import Failure, RunPlan

COLUMNS = {"dirty": ("file", "bytes", "digest"), "psf": ("psf", "psf_bytes", "psf_digest")}
"""The columns of `slices` that have the files of these kinds; those of other kinds are in the table `files`."""
_OTHERS = f"(SELECT GROUP_CONCAT(files.file, '/') {OF_SLICE})"


class LedgerReading:
    """What an open ledger says. All methods raise NoRoomError and DamagedLedgerError."""

    path: Path
    backlogs: Backlogs
    _file: LedgerFile
    _version: int
    _count: CountedTime

    def asked(self) -> Asked | None:
        """What this directory holds images of; None if it holds none yet."""
        selection = self._file.value("SELECT selection FROM directory")
        if selection is None:
            return None
        with self._sound():
            written = json.loads(selection)
            return asked_at_0c91216(written) if "subset" in written else from_texts(written)

    def older_of(self, plan: RunPlan) -> RunId | None:
        """The older id of a run, if it is that by which this ledger has it."""
        known = {run for (run,) in self._file.rows("SELECT run FROM runs")}
        return plan.older if plan.older in known and plan.run not in known else None

    def stored(self, run: str) -> Ranges:
        """The slices of a run that are stored, or were until they expired."""
        rows = self._file.rows("SELECT slice FROM slices WHERE run = ? AND state != 'failed'", (run,))
        return ranges_of(index for (index,) in rows)

    def newest(self, run: str) -> float | None:
        """When the data of its newest stored slice end, s UTC since MJD 0; None if it has none."""
        end = self._file.value("SELECT MAX(end) FROM slices WHERE run = ? AND state = 'stored'", (run,))
        with self._sound():
            return None if end is None else float(end)

    def failures(self, most: int) -> list[Failure]:
        """The last slices that failed, at most so many, oldest first."""
        query = "SELECT run, slice, attempt, reason FROM slices WHERE state = 'failed' ORDER BY recorded DESC LIMIT ?"
        return [Failure(*row) for row in self._file.rows(query, (most,))][::-1]

    def files(self) -> Iterator[str]:
        """The names of all files of stored images."""
        yield from map(self._plain, self._names("stored"))

    def listed(self) -> Iterator[Listed]:
        """All files of stored images, each as it was stored."""
        selects = [
            f"SELECT run, slice, integration, begin, '{kind}', {', '.join(columns)} FROM slices "
            f"WHERE state = 'stored' AND {columns[0]} IS NOT NULL"
            for kind, columns in COLUMNS.items()
        ]
        if self._version >= OF_ALL_KINDS:
            selects.append(
                "SELECT run, slice, integration, begin, kind, files.file, files.bytes, files.digest "
                "FROM files JOIN slices USING (run, slice) WHERE state = 'stored'"
            )
        rows = self._file.rows(" UNION ALL ".join(selects))
        for run, index, integration, begin, kind, name, size, digest in rows:
            with self._sound():
                identity = Identity(run, int(integration), str(kind), float(begin))
                each = Listed(self._plain(name), run, index, identity, int(size), str(digest))
            yield each

    def bytes_stored(self) -> int:
        """Bytes of all files of stored images."""
        query = f"SELECT COALESCE(SUM({SIZE}), 0) FROM slices WHERE state = 'stored'"
        with self._sound():
            return int(self._file.value(query))

    def oldest(
        self, age: float | None = None, number: int = 1000, apart: Container[SliceId] = frozenset()
    ) -> list[Aged]:
        """The images that were stored first, at most `number`: those of this age (s) or older, but never the last.

        Those in `apart` are left out.
        """
        query = (
            f"SELECT run, slice, file, psf, {SIZE}, {_OTHERS} FROM slices WHERE state = 'stored' "
            "AND counted <= ? AND sequence < (SELECT MAX(sequence) FROM slices WHERE state = 'stored') "
            "ORDER BY sequence"
        )
        found: list[Aged] = []
        with closing(self._file.rows(query, (inf if age is None else self._count.now - age,))) as rows:
            for run, index, file, psf, size, others in rows:
                if len(found) == number:
                    break
                if SliceId(run, index) not in apart:
                    names = [each for each in (file, psf, *str(others or "").split("/")) if each]
                    found.append(Aged(run, index, tuple(map(self._plain, names)), size))
        return found

    def expired_of(self, names: Iterable[str]) -> list[str]:
        """Return those of the names whose images have expired: their files are left over."""
        expired = set(self._names("expired"))
        return [name for name in names if name in expired]

    def _names(self, state: str) -> Iterator[str]:
        """The names of all files of images that are in this state."""
        rows = self._file.rows("SELECT file, psf FROM slices WHERE state = ?", (state,))
        yield from (name for row in rows for name in row if name)
        if self._version >= OF_ALL_KINDS:
            join = "SELECT files.file FROM files JOIN slices USING (run, slice) WHERE state = ?"
            yield from (name for (name,) in self._file.rows(join, (state,)))

    def images_in_time_order(self) -> list[str]:
        """The file names of the images that are not empty, earliest first; none of data with sources added to them."""
        query = "SELECT run, file FROM slices WHERE state = 'stored' AND NOT empty ORDER BY begin, file"
        injected = self.injected_runs()
        return [self._plain(file) for run, file in self._file.rows(query) if run not in injected]

    def injected_runs(self) -> frozenset[str]:
        """The runs of data to which `fip inject` has added sources: what is seen in them may not be real."""
        if self._version < NUMBERED:
            return frozenset()
        # What one slice tells is so of all.
        first = "SELECT MIN(slice) FROM slices WHERE slices.run = numbers.run AND state != 'failed'"
        query = f"SELECT run FROM numbers WHERE run = ? AND slice = ({first}) AND name = ?"
        found = (self._file.rows(query, (each.run, INJECTED_NUMBER)) for each in self.runs())
        return frozenset(run for rows in found for (run,) in rows)

    def runs(self) -> list[RunRow]:
        """All runs, in the order in which they were opened."""
        rows = self._file.rows("SELECT run, name, measurement_set, total, final, opened FROM runs ORDER BY rowid")
        with self._sound():
            return [run_of(row) for row in rows]

    def entries(self, run: str | None = None, first: int = 0, end: int = sys.maxsize) -> Iterator[Entry]:
        """The stored images, earliest first; of one run alone, or of its slices from `first` up to `end`."""
        where = "state = 'stored'"
        values: tuple[str | int, ...] = ()
        if run is not None:
            where += " AND run = ? AND slice >= ? AND slice < ?"
            values = (run, first, end)
        sequence = "sequence" if self._version >= ORDERED else "0"
        numbers = map(self._number, ("frequency", "data_weight", "data_power", "data_used", COMPLETE))
        more = ", ".join([f"{sequence} AS sequence", *numbers])
        query = f"SELECT {ENTRY}, {more} FROM slices WHERE {where} ORDER BY begin, file"
        for row in self._file.rows(query, values, named=True):
            with self._sound():
                entry = entry_of(dict(row))
            self._plain(entry.file)
            yield entry

    def outcomes(
        self, run: str, first: int, most: int, backlog: bool | None = None
    ) -> list[tuple[int, str, str | None]]:
        """What became of the next slices of a run from `first` on: index, state and reason, in order of index.

        Only those of its backlog, or only the others, if that is asked for.
        """
        which = f"run = ? AND slice >= ? AND {self.backlogs.only(backlog)}"
        query = f"SELECT slice, state, reason FROM slices WHERE {which} ORDER BY slice LIMIT ?"
        return list(self._file.rows(query, (run, first, most)))

    def is_whole(self, run: RunRow) -> bool:
        """Whether it is known of every slice of a run what became of it, and no more will come."""
        return run.final and int(self._file.value("SELECT COUNT(*) FROM slices WHERE run = ?", (run.run,))) >= run.total

    def entered_after(self, run: str, sequence: int, before: int) -> list[tuple[int, int]]:
        """(index, sequence) of the stored images of slices before one that were entered after a sequence, by index."""
        column = "sequence" if self._version >= ORDERED else "0"
        query = f"SELECT slice, {column} FROM slices WHERE run = ? AND state = 'stored' AND {column} > ? AND slice < ?"
        return sorted(self._file.rows(query, (run, sequence, before)))

    def numbers(self) -> dict[tuple[str, int], dict[str, tuple[float, str]]]:
        """What was noted of each slice (run, index) beside its image: value and unit, by name."""
        found: dict[tuple[str, int], dict[str, tuple[float, str]]] = {}
        if self._version >= NUMBERED:
            for run, index, name, value, unit in self._file.rows("SELECT run, slice, name, value, unit FROM numbers"):
                with self._sound():
                    found.setdefault((run, int(index)), {})[str(name)] = (
                        nan if value is None else float(value),
                        str(unit),
                    )
        return found

    def totals(self) -> list[RunTotals]:
        """Each run, in the order in which they were opened."""
        return [self._totals(each) for each in self.runs()]

    def _totals(self, opened: RunRow) -> RunTotals:
        select = "SELECT {} FROM slices WHERE run = ? AND state {}"
        values = (opened.run,)
        stored, empty = next(self._file.rows(select.format("COUNT(*), COALESCE(SUM(empty), 0)", "!= 'failed'"), values))
        failed = tuple(self._file.rows(select.format("slice, reason", "= 'failed'"), values))
        expired = self._file.value(select.format("COUNT(*)", "= 'expired'"), values)
        doubtful = self._file.rows(
            "SELECT quality, COUNT(*) FROM slices WHERE run = ? AND state = 'stored' AND quality NOT IN (?, ?) "
            "GROUP BY quality ORDER BY quality",
            (opened.run, GOOD, EMPTY),
        )
        first = self._file.rows(
            "SELECT file, quality FROM slices WHERE run = ? AND state = 'stored' AND quality NOT IN (?, ?) "
            "ORDER BY begin, file LIMIT ?",
            (opened.run, GOOD, EMPTY, NAMED),
        )
        return RunTotals(
            opened.run, opened.name, opened.measurement_set, opened.total,
            stored, empty, failed, tuple(doubtful), opened.final, expired,
            tuple(first), self._antennas(opened.run), self.complete(opened.run),
        )  # fmt: skip

    def complete(self, run: str) -> Complete | None:
        """How much was there of the slices of a run; None if that was noted of none."""
        if self._version < NUMBERED:
            return None
        what = "COUNT(*), COALESCE(SUM(value < 1), 0), MIN(value), AVG(value)"
        query = f"SELECT {what} FROM numbers WHERE run = ? AND name = ? AND value BETWEEN 0 AND 1"
        slices, lacking, least, mean = next(self._file.rows(query, (run, COMPLETE)))
        return Complete(slices, lacking, least, mean) if slices else None

    def _antennas(self, run: str) -> tuple[IllAntenna, ...]:
        """The antennas that should be looked at by the images of a run."""
        if self._version < NUMBERED:
            return ()
        faults = " OR ".join("name LIKE ?" for _ in FAULTS)
        query = f"SELECT name, COUNT(*), AVG(value) FROM numbers WHERE run = ? AND ({faults}) GROUP BY name"
        return gathered(self._file.rows(query, (run, *(f"{fault}.%" for fault in FAULTS))))

    def _number(self, name: str) -> str:
        """A column of a query on `slices` with a number of each; NULL if it was not noted."""
        if self._version < NUMBERED:
            return f"NULL AS {name}"
        of_slice = "numbers.run = slices.run AND numbers.slice = slices.slice"
        return f"(SELECT value FROM numbers WHERE {of_slice} AND name = '{name}') AS {name}"

    def _plain(self, name: str) -> str:
        """Return a file name. DamagedLedgerError if it leads out of the directory: nobody is to follow it."""
        if not isinstance(name, str) or not is_plain(name):
            raise DamagedLedgerError(f"ledger {self.path} names {name!r:.200}, which is no file of its directory")
        return name

    def _label(self, name: str) -> str:
        """Return the name of a run. DamagedLedgerError if files cannot have it."""
        if not is_label(name):
            raise DamagedLedgerError(f"ledger {self.path} calls a run {name!r:.200}, with which no file name can begin")
        return name

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """Raise DamagedLedgerError for what cannot be understood."""
        try:
            yield
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            reason = " ".join(str(error).split())  # pydantic's have several lines
            raise DamagedLedgerError(f"ledger {self.path} is damaged: {reason[:300]}") from None
