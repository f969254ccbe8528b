"""What a search has found, for `fip report`: counts, and the first events with their pictures."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from fip.archive.report import Happened, Told
from fip.data.errors import FipError
from fip.events.shown import files_of, searched
from fip.events.vetted import before_in_words, in_words, with_verdicts
from fip.events.words import LABELS
from fip.state.transients import facts, line

PICTURED = 12  # events; more are counted
WIDEST = 1100  # pixels of a picture


def transients_of(directory: Path) -> Told | None:
    """What there is to tell of a search of a directory, or why that cannot be read; None if there was none."""
    try:
        found = searched(directory)
        events = with_verdicts(directory, found.events[:PICTURED]) if found else []
    except FipError as error:
        return Told(str(error))
    if found is None:
        return None
    shown = tuple(_happened(directory, each) for each in events)
    return Told(line(found.view), tuple(facts(found.view)), shown, len(found.events) - len(shown))


def _happened(directory: Path, event: dict[str, Any]) -> Happened:
    slices = event["last"] - event["first"] + 1
    parts = (
        "" if event["snr"] is None else f"S/N {event['snr']:.1f}",
        f"slices {event['first']} to {event['last']}" if slices > 1 else f"slice {event['first']}",
        f"{event['begin'][:19].replace('T', ' ')} UTC",
        event["kind"] * (event["kind"] != "transient"),
        f"Stokes {event['stokes']}" * (event["stokes"] != "I"),
        event["field"],
    )
    labels = tuple(f"{label}: {LABELS.get(label, '')}" for label in event["labels"])
    said = (f"verdict: {in_words(event['verdict'])}",) if event["verdict"] else ()
    before = tuple(f"here before: {before_in_words(each)}" for each in event["before"][:1])
    picture = _picture(directory, event["id"])
    return Happened(event["id"], " · ".join(filter(None, parts)), labels, picture, (*said, *before))


def _picture(directory: Path, identity: str) -> str:
    """The picture of an event as a small JPEG; "" if it has none that can be read."""
    path = files_of(directory, identity).get("event.png")
    if path is None:
        return ""
    try:
        picture = Image.open(path).convert("RGB")
    except (OSError, ValueError):
        return ""
    picture.thumbnail((WIDEST, WIDEST))
    content = BytesIO()
    picture.save(content, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
