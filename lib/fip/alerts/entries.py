"""The words of an outbox: what is entered, what becomes of it, and what stands in its way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fip.alerts.policy import Spot, State
from fip.alerts.words import Alert

Became: TypeAlias = Literal["due", "waiting", "sent", "refused", "dropped"]
"""Of a delivery: it is to be sent; waits for a person's word; has arrived; was refused, and is tried again now and
then; or is not sent any more."""

OPEN: tuple[Became, ...] = ("due", "waiting", "refused")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one target is to be sent of an alert."""

    target: str
    form: str  # of `fip.alerts.forms.FORMS`
    body: bytes
    became: State = "due"


@dataclass(frozen=True, slots=True)
class Draft:
    """An alert that is to be entered, and for whom."""

    alert: Alert
    spot: Spot | None  # of what it reports
    parcels: tuple[Parcel, ...]
    after: float  # s UTC since MJD 0, when it may be sent


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert of the outbox on its way to a target."""

    alert: int  # its number here
    id: str
    event: str
    kind: str
    tense: str
    issued: float  # s UTC since MJD 0, here and below
    target: str
    form: str
    body: bytes
    became: Became
    said: str  # why it was refused or dropped, or what was last heard
    tries: int
    after: float  # when it may be sent, or sent again
    changed: float
    reason: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hold:
    """All alerts of a directory are held back, until it is released."""

    name: str
    cause: str
    reason: str
    since: float  # s UTC since MJD 0
    events: tuple[str, ...]
    alert: int  # the last one before it
    released: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a target."""

    target: str
    said: str
    since: float
