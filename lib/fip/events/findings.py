"""What the findings of a search come to: the series, the events as they are now, how much was searched."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fip.archive.followed import Finding
from fip.events.keeping import from_json
from fip.events.words import INJECTION, Found, Kind, Series
from fip.search.labels import SIDELOBE, UNSTEADY, Circumstances, Marks, labels_among
from fip.search.peaks import is_near
from fip.search.tracks import tracks_of
from fip.search.words import Event

Key = tuple[str, str]
"""A run's id, and the key of a series in it."""


@dataclass(frozen=True, slots=True)
class Hour:
    """How many images of a series were searched in an hour."""

    slices: int
    flooded: int


@dataclass
class Findings:
    """All that was found, folded one finding after the other."""

    series: dict[Key, Series] = field(default_factory=dict)
    found: dict[tuple[Key, int], Found] = field(default_factory=dict)  # by series and number
    hours: dict[tuple[Key, int], Hour] = field(default_factory=dict)
    marks: dict[Key, dict[int, frozenset[str]]] = field(default_factory=dict)  # by slice
    models_needed: set[Key] = field(default_factory=set)
    injected: set[tuple[Key, int]] = field(default_factory=set)  # events that the search has made itself
    variable: set[tuple[Key, int]] = field(default_factory=set)  # sources of a sky model
    left_over: set[tuple[Key, int]] = field(default_factory=set)  # events that errors of one may have made
    injections: dict[tuple[Key, int], Finding] = field(default_factory=dict)  # by series and first step
    refused: dict[Key, str] = field(default_factory=dict)  # by run and field, why it is not searched

    watched: list[tuple[str, int, Finding]] = field(default_factory=list)  # run, slice, fluxes of places

    def add(self, run: str, index: int, finding: Finding) -> None:
        """Take a finding of a slice in, in the order in which they were found."""
        what, key = finding["what"], (run, str(finding.get("key", "")))
        if what == "series":
            self.series[key] = from_json(Series, finding["series"])
        elif what == "event":
            self._event(key, finding)
        elif what == "hour":
            self.hours[key, int(finding["hour"])] = Hour(int(finding["slices"]), int(finding["flooded"]))
        elif what == "model":
            self.models_needed.add(key)
        elif what == "injection":
            self.injections[key, int(finding["first"])] = finding
        elif what == "marks":
            self.marks.setdefault(key, {})[int(finding["slice"])] = frozenset(finding["marks"])
        elif what == "watch":
            self.watched.append((run, index, finding))
        elif what == "refused":
            self.refused[run, str(finding["label"])] = str(finding["why"])

    def _event(self, key: Key, finding: Finding) -> None:
        event = from_json(Event, finding["event"])
        before = self.found.get((key, event.number))
        if "begin" in finding:
            span = float(finding["begin"]), float(finding["end"])
        elif before:
            span, event = (before.begin, before.end), replace(event, best=before.event.best)
        else:
            return
        self.found[key, event.number] = Found(self.series[key], event, *span)
        if finding.get("injected"):
            self.injected.add((key, event.number))
        for what, known in (("variable", self.variable), ("left_over", self.left_over)):
            if finding.get(what):
                known.add((key, event.number))

    def with_hours(self, live: Mapping[str, Iterable[Finding]]) -> dict[tuple[Key, int], Hour]:
        """The hours that are over and, by run, those that are not."""
        hours = dict(self.hours)
        for run, findings in live.items():
            for each in findings:
                if each["slices"]:
                    hours[(run, each["key"]), each["hour"]] = Hour(each["slices"], each["flooded"])
        return hours

    def labelled(self) -> list[Found]:
        """All events and candidates, earliest first, with what speaks against them.

        What images and their means show, or two means, is one: that of the best S/N.
        """
        found = _once(each for key in self.series for each in self._labelled(key))
        return sorted(found, key=lambda each: (each.series.run, each.event.best.slices, each.id))

    def _labelled(self, key: Key) -> Iterator[Found]:
        series = self.series[key]
        mine = [each for (of, _), each in self.found.items() if of == key]
        injected = {number for of, number in self.injected if of == key}
        real = [each.event for each in mine if each.event.number not in injected]
        labels = labels_among([each.event for each in mine], _circumstances(series, self.marks.get(key, {})), injected)
        moving, parts = _moving(real, labels, series)
        for each in mine:
            number = each.event.number
            if number in parts:
                continue
            unsteady = (key, number) in self.left_over and UNSTEADY not in labels[number]
            more = (UNSTEADY,) * unsteady + (INJECTION,) * (series.injected or number in injected)
            kind: Kind = "variable" if (key, number) in self.variable else each.kind
            yield replace(each, labels=labels[number] + more, kind="moving" if number in moving else kind)


def _circumstances(series: Series, marks: Marks) -> Circumstances:
    searched, at = series.searched, series.thresholds
    return Circumstances(
        searched.beam, (searched.height, searched.width), at.candidate, at.event,
        signed=series.stokes in ("Q", "U", "V"), marks=marks,
    )  # fmt: skip


def _moving(events: list[Event], labels: Mapping[int, tuple[str, ...]], series: Series) -> tuple[set[int], set[int]]:
    """Return the numbers of the brightest events of moving things, which stand for them; and of the rest, no events."""
    best, others = set[int](), set[int]()
    for track in tracks_of([each for each in events if SIDELOBE not in labels[each.number]], series.searched):
        snrs = {each.number: each.best.snr for each in events if each.number in track.events}
        brightest = max(track.events, key=lambda number: snrs[number])
        best.add(brightest)
        others |= set(track.events) - {brightest}
    return best, others


def _once(found: Iterable[Found]) -> list[Found]:
    """Leave out what is near, in place and time, to one of a better S/N from other means of the same images."""
    kept: list[Found] = []
    for each in sorted(found, key=lambda each: -each.event.best.snr):
        if not any(_is_same(each, other) for other in kept):
            kept.append(each)
    return kept


def _is_same(one: Found, other: Found) -> bool:
    of, at = (one.series, other.series), (one.event.best, other.event.best)
    same = all(getattr(of[0], name) == getattr(of[1], name) for name in ("run", "label", "stokes"))
    if not same or of[0].average == of[1].average or one.begin > other.end or other.begin > one.end:
        return False
    return is_near(at[0].x - at[1].x, at[0].y - at[1].y, of[0].searched.beam)


def is_alone(found: Found) -> bool:
    """Whether it stands for itself: no sidelobe of a brighter one, and not put in by the search."""
    return not {SIDELOBE, INJECTION} & set(found.labels)


def is_event(found: Found) -> bool:
    """Whether it is above the threshold of events, and not only a candidate."""
    return found.event.best.snr >= found.series.thresholds.event


def is_told(found: Found) -> bool:
    """Whether it is an event that nothing speaks against."""
    return is_event(found) and not found.labels


def folded(findings: Iterable[tuple[Any, str, int, Finding]]) -> Findings:
    """Return the findings in the rows of a journal."""
    made = Findings()
    for _, run, index, finding in findings:
        made.add(run, index, finding)
    return made
