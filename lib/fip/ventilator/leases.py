"""The state of every slice of a run, as the ventilator knows it. Pure: the caller says what happened and when.

A slice is *todo*, *leased* to a worker, *handed on* (the worker has passed its image to the sink's socket), *stored*
or *failed*. It is leased for as long as a copy of it is out, with whichever worker. What is leased or handed on goes
back to todo when no worker has it any more, or when the sink does not report it in time; the sink keeps the first copy
of an image and drops the others. How long "in time" is follows from how long it took before.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from itertools import islice
from statistics import median
from types import MappingProxyType

from fip.data.ranges import Ranges, added, contains, count
from fip.runtime.time_limits import IMAGE_WITHIN, LATE, Durations
from fip.ventilator.copies import Copies, Copy
from fip.ventilator.loads import Loads
from fip.ventilator.todo import Todo

GRACE = 3.0  # s for a slice to show up in its worker's state after it was sent
STORE_WITHIN = 10.0  # s, at the least, for an image to show up in the sink's state after it was handed on
STRAGGLING = 2.0  # times the median: a slice that takes longer is sent a second time when workers idle
MOST_COPIES = 2  # of a slice that are out at a time
MOST_SENT = 100  # times that a slice is sent: no worker can take it, or the sink none of its images
FIRST_FAILURES = 10  # slices: if the first ones all fail for one reason, so will the others
MOST_DEATHS = 12  # workers that a run may end before an image of it is stored
LONGEST_REASON = 500  # characters
NOTHING: Mapping[tuple[int, int], float] = MappingProxyType({})


class Leases:
    """The slices 0 ... total-1 of one run. Of a run whose data are being written, more come to be known by `grow`."""

    def __init__(
        self, total: int, max_attempts: int, stored: Ranges, final: bool = True, backlog: Ranges = (), before: int = 0,
        loads: Loads | None = None,
    ) -> None:  # fmt: skip
        """`stored` is what the sink has of the run when it begins, `final` whether no more slices will come. `backlog`
        are slices that are imaged when no others wait: those that had come when the run had fallen behind.

        `before` is the last attempt at any slice before the run began: workers may still speak of those. `loads`
        counts what workers have of the run.
        """
        self.total, self.max_attempts, self.stored, self.final = total, max_attempts, stored, final
        self.failed: dict[int, str] = {}  # index -> reasons
        self.leased: dict[int, Copy] = {}  # the copy that was handed on, else one that is out
        self._before = before
        self._sent: Counter[int] = Counter()  # how often
        self._last: dict[int, int] = {}  # the last attempt at each slice that anybody spoke of
        self._heard: set[str] = set()  # workers whose word of attempts before is known
        self._copies = Copies(loads or Loads())
        self._todo = Todo(backlog)
        self._second: set[int] = set()  # leased, to be sent to a second worker
        self._reasons: defaultdict[int, list[str]] = defaultdict(list)
        self._gone: set[int] = set()  # slices that nobody tried to image
        self._deaths: Counter[int] = Counter()  # workers that ended while on the slice
        self._failing: set[str] = set()  # workers that failed at a slice
        self._fruitful = bool(stored)  # whether an image was ever stored
        self._imaging = Durations()  # s, from sent to handed on
        self._arriving: list[float] = []  # s, from sent to held, of those not asked for yet
        self._storing = Durations()  # s, from handed on to stored
        self._todo.add(0, total, stored)

    @property
    def done(self) -> bool:
        """Return whether every slice is stored or failed, and no more will come."""
        return self.final and count(self.stored) + len(self.failed) >= self.total

    def grow(self, total: int, final: bool) -> None:
        """Take the number of slices now, at least as many as before."""
        self._todo.add(self.total, total, self.stored)
        self.total, self.final = max(self.total, total), final

    @property
    def backlog(self) -> Ranges:
        """Return the slices that are imaged when no others wait."""
        return self._todo.backlog

    @property
    def cut(self) -> bool:
        """Return whether nothing is left to send (it may come back)."""
        return not self._todo

    @property
    def oldest_waiting(self) -> int | None:
        """Return the earliest slice that is to be sent and is not of the backlog."""
        return self._todo.oldest

    @property
    def oldest_unstored(self) -> int | None:
        """Return the earliest slice that is neither stored nor failed."""
        oldest = self._todo.oldest_of_all
        return min((*self.leased, *(() if oldest is None else (oldest,))), default=None)

    @property
    def image_within(self) -> float:
        """Return seconds on one slice after which a worker is taken to hang."""
        return max(IMAGE_WITHIN, LATE * self._imaging.percentile)

    @property
    def store_within(self) -> float:
        """Return seconds after which an image that was handed on and is not stored is taken to be lost."""
        return max(STORE_WITHIN, LATE * self._storing.percentile)

    @property
    def hopeless(self) -> str:
        """Return why nothing would come of the run; "" while something may.

        There is a reason if no image was stored or is on its way, and its first slices failed for one reason, with all
        workers at it, or it ended many workers.
        """
        if self._fruitful or any(lease.handed_on is not None for lease in self.leased.values()):
            return ""
        tried = (each for each in self.failed.items() if each[0] not in self._gone)
        first = dict(islice(tried, FIRST_FAILURES))
        if self._deaths.total() >= MOST_DEATHS:
            deadly = max(self._deaths, key=self._deaths.__getitem__)
            return f"{self._deaths.total()} workers died of it before one image was stored, most on slice {deadly}"
        at_it = {lease.worker for lease in self.leased.values()}
        alike = len(first) == FIRST_FAILURES and len(set(map(_kind, first.values()))) == 1
        earlier = self.oldest_unstored  # as one that was read, and waits
        if alike and at_it <= self._failing and not self._todo.untried and (earlier is None or earlier > max(first)):
            return f"its first {FIRST_FAILURES} slices failed: {next(iter(first.values()))}"
        return ""

    def upcoming(self, number: int) -> list[int]:
        """Return the next slices to send, at most `number`: what came back, the earliest, then second copies."""
        return (self._todo.next(number) + sorted(self._second))[:number]

    def upcoming_backlog(self, number: int) -> list[int]:
        """Return the next slices of the backlog to send, at most `number`: what came back, then the earliest."""
        return self._todo.next_of_backlog(number)

    def set_aside(self, before: int) -> bool:
        """Make the slices below `before` that were never sent part of the backlog; return whether there are any."""
        return self._todo.set_aside(before)

    def waiting(self, index: int) -> bool:
        """Return whether the slice is to be sent."""
        out = index in self.leased or index in self.failed or contains(self.stored, index)
        return 0 <= index < self.total and (index in self._second or not out)

    def bytes_out(self) -> int:
        """Return bytes of the slices that workers have, or that are on their way to them."""
        return self._copies.nbytes

    def lease(self, index: int, worker: str, now: float, size: int = 0) -> int:
        """Take a slice of `size` bytes for `worker`; return the number of this attempt, from 1."""
        self._take(index)
        attempt = self._last[index] = self.next_attempt(index)
        self._sent[index] += 1
        self.leased[index] = copy = Copy(worker, index, attempt, now, size)
        self._copies.add(copy)
        return attempt

    def next_attempt(self, index: int) -> int:
        """Return the number of the next attempt at a slice, which no attempt had before."""
        return max(self._before, self._last.get(index, 0)) + 1

    @property
    def last_attempt(self) -> int:
        """Return the highest number that an attempt at any slice had."""
        return max(self._before, max(self._last.values(), default=0))

    def worker_says(
        self,
        worker: str,
        holds: Collection[tuple[int, int]],
        handed_on: Collection[tuple[int, int]],
        now: float,
        ages: Mapping[tuple[int, int], float] = NOTHING,
        failed: Collection[tuple[int, int]] = (),
    ) -> None:
        """Take a worker's state: what it holds, has handed on recently, or could not image, as (index, attempt).

        `ages` is how long ago each came to it, s. The caller calls `attempt_failed` for what failed before this.
        """
        if worker not in self._heard:  # it may speak of what a ventilator before this one sent
            self._heard.add(worker)
            for index, attempt in (*holds, *handed_on, *failed):
                self._spoken_of(index, attempt)
        for copy in self._copies.at(worker):
            key = copy.index, copy.attempt
            if self._copies.find(worker, *key) is None:  # its slice has just failed
                continue
            handed, held = key in handed_on, key in holds
            if not copy.held and (handed or held):
                self._arriving.append(max(0.0, now - ages.get(key, 0.0) - copy.sent))
            if handed:
                self._handed_on(copy, now)
            elif held:
                self._hold(copy)
            elif copy.held:
                self._end(copy)
            elif not copy.lost and now - copy.sent > GRACE:
                self._copies.lose(copy)
                self._is_no_more(copy)
        for index, attempt in holds:
            if self._copies.find(worker, index, attempt) is None and self._copies.may_be(worker, index, attempt):
                self._hear_of(Copy(worker, index, attempt, now))

    def _hear_of(self, copy: Copy) -> None:
        """Take a copy that a worker holds: another ventilator sent it, or it was given up here."""
        if 0 <= copy.index < self.total and copy.index not in self.failed and not contains(self.stored, copy.index):
            self._spoken_of(copy.index, copy.attempt)
            self._copies.add(copy)
            self._hold(copy)

    def _spoken_of(self, index: int, attempt: int) -> None:
        if 0 <= index < self.total:
            self._last[index] = max(attempt, self._last.get(index, 0))

    def _hold(self, copy: Copy) -> None:
        self._copies.hold(copy)
        if copy.index not in self.leased:  # it was taken for lost, or nothing was known of it
            self._take(copy.index)
            self.leased[copy.index] = copy

    def _handed_on(self, copy: Copy, now: float) -> None:
        """Note that a copy's image is on its way to the sink: send no other copy until it is taken to be lost."""
        self._copies.end(copy)
        self._imaging.add(now - copy.sent)
        if copy.index not in self.leased:
            self._take(copy.index)
        elif self.leased[copy.index].handed_on is not None:
            return
        copy.handed_on, copy.late_after = now, now + self.store_within
        self.leased[copy.index] = copy
        self._second.discard(copy.index)

    def arrived(self) -> list[float]:
        """Return seconds from sent to held of the slices that arrived at workers since this was last asked."""
        arrived, self._arriving = self._arriving, []
        return arrived

    def attempt_failed(self, worker: str, index: int, attempt: int, reason: str) -> bool:
        """Take an attempt of a worker that ended without an image; return whether it counts.

        It counts once, also if the slice was sent to others since. If it is said again, or of a slice that this worker
        was not sent and never said that it holds, it does not count: states are repeated, and may be made up.
        """
        copy = self._copies.find(worker, index, attempt)
        if copy is None:
            return False
        self._failing.add(worker)
        self._end(copy, failed=True)
        self.blame(index, reason)
        return True

    def blame(self, index: int, reason: str, times: int = 1) -> None:
        """Note that a slice could not be read or imaged; fail it after `max_attempts` times, if nobody has it then."""
        self._reasons[index] += [reason] * times
        self._second.discard(index)  # if it was to be read for that
        if index not in self.leased and self.waiting(index):
            self._fail_if_hopeless(index)

    def cannot_be_cut(self, index: int, reason: str) -> None:
        """Fail a slice, as its data are gone for good, unless somebody has it and the image comes.
        That says nothing about other slices.
        """
        self._gone.add(index)
        self.blame(index, reason, self.max_attempts)

    def is_out_for_long(self, index: int, now: float) -> bool:
        """Return whether a slice was sent longer ago than others were that are stored."""
        lease = self.leased.get(index)
        usual = median(self._imaging.seen) if self._imaging.seen else 0.0
        return lease is not None and now - lease.sent > max(STORE_WITHIN, STRAGGLING * usual)

    def cannot_be_stored(self, index: int) -> None:
        """Fail a slice that the sink has recorded as failed; the reason is in the ledger."""
        if index in self.leased:
            self._fail(index, "the sink could not store it")

    def worker_gone(self, worker: str, working: int | None = None, how: str = "") -> int:
        """Put back to todo what a worker had that is dead, hangs or has left. Return how many slices that are.

        The slice that it was `working` on may be the cause: a slice that ends too many workers is failed.
        """
        blamed = working if how and working is not None and self.was_sent(worker, working) else None
        before = len(self.leased)
        for copy in self._copies.end_worker(worker):
            self._is_no_more(copy)
        lost = before - len(self.leased)
        self._heard.discard(worker)
        if blamed is not None:
            self._deaths[blamed] += 1
            if self._deaths[blamed] >= 2 * self.max_attempts and blamed not in self.failed:
                self._fail(blamed, f"{self._deaths[blamed]} workers {how} while they imaged it")  # it is to end no more
        return lost

    def was_sent(self, worker: str, index: int) -> bool:
        """Return whether a worker has a slice that it has not handed on, whoever else has it."""
        return any(copy.index == index and not copy.lost for copy in self._copies.at(worker))

    def first_of(self, worker: str) -> tuple[float, int] | None:
        """Return the slice that a worker has not handed on and was sent first, and when (monotonic s); or None."""
        return min(((copy.sent, copy.index) for copy in self._copies.at(worker) if not copy.lost), default=None)

    def close(self) -> None:
        """End all copies: the run is over."""
        self._copies.end_all()

    def sink_says(self, stored: Ranges, now: float) -> list[int]:
        """Take the sink's state: what is on disk. Return the slices that are newly stored.

        A slice that it had and does not name is todo again: its state was late, or its disk is another one.
        """
        for index in added(self.stored, stored):
            self._todo.add_again(index)
        new = added(stored, self.stored)
        self._fruitful |= bool(new)
        for index in new:
            lease = self.leased.pop(index, None)
            self._second.discard(index)
            self._copies.end_slice(index)
            if lease and lease.handed_on is not None:
                self._storing.add(now - lease.handed_on)
            elif lease:  # its worker has not said so yet
                self._imaging.add(now - lease.sent)
            elif self.failed.pop(index, None) is None:
                self._take(index)
        self.stored = stored
        return new

    def sink_restarted(self, now: float) -> None:
        """Give what was handed on a short while to show up: the sink forgot what it had not stored."""
        for lease in self.leased.values():
            lease.late_after = min(lease.late_after, now + GRACE)

    def overdue(self, now: float) -> int:
        """Take back what was handed on and not stored in time. Return how many slices that are."""
        late = [index for index, lease in self.leased.items() if lease.handed_on is not None and now > lease.late_after]
        for index in late:
            self._is_no_more(self.leased[index])
        return len(late)

    def straggler(self, now: float) -> bool:
        """Once nothing else is left to send, send the oldest slow slice again; return whether there is one."""
        if not self.cut or self._second or not self._imaging.seen:
            return False
        limit = max(1.0, STRAGGLING * median(self._imaging.seen))
        late = (each for each in self.leased.values() if now - each.sent > limit and self._may_be_sent_again(each))
        if oldest := min(late, key=lambda each: (each.sent, each.index), default=None):
            self._second.add(oldest.index)
        return oldest is not None

    def _may_be_sent_again(self, lease: Copy) -> bool:
        """Return whether another copy of a slice that is out would help."""
        alone = lease.handed_on is None and len(self._copies.out(lease.index)) < MOST_COPIES
        tried_out = len(self._reasons.get(lease.index, ())) >= self.max_attempts
        return alone and not tried_out and self._sent[lease.index] < MOST_SENT

    def _end(self, copy: Copy, failed: bool = False) -> None:
        """End a copy that has come to nothing."""
        self._copies.end(copy, failed)
        self._is_no_more(copy)

    def _is_no_more(self, copy: Copy) -> None:
        """Note that a copy is not out any more: lease its slice to a worker that has another, or put it to todo."""
        index = copy.index
        if self.leased.get(index) is not copy:
            return
        if others := self._copies.out(index):
            self.leased[index] = others[-1]
            return
        del self.leased[index]
        self._second.discard(index)
        self._todo.add_again(index)
        if self._sent[index] >= MOST_SENT:
            self._fail(index, f"was sent {MOST_SENT} times, and no image of it was stored")
        else:
            self._fail_if_hopeless(index)

    def _fail_if_hopeless(self, index: int) -> None:
        """Fail a slice in todo at which attempts have failed often enough."""
        if len(reasons := self._reasons.get(index, [])) >= self.max_attempts:
            self._fail(index, "; ".join(dict.fromkeys(reasons)))

    def _take(self, index: int) -> None:
        """Take a slice out of what is to be sent."""
        if index in self._second:
            self._second.discard(index)
        else:
            self._todo.take(index)

    def _fail(self, index: int, reason: str) -> None:
        """Fail a slice: it will not come, whoever has it."""
        if self.leased.pop(index, None) is None:
            self._take(index)
        self._second.discard(index)
        self._copies.end_slice(index)
        self.failed[index] = reason[:LONGEST_REASON]


def _kind(reason: str) -> str:
    """Return a reason without the numbers in it, which differ from slice to slice."""
    return re.sub(r"[0-9]+", "#", reason)
