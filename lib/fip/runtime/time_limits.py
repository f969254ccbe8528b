"""How long a worker may be on one slice before it is taken to hang: follows from how long slices took before. Pure."""

from collections import deque
from collections.abc import Iterable
from statistics import quantiles

IMAGE_WITHIN = 30.0  # s, at the least, before a worker that is on one slice is taken to hang
FIRST_IMAGE_WITHIN = 300.0  # s, for the first slice of a worker, which may plan or compile
LATE = 5.0  # times the 99th percentile of what was seen is late
SEEN = 200  # durations that the percentiles are taken from


def image_within(seen: Iterable[float]) -> float:
    """Return seconds on one slice after which a worker is taken to hang, from how long others took."""
    return max(IMAGE_WITHIN, LATE * _percentile(deque(seen)))


class Durations:
    """The last `SEEN` durations, and their percentile."""

    def __init__(self) -> None:
        self.seen: deque[float] = deque(maxlen=SEEN)
        self._percentile = 0.0
        self._new = 0  # durations that came since it was taken

    def add(self, seconds: float) -> None:
        """Add one more duration, in s."""
        self.seen.append(seconds)
        self._new += 1

    @property
    def percentile(self) -> float:
        """Return the 99th percentile. Every slice needs it, so it is taken again only if a tenth of them is new."""
        if 10 * self._new >= len(self.seen):
            self._percentile, self._new = _percentile(self.seen), 0
        return self._percentile


def _percentile(durations: deque[float]) -> float:
    """Return the 99th percentile of the durations; 0 if they are too few."""
    return quantiles(durations, n=100)[-1] if len(durations) >= 10 else 0.0
