"""The state of a pipeline, from what was heard of it. Pure: every view of FIP shows this one state and no other.

`fip status`, `fip top`, `fip run`, the web page and Prometheus turn it into text, colours or numbers; what keeps up,
what is behind and what the bottleneck is, is decided here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from fip.state import views
from fip.state.antennas import AntennasView, antennas_view
from fip.state.transients import TransientsView
from fip.state.trends import SILENT_AFTER, Heard, Shares, trends
from fip.state.views import DaemonView, ReceiverView, WorkerView, oldest_of
from fip.state.words import duration, number
from fip.wire.messages import UNFINISHED, Failure, JobStatus, RingState, RunStatus
from fip.wire.status import Logged, SocketEvent, Status

Verdict = Literal["keeping up", "behind", "failing", "no pipeline", "finished"]
"""finished: nothing works, and nothing is left to do; said of a directory, never of a ventilator."""
Stage = Literal["source", "workers", "sink"]

EXIT_CODES: dict[Verdict, int] = {"keeping up": 0, "behind": 1, "failing": 1, "no pipeline": 3, "finished": 0}
JOINING = 30.0  # s after the ventilator's start in which workers and sink may be missing
RECENT = 60.0  # s for which a worker that died counts against the verdict
NEVER_WAITING = 0.9  # share of time: busy for longer than that is never waiting
HARDLY_WAITING = 0.5  # share of time: busy for less than that is no bottleneck
SHOWN = 50  # errors, security events


@dataclass(frozen=True)
class RunView(RunStatus):
    """A run: what its status says, and what follows from that."""

    eta: float | None = None  # s until it is done at this rate; None with a pace, or if nothing is stored yet

    @property
    def left(self) -> int:
        """Slices that are neither stored nor failed."""
        return self.total - self.stored - self.failed

    @property
    def over(self) -> bool:
        """Whether nothing is left of it, and nothing can come."""
        return self.final and not self.left

    @property
    def late(self) -> bool:
        """Whether it is behind its deadline."""
        return self.lag is not None and self.lag > (self.deadline or 0.0)

    @property
    def age_limit(self) -> float | None:
        """The age of its newest data, in s, from which on they come late; None if that is not known."""
        return None if self.age is None else oldest_of(self.cadence)

    @property
    def stale(self) -> bool:
        """Whether its newest data are too old, or of a time to come: what is upstream is late, or a clock wrong."""
        return self.age is not None and self.age_limit is not None and not 0 <= self.age <= self.age_limit


@dataclass(frozen=True)
class JobView(JobStatus):
    """A job, with the views of its runs."""

    runs: tuple[RunView, ...]


@dataclass(frozen=True)
class Incident:
    """Something that a daemon logged, or that happened to one of its sockets."""

    time: float  # s UTC, Unix
    daemon: str  # HOST/NAME
    level: str  # warning, error; "" for a connection that came about, or ended
    text: str
    times: int = 1  # how often it happened recently; `time` is the last


@dataclass(frozen=True)
class PipelineState:
    """All that there is to see; by default, of a pipeline from which nothing was heard."""

    time: float  # s UTC, Unix
    verdict: Verdict = "no pipeline"
    exit_code: int = EXIT_CODES["no pipeline"]  # of `fip status`
    reasons: tuple[str, ...] = ("no ventilator was heard",)  # for the verdict, the worst first; () if all is well
    since: float | None = None  # s UTC, Unix: the ventilator's last word, if it is gone; None while it is heard
    ventilator: DaemonView | None = None  # None if it was never heard
    workers: tuple[WorkerView, ...] = ()  # by name; those that left recently are among them
    sink: DaemonView | None = None  # None if it never joined
    followers: tuple[DaemonView, ...] = ()  # by name; those that left recently are among them
    receivers: tuple[ReceiverView, ...] = ()  # by spool; those that left recently come last
    ring: RingState | None = None  # of cut slices, at the ventilator; None if no run needs one
    jobs: tuple[JobView, ...] = ()  # oldest first
    rate: float = 0.0  # images/s, of all runs
    eta: float | None = None  # s until all that was opened is done; None with a pace, or if nothing is stored yet
    lag: float | None = None  # s, that of the run that is furthest behind; None without a pace
    bottleneck: Stage | None = None  # the first stage that is never waiting; None if all wait, or nothing is done
    failures: tuple[Failure, ...] = ()  # slices that failed for good, oldest first, the last few
    errors: tuple[Incident, ...] = ()  # newest first
    security: tuple[Incident, ...] = ()  # handshakes that failed; newest first
    antennas: AntennasView | None = None  # of the run that is read, or was read last; None if nothing was read
    transients: TransientsView | None = None  # found in the images of jobs_now; None if these were not searched
    unsaved: str = ""  # why the ventilator cannot write its queue of jobs now; "" if it can

    @property
    def daemons(self) -> tuple[DaemonView, ...]:
        """All daemons, with those that left recently."""
        found = (self.ventilator, *self.workers, self.sink, *self.followers, *self.receivers)
        return tuple(view for view in found if view)

    @property
    def jobs_now(self) -> tuple[JobView, ...]:
        """The jobs that count now: those that are not over, or else the last."""
        return tuple(job for job in self.jobs if job.state in UNFINISHED) or self.jobs[-1:]

    @property
    def now(self) -> tuple[RunView, ...]:
        """The runs that count now: those of the jobs that do."""
        return tuple(run for job in self.jobs_now for run in job.runs)

    @property
    def at_rest(self) -> bool:
        """Whether it is that of a directory in which nothing works: there are no daemons to be seen."""
        return self.ventilator is None and bool(self.jobs)

    @property
    def under_way(self) -> tuple[RunView, ...]:
        """Those that are worked on: neither they nor their jobs are over, and the pipeline is heard."""
        working = self.since is None and any(job.state in UNFINISHED for job in self.jobs_now)
        return tuple(run for run in self.now if working and not run.over)


def pipeline_state(heard: Heard | None, now: float) -> PipelineState:
    """Return a pipeline's state now (s UTC, Unix) from what `fip.state.trends.remember` kept; None: nothing heard."""
    if heard is None:
        return PipelineState(now)
    newest, quiet = heard.status, max(0.0, now - heard.at)
    known, told = trends(heard.past), (*newest.statuses, *(each.status for each in newest.departed))
    seen = PipelineState(
        now,
        since=heard.at if quiet > SILENT_AFTER else None,
        ventilator=replace(views.heard(newest.ventilator, quiet, SILENT_AFTER, now, known), why=newest.waits),
        workers=views.workers(newest, quiet, now, known),
        sink=views.sink(newest, quiet, now, known),
        followers=views.followers(newest, quiet, now, known),
        receivers=tuple(views.receivers(newest, quiet, now, known)),
        ring=newest.ring,
        jobs=tuple(JobView(**vars(job) | {"runs": tuple(map(_run, job.runs))}) for job in newest.jobs),
        failures=newest.failures,
        errors=newest_first(incident(each, error) for each in told for error in each.errors),
        security=newest_first(incident(each, event) for each in told for event in each.events if event.reason),
        antennas=antennas_view(newest.antennas) if newest.antennas else None,
        unsaved=newest.unsaved,
    )
    runs, (verdict, reasons) = seen.under_way, _verdict(seen)
    rate = sum(run.rate for run in runs)
    return replace(
        seen,
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        reasons=reasons,
        rate=rate,
        eta=sum(run.left for run in runs) / rate if rate and all(run.lag is None for run in runs) else None,
        lag=max((run.lag for run in runs if run.lag is not None), default=None),
        bottleneck=_bottleneck(seen) if runs else None,
    )


