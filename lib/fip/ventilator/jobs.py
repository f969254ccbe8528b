"""What the ventilator knows of its work: jobs, their runs, and the state of each slice. No sockets."""

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

from fip.data.names import RunId, SliceId
from fip.data.needs import codes
from fip.data.ranges import contains
from fip.data.settings import texts
from fip.runtime.time_limits import FIRST_IMAGE_WITHIN, IMAGE_WITHIN
from fip.ventilator.active_run import FAILURES_TOLD, ActiveRun
from fip.ventilator.fitting import Workers, is_all_settled, lack, settled
from fip.ventilator.job_queue import REMEMBERED, Queue, Record
from fip.ventilator.leases import Leases
from fip.ventilator.loads import Loads
from fip.wire.messages import (
    UNFINISHED,
    Failure,
    JobState,
    JobStatus,
    RunStatus,
    RunStored,
    Submit,
    WorkerBrief,
    WorkerState,
)

log = logging.getLogger("fip.ventilator")

FAILURES_AT_ONCE = 100  # sent to the sink in one message; each takes at most 2 kB of it
MOST_ACTIVE = 32  # runs under way: one message to the sink names all of them
LONGEST_ASKED = 8000  # characters of what is asked, which that message has, too, for each run
MOST_WAITING = 1000  # MeasurementSets of jobs that are not over; and of those that are over and in the status


@dataclass
class Job:
    """MeasurementSets that were submitted together; each becomes a run, one after the other."""

    submit: Submit
    submitted: float  # Unix time
    state: JobState = "queued"
    reason: str = ""
    runs: dict[str, RunStatus] = field(default_factory=dict)
    opening: Path | None = None  # the MeasurementSet that is being looked into
    not_before: float = 0.0  # monotonic s, when that is tried again
    pending: deque[Path] = field(default_factory=deque)  # the MeasurementSets that were not opened yet
    began: float | None = None  # Unix time, here and in the next
    ended: float | None = None
    lost: int = 0  # looks in a row at the MeasurementSet that is opened, in which the reading child died
    waits: str = ""  # why nothing is done for it now: code of users that no worker has

    def __post_init__(self) -> None:
        if self.unfinished:
            self.pending.extend(Path(path) for path in self.submit.paths)

    @property
    def unfinished(self) -> bool:
        """Return whether there is still something to do for it."""
        return self.state in UNFINISHED

    def status(self) -> JobStatus:
        """Return how far the job is."""
        runs = tuple(self.runs.values())
        submit = self.submit
        return JobStatus(
            submit.job, self.state, self.reason or self.waits, submit.paths, self.submitted, runs,
            self.began, self.ended, submit.user, submit.directory,
        )  # fmt: skip


