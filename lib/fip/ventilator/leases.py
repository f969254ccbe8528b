"""Where every slice of a run is, as the ventilator knows it. Pure: the caller says what happened and what time it is.

A slice is *todo*, *leased* to a worker, *handed on* (the worker has passed its image to the sink's socket), *stored*
or *failed*. What is leased or handed on goes back to todo when its worker is gone or no longer has it, or when the
sink does not report it in time; the sink keeps the first copy of an image and drops the others. How long "in time" is
follows from how long it took before.
"""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from statistics import median
from types import MappingProxyType

from fip.data.ranges import Ranges, added, contains, count, joined, of
from fip.runtime.time_limits import IMAGE_WITHIN, LATE, Durations

GRACE = 3.0  # s for a slice to show up in its worker's state after it was sent
STORE_WITHIN = 10.0  # s, at the least, for an image to show up in the sink's state after it was handed on
STRAGGLING = 2.0  # times the median: a slice that takes longer is sent a second time when workers idle
MOST_SENT = 100  # times that a slice is sent: no worker can take it, or the sink none of its images
FIRST_FAILURES = 10  # slices: if the first ones all fail for one reason, so will the others
MOST_DEATHS = 12  # workers that a run may end before an image of it is stored
LONGEST_REASON = 500  # characters
NOTHING: Mapping[int, float] = MappingProxyType({})


@dataclass(slots=True)
class Lease:
    """A slice that is out."""

    worker: str
    attempt: int
    sent: float  # monotonic s
    size: int  # bytes; 0 where another ventilator sent it
    held: bool = False  # the worker has said that it holds it
    handed_on: float | None = None  # monotonic s
    late_after: float = inf  # monotonic s: an image that was handed on and is not stored by then is taken to be lost


