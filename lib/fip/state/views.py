"""The daemons of a pipeline, as each was last heard. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from fip.data.names import Attempt
from fip.data.quantities import SECONDS_PER_DAY
from fip.state.ring import SHORT, bites_in, kept_for
from fip.state.trends import Life, Trend, life
from fip.wire.messages import Departure, PipelineStatus, RunStatus, Task
from fip.wire.receiving import ReceiverBrief, ReceiverState
from fip.wire.status import Status

PEER_SILENT_AFTER = 1.5  # s without a word from a peer of the ventilator: three of its states are missing
OLD = 60.0  # s; so old are the newest data at most that come as they are observed
OLD_CADENCES = 3  # the same at long cadences


@dataclass(frozen=True)
class DaemonView:
    """A daemon as it was last heard."""

    status: Status
    state: str  # what its status says; or silent, hung, gone
    why: str  # why it is not running: how it went, or what stops it; else ""
    since: float | None  # s UTC, Unix: since when it is silent or gone; None while it is heard
    age: float  # s since its last word
    trend: Trend | None  # None if it was heard only once


@dataclass(frozen=True)
class WorkerView(DaemonView):
    """A worker, with the slice that it images now."""

    working: Attempt | None = None  # the slice that it images
    working_for: float = 0.0  # s
    holds: int = 0  # slices received and not handed on
    tasks: tuple[Task, ...] = ()  # the last few that it did

    @property
    def rate(self) -> float:
        """Images/s in the last seconds."""
        return self.trend.rates.get("images", 0.0) if self.trend else 0.0


@dataclass(frozen=True)
class ReceiverView(DaemonView):
    """A receiver, and its spool."""

    brief: ReceiverBrief | None = None  # None of one that is gone
    newest: float | None = None  # s, from the end of its newest integration until now; None unless that is recent
    holds: float | None = None  # s of the stream that its ring holds
    bites: float | None = None  # s until the ring takes what is needed; None if it never will, or nobody images it
    runs: tuple[str, ...] = ()  # the names of the runs that image it

    @property
    def spool(self) -> str:
        """The name of its folder."""
        return PurePath(self.brief.spool).name if self.brief else ""

    @property
    def limit(self) -> float:
        """The age of its newest integration, in s, from which on data come late."""
        return oldest_of(self.brief.cadence if self.brief else None)

    @property
    def off(self) -> bool:
        """Whether its newest integration is too old, while more should come, or of a time to come."""
        late = self.newest is not None and self.newest > self.limit and not (self.brief and self.brief.ended)
        return late or (self.newest is not None and self.newest < 0)

    @property
    def short(self) -> bool:
        """Whether the ring takes soon what is needed."""
        return self.bites is not None and self.holds is not None and self.bites < SHORT * self.holds


def oldest_of(cadence: float | None) -> float:
    """The age of the newest data, in s, from which on they come late."""
    return max(OLD, OLD_CADENCES * (cadence or 0.0))


def heard(status: Status, age: float, silent_after: float, now: float, known: dict[Life, Trend]) -> DaemonView:
    """Return the view of a daemon that is known only by its last word."""
    silent = age > silent_after
    state, since = ("silent", now - age) if silent else (status.state, None)
    return DaemonView(status, state, "", since, age, known.get(life(status)))


def _gone(departure: Departure, now: float) -> DaemonView:
    return DaemonView(departure.status, "gone", departure.how, departure.time, max(0.0, now - departure.time), None)


def workers(newest: PipelineStatus, quiet: float, now: float, known: dict[Life, Trend]) -> tuple[WorkerView, ...]:
    """Return the workers by name, with those that left recently."""
    gone = [WorkerView(**vars(_gone(each, now))) for each in newest.departed if each.status.role == "worker"]
    views = {view.status.identity: view for view in gone}
    for worker in newest.workers:
        brief = worker.brief
        age = max(0.0, newest.ages.get(brief.identity, 0.0)) + quiet
        view = heard(worker.status, age, PEER_SILENT_AFTER, now, known)
        if brief.identity in newest.hung and view.since is None:
            view = replace(view, state="hung", why="on one slice for longer than any should take")
        on = brief.working_for + age if brief.working else 0.0
        views[brief.identity] = WorkerView(
            **vars(view), working=brief.working, working_for=on, holds=len(brief.holds), tasks=worker.tasks
        )
    return tuple(sorted(views.values(), key=lambda view: _by_number(view.status.identity)))


def _by_number(name: str) -> tuple[tuple[str, int], ...]:
    """Return a key that sorts cpu2 before cpu10."""
    return tuple((text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d{0,9})", name))


def sink(newest: PipelineStatus, quiet: float, now: float, known: dict[Life, Trend]) -> DaemonView | None:
    """The sink, also one that went; None if it never joined."""
    if newest.sink:
        age = max(0.0, newest.ages.get("sink", 0.0)) + quiet
        return replace(heard(newest.sink.status, age, PEER_SILENT_AFTER, now, known), why=newest.sink.brief.stalled)
    gone = [_gone(each, now) for each in newest.departed if each.status.role == "sink"]
    return gone[-1] if gone else None


def followers(newest: PipelineStatus, quiet: float, now: float, known: dict[Life, Trend]) -> tuple[DaemonView, ...]:
    """Return the followers by name, with those that left recently."""
    gone = [_gone(each, now) for each in newest.departed if each.status.role == "follower"]
    views = {view.status.identity: view for view in gone}
    for follower in newest.followers:
        name = follower.status.identity
        age = max(0.0, newest.ages.get(name, 0.0)) + quiet
        views[name] = replace(heard(follower.status, age, PEER_SILENT_AFTER, now, known), why=follower.stalled)
    return tuple(views[name] for name in sorted(views, key=_by_number))


def receivers(newest: PipelineStatus, quiet: float, now: float, known: dict[Life, Trend]) -> Iterator[ReceiverView]:
    """Yield the receivers by spool; those that left recently come last."""
    for receiver in newest.receivers:
        brief, age = receiver.brief, max(0.0, newest.ages.get(receiver.brief.boot, 0.0)) + quiet
        runs = [run for job in newest.jobs for run in job.runs if run.measurement_set == brief.spool and not run.final]
        needed = [None if run.unsafe_since is None else run.unsafe_since - _half(run, brief) for run in runs]
        left = [bites_in(brief, since) for since in needed]
        yield ReceiverView(
            **vars(heard(receiver.status, age, PEER_SILENT_AFTER, now, known)),
            brief=brief,
            newest=_since_newest(receiver, newest.time + quiet),
            holds=kept_for(brief),
            bites=min((each for each in left if each is not None), default=None),
            runs=tuple(run.name for run in runs),
        )
    for each in newest.departed:
        if each.status.role == "receiver":
            yield ReceiverView(**vars(_gone(each, now)))


def _half(run: RunStatus, brief: ReceiverBrief) -> float:
    """Seconds from the middle of the first integration of a slice to the middle of the slice."""
    return max(0.0, ((run.cadence or brief.cadence) - brief.cadence) / 2)


def _since_newest(receiver: ReceiverState, now: float) -> float | None:
    if receiver.brief.newest is None:
        return None
    age = now - receiver.brief.newest - receiver.brief.cadence / 2
    return age if abs(age) < SECONDS_PER_DAY else None
