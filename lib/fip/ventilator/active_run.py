"""A run that is under way: where its slices are, how far it is, and what the sink holds of it. No sockets."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from fip.data.arriving import Arrivals, Writing
from fip.data.ranges import Ranges, below, contains, count, well_formed
from fip.ventilator.leases import Leases
from fip.ventilator.pacing import Pace
from fip.wire.messages import LATELY, Failure, Follow, RunPlan, RunStatus, RunStored

FAILURES_TOLD = 32  # of all jobs, the last


@dataclass
class ActiveRun:
    """A run under way. Its leases begin when the sink has said what it holds of it."""

    plan: RunPlan
    pace: Pace
    follow: Follow | None  # of a MeasurementSet that was being written when the run began
    rows: int  # that the MeasurementSet had when it was last looked into
    grew: float  # monotonic s, when there came to be more of them
    attempts_before: int = 0  # as `Leases.before`
    leases: Leases | None = None
    refused: str = ""
    looked: float = 0.0  # monotonic s, when it could be looked into last
    waits: bool = False  # for a worker with the stages and the kernel that it asks for
    writing: Writing | None = None  # how the recording is read, if it was being written when the run began
    arrivals: Arrivals | None = None  # what has arrived of it, if it comes in parts
    compare: Ranges = ()  # stored slices that the sink wants to be read again, before the run goes on
    _recorded: Ranges = ()  # the failed slices that the sink has entered
    _stored_at: deque[float] = field(default_factory=deque)  # monotonic s, within the rate window

    def grow(self, slices: int, rows: int, ended: bool, now: float) -> bool:
        """The MeasurementSet was looked into again, as one that has `ended` or not; returns whether there is news."""
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

    def sink_says(self, said: RunStored, max_attempts: int, now: float) -> list[int]:
        """Takes what the sink holds of the run; returns the slices that are newly stored."""
        stored = below(said.stored, self.plan.total)  # a last ventilator may have known of more than this one does yet
        if not well_formed(stored, self.plan.total):
            return []
        self.refused, self._recorded = said.refused, said.failed
        self.compare = below(said.compare, self.plan.total) if well_formed(said.compare, self.plan.total) else ()
        if self.leases is None:
            if not said.refused and not said.compare:
                self.leases = Leases(self.plan.total, max_attempts, stored, self.plan.final, self.attempts_before)
            return []
        new = self.leases.sink_says(stored, now)
        for index in [index for index in self.leases.leased if contains(said.failed, index)]:
            self.leases.cannot_be_stored(index)
        for index in new:
            self.pace.stored(index, now)
            self._stored_at.append(now)
        return new

    def over(self, said: RunStored) -> bool:
        """Whether every slice is stored, or recorded as failed."""
        return bool(said.final and self.leases and self.leases.done and not any(self.untold()))

    @property
    def given_up(self) -> str:
        """Why nothing would come of it, once the sink has entered what failed; "" while something may.

        Of a MeasurementSet that is being written more may come: that is waited for.
        """
        return self.leases.hopeless if self.leases and self.follow is None and not any(self.untold()) else ""

    def untold(self) -> Iterator[Failure]:
        """Its slices that will not come and that the sink has not entered as such."""
        for index in self.leases.failed if self.leases else ():
            if not contains(self._recorded, index):
                yield self._failure(index)

    def last_failures(self) -> list[Failure]:
        """Its last slices that will not come, the latest last."""
        last = islice(reversed(self.leases.failed), FAILURES_TOLD) if self.leases else ()
        return [self._failure(index) for index in last][::-1]

    def _failure(self, index: int) -> Failure:
        assert self.leases
        return Failure(self.plan.run, index, self.leases.next_attempt(index) - 1, self.leases.failed[index])

    def status(self, now: float) -> RunStatus:
        """How far the run is."""
        while self._stored_at and self._stored_at[0] < now - LATELY:
            self._stored_at.popleft()
        span = now - self._stored_at[0] if len(self._stored_at) > 1 else 0.0
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
            rate=len(self._stored_at) / span if span else 0.0,
            lag=self.pace.lag(oldest, now),
            missed=self.pace.missed,
            deadline=self.pace.deadline(oldest),
            final=self.plan.final,
            oddities={str(what): often for what, often in self.arrivals.oddities.items()} if self.arrivals else {},
            waits=self.arrivals.waits if self.arrivals else "",
        )
