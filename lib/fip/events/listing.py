"""`fip events`: the events of directories, as text and as JSON."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from astropy.table import Table

from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.catalogues.told import listed_matches
from fip.data.directions import Direction, shown
from fip.data.errors import UsageError
from fip.events import joining
from fip.events.joining import added_to, joined, series_in
from fip.events.reading import read_table
from fip.events.vetted import before_in_words, in_words, with_verdicts
from fip.events.words import EVENTS, FOLDER, INJECTION

_NUMBERS = {
    **dict.fromkeys(("ra", "dec", "ra_err", "dec_err", "snr", "flux"), float),
    **dict.fromkeys(("first", "last"), int),
}
_TEXTS = ("id", "kind", "begin", "end", "stokes")


def listed(directories: Sequence[Path], folder: str = FOLDER) -> list[dict[str, Any]]:
    """The events of all directories, earliest first, as `fip events --json` has them.

    UsageError if one was not searched, or what was found in it cannot be read. Those of several
    directories have their sources, too: see `fip.events.joining`.
    """
    found = [event for each in directories for event in with_verdicts(each, _of(each, folder), folder)]
    found.sort(key=lambda each: (each["begin"], each["id"]))
    if len(directories) > 1:
        series = [each for directory in directories for each in series_in(directory, folder)]
        found = added_to(found, joined(found, series))
    return found


def _events(directory: Path, folder: str) -> Table:
    path = directory / folder / EVENTS
    if not path.exists():
        if not (directory / LEDGER).exists():
            raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")
        raise UsageError(f"{directory} was not searched for transients: `fip detect {directory}` does")
    return read_table(path, _NUMBERS, (*_TEXTS, "labels", "field", "run"))


def _of(directory: Path, folder: str) -> Iterator[dict[str, Any]]:
    events, injected = _events(directory, folder), _injected(directory)
    matched = "matches" in events.colnames  # an older FIP knew of none
    for row in events:
        run, labels = str(row["run"]), _text(row["labels"]).split()
        if run in injected and INJECTION not in labels:
            labels.append(INJECTION)
        yield (
            {name: str(row[name]) for name in _TEXTS}
            | {name: kind(row[name]) for name, kind in _NUMBERS.items()}
            | {"beam": float(row["beam"]) if "beam" in events.colnames else 0.0}
            | {"labels": labels, "matches": _matches(directory, row) if matched else []}
            | {"field": _text(row["field"]), "run": run, "directory": str(directory)}
        )


def _matches(directory: Path, row: Any) -> list[dict[str, Any]]:
    try:
        return listed_matches(_text(row["matches"]))
    except ValueError as error:
        raise UsageError(f"{directory}: event {row['id']}: {error}; `fip detect` writes them anew") from None


def _injected(directory: Path) -> frozenset[str]:
    """The runs of a directory of data to which sources were added."""
    if not (directory / LEDGER).is_file():
        return frozenset()
    with closing(Ledger(directory, read_only=True)) as ledger:
        return ledger.injected_runs()


def as_json(events: list[dict[str, Any]]) -> str:
    """Return the events as a JSON list of objects."""
    return json.dumps(events, indent=1)


def as_lines(events: list[dict[str, Any]], everything: bool = False) -> list[str]:
    """A line for each without labels, or that somebody says is real, or for all, and what there is beside them."""
    shown_ = [each for each in events if everything or not each["labels"] or _is_real(each)]
    lines = [line for each in shown_ for line in _lines(each)] or ["no event"]
    if len(shown_) < len(events):
        counts = Counter(label for each in events for label in each["labels"])
        more = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
        lines.append(f"and {len(events) - len(shown_)} with labels ({more}): `fip events --all` shows them")
    if all("source" in each for each in events):
        lines += joining.as_lines(events, everything)
    return lines


def _is_real(event: dict[str, Any]) -> bool:
    return bool(event["verdict"]) and event["verdict"]["label"] == "real"


def _lines(event: dict[str, Any]) -> list[str]:
    """Yield the lines of an event, with what was said of it, and at its place before."""
    said = [f"  verdict: {in_words(event['verdict'])}"] if event["verdict"] else []
    more = f", and {len(event['before']) - 1} more" if len(event["before"]) > 1 else ""
    before = [f"  here before: {before_in_words(event['before'][0])}{more}"] if event["before"] else []
    return [_line(event), *said, *before]


def _line(event: dict[str, Any]) -> str:
    place = shown(Direction(math.radians(event["ra"]), math.radians(event["dec"]), "ICRS"))
    labels = f", but {', '.join(event['labels'])}" if event["labels"] else ""
    there = f"; there: {', '.join(each['name'] for each in event['matches'])}" if event["matches"] else ""
    return (
        f"{event['id']}: {event['kind']}{labels} at {place}, {event['begin'][:19]} to {event['end'][:19]} UTC, slices "
        f"{event['first']} to {event['last']}, S/N {event['snr']:.1f}, {event['flux']:.4g} Jy/beam, Stokes "
        f"{event['stokes']}{there}"
    )


def _text(value: object) -> str:
    """Return a value as text; "" for an empty one, also in a column that masks empty values."""
    return "" if value is None or str(value) == "--" else str(value)
