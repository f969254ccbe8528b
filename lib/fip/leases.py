"""Where every slice of a run is, as the ventilator knows it. Pure: the caller says what happened and what time it is.

A slice is *todo*, *leased* to a worker, *handed on* (the worker has passed its image to the sink's socket), *stored*
or *failed*. What is leased or handed on goes back to todo when its worker is gone or no longer has it, or when the
sink does not report it in time; the sink keeps the first copy of an image and drops the others.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import islice

from fip.ranges import Ranges, added, count

GRACE = 3.0  # s for a slice to show up in its worker's state after it was sent
STORE_WITHIN = 10.0  # s for an image to show up in the sink's state after it was handed on


@dataclass(slots=True)
class Lease:
    """A slice that is out."""

    worker: str
    attempt: int
    sent: float  # monotonic s
    held: bool = False  # the worker has said that it holds it
    handed_on: float | None = None  # monotonic s


@dataclass(slots=True)
class Leases:
    """The slices 0 ... total-1 of one run; `stored` is what the sink has of it when the run begins."""

    total: int
    max_attempts: int
    stored: Ranges
    failed: dict[int, str] = field(default_factory=dict)  # index -> reasons
    leased: dict[int, Lease] = field(default_factory=dict)
    reasons: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    sent: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    _fresh: deque[int] = field(default_factory=deque)  # todo, never sent, ascending
    _again: list[int] = field(default_factory=list)  # todo once more, a heap; sent before the fresh ones

    def __post_init__(self) -> None:
        self._fresh = deque(added(((0, self.total),), self.stored))

    @property
    def done(self) -> bool:
        """Whether every slice is stored or failed."""
        return count(self.stored) + len(self.failed) >= self.total

    @property
    def cut(self) -> bool:
        """Whether nothing is left to send (it may come back)."""
        return not self._again and not self._fresh

    @property
    def oldest_unstored(self) -> int | None:
        """The earliest slice that is neither stored nor failed."""
        return min((*self._again[:1], *islice(self._fresh, 1), *self.leased), default=None)

    def upcoming(self, number: int) -> list[int]:
        """The next slices to send, at most `number`: what came back, then the earliest."""
        return (sorted(self._again) + list(islice(self._fresh, number)))[:number]

    def load(self, worker: str) -> int:
        """How many slices `worker` has that it has not handed on."""
        return sum(lease.worker == worker and lease.handed_on is None for lease in self.leased.values())

    def lease(self, index: int, worker: str, now: float) -> int:
        """Takes a slice from todo for `worker`; returns the number of this attempt, from 1."""
        self._take(index)
        self.sent[index] += 1
        self.leased[index] = Lease(worker, self.sent[index], now)
        return self.sent[index]

    def worker_says(self, worker: str, holds: set[int], handed_on: set[int], now: float) -> None:
        """A worker's state: what it holds, and what it has handed on of late."""
        for index, lease in list(self.leased.items()):
            if lease.worker != worker or lease.handed_on is not None:
                continue
            if index in handed_on:
                lease.handed_on = now
            elif index in holds:
                lease.held = True
            elif lease.held or now - lease.sent > GRACE:
                self._back_to_todo(index)

    def attempt_failed(self, index: int, attempt: int, reason: str) -> bool:
        """An attempt ended without an image; after `max_attempts` of them the slice is failed.

        Said about an attempt that is no longer out, it changes nothing and returns False: states are repeated.
        """
        lease = self.leased.get(index)
        if lease is None or lease.attempt != attempt:
            return False
        self._back_to_todo(index)
        self._blame(index, reason)
        return True

    def cannot_be_cut(self, index: int, reason: str) -> None:
        """A slice in todo could not be read."""
        self.sent[index] += 1
        self._blame(index, reason)

    def worker_gone(self, worker: str) -> int:
        """A worker is dead or has left: what it had is todo again. Returns how many slices that are."""
        lost = [index for index, lease in self.leased.items() if lease.worker == worker and lease.handed_on is None]
        for index in lost:
            self._back_to_todo(index)
        return len(lost)

    def sink_says(self, stored: Ranges) -> list[int]:
        """The sink's state: what is on disk. Returns the slices that are newly stored."""
        new = added(stored, self.stored)
        for index in new:
            if self.leased.pop(index, None) is None and self.failed.pop(index, None) is None:
                self._take(index)
        self.stored = stored
        return new

    def sink_restarted(self, now: float) -> None:
        """The sink forgot what it had not stored: what was handed on has a short while left to show up."""
        for lease in self.leased.values():
            if lease.handed_on is not None:
                lease.handed_on = min(lease.handed_on, now - STORE_WITHIN + GRACE)

    def overdue(self, now: float) -> int:
        """Takes back what was handed on and not stored in time. Returns how many slices that are."""
        late = [
            index
            for index, lease in self.leased.items()
            if lease.handed_on is not None and now - lease.handed_on > STORE_WITHIN
        ]
        for index in late:
            self._back_to_todo(index)
        return len(late)

    def _back_to_todo(self, index: int) -> None:
        del self.leased[index]
        heapq.heappush(self._again, index)

    def _take(self, index: int) -> None:
        """Takes a slice out of todo; it is near the front of one of the two queues."""
        if index in self._again:
            self._again.remove(index)
            heapq.heapify(self._again)
        else:
            self._fresh.remove(index)

    def _blame(self, index: int, reason: str) -> None:
        if reason not in self.reasons[index]:
            self.reasons[index].append(reason)
        if self.sent[index] >= self.max_attempts:
            self._take(index)
            self.failed[index] = "; ".join(self.reasons[index])
