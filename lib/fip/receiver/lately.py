"""What was counted and said recently: how much counters have risen within a minute, and which sentences are new."""

import re
from collections import deque
from collections.abc import Iterable, Mapping

MINUTE = 60.0  # s
EVERY = 1.0  # s from one remembered count to the next
_NUMBER = re.compile("[0-9.]+")


class Lately:
    """Remembers what counters were, a minute back."""

    def __init__(self, now: float, counts: Mapping[str, int]) -> None:
        """`now` is the time in monotonic s."""
        self._past = deque([(now, dict(counts))])

    def rise(self, now: float, counts: Mapping[str, int]) -> dict[str, int]:
        """Return how much each counter rose within the last minute."""
        if now - self._past[-1][0] >= EVERY:
            self._past.append((now, dict(counts)))
        while len(self._past) > 1 and self._past[1][0] <= now - MINUTE:
            self._past.popleft()
        before = self._past[0][1]
        return {name: count - before.get(name, 0) for name, count in counts.items()}


class Said:
    """Sentences that were said within a minute; those that differ by a number alone are one."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def anew(self, now: float, sentences: Iterable[str]) -> list[str]:
        """Return the sentences to say now; `now` is the time in monotonic s."""
        self._said = {kind: at for kind, at in self._said.items() if now - at < MINUTE}
        new = []
        for each in sentences:
            kind = _NUMBER.sub("", each)
            if kind not in self._said:
                self._said[kind] = now
                new.append(each)
        return new
