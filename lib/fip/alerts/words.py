"""The words for what is reported to the world."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["initial", "update", "retraction", "summary"]
"""The kind of an alert. A summary is about many events that are held back, and about none of them by itself."""

Tense: TypeAlias = Literal["current", "archival", "injection", "test"]
"""What an alert is about: something seen now, found in old data, put in by FIP, or nothing real."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What one message says of an event; whatever form it is sent in, and however often, it has this id."""

    id: str  # EVENT.NUMBER; of one that is not real with its tense in front, as injection-EVENT.NUMBER
    event: str  # the id of the event; of a summary that of what holds
    kind: Kind
    tense: Tense
    issued: float  # s UTC since MJD 0, when it was entered
    facts: Mapping[str, Any]  # all that is known of the event, as DIR/transients/ID/event.json has it
    cites: tuple[str, ...] = ()  # ids of the alerts of the same event before it, oldest first
    reason: str = ""  # of a retraction, or a summary