def _run(run: RunStatus) -> RunView:
    view = RunView(**vars(run))
    return replace(view, eta=view.left / run.rate) if run.rate and run.lag is None else view


def _verdict(state: PipelineState) -> tuple[Verdict, tuple[str, ...]]:
    if state.ventilator and state.since is not None:
        return "no pipeline", (f"the ventilator {state.ventilator.status.identity} is silent",)
    failing = tuple(_faults(state))
    behind = tuple(f"{run.name} is {duration(run.lag or 0.0)} behind" for run in state.under_way if run.late)
    behind += tuple(f"{view.spool}: its ring takes what is not imaged in {duration(view.bites or 0.0)}"
                    for view in state.receivers if view.short)  # fmt: skip
    return "failing" if failing else "behind" if behind else "keeping up", failing + behind


def _faults(state: PipelineState) -> Iterator[str]:
    """What failed of the jobs that count now, and what is in the way of the work."""
    yield from (f"job {job.job} failed: {job.reason}" for job in state.jobs_now if job.state == "failed")
    for run in state.now:
        if run.failed:
            yield f"{number(run.failed)} of {number(run.total)} slices of {run.name} failed"
    yield from obstacles(state)


def obstacles(state: PipelineState) -> Iterator[str]:
    """What cannot be written; while there is work, who is missing, does not do it, or died just now."""
    if state.unsaved:
        yield state.unsaved
    if not any(job.state in UNFINISHED for job in state.jobs_now):
        return
    joining = state.ventilator and sum(state.ventilator.status.seconds.values()) < JOINING
    if not joining and all(worker.state in ("gone", "hung") for worker in state.workers):
        yield "no worker images"
    if not joining and (state.sink is None or state.sink.state == "gone"):
        yield "no sink stores"
    if state.ventilator and state.ventilator.why:
        yield state.ventilator.why
    if state.sink and state.sink.state == "stalled":
        yield f"the sink cannot store: {state.sink.why}"
    for receiver in state.receivers:
        if receiver.why == "died":
            yield f"receiver {receiver.status.identity} died: nothing is received"
    for worker in state.workers:
        if worker.state == "hung":
            yield f"worker {worker.status.identity} hangs"
        elif worker.state == "gone" and worker.why == "died" and state.time - (worker.since or state.time) < RECENT:
            yield f"worker {worker.status.identity} died"


