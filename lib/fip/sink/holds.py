"""Which of the images that are due to expire are kept longer, as a follower has not seen them yet.

Each is held for at most the time that its follower was given, and none while the disk is nearly full.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from fip.archive.entries import Aged
from fip.data.names import RunId
from fip.data.ranges import Ranges, contains
from fip.wire.messages import Followed

FREE_AT_LEAST = 0.05
"""Share of the disk; if less is free, nothing is held."""


class Holds:
    """What followers have not seen of the images in one directory."""

    def __init__(
        self,
        bounds: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
        backlog: Callable[[RunId], Ranges] = lambda run: (),
    ) -> None:
        """`bounds`: for how long, in s, images are held for each follower, by name; for others none are.

        `backlog` says which slices of a run are a series of their own.
        """
        self._bounds, self._clock, self._backlog = bounds, clock, backlog
        self._followed: dict[tuple[str, RunId], Followed] = {}
        self._due: dict[tuple[RunId, int], float] = {}  # since when images are due that are held

    def hear(self, followed: Iterable[Followed]) -> list[Followed]:
        """Take how far followers are; return what of it is new."""
        new = [each for each in followed if self._followed.get((each.name, each.run)) != each]
        self._followed |= {(each.name, each.run): each for each in new}
        return new

    def leaving(self, due: Sequence[Aged], free: Callable[[], float]) -> list[Aged]:
        """Return which of the images that are due go now; `free` says what share of the disk is free."""
        if not self._bounds or not due:
            return list(due)
        now = self._clock()
        self._due = {key: self._due.get(key, now) for key in ((each.run, each.index) for each in due)}
        if free() < FREE_AT_LEAST:
            return list(due)
        return [each for each in due if not self._holds(each, now - self._due[each.run, each.index])]

    def unseen(self, images: Iterable[Aged]) -> int:
        """Return how many of these images one of the followers has not seen."""
        return sum(any(each.index >= self._far(name, each)[0] for name in self._names(each.run)) for each in images)

    def _holds(self, image: Aged, since: float) -> bool:
        return any(since < bound and image.index >= self._far(name, image)[1] for name, bound in self._bounds.items())

    def _names(self, run: RunId) -> set[str]:
        return {*self._bounds, *(name for name, its_run in self._followed if its_run == run)}

    def _far(self, name: str, image: Aged) -> tuple[int, int]:
        """Return, for an image's series, the first slice that a follower has not seen, and the first that it needs."""
        known = self._followed.get((name, image.run))
        if known and contains(self._backlog(image.run), image.index):
            return known.backlog or (0, 0)
        return (known.next, known.needs) if known else (0, 0)  # who was never heard has seen none
