"""A pipeline's state in words and short columns, for people. Pure; `fip status`, `fip top` and `fip run` show these.

What came from a socket is made printable here, so that no host, name or error can act on a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from statistics import median
from typing import TypeVar

from fip.state.antennas import AntennasView, AntennaView
from fip.state.pipeline import DaemonView, Incident, JobView, PipelineState, RunView, Stage, Verdict, WorkerView
from fip.wire.messages import UNFINISHED, Failure

Value = TypeVar("Value")

NONE = "–"
COLOURS: dict[Verdict, str] = {"keeping up": "green", "behind": "yellow", "failing": "red", "no pipeline": "red"}
BOTTLENECKS: dict[Stage, str] = {
    "source": "the source holds it up",
    "workers": "the workers hold it up",
    "sink": "the sink holds it up",
}
RUN_HEADS = ("run", "stored", "of", "failed", "out", "img/s", "left")
ANTENNA_HEADS = ("antenna", "flagged", "amplitude", "")
WORKER_HEADS = ("worker", "state", "slice", "img/s", "p50", "p95", "busy", "CPU", "memory")


def headline(state: PipelineState) -> str:
    """The verdict, rate, lag or time left, and what holds it up, in a line."""
    parts: list[str] = [state.verdict]
    if state.since is not None:
        parts.append(f"nothing was heard since {clock(state.since)}")
    if state.rate:
        parts.append(f"{number(state.rate)} images/s")
    if state.lag is not None:
        parts.append(f"lag {duration(state.lag)}")
    if state.eta is not None:
        parts.append(f"{countdown(state.eta)} left")
    if state.bottleneck:
        parts.append(BOTTLENECKS[state.bottleneck])
    return " · ".join(parts)


def runs_of_interest(state: PipelineState, most: int) -> list[RunView]:
    """So many runs at most: those under way, and before them the last that are over."""
    runs = [(job.state in UNFINISHED and not run.over, run) for job in state.jobs for run in job.runs]
    return [run for _, run in sorted(runs, key=lambda each: each[0])][-most:]


def run_row(run: RunView) -> tuple[str, ...]:
    """The columns of `RUN_HEADS`."""
    return (
        printable(run.name),
        str(run.stored),
        str(run.total),
        str(run.failed or NONE),
        str(run.leased or NONE),
        number(run.rate) if run.rate else NONE,
        f"lag {duration(run.lag)}" if run.lag is not None else optional(run.eta, countdown) if run.left else "done",
    )


def worker_row(view: WorkerView) -> tuple[str, ...]:
    """The columns of `WORKER_HEADS`."""
    image, trend = view.status.latencies.get("image"), view.trend
    return (
        printable(view.status.identity),
        doing(view),
        f"{view.working[1]} {duration(view.working_for)}" if view.working else NONE,
        number(view.rate) if trend else NONE,
        optional(image.p50 if image else None, duration),
        optional(image.p95 if image else None, duration),
        optional(trend.shares.busy if trend else None, percent),
        optional(trend.cpu if trend else None, percent),
        optional(view.status.resources.memory, size),
    )


def stage_words(state: PipelineState) -> dict[Stage, str]:
    """What the source, the workers and the sink do, in a line each."""
    return {
        "source": _words(state.ventilator, _sent) if state.ventilator else "not heard",
        "workers": _workers(state),
        "sink": _words(state.sink, _stored) if state.sink else "none has joined",
    }


def job_line(job: JobView) -> str:
    """A job and what became of it, in a line."""
    return printable(" ".join([job.job, job.state, *([f"({job.reason})"] if job.reason else [])]))


def antenna_words(view: AntennasView) -> tuple[str, str, str]:
    """How many antennas there are and how much is flagged; which are flagged away; whose amplitudes are outliers."""
    flagged = [each for each in view.faulty if each.fault == "flagged"]
    unlike = [each for each in view.faulty if each.fault != "flagged"]
    shares = [f" {percent(each.flagged)}" if each.flagged < 1 else "" for each in flagged]
    return (
        f"{len(view.antennas)} with data · {percent(view.flagged)} flagged",
        _names("flagged away", [f"{each.name}{share}" for each, share in zip(flagged, shares, strict=True)]),
        _names("of unlike amplitude", [f"{each.name} ×{number(each.level or 0.0)}" for each in unlike]),
    )


def antenna_row(view: AntennaView) -> tuple[str, ...]:
    """The columns of `ANTENNA_HEADS`."""
    level = optional(view.level, lambda level: f"×{number(level)}")
    return printable(view.name), percent(view.flagged), level, view.fault


def failure_line(failure: Failure) -> str:
    """A slice that failed for good, in a line."""
    return printable(f"run {failure.run} slice {failure.index}, {failure.attempt} attempts: {failure.reason}")


def incident_line(incident: Incident) -> str:
    """An error, or a connection that was refused, in a line."""
    times = f" ({incident.times} times)" if incident.times > 1 else ""
    return printable(f"{clock(incident.time)} {incident.daemon}: {incident.text}{times}")


def doing(view: DaemonView) -> str:
    """A daemon's state; of one that is not heard, for how long, or how it went, and how long ago."""
    if view.since is None:
        return printable(view.state)
    gone = view.state == "gone"
    return printable(f"{view.why if gone else view.state} {duration(view.age)}{' ago' if gone else ''}")


