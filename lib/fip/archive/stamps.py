"""What tells, at the price of a look at its files, that a ledger, or another SQLite database, has changed."""

from contextlib import suppress
from pathlib import Path

from fip.archive.file_names import LEDGER

Stamp = tuple[tuple[int, int, int], ...]
"""Of each of its files that there is: when it changed, its size, and which file it is."""


def stamp_of(directory: Path) -> Stamp:
    """What tells that a ledger has changed."""
    ledger = (directory / LEDGER).resolve()  # it may be a link, and SQLite's log is beside what it leads to
    return stamp_of_database(ledger)


def stamp_of_database(path: Path) -> Stamp:
    """The same of a database at a path; () if there is none."""
    found = []
    for each in (path, path.with_name(f"{path.name}-wal")):
        with suppress(OSError):
            status = each.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
