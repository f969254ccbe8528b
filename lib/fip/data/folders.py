"""Names in folders, put on disk so that they survive a loss of power."""

import os
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a directory and those above it that are missing; each is on disk when this returns. OSError."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync_folder(each.parent)


def sync_folder(path: Path) -> None:
    """Put the names in a directory on disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
