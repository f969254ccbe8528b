"""How many slices each worker has, of all runs. Pure."""

from collections import Counter
from collections.abc import Callable


class Loads:
    """The load of each worker now; whoever keeps workers in an order hears of each change."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """HOST/NAME -> slices that it has, or is about to get; none of those that have none."""
        self.changed: Callable[[str], None] = lambda worker: None
        """Is called with the worker whose load has changed."""

    def add(self, worker: str, number: int) -> None:
        """Add so many slices to a worker's, or take them away."""
        self.counts[worker] += number
        if not self.counts[worker]:
            del self.counts[worker]
        self.changed(worker)
