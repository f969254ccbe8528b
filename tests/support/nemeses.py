"""What happens to a pipeline beside kills: ledgers that others hold, clocks that step, a disk that is full."""

import random
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from fip.archive.file_names import LEDGER
from support.small_disk import Disk


class Nemesis(Protocol):
    """Something that begins and ends."""

    def begin(self) -> None:
        """Begin: it disturbs from now on."""

    def end(self) -> None:
        """End: it disturbs no more."""


class LedgerHeld:
    """Somebody has the ledger locked, for writing, or reads it slowly."""

    def __init__(self, directory: Path, statement: str) -> None:
        self._place, self._statement = directory / LEDGER, statement
        self._held: sqlite3.Connection | None = None
        self._cursor: sqlite3.Cursor | None = None

    @classmethod
    def written(cls, directory: Path) -> "LedgerHeld":
        """Hold the ledger as a writer, which lets nobody else write."""
        return cls(directory, "BEGIN IMMEDIATE")

    @classmethod
    def read(cls, directory: Path) -> "LedgerHeld":
        """Hold the ledger as a reader in the midst of a query."""
        return cls(directory, "SELECT * FROM slices")

    def begin(self) -> None:
        """Take it, unless the sink has it just now."""
        self._held = sqlite3.connect(self._place, isolation_level=None, timeout=0.2)
        with suppress(sqlite3.OperationalError):
            self._cursor = self._held.execute(self._statement)
            self._cursor.fetchone()

    def end(self) -> None:
        """Let go of the ledger."""
        if self._held:
            if self._cursor:
                self._cursor.close()  # a connection whose query is open reads on when it is closed
            self._cursor = None
            self._held.close()


class ClockStepped:
    """The wall clock of all daemons is wrong by minutes or hours; see `support.stepped_clock`."""

    def __init__(self, said: Path, chance: random.Random) -> None:
        self._said, self._chance = said, chance
        said.write_text("0")

    def begin(self) -> None:
        """Make the clock step once."""
        self._said.write_text(f"{self._chance.choice((-1, 1)) * self._chance.choice((2.0, 600.0, 86400.0))}")

    def end(self) -> None:
        """Make the clock step back."""
        self._said.write_text("0")

    @property
    def launcher(self) -> list[str]:
        """What is put before the command line of a daemon that has this clock."""
        return ["env", f"PYTHONPATH={Path(__file__).with_name('stepped_clock')}", f"FIP_TEST_CLOCK={self._said}"]


class DiskFull:
    """The disk of images and queue has no room."""

    def __init__(self, disk: Disk, size: str) -> None:
        self._disk, self._size = disk, size

    def begin(self) -> None:
        """Fill the disk: no room is left."""
        self._disk.fill()

    def end(self) -> None:
        """Make room on the disk again."""
        self._disk.resize(self._size)
