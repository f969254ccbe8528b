"""A store of the smallest images, and what another process sees of it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from fip.archive.file_names import LEDGER
from fip.data.quantities import Retention
from fip.data.settings import Asked
from fip.data.values import FitsFile, ImageFile
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from support.made_values import SMALLEST, make_image
from support.set_clock import SetClock

PLAN = RunPlan("run", "a", 100, "/a.ms", Asked(), "")
TWO = Retention(size=2 * len(SMALLEST))
HOUR = Retention(seconds=3600.0)


def image(index: int) -> ImageFile:
    """Return one of the smallest images."""
    return replace(make_image(FitsFile("dirty", SMALLEST)), index=index, integration=index, label="")


def opened(directory: Path, keep: Retention = Retention(), hands: SetClock | None = None) -> Store:  # noqa: B008
    """A store with the run open."""
    store = Store(directory, keep, clock=hands.clock if hands else None)
    assert store.open_run(PLAN) == ""
    return store


def seen_by_another(directory: Path) -> dict[int, str]:
    """The state of each slice, as a second connection sees it."""
    with closing(sqlite3.connect(f"file:{directory / LEDGER}?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT slice, state FROM slices"))


def kept(directory: Path) -> list[int]:
    """The images that are still there, by their numbers."""
    return sorted(int(path.name[3:9]) for path in directory.glob("a-t*-dirty.fits"))


@contextmanager
def busy(directory: Path) -> Iterator[sqlite3.Connection]:
    """Another process writes the ledger, and does not end."""
    with closing(sqlite3.connect(directory / LEDGER, isolation_level=None, timeout=30)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield database
