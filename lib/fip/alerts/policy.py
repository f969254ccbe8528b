"""Who hears what about an event, and when: rules on what is known now and on what was reported before. Pure.

An event may be found more than once: in another Stokes plane, an overlapping field, or in means of its slices. What is
near in place and time is one *source* here. The world hears of it under the name of the event that was reported first.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fip.alerts.told import NOT_REAL
from fip.alerts.words import Kind, Tense
from fip.config import AlertTarget
from fip.data.quantities import SECONDS_PER_DAY
from fip.events.words import INJECTION

GROWN = 1.2
"""An update is due if S/N is so many times that of the last alert, or the place is off by one standard deviation."""

APART = 30.0
"""Seconds between two alerts of one event, at least."""

STANDS = 8
"""How many slices a new event must outlast, after its last one, without labels. One that is closed has done so."""

RECENT = SECONDS_PER_DAY
"""Seconds after which what was seen is no news any more, but `archival`."""

REAL, BAD = "real", ("rfi", "satellite", "artefact")
"""What a person may call an event."""

State: TypeAlias = Literal["due", "waiting"]
"""The state of what a target is to be sent: it is sent, or waits until a person calls the event real."""


@dataclass(frozen=True, slots=True)
class Spot:
    """The place and the time at which something was seen, and how clearly."""

    longitude: float  # rad, ICRS
    latitude: float
    east: float  # rad, standard deviations of the place
    north: float
    begin: float  # s UTC since MJD 0
    end: float
    snr: float
    reach: float  # rad, within which another is of the same source

    def apart(self, other: "Spot") -> tuple[float, float]:
        """Rad to the east and to the north that another place is away, for places near each other."""
        east = math.remainder(other.longitude - self.longitude, 2 * math.pi) * math.cos(self.latitude)
        return east, other.latitude - self.latitude

    def is_near(self, other: "Spot") -> bool:
        """Whether both are at one place."""
        return math.hypot(*self.apart(other)) <= max(self.reach, other.reach)

    def is_same(self, other: "Spot") -> bool:
        """Whether both are at one place, at one time."""
        return self.begin <= other.end and other.begin <= self.end and self.is_near(other)


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as it is now."""

    id: str
    spot: Spot
    labels: tuple[str, ...] = ()
    moving: bool = False
    negative: bool = False
    described: bool = True  # whether it was measured, as it is now
    stands: bool = True  # whether it is closed, or has outlived `STANDS` slices
    only: frozenset[str] = frozenset()  # the targets that hear of it; none: all
    verdict: str = ""  # of a person
    backlog: bool = False  # whether it was found in what was imaged late, while newer slices came

    @property
    def injected(self) -> bool:
        """Whether FIP made it itself."""
        return INJECTION in self.labels

    @property
    def against(self) -> str:
        """What speaks against it, in a word or some; "" if nothing does. A person's word counts more than labels."""
        if self.verdict in BAD:
            return f"a person calls it {self.verdict}"
        if self.verdict == REAL:
            return ""
        if labels := [label for label in self.labels if label != INJECTION]:
            return f"labelled {', '.join(labels)}"
        return "it moves, as satellites and aircraft do" if self.moving else ""


@dataclass(frozen=True, slots=True)
class Told:
    """What was reported about an event."""

    event: str
    ids: tuple[str, ...]  # of its alerts, oldest first
    issued: float  # when the last was; s UTC since MJD 0
    spot: Spot  # as the last said
    over: bool = False  # nothing more is reported about it
    names: frozenset[str] = frozenset()  # of all events that are of this source


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be reported now."""

    kind: Kind
    event: str  # under whose name
    seen: Seen | None = None  # what is reported; None for a retraction
    reason: str = ""  # of a retraction
    after: float = -math.inf  # s UTC since MJD 0, when it may be sent


def due(seen: Sequence[Seen], known: Collection[str], told: Sequence[Told], injections: bool = False) -> Iterator[Due]:
    """Yield what is to be reported about the events as they are now.

    `known` has the ids of all that was ever found: what is among them, and not seen, has become part of something
    else. `injections`: somebody hears of those, too.
    """
    sources = {each.event: (each, _of(each, seen)) for each in told}
    for each, mine in sources.values():
        if not each.over:
            yield from _again(each, mine, known)
    taken = [*told]
    claimed = {one.id for _, mine in sources.values() for one in mine}
    for one in sorted(seen, key=lambda each: (-each.spot.snr, each.id)):
        ready = one.described and (one.stands or one.verdict == REAL) and not one.against
        if one.id in claimed or not ready or (one.injected and not injections):
            continue
        if not any(one.spot.is_same(each.spot) for each in taken):
            taken.append(Told(one.id, (), 0.0, one.spot))
            yield Due("initial", one.id, one)


def _of(told: Told, seen: Sequence[Seen]) -> list[Seen]:
    """Return the events that belong to the source that was reported."""
    return [each for each in seen if each.id in told.names or each.spot.is_same(told.spot)]


def _again(told: Told, mine: Sequence[Seen], known: Collection[str]) -> Iterator[Due]:
    """Yield what more is to be reported about a source."""
    clean = [each for each in mine if not each.against]
    if bad := next((each.against for each in mine if each.verdict in BAD), ""):
        yield Due("retraction", told.event, None, bad)
    elif not mine:
        if told.event in known:
            yield Due("retraction", told.event, None, "it has turned out to be part of another event")
    elif not clean:
        yield Due("retraction", told.event, None, mine[0].against)
    else:
        best = max(clean, key=lambda each: each.spot.snr)
        if best.described and has_news(told.spot, best.spot):
            yield Due("update", told.event, best, after=told.issued + APART)


def has_news(told: Spot, now: Spot) -> bool:
    """Say whether an event is so much clearer, or so far from its old place, that it is reported again."""
    east, north = told.apart(now)
    return now.snr >= GROWN * told.snr or math.hypot(east / told.east, north / told.north) >= 1.0


def tense_of(seen: Seen, now: float, archival: bool = False) -> Tense:
    """Return what an alert of an event is about; `archival`: a search of old data has found it."""
    if seen.injected:
        return "injection"
    return "archival" if archival or seen.backlog or abs(now - seen.spot.end) > RECENT else "current"


def recipients(
    seen: Seen, tense: Tense, targets: Mapping[str, AlertTarget], archival: bool = False
) -> dict[str, State]:
    """Return who hears of an event; nobody hears of old ones, unless that is asked for (`archival`)."""
    if tense == "archival" and not archival:
        return {}
    told: dict[str, State] = {}
    for name, target in targets.items():
        if target.told == "none" or (seen.only and name not in seen.only):
            continue
        if tense in NOT_REAL and not (target.injections and not target.external):
            continue
        told[name] = "due" if target.told == "all" or tense in NOT_REAL or seen.verdict == REAL else "waiting"
    return told


def told_of_holds(targets: Mapping[str, AlertTarget]) -> list[str]:
    """Return who hears that all is held back: those that hear of events without a person's word."""
    return [name for name, target in targets.items() if target.told == "all"]


def why_not(identity: str, tense: str, facts: Mapping[str, object], target: AlertTarget) -> str:
    """Why an alert must not be sent to a target, whoever has entered it; "" if it may be."""
    labels = facts.get("labels")
    injected = isinstance(labels, list | tuple) and INJECTION in labels
    made = tense in NOT_REAL or identity.startswith(tuple(f"{each}-" for each in NOT_REAL)) or injected
    return "what is not real is never sent to another host" if made and target.external else ""
