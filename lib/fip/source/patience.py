"""How long to wait for a process that reads: as long as it computes or reads, and not much longer.

A dead network disk, or a process that is stopped, gives neither an answer nor an error.
"""

import time
from contextlib import suppress
from math import inf
from pathlib import Path

import psutil

READ_WITHIN = 60.0  # s without computing or reading a byte, after which a process that reads is given up
TELL_AFTER = 5.0  # s of it after which that is reported, or half of the time that is waited if that is less
LONGEST = 60  # times as long: the most that a call may take at all
LOOKS_APART = 0.5  # s: what a process has done is not looked up for each of many short calls


class Patience:
    """Watches one process that was asked for something."""

    def __init__(self, pid: int, within: float = READ_WITHIN) -> None:
        self._pid, self._within = pid, within
        self._work, self._looked = (0.0, 0), -inf
        self.again()

    def again(self) -> None:
        """Take note that it begins something new; what it did in the last half a second may be counted to that."""
        self._begun = self._moved = now = time.monotonic()
        if now - self._looked >= LOOKS_APART:
            self._work, self._looked = _work(self._pid), now
        self.told = False

    @property
    def taken(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._begun

    @property
    def quiet(self) -> float:
        """Return the seconds for which it has neither computed nor read; to be asked for now and then."""
        work = _work(self._pid)
        self._looked = time.monotonic()
        if work != self._work:
            self._work, self._moved = work, self._looked
        return time.monotonic() - self._moved

    @property
    def waits(self) -> bool:
        """Return whether it is quiet for so long that somebody should know."""
        return self.quiet >= min(TELL_AFTER, self._within / 2)

    @property
    def over(self) -> bool:
        """Return whether it is to be given up."""
        return self.quiet >= self._within or self.taken >= LONGEST * self._within


def said(path: Path, taken: float) -> str:
    """Say what is waited for, and since when."""
    since = time.strftime("%H:%M:%S", time.gmtime(time.time() - taken))
    return f"reading {path} stands still, begun at {since} UTC, {taken:.0f} s ago: is its disk there?"


def _work(pid: int) -> tuple[float, int]:
    """Return CPU seconds and bytes read of a process, so far; 0 for what is not known."""
    seconds, read = 0.0, 0
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        times = process.cpu_times()
        seconds = times.user + times.system
        read = process.io_counters().read_chars
    return seconds, read
