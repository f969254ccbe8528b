"""What people say of reported events: a word that an event is real releases what waits, another takes it back."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from fip.alerts.entries import Draft, Parcel
from fip.alerts.forms import FORMS
from fip.alerts.outbox import OUTBOX, Outbox
from fip.alerts.policy import BAD, REAL
from fip.alerts.sender import now as time_now
from fip.alerts.told import alert_id
from fip.data.errors import NoRoomError, UsageError
from fip.events.vetting import verdicts
from fip.events.words import FOLDER

Value = TypeVar("Value")

_TRIES, _PAUSE = 20, 0.1  # while another process writes, and s between two of them


def labels_of(folder: Path) -> dict[str, str]:
    """Return what people call events, by the ids of events. FipError if it cannot be read."""
    return {event: verdict.label for event, verdict in verdicts(folder).items()}


def heed(box: Outbox, said: Mapping[str, str], now: float) -> None:
    """Do what people's words ask for; done again, it changes nothing."""
    for name, event in box.open_events().items():
        if said.get(name) in BAD:
            retract(box, event, f"a person calls it {said[name]}", now)
        elif said.get(name) == REAL:
            box.free(event, now)


def retract(box: Outbox, event: str, reason: str, now: float) -> tuple[str, ...] | None:
    """Enter that an event is taken back, for all who heard of it, or may have; what was not sent is not sent.

    Returns the targets; None if nothing was ever reported about it, or it was taken back before.
    """
    with box.transaction():
        last = box.last(event)
        if last is None:
            return None
        ids = box.ids(event)
        alert = replace(
            last, id=alert_id(event, len(ids) + 1, last.tense), kind="retraction", issued=now, cites=ids, reason=reason
        )
        heard = box.heard(event)
        parcels = tuple(Parcel(target, form, FORMS[form].write(alert)) for target, form in heard.items())
        box.enter([Draft(alert, None, parcels, now)], {}, box.reached())
    return tuple(heard)


def retract_named(folder: Path, identity: str, reason: str) -> tuple[str, tuple[str, ...]]:
    """Retract for a person, who names an event, or how its name begins; return its name, and the targets.

    UsageError if there is no such event about which something was reported.
    """

    def take_back(box: Outbox) -> tuple[str, tuple[str, ...]]:
        known = box.open_events()
        found = {known[name] for name in known if name == identity} or {
            event for name, event in known.items() if name.startswith(identity)
        }
        if len(found) != 1:
            there = ", ".join(sorted(found or set(known.values()))[:5]) or "none"
            raise UsageError(
                f"{folder.parent}: no one event {identity:.80} that was told, or is to be; there are {there}"
            )
        event = found.pop()
        return event, retract(box, event, reason, time_now()) or ()

    return _with_outbox(folder, take_back)


def what_follows(directory: Path, event: str, said: str) -> str:
    """Say in one line what a person's word on an event means for others; "" if nobody hears of events here."""
    folder = directory / FOLDER
    if not (folder / OUTBOX).is_file():
        return ""
    with closing(Outbox(folder, read_only=True)) as box:
        told, hold = box.open_events().get(event), box.hold()
        waits = told is not None and "waiting" in {each.became for each in box.deliveries() if each.event == told}
    by = f"by the detector, or by `fip alerts {directory} --send --config FILE`"
    if said in BAD and told:
        return f"who has heard of it is told that it is taken back: {by}"
    if said == REAL and told is None:
        return "it is told when a detector, or `fip run --detect` given again, next looks at this directory"
    if said == REAL and waits:
        return f"what waited for that is sent {by}" + (f", when {hold.name} is released" if hold else "")
    return ""


def release_hold(folder: Path, name: str) -> int:
    """End a hold; return how many messages then wait for a person's word. UsageError if there is none of this name."""
    return _with_outbox(folder, lambda box: box.release(name, time_now()))


def _with_outbox(folder: Path, do: Callable[[Outbox], Value]) -> Value:
    """Do something when no other process writes."""
    for left in reversed(range(_TRIES)):
        try:
            with closing(Outbox(folder)) as box:
                return do(box)
        except NoRoomError:
            if not left:
                raise
            time.sleep(_PAUSE)
    raise AssertionError("unreachable")
