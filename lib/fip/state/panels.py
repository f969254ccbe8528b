"""All that there is to see of a pipeline, as panels. Pure: made once for a state, and not if nobody looks."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import get_args

from pydantic import TypeAdapter

from fip.data.complete import share_words
from fip.data.quality import COMPLETE_SHARE
from fip.state.antennas import antenna_panel
from fip.state.arrivals import arrivals_panel
from fip.state.daemons import daemon_panel, incident_table, workers_panel
from fip.state.panel import Bar, Fact, Head, Kind, Level, Number, Panel, Row, Table, filled, texts
from fip.state.pipeline import JobView, PipelineState, RunView, Stage, Verdict, incident, newest_first
from fip.state.receivers import receivers_panel, ring_facts
from fip.state.transients import DETECTOR, transients_panel
from fip.state.views import DaemonView
from fip.state.words import NONE, clock, duration, number, optional, percent
from fip.wire.messages import UNFINISHED

BOTTLENECKS: dict[Stage, str] = {
    "source": "the source holds it up",
    "workers": "the workers hold it up",
    "sink": "the sink holds it up",
}
JOB_STATES = ("queued", "running", "done", "failed", "cancelled")
JOB_HEADS = (
    Head("run", "text"), Head("state", "text"), Head("stored", "bar"), Head("failed"), Head("out"), Head("images/s"),
    Head("left"), Head("late", width=140), Head("complete", width=150), Head("job", "text", 140),
    Head("MeasurementSet", "text", 140),
)  # fmt: skip
RUN = ("run", "name")
RUN_NUMBERS: tuple[tuple[str, str, str, Kind], ...] = (
    ("fip_run_lag_seconds", "Since the oldest unstored slice was due, with a pace.", "lag", "gauge"),
    ("fip_run_deadline_seconds", "The lag at which slices are late.", "deadline", "gauge"),
    ("fip_run_age_seconds", "Since the end of the newest data that are imaged, as they come.", "age", "gauge"),
    ("fip_run_age_limit_seconds", "The age at which data come late.", "age_limit", "gauge"),
    ("fip_run_received_ratio", "Share of the expected samples in the images of the last minute.", "lately", "gauge"),
    ("fip_run_backlog_slices", "Slices that wait while newer ones are imaged.", "backlog", "gauge"),
    ("fip_run_backlog_seconds", "Until none of these is left, as it goes now.", "worked_off", "gauge"),
    ("fip_run_missed", "Slices that were stored after their deadline.", "missed", "counter"),
)
RUNS = 10  # at a glance
REASONS = 5  # why jobs failed

_STATE, _PANELS = TypeAdapter(PipelineState), TypeAdapter(tuple[Panel, ...])


def panels(state: PipelineState) -> tuple[Panel, ...]:
    """All of them, in the order in which they are shown."""
    now, ventilator, sink = state.time, state.ventilator, state.sink
    errors = incident_table("", state.errors, now)
    if state.at_rest:
        found = (transients_panel(state.transients, None),) if state.transients else ()
        return _now(state), *found, _jobs(state), _failures(state)
    return (
        _now(state),
        _jobs(state),
        receivers_panel(state.receivers, state.ring),
        daemon_panel("source", "Source", ventilator, now) if ventilator else Panel("source", "Source", "not heard"),
        workers_panel(state.workers),
        daemon_panel("sink", "Sink", sink, now) if sink else Panel("sink", "Sink", "none has joined"),
        *(_follower(each, now) for each in state.followers),
        arrivals_panel(state.now),
        _transients(state),
        _antennas(state),
        _failures(state),
        Panel("errors", "Errors and warnings", tables=filled([errors]), nothing="None."),
        _connections(state),
    )


def _follower(view: DaemonView, now: float) -> Panel:
    """What a follower does, beside the sink that it follows."""
    return daemon_panel(f"follower-{view.status.name}", f"Follower {view.status.name}", view, now)


def _transients(state: PipelineState) -> Panel:
    detectors = [view for view in state.followers if view.status.name == DETECTOR and view.state != "gone"]
    behind = next((view.status.latencies["behind"] for view in detectors if "behind" in view.status.latencies), None)
    return transients_panel(state.transients, behind)


def state_json(state: PipelineState) -> bytes:
    """The state as one JSON object, of the names that the classes have, and its panels; what is not finite is null."""
    return b'%s,"panels":%s}' % (_STATE.dump_json(state)[:-1], _PANELS.dump_json(panels(state)))


def headline(state: PipelineState) -> str:
    """The verdict, and how it goes, in a line."""
    return " · ".join([state.verdict, *(text for text, _ in pulse(state))])


def pulse(state: PipelineState) -> Iterator[tuple[str, Level]]:
    """The rate; how far it is behind, or the time left; how old the newest data are; failures; what holds it up."""
    if state.rate:
        yield f"{number(state.rate)} images/s", ""
    if state.since is not None or state.lag is not None or state.eta is not None:
        big, label, level = _large(state)
        yield f"{big} {label}", level
    for fact in (*_newest(state), *_backlog(state)):
        yield f"{fact.name} {', '.join(fact.items)}", fact.level
    _, failed, _ = _sums(state)
    if failed:
        yield f"{number(failed)} failed", "bad"
    if (found := _complete(state)) is not None and found[1] < 1:
        yield f"{share_words(found[0])} complete", "warn" if found[1] < COMPLETE_SHARE else ""
    if state.bottleneck:
        yield BOTTLENECKS[state.bottleneck], ""


def _large(state: PipelineState) -> tuple[str, str, Level]:
    """Return what stands in large type, what it is, and whether it is bad."""
    stored, failed, total = _sums(state)
    if state.since is not None:
        return duration(state.time - state.since), f"without a word since {clock(state.since, state.time)}", "bad"
    if state.lag is not None:
        late = any(run.late for run in state.now)
        return duration(state.lag if state.lag >= 0.05 else 0.0), "behind the data", "bad" if late else ""
    if state.eta is not None:
        return duration(state.eta), "left", ""
    if state.now and stored + failed >= total:
        if not all(run.final for run in state.now) and not state.at_rest:
            return "waiting", "for more data", ""
        return "done", f"but for {number(failed)} slices" if failed else "every slice is stored", ""
    if total:
        return number(stored), f"of {number(total)} images", ""
    return NONE, "nothing to do" if state.ventilator else "waiting for the pipeline", ""


def _now(state: PipelineState) -> Panel:
    """How it goes, in large."""
    big, label, level = _large(state)
    stored, failed, total = _sums(state)
    growing = "" if all(run.final for run in state.now) else " so far"
    facts = (
        Fact("stored", (f"{number(stored)} / {number(total)}{growing}" if total else NONE,)),
        Fact("images/s", (number(state.rate),)),
        Fact("failed", (number(failed),), "bad" if failed else ""),
        *_samples_there(state),
        *_newest(state),
        *ring_facts(state.receivers),
        *_backlog(state),
    )
    heard = float(state.ventilator is not None and state.since is None)
    numbers = (
        Number("fip_up", "1 where the ventilator is heard.", (), (((), heard),)),
        Number("fip_left_seconds", "Until what was opened is done.", (), (((), state.eta),)),
        _one_of("verdict", "1 for the verdict of fip status, 0 for others.", get_args(Verdict), [state.verdict]),
        _one_of(
            "bottleneck", "1 for the stage that holds the others up.", get_args(Stage), [state.bottleneck], "stage"
        ),
    )
    return Panel("now", big, label, level, _progress(stored, failed, total), facts, numbers=numbers)


def _complete(state: PipelineState) -> tuple[float, float] | None:
    """Return the share of the expected samples that was there, on average and in the least image; None if unknown."""
    told = [run.complete for run in state.now if run.complete and run.complete.slices]
    if not told:
        return None
    mean = sum(each.mean * each.slices for each in told) / sum(each.slices for each in told)
    return mean, min(each.least for each in told)


def _samples_there(state: PipelineState) -> Iterator[Fact]:
    """The same in words, and how it was in the last minute."""
    if (found := _complete(state)) is not None:
        mean, least = found
        lately = [run.lately for run in state.under_way if run.lately is not None]
        items = [share_words(mean)] if least == 1 else [share_words(mean), f"{share_words(least)} at least"]
        items += [f"{share_words(min(lately))} in the last minute"] if lately else []
        yield Fact("complete", tuple(items), "warn" if least < COMPLETE_SHARE else "")


def _newest(state: PipelineState) -> Iterator[Fact]:
    """Yield the age of the newest data that have an image, in the run whose newest data are furthest from now."""
    if told := [run for run in state.under_way if run.age is not None]:
        run = max(told, key=lambda run: (run.stale, abs(run.age or 0.0)))
        age = run.age or 0.0
        said = f"{duration(age)} old" if age >= 0 else f"{duration(-age)} ahead of this clock"
        yield Fact("newest data", (said,), "warn" if run.stale else "")


def _backlog(state: PipelineState) -> Iterator[Fact]:
    """What waits while newer slices are imaged, and for how long."""
    if waiting := [run for run in state.under_way if run.backlog]:
        left = [run.worked_off for run in waiting]
        known = [each for each in left if each is not None]
        how_long = f"{duration(max(known))} left" if len(known) == len(left) else "more comes than goes"
        yield Fact("backlog", (f"{number(sum(run.backlog for run in waiting))} slices", how_long), "warn")


def _complete_numbers(runs: Iterable[tuple[tuple[str, str], RunView]]) -> Iterator[Number]:
    told = [(run, view.complete) for run, view in runs if view.complete]
    shares = [((*run, what), getattr(each, what)) for run, each in told for what in ("mean", "least")]
    yield Number("fip_complete_ratio", "Share of the expected samples that was there, of the stored slices of a run.",
                 (*RUN, "of"), tuple(shares))  # fmt: skip
    lacking = tuple((run, float(each.lacking)) for run, each in told)
    yield Number("fip_incomplete_slices", "Stored slices that lack some samples.", RUN, lacking, "counter")


def _sums(state: PipelineState) -> tuple[int, int, int]:
    """Slices that are stored, that failed, and all, of the runs that count now."""
    runs = state.now
    return sum(run.stored for run in runs), sum(run.failed for run in runs), sum(run.total for run in runs)


def _one_of(name: str, text: str, options: Sequence[str], found: Sequence[str | None], label: str = "") -> Number:
    """How often each of the options was found."""
    values = tuple(((each,), float(found.count(each))) for each in options)
    return Number(f"fip_{name}", text, (label or name,), values)


def _jobs(state: PipelineState) -> Panel:
    """A row for each run, and for each job that has none: those that are not over come first, then the newest."""
    rows = sorted((row for job in reversed(state.jobs) for row in _rows(job)), key=lambda row: not row.job)
    named = {(run.run, run.name): run for run in state.now}.items()  # the last one if a run was submitted twice
    slices = [((*run, what), count) for run, view in named for what, count in _slices(view).items()]
    numbers = (
        _one_of("jobs", "Jobs that are known.", JOB_STATES, [job.state for job in state.jobs], "state"),
        Number("fip_run_slices", "Slices of a run, each in one state.", (*RUN, "state"), tuple(slices)),
        *(
            Number(name, text, RUN, tuple((run, getattr(view, what)) for run, view in named), kind)
            for name, text, what, kind in RUN_NUMBERS
        ),
        *_complete_numbers(named),
    )
    reasons = [Fact(job.job, (job.reason,), "bad") for job in reversed(state.jobs) if job.reason]
    tables = filled([Table("", JOB_HEADS, tuple(rows), glance=RUNS)])
    nothing = "No job was submitted."
    return Panel("jobs", "Jobs", facts=tuple(reasons[:REASONS]), tables=tables, nothing=nothing, numbers=numbers)


def _rows(job: JobView) -> Iterator[Row]:
    """Yield a job's rows, with the columns of `JOB_HEADS`."""
    open_ = job.job if job.state in UNFINISHED else ""
    failed: Level = "bad" if job.state == "failed" else ""
    if not job.runs:
        names = ", ".join(PurePath(path).name for path in job.paths)
        yield Row(job.job, (job.job, job.state, *[NONE] * 7, job.job, names), failed, None, open_)
    for run in reversed(job.runs):
        state = "done" if open_ and run.over else job.state
        how_far = f"{number(run.stored)}/{number(run.total)}{'' if run.final else ' so far'}"
        counts = [number(count) if count else NONE for count in (run.failed, run.leased, run.rate)]
        left = f"lag {duration(run.lag)}" if run.lag is not None else optional(run.eta if run.left else None, duration)
        late = number(run.missed) if run.missed else NONE
        there = share_words(run.complete.mean) if run.complete else NONE
        cells = (run.name, state, how_far, *counts, left, late, there, job.job, run.measurement_set)
        level: Level = "bad" if run.failed else failed or ("warn" if run.late else "")
        yield Row(f"{job.job} {run.run}", cells, level, _progress(run.stored, run.failed, run.total), open_)


