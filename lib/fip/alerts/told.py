"""What all forms of an alert have in common: its names, its place and flux as reported, and what must be added.

Facts are those of `event.json`, or, before an event was measured, of the table of events. Nothing is reported about
facts that these do not have.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fip.alerts.words import Alert, Tense

CONTAINED = 0.9
"""The probability that a source is within the reported region; standard deviations times `_WIDER` give it."""

_WIDER = math.sqrt(-2 * math.log(1 - CONTAINED))  # of a normal distribution in two dimensions

NOT_REAL = ("injection", "test")
"""Tenses of what no one shall point a telescope at."""


_NO_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Region:
    """An ellipse on the sky, ICRS, degrees."""

    ra: float
    dec: float
    error: tuple[float, float, float] | None  # semi-axes that hold `CONTAINED`, and the angle of the major, N to E


@dataclass(frozen=True, slots=True)
class Flux:
    """A flux density in Jy, with its error."""

    value: float
    error: float | None
    how: str  # what was made of it


def alert_id(event: str, number: int, tense: Tense) -> str:
    """Return the id of an event's alert of this number (from 1). If it is not real, the id begins with its tense."""
    return f"{named(event, tense)}.{number}"


def names_of(alert: Alert) -> tuple[str, int | None]:
    """Return the name under which an event is reported, and the number of this alert; None if its id has none.

    What is not real says so in its name, whoever has made the id.
    """
    stem, dot, number = alert.id.rpartition(".")
    if not dot or not number.isdecimal():
        return named(alert.id, alert.tense), None
    return named(stem, alert.tense), int(number)


def named(identity: str, tense: Tense) -> str:
    """Return the id of an alert or an event. If the event is not real, the id begins with its tense."""
    return identity if tense not in NOT_REAL or identity.startswith(f"{tense}-") else f"{tense}-{identity}"


def number(facts: Mapping[str, Any], name: str) -> float | None:
    """A number that is finite, or None."""
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def utc(time: str) -> str:
    """A time of the facts, which have no zone, with that of UTC."""
    return f"{time}Z"


def printable(text: str) -> str:
    """Return a text without characters that XML cannot have."""
    return _NO_XML.sub("\ufffd", text)


def region_of(facts: Mapping[str, Any]) -> Region | None:
    """Return its place, with the ellipse that contains `CONTAINED` by noise; None if the facts do not give it."""
    ra, dec = number(facts, "ra"), number(facts, "dec")
    if ra is None or dec is None:
        return None
    told, east, north = facts.get("ellipse"), number(facts, "ra_err"), number(facts, "dec_err")
    if told:
        major, minor, angle = (float(told[name]) for name in ("major", "minor", "angle"))
        return Region(ra, dec, (major * _WIDER, minor * _WIDER, angle))
    if east is None or north is None:
        return Region(ra, dec, None)
    east *= math.cos(math.radians(dec))
    return Region(ra, dec, (max(east, north) * _WIDER, min(east, north) * _WIDER, 90.0 if east > north else 0.0))


def flux_of(facts: Mapping[str, Any]) -> Flux | None:
    """The best that is known of its flux density, the mean over its images."""
    for name, how in _FLUXES.items():
        if told := facts.get(name):
            return Flux(float(told["value"]), float(told["error"]), how)
    value = number(facts, "flux")
    return None if value is None else Flux(value, None, "apparent: no primary beam; as it was found, not yet measured")


def duration_of(facts: Mapping[str, Any]) -> float | None:
    """Seconds from its begin to its end."""
    return number(facts, "duration")


def band_of(facts: Mapping[str, Any]) -> tuple[float, float] | None:
    """The lowest and the highest frequency, Hz."""
    told = facts.get("band")
    return (float(told[0]), float(told[1])) if told else None


def remarks(alert: Alert) -> Iterator[str]:
    """Sentences: what is to be known of it and stands in no other place."""
    facts = alert.facts
    if alert.tense in NOT_REAL:
        yield f"NOT REAL: this is {'an injection' if alert.tense == 'injection' else 'a test'}."
    if alert.reason:
        yield alert.reason if alert.reason.endswith(".") else f"{alert.reason}."
    if alert.kind in ("retraction", "summary"):
        return
    if "stokes" in facts:
        yield f"Found in Stokes {facts['stokes']}, kind {facts.get('kind', 'transient')}."
    if flux := flux_of(facts):
        yield f"Flux density: {flux.how}."
    if index := facts.get("spectral_index"):
        yield f"Spectral index {index['value']:.2f} +- {index['error']:.2f} (flux density ~ frequency^index)."
    if labels := facts.get("labels"):
        yield f"Against it: {', '.join(map(str, labels))}."
    yield from map(_match, facts.get("matches") or ())


def _match(told: Mapping[str, Any]) -> str:
    chance = number(told, "chance")
    by = "" if chance is None else f", by chance {chance:.2g}"
    return f"{told['name']} ({told['of']}) is {float(told['separation']):.3g} arcsec away{by}."


_FLUXES = {
    "corrected": "mean over its images, over the primary beam, unbiased",
    "unbiased": "mean over its images, apparent: no primary beam; unbiased",
    "forced": "mean over its images, apparent: no primary beam",
}
