"""`fip report --night`: what several directories of a night have seen, and what they could have seen, as one page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

from fip.archive.entries import Entry, RunTotals
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import stored_entries
from fip.data.errors import UsageError
from fip.data.quantities import MJD_0, iso_utc
from fip.data.vetting import NONE as NO_VERDICT
from fip.events.completeness import INJECTIONS, Tried, read_injections
from fip.events.reading import read_table
from fip.events.shown import Searched, how_to_search, searched
from fip.events.vetted import with_verdicts
from fip.events.words import EVENTS, FOLDER, HOUR, INJECTION
from fip.search.survey import Depth, Stretch, depths
from fip.search.words import WIDEST

Numbers: TypeAlias = dict[tuple[str, int], dict[str, tuple[float, str]]]
SeriesId: TypeAlias = tuple[str, str, str, int]
"""Run, field, Stokes plane, slices in an image."""


class Kind(NamedTuple):
    """Images that can be added up: what is searched of one is searched of the other."""

    stokes: str
    average: int  # slices in an image
    cadence: float  # s from one image to the next


@dataclass(frozen=True)
class Part:
    """A directory of the night."""

    directory: Path
    entries: tuple[Entry, ...]  # earliest first
    totals: tuple[RunTotals, ...]
    numbers: Numbers = field(repr=False)  # of slices, as the ledger has them
    found: Searched | None  # None: it was not searched
    averages: dict[str, int]  # slices in an image, by the id of an event

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """All events but those that FIP put in, with `average` and verdicts; those with nothing against them first."""
        found = with_verdicts(self.directory, self.found.events) if self.found else []
        return [
            each | {"average": self.averages.get(each["id"], 1)} for each in found if INJECTION not in each["labels"]
        ]

    @property
    def tried(self) -> tuple[Tried, ...]:
        """The sources that were put into the search's own copy of the pixels."""
        there = (self.directory / FOLDER / INJECTIONS).exists()
        return read_injections(self.directory) if there else ()

    @cached_property
    def series(self) -> dict[tuple[str, str], list[Entry]]:
        """Its images by run and field, in order of time."""
        found: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.entries:
            found.setdefault((entry.run, entry.label), []).append(entry)
        return found

    def stretches(self) -> Iterator[tuple[SeriesId, Kind, Stretch]]:
        """Yield what was searched, each with its series.

        The images of an hour count as many as were searched in it, each with its own noise.
        """
        for row in self.found.rates if self.found else ():
            run, label, average = row["run"], row.get("field") or "", int(row.get("average") or 1)
            stokes = row.get("stokes") or "I"
            mine = self.series.get((run, label), [])
            cadence = _number(row, "cadence") or average * _cadence(mine)
            noises = self._noises(mine, row["hour"])
            images = _number(row, "slices") - _number(row, "flooded")
            if not cadence:
                continue
            for noise in noises:
                stretch = Stretch(
                    _number(row, "area"), images / len(noises), cadence, noise / math.sqrt(average),
                    float(row["threshold"]), int(_number(row, "widest")) or WIDEST,
                )  # fmt: skip
                yield (run, label, stokes, average), Kind(stokes, average, round(cadence, 3)), stretch

    def _noises(self, mine: Sequence[Entry], hour: str) -> list[float]:
        """Return Jy/beam of the images in an hour; of all of its series if none of these is there any more."""
        begin = (datetime.fromisoformat(hour) - MJD_0.replace(tzinfo=None)).total_seconds()
        known = [(each.average - begin, each.rms) for each in mine if each.rms is not None]
        return [rms for after, rms in known if 0 <= after < HOUR] or [
            median(rms for _, rms in known) if known else math.nan
        ]


