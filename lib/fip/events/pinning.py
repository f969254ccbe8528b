"""Which images the ring is to keep for the events that were found: `fip.sink.pins` sees that it does. Pure."""

from collections.abc import Mapping, Sequence

from fip.archive.pins import Pin
from fip.events.findings import is_told
from fip.events.measuring import WINDOW
from fip.events.words import Found

REAL = "real"
"""The verdict by which an event pins its images, whatever speaks against it; any other takes them free."""


def pins_of(found: Sequence[Found], verdicts: Mapping[str, str]) -> tuple[Pin, ...]:
    """The images in which events are measured: of each that is told, or that somebody has called real.

    `verdicts`: what was said of events, by their ids. The latter come first, then the newest: the first find room.
    """
    mine = [each for each in found if (verdicts.get(each.id) == REAL or (is_told(each) and each.id not in verdicts))]
    mine.sort(key=lambda each: (verdicts.get(each.id) != REAL, -each.end, each.id))
    return tuple(map(_pin, mine))


def _pin(found: Found) -> Pin:
    series, (first, last) = found.series, found.event.best.slices
    reach = WINDOW * series.average
    return Pin(found.id, series.run, series.label, max(0, first - reach), last + 1 + reach)