def optional(value: Value | None, shown: Callable[[Value], str]) -> str:
    """A value that may be unknown."""
    return NONE if value is None else shown(value)


def printable(text: str) -> str:
    """Text without the characters that a terminal would act on."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def number(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def percent(share: float) -> str:
    """As "12%"."""
    return f"{100 * share:.0f}%"


def duration(seconds: float) -> str:
    """As "12 ms", "3.4 s", "1:05", "2:03:04"."""
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return countdown(seconds)


def countdown(seconds: float) -> str:
    """As "0:05", "1:05", "2:03:04"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Bytes, as "12 kB", "3.4 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{number(count)} {unit}"
        count /= 1000
    return f"{number(count)} TB"


def clock(time: float) -> str:
    """A Unix time as the local time of day; with its date, where that is another one."""
    when, now = datetime.fromtimestamp(time).astimezone(), datetime.now().astimezone()
    return f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M:%S}"


def _names(what: str, names: list[str]) -> str:
    """How many there are of a kind, and which; "" where there are none."""
    return printable(f"{len(names)} {what}: {', '.join(names)}") if names else ""


def _words(view: DaemonView, others: Callable[[DaemonView], list[str]]) -> str:
    state = [] if view.state == "running" else [doing(view)]
    return " · ".join([printable(view.status.host), *state, *others(view)])


def _sent(view: DaemonView) -> list[str]:
    known = view.status.latencies
    times = [f"{stage} {duration(known[stage].p50)}" for stage in ("cut", "wire") if stage in known]
    return times + ([f"{size(view.trend.rates.get('bytes_out', 0.0))}/s"] if view.trend else [])


def _stored(view: DaemonView) -> list[str]:
    known, free = view.status.latencies, view.status.resources.disk_free
    duplicates = view.status.counters.get("duplicates", 0)
    words = [f"{number(view.trend.rates.get('images', 0.0))} commits/s"] if view.trend else []
    if "store" in known and "fsync" in known:
        words.append(f"{duration(known['store'].p50)}, fsync {duration(known['fsync'].p50)}")
    words += [f"{duplicates} twice"] if duplicates else []
    return words + ([f"{size(free)} free"] if free is not None else [])


def _workers(state: PipelineState) -> str:
    if not state.workers:
        return "none has joined"
    running = sum(view.state == "running" for view in state.workers)
    times = [view.status.latencies["image"].p50 for view in state.workers if "image" in view.status.latencies]
    image = [f"image {duration(median(times))}"] if times else []
    return " · ".join([f"{running} of {len(state.workers)} running", *image])


def done(counters: dict[str, int], rate: float, what: str) -> str:
    """What was done so far, and how fast of late, in words: "12 imaged, 3.0/s, 1 failed"."""
    failures = counters.get("failures", 0)
    return f"{counters.get('images', 0)} {what}, {rate:.1f}/s" + (f", {failures} failed" if failures else "")
