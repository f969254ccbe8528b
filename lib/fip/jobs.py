"""What the ventilator knows of its work: jobs, the runs that they become, and where each slice is. No sockets here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fip.data import Slice
from fip.leases import Leases
from fip.messages import Failure, JobStatus, Key, RunPlan, RunStatus, RunStored, Submit, WorkerState
from fip.pacing import Pace
from fip.ranges import count, indices, well_formed

RATE_WINDOW = 10.0  # s over which images/s are counted
JOBS_REMEMBERED = 100


class Source(Protocol):
    """What slices are read from; used from one thread."""

    def read(self, index: int) -> Slice:
        """The slice of this index."""

    def close(self) -> None:
        """Ends the reading."""


@dataclass
class ActiveRun:
    """A run under way. Its leases begin when the sink has said what it holds of it."""

    source: Source
    plan: RunPlan
    pace: Pace
    leases: Leases | None = None
    refused: str = ""
    _stored_at: deque[float] = field(default_factory=deque)  # monotonic s, within the rate window

    def sink_says(self, said: RunStored, max_attempts: int, now: float) -> list[int]:
        """Takes what the sink holds of the run; returns the slices that are newly stored."""
        if not well_formed(said.stored, self.plan.total):
            return []
        self.refused = said.refused
        if self.leases is None:
            self.leases = None if said.refused else Leases(self.plan.total, max_attempts, said.stored)
            return []
        new = self.leases.sink_says(said.stored)
        for index in new:
            self.pace.stored(index, now)
            self._stored_at.append(now)
        return new

    def over(self, said: RunStored) -> bool:
        """Whether every slice is stored, or recorded as failed."""
        return bool(self.leases and self.leases.done and set(self.leases.failed) <= set(indices(said.failed)))

    def status(self, now: float) -> RunStatus:
        """How far it is."""
        while self._stored_at and self._stored_at[0] < now - RATE_WINDOW:
            self._stored_at.popleft()
        span = now - self._stored_at[0] if len(self._stored_at) > 1 else 0.0
        leases = self.leases
        return RunStatus(
            run=self.plan.run,
            name=self.plan.name,
            measurement_set=self.plan.measurement_set,
            total=self.plan.total,
            stored=count(leases.stored) if leases else 0,
            failed=len(leases.failed) if leases else 0,
            leased=len(leases.leased) if leases else 0,
            rate=len(self._stored_at) / span if span else 0.0,
            lag=self.pace.lag(leases.oldest_unstored if leases else None, now),
            missed=self.pace.missed,
        )


@dataclass
class Job:
    """MeasurementSets that were submitted together; each becomes a run, one after the other."""

    submit: Submit
    pending: deque[Path]
    state: str = "queued"
    reason: str = ""
    runs: dict[str, RunStatus] = field(default_factory=dict)

    def fail(self, reason: str) -> None:
        """Ends the job."""
        self.state, self.reason = "failed", reason
        self.pending.clear()

    def status(self) -> JobStatus:
        """How far it is."""
        return JobStatus(self.submit.job, self.state, self.reason, tuple(self.runs.values()))


class Jobs:
    """All jobs, the latest of them remembered, and the runs under way in the order in which they were opened."""

    def __init__(self) -> None:
        self.active: dict[str, ActiveRun] = {}
        self._jobs: dict[str, Job] = {}

    def submit(self, submit: Submit) -> bool:
        """Queues a job; False where it is known."""
        if submit.job in self._jobs:
            return False
        self._jobs[submit.job] = Job(submit, deque(Path(path) for path in submit.paths))
        for old in [name for name, job in self._jobs.items() if job.state in ("done", "failed")][:-JOBS_REMEMBERED]:
            del self._jobs[old]
        return True

    def next_to_open(self) -> tuple[Job, Path] | None:
        """The next MeasurementSet, once all slices of the present one are out."""
        if any(active.leases is None or not active.leases.cut for active in self.active.values()):
            return None
        job = next((job for job in self._jobs.values() if job.pending), None)
        if job is None:
            return None
        job.state = "running"
        return job, job.pending.popleft()

    def begin(self, job: Job, active: ActiveRun, now: float) -> None:
        """A MeasurementSet of the job was opened: it is a run now."""
        self.active[active.plan.run] = active
        job.runs[active.plan.run] = active.status(now)

    def end(self, run: str, now: float, reason: str = "") -> None:
        """A run is over; with a reason, so is its job."""
        job = self.of(run)
        job.runs[run] = self.active.pop(run).status(now)
        if reason:
            job.fail(reason)
        elif not job.pending and not any(other in self.active for other in job.runs):
            job.state = "done"

    def of(self, run: str) -> Job:
        """The job of an active run."""
        return next(job for job in self._jobs.values() if run in job.runs)

    def statuses(self, now: float) -> tuple[JobStatus, ...]:
        """How far all jobs are."""
        for run, active in self.active.items():
            self.of(run).runs[run] = active.status(now)
        return tuple(job.status() for job in self._jobs.values())

    def plans(self) -> tuple[RunPlan, ...]:
        """The runs under way, as the sink must know them."""
        return tuple(active.plan for active in self.active.values())

    def failures(self) -> tuple[Failure, ...]:
        """The slices of the runs under way that will not come."""
        return tuple(
            Failure(run, index, leases.sent[index], reason)
            for run, leases in self._leases()
            for index, reason in leases.failed.items()
        )

    # All runs at once, as a worker has slices of more than one

    def upcoming(self, number: int) -> list[Key]:
        """The next slices to send, at most `number`."""
        keys = [(run, index) for run, leases in self._leases() for index in leases.upcoming(number)]
        return keys[:number]

    def out(self) -> int:
        """How many slices are leased or handed on."""
        return sum(len(leases.leased) for _, leases in self._leases())

    def load(self, worker: str) -> int:
        """How many slices a worker has that it has not handed on."""
        return sum(leases.load(worker) for _, leases in self._leases())

    def worker_says(self, state: WorkerState, now: float) -> list[Failure]:
        """Takes a worker's state; returns the attempts that are newly failed."""
        for run, leases in self._leases():
            holds = {index for key, index in state.holds if key == run}
            handed_on = {index for key, index in state.handed_on if key == run}
            leases.worker_says(state.identity, holds, handed_on, now)
        known = dict(self._leases())
        return [
            failure
            for failure in state.failed
            if failure.run in known
            and known[failure.run].attempt_failed(failure.index, failure.attempt, failure.reason)
        ]

    def worker_gone(self, worker: str) -> int:
        """A worker is dead or has left; returns how many slices are todo again."""
        return sum(leases.worker_gone(worker) for _, leases in self._leases())

    def sink_restarted(self, now: float) -> None:
        """The sink forgot what it had not stored."""
        for _, leases in self._leases():
            leases.sink_restarted(now)

    def overdue(self, now: float) -> int:
        """Takes back what was not stored in time; returns how many slices that are."""
        return sum(leases.overdue(now) for _, leases in self._leases())

    def _leases(self) -> Iterator[tuple[str, Leases]]:
        yield from ((run, active.leases) for run, active in self.active.items() if active.leases)
