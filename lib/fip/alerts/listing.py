"""`fip alerts`: what was sent, is due, waits, was refused and why, and what holds all back; as text and as JSON."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fip.alerts.entries import Delivery
from fip.alerts.outbox import OUTBOX, Outbox
from fip.archive.file_names import LEDGER
from fip.data.errors import UsageError
from fip.data.quantities import iso_utc
from fip.events.words import FOLDER
from fip.state.alerts import AlertsView, line

_TOLD = {"initial": "told", "update": "told more", "retraction": "told that it is taken back"}


def outbox_folder(directory: Path) -> Path:
    """Return the folder that holds the outbox of a directory. UsageError if it has none."""
    if not (directory / FOLDER / OUTBOX).is_file():
        if not (directory / LEDGER).exists():
            raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")
        raise UsageError(f"{directory} has no alerts: none of its searches had an [alerts.NAME] in its configuration")
    return directory / FOLDER


def told_of(directory: Path) -> dict[str, Any]:
    """All that the outbox of a directory has, as `fip alerts --json` has it. FipError."""
    with closing(Outbox(outbox_folder(directory), read_only=True)) as box:
        return {
            "alerts": [_shown(each) for each in box.deliveries()],
            "holds": [asdict(each) | {"since": iso_utc(each.since)} for each in box.holds() if each.released is None],
            "faults": [asdict(each) | {"since": iso_utc(each.since)} for each in box.faults()],
        }


def _shown(each: Delivery) -> dict[str, Any]:
    return {
        "id": each.id, "event": each.event, "kind": each.kind, "tense": each.tense, "issued": iso_utc(each.issued),
        "target": each.target, "became": each.became, "said": each.said, "tries": each.tries,
        "changed": iso_utc(each.changed), "after": iso_utc(each.after), "reason": each.reason,
    }  # fmt: skip


def as_json(directory: Path) -> str:
    """Return all that the outbox has, as a JSON object."""
    return json.dumps(told_of(directory), indent=1)


def as_lines(directory: Path) -> Iterator[str]:
    """Yield lines for a person: one for each alert and target, what is wrong, and how many became what."""
    told = told_of(directory)
    for each in told["alerts"]:
        yield f"{each['id']} ({each['kind']}{_tense(each)}) to {each['target']}: {_became(each, directory)}"
    for fault in told["faults"]:
        yield f"{fault['target']}, since {fault['since'][:19]} UTC: {fault['said']}"
    for hold in told["holds"]:
        release = f"`fip alerts {directory} --release {hold['name']}` ends that"
        yield f"all is held since {hold['since'][:19]} UTC: {hold['reason']}; {release}"
    yield line(view_of(directory / FOLDER) or AlertsView())


def _tense(each: dict[str, Any]) -> str:
    return "" if each["tense"] == "current" else f", {each['tense']}"


def _became(each: dict[str, Any], directory: Path) -> str:
    said = f": {each['said']}" if each["said"] else ""
    match each["became"]:
        case "waiting":
            return f"waits{said}, until `fip event {directory} {each['event']} --label real`"
        case "due" if each["tries"]:
            return f"due, tried {each['tries']} times{said}"
        case "sent":
            return f"sent {each['changed'][:19]} UTC"
        case became:
            return f"{became}{said}"


def view_of(folder: Path) -> AlertsView | None:
    """The counts of the outbox in a folder, for every view; None if there is none. FipError if it cannot be read."""
    if not (folder / OUTBOX).is_file():
        return None
    with closing(Outbox(folder, read_only=True)) as box:
        counts, hold, faults = box.counts(), box.hold(), box.faults()
    return AlertsView(
        **{name: counts.get(name, 0) for name in ("sent", "due", "waiting", "refused", "dropped")},
        held=f"{hold.reason}: {hold.name}" if hold else "",
        fault="; ".join(f"{each.target}: {each.said}" for each in faults),
    )


def told_of_events(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what each target has heard, or waits for, about each event, under the name used in its alerts.

    {} if there is no outbox in the folder. FipError if it cannot be read.
    """
    if not (folder / OUTBOX).is_file():
        return {}
    found: dict[str, tuple[str, ...]] = {}
    with closing(Outbox(folder, read_only=True)) as box:
        for event, target, kind, became, changed in box.last_words():
            words = {
                "sent": f"was {_TOLD[kind]}, {iso_utc(changed)[11:16]} UTC", "due": f"is to be {_TOLD[kind]}",
                "waiting": "waits until a person calls it real", "refused": "refuses it", "dropped": "is not told",
            }  # fmt: skip
            found[event] = (*found.get(event, ()), f"{target} {words[became]}")
    return found
