"""Time as a ledger counts it: seconds that no step of UTC changes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from fip.archive.ledger_file import LedgerFile

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _boot() -> str:
    """Return the id of this boot. If it is unknown, return a new id, so nothing is compared with earlier counts."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:  # a /proc of processes alone, as of ProcSubset=pid
        return uuid4().hex


@dataclass(frozen=True)
class Clock:
    """The monotonic clock of a host. All its processes share it from one boot to the next."""

    boot: str = field(default_factory=_boot)
    """Which boot: readings of two boots cannot be compared."""

    seconds: Callable[[], float] = time.monotonic
    """Reads it, in seconds since the boot."""


class CountedTime:
    """A ledger's own count of seconds: never back, and with no jumps but those that were slept through.

    Within one boot it goes on, whoever has the ledger open. From another boot or host it counts no time that nobody has
    seen go by: what UTC says about that time may be anything.
    """

    def __init__(self, file: LedgerFile, clock: Clock) -> None:
        """Go on with the count in a ledger's file. Raises NoRoomError and DamagedLedgerError."""
        self._clock = clock
        row = next(file.rows("SELECT boot, ahead FROM clock"), None)
        if row and row[0] == clock.boot:
            self._ahead = float(row[1])
            return
        self._ahead = float(file.value("SELECT COALESCE(MAX(counted), 0) FROM slices")) - clock.seconds()
        with file.transaction():
            file.write("DELETE FROM clock")
            file.write("INSERT INTO clock VALUES (?, ?)", (clock.boot, self._ahead))

    @property
    def now(self) -> float:
        """Return the seconds counted so far."""
        return self._clock.seconds() + self._ahead
