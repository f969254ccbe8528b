"""A pipeline's state as Prometheus reads it. Pure; the monitor serves it at /metrics.

Every counter of a daemon is there from its start, at 0, so that a rate over it is right from the first event. That a
counter begins again with a daemon's process, Prometheus itself sees.
"""

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from fip.state.panel import Kind, Number
from fip.state.panels import panels
from fip.state.pipeline import PipelineState
from fip.state.transients import DETECTOR
from fip.state.views import DaemonView
from fip.wire.status import Latency

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DAEMON = ("role", "daemon")

COUNTERS = {
    "slices": ("fip_slices", "Slices that the ventilator sent or a worker received."),
    "images": ("fip_images", "Images that a worker handed on, the sink stored or a follower saw."),
    "bytes_in": ("fip_received_bytes", "Bytes of slices or images received."),
    "bytes_out": ("fip_sent_bytes", "Bytes of slices or images sent."),
    "failures": (
        "fip_failures",
        "Attempts at a slice that failed; slices that the sink was told of, or a step.",
    ),
    "again": ("fip_leased_again", "Slices that were leased again."),
    "workers_lost": ("fip_workers_lost", "Workers that died or hung."),
    "written": ("fip_written_images", "Of the images, those that the worker wrote into a file of the sink's."),
    "duplicates": ("fip_duplicates", "Second copies of images that the sink dropped."),
    "unknown": ("fip_unknown_images", "Images of no open run, dropped."),
    "expired": (
        "fip_expired_images",
        "Images removed to keep to `[sink] keep`; at a follower, before it saw them.",
    ),
    "unseen": ("fip_expired_unseen_images", "Of those that the sink removed, ones that a follower had not seen."),
    "late": ("fip_late_images", "Images that a follower saw after their turn."),
    "failed": ("fip_failed_slices", "Slices that a follower passed over as they had failed."),
    "gaps": ("fip_gaps", "Slices that a follower waited for in vain."),
    "unreadable": ("fip_unreadable_images", "Images that a follower could not read."),
    "findings": ("fip_findings", "What a follower found."),
    "cold_starts": ("fip_cold_starts", "Times that a follower had to begin with nothing."),
    "stalls": ("fip_stalls", "Times that there was no room to store."),
    "bad_messages": ("fip_bad_messages", "Messages that were not what they claimed to be, dropped."),
    "unread": ("fip_unread_messages", "Of these, those of peers that were refused too often, not looked into."),
    "refused": ("fip_refused_connections", "Connections that were refused."),
    "warnings": ("fip_warnings", "Warnings that were logged."),
    "errors": ("fip_errors", "Errors that were logged."),
}
"""Name and help of each counter of a `Status`."""

RECEIVED = {
    "bytes_in": COUNTERS["bytes_in"],
    "junk": ("fip_junk_packets", "Packets that a receiver did not believe, dropped."),
    "overflowed": ("fip_overflowed_packets", "Packets for which the kernel had no room in a socket's buffer."),
    "late": ("fip_late_packets", "Packets that came after their integration was closed, dropped."),
    "again": ("fip_repeated_packets", "Packets that came more than once, dropped."),
    "unfit": ("fip_unfit_packets", "Packets that do not fit what came before them, dropped."),
    "too_many": ("fip_dropped_packets", "Packets of integrations for which there was no memory, dropped."),
} | {name: COUNTERS[name] for name in ("bad_messages", "refused", "warnings", "errors")}
"""The same for a receiver; the counts of its integrations are in its spool."""

TIMES = {
    what: (f"fip_{what}_seconds", f"Time {what}; the three sum to the wall time.")
    for what in ("busy", "idle", "blocked")
} | {"cpu_seconds": ("fip_cpu_seconds", "CPU time of the process.")}

LEVELS = {
    "age": ("fip_daemon_age_seconds", "Since a daemon's last word."),
    "memory": ("fip_memory_bytes", "Resident memory."),
    "disk_free": ("fip_disk_free_bytes", "Free where a daemon writes."),
    "disk_total": ("fip_disk_size_bytes", "Size of the file system there."),
    "busy": ("fip_gpu_busy_ratio", "Share of time a kernel ran."),
    "memory_used": ("fip_gpu_memory_used_bytes", "GPU memory in use."),
    "memory_total": ("fip_gpu_memory_size_bytes", "GPU memory."),
}
"""The same for what goes up and down: in a `DaemonView`, its `Resources` and its `Gpu`."""


