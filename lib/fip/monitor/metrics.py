"""A pipeline's state as Prometheus reads it. Pure; the monitor serves it at /metrics.

Every counter of a daemon is there from its start, at 0, so that a rate over it is right from the first event. That a
counter begins again with a daemon's process, Prometheus itself sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from fip.state.antennas import AntennasView, Fault
from fip.state.pipeline import DaemonView, PipelineState, RunView, Stage, Verdict
from fip.wire.messages import UNFINISHED

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JOB_STATES = ("queued", "running", "done", "failed", "cancelled")
DAEMON = ("role", "daemon")
RUN = ("run", "name")

COUNTERS = {
    "slices": ("fip_slices", "Slices that the ventilator sent or a worker received."),
    "images": ("fip_images", "Images that a worker handed on or the sink stored."),
    "bytes_in": ("fip_received_bytes", "Bytes of slices or images received."),
    "bytes_out": ("fip_sent_bytes", "Bytes of slices or images sent."),
    "failures": ("fip_failures", "Attempts at a slice that failed; at the sink: slices that were given up."),
    "again": ("fip_leased_again", "Slices that were leased again."),
    "workers_lost": ("fip_workers_lost", "Workers that died or hung."),
    "duplicates": ("fip_duplicates", "Second copies of images that the sink dropped."),
    "unknown": ("fip_unknown_images", "Images of no open run, dropped."),
    "expired": ("fip_expired_images", "Images that the sink removed to keep to `[sink] keep`."),
    "stalls": ("fip_stalls", "Times that there was no room to store."),
    "bad_messages": ("fip_bad_messages", "Messages that were not what they claimed to be, dropped."),
    "refused": ("fip_refused_connections", "Connections that were refused."),
    "warnings": ("fip_warnings", "Warnings that were logged."),
    "errors": ("fip_errors", "Errors that were logged."),
}
"""Name and help of each counter of a `Status`."""

LEVELS: dict[str, tuple[str, Callable[[DaemonView], float | None]]] = {
    "fip_daemon_age_seconds": ("Since a daemon's last word.", lambda view: view.age),
    "fip_memory_bytes": ("Resident memory.", lambda view: view.status.resources.memory),
    "fip_disk_free_bytes": ("Free where a daemon writes.", lambda view: view.status.resources.disk_free),
    "fip_disk_size_bytes": ("Size of the file system there.", lambda view: view.status.resources.disk_total),
    "fip_gpu_busy_ratio": ("Share of time a kernel ran.", lambda view: _gpu(view, "busy")),
    "fip_gpu_memory_used_bytes": ("GPU memory in use.", lambda view: _gpu(view, "memory_used")),
    "fip_gpu_memory_size_bytes": ("GPU memory.", lambda view: _gpu(view, "memory_total")),
}
"""Help and value of what goes up and down of each daemon; None where that is unknown."""


def exposition(state: PipelineState) -> bytes:
    """The state in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Metrics(state))
    return generate_latest(registry)


