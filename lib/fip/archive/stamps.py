"""What tells, at the price of a look at its files, that a ledger has changed."""

from contextlib import suppress
from pathlib import Path

from fip.archive.file_names import LEDGER

Stamp = tuple[tuple[int, int], ...]
"""When a ledger's files changed, and their sizes."""


def stamp_of(directory: Path) -> Stamp:
    """What tells that a ledger has changed."""
    found = []
    for name in (LEDGER, f"{LEDGER}-wal"):
        with suppress(OSError):
            status = (directory / name).stat()
            found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)
