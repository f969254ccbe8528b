"""A monotonic clock that a test sets."""

from dataclasses import dataclass

from fip.archive.clock import Clock


@dataclass
class SetClock:
    """What the clock of one boot shows; the test moves it."""

    seconds: float = 1000.0
    boot: str = "first"

    @property
    def clock(self) -> Clock:
        """Return the clock, to be read."""
        return Clock(self.boot, lambda: self.seconds)
