"""Enter alerts into the outbox, after a search has shown what it found."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from fip.alerts.breaker import LOOKED_AT, WINDOW, tripped
from fip.alerts.entries import Draft, Hold, Parcel
from fip.alerts.forms import FORMS
from fip.alerts.outbox import Outbox
from fip.alerts.policy import (
    STANDS,
    Due,
    Seen,
    Spot,
    State,
    due,
    recipients,
    tense_of,
    told_of_holds,
)
from fip.alerts.taking_back import labels_of, retract
from fip.alerts.told import alert_id
from fip.alerts.words import Alert, Tense
from fip.archive.ledger import Ledger
from fip.config import AlertTarget
from fip.events.findings import is_event
from fip.events.folder import facts_found
from fip.events.measuring import place_of_event
from fip.events.publishing import Publisher
from fip.events.words import FACTS, INJECTION, Found
from fip.follower.course import Course
from fip.search.words import NEAR

log = logging.getLogger("fip.alerts")

_NAMED = 50  # events that a summary names


class Reporter:
    """Publish what a search found, and then enter the alerts about it. For one thread."""

    def __init__(
        self,
        publisher: Publisher,
        course: Course,
        targets: Mapping[str, AlertTarget],
        clock: Callable[[], float],
        archival: bool = False,
        entered: Callable[[], object] = lambda: None,
    ) -> None:
        """`archival`: alert also about old events, as a search of old data; `entered` is called after each entry."""
        self._publisher, self._course, self._targets = publisher, course, targets
        self._clock, self._archival, self._entered = clock, archival, entered
        self._opened: Outbox | None = None  # when it is first needed: one that is damaged hides nothing that was found
        self._places: dict[str, tuple[float, Spot]] = {}  # by id, with the S/N at which they were measured
        self._looked: object = None
        self.old = 0  # events that nobody hears of, as they were seen long ago

    def publish(self, idle: bool) -> bool:
        """Publish as the publisher does. Raises FipError."""
        shown = self._publisher.publish(idle)
        self.report()
        return shown

    def finish(self) -> None:
        """Finish as the publisher does. Raises FipError."""
        self._publisher.finish()
        self.report()

    def close(self) -> None:
        """Close the outbox, if it is open."""
        if self._opened:
            self._opened.close()

    @property
    def _box(self) -> Outbox:
        if self._opened is None:
            self._opened = Outbox(self._course.folder)
        return self._opened

    def report(self) -> None:
        """Enter what is to be reported now, with how far the journal was read for it, in one transaction."""
        said, positions = labels_of(self._course.folder), self._course.journal.positions()
        looked = self._publisher.shown, self._publisher.described, positions, said, self._box.cleared()
        if looked == self._looked:
            return
        self._measure_anew(said, positions)
        now, founds = self._clock(), {found.id: found for found in self._publisher.shown if is_event(found)}
        seen = [self._seen(found, positions, said) for found in founds.values()]
        with self._box.transaction():
            told = self._box.told()
            known = {found.id for found in self._publisher.findings.found.values()}
            injections = any(target.injections for target in self._targets.values())
            dues = list(due(seen, known, told, injections))
            self.old = sum(each.seen is not None and self._is_old(each.seen, now) for each in dues)
            hold = None if self._box.hold() else self._hold(seen, founds, now, bool(dues))
            drafts = [*self._summary(hold, now)] if hold else []
            names = {
                one.id: each.event
                for each in told for one in seen if one.id not in each.names and one.spot.is_same(each.spot)
            }  # fmt: skip
            reached = max((each.spot.end for each in seen), default=-math.inf)
            for each in dues:
                if each.seen is not None:
                    drafts += self._draft(each, each.seen, founds[each.seen.id], now)
            if drafts or names or hold or reached > self._box.reached()[1]:
                self._box.enter(drafts, names, (self._publisher.position, reached), hold)
            for each in dues:
                if each.kind == "retraction":
                    retract(self._box, each.event, each.reason, now)
        self._looked = looked
        if drafts or dues:
            self._entered()
        if hold:
            log.warning(
                "alerts of %s are held: %s; `fip alerts %s --release %s` ends that",
                self._course.directory, hold.reason, self._course.directory, hold.name,
            )  # fmt: skip

    def _measure_anew(self, said: Mapping[str, str], positions: Mapping[str, int]) -> None:
        """Measure again what is to be reported: it was perhaps measured when less was known about it."""
        seen = [self._seen(found, positions, said) for found in self._publisher.shown if is_event(found)]
        for each in due(seen, (), self._box.told()):
            if each.seen and measured_of(self._course.folder, each.seen.id).get("snr") != each.seen.spot.snr:
                self._publisher.describe(each.seen.id)

    def _seen(self, found: Found, positions: Mapping[str, int], said: Mapping[str, str]) -> Seen:
        last = found.event.best.slices[1]
        return Seen(
            found.id, self._spot(found), found.labels, found.kind == "moving", found.event.best.sign < 0,
            described=found.id in self._publisher.described or INJECTION in found.labels,
            stands=found.event.closed or positions.get(found.series.followed, 0) > last + STANDS,
            only=frozenset(match.target for match in found.matches if match.target),
            verdict=said.get(found.id, ""),
            backlog=found.series.backlog,
        )  # fmt: skip

    def _spot(self, found: Found) -> Spot:
        snr, series = found.event.best.snr, found.series
        if found.id not in self._places or self._places[found.id][0] != snr:
            there, east, north = place_of_event(found)
            widest = 1 / math.sqrt(float(np.linalg.eigvalsh(np.array(series.searched.beam))[0]))  # pixels
            spot = Spot(
                there.longitude, there.latitude, east, north, found.begin, found.end, snr,
                NEAR * widest * series.grid.scale,
            )  # fmt: skip
            self._places[found.id] = snr, spot
        return self._places[found.id][1]

    def _is_old(self, seen: Seen, now: float) -> bool:
        """Whether it is no news, and nobody has asked for what is none."""
        return not self._archival and tense_of(seen, now) == "archival"

    def _hold(self, seen: Sequence[Seen], founds: Mapping[str, Found], now: float, more: bool) -> Hold | None:
        """What holds all back from now on, if something does."""
        fresh = [each for each in seen if not self._is_old(each, now)]
        if not fresh:
            return None
        last = max(fresh, key=lambda each: each.spot.end)
        latest = founds[last.id].series.run
        if not self._archival:  # what is older was looked at when it was new
            fresh = [each for each in fresh if each.spot.end > last.spot.end - 2 * WINDOW]
        since = self._box.cleared()
        qualities = self._qualities(latest, since) if more else ()
        trip = tripped(fresh, self._publisher.asked.budget.per_second, qualities, since)
        if trip is None:
            return None
        return Hold(self._box.new_name(trip.cause, latest), trip.cause, trip.reason, now, trip.events, 0)

    def _qualities(self, run: str, since: float) -> tuple[str, ...]:
        """Return the qualities of the last images of a run that were searched, and that came since."""
        end = self._course.journal.positions().get(run, 0)
        with closing(Ledger(self._course.directory, read_only=True)) as ledger:
            entries = list(ledger.entries(run, max(0, end - 4 * LOOKED_AT), end))
        return tuple(each.quality for each in entries if each.begin > since and not each.empty)

    def _summary(self, hold: Hold, now: float) -> Iterator[Draft]:
        tense: Tense = "archival" if self._archival else "current"
        release = f"`fip alerts {self._course.directory} --release {hold.name}`"
        facts = {"cause": hold.cause, "count": len(hold.events), "events": list(hold.events[:_NAMED])}
        reason = f"All alerts are held: {hold.reason}; {release} ends that"
        alert = Alert(alert_id(hold.name, 1, tense), hold.name, "summary", tense, now, facts, (), reason)
        yield Draft(alert, None, self._parcels(alert, dict.fromkeys(told_of_holds(self._targets), "due")), now)

    def _draft(self, each: Due, seen: Seen, found: Found, now: float) -> Iterator[Draft]:
        """Yield the alert of an event, if somebody is to get it."""
        ids, tense = self._box.ids(each.event), tense_of(seen, now, self._archival)
        told = recipients(seen, tense, self._targets, self._archival)
        if each.kind == "update":
            first = self._box.parties(each.event)
            told = {
                name: "waiting" if first[name] == "waiting" else "due"
                for name in told if first.get(name, "dropped") != "dropped"
            }  # fmt: skip
        if not told:
            return
        alert = Alert(
            alert_id(each.event, len(ids) + 1, tense), each.event, each.kind, tense, now,
            facts_of(self._course.folder, found), ids,
        )  # fmt: skip
        yield Draft(alert, seen.spot, self._parcels(alert, told), max(now, each.after))

    def _parcels(self, alert: Alert, told: Mapping[str, State]) -> tuple[Parcel, ...]:
        forms = {name: self._targets[name].form for name in told}
        made = {form: FORMS[form].write(alert) for form in set(forms.values())}
        return tuple(Parcel(name, forms[name], made[forms[name]], state) for name, state in told.items())


def facts_of(folder: Path, found: Found) -> dict[str, Any]:
    """What is known of an event: what was measured, in its folder, and how it was found, which may be newer."""
    newer = facts_found(found)
    matches = [{name: said for name, said in each.items() if name != "target"} for each in newer["matches"]]
    return {**measured_of(folder, found.id), **newer, "matches": matches}


def measured_of(folder: Path, identity: str) -> dict[str, Any]:
    """What was measured of an event; nothing if it was not."""
    try:
        return dict(json.loads((folder / identity / FACTS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