def shares_of(views: Sequence[DaemonView]) -> Shares | None:
    """Return how the daemons that are heard spent their time, on average; None if none is heard."""
    known = [view.trend.shares for view in views if view.trend and view.since is None]
    if len(known) < 2:
        return known[0] if known else None
    return Shares(*(fmean(getattr(each, what) for each in known) for what in ("busy", "idle", "blocked")))


def _bottleneck(state: PipelineState) -> Stage | None:
    """The first stage that never waits; else the one that waits the least, unless it too waits most of the time."""
    source, sink = ([view] if view else [] for view in (state.ventilator, state.sink))
    stages: dict[Stage, Sequence[DaemonView]] = {"source": source, "workers": state.workers, "sink": sink}
    shares = {stage: shares_of(views) for stage, views in stages.items()}
    busy = {stage: share.busy for stage, share in shares.items() if share}
    never = [stage for stage, share in busy.items() if share >= NEVER_WAITING]
    most = max(busy, key=busy.__getitem__, default=None)
    if never or most is None:
        return never[0] if never else None
    return most if busy[most] >= HARDLY_WAITING else None


def incident(status: Status, what: Logged | SocketEvent) -> Incident:
    """Return what a daemon logged, or what happened to one of its sockets."""
    if isinstance(what, Logged):
        return Incident(what.time, status.identity, what.level, what.text, what.times)
    text = ": ".join(
        filter(None, (what.socket, f"{what.event} with {what.peer}" if what.peer else what.event, what.reason))
    )
    return Incident(what.time, status.identity, "warning" if what.reason else "", text, what.times)


def newest_first(incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    """Return the newest of the incidents, newest first, at most `SHOWN`."""
    return tuple(sorted(incidents, key=lambda each: each.time, reverse=True)[:SHOWN])