@dataclass(frozen=True)
class Night:
    """All directories of a night."""

    parts: tuple[Part, ...]

    @property
    def span(self) -> tuple[float, float]:
        """s UTC since MJD 0, of its first image's begin and its last one's end."""
        entries = [each for part in self.parts for each in part.entries]
        return min(each.begin for each in entries), max(each.end for each in entries)

    @property
    def title(self) -> str:
        """When the night was, in words."""
        begin, end = (iso_utc(each)[:16].replace("T", " ") for each in self.span)
        return f"{begin} to {end[11:] if end[:10] == begin[:10] else end} UTC"

    @property
    def hours(self) -> float:
        """The hours that were observed: the images of all directories together."""
        return sum(each.end - each.begin for part in self.parts for each in part.entries) / HOUR

    @property
    def events(self) -> list[tuple[Path, dict[str, Any]]]:
        """The events, each with its directory; earliest first, those that nothing speaks against before the others."""
        found = [(part.directory, each) for part in self.parts for each in part.events]
        return sorted(found, key=lambda each: (bool(each[1]["labels"]), each[1]["begin"]))

    @property
    def flooded(self) -> tuple[int, int]:
        """Slices in which so much stood out that they gave one peak at most, of all that were looked at."""
        rows = [row for part in self.parts for row in (part.found.rates if part.found else ())]
        rows = [row for row in rows if (row.get("average") or "1") == "1"]
        return round(sum(_number(row, "flooded") for row in rows)), round(sum(_number(row, "slices") for row in rows))

    @property
    def unsearched(self) -> list[str]:
        """What is to be said of directories that were not searched."""
        return [f"{part.directory}: {how_to_search(part.directory)}" for part in self.parts if not part.found]

    def depths(self) -> dict[Kind, list[Depth]]:
        """What was searched, and what follows of it, with the events that nothing speaks against."""
        found: dict[Kind, list[Stretch]] = {}
        widths: dict[Kind, list[int]] = {}
        for part in self.parts:
            kinds = {}
            for series, kind, stretch in part.stretches():
                kinds[series] = kind
                found.setdefault(kind, []).append(stretch)
            for each in part.events:
                of = kinds.get((each["run"], each["field"], each["stokes"], each["average"]))
                if of and counts(each):
                    widths.setdefault(of, []).append(each["width"])
        return {kind: depths(stretches, widths.get(kind, ())) for kind, stretches in sorted(found.items())}


def counts(event: Mapping[str, Any]) -> bool:
    """Say whether an event counts for a limit: nothing speaks against it, and nobody calls it anything but real."""
    verdict = event["verdict"]
    return not event["labels"] and (verdict is None or verdict["label"] in ("real", NO_VERDICT))


def night_of(directories: Sequence[Path]) -> Night:
    """Read what the ledgers and the searches of some directories say.

    UsageError if one is given twice, holds no images, or cannot be read.
    """
    places = [each.resolve() for each in directories]
    for each, place in zip(directories, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{each} is given twice: what it has seen would count twice")
    return Night(tuple(map(_part, directories)))


def _part(directory: Path) -> Part:
    entries = stored_entries(directory)
    with closing(Ledger(directory, read_only=True)) as ledger:
        totals, numbers = tuple(ledger.totals()), ledger.numbers()
    found, averages = searched(directory), dict[str, int]()
    if found and found.events:
        table = read_table(directory / FOLDER / EVENTS, ("width",), ("id",))
        if "average" in table.colnames:
            averages = {str(row["id"]): int(row["average"]) for row in table}
    return Part(directory, tuple(entries), totals, numbers, found, averages)


def _cadence(entries: Sequence[Entry]) -> float:
    """s from one slice to the next; 0 if that is not known."""
    pairs = pairwise(entries)
    steps = [(other.begin - one.begin) / (other.index - one.index) for one, other in pairs if other.index > one.index]
    if steps:
        return median(steps)
    return entries[0].end - entries[0].begin if entries else 0.0


def _number(row: dict[str, str], name: str) -> float:
    """Return a number from a row of text; 0 if it is not there, or no number."""
    try:
        value = float(row.get(name) or 0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
