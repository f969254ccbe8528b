"""What telstate says of a stream of L0, as a `Setup`; and which target is observed when. Pure.

Keys are those that katsdpingest and katsdpcontroller write; docs/meerkat.md says which program writes or reads which.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fip.data.errors import ConfigError
from fip.receiver.meerkat.heap import Shape
from fip.spool.setup import Setup


@dataclass
class Observation:
    """A stream of L0, and the times by which its integrations are placed."""

    setup: Setup
    sync_time: float  # s UTC, Unix: when the correlator began; timestamps count from it
    per_heap: int  # channels of a heap
    power_scale: bool = False  # whether weights are to be divided by the power of both inputs
    first: float | None = None  # s after sync_time, the middle of integration 0, if it is known
    turns: Sequence[tuple[float, int]] = ()  # (from when, s UTC; which target), in order
    look: Callable[[], None] | None = None  # asks again what may have changed, as `turns`. InputError, OSError

    def shape(self, endpoints: int) -> Shape:
        """Return what a heap brings. ConfigError if that number of endpoints does not fit."""
        setup = self.setup
        shape = Shape(setup.bands[0].channels, self.per_heap, len(setup.products))
        if endpoints < 1 or shape.heaps % endpoints:
            raise ConfigError(
                f"receiver.listen: names {endpoints} endpoints, and each integration comes in {shape.heaps} heaps of "
                f"{shape.per_heap} channels; name {shape.heaps} endpoints, in the order of their channels"
            )
        return shape

    def since_sync(self, dump: int) -> float:
        """Return the middle of an integration by its number, s after sync_time."""
        return (self.first or 0.0) + dump * self.setup.cadence

    def field_at(self, time: float) -> int:
        """Return which target is observed at a time (s UTC, Unix): the last one that was set before, else the first.

        It may be below 0, or beyond the set-up's: for a target that has no place, or came later.
        """
        at = bisect_right(self.turns, time, key=lambda turn: turn[0])
        return self.turns[max(0, at - 1)][1] if self.turns else 0
