"""When slices are due: as fast as they can be imaged, or at the cadence of the data. Pure."""

from bisect import bisect_right
from dataclasses import dataclass

MINIMUM_DEADLINE = 1.0  # s
LONGEST = 1e12  # s that is reported: times of data may be anything


@dataclass(slots=True)
class Pace:
    """Replays a run at `rate` times real time; rate 0 is as fast as possible, without due times or deadlines.

    A slice is due at the time of its integration, on a clock that `start` sets. Its deadline is two intervals
    later, or one second if that is longer. An image that is stored after its deadline is counted as missed.
    """

    rate: float
    times: list[float]  # s UTC, of each slice of the run that is known of
    missed: int = 0
    _origin: float | None = None  # monotonic s at which data time 0 would have been

    def start(self, index: int, now: float) -> None:
        """Make the first slice to be sent due now; later calls change nothing."""
        if self._origin is None and self.rate:
            self._origin = now - self.times[index] / self.rate

    def change(self, rate: float, now: float) -> None:
        """Continue at another rate from the present place."""
        if self._origin is not None and rate != self.rate:
            reached = (now - self._origin) * self.rate
            self._origin = now - reached / rate if rate else None
        self.rate = rate

    @classmethod
    def of_arrivals(cls, times: list[float]) -> "Pace":
        """Return a pace for data that are being written: `times` are when slices came and are due, monotonic s."""
        return cls(1.0, times, _origin=0.0)

    def due(self, index: int) -> float | None:
        """Return monotonic time at which the slice is due; None without a pace."""
        if self._origin is None or index >= len(self.times):  # of a slice that is stored, and not known here yet
            return None
        return self._origin + self.times[index] / self.rate

    def arrived(self, now: float) -> int:
        """Return how many slices are due; 0 without a pace."""
        return 0 if self._origin is None else bisect_right(self.times, (now - self._origin) * self.rate)

    def lag(self, oldest_unstored: int | None, now: float) -> float | None:
        """Return the seconds since the oldest unstored slice was due, 0 if it is not due yet; None without a pace."""
        due = None if oldest_unstored is None else self.due(oldest_unstored)
        if self._origin is None:
            return None
        return 0.0 if due is None else min(max(0.0, now - due), LONGEST)

    def deadline(self, index: int | None) -> float | None:
        """Return seconds after it is due at which the slice is late; None without a pace."""
        if index is None or self.due(index) is None:
            return None
        later = min(max(index, 1), len(self.times) - 1)  # the first slice has the interval of the second
        interval = self.times[later] - self.times[max(0, later - 1)]
        return min(max(MINIMUM_DEADLINE, 2 * interval / self.rate), LONGEST)

    def stored(self, index: int, now: float) -> None:
        """Count the slice as missed if it is stored after its deadline."""
        due, within = self.due(index), self.deadline(index)
        if due is not None and within is not None and now > due + within:
            self.missed += 1
