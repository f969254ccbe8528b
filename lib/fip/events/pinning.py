"""The images that the ring is to keep for the events that were found: `fip.sink.pins` makes it do so."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from fip.archive.file_names import LEDGER
from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.archive.pins import PINS, Pin, pins_text, read_pins
from fip.data.errors import NoRoomError
from fip.data.ranges import of as ranges_of
from fip.events.findings import is_told
from fip.events.measuring import WINDOW
from fip.events.reading import read_table
from fip.events.words import EVENTS, Found

REAL = "real"
"""The verdict by which an event pins its images, whatever speaks against it; any other releases them."""


def pins_of(found: Sequence[Found], verdicts: Mapping[str, str]) -> tuple[Pin, ...]:
    """Return the images in which events are measured: events without labels, or called real by somebody. Pure.

    `verdicts`: what was said of events, by their ids. The latter come first, then the newest: the first find room.
    """
    return _ordered(
        [
            (each.end, _pin(each.id, each.series.run, each.series.label, each.event.best.slices, each.series.average))
            for each in found
            if _pins(each.id, is_told(each), verdicts)
        ],
        verdicts,
    )


def put_pins(folder: Folder, content: bytes) -> None:
    """Put a list on disk, whole, in an open folder of findings, unless the same list is there. Raises OSError."""
    try:
        if folder.read(PINS) == content:
            return
    except FileNotFoundError:
        pass
    folder.write_new(f"{PINS}.part", content)
    folder.replace(f"{PINS}.part", PINS)
    folder.sync()


def repin(path: Path, verdicts: Mapping[str, str]) -> None:
    """Write the list of DIR/transients anew by its table of events, after somebody has said something of one.

    `verdicts`: all that were said, by id. UsageError if the table cannot be read, NoRoomError if no list can
    be written.
    """
    table = read_table(path / EVENTS, ("first", "last", "average"), ("id", "run", "field", "labels", "end"))
    made = []
    for row in table:
        texts = {
            name: "" if np.ma.is_masked(row[name]) else str(row[name]) for name in ("id", "run", "field", "labels")
        }
        if _pins(texts["id"], not texts["labels"], verdicts):
            slices = int(row["first"]), int(row["last"])
            pin = _pin(texts["id"], texts["run"], texts["field"], slices, int(row["average"]))
            made.append((str(row["end"]), pin))
    try:
        with closing(Folder(path, make=False)) as folder:
            put_pins(folder, pins_text(_ordered(made, verdicts)))
    except OSError as error:
        raise NoRoomError(f"{path / PINS}: cannot be written: {error.strerror}") from None


def kept_of(directory: Path, event: Mapping[str, Any]) -> dict[str, Any]:
    """Which of the images in which an event is measured are stored now, as JSON values.

    `event` is as `fip event --json` has it. `slices`: first and last of each stretch; `expired`: how many were stored;
    `pinned`: whether the ring is to keep them. Raises StoreError.
    """
    pin = _pin(event["id"], event["run"], event["field"], (event["first"], event["last"]), event.get("average", 1))
    outcomes: dict[int, str] = {}
    if (directory / LEDGER).is_file():
        with closing(Ledger(directory, read_only=True)) as ledger:
            outcomes = ledger.pins.outcomes(pin)
    try:
        pinned = any(each.event == pin.event for each in read_pins(directory))
    except (OSError, ValueError):  # the sink reports these
        pinned = False
    stored = [index for index, state in outcomes.items() if state == "stored"]
    return {
        "images": len(stored), "expired": len(outcomes) - len(stored), "pinned": pinned,
        "slices": [[begin, end - 1] for begin, end in ranges_of(stored)],
    }  # fmt: skip


def _pins(event: str, told: bool, verdicts: Mapping[str, str]) -> bool:
    return verdicts[event] == REAL if event in verdicts else told


def _ordered(pins: Sequence[tuple[Any, Pin]], verdicts: Mapping[str, str]) -> tuple[Pin, ...]:
    """Pins with when their events ended, as they find room."""
    by_name = sorted(pins, key=lambda each: each[1].event)
    newest_first = sorted(by_name, key=lambda each: each[0], reverse=True)
    return tuple(pin for _, pin in sorted(newest_first, key=lambda each: verdicts.get(each[1].event) != REAL))


def _pin(event: str, run: str, field: str, slices: tuple[int, int], average: int) -> Pin:
    return Pin(event, run, field, slices[0], slices[1] + 1, WINDOW * average)
