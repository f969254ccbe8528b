"""What there is to see of the daemons: all that each reports, and a row for each worker. Pure."""

from collections.abc import Iterator, Sequence
from statistics import median

from fip.state.panel import Bar, Fact, Head, Level, Panel, Row, Shown, Table, filled, texts
from fip.state.pipeline import Incident, incident, newest_first, shares_of
from fip.state.views import DaemonView, WorkerView
from fip.state.words import NONE, clock, duration, number, optional, percent, repeated, size

LEVELS: dict[str, Level] = {"silent": "warn", "hung": "bad", "gone": "bad", "stalled": "bad"}
WORKER_HEADS = (
    Head("worker", "text"), Head("state", "text"), Head("slice"), Head("images/s"), Head("busy", "bar"),
    Head("image p50", width=100), Head("image p95"), Head("wait p95", width=140), Head("CPU", width=100),
    Head("memory", width=100), Head("GPU", width=140), Head("device", "text", 140), Head("last word", width=140),
)  # fmt: skip
STAGE_HEADS = (Head("stage", "text"), *map(Head, ("times", "p50", "p95", "p99")))
TASK_HEADS = (Head("last slices", "text"), *map(Head, ("began", "wait", "image", "hand on")))
SUMMED = ("cut", "gains", "flags", "model", "auto", "feeds", "wire", "store", "fsync", "step", "behind")
"""Stages of source, sink and followers that are shown in a line."""
FLOWS = {
    "ventilator": ("slices", "bytes_out"), "worker": ("images", "bytes_out"),
    "sink": ("images", "bytes_in"), "follower": ("images", "bytes_in"),
    "receiver": ("received", "bytes_in"),
}  # fmt: skip
"""What each hands on, or takes in."""


def daemon_panel(name: str, title: str, view: DaemonView, now: float) -> Panel:
    """All that is known of a daemon."""
    status, said = view.status, words_of(view)
    doing = [] if view.state == "running" else [said["state"]]
    stages = [f"{stage} {duration(status.latencies[stage].p50)}" for stage in SUMMED if stage in status.latencies]
    free = [f"{size(status.resources.disk_free)} free"] if status.role == "sink" and status.resources.disk_free else []
    flow = _flow(view)[:1] if status.role == "sink" else _flow(view)
    summary = " · ".join([status.host, *doing, *flow, *stages, *free])
    return Panel(
        name, title, summary, LEVELS.get(view.state, ""), _bar([view]), facts_of(view, said), filled(_tables(view, now))
    )


def workers_panel(views: Sequence[WorkerView]) -> Panel:
    """A row for each worker."""
    rows = tuple(map(_row, views))
    worst: Level = "bad" if any(row.level == "bad" for row in rows) else ""
    tables = filled([Table("", WORKER_HEADS, rows, glance=len(rows))])
    summary = " · ".join(_together(views)) if views else "none has joined"
    return Panel("workers", "Workers", summary, worst, _bar(views), tables=tables)


def _row(view: WorkerView) -> Row:
    """Return a worker's row, with the columns of `WORKER_HEADS`."""
    bar, times = _bar([view]), view.status.latencies
    said = words_of(view) | {
        "worker": view.status.identity,
        "image p50": duration(times["image"].p50) if "image" in times else "",
        "image p95": duration(times["image"].p95) if "image" in times else "",
        "wait p95": duration(times["wait"].p95) if "wait" in times else "",
        "busy": percent(bar.parts[0][1]) if bar else "",
        "images/s": number(view.rate) if view.trend else "",
        "slice": f"{view.working[1]} for {duration(view.working_for)}" if view.working else "",
    }
    cells = tuple(said.get(head.name) or NONE for head in WORKER_HEADS)
    return Row(view.status.identity, cells, LEVELS.get(view.state, ""), bar)


