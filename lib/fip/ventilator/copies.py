"""The copies of slices that workers have, or that are on their way to them. Pure.

A slice may be with several workers: it was sent a second time as it took long, or was taken for lost and is there
after all, or was sent by the ventilator before this one. Each copy is an attempt of its own and ends once: its image is
handed on, it fails, its worker no longer has it, or is gone. So what a worker says of a copy counts once, whichever
copy of its slice was sent last, and says nothing of the others.
"""

from collections import defaultdict
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from fip.ventilator.loads import Loads

One = TypeVar("One")
Other = TypeVar("Other")


@dataclass(slots=True)
class Copy:
    """An attempt at a slice that is out."""

    worker: str
    index: int  # of the slice
    attempt: int
    sent: float  # monotonic s
    size: int = 0  # bytes; 0 if another ventilator sent it
    held: bool = False  # the worker has said that it holds it
    lost: bool = False  # the worker has not said so in time; it may come yet
    handed_on: float | None = None  # monotonic s
    late_after: float = inf  # monotonic s: an image that was handed on and is not stored by then is taken to be lost


class Copies:
    """All copies of the slices of one run that are neither stored nor failed."""

    def __init__(self, loads: Loads) -> None:
        """`loads` counts what workers have."""
        self._loads = loads
        self.nbytes = 0
        """Of the slices that workers have, or that are on their way to them."""
        self._at = defaultdict[str, dict[tuple[int, int], Copy]](dict)  # worker -> (index, attempt)
        self._of = defaultdict[int, dict[tuple[str, int], Copy]](dict)  # index -> (worker, attempt)
        self._settled = defaultdict[int, set[tuple[str, int]]](set)  # index -> (worker, attempt) that failed

    def find(self, worker: str, index: int, attempt: int) -> Copy | None:
        """Return a copy that has not ended; None if there is none."""
        return self._at[worker].get((index, attempt)) if worker in self._at else None

    def at(self, worker: str) -> list[Copy]:
        """Return the copies of a worker, also those that may come yet."""
        return list(self._at[worker].values()) if worker in self._at else []

    def out(self, index: int) -> list[Copy]:
        """Return the copies of a slice that workers have, or that are on their way to them."""
        return [copy for copy in self._of[index].values() if not copy.lost] if index in self._of else []

    def may_be(self, worker: str, index: int, attempt: int) -> bool:
        """Return whether what a worker says of such a copy may be: not if it has said that it failed."""
        return index not in self._settled or (worker, attempt) not in self._settled[index]

    def add(self, copy: Copy) -> None:
        """Add a copy that is sent, or that a worker says it holds."""
        self._at[copy.worker][copy.index, copy.attempt] = copy
        self._of[copy.index][copy.worker, copy.attempt] = copy
        self._count(copy, 1)

    def lose(self, copy: Copy) -> None:
        """Stop waiting for a copy that has not shown up in time; if it comes all the same, it counts."""
        self._count(copy, -1)
        copy.lost = True

    def hold(self, copy: Copy) -> None:
        """Note that its worker says that it holds the copy."""
        copy.held = True
        if copy.lost:
            copy.lost = False
            self._count(copy, 1)

    def end(self, copy: Copy, failed: bool = False) -> None:
        """End a copy; one that `failed` has ended for good, whatever is said of it again."""
        if not copy.lost:
            self._count(copy, -1)
        _take_out(self._at, copy.worker, (copy.index, copy.attempt))
        _take_out(self._of, copy.index, (copy.worker, copy.attempt))
        if failed:
            self._settled[copy.index].add((copy.worker, copy.attempt))

    def end_slice(self, index: int) -> None:
        """End all copies of a slice: they are not needed any more, as it is stored, or failed."""
        for copy in list(self._of[index].values()) if index in self._of else ():
            self.end(copy)
        self._settled.pop(index, None)

    def end_worker(self, worker: str) -> list[Copy]:
        """End the copies of a worker that is gone; return those that were out."""
        had = self.at(worker)
        for copy in had:
            self.end(copy)
        return [copy for copy in had if not copy.lost]

    def end_all(self) -> None:
        """End all copies: the run is over."""
        for index in list(self._of):
            self.end_slice(index)

    def _count(self, copy: Copy, number: int) -> None:
        self.nbytes += number * copy.size
        self._loads.add(copy.worker, number)


def _take_out(known: dict[One, dict[Other, Copy]], one: One, other: Other) -> None:
    del known[one][other]
    if not known[one]:
        del known[one]
