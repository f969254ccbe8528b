"""What is known to be at the places of events: looked up once for each, shown with it, and kept with what was found."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fip.catalogues.known import Known
from fip.catalogues.told import listed_matches
from fip.catalogues.words import Match, Seen
from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC, iso_utc
from fip.events.findings import is_alone, is_event
from fip.events.measuring import place_of_event
from fip.events.reading import read_table
from fip.events.words import EVENTS, Found

log = logging.getLogger("fip.events")

State = tuple[str, str, float, float]
"""The part of an event for which its matches hold: begin and end of its best boxcar, and its pixel."""


class Matching:
    """Adds to events what is known to be there.

    Earlier matches, as the table in a folder has them, stay so: orbits of today say nothing of last month. The table is
    not read if all is to be matched `anew`.
    """

    def __init__(
        self,
        known: Known | None = None,
        folder: Path | None = None,
        anew: bool = False,
        warn: Callable[[str], None] = log.warning,
    ) -> None:
        """`warn` is called, once each, with what is doubtful in the lists."""
        self.known, self._warn = known if known is not None else Known(), warn
        self._matches: dict[str, tuple[State, tuple[Match, ...]]] = {}
        if folder and not (anew and self.known):
            self._matches.update(_kept(folder / EVENTS))

    def matched(self, found: Iterable[Found]) -> list[Found]:
        """The same, events with their matches, and with the labels that these give; candidates as they are."""
        made = [self._matched(each) if is_event(each) and is_alone(each) else each for each in found]
        for line in self.known.remarks():
            self._warn(line)
        return made

    def _matched(self, found: Found) -> Found:
        state, before = _state(found), self._matches.get(found.id)
        if before is None or before[0] != state:
            before = self._matches[found.id] = state, self.known.matches(seen(found))
        matches = before[1]
        labels = dict.fromkeys(each.label for each in matches if each.label)
        return replace(found, matches=matches, labels=(*found.labels, *labels)) if matches else found


def seen(found: Found) -> Seen:
    """Return an event in the form that those need who look up what is there."""
    series, best = found.series, found.event.best
    place, _, _ = place_of_event(found)
    smallest = float(np.linalg.eigvalsh(np.array(series.searched.beam))[0])
    beam = series.grid.scale / math.sqrt(smallest)
    return Seen(place.longitude, place.latitude, beam, found.begin, found.end, best.width, series.site, series.follows)


def _state(found: Found) -> State:
    return iso_utc(found.begin), iso_utc(found.end), found.event.best.x, found.event.best.y


def _kept(path: Path) -> dict[str, tuple[State, tuple[Match, ...]]]:
    """The matches of a table of events; none of one that is not there, or that an older FIP wrote."""
    if not path.exists():
        return {}
    kept = {}
    try:
        table = read_table(path, ("x", "y"), ("id", "begin", "end"))
        for row in table if "matches" in table.colnames else ():
            text = "" if str(row["matches"]) == "--" else str(row["matches"])
            matches = tuple(map(_match, listed_matches(text)))
            kept[str(row["id"])] = (str(row["begin"]), str(row["end"]), float(row["x"]), float(row["y"])), matches
    except (UsageError, ValueError) as error:
        log.warning("%s: what was matched before is not to be read, and is looked up anew: %s", path, error)
        return {}
    return kept


def _match(value: Mapping[str, Any]) -> Match:
    chance = math.nan if value["chance"] is None else float(value["chance"])
    more = str(value.get("label", "")), str(value.get("target", ""))
    return Match(value["name"], value["of"], float(value["separation"]) * ARCSEC, chance, *more)
