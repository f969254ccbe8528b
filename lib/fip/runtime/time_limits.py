"""How long a worker may be on one slice before it is taken to hang: follows from how long slices took before. Pure."""

from collections import deque
from collections.abc import Iterable
from statistics import quantiles

IMAGE_WITHIN = 30.0  # s, at the least, before a worker that is on one slice is taken to hang
FIRST_IMAGE_WITHIN = 300.0  # s, for the first slice of a worker, which may plan or compile
LATE = 5.0  # times the 99th percentile of what was seen is late
SEEN = 200  # durations of which the percentiles are taken


def image_within(seen: Iterable[float]) -> float:
    """Seconds on one slice after which a worker is taken to hang, from how long others took."""
    return max(IMAGE_WITHIN, LATE * _percentile(deque(seen)))


class Durations:
    """The last `SEEN` durations."""

    def __init__(self) -> None:
        self.seen: deque[float] = deque(maxlen=SEEN)
        self._percentile = 0.0
        self._new = 0  # durations that came since it was taken

    def add(self, seconds: float) -> None:
        """One more duration."""
        self.seen.append(seconds)
        self._new += 1

    @property
    def percentile(self) -> float:
        """The 99th percentile, taken again where a tenth of them is new: it is asked for with every slice."""
        if 10 * self._new >= len(self.seen):
            self._percentile, self._new = _percentile(self.seen), 0
        return self._percentile


def _percentile(durations: deque[float]) -> float:
    """The 99th percentile of what was seen; 0 where that is too little."""
    return quantiles(durations, n=100)[-1] if len(durations) >= 10 else 0.0
