"""Whether the files of a MeasurementSet's columns may have been written since: sizes, times and casacore's counters.

They hint at a change of values, and prove none: a copy has other times, and a column that is added counts, too.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from pathlib import Path

from fip.source.tables.subtable_reader import opened

_REQUESTS = 264  # bytes of table.lock in which those who wait for a lock leave marks; behind them are the counters


def hints(tables: Iterable[Path], columns: Set[str]) -> str:
    """Return a digest of what the files of these columns look like from outside, in tables that are read as one."""
    seen = sorted(fact for each in tables for fact in _facts(each, columns))
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _facts(part: Path, wanted: Set[str]) -> Iterator[tuple[str, int, int | str]]:
    """Yield name, bytes and time of each file, and counters, of one table; it may be one of several read as one."""
    with opened(part) as table:
        managers = [each for each in table.getdminfo().values() if not wanted.isdisjoint(each["COLUMNS"])]
    numbers = {f"table.f{each['SEQNR']}" for each in managers}
    for file in os.scandir(part):
        begin = file.name.partition("_")[0]  # table.f3, table.f3i, table.f3_TSM1, ...
        if begin.removesuffix("i") in numbers:
            stat = file.stat()
            yield file.name, stat.st_size, stat.st_mtime_ns
    with suppress(FileNotFoundError):
        content = (part / "table.lock").read_bytes()[_REQUESTS:]
        yield "table.lock", len(content), hashlib.sha256(content).hexdigest()
