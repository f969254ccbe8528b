"""Members that are read as one recording: their rows one after the other, in the order of the manifest.

Members are opened when their rows are asked for, and few of them are open at a time.
"""

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.joined.grouping import parts_of_series
from fip.source.joined.manifest import Manifest, Part
from fip.source.joined.rows import JoinedRows, Piece
from fip.source.recording import Recording
from fip.source.tables.subtables import Antennas, Field, Window
from fip.source.untold import Untold

KEPT_OPEN, MOST_OPEN = 16, 64
"""How many members stay open: at least the first number, and up to the second if a group has more.

So a slice opens each member once. Each has some ten files open.
"""

Opener: TypeAlias = Callable[[Path], Recording]


class Joined(Untold):
    """A recording of members, as a manifest has them. Used from the thread that made it.

    One that is `growing` has more rows as soon as its manifest has more groups.
    """

    def __init__(self, path: Path, manifest: Manifest, open_member: Opener, growing: bool = False) -> None:
        """`open_member` opens the recording at a path. The manifest has antennas, and a group at the least."""
        self.path, self.growing, self.manifest = path, growing, manifest
        self._open_member = open_member
        self._open: OrderedDict[Path, Recording] = OrderedDict()
        self._parts: list[Part] = []
        self._starts: list[int] = []  # [part] its first row
        self._rows = 0
        self._groups = 0  # groups whose parts are known here
        self._expected, self._kept = 0, KEPT_OPEN
        self.take_groups()

    def take_groups(self) -> None:
        """Take the groups that the manifest has now."""
        for group in self.manifest.groups[self._groups :]:
            for part in group.parts:
                self._parts.append(part)
                self._starts.append(self._rows)
                self._rows += part.rows
            self._kept = max(self._kept, min(len(group.parts), MOST_OPEN))
            if sum(len(part.windows) for part in group.parts) > self._expected or group.missing:
                found = parts_of_series(group)
                missing = round(found * group.missing / len(group.parts))  # its windows, if parts are like each other
                self._expected = max(self._expected, found + missing)
        self._groups = len(self.manifest.groups)

    def __len__(self) -> int:
        return self._rows

    def rows(self, numbers: range | NDArray[np.int64]) -> JoinedRows:
        """Return rows by number, ascending, at least one."""
        if not isinstance(numbers, range) and numbers[-1] - numbers[0] + 1 == len(numbers):
            numbers = range(int(numbers[0]), int(numbers[-1]) + 1)
        pieces: list[Piece] = []
        place, done = bisect_right(self._starts, int(numbers[0])) - 1, 0
        while done < len(numbers):
            start, part = self._starts[place], self._parts[place]
            own = _within(numbers, done, start, start + part.rows)
            if len(own):
                pieces.append(Piece(self, part, own, done))
            place, done = place + 1, done + len(own)
        return JoinedRows(self, numbers, pieces)

    def began(self, row: int) -> float:
        """Return when the member that has a row begins, s UTC, as the manifest says: it may have been removed."""
        return self._parts[bisect_right(self._starts, row) - 1].begin

    def member(self, part: Part) -> Recording:
        """Return an open member. InputError if it is gone, or is another one than when it was looked into."""
        path = self.path / part.path
        found = self._open.get(path)
        if found is None:
            while len(self._open) >= self._kept:
                self._open.popitem(last=False)[1].close()
            found = self._open_member(path)
            rows = len(found)
            if rows != part.rows:
                found.close()
                raise InputError(f"{path}: has {rows} rows, and had {part.rows} when it was looked into")
            self._open[path] = found
        self._open.move_to_end(path)
        return found

    def close(self) -> None:
        """Close all members that are open."""
        while self._open:
            self._open.popitem()[1].close()

    @property
    def _told_by(self) -> list[Part]:
        """Return the members that decide which columns there are: all, or if more come, those of the first group."""
        return list(self.manifest.groups[0].parts) if self.growing else self._parts

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that at least one member has."""
        return tuple(dict.fromkeys(name for part in self._told_by for name in self.member(part).columns))

    def complex_columns(self) -> tuple[str, ...]:
        """Return the names of the columns that hold visibilities in all members."""
        first, *others = (self.member(part).complex_columns() for part in self._told_by)
        return tuple(name for name in first if all(name in other for other in others))

    @property
    def beam_columns(self) -> tuple[str, ...]:
        """Return FEED1 and FEED2; those of a member without them are 0."""
        return ("FEED1", "FEED2")

    @property
    def time_scale(self) -> str:
        """Return the time scale of the first member; UTC if it is gone."""
        with suppress(InputError):
            return self.member(self._parts[0]).time_scale
        return "UTC"

    @property
    def antennas(self) -> Antennas:
        """Return the antennas of the first member."""
        if self.manifest.antennas is None:
            raise InputError(f"{self.path}: nothing is known of its antennas")
        return self.manifest.antennas

    def window(self, number: int) -> Window:
        """Return what DATA_DESC_ID `number` stands for."""
        self._check(number, len(self.manifest.windows), "data description")
        return self.manifest.windows[number]

    def field(self, number: int) -> Field:
        """Return a field with its phase centre."""
        self._check(number, len(self.manifest.fields), "field")
        return self.manifest.fields[number]

    def _check(self, number: int, known: int, what: str) -> None:
        if not 0 <= number < known:
            raise InputError(f"{self.path}: {what} {number} is used, and its members have {known}")

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the names of these fields by number; of all fields if more may be used later."""
        used = range(len(self.manifest.fields)) if self.growing else numbers
        return {number: self.field(number).name for number in used}

    def observation(self, number: int) -> dict[str, str]:
        """Return TELESCOPE_NAME, OBSERVER and PROJECT of the first member."""
        keys = ("TELESCOPE_NAME", "OBSERVER", "PROJECT")
        return {key: self.manifest.observation.get(key, "") for key in keys}

    def hints(self, columns: Sequence[str]) -> str:
        """Return a digest of the members' digests; "" if it grows: its members are not all looked at again."""
        if self.growing:
            return ""
        told = [self.member(part).hints(columns) for part in self._parts]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16] if all(told) else ""

    def refresh(self) -> None:
        """Take the groups that the manifest has now."""
        self.take_groups()

    def complete_rows(self) -> int | None:
        """Return the number of all rows: a group is whole before it is in the manifest."""
        return self._rows

    def parts_expected(self) -> int | None:
        """Return how many windows a series has had in one group, at the most, with those of parts known to lack."""
        return self._expected or None

    def windows_expected(self) -> tuple[int, ...]:
        """Return all windows that the manifest has if more groups come: the first group may lack some."""
        return tuple(range(len(self.manifest.windows))) if self.growing else ()


def _within(numbers: range | NDArray[np.int64], done: int, start: int, end: int) -> range | NDArray[np.int64]:
    """Return, of the rows from `done` on, those of a member, as numbered there; it has rows `start` up to `end`."""
    if isinstance(numbers, range):
        return range(numbers[done] - start, min(numbers.stop, end) - start)
    return numbers[done : int(np.searchsorted(numbers, end))] - start
