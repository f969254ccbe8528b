"""MeasurementSets that grow as a writer lets them: rows of a whole set, and of its fields, that come bit by bit."""

import shutil
from pathlib import Path

import numpy as np
from casacore import tables


class Filling:
    """A copy of a whole set that has its first rows only, and rows of FIELD only as these need them."""

    def __init__(self, whole: Path, path: Path, integrations: int) -> None:
        self._whole, self.path = whole, path
        with tables.table(str(whole), ack=False) as main:
            self._times = main.getcol("TIME")
            self._fields = main.getcol("FIELD_ID")
        shutil.copytree(whole, path)
        rows = self._rows(integrations)
        for table, first in ((path, rows), (path / "FIELD", self._named(rows))):
            with tables.table(str(table), readonly=False, ack=False) as cut:
                cut.removerows(list(range(first, cut.nrows())))

    def more(self, integrations: int) -> None:
        """Have so many integrations now."""
        rows = self._rows(integrations)
        for name, last in (("FIELD", self._named(rows)), ("", rows)):
            with (
                tables.table(str(self._whole / name), ack=False) as source,
                tables.table(str(self.path / name), readonly=False, ack=False) as out,
            ):
                first = out.nrows()
                if last > first:
                    source.copyrows(out, first, first, last - first)

    def _rows(self, integrations: int) -> int:
        times = np.unique(self._times)
        return int(np.count_nonzero(self._times <= times[integrations - 1]))

    def _named(self, rows: int) -> int:
        return int(self._fields[:rows].max()) + 1
