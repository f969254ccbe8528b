"""Events with what was said of them, and of others at their places before: in the same directory, or in one beside it.

Places are the same if they are as near as 1.2 beams, the narrower of two, and their errors allow.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.archive.stamps import Stamp
from fip.data.errors import FipError
from fip.data.quantities import ARCSEC, iso_utc
from fip.events.vetting import STORE, Entered, Verdict, error_of, stamp_of, standing
from fip.events.words import FOLDER
from fip.search.words import NEAR

MOST_BEFORE = 10  # at most this many are shown with an event, the last ones
SIGMA = 3.0  # of the errors of two places, that they may be farther apart
_MOVING = "moving"  # of the kind that is at another place each time

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Known:
    """All verdicts that count, of some directories, newest first."""

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
    folders = ((str(directory), directory / folder), *_beside(directory, folder))
    known = _known(tuple((of, each, stamp_of(each)) for of, each in folders))
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


def _beside(directory: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """The directories beside one, which are the other jobs of a node, in which something was said; with its folder."""
    here = directory.resolve()
    try:
        others = sorted(each for each in here.parent.iterdir() if each != here and (each / folder / STORE).is_file())
    except OSError:
        return
    above = here.parent if directory.name in ("", "..") else directory.parent  # as it was given, if that can be
    yield from ((str(above / other.name), other / folder) for other in others)


@lru_cache(maxsize=8)
def _known(folders: tuple[tuple[str, Path, Stamp], ...]) -> _Known:
    """All that was said in these folders, each with what tells whether that has changed."""
    said = ((directory, each) for directory, folder, _ in folders for each in _said_in(folder))
    of = tuple(sorted(said, key=lambda each: -each[1].verdict.time))
    return _Known(
        of,
        np.array([_towards(each.ra, each.dec) for _, each in of]).reshape(-1, 3),
        np.radians([each.beam for _, each in of]),
        np.radians([each.error for _, each in of]),
    )


def _said_in(folder: Path) -> Iterator[Entered]:
    with suppress(FipError):
        yield from (each for each in standing(folder).values() if each.kind != _MOVING)


def _before(event: Event, directory: str, known: _Known) -> list[dict[str, Any]]:
    if event["kind"] == _MOVING:
        return []
    beam = math.radians(event.get("beam") or 0.0)
    narrower = np.where((known.beam > 0) & (beam > 0), np.minimum(known.beam, beam), np.maximum(known.beam, beam))
    chord = np.linalg.norm(known.towards - _towards(event["ra"], event["dec"]), axis=1)  # as an angle, if it is small
    near = np.flatnonzero(chord <= NEAR * narrower + SIGMA * np.hypot(known.error, math.radians(error_of(event))))
    others = (int(at) for at in near if (known.of[at][0], known.of[at][1].event) != (directory, event["id"]))
    return [
        told(each.verdict) | {"id": each.event, "directory": of, "separation": float(chord[at]) / ARCSEC}
        for at, (of, each) in ((at, known.of[at]) for at in islice(others, MOST_BEFORE))
    ]


def _towards(ra: float, dec: float) -> tuple[float, float, float]:
    ra, dec = math.radians(ra), math.radians(dec)
    return math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)
