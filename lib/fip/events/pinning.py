"""Which images the ring is to keep for the events that were found: `fip.sink.pins` sees that it does."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.archive.pins import Pin, read_pins
from fip.data.ranges import of as ranges_of
from fip.events.findings import is_told
from fip.events.measuring import WINDOW
from fip.events.words import Found

REAL = "real"
"""The verdict by which an event pins its images, whatever speaks against it; any other takes them free."""


def pins_of(found: Sequence[Found], verdicts: Mapping[str, str]) -> tuple[Pin, ...]:
    """The images in which events are measured: of each that is told, or that somebody has called real. Pure.

    `verdicts`: what was said of events, by their ids. The latter come first, then the newest: the first find room.
    """
    mine = [each for each in found if (verdicts.get(each.id) == REAL or (is_told(each) and each.id not in verdicts))]
    mine.sort(key=lambda each: (verdicts.get(each.id) != REAL, -each.end, each.id))
    return tuple(
        _pin(each.id, each.series.run, each.series.label, each.event.best.slices, each.series.average) for each in mine
    )


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
    except (OSError, ValueError):  # of which the sink tells
        pinned = False
    stored = [index for index, state in outcomes.items() if state == "stored"]
    return {
        "images": len(stored), "expired": len(outcomes) - len(stored), "pinned": pinned,
        "slices": [[begin, end - 1] for begin, end in ranges_of(stored)],
    }  # fmt: skip


def _pin(event: str, run: str, field: str, slices: tuple[int, int], average: int) -> Pin:
    return Pin(event, run, field, slices[0], slices[1] + 1, WINDOW * average)
