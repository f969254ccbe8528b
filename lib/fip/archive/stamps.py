"""What tells, at the price of a look at its files, that a ledger has changed."""

from contextlib import suppress
from pathlib import Path

from fip.archive.file_names import LEDGER

Stamp = tuple[tuple[int, int], ...]
"""When a ledger's files changed, and their sizes."""


def stamp_of(directory: Path) -> Stamp:
    """What tells that a ledger has changed."""
    found = []
    ledger = (directory / LEDGER).resolve()  # it may be a link, and SQLite's log is beside what it leads to
    for path in (ledger, ledger.with_name(f"{ledger.name}-wal")):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)
