"""What holds all alerts back: more than a sky gives, or images that cannot be believed. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scipy.special import gammaincc

from fip.alerts.policy import REAL, Seen
from fip.data.quality import CALIBRATION

AT_ONCE = 3
"""Unrelated events in a slice that a sky may give, and in an hour, if the budget allows fewer."""

WINDOW = 3600.0
"""Seconds in which events are counted."""

SURE = 0.999

LOOKED_AT = 8
"""Images whose gain checks are looked at: the last ones; half of them out of bounds are too many."""

EXPLAINED = frozenset({"injection", "sidelobe", "refraction", "leakage", "satellite", "solar-system", "known"})
"""Labels that say what an event is: they say nothing about the other events of its time."""

Cause: TypeAlias = Literal["slice", "events", "negatives", "gains"]


@dataclass(frozen=True, slots=True)
class Trip:
    """Why all is to be held back."""

    cause: Cause
    reason: str
    events: tuple[str, ...] = ()  # their ids


def tripped(seen: Iterable[Seen], per_second: float, qualities: Sequence[str], since: float) -> Trip | None:
    """Whether to hold all back, by the events that began after a time, s UTC since MJD 0.

    `per_second` is the budget of false events; `qualities` are those of the last images, as the ledger has them.
    """
    new = [each for each in seen if each.spot.begin > since and not EXPLAINED & set(each.labels) and not each.moving]
    new.sort(key=lambda each: each.spot.end)
    return _gains(qualities) or _slice(new) or _events(new, per_second) or _negatives(new, per_second)


def limit(expected: float) -> int:
    """The most events that chance gives, 99.9 % sure, if so many are expected; at least `AT_ONCE`."""
    most = max(AT_ONCE, math.floor(expected))
    while gammaincc(most + 1, expected) < SURE:  # the chance of so many or fewer
        most += 1
    return most


def _gains(qualities: Sequence[str]) -> Trip | None:
    last = qualities[-LOOKED_AT:]
    bad = sum(CALIBRATION in each.split("+") for each in last)
    if len(last) < LOOKED_AT or 2 * bad < LOOKED_AT:
        return None
    return Trip("gains", f"{bad} of the last {len(last)} images fail the check of their gains")


def _slice(new: Sequence[Seen]) -> Trip | None:
    for each in new:
        together = _unrelated(other for other in new if _at_once(each, other))
        if len(together) > AT_ONCE:
            return Trip("slice", f"{len(together)} unrelated events in a slice", tuple(one.id for one in together))
    return None


def _events(new: Sequence[Seen], per_second: float) -> Trip | None:
    alone = [each for each in new if not each.against and each.verdict != REAL]
    return _too_many(alone, limit(per_second * WINDOW), "events", "unrelated events that nobody has looked at")


def _negatives(new: Sequence[Seen], per_second: float) -> Trip | None:
    fainter = [each for each in new if each.negative]
    return _too_many(fainter, limit(per_second * WINDOW / 2), "negatives", "places that became fainter")


def _too_many(events: Sequence[Seen], most: int, cause: Cause, what: str) -> Trip | None:
    for last in events:
        within = _unrelated(each for each in events if last.spot.end - WINDOW < each.spot.end <= last.spot.end)
        if len(within) > most:
            reason = f"{len(within)} {what} in an hour, of which chance gives {most} at most"
            return Trip(cause, reason, tuple(each.id for each in within))
    return None


def _at_once(one: Seen, other: Seen) -> bool:
    """Whether half of the time of the longer one is that of both."""
    common = min(one.spot.end, other.spot.end) - max(one.spot.begin, other.spot.begin)
    return common >= 0.5 * max(one.spot.end - one.spot.begin, other.spot.end - other.spot.begin)


def _unrelated(events: Iterable[Seen]) -> list[Seen]:
    """Return one event of each place."""
    apart: list[Seen] = []
    for each in events:
        if not any(each.spot.is_near(other.spot) for other in apart):
            apart.append(each)
    return apart
