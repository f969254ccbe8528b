"""What was counted of late: how much counters that only rise have risen within a minute."""

from collections import deque
from collections.abc import Mapping

MINUTE = 60.0  # s
EVERY = 1.0  # s from one remembered count to the next


class Lately:
    """Remembers what counters were, a minute back."""

    def __init__(self, now: float, counts: Mapping[str, int]) -> None:
        """`now`: monotonic s."""
        self._past = deque([(now, dict(counts))])

    def rise(self, now: float, counts: Mapping[str, int]) -> dict[str, int]:
        """By how much each rose within the last minute."""
        if now - self._past[-1][0] >= EVERY:
            self._past.append((now, dict(counts)))
        while len(self._past) > 1 and self._past[1][0] <= now - MINUTE:
            self._past.popleft()
        before = self._past[0][1]
        return {name: count - before.get(name, 0) for name, count in counts.items()}