_COUNTERS = COUNTERS | {f"receiver.{name}": told for name, told in RECEIVED.items() if told not in COUNTERS.values()}


def _counts(view: DaemonView) -> dict[str, int]:
    """What a daemon counts, by these names: receivers count other things by the same ones."""
    counts = view.status.counters
    if view.status.role != "receiver":
        return counts
    return {f"receiver.{name}" if f"receiver.{name}" in _COUNTERS else name: each for name, each in counts.items()}


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
        """Those of the panels, then those of each daemon."""
        state = self._state
        views = state.daemons
        heard = [view for view in views if view.state != "gone"]
        for panel in panels(self._state):
            yield from map(_family, panel.numbers)
        up = tuple((_labels(view), float(view.since is None)) for view in views)
        yield _family(Number("fip_daemon_up", "1 for a daemon that is heard, 0 for one that went of late.", DAEMON, up))
        yield from map(_family, _numbers(heard))
        yield _stages(heard)
        yield _detect_lag(heard)


def _numbers(views: Sequence[DaemonView]) -> Iterator[Number]:
    """Yield what daemons report, but for the time that stages take."""
    told: list[tuple[Kind, dict[str, tuple[str, str]], Callable[[DaemonView], dict[str, Any]]]] = [
        (
            "counter",
            _COUNTERS,
            _counts,
        ),
        ("counter", TIMES, lambda view: vars(view.status.resources) | view.status.seconds),
        (
            "gauge",
            LEVELS,
            lambda view: (
                vars(view) | vars(view.status.resources) | vars(view.status.resources.gpu or SimpleNamespace())
            ),
        ),
    ]
    for kind, names, values in told:
        known = [(_labels(view), values(view)) for view in views]
        for key, (name, text) in names.items():
            yield Number(name, text, DAEMON, tuple((labels, each.get(key)) for labels, each in known), kind)
    about = [((*_labels(view), view.status.version, view.status.device), 1.0) for view in views]
    yield Number("fip_daemon_info", "Always 1.", (*DAEMON, "version", "device"), tuple(about))
    lengths = [((*_labels(view), name), float(length)) for view in views for name, length in view.status.queues.items()]
    yield Number("fip_queue_length", "How much is in a queue.", (*DAEMON, "queue"), tuple(lengths))


def _family(number: Number) -> Metric:
    """Return a number as Prometheus' own library has it; what is unknown is left out."""
    kind = CounterMetricFamily if number.kind == "counter" else GaugeMetricFamily
    family = kind(number.name, number.help, labels=number.labels)
    for labels, value in number.values:
        if value is not None:
            family.add_metric(labels, value)
    return family


def _stages(views: Sequence[DaemonView]) -> Metric:
    """How long each stage took; quantiles are of the last some hundred times, count and sum of all."""
    times = SummaryMetricFamily("fip_stage_seconds", "Time that a stage took.", labels=[*DAEMON, "stage"])
    for view in views:
        for stage, latency in view.status.latencies.items():
            _add(times, dict(zip((*DAEMON, "stage"), (*_labels(view), stage), strict=True)), latency)
    return times


def _detect_lag(views: Sequence[DaemonView]) -> Metric:
    """How long after it was stored an image was searched."""
    text = "From when an image is stored until it is searched for transients."
    times = SummaryMetricFamily("fip_detect_lag_seconds", text, labels=["daemon"])
    for view in views:
        if view.status.name == DETECTOR and (behind := view.status.latencies.get("behind")):
            _add(times, {"daemon": view.status.identity}, behind)
    return times


def _add(times: SummaryMetricFamily, labels: dict[str, str], latency: Latency) -> None:
    for quantile, seconds in (("0.5", latency.p50), ("0.95", latency.p95), ("0.99", latency.p99)):
        times.add_sample(times.name, labels | {"quantile": quantile}, seconds)
    times.add_metric([*labels.values()], latency.count, latency.total)


def _labels(view: DaemonView) -> tuple[str, str]:
    return view.status.role, view.status.identity
