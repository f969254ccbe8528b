"""Events of several directories and nights joined by their place: sources, and how often each was looked for.

Places are joined if they are as near as 1.2 beams and their errors allow. A source that was searched for and not found
has an upper limit: the threshold in S/N times the noise there, in one image.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from fip.archive.entries import Entry
from fip.archive.lightcurve import place_of, read_points, stored_entries
from fip.data.directions import Direction, shown
from fip.data.errors import UsageError
from fip.data.values import Grid
from fip.events.reading import read_table
from fip.events.words import FOLDER, RATES
from fip.fits.planes import Planes
from fip.fits.stored_image import StoredImage
from fip.search.words import NEAR

_SIGMA = 3.0  # of the errors of two places, that they may be farther apart
_LOOKED_AT = 3  # images of a series from which the noise at a place is known

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """The images of a field in one run, a plane of them, as they were searched."""

    directory: Path
    run: str
    field: str
    stokes: str
    slices: int  # that were searched
    threshold: float  # S/N of an event
    entries: tuple[Entry, ...]  # of the field, those that are not empty, in order of time

    @property
    def hours(self) -> float:
        """How long they are together, in hours."""
        return self.slices * sum(each.end - each.begin for each in self.entries) / len(self.entries) / 3600

    @property
    def beam(self) -> float:
        """rad, the widest of its beams; 0 without one."""
        return max((each.beam.major for each in self.entries if each.beam), default=0.0)

    @cached_property
    def grid(self) -> Grid:
        """The grid of its first image that is there. UsageError if none is."""
        return self._first.layout.grid

    @cached_property
    def _first(self) -> StoredImage:
        for entry in self.entries[:-1]:
            if (self.directory / entry.file).exists():
                return StoredImage.open(self.directory / entry.file)
        return StoredImage.open(self.directory / self.entries[-1].file)

    def noise(self, place: Direction) -> float | None:
        """Jy/beam, at a place, in one image; None if it does not show the place."""
        try:
            x, y = place_of(self.grid, place)
        except UsageError:
            return None
        if not (0 < x < self.grid.width - 1 and 0 < y < self.grid.height - 1):
            return None
        found = []
        for at in sorted({number * (len(self.entries) - 1) // (_LOOKED_AT - 1) for number in range(_LOOKED_AT)}):
            entry = self.entries[at]
            try:
                image = Planes.open(self.directory / entry.file)
                (point,) = read_points(image, entry, x, y, [image.layout.stokes.index(self.stokes)])
            except (UsageError, ValueError, IndexError):
                continue
            if math.isfinite(point.flux[0]) and point.error[0] > 0:
                found.append(float(point.error[0]))
        return median(found) if found else None


@dataclass(frozen=True, slots=True)
class Missed:
    """A series that shows the place of a source, and has no event of it."""

    series: Series
    limit: float  # Jy/beam: what is brighter in one image would have been found


@dataclass(frozen=True, slots=True)
class Source:
    """What made one or more events, and the series that were searched at its place."""

    name: str
    events: tuple[Event, ...]  # best first
    searched: tuple[Series, ...]  # those that show its place
    missed: tuple[Missed, ...]  # of these, those that have no event of it

    @property
    def slices(self) -> int:
        """How many slices were searched for it: a slice of two planes counts twice."""
        return sum(each.slices for each in self.searched)

    @property
    def hours(self) -> float:
        """How long it was looked for, in all planes."""
        return sum(each.hours for each in self.searched)


def series_in(directory: Path, folder: str = FOLDER) -> list[Series]:
    """What of a directory was searched, by the files of a search. UsageError if they are not to be read."""
    rates = read_table(directory / folder / RATES, ("slices", "threshold"), ("run", "field", "stokes"))
    found: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for row in rates:
        if "average" not in rates.colnames or int(row["average"]) == 1:
            key = str(row["run"]), _text(row["field"]), str(row["stokes"])
            found.setdefault(key, []).append((int(row["slices"]), float(row["threshold"])))
    entries = [each for each in stored_entries(directory) if not each.empty]
    series = []
    for (run, field, stokes), hours in found.items():
        mine = tuple(each for each in entries if (each.run, each.label) == (run, field))
        if mine:
            most = max(threshold for _, threshold in hours)
            series.append(Series(directory, run, field, stokes, sum(slices for slices, _ in hours), most, mine))
    return series


def joined(events: Sequence[Event], series: Sequence[Series]) -> list[Source]:
    """Return the sources of events, the one with the best event first. A moving event is a source by itself."""
    beams = {(str(each.directory), each.run, each.field): each.beam for each in series}
    groups: list[list[Event]] = []
    for event in sorted(events, key=lambda each: -each["snr"]):
        at = next((group for group in groups if _are_one(group[0], event, beams)), None)
        if at is None:
            groups.append([event])
        else:
            at.append(event)
    names: set[str] = set()
    return [_source(group, series, names) for group in groups]


def added_to(events: Sequence[Event], sources: Iterable[Source]) -> list[dict[str, Any]]:
    """The events with what is known of their sources."""
    by_event = {id(event): source for source in sources for event in source.events}
    found = []
    for event in events:
        source = by_event[id(event)]
        found.append(
            {
                **event,
                "source": source.name,
                "source_events": [each["id"] for each in source.events],
                "searched_slices": source.slices,
                "searched_hours": source.hours,
                "not_found": [
                    {
                        "directory": str(each.series.directory), "run": each.series.run, "field": each.series.field,
                        "stokes": each.series.stokes, "slices": each.series.slices, "hours": each.series.hours,
                        "limit": each.limit,
                    }
                    for each in source.missed
                ],
            }
        )  # fmt: skip
    return found


def as_lines(events: Sequence[Event], everything: bool = False) -> list[str]:
    """Return lines for each source of events as `added_to` makes them: its events, and in what it was not found.

    Without `everything`, only sources with an event that nothing speaks against.
    """
    sources: dict[str, list[Event]] = {}
    for event in events:
        sources.setdefault(event["source"], []).append(event)
    lines = []
    for name, mine in sources.items():
        if not everything and all(event["labels"] for event in mine):
            continue
        counted = f"{len(mine)} event{'s' * (len(mine) > 1)} ({', '.join(event['id'] for event in mine)})"
        lines.append(
            f"{name}: {counted}, looked for in {mine[0]['searched_slices']} slices, "
            f"{mine[0]['searched_hours']:.3g} hours"
        )
        for each in mine[0]["not_found"]:
            field = f", {each['field']}" if each["field"] else ""
            lines.append(
                f"  not in {each['directory']}{field}, Stokes {each['stokes']}: {each['slices']} slices, "
                f"{each['hours']:.3g} hours, below {each['limit']:.3g} Jy/beam in each"
            )
    return lines


def _source(events: Sequence[Event], series: Sequence[Series], names: set[str]) -> Source:
    best = events[0]
    place = Direction(math.radians(best["ra"]), math.radians(best["dec"]), "ICRS")
    seen_in = {(event["directory"], event["run"], event["field"], event["stokes"]) for event in events}
    searched, missed = [], []
    for each in series:
        noise = each.noise(place)
        if noise is None:
            continue
        searched.append(each)
        if (str(each.directory), each.run, each.field, each.stokes) not in seen_in:
            missed.append(Missed(each, each.threshold * noise))
    name = base = shown(place)
    while name in names:
        name = f"{base} ({len(names)})"
    names.add(name)
    return Source(name, tuple(events), tuple(searched), tuple(missed))


def _are_one(one: Event, other: Event, beams: Mapping[tuple[str, str, str], float]) -> bool:
    if "moving" in (one["kind"], other["kind"]):
        return False
    narrowest = min(beams.get((each["directory"], each["run"], each["field"]), 0.0) for each in (one, other))
    errors = math.hypot(*(each[name] for each in (one, other) for name in ("ra_err", "dec_err")))
    return _apart(one, other) <= NEAR * narrowest + _SIGMA * math.radians(errors)


def _apart(one: Event, other: Event) -> float:
    """Return the distance, rad; the haversine does not lose small angles."""
    (ra, dec), (ra2, dec2) = ((math.radians(each["ra"]), math.radians(each["dec"])) for each in (one, other))
    h = math.sin((dec - dec2) / 2) ** 2 + math.cos(dec) * math.cos(dec2) * math.sin((ra - ra2) / 2) ** 2
    return 2 * math.asin(min(1.0, math.sqrt(h)))


def _text(value: object) -> str:
    return "" if value is None or str(value) == "--" else str(value)