def words_of(view: DaemonView) -> dict[str, str]:
    """What is known of a daemon, by name; "" if it is not."""
    status, gpu, cpu = view.status, view.status.resources.gpu, view.trend.cpu if view.trend else None
    gone = f"{view.why} {duration(view.age)} ago" if view.state == "gone" else f"{view.state} {duration(view.age)}"
    return {
        "state": gone if view.since is not None else ": ".join(filter(None, (view.state, view.why))),
        "last word": f"{duration(view.age)} ago",
        "device": status.device,
        "CPU": percent(cpu) if cpu is not None else "",
        "memory": size(status.resources.memory) if status.resources.memory else "",
        "GPU": f"{optional(gpu.busy, percent)} · {size(gpu.memory_used)} of {size(gpu.memory_total)}" if gpu else "",
    }


def facts_of(view: DaemonView, said: dict[str, str]) -> tuple[Fact, ...]:
    """All that is known of a daemon that somebody looks at."""
    status, used, bar = view.status, view.status.resources, _bar([view])
    counted = {name.replace("_", " "): count for name, count in status.counters.items() if count}
    process = [f"{status.host} {status.pid}", f"FIP {status.version}", status.device]
    process += [
        f"{duration(sum(status.seconds.values()))} old",
        *(f"{each} {said[each]}" for each in ("CPU", "memory") if said[each]),
    ]
    if used.disk_free is not None and used.disk_total is not None:
        process.append(f"disk {size(used.disk_free)} free of {size(used.disk_total)}")
    facts = {
        "state": [said["state"], f"last word {said['last word']}"],
        "slice": _slice(view) if isinstance(view, WorkerView) else [],
        "flow": _flow(view),
        "time": [bar.words] if bar else [],
        "counted": [f"{name} {number(count)}" for name, count in counted.items() if name[:6] != "bytes "],
        "bytes": [f"{name[6:]} {size(count)}" for name, count in counted.items() if name[:6] == "bytes "],
        "queues": [
            f"{name.replace('_', ' ')} {size(length) if name.endswith('bytes') else number(length)}"
            for name, length in status.queues.items()
        ],
        "process": [each for each in process if each],
        "GPU": [used.gpu.name, said["GPU"]] if used.gpu else [],
    }
    return tuple(Fact(name, tuple(items)) for name, items in facts.items() if items)


def _slice(view: WorkerView) -> list[str]:
    if not view.working:
        return [f"holds {view.holds}"]
    run, index, attempt = view.working
    return [f"{index} of run {run}", f"attempt {attempt}", f"for {duration(view.working_for)}", f"holds {view.holds}"]


def _flow(view: DaemonView) -> list[str]:
    """What it takes in or hands on a second."""
    rates, (things, moved) = view.trend.rates if view.trend else {}, FLOWS[view.status.role]
    return [f"{number(rates.get(things, 0.0))} {things}/s", f"{size(rates.get(moved, 0.0))}/s"] if rates else []


def _together(views: Sequence[WorkerView]) -> Iterator[str]:
    """Yield in words what all workers do together."""
    yield f"{sum(view.state == 'running' for view in views)} of {len(views)} running"
    times = [view.status.latencies["image"].p50 for view in views if "image" in view.status.latencies]
    if times:
        yield f"image {duration(median(times))}"
    if any(view.trend for view in views):
        yield f"CPU {percent(sum(view.trend.cpu or 0.0 for view in views if view.trend))}"


def _bar(views: Sequence[DaemonView]) -> Bar | None:
    """How some daemons spent their time; None if nobody knows."""
    shares = shares_of(views)
    if shares is None:
        return None
    parts = (("busy", shares.busy), ("blocked", shares.blocked), ("idle", shares.idle))
    return Bar(parts, ", ".join(f"{percent(share)} {what}" for what, share in parts if share >= 0.005))


def _tables(view: DaemonView, now: float) -> Iterator[Table]:
    """How long its stages take; and of a worker what it did last, and what happened to it."""
    times = [(name, each.count, (each.p50, each.p95, each.p99)) for name, each in view.status.latencies.items()]
    stages = [Row(name, (name, number(count), *map(duration, quantiles))) for name, count, quantiles in times]
    yield Table("", STAGE_HEADS, tuple(stages), glance=0)
    if isinstance(view, WorkerView):
        done = [(each, (each.wait, each.image, each.hand_on)) for each in reversed(view.tasks)]
        rows = [Row("", (str(each.index), clock(each.began, now), *map(duration, took))) for each, took in done]
        yield Table("", TASK_HEADS, tuple(rows))
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
