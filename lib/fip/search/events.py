"""Peaks that are near in place and time are one event: it opens, gets better, and closes after 64 quiet slices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fip.search.peaks import is_near
from fip.search.words import Event, Matrix, Peak, Place

SHADOW = 10.0
"""From this S/N on, an event would leave a shadow in a running reference: after 64 slices, of 0.44 of its S/N."""

_APART = 4  # a boxcar of up to 1/4 of the widest may lie between two peaks of one event


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a series of images that can still change, and how many there were."""

    open: tuple[Event, ...] = ()
    recent: tuple[Event, ...] = ()  # closed, but still in a mean that will become part of a reference
    opened: int = 0


def associate(
    events: Events, peaks: Sequence[Peak], beam: Matrix, widest: int, step: int, index: int
) -> tuple[Events, tuple[Event, ...]]:
    """Take in the peaks of an image, best first; `step` and `index` (of its slice) are the image's.

    Return the events, and those that were opened, became better or were closed. A peak beside a better one of the other
    sign is a sidelobe or a shadow of it, and no event of its own.
    """
    open_, opened, changed = list(events.open), events.opened, dict[int, Event]()
    for peak in peaks:
        at = next((at for at, event in enumerate(open_) if _belongs(peak, event, beam, widest)), None)
        if at is None:
            event = Event(opened, peak, index, index, peak.first, peak.last, 1)
            opened += 1
            open_.append(event)
            changed[event.number] = event
        else:
            event = _with(open_[at], peak, index)
            if event.best is not open_[at].best:
                changed[event.number] = event
            open_[at] = event
    closed = [replace(event, closed=True) for event in open_ if step - event.last > widest]
    changed.update((event.number, event) for event in closed)
    still = tuple(event for event in open_ if step - event.last <= widest)
    recent = tuple(event for event in (*events.recent, *closed) if step - event.last <= 4 * widest)
    return Events(still, recent, opened), tuple(changed.values())


def close(events: Events) -> tuple[Events, tuple[Event, ...]]:
    """Close all that are open, as at the end of a run or of a segment."""
    closed = tuple(replace(event, closed=True) for event in events.open)
    return Events((), (), events.opened), closed


def places(events: Events) -> tuple[Place, ...]:
    """Return the places that a running reference must spare: those of events whose shadow in it would be seen."""
    strong = [each for each in (*events.recent, *events.open) if each.best.snr >= SHADOW]
    return tuple(Place(each.best.x, each.best.y, each.first, each.last) for each in strong)


def _belongs(peak: Peak, event: Event, beam: Matrix, widest: int) -> bool:
    if not is_near(peak.x - event.best.x, peak.y - event.best.y, beam):
        return False
    return peak.first - event.last <= 1 + widest // _APART and event.first - peak.last <= 1 + widest // _APART


def _with(event: Event, peak: Peak, index: int) -> Event:
    first, last = min(event.first, peak.first), max(event.last, peak.last)
    if peak.snr > event.best.snr:
        return replace(event, best=peak, updated=index, first=first, last=last, peaks=event.peaks + 1)
    return replace(event, first=first, last=last, peaks=event.peaks + 1)
