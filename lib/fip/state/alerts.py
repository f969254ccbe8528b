"""What became of alerts, as every view says it. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

from fip.state.panel import Fact, Number
from fip.state.words import number


@dataclass(frozen=True)
class AlertsView:
    """Counts of messages, one for each alert and target; by default, of none."""

    sent: int = 0
    due: int = 0
    waiting: int = 0  # until a person calls the event real
    refused: int = 0  # by a target, which is asked again
    dropped: int = 0  # not sent any more
    held: str = ""  # why all are held back, and by what name that is released
    fault: str = ""  # what is wrong with a target


def summed(views: Iterable[AlertsView]) -> AlertsView | None:
    """Return the sum of several outboxes; None if there are none."""
    known = list(views)
    return reduce(_sum, known) if known else None


def _sum(one: AlertsView, other: AlertsView) -> AlertsView:
    return AlertsView(
        one.sent + other.sent, one.due + other.due, one.waiting + other.waiting, one.refused + other.refused,
        one.dropped + other.dropped, one.held or other.held, one.fault or other.fault,
    )  # fmt: skip


def line(view: AlertsView) -> str:
    """What counts, as "3 sent, 1 due, 2 wait for a person's word"."""
    parts = [f"{number(view.sent)} sent", f"{number(view.due)} due"]
    if view.waiting:
        parts.append(f"{number(view.waiting)} wait{'s' * (view.waiting == 1)} for a person's word")
    if view.refused:
        parts.append(f"{number(view.refused)} refused")
    if view.held:
        parts.append(f"ALL HELD: {view.held}")
    if view.fault:
        parts.append(view.fault)
    return ", ".join(parts)


def alerts_facts(view: AlertsView) -> Iterator[Fact]:
    """The line of a panel."""
    yield Fact("alerts", (line(view),), "bad" if view.held or view.fault else "")


def alerts_numbers(view: AlertsView) -> Iterator[Number]:
    """Yield the numbers of alerts for Prometheus."""
    became = ("sent", "due", "waiting", "refused", "dropped")
    counts = tuple(((name,), float(getattr(view, name))) for name in became)
    yield Number("fip_alerts", "Messages to targets of alerts, by what became of them.", ("became",), counts)
    yield Number("fip_alerts_held", "Whether all alerts are held back.", (), (((), float(bool(view.held))),))
