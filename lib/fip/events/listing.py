"""`fip events`: the events of directories, as text and as JSON."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fip.data.directions import Direction, shown
from fip.events.tables import read_events
from fip.events.words import FOLDER

_NUMBERS = {"ra": float, "dec": float, "first": int, "last": int, "snr": float, "flux": float}
_TEXTS = ("id", "kind", "begin", "end", "stokes")


def listed(directories: Sequence[Path], folder: str = FOLDER) -> list[dict[str, Any]]:
    """The events of all directories, earliest first, as `fip events --json` has them. UsageError as `read_events`."""
    found = []
    for directory in directories:
        for row in read_events(directory, folder):
            found.append(
                {name: str(row[name]) for name in _TEXTS}
                | {name: kind(row[name]) for name, kind in _NUMBERS.items()}
                | {"labels": _text(row["labels"]).split(), "field": _text(row["field"]), "run": str(row["run"])}
            )
    return sorted(found, key=lambda each: (each["begin"], each["id"]))


def as_json(events: list[dict[str, Any]]) -> str:
    """A list of objects."""
    return json.dumps(events, indent=1)


def as_lines(events: list[dict[str, Any]], everything: bool = False) -> list[str]:
    """A line for each without labels, or for all, and what there is beside them."""
    shown_ = [each for each in events if everything or not each["labels"]]
    lines = [_line(each) for each in shown_] or ["no event"]
    if len(shown_) < len(events):
        counts = Counter(label for each in events for label in each["labels"])
        more = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
        lines.append(f"and {len(events) - len(shown_)} with labels ({more}): `fip events --all` shows them")
    return lines


def _line(event: dict[str, Any]) -> str:
    place = shown(Direction(math.radians(event["ra"]), math.radians(event["dec"]), "ICRS"))
    labels = f", but {', '.join(event['labels'])}" if event["labels"] else ""
    return (
        f"{event['id']}: {event['kind']}{labels} at {place}, {event['begin'][:19]} to {event['end'][:19]} UTC, slices "
        f"{event['first']} to {event['last']}, S/N {event['snr']:.1f}, {event['flux']:.4g} Jy/beam, Stokes "
        f"{event['stokes']}"
    )


def _text(value: object) -> str:
    """Of a column that may be masked where it is empty."""
    return "" if value is None or str(value) == "--" else str(value)
