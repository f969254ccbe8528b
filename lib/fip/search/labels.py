"""What may speak against an event, from all events of a series and what is known of its slices.

Each label has a name, hides nothing, and is a function of its arguments: without it nothing else changes. Those that
need the event to be measured are in `fip.search.appearance`, marks of slices in `fip.search.marks`.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fip.search.floors import is_sidelobe
from fip.search.rednoise import RED
from fip.search.variables import Model, is_known, is_left_over
from fip.search.words import Event, Matrix, Peak

NEGATIVE, SIDELOBE, REFRACTION, MANY, EDGE = "negative", "sidelobe", "refraction", "many", "edge"
NOISY, INCOHERENT, UNSTEADY = "noisy", "incoherent", "unsteady"
BAND, NEAR_FIELD, LEAKAGE = "band", "near-field", "leakage"
NAMES = (NEGATIVE, SIDELOBE, UNSTEADY, EDGE, NOISY, MANY, REFRACTION, BAND, INCOHERENT, NEAR_FIELD, LEAKAGE)
"""The names of all labels that a search gives, in the order in which they are listed."""

MOST_PLACES = 3
"""Unrelated places that may stand out at one time; more are interference, or a telescope that has failed."""

REFRACTED = 0.5
"""A share of an event's S/N: with such a decrease beside it, it is the same source, which was elsewhere before."""

_LEAST_DECREASE = 4.5  # S/N: by noise alone, one in 10^3 events has such a minimum within 2 beams
_AT_ONE_TIME = 0.5  # share of the slices of either of two events that both have
_EDGE = 0.5  # full widths at half maximum
_MOST_OF_IT = 0.5  # of the slices of an event that have a mark

Marks = Mapping[int, frozenset[str]]
"""NOISY and INCOHERENT, by the number of the slice; slices without a mark need not be there."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a series besides its events."""

    beam: Matrix  # as in `Searched`
    shape: tuple[int, int]  # pixels along y and x
    threshold: float  # S/N of candidates
    told: float  # S/N of events
    signed: bool = False  # whether its plane may also be negative: Stokes Q, U, V
    outside: NDArray[np.bool_] | None = None  # [y, x], pixels that never have a value, as below the horizon
    model: Model | None = None  # of the sky that was subtracted
    noise: float = 0.0  # Jy/beam of an image, the median; for the model
    marks: Marks = field(default_factory=dict)


def labels_among(
    events: Sequence[Event], known: Circumstances, injected: Collection[int] = ()
) -> dict[int, tuple[str, ...]]:
    """Return what speaks against each of the events of a series, by its number, in the order of NAMES.

    Those that the search has `injected` itself speak against no other. The more events before and after it are given,
    the better the labels are: an event of today may get a label by one that comes later.
    """
    own = [event for event in events if event.number not in injected]
    explained = _sidelobes(events, known), _numbers(events, is_refraction)
    given = {
        NEGATIVE: frozenset() if known.signed else _numbers(events, lambda event: event.best.sign < 0),
        SIDELOBE: explained[0],
        UNSTEADY: _numbers(events, lambda event: is_unsteady(event.best, known)),
        EDGE: _numbers(events, lambda event: is_at_edge(event.best, known)),
        NOISY: _numbers(events, lambda event: _is_marked(event.best, known.marks, NOISY)),
        MANY: crowds(event for event in own if event.number not in explained[0] | explained[1]),
        REFRACTION: explained[1],
        INCOHERENT: _numbers(events, lambda event: _is_marked(event.best, known.marks, INCOHERENT)),
    }
    return {
        event.number: tuple(name for name in NAMES if event.number in given.get(name, frozenset())) for event in events
    }


def _sidelobes(events: Sequence[Event], known: Circumstances) -> frozenset[int]:
    """Return those that brighter sources in their slices may have made."""
    return _numbers(
        events, lambda event: is_sidelobe(event, known.told if event.best.snr >= known.told else known.threshold)
    )


def is_refraction(event: Event) -> bool:
    """Return whether, within 2 beams and in its slices, something became fainter by half of the event's S/N or more."""
    return event.best.beside >= max(REFRACTED * event.best.snr, _LEAST_DECREASE)


def is_unsteady(peak: Peak, known: Circumstances) -> bool:
    """Return whether pixels around a place change as much in the same slices, or a bright source beside it leaves that.

    Errors of gains, the ionosphere, and a sky that was not subtracted stay for many slices. They are below the noise of
    each, but add up as a source does. The same happens 2 to 10 beams away, and that is then the noise of the event.
    """
    least = known.told if peak.snr >= known.told else known.threshold
    if peak.around > RED and peak.snr < least * peak.around:
        return True
    if known.model is None or is_known(known.model, peak.x, peak.y, known.noise):
        return False
    return is_left_over(known.model, peak.x, peak.y, peak.flux)


def is_at_edge(peak: Peak, known: Circumstances) -> bool:
    """Return whether a place is within half a beam of a pixel without image: it may be the flank of a source there."""
    (xx, xy), (_, yy) = known.beam
    height, width = known.shape
    determinant = xx * yy - xy * xy
    reach_x, reach_y = _EDGE * math.sqrt(yy / determinant), _EDGE * math.sqrt(xx / determinant)
    if not (reach_x <= peak.x <= width - 1 - reach_x and reach_y <= peak.y <= height - 1 - reach_y):
        return True
    if known.outside is None:
        return False
    rows = slice(math.floor(peak.y - reach_y), math.ceil(peak.y + reach_y) + 1)
    columns = slice(math.floor(peak.x - reach_x), math.ceil(peak.x + reach_x) + 1)
    y, x = np.nonzero(known.outside[rows, columns])
    dx, dy = x + columns.start - peak.x, y + rows.start - peak.y
    return bool((xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy < _EDGE**2).any())


def crowds(events: Iterable[Event]) -> frozenset[int]:
    """Return the numbers of those that stand out at the same time as more than two others.

    "At the same time" means: half of the slices that either has are in both. An event that lasts longer than
    interference, or is over before it, has nothing to do with it.
    """
    by_time = sorted(events, key=lambda event: event.best.first)
    firsts = np.array([event.best.first for event in by_time])
    ends = np.array([event.best.last + 1 for event in by_time])
    found = set()
    for at, event in enumerate(by_time):
        few = slice(*np.searchsorted(firsts, (2 * firsts[at] - ends[at], ends[at])))  # wider ones share too little
        shared = np.minimum(ends[few], ends[at]) - np.maximum(firsts[few], firsts[at])
        either = np.maximum(ends[few], ends[at]) - np.minimum(firsts[few], firsts[at])
        if np.count_nonzero(shared >= _AT_ONE_TIME * either) > MOST_PLACES:
            found.add(event.number)
    return frozenset(found)


def _numbers(events: Sequence[Event], holds: Callable[[Event], bool]) -> frozenset[int]:
    return frozenset(event.number for event in events if holds(event))


def _is_marked(peak: Peak, marks: Marks, mark: str) -> bool:
    """Return whether half of its slices, or more, have a mark: a longer event was seen without it."""
    first, last = peak.slices
    marked = sum(mark in marks.get(index, ()) for index in range(first, last + 1))
    return marked >= _MOST_OF_IT * (last + 1 - first)
