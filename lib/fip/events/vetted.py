"""Events with what was said of them, and of others at their places before: in the same directory, or in one beside it.

Places are the same if they are as near as 1.2 beams, the narrower of two, and their errors allow.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import FipError
from fip.data.quantities import ARCSEC, iso_utc
from fip.data.vetting import NONE
from fip.events.vetting import STORE, Entered, Verdict, error_of, standing
from fip.events.words import FOLDER
from fip.search.words import NEAR

MOST_BEFORE = 10  # that are told with an event, the last ones
SIGMA = 3.0  # of the errors of two places, that they may be farther apart
_MOVING = "moving"  # of the kind that is at another place each time

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Known:
    """All verdicts that count, of some directories."""

    of: tuple[tuple[str, Entered], ...]  # with the directory of each
    towards: NDArray[np.float64]  # [verdict, 3] unit vectors
    beam: NDArray[np.float64]  # [verdict] rad, 0 if it is not known
    error: NDArray[np.float64]  # [verdict] rad


def with_verdicts(directory: Path, events: Iterable[Event], folder: str = FOLDER) -> list[dict[str, Any]]:
    """Events of a directory, as `fip events --json` has them, with two keys more.

    `verdict`: that which counts, {label, user, time}, or None. `before`: the last verdicts on others at the place of an
    event, newest first, the same with `id`, `directory` and `separation` (arcsec). UsageError if what was said in this
    directory cannot be read; directories beside it in which it cannot say so themselves.
    """
    mine = standing(directory / folder)
    known = _known([(str(directory), each) for each in mine.values()] + list(_beside(directory, folder)))
    found = []
    for event in events:
        verdict = mine.get(event["id"])
        before = _before(event, str(directory), known) if known.of else []
        found.append({**event, "verdict": verdict and told(verdict.verdict), "before": before})
    return found


def told(verdict: Verdict) -> dict[str, str]:
    """A verdict as JSON has it."""
    return {"label": verdict.label, "user": verdict.user, "time": iso_utc(verdict.time)}


def in_words(verdict: Mapping[str, str]) -> str:
    """The same, as text has it."""
    return f"{verdict['label']}, says {verdict['user']}, {verdict['time'][:19].replace('T', ' ')} UTC"


def before_in_words(before: Mapping[str, Any]) -> str:
    """One of `before`, as text has it."""
    return f"{in_words(before)}, of {before['id']} in {before['directory']}, {before['separation']:.2g} arcsec away"


def _beside(directory: Path, folder: str) -> Iterator[tuple[str, Entered]]:
    """What was said in the directories beside one, which are the other jobs of a node."""
    here = directory.resolve()
    try:
        others = sorted(each for each in here.parent.iterdir() if each != here and (each / folder / STORE).is_file())
    except OSError:
        return
    for other in others:
        try:
            yield from ((str(directory.parent / other.name), each) for each in standing(other / folder).values())
        except FipError:
            continue


def _known(verdicts: Iterable[tuple[str, Entered]]) -> _Known:
    of = tuple(each for each in verdicts if each[1].kind != _MOVING and each[1].verdict.label != NONE)
    return _Known(
        of,
        np.array([_towards(each.ra, each.dec) for _, each in of]).reshape(-1, 3),
        np.radians([each.beam for _, each in of]),
        np.radians([each.error for _, each in of]),
    )


def _before(event: Event, directory: str, known: _Known) -> list[dict[str, Any]]:
    if event["kind"] == _MOVING:
        return []
    beam = math.radians(event.get("beam") or 0.0)
    narrower = np.where((known.beam > 0) & (beam > 0), np.minimum(known.beam, beam), np.maximum(known.beam, beam))
    chord = np.linalg.norm(known.towards - _towards(event["ra"], event["dec"]), axis=1)  # as an angle, if it is small
    near = np.flatnonzero(chord <= NEAR * narrower + SIGMA * np.hypot(known.error, math.radians(error_of(event))))
    found = [
        (each.verdict.time, told(each.verdict) | {"id": each.event, "directory": of, "separation": chord[at] / ARCSEC})
        for at, (of, each) in ((int(at), known.of[at]) for at in near)
        if (of, each.event) != (directory, event["id"])
    ]
    return [each for _, each in sorted(found, key=lambda one: -one[0])[:MOST_BEFORE]]


def _towards(ra: float, dec: float) -> tuple[float, float, float]:
    ra, dec = math.radians(ra), math.radians(dec)
    return math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)
