"""Events of one moving thing: satellites, aircraft, meteors, and the Moon's edge. They are reported as one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.search.words import Event, Searched

Array = NDArray[np.float64]

FEWEST = 3
"""Events of a track: any two are on a line."""

SLOWEST, FASTEST = 0.1, 30.0
"""Beams a slice. Anything slower is seen as one event that becomes longer."""

BESIDE = 1.0
"""Full widths at half maximum within which an event is on a track."""

PAUSE = 20
"""Slices from one event of a track to the next, at the most."""

CHANCE = 0.01
"""Tracks that unrelated events would make in a series: for each accepted track, at most so many are expected."""


@dataclass(frozen=True, slots=True)
class Track:
    """Events at one speed along a line."""

    events: tuple[int, ...]  # their numbers, in order of time
    step: float  # the mean of the middles of their boxcars
    place: tuple[float, float]  # x, y at that step, pixels
    velocity: tuple[float, float]  # pixels a slice along x and y
    error: tuple[float, float]  # standard deviations of the velocity

    @property
    def speed(self) -> float:
        """The speed in pixels a slice."""
        return math.hypot(*self.velocity)


def tracks_of(events: Sequence[Event], searched: Searched) -> tuple[Track, ...]:
    """Return the tracks among the events of a series, earliest first; each event is in at most one of them.

    A track has events of one sign within a beam of a line, none further than PAUSE slices from the one before. If as
    many events lie on a line by chance, they are no track, whatever their number: PAIRS of events can begin a line, and
    each of the others near it in time is on it with the chance that its area has in the image.
    """
    found = []
    for sign in (1, -1):
        alike = [event for event in events if event.best.sign == sign]
        found += _among(sorted(alike, key=lambda event: (_middle(event), event.number)), searched)
    return tuple(sorted(found, key=lambda track: track.step))


def _among(events: list[Event], searched: Searched) -> list[Track]:
    """Find tracks of events in order of time: for each event that is left, the longest line that begins with it."""
    if len(events) < FEWEST:
        return []
    times = np.array([_middle(event) for event in events])
    places = np.array([(event.best.x, event.best.y) for event in events])
    lines = _Lines(times, places, np.array(searched.beam), searched.width * searched.height)
    free, tracks = np.ones(len(events), bool), []
    for first in range(len(events)):
        if not free[first]:
            continue
        on = lines.longest(first, free)
        if on.size >= FEWEST and lines.by_chance(on, free) < CHANCE:
            tracks.append(_track([events[at] for at in on], times[on], places[on], searched))
            free[on] = False
    return tracks


def _middle(event: Event) -> float:
    return event.best.first + (event.best.width - 1) / 2


class _Lines:
    """Lines through events: times [event] in steps, ascending, and places [event, 2] in pixels."""

    def __init__(self, times: Array, places: Array, beam: Array, area: int) -> None:
        self._times, self._places, self._beam = times, places, beam
        self._area = area * math.sqrt(float(np.linalg.det(beam)))  # beams^2 of the image

    def longest(self, first: int, free: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the free events on the line from one of them that has most of them."""
        last = int(np.searchsorted(self._times, self._times[first] + PAUSE, "right"))
        best = np.array([first])
        for second in range(first + 1, last):
            passed = self._times[second] - self._times[first]
            if not free[second] or not passed > 0:
                continue
            velocity = (self._places[second] - self._places[first]) / passed
            if SLOWEST <= self._size(velocity) <= FASTEST:
                on = self._along(first, second, velocity, free)
                best = on if on.size > best.size else best
        return best

    def by_chance(self, on: NDArray[np.intp], free: NDArray[np.bool_]) -> float:
        """Return how many lines with so many events are expected from unrelated ones."""
        begin, end = np.searchsorted(self._times, (self._times[on[0]] - PAUSE, self._times[on[-1]] + PAUSE))
        there = int(np.count_nonzero(free[begin : int(end) + 1]))
        chance = min(1.0, math.pi * BESIDE**2 / self._area)
        log = math.log(there * (there - 1) / 2) + (on.size - 2) * math.log(chance)
        log += math.lgamma(there - 1) - math.lgamma(on.size - 1) - math.lgamma(there - on.size + 1)
        return math.exp(min(log, 0.0))

    def _along(self, first: int, second: int, velocity: Array, free: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the events on a line, which is fitted anew as it gets longer."""
        on = np.array([first, second])
        place, time = self._places[first], self._times[first]
        while True:
            end = int(np.searchsorted(self._times, self._times[on[-1]] + PAUSE, "right"))
            here = np.arange(first, end)[free[first:end]]
            offset = self._places[here] - place - (self._times[here] - time)[:, None] * velocity
            there = here[self._size(offset) < BESIDE]
            if there.size <= on.size or self._times[there[-1]] <= self._times[on[-1]]:
                return there if there.size > on.size else on
            on = there
            place, velocity, time = _fitted(self._times[on], self._places[on])

    def _size(self, offset: Array) -> Array:
        """Return the size of offsets [..., 2] in pixels, in full widths at half maximum."""
        return np.asarray(np.sqrt(np.einsum("...i,ij,...j->...", offset, self._beam, offset)))


def _fitted(times: Array, places: Array) -> tuple[Array, Array, float]:
    """Fit a straight line: its place at the mean time and its velocity, [2] both; and that time."""
    time = float(times.mean())
    passed = times - time
    return places.mean(axis=0), passed @ places / max(float(passed @ passed), 1e-9), time


def _track(events: list[Event], times: Array, places: Array, searched: Searched) -> Track:
    """Make a track; the error of its velocity is by the scatter of places about the line, or their errors if larger."""
    place, velocity, time = _fitted(times, places)
    passed = times - time
    left = places - place - passed[:, None] * velocity
    best = np.linalg.inv(np.array(searched.curvature)).diagonal() / np.mean([each.best.snr**2 for each in events])
    variance = np.maximum((left**2).sum(axis=0) / max(len(events) - 2, 1), best)
    error = np.sqrt(variance / float(passed @ passed))
    return Track(
        tuple(event.number for event in events), time, tuple(place.tolist()), tuple(velocity.tolist()),
        tuple(error.tolist()),
    )  # fmt: skip
