"""DIR/transients/alerts.sqlite: what is reported about the events of a directory, to whom, and what became of it.

What is due is entered in one transaction with how far the detector's journal was read for it. An alert is written down
in the words in which it is sent, before it is sent, and is the same at each repeat. Several processes write: the
detector, and whoever types `fip alerts` or `fip retract`.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fip.alerts.entries import OPEN, Became, Delivery, Draft, Fault, Hold
from fip.alerts.policy import Spot, Told
from fip.alerts.words import Alert
from fip.archive.ledger_file import LedgerFile
from fip.data.errors import StoreError, UsageError

OUTBOX = "alerts.sqlite"
OUTBOX_FILES = (OUTBOX, f"{OUTBOX}-wal", f"{OUTBOX}-shm", f"{OUTBOX}-journal")
"""The files that a new search of a directory keeps: they say what the world has heard."""

VERSION = 1

SCHEMA = f"""
CREATE TABLE progress (decision INTEGER NOT NULL, reached REAL NOT NULL);
INSERT INTO progress VALUES (0, -1e300);
CREATE TABLE alerts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL, kind TEXT NOT NULL,
    tense TEXT NOT NULL, issued REAL NOT NULL, facts TEXT NOT NULL, cites TEXT NOT NULL, reason TEXT NOT NULL, spot TEXT
);
CREATE INDEX alerts_of_event ON alerts (event, number);
CREATE TABLE deliveries (
    alert INTEGER NOT NULL REFERENCES alerts, target TEXT NOT NULL, form TEXT NOT NULL, body BLOB NOT NULL,
    became TEXT NOT NULL, said TEXT NOT NULL, tries INTEGER NOT NULL, after REAL NOT NULL, changed REAL NOT NULL,
    PRIMARY KEY (alert, target)
) WITHOUT ROWID;
CREATE INDEX deliveries_open ON deliveries (became, target);
CREATE TABLE names (name TEXT PRIMARY KEY, event TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE over (event TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE holds (
    name TEXT PRIMARY KEY, cause TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL, events TEXT NOT NULL,
    alert INTEGER NOT NULL, released REAL, until REAL
) WITHOUT ROWID;
CREATE TABLE faults (target TEXT PRIMARY KEY, said TEXT NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""
_FIELDS = "alerts.id, event, kind, tense, issued, facts, cites, reason"
_JOINED = "deliveries JOIN alerts ON alert = number"


class Outbox:
    """The open file, for one thread. Its methods raise NoRoomError if trying again helps, else other StoreErrors."""

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        """Open the file in a folder. Make it if it is missing, unless it is only read."""
        self.path = folder / OUTBOX
        self._file = LedgerFile(self.path, read_only)
        try:
            if self._file.version == 0 and not read_only:
                with self._file.transaction():
                    if self._file.version == 0:  # nobody else has made it meanwhile
                        for statement in SCHEMA.split(";"):
                            self._file.write(statement)
            elif self._file.version != VERSION:
                raise StoreError(f"{self.path} has schema {self._file.version}, this FIP reads {VERSION}")
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file of the outbox."""
        self._file.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written within it is on disk when it ends, or none of it is; nobody else writes meanwhile."""
        return self._file.transaction()

    # What is entered

    def reached(self) -> tuple[int, float]:
        """The last decision of the journal that was looked at, and the end of what was found, s UTC since MJD 0."""
        decision, reached = next(self._file.rows("SELECT decision, reached FROM progress"))
        return int(decision), float(reached)

    def told(self) -> list[Told]:
        """Return what was reported about each event, and which events are over."""
        over = {event for (event,) in self._file.rows("SELECT event FROM over")}
        names: dict[str, set[str]] = {}
        for name, event in self._file.rows("SELECT name, event FROM names"):
            names.setdefault(event, set()).add(name)
        found: dict[str, Told] = {}
        query = "SELECT event, id, issued, spot FROM alerts WHERE spot IS NOT NULL ORDER BY number"
        for event, identity, issued, spot in self._file.rows(query):
            ids = (*found[event].ids, identity) if event in found else (identity,)
            known = frozenset(names.get(event, ())) | {event}
            found[event] = Told(event, ids, issued, Spot(**json.loads(spot)), event in over, known)
        return list(found.values())

    def ids(self, event: str) -> tuple[str, ...]:
        """Return the ids of an event's alerts, oldest first."""
        return tuple(
            one for (one,) in self._file.rows("SELECT id FROM alerts WHERE event = ? ORDER BY number", (event,))
        )

    def enter(
        self,
        drafts: Sequence[Draft],
        names: Mapping[str, str],
        progress: tuple[int, float],
        hold: Hold | None = None,
    ) -> None:
        """Enter alerts, names of events reported under another name, a hold, and how far was looked; all or none.

        An update takes the place of those before it that were not sent yet.
        """
        with self._file.transaction():
            self._file.write("UPDATE progress SET decision = ?, reached = MAX(reached, ?)", progress)
            if names:
                self._file.write("INSERT OR REPLACE INTO names VALUES (?, ?)", *names.items())
            if hold:
                last = int(self._file.value("SELECT COALESCE(MAX(number), 0) FROM alerts"))
                events = json.dumps(hold.events)
                row = (hold.name, hold.cause, hold.reason, hold.since, events, last, None, None)
                self._file.write("INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            for draft in drafts:
                self._enter(draft)

    def _enter(self, draft: Draft) -> None:
        alert = draft.alert
        if alert.kind == "update":
            self._replace_updates(alert)
        if alert.kind == "retraction":
            self._file.write("INSERT OR IGNORE INTO over VALUES (?, ?)", (alert.event, alert.reason))
            self._drop_unsent(alert)
        if alert.kind == "retraction" and not draft.parcels:  # nobody has heard of it
            return
        spot = json.dumps(asdict(draft.spot)) if draft.spot else None
        row = (
            alert.id, alert.event, alert.kind, alert.tense, alert.issued, json.dumps(dict(alert.facts)),
            json.dumps(alert.cites), alert.reason, spot,
        )  # fmt: skip
        self._file.write("INSERT INTO alerts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        number = int(self._file.value("SELECT last_insert_rowid()"))
        rows = [
            (number, each.target, each.form, each.body, each.became, "", 0, draft.after, alert.issued)
            for each in draft.parcels
        ]
        if rows:
            self._file.write("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *rows)

    def _replace_updates(self, alert: Alert) -> None:
        self._file.write(
            "UPDATE deliveries SET became = 'dropped', said = ?, changed = ? WHERE became IN ('due', 'waiting') AND "
            "tries = 0 AND alert IN (SELECT number FROM alerts WHERE event = ? AND kind = 'update')",
            (f"{alert.id} took its place", alert.issued, alert.event),
        )

    def _drop_unsent(self, alert: Alert) -> None:
        self._file.write(
            "UPDATE deliveries SET became = 'dropped', said = ?, changed = ? "
            "WHERE became IN ('due', 'waiting', 'refused') AND alert IN "
            "(SELECT number FROM alerts WHERE event = ? AND kind != 'retraction')",
            (f"taken back: {alert.reason}", alert.issued, alert.event),
        )

    def parties(self, event: str) -> dict[str, Became]:
        """Return who was first to hear of an event, and what became of that."""
        query = (
            f"SELECT target, became FROM {_JOINED} WHERE event = ? AND number = "
            "(SELECT MIN(number) FROM alerts WHERE event = ?)"
        )
        return dict(self._file.rows(query, (event, event)))

    def heard(self, event: str) -> dict[str, str]:
        """Who has heard of an event, or may have: the targets, with the forms in which it was sent."""
        query = (
            f"SELECT target, form FROM {_JOINED} WHERE event = ? AND kind != 'retraction' AND "
            "(became = 'sent' OR (became = 'due' AND tries > 0)) ORDER BY number"
        )
        return dict(self._file.rows(query, (event,)))

    def last(self, event: str) -> Alert | None:
        """Return the last alert of an event; None if there is none, or nothing more is to be reported about it."""
        if self._file.value("SELECT COUNT(*) FROM over WHERE event = ?", (event,)):
            return None
        query = f"SELECT {_FIELDS} FROM alerts WHERE event = ? ORDER BY number DESC LIMIT 1"
        return next(map(_alert, self._file.rows(query, (event,))), None)

    # What becomes of it

    def open_events(self) -> dict[str, str]:
        """Return the names of events about which more may be reported or taken back, each with its name in alerts."""
        query = (
            "SELECT event FROM alerts WHERE spot IS NOT NULL AND event NOT IN (SELECT event FROM over) "
            "GROUP BY event ORDER BY MIN(number)"
        )
        told = {event: event for (event,) in self._file.rows(query)}
        others = self._file.rows("SELECT name, event FROM names")
        return told | {name: event for name, event in others if event in told}

    def free(self, event: str, now: float) -> int:
        """Make due what waits for an event that somebody has called real; return how many messages that are."""
        waiting = "FROM deliveries WHERE became = 'waiting' AND alert IN (SELECT number FROM alerts WHERE event = ?)"
        with self._file.transaction():
            count = int(self._file.value(f"SELECT COUNT(*) {waiting}", (event,)))
            if count:
                self._file.write(
                    "UPDATE deliveries SET became = 'due', after = MAX(after, ?), changed = ? "
                    "WHERE became = 'waiting' AND alert IN (SELECT number FROM alerts WHERE event = ?)",
                    (now, now, event),
                )
        return count

    def next_due(self, target: str, now: float) -> Delivery | None:
        """The next alert that a target is to be sent now: of one event in order, and a summary alone if all is held."""
        held = "AND kind = 'summary' " if self.hold() else ""
        before = (
            "SELECT 1 FROM deliveries AS theirs JOIN alerts AS earlier ON theirs.alert = earlier.number "
            "WHERE theirs.target = deliveries.target AND earlier.event = alerts.event AND "
            "earlier.number < alerts.number AND theirs.became IN ('due', 'waiting')"
        )
        query = (
            f"SELECT {_DELIVERY} FROM {_JOINED} WHERE target = ? AND became IN ('due', 'refused') AND after <= ? "
            f"{held}AND NOT EXISTS ({before}) "
            "ORDER BY kind NOT IN ('summary', 'retraction'), after, number LIMIT 1"
        )
        return next(map(_delivery, self._file.rows(query, (target, now))), None)

    def soonest(self, target: str) -> float | None:
        """Return when the next message to a target may be sent, s UTC since MJD 0; None if there is none."""
        query = "SELECT MIN(after) FROM deliveries WHERE target = ? AND became IN ('due', 'refused')"
        found = self._file.value(query, (target,))
        return None if found is None else float(found)

    def ask_again(self, target: str, now: float) -> None:
        """Allow that what a target has refused is sent again now: something is different."""
        if self._file.value(
            "SELECT 1 FROM deliveries WHERE target = ? AND became = 'refused' AND after > ?", (target, now)
        ):
            self._file.write("UPDATE deliveries SET after = ? WHERE target = ? AND became = 'refused'", (now, target))

    def begin_try(self, delivery: Delivery, again: float, now: float) -> bool:
        """Note that a target may have it from now on; return whether it is still to be sent."""
        with self._file.transaction():
            key = (delivery.alert, delivery.target)
            became = self._file.value("SELECT became FROM deliveries WHERE alert = ? AND target = ?", key)
            if became not in ("due", "refused") or (self.hold() and delivery.kind != "summary"):
                return False
            self._file.write(
                "UPDATE deliveries SET tries = tries + 1, became = 'due', after = ?, changed = ? "
                "WHERE alert = ? AND target = ?",
                (again, now, *key),
            )
        return True

    def settle(self, delivery: Delivery, became: Became, said: str, after: float, now: float) -> None:
        """Note what became of a try; what was taken back meanwhile stays so, unless it has arrived."""
        kept = "" if became == "sent" else "AND became != 'dropped' "
        self._file.write(
            f"UPDATE deliveries SET became = ?, said = ?, after = ?, changed = ? WHERE alert = ? AND target = ? {kept}",
            (became, said, after, now, delivery.alert, delivery.target),
        )

    def sent_since(self, target: str, since: float) -> list[float]:
        """When a target was sent alerts since then, but for summaries and retractions."""
        query = (
            f"SELECT changed FROM {_JOINED} WHERE target = ? AND became = 'sent' AND changed > ? AND "
            "kind IN ('initial', 'update') ORDER BY changed"
        )
        return [float(changed) for (changed,) in self._file.rows(query, (target, since))]

    # What stands in the way

    def hold(self) -> Hold | None:
        """Return the hold that holds all back now; None if there is none."""
        return next((each for each in self.holds() if each.released is None), None)

    def holds(self) -> list[Hold]:
        """Return all holds that there ever were, the first one first."""
        query = "SELECT name, cause, reason, since, events, alert, released FROM holds ORDER BY since, name"
        return [
            Hold(name, cause, reason, since, tuple(json.loads(events)), alert, released)
            for name, cause, reason, since, events, alert, released in self._file.rows(query)
        ]

    def new_name(self, cause: str, run: str) -> str:
        """A name for a hold that no other has."""
        return f"{run[:8]}-{cause}-{int(self._file.value('SELECT COUNT(*) FROM holds')) + 1}"

    def cleared(self) -> float:
        """Return how far events were checked at the last release of a hold, s UTC since MJD 0; -inf without one."""
        found = self._file.value("SELECT MAX(until) FROM holds WHERE released IS NOT NULL")
        return float("-inf") if found is None else float(found)

    def release(self, name: str, now: float) -> int:
        """End a hold; of what came with it, only what is called real is sent. Return how many messages wait.

        UsageError if there is no such hold, with the name of the one that there is.
        """
        hold = self.hold()
        if hold is None or hold.name != name:
            known = f"what holds them is {hold.name}: {hold.reason}" if hold else "nothing holds them"
            raise UsageError(f"--release {name:.80}: alerts of {self.path.parent.parent} are not held by that; {known}")
        marks = ", ".join("?" * len(hold.events))
        those = (
            "became = 'due' AND tries = 0 AND alert IN "
            "(SELECT number FROM alerts WHERE kind IN ('initial', 'update') AND "
            f"(number > ? OR event IN ({marks})))"
        )
        values = (hold.alert, *hold.events)
        with self._file.transaction():
            count = int(self._file.value(f"SELECT COUNT(*) FROM deliveries WHERE {those}", values))
            self._file.write(
                f"UPDATE deliveries SET became = 'waiting', said = ?, changed = ? WHERE {those}",
                (f"was held by {name}", now, *values),
            )
            self._file.write(
                "UPDATE holds SET released = ?, until = (SELECT reached FROM progress) WHERE name = ?", (now, name)
            )
        return count

    def faults(self) -> list[Fault]:
        """What is wrong with targets now."""
        return [Fault(*row) for row in self._file.rows("SELECT target, said, since FROM faults ORDER BY target")]

    def note_fault(self, target: str, said: str, now: float) -> None:
        """Note what is wrong with a target; "": nothing."""
        known = self._file.value("SELECT said FROM faults WHERE target = ?", (target,))
        if said == (known or ""):
            return
        if said:
            self._file.write("INSERT OR REPLACE INTO faults VALUES (?, ?, ?)", (target, said, now))
        else:
            self._file.write("DELETE FROM faults WHERE target = ?", (target,))

    def deliveries(self, became: Collection[Became] = ()) -> Iterator[Delivery]:
        """All, or those that became so, in the order in which they were entered."""
        marks = ", ".join("?" * len(became))
        chosen = f"WHERE became IN ({marks})" if became else ""
        query = f"SELECT {_DELIVERY} FROM {_JOINED} {chosen} ORDER BY number, target"
        yield from map(_delivery, self._file.rows(query, (*became,)))

    def last_words(self) -> Iterator[tuple[str, str, str, Became, float]]:
        """Yield the last alert for each event and target: event, target, kind, what became of it, and when."""
        query = (
            f"SELECT event, target, kind, became, changed, MAX(number) FROM {_JOINED} WHERE kind != 'summary' "
            "GROUP BY event, target ORDER BY event, target"
        )
        for event, target, kind, became, changed, _ in self._file.rows(query):
            yield event, target, kind, became, float(changed)

    def is_idle(self, since: float) -> bool:
        """Whether there is nothing to be done here, and nothing was since then."""
        query = f"SELECT COUNT(*) FROM deliveries WHERE became IN ({', '.join('?' * len(OPEN))}) OR changed > ?"
        return not self._file.value(query, (*OPEN, since))

    def counts(self) -> dict[str, int]:
        """How many deliveries became what."""
        return dict(self._file.rows("SELECT became, COUNT(*) FROM deliveries GROUP BY became"))


_DELIVERY = (
    "alert, alerts.id, event, kind, tense, issued, target, form, body, became, said, tries, after, changed, "
    "reason, facts"
)


def _alert(row: Sequence[Any]) -> Alert:
    identity, event, kind, tense, issued, facts, cites, reason = row
    return Alert(identity, event, kind, tense, issued, json.loads(facts), tuple(json.loads(cites)), reason)


def _delivery(row: Sequence[Any]) -> Delivery:
    return Delivery(**dict(zip(Delivery.__dataclass_fields__, (*row[:-1], json.loads(row[-1])), strict=True)))
