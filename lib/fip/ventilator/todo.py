"""The slices of a run that are to be sent, in their order: what comes back first, then the earliest. Pure."""

from bisect import bisect_left, insort
from collections import deque
from itertools import islice

from fip.data.ranges import Ranges, added, contains, joined, of


class Todo:
    """Slices that are with nobody. Those of the backlog are sent if no others wait."""

    def __init__(self, backlog: Ranges) -> None:
        self.backlog = backlog
        self._fresh: deque[int] = deque()  # never sent, ascending, without the backlog
        self._aside: deque[int] = deque()  # the same of the backlog
        self._again: list[int] = []  # to be sent once more, ascending, without the backlog
        self._aside_again: list[int] = []  # the same of the backlog

    def add(self, begin: int, end: int, stored: Ranges) -> None:
        """Add slices that nobody has had, without those that are stored; they come after those that are known."""
        for index in added(((begin, end),), stored):
            (self._aside if contains(self.backlog, index) else self._fresh).append(index)

    def add_again(self, index: int) -> None:
        """Add a slice that has come back."""
        insort(self._aside_again if contains(self.backlog, index) else self._again, index)

    def take(self, index: int) -> None:
        """Take a slice out; it is near the front of its queue."""
        aside = contains(self.backlog, index)
        again = self._aside_again if aside else self._again
        place = bisect_left(again, index)
        if place < len(again) and again[place] == index:
            del again[place]
        else:
            (self._aside if aside else self._fresh).remove(index)

    def __bool__(self) -> bool:
        return bool(self._again or self._aside_again or self._fresh or self._aside)

    def next(self, number: int) -> list[int]:
        """Return the next slices, at most `number`, without the backlog."""
        again = self._again[:number]
        return again + list(islice(self._fresh, number - len(again)))

    def next_of_backlog(self, number: int) -> list[int]:
        """Return the next slices of the backlog, at most `number`."""
        again = self._aside_again[:number]
        return again + list(islice(self._aside, number - len(again)))

    @property
    def untried(self) -> bool:
        """Return whether slices of the backlog wait that were never sent."""
        return bool(self._aside)

    @property
    def oldest(self) -> int | None:
        """Return the earliest slice, without the backlog."""
        return min((*self._again[:1], *islice(self._fresh, 1)), default=None)

    @property
    def oldest_of_all(self) -> int | None:
        """Return the earliest slice, of the backlog or not."""
        firsts = (*self._again[:1], *self._aside_again[:1], *islice(self._fresh, 1), *islice(self._aside, 1))
        return min(firsts, default=None)

    def set_aside(self, before: int) -> bool:
        """Make the slices below `before` that were never sent part of the backlog; return whether there are any.

        The backlog grows at its end alone: who follows it has taken what is before. So a slice below its end, which was
        out when the last ventilator ended, is imaged with the others.
        """
        end = self.backlog[-1][1] if self.backlog else 0
        new = [index for index in self._fresh if end <= index < before]
        if new:
            self._fresh = deque(index for index in self._fresh if not end <= index < before)
            self._aside.extend(new)
            self.backlog = joined((*self.backlog, *of(new)))
        return bool(new)
