"""How much of something may happen: some of it at once, and then so much a second. Pure; the caller says the time."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)
MOST_KNOWN = 4096  # whose use is remembered


@dataclass
class Allowance:
    """What is left of an allowance of `burst`, which comes back at `rate` a second."""

    burst: float
    rate: float
    _left: float | None = None
    _at: float = 0.0  # monotonic s, of `_left`

    def left(self, now: float) -> float:
        """Return what may still be used; below 0 if more was used than there was, by at most as much again."""
        if self._left is None:
            return self.burst
        return min(self.burst, self._left + self.rate * (now - self._at))

    def use(self, amount: float, now: float) -> float:
        """Use so much of it; return what is left."""
        self._left, self._at = max(-self.burst, self.left(now) - amount), now
        return self._left

    def until(self, amount: float, now: float) -> float:
        """Return seconds until so much is left."""
        return max(0.0, (amount - self.left(now)) / self.rate)


class Allowances(Generic[Who]):
    """An allowance for each of many; the last few thousand that used some are known."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst, self._rate = burst, rate
        self._known: OrderedDict[Who, Allowance] = OrderedDict()

    def left(self, who: Who, now: float) -> float:
        """Return what somebody may still use."""
        known = self._known.get(who)
        return known.left(now) if known else self._burst

    def use(self, who: Who, amount: float, now: float) -> float:
        """Let somebody use so much; return what is left to them."""
        known = self._known.pop(who, None) or Allowance(self._burst, self._rate)
        self._known[who] = known
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return known.use(amount, now)

    def forget(self, who: Who) -> None:
        """Forget the allowance of one that has gone."""
        self._known.pop(who, None)
