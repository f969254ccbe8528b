"""Time as a ledger counts it: seconds that no step of UTC changes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _boot() -> str:
    """Which boot this is; where that cannot be known, one of its own: then nothing is compared with an earlier one."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:  # a /proc of processes alone, as of ProcSubset=pid
        return uuid4().hex


@dataclass(frozen=True)
class Clock:
    """The monotonic clock of a host, which all its processes share from one boot to the next."""

    boot: str = field(default_factory=_boot)
    """Which boot: readings of two boots cannot be compared."""

    seconds: Callable[[], float] = time.monotonic
    """Reads it, in seconds since the boot."""
