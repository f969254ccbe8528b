"""Short columns that repeat, dump after dump: kept once, so that a slice need not read them again. Pure.

Most sets have the rows of each dump in one order: antennas, windows and lengths are those of the first dump, again and
again, and TIME is one for all rows of a dump. This is checked for all rows as they are indexed: up to the first row
that differs, the pattern gives what the columns hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.source.index.row_index import Numbers

NAMES = ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "INTERVAL", "EXPOSURE")
"""Columns that may repeat; TIME is known by one row of each dump."""


@dataclass(slots=True)
class Pattern:
    """What repeats, as far as rows were seen."""

    columns: dict[str, NDArray[Any]] = field(default_factory=dict)  # those of the first dump, not to be written
    period: int = 0  # rows of a dump; 0 before any was seen
    rows: int = 0  # so many, from the first on, follow the pattern
    whole: bool = True  # whether all that were seen do

    def add(self, chunk: Mapping[str, NDArray[Any]]) -> None:
        """Add the next rows, all [row]."""
        if not self.whole:
            return
        time = chunk["TIME"]
        if not self.period:
            self.period = int(np.argmax(time != time[0])) or time.size
            self.columns = {name: _kept(chunk[name][: self.period]) for name in NAMES if name in chunk}
        place = (self.rows + np.arange(time.size)) % self.period
        self.whole = bool(((time[1:] == time[:-1]) | (place[1:] == 0)).all())
        self.whole = self.whole and all((chunk[name] == kept[place]).all() for name, kept in self.columns.items())
        if self.whole:
            self.rows += time.size

    def column(self, name: str, rows: Numbers) -> NDArray[Any] | None:
        """Return a column of these rows, not to be written; None if it is to be read."""
        kept = self.columns.get(name)
        if kept is None or not isinstance(rows, range) or rows.stop > self.rows:
            return None
        if len(rows) == self.period and rows.start % self.period == 0:
            return kept
        return np.asarray(kept[np.arange(rows.start, rows.stop) % self.period])

    def one_time(self, rows: Numbers) -> bool:
        """Return whether these rows are of one dump, whose rows have one TIME."""
        known = isinstance(rows, range) and rows.stop <= self.rows
        return known and rows[0] // self.period == rows[-1] // self.period


def _kept(values: NDArray[Any]) -> NDArray[Any]:
    kept = values.copy()
    kept.flags.writeable = False
    return kept
