"""A run that is under way: the state of its slices, its progress, and what the sink holds of it. No sockets."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf

from fip.data.arriving import Arrivals, Writing
from fip.data.complete import Complete
from fip.data.quantities import SECONDS_PER_DAY, UNIX_EPOCH
from fip.data.ranges import Ranges, below, contains, count, well_formed, without
from fip.ventilator.leases import Leases
from fip.ventilator.loads import Loads
from fip.ventilator.pacing import MINIMUM_DEADLINE, Pace
from fip.wire.messages import LATELY, Failure, Follow, RunPlan, RunStatus, RunStored

MOST = 1 << 31  # slices: what a message can number
FAILURES_TOLD = 32  # of all jobs, the last
BEHIND = 2  # cadences for which a slice waits, though newer ones come: then its run has fallen behind
PARTED_FOR = 10  # cadences from one time that something is set aside to the next, so that series are long
LAST_MINUTE = 60.0  # s, over which the time that a backlog takes is measured
PARTED_AT_LEAST = 10.0  # s, the same at short cadences


@dataclass
class ActiveRun:
    """A run under way. Its leases begin when the sink has said what it holds of it."""

    plan: RunPlan
    pace: Pace
    follow: Follow | None  # of a MeasurementSet that was being written when the run began
    rows: int  # that the MeasurementSet had when it was last looked into
    grew: float  # monotonic s, when there came to be more of them
    attempts_before: int = 0  # as in `Leases`, here and in the next
    loads: Loads = field(default_factory=Loads)
    leases: Leases | None = None
    refused: str = ""
    looked: float = 0.0  # monotonic s, when it could be looked into last
    cadence: float | None = None  # s from one slice to the next, of the data
    waits: bool = False  # for a worker with the stages and the kernel that it asks for
    writing: Writing | None = None  # how the recording is read, if it was being written when the run began
    arrivals: Arrivals | None = None  # what has arrived of it, if it comes in parts
    passes: bool = False  # whether its integrations are there for a while only, as those of a spool
    found: int = 0  # slices that were there when the run began
    times: list[float] = field(default_factory=list)  # s UTC, of the slices that are known of, if it `passes`
    kept: Ranges = ()  # slices that are in the ring of cut slices
    complete: Complete | None = None  # how much was there of the stored slices, as the sink says
    lately: float | None = None  # the share of the last minute's, as the sink says
    newest: float | None = None  # s UTC, Unix, the end of the data of the newest of them, as the sink says
    compare: Ranges = ()  # stored slices that the sink wants to be read again, before the run goes on
    _over: int = 0  # all slices before it are stored or failed
    _recorded: Ranges = ()  # the failed slices that the sink has entered
    _arrived: int = 0  # slices that were due when it was last looked whether it has fallen behind
    _parted: float = -inf  # monotonic s, when something was set aside last
    _stored_at: deque[float] = field(default_factory=deque)  # monotonic s, of the last minute

    def grow(self, slices: int, rows: int, ended: bool, now: float) -> bool:
        """Take what a new look into the MeasurementSet found, which may have `ended`; return whether there is news."""
        self.looked = now
        if self.plan.final:
            return False
        final = ended and rows == self.rows
        if rows != self.rows:
            self.rows, self.grew = rows, now
        if slices <= self.plan.total and not final:
            return False
        self.pace.times.extend([now] * (slices - len(self.pace.times)))
        self.plan = replace(self.plan, total=max(self.plan.total, slices), final=final)
        if self.leases:
            self.leases.grow(self.plan.total, final)
        return True

    def observed(self, known: int, times: Sequence[float]) -> None:
        """Take the times of the slices after those that were known, in s UTC since MJD 0."""
        if self.passes:
            self.times[known:] = (each - UNIX_EPOCH for each in times)

    def sink_says(self, said: RunStored, max_attempts: int, now: float) -> list[int]:
        """Take what the sink holds of the run; return the slices that are newly stored."""
        stored = below(said.stored, self.plan.total)  # a last ventilator may have known of more than this one does yet
        if not well_formed(stored, self.plan.total):
            return []
        self.refused, self._recorded, self.complete = said.refused, said.failed, said.complete
        self.lately, self.newest = said.lately, said.newest
        self.compare = below(said.compare, self.plan.total) if well_formed(said.compare, self.plan.total) else ()
        if self.leases is None:
            if not said.refused and not said.compare:
                self._begin(stored, said.backlog, max_attempts)
            return []
        if without(self.leases.stored, stored):  # it has lost some
            self._over = 0
        new = self.leases.sink_says(stored, now)
        if said.failed:
            for index in [index for index in self.leases.leased if contains(said.failed, index)]:
                self.leases.cannot_be_stored(index)
        for index in new:
            self.pace.stored(index, now)
            self._stored_at.append(now)
        return new

    def _begin(self, stored: Ranges, backlog: Ranges, max_attempts: int) -> None:
        backlog = backlog if well_formed(backlog, MOST) else ()
        self.leases = Leases(
            self.plan.total, max_attempts, stored, self.plan.final, backlog, self.attempts_before, self.loads
        )
        self.plan = replace(self.plan, backlog=backlog)

    def part(self, now: float) -> bool:
        """Make what waits the backlog if the run has fallen behind, except what has just come; return whether it has.

        It has if a slice still waits that came more than two cadences ago, and newer ones have come since: more wait
        than workers take in that time.
        """
        before, self._arrived = self._arrived, self.pace.arrived(now)
        oldest = self.leases.oldest_waiting if self.leases else None
        due = None if oldest is None else self.pace.due(oldest)
        if due is None or oldest is None or oldest >= before or self._arrived <= before:
            return False
        cadence = (self.cadence or 0.0) / self.pace.rate
        if now - due <= max(BEHIND * cadence, MINIMUM_DEADLINE):
            return False
        if now - self._parted < max(PARTED_FOR * cadence, PARTED_AT_LEAST):
            return False
        assert self.leases
        if not self.leases.set_aside(before):
            return False
        self._parted = now
        self.plan = replace(self.plan, backlog=self.leases.backlog)
        return True

    def is_due(self, index: int, now: float) -> bool:
        """Return whether a slice is to be imaged by now, if that is possible."""
        due = self.pace.due(index)
        return due is None or due <= now

    def over(self, said: RunStored) -> bool:
        """Return whether every slice is stored, or recorded as failed."""
        return bool(said.final and self.leases and self.leases.done and not any(self.untold()))

    @property
    def given_up(self) -> str:
        """Return why nothing would come of the run, once the sink has entered what failed; "" while something may.

        More may come of a MeasurementSet that is being written, so the run goes on.
        """
        return self.leases.hopeless if self.leases and self.follow is None and not any(self.untold()) else ""

    def untold(self) -> Iterator[Failure]:
        """Yield the slices that will not come and that the sink has not entered as such."""
        for index in self.leases.failed if self.leases else ():
            if not contains(self._recorded, index):
                yield self._failure(index)

    def last_failures(self) -> list[Failure]:
        """Return the last slices that will not come, the latest last."""
        last = islice(reversed(self.leases.failed), FAILURES_TOLD) if self.leases else ()
        return [self._failure(index) for index in last][::-1]

    def _failure(self, index: int) -> Failure:
        assert self.leases
        return Failure(self.plan.run, index, self.leases.next_attempt(index) - 1, self.leases.failed[index])

    def status(self, now: float) -> RunStatus:
        """Return how far the run is."""
        while self._stored_at and self._stored_at[0] < now - LAST_MINUTE:
            self._stored_at.popleft()
        waits, unsafe = self._waiting, next(self.unsafe(), None)
        leases = self.leases
        oldest = leases.oldest_unstored if leases else None
        return RunStatus(
            run=self.plan.run,
            name=self.plan.name,
            measurement_set=self.plan.measurement_set,
            total=self.plan.total,
            stored=count(leases.stored) if leases else 0,
            failed=len(leases.failed) if leases else 0,
            leased=len(leases.leased) if leases else 0,
            rate=self._rate(now, LATELY),
            lag=self.pace.lag(oldest, now),
            missed=self.pace.missed,
            deadline=self.pace.deadline(oldest),
            final=self.plan.final,
            complete=self.complete,
            oddities={str(what): often for what, often in self.arrivals.oddities.items()} if self.arrivals else {},
            waits=self.arrivals.waits if self.arrivals else "",
            lately=self.lately,
            age=self.age(time.time()),
            cadence=self.cadence,
            backlog=waits,
            worked_off=self._worked_off(waits, now),
            kept=count(self.kept),
            unsafe=unsafe,
            unsafe_since=self.times[unsafe] if unsafe is not None and unsafe < len(self.times) else None,
        )

    def unsafe(self) -> Iterator[int]:
        """Return the slices that are neither stored nor failed nor in the ring of cut slices, in order.
        If the sink has not said yet what it has, nothing is stored.
        """
        stored, failed = (self.leases.stored, self.leases.failed) if self.leases else ((), {})
        while self._over < self.plan.total and (self._over in failed or contains(stored, self._over)):
            self._over += 1
        left = without(without(((self._over, self.plan.total),), stored), self.kept)
        return (index for begin, end in left for index in range(begin, end) if index not in failed)

    def age(self, now: float) -> float | None:
        """Return seconds from the end of its newest image's data until now, a Unix time; None unless they are recent.

        If it is below 0, a clock is wrong: a recorder's, or the one here.
        """
        if self.follow is None or self.plan.final or self.newest is None:
            return None
        age = now - self.newest
        return age if abs(age) < SECONDS_PER_DAY else None

    @property
    def _waiting(self) -> int:
        """Return how many slices of the backlog are left."""
        if not self.leases or not self.leases.backlog:
            return 0
        left = without(self.leases.backlog, self.leases.stored)
        return count(left) - sum(contains(left, index) for index in self.leases.failed)

    def _worked_off(self, waiting: int, now: float) -> float | None:
        """Return the seconds until the backlog is gone, at the rate of the last minute; None if it grows."""
        more = not self.plan.final or self.pace.arrived(now) < self.plan.total
        rate = self._rate(now, LAST_MINUTE) - (self.pace.rate / self.cadence if more and self.cadence else 0.0)
        return waiting / rate if waiting and rate > 0 else None

    def _rate(self, now: float, within: float) -> float:
        """Return the rate at which images were stored over the last so many seconds, images/s."""
        lately = len(self._stored_at) - bisect_left(self._stored_at, now - within)
        span = now - self._stored_at[-lately] if lately > 1 else 0.0
        return lately / span if span else 0.0
