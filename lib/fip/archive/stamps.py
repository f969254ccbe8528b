"""Stamps: they show, by a look at its files alone, that a ledger, or another SQLite database, has changed."""

from contextlib import suppress
from pathlib import Path

from fip.archive.file_names import LEDGER

Stamp = tuple[tuple[int, int, int], ...]
"""For each of its files that exists: when it changed, its size, and which file it is."""


def stamp_of(directory: Path) -> Stamp:
    """Return a stamp that changes when a ledger changes."""
    ledger = (directory / LEDGER).resolve()  # it may be a link, and SQLite's log is beside what it leads to
    return stamp_of_database(ledger)


def stamp_of_database(path: Path) -> Stamp:
    """Return the stamp of a database at a path; () if there is none."""
    found = []
    for each in (path, path.with_name(f"{path.name}-wal")):
        with suppress(OSError):
            status = each.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
