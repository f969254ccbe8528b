"""What a search for transients has found, as every view says it. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce

from fip.state.alerts import AlertsView, alerts_facts, alerts_numbers
from fip.state.alerts import summed as summed_alerts
from fip.state.panel import Fact, Number, Panel
from fip.state.words import duration, number
from fip.wire.status import Latency

DETECTOR = "detector"
"""The name of the follower that searches images as they are stored."""


@dataclass(frozen=True)
class TransientsView:
    """Counts of a search; by default, of one that has found nothing."""

    kinds: dict[str, int] = field(default_factory=dict)  # events that nothing speaks against, by kind
    labels: dict[str, int] = field(default_factory=dict)  # events with each label
    labelled: int = 0  # events with labels, but those that FIP injected
    false: float = 0.0  # events, expected of noise alone
    slices: int = 0  # searched; a plane of each by itself, and no means of several
    threshold: float | None = None  # S/N from which on something is an event: the highest in use recently
    candidates: int = 0  # found from a lower S/N on
    candidate_threshold: float | None = None
    false_candidates: float = 0.0  # expected
    negative_candidates: int = 0
    injected: int | None = None  # sources that FIP added to its own copy of the pixels; None if it adds none
    injected_found: int = 0
    fault: str = ""  # why some of it could not be read
    alerts: AlertsView | None = None  # what was reported; None if nobody gets alerts

    @property
    def events(self) -> int:
        """The number of events that nothing speaks against."""
        return sum(self.kinds.values())


def summed(views: Iterable[TransientsView]) -> TransientsView:
    """Return the sum of several searches."""
    return reduce(_sum, views, TransientsView())


def _sum(one: TransientsView, other: TransientsView) -> TransientsView:
    injected = [each.injected for each in (one, other) if each.injected is not None]
    return TransientsView(
        dict(Counter(one.kinds) + Counter(other.kinds)),
        dict(Counter(one.labels) + Counter(other.labels)),
        one.labelled + other.labelled,
        one.false + other.false,
        one.slices + other.slices,
        _highest(one.threshold, other.threshold),
        one.candidates + other.candidates,
        _highest(one.candidate_threshold, other.candidate_threshold),
        one.false_candidates + other.false_candidates,
        one.negative_candidates + other.negative_candidates,
        sum(injected) if injected else None,
        one.injected_found + other.injected_found,
        one.fault or other.fault,
        summed_alerts(each for each in (one.alerts, other.alerts) if each),
    )


def _highest(*known: float | None) -> float | None:
    return max((each for each in known if each is not None), default=None)


def line(view: TransientsView) -> str:
    """What counts, as "3 events, 0.4 false expected, 0 negative, 5 of 5 injected found, 2 labelled"."""
    if view.fault:
        return view.fault
    parts = [
        f"{number(view.events)} event{'s' * (view.events != 1)}",
        f"{_about(view.false)} false expected",
        f"{number(view.labels.get('negative', 0))} negative",
    ]
    if view.injected:
        parts.append(f"{number(view.injected_found)} of {number(view.injected)} injected found")
    if view.labelled:
        parts.append(f"{number(view.labelled)} labelled")
    return ", ".join(parts)


def _about(count: float) -> str:
    return f"{count:.2g}" if count < 9.95 else number(round(count))


def facts(view: TransientsView) -> Iterator[Fact]:
    """What stands behind the line."""
    if view.threshold is not None:
        yield Fact("searched", (f"{number(view.slices)} slices, for S/N {view.threshold:.2f} and more",))
    if view.candidate_threshold is not None:
        yield Fact(
            "candidates",
            (
                f"{number(view.candidates)} of S/N {view.candidate_threshold:.2f} and more",
                f"{_about(view.false_candidates)} false expected",
                f"{number(view.negative_candidates)} negative",
            ),
        )
    if view.alerts:
        yield from alerts_facts(view.alerts)
    if view.labels:
        yield Fact("labels", tuple(f"{number(count)} {label}" for label, count in sorted(view.labels.items())))


def transients_panel(view: TransientsView | None, behind: Latency | None) -> Panel:
    """Return the panel of a search, if there is one; `behind`: how long after storing the detector sees an image."""
    if view is None and behind is None:
        return Panel("transients", "Transients")
    found, said = view or TransientsView(), [*facts(view)] if view else []
    if behind:
        said.append(Fact("seen", (f"{duration(behind.p50)} after it is stored, 95 % within {duration(behind.p95)}",)))
    return Panel(
        "transients",
        "Transients",
        line(found) if view else "nothing was searched yet",
        "bad" if found.fault or (found.alerts and (found.alerts.held or found.alerts.fault)) else "",
        facts=tuple(said),
        numbers=tuple(_numbers(found)),
    )


def _numbers(view: TransientsView) -> Iterator[Number]:
    kinds = tuple(((kind,), float(count)) for kind, count in sorted(({"transient": 0} | view.kinds).items()))
    yield Number("fip_events", "Transients found that nothing speaks against.", ("kind",), kinds, "counter")
    for name, text, value in (
        ("fip_false_expected", "False events expected of noise alone.", view.false),
        ("fip_false_candidates_expected", "False candidates expected of noise alone.", view.false_candidates),
    ):
        yield Number(name, text, (), (((), value),))
    for name, text, count in (
        ("fip_candidates", "What was found from a lower S/N on.", view.candidates),
        ("fip_negative", "Of candidates, those that became fainter.", view.negative_candidates),
        ("fip_injected", "Sources added to the detector's own copy of the pixels.", view.injected or 0),
        ("fip_injected_found", "Of these, ones that were found.", view.injected_found),
    ):
        yield Number(name, text, (), (((), float(count)),), "counter")
    if view.alerts:
        yield from alerts_numbers(view.alerts)
