"""`fip detect`: the images of a directory in order of time, through the search, to events."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from fip.data.errors import UsageError
from fip.events.found import CANDIDATES, Detection, Found, Searching, Series, Thresholds
from fip.events.series import MEASURED, readable, series_of
from fip.imaging.slant.cache import use_cache

use_cache()  # before the search is compiled

from fip.search.events import Events, associate, close, places  # noqa: E402
from fip.search.series import advance, begin, finish, memory  # noqa: E402
from fip.search.sidelobes import sidelobes_of  # noqa: E402
from fip.search.theory import false_events, threshold  # noqa: E402
from fip.search.words import Event, Facts, Searched  # noqa: E402

MOST_MEMORY = 0.25
"""Of the machine's, that a search takes; it looks for fewer widths rather than take more."""


def detect(directory: Path, asked: Detection, say: Callable[[str], None]) -> Searching:
    """Searches all images of a directory. Raises UsageError, before anything is said of what was found."""
    series = _that_fit(series_of(directory, asked), say)
    thresholds = thresholds_of(series, asked)
    for each in series:
        say(_introduced(each, thresholds, asked))
    found: list[Found] = []
    looked, unreadable, needing = [], list[str](), []
    for each in series:
        events, times, faults, needed = _searched(directory, each, thresholds)
        dim = sidelobes_of(events, each.sidelobe, thresholds.candidate)
        found += [Found(each, event, thresholds.event, event.number in dim) for event in events]
        looked.append((each, tuple(times)))
        unreadable += [fault for fault in faults if fault not in unreadable]
        needing += [each] if needed else []
    found.sort(key=lambda each: (each.series.run, each.event.best.slices, each.identity))
    return Searching(thresholds, tuple(found), tuple(looked), tuple(unreadable), tuple(needing))


def thresholds_of(series: Sequence[Series], asked: Detection) -> Thresholds:
    """By the budget: false events of all series in a time that is observed. UsageError if there is none.

    Two planes of an image are observed at once, two fields one after the other.
    """
    images = {entry.file: entry for one in series for entry in one.entries}
    observed = sum(entry.end - entry.begin for entry in images.values())
    each = [replace(one.searched, cadence=max(observed, 1e-9) / len(one.entries)) for one in series]
    areas = [one.area for one in series]
    try:
        event = threshold(asked.budget, each, areas)
        return Thresholds(event, min(event, threshold(CANDIDATES, each, areas)))
    except ValueError as error:
        raise UsageError(f"--false-alarms: {error}") from None


def expected(searching: Searching, at: float) -> float:
    """False events of all images that were searched, at a threshold."""
    return sum(len(times) * false_events(at, each.searched, each.area) for each, times in searching.looked)


def _searched(
    directory: Path, series: Series, thresholds: Thresholds
) -> tuple[list[Event], list[float], list[str], bool]:
    """Its events, the times of what was searched, why images could not be read, and whether a model is needed."""
    state, events = begin(series.searched, thresholds.candidate), Events()
    found: dict[int, Event] = {}
    times, faults, needed, last = list[float](), list[str](), False, 0
    for entry, pixels in readable(directory, series.entries, series.layout, series.plane, faults):
        facts = Facts(entry.index, (entry.begin + entry.end) / 2, places(events))
        state, look = advance(state, pixels, facts)
        events, changed = associate(
            events, look.peaks, series.searched.beam, series.searched.widest, look.step, entry.index
        )
        found.update((event.number, event) for event in changed)
        times += [facts.time] if look.searched else []
        needed, last = look.model_needed, entry.index
    state, peaks = finish(state)
    step = state.pyramid.step
    events, changed = associate(events, peaks, series.searched.beam, series.searched.widest, step, last)
    found.update((event.number, event) for event in changed)
    found.update((event.number, event) for event in close(events)[1])
    return list(found.values()), times, faults, needed


def _that_fit(series: list[Series], say: Callable[[str], None]) -> list[Series]:
    """The series, their boxcars so narrow that the search of each fits into memory. UsageError if none does."""
    most, fitting = MOST_MEMORY * psutil.virtual_memory().total, []
    for each in series:
        searched: Searched = each.searched
        while memory(searched) > most and searched.widest > 1:
            searched = replace(searched, widest=searched.widest // 2)
        if memory(searched) > most:
            raise UsageError(
                f"images of {searched.width}x{searched.height} pixels take {memory(searched) / 1e9:.1f} GB to search, "
                f"and this machine has {most / MOST_MEMORY / 1e9:.1f} GB, of which a quarter may be taken"
            )
        if searched.widest < each.searched.widest:
            say(f"searched up to {searched.widest} slices, not {each.searched.widest}: more does not fit into memory")
        fitting.append(replace(each, searched=searched))
    return fitting


def _introduced(series: Series, thresholds: Thresholds, asked: Detection) -> str:
    field = f"{series.label}, " if series.label else ""
    searched = series.searched
    return (
        f"run {series.run[:8]}, {field}Stokes {series.stokes}: {len(series.entries)} images of {searched.width}x"
        f"{searched.height}, one in {searched.cadence:.4g} s, widths 1 to {searched.widest}, reference "
        f"{searched.reference}; events from S/N {thresholds.event:.2f} on, which is {asked.budget.events:g} false in "
        f"{asked.budget.seconds:g} s by the noise of {min(MEASURED, len(series.entries))} images (the ledger has no "
        f"moments of uv)"
    )