class Jobs:
    """All jobs, as the queue has them, and the runs under way in the order in which they were opened."""

    def __init__(self, queue: Queue) -> None:
        self.active: dict[RunId, ActiveRun] = {}
        self.loads = Loads()
        self._queue = queue
        self._failures: deque[Failure] = deque(maxlen=FAILURES_TOLD)  # of runs that are over
        self._jobs: dict[str, Job] = {}
        self._briefs: dict[str, WorkerBrief] = {}  # the last of each worker that is there
        self._attempts: dict[RunId, int] = {}  # at runs that are over: the same set may be imaged once more
        self._read()

    @property
    def trouble(self) -> str:
        """Return why the jobs' states cannot be written to disk now; "" if they are on disk."""
        return self._queue.trouble

    def save(self) -> None:
        """Try again what the disk did not take; call this now and then."""
        if self._queue.save():
            self._read()

    def _read(self) -> None:
        for submit, state, reason, submitted, record in self._queue.jobs():
            runs = {} if state in UNFINISHED else {run.run: run for run in record.runs}  # others are opened again
            job = Job(submit, submitted, state, reason, runs, began=record.began, ended=record.ended)
            self._jobs[submit.job] = job

    def submit(self, submit: Submit, refusal: str = "") -> bool:
        """Queue a job, or enter it as failed for this reason. Return False if the job is known already.

        Raises NoRoomError if it cannot be written to disk now; then it is not queued.
        """
        if submit.job in self._jobs:
            return False
        waiting = sum(len(each.submit.paths) for each in self._jobs.values() if each.unfinished)
        if waiting + len(submit.paths) > MOST_WAITING:
            refusal = refusal or f"{waiting} MeasurementSets are waiting, and {MOST_WAITING} may: submit it later"
        if (long := len("".join(texts(submit.asked).values()))) > LONGEST_ASKED:
            refusal = refusal or f"its options are {long} characters long, and may be {LONGEST_ASKED}"
        job = self._jobs[submit.job] = Job(submit, self._queue.add(submit))
        if refusal:
            job.pending.clear()
            self.fail(job, refusal)
        for old in [name for name, job in self._jobs.items() if not job.unfinished][:-REMEMBERED]:
            del self._jobs[old]
        return True

    def cancel(self, name: str, now: float) -> bool:
        """End a job; its stored images stay. Return False if there is nothing to end."""
        job = self._jobs.get(name)
        if job is None or not job.unfinished:
            return False
        for run in [run for run in job.runs if run in self.active]:
            self._close(job, run, now)
        job.opening = None
        self._set(job, "cancelled")
        return True

    def fail(self, job: Job, reason: str) -> None:
        """Note that the MeasurementSet that was being opened cannot be imaged; the job's others can."""
        job.opening = None
        self._conclude(job, reason)

    def later(self, job: Job, when: float) -> None:
        """Note that the MeasurementSet that was being opened is not there yet; it will be tried again."""
        if job.opening:
            job.pending.appendleft(job.opening)
        job.opening, job.not_before = None, when

    def hurry(self, path: Path) -> None:
        """Let whoever waits for this path wait no longer: there is something now."""
        for job in self._jobs.values():
            if job.pending and job.pending[0] == path:
                job.not_before = 0.0

    def next_to_open(self, now: float, all_kinds: bool = True) -> tuple[Job, Path] | None:
        """Return the next MeasurementSet, once all slices of the present ones that are known of are out.

        If not `all_kinds`, only one that is being written.
        """
        going = [active for active in self.active.values() if not active.waits]
        held_up = any(active.leases is None or not active.leases.cut for active in going)
        if held_up or len(self.active) >= MOST_ACTIVE:
            return None
        due = (
            job
            for job in self._jobs.values()
            if job.pending and job.not_before <= now and (all_kinds or job.submit.follow)
        )
        job = next((job for job in due if is_all_settled(job.submit.asked)), None)
        if job is None or any(each.opening for each in self._jobs.values()):
            return None
        if job.state == "queued":
            self._set(job, "running")
        job.opening = job.pending.popleft()
        return job, job.opening

    @property
    def opens(self) -> bool:
        """Return whether recordings are still to be opened."""
        return any(job.pending or job.opening for job in self._jobs.values() if job.unfinished)

    def fit(self, workers: Workers) -> None:
        """Settle the code of users that jobs ask for, once workers have it, and say which jobs wait for some."""
        for name, job in self._jobs.items():
            asked = job.submit.asked
            if not job.unfinished or not any(codes(asked.imaging)):
                continue
            if not is_all_settled(asked) and (now := settled(asked, workers)) != asked and is_all_settled(now):
                job.submit, asked = replace(job.submit, asked=now), now
                self._queue.settle(job.submit)
            if (waits := lack(asked, workers)) != job.waits:
                log.log(
                    logging.WARNING if waits else logging.INFO,
                    "job %s %s",
                    name,
                    f"waits: {waits}" if waits else "goes on",
                )
                job.waits = waits
            for run in job.runs.keys() & self.active.keys():
                self.active[run].waits = bool(waits)

    @property
    def waits(self) -> str:
        """Return why a job waits, if one waits for code of users that no worker has; else ""."""
        waiting = (f"job {name} waits: {job.waits}" for name, job in self._jobs.items() if job.unfinished and job.waits)
        return next(waiting, "")

    def begin(self, job: Job, active: ActiveRun, now: float) -> None:
        """Make a run of a MeasurementSet of the job that was opened."""
        job.opening = None
        active.waits = bool(job.waits)
        active.attempts_before, active.loads = self._attempts.get(active.plan.run, 0), self.loads
        self.active[active.plan.run] = active
        job.runs[active.plan.run] = active.status(now)

    def go_on_as(self, run: RunId, older: RunId) -> None:
        """Give a run its older id from now on: the sink's directory has it under that."""
        job, active = self.of(run), self.active.pop(run)
        active.plan = replace(active.plan, run=older, older=None)
        self.active[older] = active
        job.runs = {older if name == run else name: replace(status, run=older) if name == run else status
                    for name, status in job.runs.items()}  # fmt: skip

    def end(self, run: str, now: float, reason: str = "") -> None:
        """End a run that is over; with a reason, its job will have failed."""
        job = self.of(run)
        self._close(job, run, now)
        self._conclude(job, reason)

    def named(self, name: str) -> Job:
        """Return a job that is known."""
        return self._jobs[name]

    def of(self, run: str) -> Job:
        """Return the job of an active run."""
        return next(job for job in self._jobs.values() if run in job.runs and job.unfinished)

    def statuses(self, now: float) -> tuple[JobStatus, ...]:
        """Return the progress of all jobs; if very many are over, without the oldest of those."""
        for run, active in self.active.items():
            self.of(run).runs[run] = active.status(now)
        ended = [job for job in self._jobs.values() if not job.unfinished]
        room = MOST_WAITING  # a message has a largest size
        while ended and (room := room - len(ended[-1].submit.paths)) >= 0:
            ended.pop()
        forgotten = {job.submit.job for job in ended}
        return tuple(job.status() for name, job in self._jobs.items() if name not in forgotten)

    def change_pace(self, pace: float, now: float) -> None:
        """Change the pace of all runs under way, except those with a pace of their own, or that are being written."""
        for run, active in self.active.items():
            submit = self.of(run).submit
            if submit.pace is None and submit.follow is None:
                active.pace.change(pace, now)

    def recordings(self) -> Iterator[tuple[str, Path]]:
        """Yield, for all known jobs, the folder of the images and the path of each recording."""
        for job in self._jobs.values():
            yield from ((job.submit.directory, Path(path)) for path in job.submit.paths)

    def untold_failures(self) -> tuple[Failure, ...]:
        """Return slices that will not come and that the sink has not entered: at most as many as a message takes."""
        untold = chain.from_iterable(active.untold() for active in self.active.values())
        return tuple(islice(untold, FAILURES_AT_ONCE))

    def last_failures(self) -> tuple[Failure, ...]:
        """Return the last slices that failed for good, those of runs that are over first."""
        last = [failure for active in self.active.values() for failure in active.last_failures()]
        return (*self._failures, *last)[-FAILURES_TOLD:]

    # All runs at once, as a worker has slices of more than one

    @property
    def leases(self) -> dict[RunId, Leases]:
        """Return the state of each slice, for each run under way if the sink has said what it holds of it."""
        return {run: active.leases for run, active in self.active.items() if active.leases}

    def upcoming(self, number: int, now: float) -> list[SliceId]:
        """Return the next slices to send, at most `number`; if fewer are due, add at most as many of the backlog."""
        going = {run: leases for run, leases in self.leases.items() if not self.active[run].waits}
        keys = [SliceId(run, index) for run, leases in going.items() for index in leases.upcoming(number)]
        if sum(self.active[run].is_due(index, now) for run, index in keys) >= number:
            return keys[:number]
        later = [SliceId(run, index) for run, leases in going.items() for index in leases.upcoming_backlog(number)]
        return keys[:number] + later[:number]

    @property
    def has_backlog(self) -> bool:
        """Return whether slices of a backlog are still to be sent."""
        return any(leases.upcoming_backlog(1) for leases in self.leases.values())

    def in_backlog(self, key: SliceId) -> bool:
        """Return whether a slice is imaged when no others wait."""
        active = self.active.get(key.run)
        return bool(active and active.leases and active.leases.backlog and contains(active.leases.backlog, key.slice))

    def part(self, now: float) -> bool:
        """Set aside what waits of the runs that have fallen behind; return whether there are any."""
        parted = [active for active in self.active.values() if active.part(now)]
        for active in parted:
            log.warning("%s has fallen behind: what has come is imaged first from now on", active.plan.name)
        return bool(parted)

    def out(self) -> int:
        """Return how many slices are leased or handed on."""
        return sum(len(leases.leased) for leases in self.leases.values())

    def worker_says(self, brief: WorkerBrief, now: float) -> list[Failure]:
        """Take what a worker says of what is leased to it; return the attempts that are newly failed."""
        failures = [  # first: a slice that failed is not held any more, and would be taken for one that was lost
            failure
            for failure in brief.failed
            if (known := self.leases.get(failure.run))
            and known.attempt_failed(brief.identity, failure.index, failure.attempt, failure.reason)
        ]
        self._briefs[brief.identity] = brief
        for run, leases in self.leases.items():
            _hear_of_run(run, leases, brief, now)
        return failures

    def sink_says(self, said: RunStored, max_attempts: int, now: float) -> None:
        """Take what the sink holds of a run under way; if it begins, also what workers have said that they have of it,
        before anything is sent."""
        active = self.active[said.run]
        begins = active.leases is None
        active.sink_says(said, max_attempts, now)
        if begins and active.leases:
            for brief in self._briefs.values():
                _hear_of_run(said.run, active.leases, brief, now)

    def worker_gone(self, brief: WorkerBrief, how: str) -> int:
        """Take back what a worker had that "died", "hung" or left (""); return how many slices are todo again.

        Its last state may be older than the slice that ended it: then that is the first slice that it was sent.
        """
        worker = brief.identity
        self._briefs.pop(worker, None)
        suspect = brief.working and SliceId(brief.working.run, brief.working.slice)
        if suspect is None or not (known := self.leases.get(suspect.run)) or not known.was_sent(worker, suspect.slice):
            firsts = [(first, run) for run, leases in self.leases.items() if (first := leases.first_of(worker))]
            suspect = SliceId(min(firsts)[1], min(firsts)[0][1]) if firsts else None
        return sum(
            leases.worker_gone(worker, suspect.slice if suspect and suspect.run == run else None, how)
            for run, leases in self.leases.items()
        )

    def hangs(self, state: WorkerState) -> bool:
        """Return whether a worker is on one slice for longer than any slice should take."""
        working = state.brief.working
        if working is None or state.brief.working_for <= IMAGE_WITHIN:  # what the quantiles are not needed for
            return False
        known = self.leases.get(working.run)
        limit = known.image_within if known and state.status.counters.get("images") else FIRST_IMAGE_WITHIN
        return state.brief.working_for > limit

    def _close(self, job: Job, run: str, now: float) -> None:
        active = self.active.pop(run)
        if active.leases:
            self._attempts[run] = active.leases.last_attempt
            active.leases.close()
            while len(self._attempts) > MOST_WAITING:
                del self._attempts[next(iter(self._attempts))]
        job.runs[run] = active.status(now)
        self._failures.extend(active.last_failures())

    def _conclude(self, job: Job, reason: str) -> None:
        """End a job if nothing is left to do; a reason is added to why it will have failed."""
        job.reason = "; ".join(filter(None, (job.reason, reason)))
        if job.unfinished and not (job.pending or job.opening or any(run in self.active for run in job.runs)):
            self._set(job, "failed" if job.reason else "done", job.reason)

    def _set(self, job: Job, state: JobState, reason: str = "") -> None:
        job.state, job.reason = state, reason
        job.waits = job.waits if job.unfinished else ""
        if job.unfinished:
            job.began = job.began or time.time()
        else:
            job.ended = time.time()
            job.pending.clear()
        self._queue.set(job.submit.job, state, reason, Record(job.began, job.ended, tuple(job.runs.values())))


def _hear_of_run(run: RunId, leases: Leases, brief: WorkerBrief, now: float) -> None:
    """Take what a worker says of one run."""
    holds = {(each.slice, each.number) for each in brief.holds if each.run == run}
    handed_on = {(each.slice, each.number) for each in brief.handed_on if each.run == run}
    failed = {(each.index, each.attempt) for each in brief.failed if each.run == run}
    known_ages = zip((*brief.handed_on, *brief.holds), brief.ages, strict=False)  # a socket may say anything
    ages = {(each.slice, each.number): age for each, age in known_ages if each.run == run}
    leases.worker_says(brief.identity, holds, handed_on, now, ages, failed)
