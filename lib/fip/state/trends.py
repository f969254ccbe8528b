"""What a follower has recently heard of a pipeline, in the order in which it was said. Pure.

Messages may be lost, come twice or late: the numbers that the ventilator gives them put them in order. Rates are
differences between the oldest and the newest that were heard of one life of a daemon, over the wall time that the
daemon itself counted between them, so no clocks of two hosts are ever compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fip.wire.messages import PipelineStatus
from fip.wire.status import Status

WINDOW = 10.0  # s over which rates and shares of time are taken
MOST = 64  # messages that are remembered, however fast they come
SILENT_AFTER = 5.0  # s without a word from the ventilator: ten of its messages are missing

Life = tuple[str, int, float]
"""One process of a daemon: HOST/NAME, process id, start."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a daemon had counted, and how it had spent its time, when it was heard."""

    counters: Mapping[str, int]
    seconds: Mapping[str, float]
    cpu: float | None  # s


@dataclass(frozen=True, slots=True)
class Past:
    """What is kept of a message: what trends are made of. Whole messages are large."""

    at: float  # s UTC, Unix, when it came, by the follower's clock
    number: int
    daemons: Mapping[Life, Spent]


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest message, and what is kept of the recent ones."""

    at: float  # s UTC, Unix, when it came, by the follower's clock
    status: PipelineStatus
    past: tuple[Past, ...]  # in the order in which they were said, the newest last


@dataclass(frozen=True, slots=True)
class Shares:
    """How a daemon's time was spent in the last seconds; the three sum to 1."""

    busy: float
    idle: float  # waiting for something to do
    blocked: float  # waiting for another to take what is done


@dataclass(frozen=True, slots=True)
class Trend:
    """How a daemon did in the last seconds."""

    rates: dict[str, float]  # of each counter, a second
    shares: Shares
    cpu: float | None  # cores that it kept busy


def remember(heard: Heard | None, status: PipelineStatus, now: float) -> Heard:
    """What was heard, with a message that came now (s UTC, Unix), and without what is older than the window.

    Of two ventilators the one that started last counts, or the one that still speaks. The newest message stays,
    however old it is.
    """
    spent = {life(each): Spent(each.counters, each.seconds, each.resources.cpu_seconds) for each in status.statuses}
    past = Past(now, status.number, spent)
    if heard is None:
        return Heard(now, status, (past,))
    if life(status.ventilator) != life(heard.status.ventilator):
        later = status.ventilator.started > heard.status.ventilator.started
        return Heard(now, status, (past,)) if later or now - heard.at > SILENT_AFTER else heard
    known = {each.number: each for each in heard.past}
    known.setdefault(status.number, past)
    ordered = [known[number] for number in sorted(known)][-MOST:]
    kept = (*(each for each in ordered[:-1] if each.at >= now - WINDOW), ordered[-1])
    newest = (now, status) if status.number > heard.status.number else (heard.at, heard.status)
    return Heard(*newest, kept)


def life(status: Status) -> Life:
    """Which process of a daemon a status is of."""
    return status.identity, status.pid, status.started


def trends(past: Sequence[Past]) -> dict[Life, Trend]:
    """How each daemon did over what was heard of it; those that were heard but once are left out."""
    first: dict[Life, Spent] = {}
    last: dict[Life, Spent] = {}
    for each in past:
        first = {**each.daemons, **first}
        last |= each.daemons
    found = {which: _trend(first[which], last[which]) for which in last}
    return {which: trend for which, trend in found.items() if trend}


def _trend(before: Spent, after: Spent) -> Trend | None:
    spent = {name: max(0.0, after.seconds.get(name, 0.0) - before.seconds.get(name, 0.0)) for name in after.seconds}
    wall = sum(spent.values())
    if not wall:
        return None
    return Trend(
        rates={name: max(0, after.counters[name] - before.counters.get(name, 0)) / wall for name in after.counters},
        shares=Shares(*(spent.get(name, 0.0) / wall for name in ("busy", "idle", "blocked"))),
        cpu=None if before.cpu is None or after.cpu is None else max(0.0, after.cpu - before.cpu) / wall,
    )
