"""What there is to see of the daemons: of each all that it tells, and a row for each worker. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from fip.state.panel import Bar, Fact, Head, Level, Panel, Row, Shown, Table, filled, texts
from fip.state.pipeline import DaemonView, Incident, WorkerView, incident, newest_first, shares_of
from fip.state.words import NONE, clock, duration, number, optional, percent, repeated, size

SHARES = ("busy", "blocked", "idle")
LEVELS: dict[str, Level] = {"silent": "warn", "hung": "bad", "gone": "bad", "stalled": "bad"}
WORKER_HEADS = (
    Head("worker", "text"), Head("state", "text"), Head("slice"), Head("images/s"), Head("busy", "bar"),
    Head("p50", width=100), Head("p95"), Head("wait p95", width=140), Head("CPU", width=100),
    Head("memory", width=100), Head("GPU", width=140), Head("device", "text", 140), Head("last word", width=140),
)  # fmt: skip
FLOWS = {"ventilator": ("slices", "bytes_out"), "worker": ("images", "bytes_out"), "sink": ("images", "bytes_in")}
"""What each hands on, or takes in."""


def daemon_panel(name: str, title: str, view: DaemonView, now: float) -> Panel:
    """All that is known of a daemon."""
    status, bar = view.status, _bar([view])
    facts = {
        "state": [doing(view), f"last word {duration(view.age)} ago"],
        "slice": list(_slice(view)),
        "flow": _flow(view),
        "time": [bar.words] if bar else [],
        "counted": [f"{each.replace('_', ' ')} {number(count)}" for each, count in _counted(view, bytes_of=False)],
        "bytes": [f"{each[6:]} {size(count)}" for each, count in _counted(view, bytes_of=True)],
        "queues": [f"{each.replace('_', ' ')} {number(length)}" for each, length in status.queues.items()],
        "process": list(_process(view)),
        "GPU": [*([status.resources.gpu.name] if status.resources.gpu else []), *_gpu(view)],
    }
    return Panel(
        name,
        title,
        " · ".join(_summary(view)),
        LEVELS.get(view.state, ""),
        bar,
        tuple(Fact(each, tuple(items)) for each, items in facts.items() if items),
        filled(_tables(view, now)),
    )


def workers_panel(views: Sequence[WorkerView]) -> Panel:
    """A row for each worker."""
    worst: Level = "bad" if any(LEVELS.get(view.state) == "bad" for view in views) else ""
    tables = filled([Table("", WORKER_HEADS, tuple(map(_row, views)), glance=len(views))])
    summary = " · ".join(_together(views)) if views else "none has joined"
    return Panel("workers", "Workers", summary, worst, _bar(views), tables=tables)


def doing(view: DaemonView) -> str:
    """A daemon's state, and why; of one that is not heard, for how long, or how it went, and how long ago."""
    if view.since is None:
        return ": ".join(filter(None, (view.state, view.why)))
    return f"{view.why} {duration(view.age)} ago" if view.state == "gone" else f"{view.state} {duration(view.age)}"


def _row(view: WorkerView) -> Row:
    """The columns of `WORKER_HEADS`."""
    status, trend, bar, known = view.status, view.trend, _bar([view]), view.status.latencies
    image, wait = known.get("image"), known.get("wait")
    cells = (
        status.identity,
        doing(view),
        f"{view.working[1]} for {duration(view.working_for)}" if view.working else NONE,
        number(view.rate) if trend else NONE,
        percent(bar.parts[0][1]) if bar else NONE,
        duration(image.p50) if image else NONE,
        duration(image.p95) if image else NONE,
        duration(wait.p95) if wait else NONE,
        optional(trend.cpu if trend else None, percent),
        optional(status.resources.memory, size),
        " · ".join(_gpu(view)) or NONE,
        status.device or NONE,
        f"{duration(view.age)} ago",
    )
    return Row(status.identity, cells, LEVELS.get(view.state, ""), bar)


def _bar(views: Sequence[DaemonView]) -> Bar | None:
    """How some daemons spent their time; None if nobody knows."""
    shares = shares_of(views)
    if shares is None:
        return None
    parts = tuple((what, float(getattr(shares, what))) for what in SHARES)
    return Bar(parts, ", ".join(f"{percent(share)} {what}" for what, share in parts if share >= 0.005))


