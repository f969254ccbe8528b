"""How parts become integrations. Pure: memory is taken at the start, nothing waits, and time is what the caller says.

An integration is closed if all of it came, or one two newer has begun, or nothing of it came for the grace. They are
closed in the order of their numbers: a whole one waits as long for earlier ones that have not begun to come. What comes
for a closed one is late. If an integration begins when all memory is taken, as by a slow disk, all of it is dropped: it
is the newest.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from fip.receiver.integration import Integration
from fip.receiver.part import Part
from fip.receiver.sequence import Leaps, Place
from fip.spool.layout import file_size
from fip.spool.setup import Setup
from fip.spool.writing import Open

NEWER = 2  # an integration that is so many newer closes one
LONGEST_STEP = 0.2  # s that the grace may go on from one look to the next: a process that stood still has parts to read


@dataclass(frozen=True)
class Closed:
    """An integration that takes no more parts."""

    dump: int
    integration: Integration | None  # None: it is dropped


@dataclass
class _Begun:
    time: float  # s UTC, Unix, as its first part says
    integration: Integration | None  # None: it is dropped
    heard: float  # s of the grace's clock, when its last part came


class Assembly:
    """Integrations that are being assembled; whoever calls from several threads holds a lock."""

    def __init__(
        self,
        setup: Setup,
        grace: float,
        queue: int,
        clock: Callable[[], float],
        memory: Callable[[int, float, int], Open],
        last: Place | None = None,
    ) -> None:
        """`memory` gives up to `queue` integrations at a time, by dump, time and field; `clock` gives monotonic s;
        `last` is the place at which the spool left off.
        """
        self._cadence, self._grace, self._clock, self._memory = setup.cadence, grace, clock, memory
        self._free = [Integration(setup) for _ in range(queue)]
        self._begun: dict[int, _Begun] = {}
        self.newest = last
        self._closed = last.dump if last else -1  # all up to it are closed
        self._leaps = Leaps(setup.cadence, limit=file_size(setup) // 2 + (1 << 20))
        self._now, self._looked = 0.0, clock()  # the grace's clock, and the caller's when it was looked at
        self._fitted = float("-inf") if last else self._looked  # by the caller's clock: when a part last fitted
        self._fits = False  # whether one did since the last look
        self.closed = deque[Closed]()  # in order; whoever takes them gives their memory back
        self.counters = Counter[str]()  # of packets that were not taken: late, again, too_many, unfit

    def put(self, part: Part) -> None:
        """Put a part into its integration."""
        begun = self._begun.get(part.dump)
        if begun is None:
            self._put_other(part)
        elif abs(part.time - begun.time) > self._cadence:
            self._unfit(part.packets)
        else:
            self._take(begun, part)

    def look(self) -> None:
        """Close what is due; call this a few times within the grace."""
        now = self._clock()
        self._now += min(now - self._looked, LONGEST_STEP)
        self._looked = now
        if self._fits:
            self._fitted, self._fits = now, False
        self._leap(now)
        self._close()

    def finish(self) -> None:
        """Close all that was begun, as no more comes; if nothing was known, that is what came at all."""
        self._go_on_with(self._leaps.taken(least=1) if self.newest is None else [], self._clock())
        for begun in self._begun.values():
            begun.heard = float("-inf")
        self._close()

    def give_back(self, integration: Integration) -> None:
        """Use the memory of a closed integration again."""
        self._free.append(integration)

    @property
    def silent(self) -> float:
        """Return seconds without a part that fits, as of the last look."""
        return 0.0 if self._fits else self._looked - self._fitted

    @property
    def begun(self) -> int:
        """Return the number of integrations that have begun to come and are not closed."""
        return len(self._begun)

    def _take(self, begun: _Begun, part: Part) -> None:
        self._fits = True
        begun.heard = self._now
        if begun.integration is None:
            self.counters["too_many"] += part.packets
        elif not begun.integration.take(part):
            self.counters["again"] += part.packets
        elif begun.integration.whole:
            self._close()

    def _put_other(self, part: Part) -> None:
        """Take a part of an integration that is not begun: it begins, or is over, or is a leap."""
        now = self._clock()
        if part.dump <= self._closed:
            self.counters["late"] += part.packets
        elif self.newest and self.newest.fits(part, self._cadence, now):
            self._unfit(self._leaps.clear())  # what is known goes on
            self._begin(part, now)
        elif self.newest and part.time < self.newest.time + self._cadence / 2:  # no spool takes what is earlier
            self._unfit(part.packets)
        else:
            self._unfit(self._leaps.add(part, now))
            self._leap(now)

    def _unfit(self, count: int) -> None:
        if count:
            self.counters["unfit"] += count

    def _begin(self, part: Part, now: float) -> None:
        if self.newest is None:
            self._closed = part.dump - 1
        if self.newest is None or part.dump > self.newest.dump:
            self.newest = Place(part.dump, part.time, now)
        integration = self._free.pop() if self._free else None
        if integration:
            integration.begin(self._memory(part.dump, part.time, part.field))
        begun = self._begun[part.dump] = _Begun(part.time, integration, self._now)
        self._close()
        self._take(begun, part)

    def _leap(self, now: float) -> None:
        """Believe the parts that wait, if enough of them fit each other, and what was known is over."""
        if self.newest is None or (not self._fits and now - self._fitted >= NEWER * self._cadence + self._grace):
            self._go_on_with(self._leaps.taken(), now)

    def _go_on_with(self, parts: list[Part], now: float) -> None:
        if parts and parts[0].dump > self._closed:
            self._unfit(self._leaps.clear())
            self._begin(parts.pop(0), now)
        for part in parts:
            self.put(part)

    def _close(self) -> None:
        """Close, in order, what is whole or overdue. One that is whole waits for those before it."""
        if self.newest is None:
            return
        while self._begun:
            dump = min(self._begun)
            begun = self._begun[dump]
            overdue = self.newest.dump - dump >= NEWER or self._now - begun.heard >= self._grace
            whole = begun.integration is not None and begun.integration.whole and dump == self._closed + 1
            if not overdue and not whole:
                break
            del self._begun[dump]
            self._closed = dump
            self.closed.append(Closed(dump, begun.integration))
        self._closed = max(self._closed, self.newest.dump - NEWER)
