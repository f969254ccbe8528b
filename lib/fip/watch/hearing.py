"""What a follower has heard of a pipeline of late, in the order in which it was said. Pure.

Messages may be lost, come twice or late: the numbers that the ventilator gives them put them in order. Rates are
differences between the oldest and the newest that were heard of one life of a daemon, over the wall time that the
daemon itself counted between them, so no clocks of two hosts are ever compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fip.messages import PipelineStatus, Status

WINDOW = 10.0  # s over which rates and shares of time are taken
MOST = 64  # messages that are remembered, however fast they come
SILENT_AFTER = 5.0  # s without a word from the ventilator: ten of its messages are missing

Life = tuple[str, int, float]
"""One process of a daemon: HOST/NAME, process id, start."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, and when it came."""

    at: float  # s UTC, Unix, by the follower's clock
    status: PipelineStatus


@dataclass(frozen=True, slots=True)
class Shares:
    """How a daemon's time was spent of late; the three sum to 1."""

    busy: float
    idle: float  # waiting for something to do
    blocked: float  # waiting for another to take what is done


@dataclass(frozen=True, slots=True)
class Trend:
    """How a daemon did of late."""

    rates: dict[str, float]  # of each counter, a second
    shares: Shares
    cpu: float | None  # cores that it kept busy


def remember(heard: tuple[Heard, ...], status: PipelineStatus, now: float) -> tuple[Heard, ...]:
    """What was heard, with a message that came now (s UTC, Unix), and without what is older than the window.

    Of two ventilators the one that started last counts, or the one that still speaks. The newest message stays,
    however old it is.
    """
    new = Heard(now, status)
    if not heard:
        return (new,)
    newest = heard[-1]
    if life(status.ventilator) != life(newest.status.ventilator):
        later = status.ventilator.started > newest.status.ventilator.started
        return (new,) if later or now - newest.at > SILENT_AFTER else heard
    known = {each.status.number: each for each in heard}
    known.setdefault(status.number, new)
    ordered = [known[number] for number in sorted(known)][-MOST:]
    return (*(each for each in ordered[:-1] if each.at >= now - WINDOW), ordered[-1])


def life(status: Status) -> Life:
    """Which process of a daemon a status is of."""
    return status.identity, status.pid, status.started


def trends(heard: tuple[Heard, ...]) -> dict[Life, Trend]:
    """How each daemon did over what was heard of it; those that were heard but once are left out."""
    first: dict[Life, Status] = {}
    last: dict[Life, Status] = {}
    for each in heard:
        for status in _daemons(each.status):
            first.setdefault(life(status), status)
            last[life(status)] = status
    found = {which: _trend(first[which], last[which]) for which in last}
    return {which: trend for which, trend in found.items() if trend}


def _daemons(status: PipelineStatus) -> Iterator[Status]:
    yield status.ventilator
    yield from (worker.status for worker in status.workers)
    if status.sink:
        yield status.sink.status


def _trend(before: Status, after: Status) -> Trend | None:
    spent = {name: max(0.0, after.seconds.get(name, 0.0) - before.seconds.get(name, 0.0)) for name in after.seconds}
    wall = sum(spent.values())
    if not wall:
        return None
    cpu = (before.resources.cpu_seconds, after.resources.cpu_seconds)
    return Trend(
        rates={name: max(0, after.counters[name] - before.counters.get(name, 0)) / wall for name in after.counters},
        shares=Shares(*(spent.get(name, 0.0) / wall for name in ("busy", "idle", "blocked"))),
        cpu=None if cpu[0] is None or cpu[1] is None else max(0.0, cpu[1] - cpu[0]) / wall,
    )
