"""What a receiver says to the ventilator."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Len

from fip.data.names import Count, Line, Real, Share, Text
from fip.wire.status import Status


@dataclass(frozen=True)
class ReceiverBrief:
    """Receiver to ventilator, twice a second and at once if an integration was committed."""

    host: Line
    boot: Line  # random, new at each start
    spool: Line  # the folder's path, resolved, as jobs name it; "" before the set-up is known
    committed: Count  # integrations, ever, of this spool: numbers below it are in the index
    oldest: Count  # the number of the oldest whose file is still there
    newest: Real | None  # s UTC, Unix: the middle of the newest; None before the first
    received: Count  # integrations in this spool that came, at least in part
    lost: Count  # integrations between the first and the last that did not come at all
    dropped: Count  # that could not be written in time, as on a slow disk
    late: Count  # packets that came after their integration was committed
    samples: Share | None  # of the samples of the last minute, those that came; None if there were none
    ring: Count  # bytes that the ring may have
    size: Count  # bytes of one integration
    cadence: Real  # s from one integration to the next
    ended: bool  # whether the stream has said that no more comes
    warns: Annotated[tuple[Text, ...], Len(max_length=16)] = ()  # what an operator should know, as a clock that is off


@dataclass(frozen=True)
class ReceiverState:
    """Receiver to ventilator, twice a second: all of it."""

    brief: ReceiverBrief
    status: Status  # for whoever watches
    leaving: bool = False  # whether this is its last word