@dataclass(slots=True)
class Leases:
    """The slices 0 ... total-1 of one run; `stored` is what the sink has of it when the run begins.

    Of a run whose data are being written, more slices come to be known by `grow`, until it is final.
    """

    total: int  # of the slices that are known of
    max_attempts: int
    stored: Ranges
    final: bool = True  # whether no more slices will come
    backlog: Ranges = ()  # slices that are imaged when no others wait: those that had come when it had fallen behind
    before: int = 0  # the last attempt at any slice before the run began, of which workers may still speak
    failed: dict[int, str] = field(default_factory=dict)  # index -> reasons
    leased: dict[int, Lease] = field(default_factory=dict)
    sent: Counter[int] = field(default_factory=Counter)  # attempts so far
    _reasons: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _gone: set[int] = field(default_factory=set)  # slices of which nobody tried whether they can be imaged
    _deaths: Counter[int] = field(default_factory=Counter)  # workers that ended while on the slice
    _failing: set[str] = field(default_factory=set)  # workers that failed at a slice
    _fruitful: bool = False  # whether an image was ever stored
    _fresh: deque[int] = field(default_factory=deque)  # todo, never sent, ascending, but for the backlog
    _aside: deque[int] = field(default_factory=deque)  # the same of the backlog
    _again: set[int] = field(default_factory=set)  # todo once more; sent before the fresh ones
    _second: set[int] = field(default_factory=set)  # leased, to be sent to a second worker
    _earlier: dict[int, dict[str, float]] = field(default_factory=dict)  # who has another copy: worker -> when sent
    _imaging: Durations = field(default_factory=Durations)  # s, from sent to handed on
    _arriving: list[float] = field(default_factory=list)  # s, from sent to held, of those not asked for yet
    _storing: Durations = field(default_factory=Durations)  # s, from handed on to stored

    def __post_init__(self) -> None:
        self._add_fresh(0, self.total)
        self._fruitful = bool(self.stored)

    @property
    def done(self) -> bool:
        """Whether every slice is stored or failed, and no more will come."""
        return self.final and count(self.stored) + len(self.failed) >= self.total

    def grow(self, total: int, final: bool) -> None:
        """There are so many slices now, at least as many as before."""
        self._add_fresh(self.total, total)
        self.total, self.final = max(self.total, total), final

    @property
    def cut(self) -> bool:
        """Whether nothing is left to send (it may come back)."""
        return not self._again and not self._fresh and not self._aside

    @property
    def oldest_waiting(self) -> int | None:
        """The earliest slice that is to be sent and is not of the backlog."""
        again = (index for index in self._again if not contains(self.backlog, index))
        return min((*again, *islice(self._fresh, 1)), default=None)

    @property
    def oldest_unstored(self) -> int | None:
        """The earliest slice that is neither stored nor failed."""
        firsts = (*islice(self._fresh, 1), *islice(self._aside, 1))
        return min((*self._again, *firsts, *self.leased), default=None)

    @property
    def image_within(self) -> float:
        """Seconds on one slice after which a worker is taken to hang."""
        return max(IMAGE_WITHIN, LATE * self._imaging.percentile)

    @property
    def store_within(self) -> float:
        """Seconds after which an image that was handed on and is not stored is taken to be lost."""
        return max(STORE_WITHIN, LATE * self._storing.percentile)

    @property
    def hopeless(self) -> str:
        """Why nothing would come of the run; "" while something may.

        Before an image was stored, or is on its way, its first slices have failed, for one reason and with all workers
        that are at it, or it has ended many workers.
        """
        if self._fruitful or any(lease.handed_on is not None for lease in self.leased.values()):
            return ""
        tried = (reason for index, reason in self.failed.items() if index not in self._gone)
        first = list(islice(tried, FIRST_FAILURES))
        if self._deaths.total() >= MOST_DEATHS:
            deadly = max(self._deaths, key=self._deaths.__getitem__)
            return f"{self._deaths.total()} workers died of it before one image was stored, most on slice {deadly}"
        at_it = {lease.worker for lease in self.leased.values()}
        alike = len(first) == FIRST_FAILURES and len(set(map(_kind, first))) == 1
        if alike and at_it <= self._failing and not self._aside:  # what waits in the backlog has not been tried
            return f"its first {FIRST_FAILURES} slices failed: {first[0]}"
        return ""

    def upcoming(self, number: int) -> list[int]:
        """The next slices to send, at most `number`: what came back, the earliest, then second copies."""
        again = sorted(index for index in self._again if not contains(self.backlog, index))
        return (again + list(islice(self._fresh, number)) + sorted(self._second))[:number]

    def upcoming_backlog(self, number: int) -> list[int]:
        """The next slices of the backlog to send, at most `number`: what came back, then the earliest."""
        again = sorted(index for index in self._again if contains(self.backlog, index))
        return (again + list(islice(self._aside, number)))[:number]

    def set_aside(self, before: int) -> bool:
        """Makes the slices below `before` that were never sent part of the backlog; whether there are any.

        The backlog grows at its end alone, as who follows it has taken what is before. A slice below that, which was
        out when the last ventilator ended, is imaged with the others.
        """
        end = self.backlog[-1][1] if self.backlog else 0
        new = [index for index in self._fresh if end <= index < before]
        if new:
            self._fresh = deque(index for index in self._fresh if not end <= index < before)
            self._aside.extend(new)
            self.backlog = joined((*self.backlog, *of(new)))
        return bool(new)

    def waiting(self, index: int) -> bool:
        """Whether the slice is to be sent."""
        out = index in self.leased or index in self.failed or contains(self.stored, index)
        return 0 <= index < self.total and (index in self._second or not out)

    def loads(self) -> Counter[str]:
        """How many slices each worker has that it has not handed on."""
        return Counter(lease.worker for lease in self.leased.values() if lease.handed_on is None)

    def bytes_out(self) -> int:
        """Bytes of the slices that workers have, or that are on their way to them."""
        return sum(lease.size for lease in self.leased.values() if lease.handed_on is None)

    def lease(self, index: int, worker: str, now: float, size: int = 0) -> int:
        """Takes a slice of `size` bytes for `worker`; returns the number of this attempt, from 1."""
        if (first := self.leased.get(index)) and first.handed_on is None:
            self._earlier.setdefault(index, {})[first.worker] = first.sent
        self._take(index)
        attempt = self.next_attempt(index)
        self.sent[index] += 1
        self.leased[index] = Lease(worker, attempt, now, size)
        return attempt

    def next_attempt(self, index: int) -> int:
        """The number of the next attempt at a slice, which no attempt had before."""
        return self.before + self.sent[index] + 1

    def worker_says(
        self,
        worker: str,
        holds: Mapping[int, int],
        handed_on: Mapping[int, int],
        now: float,
        ages: Mapping[int, float] = NOTHING,
    ) -> None:
        """A worker's state: what it holds, and what it has handed on of late, index -> attempt.

        `ages` is how long ago each came to it, s.
        """
        for index, lease in list(self.leased.items()):
            if lease.worker != worker or lease.handed_on is not None:
                continue
            handed = handed_on.get(index) == lease.attempt
            if not lease.held and (handed or index in holds):
                self._arriving.append(max(0.0, now - ages.get(index, 0.0) - lease.sent))
            if handed:
                lease.handed_on, lease.late_after = now, now + self.store_within
                self._imaging.add(now - lease.sent)
            elif index in holds:
                lease.held = True
            elif lease.held or now - lease.sent > GRACE:
                self._back_to_todo(index)
        for index, copies in self._earlier.items():
            if worker in copies and index not in holds and (index in handed_on or now - copies[worker] > GRACE):
                del copies[worker]
        for index, attempt in holds.items():
            if index not in self.leased and self.waiting(index):  # of another ventilator, or taken for lost here
                self._take(index)
                self.sent[index] = max(self.sent[index], attempt - self.before)
                self.leased[index] = Lease(worker, attempt, now, size=0, held=True)

    def arrived(self) -> list[float]:
        """Seconds from sent to held of the slices that arrived at workers since this was last asked."""
        arrived, self._arriving = self._arriving, []
        return arrived

    def attempt_failed(self, index: int, attempt: int, reason: str) -> bool:
        """An attempt ended without an image.

        Said about an attempt that is no longer out, it changes nothing and returns False: states are repeated.
        """
        lease = self.leased.get(index)
        if lease is None or lease.attempt != attempt:
            return False
        self._failing.add(lease.worker)
        self._back_to_todo(index)
        self.blame(index, reason)
        return True

    def blame(self, index: int, reason: str) -> None:
        """A slice could not be read or imaged; after `max_attempts` times it is failed, if nobody has it by then."""
        self._reasons[index].append(reason)
        if index not in self.leased and self.waiting(index):
            self._fail_if_hopeless(index)

    def cannot_be_cut(self, index: int, reason: str) -> None:
        """What a slice is cut from is gone for good: it is failed, unless somebody has it, and his image comes.

        That says nothing of the others.
        """
        self._gone.add(index)
        self._reasons[index] += [reason] * self.max_attempts
        if index not in self.leased and self.waiting(index):
            self._fail_if_hopeless(index)

    def is_out_for_long(self, index: int, now: float) -> bool:
        """Whether a slice was sent longer ago than others were that are stored."""
        lease = self.leased.get(index)
        usual = median(self._imaging.seen) if self._imaging.seen else 0.0
        return lease is not None and now - lease.sent > max(STORE_WITHIN, STRAGGLING * usual)

    def cannot_be_stored(self, index: int) -> None:
        """The sink has recorded a slice as failed; why is in the ledger."""
        if self.leased.pop(index, None):
            self._second.discard(index)
            self.failed[index] = "the sink could not store it"

    def worker_gone(self, worker: str, working: int | None = None, how: str = "") -> int:
        """A worker is dead, hangs or has left: what it had is todo again. Returns how many slices that are.

        The slice that it was `working` on may be the cause: one that ends too many workers is failed.
        """
        lost = [index for index in self.leased if self.has(worker, index)]
        blamed = working if how and working is not None and self.was_sent(worker, working) else None
        for index in lost:
            self._back_to_todo(index)
        for copies in self._earlier.values():
            copies.pop(worker, None)
        if blamed is not None:
            self._deaths[blamed] += 1
            if self._deaths[blamed] >= 2 * self.max_attempts and blamed not in self.failed:
                if blamed in self.leased:  # to another worker by now, which is not to die of it, too
                    self._back_to_todo(blamed)
                if blamed not in self.failed:
                    self._fail(blamed, f"{self._deaths[blamed]} workers {how} while they imaged it")
        return len(lost)

    def has(self, worker: str, index: int) -> bool:
        """Whether a worker has a slice that it has not handed on."""
        lease = self.leased.get(index)
        return lease is not None and lease.worker == worker and lease.handed_on is None

    def was_sent(self, worker: str, index: int) -> bool:
        """Whether a worker has a slice, or another copy of one that was sent to a second worker since."""
        return self.has(worker, index) or worker in self._earlier.get(index, ())

    def first_of(self, worker: str) -> tuple[float, int] | None:
        """The slice that a worker has not handed on and was sent first, with when that was (monotonic s); or None."""
        sent = [(lease.sent, index) for index, lease in self.leased.items() if self.has(worker, index)]
        sent += [(copies[worker], index) for index, copies in self._earlier.items() if worker in copies]
        return min(sent, default=None)

    def sink_says(self, stored: Ranges, now: float) -> list[int]:
        """The sink's state: what is on disk. Returns the slices that are newly stored.

        One that it had and does not name is todo again: its state was late, or its disk is another one.
        """
        for index in added(self.stored, stored):
            self._again.add(index)
        new = added(stored, self.stored)
        self._fruitful |= bool(new)
        for index in new:
            lease = self.leased.pop(index, None)
            self._second.discard(index)
            self._earlier.pop(index, None)
            if lease and lease.handed_on is not None:
                self._storing.add(now - lease.handed_on)
            elif lease:  # its worker has not told of it yet
                self._imaging.add(now - lease.sent)
            elif self.failed.pop(index, None) is None:
                self._take(index)
        self.stored = stored
        return new

    def sink_restarted(self, now: float) -> None:
        """The sink forgot what it had not stored: what was handed on has a short while left to show up."""
        for lease in self.leased.values():
            lease.late_after = min(lease.late_after, now + GRACE)

    def overdue(self, now: float) -> int:
        """Takes back what was handed on and not stored in time. Returns how many slices that are."""
        late = [index for index, lease in self.leased.items() if lease.handed_on is not None and now > lease.late_after]
        for index in late:
            self._back_to_todo(index)
        return len(late)

    def straggler(self, now: float) -> bool:
        """Once nothing else is left to send, has the oldest slice that takes long sent a second time."""
        if not self.cut or self._second or not self._imaging.seen:
            return False
        limit = max(1.0, STRAGGLING * median(self._imaging.seen))
        late = [
            (lease.sent, index)
            for index, lease in self.leased.items()
            if lease.handed_on is None and now - lease.sent > limit
        ]
        if late:
            self._second.add(min(late)[1])
        return bool(late)

    def _back_to_todo(self, index: int) -> None:
        del self.leased[index]
        self._second.discard(index)
        self._again.add(index)
        if self.sent[index] >= MOST_SENT:
            self._fail(index, f"was sent {MOST_SENT} times, and no image of it was stored")
        else:
            self._fail_if_hopeless(index)

    def _fail_if_hopeless(self, index: int) -> None:
        """Fails a slice in todo at which attempts have failed often enough."""
        reasons = self._reasons.get(index, [])
        if len(reasons) >= self.max_attempts:
            self._fail(index, "; ".join(dict.fromkeys(reasons)))

    def _take(self, index: int) -> None:
        """Takes a slice out of todo; it is near the front of its queue."""
        if index in self._second:
            self._second.discard(index)
        elif index in self._again:
            self._again.remove(index)
        else:
            (self._aside if contains(self.backlog, index) else self._fresh).remove(index)

    def _add_fresh(self, begin: int, end: int) -> None:
        for index in added(((begin, end),), self.stored):
            (self._aside if contains(self.backlog, index) else self._fresh).append(index)

    def _fail(self, index: int, reason: str) -> None:
        self._take(index)
        self.failed[index] = reason[:LONGEST_REASON]


def _kind(reason: str) -> str:
    """A reason without the numbers in it, which differ from slice to slice."""
    return re.sub(r"[0-9]+", "#", reason)
