"""Alerts that are entered into an outbox by hand."""

from pathlib import Path

from fip.alerts.entries import Draft, Hold, Parcel
from fip.alerts.forms import FORMS
from fip.alerts.outbox import Outbox
from fip.alerts.policy import Spot, State
from fip.alerts.told import alert_id
from fip.alerts.words import Alert, Kind, Tense
from fip.data.quantities import iso_utc

START = 5.1e9  # s, when the first is entered
SPOT = Spot(1.0, -0.5, 1e-5, 1e-5, START - 60, START - 50, 8.0, 1e-4)


def draft(
    event: str, number: int = 1, kind: Kind = "initial", tense: Tense = "current", at: float = START, **to: State
) -> Draft:
    """An alert for some targets, each with what is to become of it."""
    facts = {"id": event, "labels": [], "snr": 8.0, "begin": iso_utc(SPOT.begin)}
    cites = tuple(alert_id(event, each, tense) for each in range(1, number))
    alert = Alert(alert_id(event, number, tense), event, kind, tense, at, facts, cites)
    parcels = tuple(Parcel(name, "gcn", FORMS["gcn"].write(alert), state) for name, state in to.items())
    return Draft(alert, SPOT if kind in ("initial", "update") else None, parcels, at)


def enter(folder: Path, *drafts: Draft, hold: Hold | None = None) -> None:
    """Enter these drafts in the outbox."""
    box = Outbox(folder)
    box.enter(drafts, {}, (1, START), hold)
    box.close()


def became(folder: Path) -> dict[tuple[str, str], str]:
    """What became of each alert for each target."""
    box = Outbox(folder, read_only=True)
    found = {(each.id, each.target): each.became for each in box.deliveries()}
    box.close()
    return {key: str(value) for key, value in found.items()}