def _slices(run: RunView) -> dict[str, int]:
    waiting = max(0, run.left - run.leased)
    return {"stored": run.stored, "failed": run.failed, "leased": run.left - waiting, "waiting": waiting}


def _progress(stored: int, failed: int, total: int) -> Bar:
    done = stored / max(1, total)
    return Bar((("stored", done), ("failed", failed / max(1, total))), f"{percent(done)} stored")


def _antennas(state: PipelineState) -> Panel:
    """Numbers are of the run under way alone, so that an alarm ends with it."""
    seen = state.antennas
    if seen is None:
        return Panel("antennas", "Antennas")
    names = {run.run: run.name for job in state.jobs for run in job.runs}
    under_way = [(run.run, run.name) for run in state.now if run.run == seen.run and not run.over]
    return antenna_panel(seen, names.get(seen.run, NONE), under_way[0] if under_way else None)


def _failures(state: PipelineState) -> Panel:
    rows = [
        Row(f"{each.run} {each.index}", (each.run, str(each.index), str(each.attempt), each.reason), "bad")
        for each in reversed(state.failures)
    ]
    tables = filled([texts("", ("run", "slice", "attempts", "reason"), rows)])
    return Panel("failures", "Slices that failed", tables=tables)


def _connections(state: PipelineState) -> Panel:
    met = newest_first(incident(view.status, event) for view in state.daemons for event in view.status.events)
    refused = incident_table("Refused", state.security, state.time)
    tables = filled([refused, incident_table("All of late", met, state.time, "folded")])
    return Panel("connections", "Connections", tables=tables, nothing="None was told.")