def _together(views: Sequence[WorkerView]) -> Iterator[str]:
    """What all workers do."""
    yield f"{sum(view.state == 'running' for view in views)} of {len(views)} running"
    times = [view.status.latencies["image"].p50 for view in views if "image" in view.status.latencies]
    if times:
        yield f"image {duration(median(times))}"
    cores = sum(view.trend.cpu or 0.0 for view in views if view.trend)
    if cores:
        yield f"CPU {percent(cores)}"


def _summary(view: DaemonView) -> Iterator[str]:
    """What a daemon does."""
    yield view.status.host
    if view.state != "running":
        yield doing(view)
    yield from _flow(view)
    for stage in ("cut", "wire", "store", "fsync"):
        if stage in view.status.latencies:
            yield f"{stage} {duration(view.status.latencies[stage].p50)}"
    if view.status.role == "sink" and view.status.resources.disk_free is not None:
        yield f"{size(view.status.resources.disk_free)} free"


def _flow(view: DaemonView) -> list[str]:
    rates, (things, moved) = view.trend.rates if view.trend else {}, FLOWS[view.status.role]
    return [f"{number(rates.get(things, 0.0))} {things}/s", f"{size(rates.get(moved, 0.0))}/s"] if rates else []


def _slice(view: DaemonView) -> Iterator[str]:
    """What a worker works on, and has."""
    if isinstance(view, WorkerView):
        if view.working:
            run, index, attempt = view.working
            yield from (f"{index} of run {run}", f"attempt {attempt}", f"for {duration(view.working_for)}")
        yield f"holds {view.holds}"


def _counted(view: DaemonView, bytes_of: bool) -> list[tuple[str, int]]:
    return [each for each in view.status.counters.items() if each[1] and each[0].startswith("bytes") == bytes_of]


def _process(view: DaemonView) -> Iterator[str]:
    """Where it runs, and what it uses."""
    status, resources = view.status, view.status.resources
    yield f"{status.host}, {status.pid}, FIP {status.version}{status.device and f' on {status.device}'}"
    yield f"{duration(sum(status.seconds.values()))} old"
    yield f"CPU {optional(view.trend.cpu if view.trend else None, percent)}"
    yield f"memory {optional(resources.memory, size)}"
    if resources.disk_free is not None:
        yield f"disk {size(resources.disk_free)} free of {optional(resources.disk_total, size)}"


def _gpu(view: DaemonView) -> list[str]:
    gpu = view.status.resources.gpu
    return [optional(gpu.busy, percent), f"{size(gpu.memory_used)} of {size(gpu.memory_total)}"] if gpu else []


def _tables(view: DaemonView, now: float) -> Iterator[Table]:
    """How long its stages take; and of a worker what it did last, and what happened to it."""
    times = [(name, each.count, (each.p50, each.p95, each.p99)) for name, each in view.status.latencies.items()]
    stages = [Row(name, (name, number(count), *map(duration, quantiles))) for name, count, quantiles in times]
    yield Table("", (Head("stage", "text"), *map(Head, ("times", "p50", "p95", "p99"))), tuple(stages), glance=0)
    if isinstance(view, WorkerView):
        heads = (Head("last slices", "text"), *map(Head, ("began", "wait", "image", "hand on")))
        done = [(each, (each.wait, each.image, each.hand_on)) for each in reversed(view.tasks)]
        rows = [Row("", (str(each.index), clock(each.began, now), *map(duration, took))) for each, took in done]
        yield Table("", heads, tuple(rows))
        for title, told in (("Connections", view.status.events), ("Errors", view.status.errors)):
            yield incident_table(title, newest_first(incident(view.status, each) for each in told), now)


def incident_table(title: str, incidents: Sequence[Incident], now: float, shown: Shown = "rows") -> Table:
    """What happened when, and to whom."""
    levels: dict[str, Level] = {"warning": "warn", "error": "bad"}
    rows = [
        Row("", (clock(each.time, now), each.daemon, repeated(each.text, each.times)), levels.get(each.level, ""))
        for each in incidents
    ]
    return texts(title, ("when", "daemon", "what"), rows, shown)