class _Metrics(Collector):
    """The metrics of one state."""

    def __init__(self, state: PipelineState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        state = self._state
        views = [view for view in (state.ventilator, *state.workers, state.sink) if view]
        yield from _pipeline(state)
        told = [job for job in state.jobs if job.state in UNFINISHED] or state.jobs[-1:]
        runs = [run for job in told for run in job.runs]
        yield from _runs(runs)
        yield from _antennas([run for run in runs if not run.over], state.antennas)
        up = GaugeMetricFamily(
            "fip_daemon_up", "1 for a daemon that is heard, 0 for one that went of late.", labels=DAEMON
        )
        yield _of(up, ((_labels(view), float(view.since is None)) for view in views))
        yield from _daemons([view for view in views if view.state != "gone"])


def _pipeline(state: PipelineState) -> Iterator[Metric]:
    heard = float(state.ventilator is not None and state.since is None)
    yield _of(GaugeMetricFamily("fip_up", "1 where the ventilator is heard.", labels=()), [((), heard)])
    verdict = GaugeMetricFamily("fip_verdict", "1 for the verdict of fip status, 0 for others.", labels=["verdict"])
    yield _of(verdict, (((name,), float(name == state.verdict)) for name in get_args(Verdict)))
    bottleneck = GaugeMetricFamily("fip_bottleneck", "1 for the stage that holds the others up.", labels=["stage"])
    yield _of(bottleneck, (((name,), float(name == state.bottleneck)) for name in get_args(Stage)))
    yield _of(GaugeMetricFamily("fip_left_seconds", "Until what was opened is done.", labels=()), [((), state.eta)])
    counted = Counter(job.state for job in state.jobs)
    jobs = GaugeMetricFamily("fip_jobs", "Jobs that are known.", labels=["state"])
    yield _of(jobs, (((name,), float(counted[name])) for name in JOB_STATES))


def _runs(runs: Iterable[RunView]) -> Iterator[Metric]:
    """Of each run, the last where one was submitted twice."""
    named = {(run.run, run.name): run for run in runs}
    slices = GaugeMetricFamily("fip_run_slices", "Slices of a run, each in one state.", labels=[*RUN, "state"])
    for labels, run in named.items():
        waiting = max(0, run.left - run.leased)
        states = {"stored": run.stored, "failed": run.failed, "leased": run.left - waiting, "waiting": waiting}
        _of(slices, (((*labels, name), float(number)) for name, number in states.items()))
    yield slices
    lag = GaugeMetricFamily("fip_run_lag_seconds", "Since the oldest unstored slice was due, with a pace.", labels=RUN)
    yield _of(lag, ((labels, run.lag) for labels, run in named.items()))
    deadline = GaugeMetricFamily("fip_run_deadline_seconds", "The lag at which slices are late.", labels=RUN)
    yield _of(deadline, ((labels, run.deadline) for labels, run in named.items()))
    missed = CounterMetricFamily("fip_run_missed", "Slices that were stored after their deadline.", labels=RUN)
    yield _of(missed, ((labels, float(run.missed)) for labels, run in named.items()))


def _antennas(runs: Sequence[RunView], seen: AntennasView | None) -> Iterator[Metric]:
    """Of the run under way that is read, so that an alarm ends with it; of no single antenna, as there may be many."""
    labels = next(((run.run, run.name) for run in runs if seen and run.run == seen.run), None)
    antennas = GaugeMetricFamily("fip_antennas", "Antennas with data, each in one state.", labels=[*RUN, "state"])
    flagged = GaugeMetricFamily("fip_flagged_ratio", "Share of the samples read of late that is flagged.", labels=RUN)
    if seen and labels:
        counted = Counter(each.fault for each in seen.antennas)
        _of(antennas, (((*labels, fault or "well"), float(counted[fault])) for fault in get_args(Fault)))
        _of(flagged, [(labels, seen.flagged)])
    yield from (antennas, flagged)


def _daemons(views: list[DaemonView]) -> Iterator[Metric]:
    info = GaugeMetricFamily("fip_daemon_info", "Always 1.", labels=[*DAEMON, "version", "device"])
    yield _of(info, (((*_labels(view), view.status.version, view.status.device), 1.0) for view in views))
    for counter, (name, text) in COUNTERS.items():
        counts = CounterMetricFamily(name, text, labels=DAEMON)
        yield _of(counts, ((_labels(view), view.status.counters.get(counter)) for view in views))
    for what in ("busy", "idle", "blocked"):
        spent = CounterMetricFamily(
            f"fip_{what}_seconds", f"Time {what}; the three sum to the wall time.", labels=DAEMON
        )
        yield _of(spent, ((_labels(view), view.status.seconds.get(what, 0.0)) for view in views))
    cpu = CounterMetricFamily("fip_cpu_seconds", "CPU time of the process.", labels=DAEMON)
    yield _of(cpu, ((_labels(view), view.status.resources.cpu_seconds) for view in views))
    for name, (text, value) in LEVELS.items():
        level = GaugeMetricFamily(name, text, labels=DAEMON)
        yield _of(level, ((_labels(view), value(view)) for view in views))
    queues = GaugeMetricFamily("fip_queue_length", "How much is in a queue.", labels=[*DAEMON, "queue"])
    lengths = ((view, *each) for view in views for each in view.status.queues.items())
    yield _of(queues, (((*_labels(view), name), float(length)) for view, name, length in lengths))
    yield _stages(views)


def _stages(views: list[DaemonView]) -> Metric:
    """How long each stage took; quantiles are of the last some hundred times, count and sum of all."""
    times = SummaryMetricFamily("fip_stage_seconds", "Time that a stage took.", labels=[*DAEMON, "stage"])
    for view in views:
        for stage, latency in view.status.latencies.items():
            labels = dict(zip((*DAEMON, "stage"), (*_labels(view), stage), strict=True))
            for quantile, seconds in (("0.5", latency.p50), ("0.95", latency.p95), ("0.99", latency.p99)):
                times.add_sample("fip_stage_seconds", labels | {"quantile": quantile}, seconds)
            times.add_metric([*labels.values()], latency.count, latency.total)
    return times


def _of(
    family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[tuple[tuple[str, ...], float | None]]
) -> Metric:
    """The family with these samples; what is unknown is left out."""
    for labels, value in values:
        if value is not None:
            family.add_metric(labels, value)
    return family


def _labels(view: DaemonView) -> tuple[str, str]:
    return view.status.role, view.status.identity


def _gpu(view: DaemonView, what: str) -> float | None:
    gpu = view.status.resources.gpu
    return getattr(gpu, what) if gpu else None
