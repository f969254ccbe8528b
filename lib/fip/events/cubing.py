"""What `fip cube --event` writes: what is around an event, in the slices in which it is measured."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fip.archive.cube import Wanted
from fip.archive.ledger import Ledger
from fip.archive.regions import Box
from fip.data.errors import UsageError
from fip.events.cutouts import SIDE
from fip.events.describing import named_event
from fip.events.measuring import WINDOW
from fip.events.reading import read_table
from fip.events.words import EVENTS, FOLDER


@dataclass(frozen=True, slots=True)
class EventCube:
    """The cube of an event."""

    event: str  # its whole id
    wanted: Wanted


def cube_of_event(directory: Path, identity: str, slices: tuple[int, int] | None = None) -> EventCube:
    """65 x 65 pixels about it, from 64 slices before it to 64 after it unless others are given.

    UsageError if there is no such event, or its run is not in the ledger any more.
    """
    event = named_event(directory, identity)
    rows = read_table(directory / FOLDER / EVENTS, {"x": float, "y": float, "average": int}, ("id",))
    row = next(each for each in rows if str(each["id"]) == event["id"])
    with closing(Ledger(directory, read_only=True)) as ledger:
        names = {run.run: run.name for run in ledger.runs()}
    if event["run"] not in names:
        raise UsageError(f"{directory} has no images of {event['id']} any more")
    name, reach = names[event["run"]], WINDOW * int(row["average"])
    x, y, half = round(float(row["x"])), round(float(row["y"])), SIDE // 2
    return EventCube(
        event["id"],
        Wanted(
            f"{name}-{event['field']}" if event["field"] else name,
            Box(x - half, y - half, x + half + 1, y + half + 1),
            slices or (max(event["first"] - reach, 0), event["last"] + reach + 1),
        ),
    )
