"""Which members are of one time. Pure."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from fip.source.joined.manifest import Group, Part


class Span(Protocol):
    """What begins and ends: a part, a group."""

    @property
    def begin(self) -> float:
        """Return when it begins, s UTC."""

    @property
    def end(self) -> float:
        """Return when it ends, s UTC."""


def of_one_time(one: Span, other: Span) -> bool:
    """Return whether two overlap by more than half of the shorter one."""
    shorter = min(one.end - one.begin, other.end - other.begin)
    common = min(one.end, other.end) - max(one.begin, other.begin)
    return common > shorter / 2 if shorter > 0 else common >= 0


def before(one: Span, other: Span) -> bool:
    """Return whether the first one is over when the other begins, but for less than half of the shorter one."""
    return one.begin < other.begin and not of_one_time(one, other)


def grouped(parts: Iterable[Part]) -> list[Group]:
    """Group parts of one time, in order of time; those of a group in the order of their windows and beams."""
    groups: list[list[Part]] = []
    open_now: list[list[Part]] = []  # those that a later part may be of
    for part in sorted(parts, key=lambda each: (each.begin, each.end)):
        open_now = [group for group in open_now if max(each.end for each in group) >= part.begin]
        mine = next((group for group in open_now if any(of_one_time(part, each) for each in group)), None)
        if mine is None:
            mine = []
            groups.append(mine)
            open_now.append(mine)
        mine.append(part)
    return sorted((Group(in_order(group)) for group in groups), key=lambda group: group.begin)


def in_order(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts of a group as their rows follow each other, in whatever order they came."""
    return tuple(sorted(parts, key=lambda part: (part.beam or 0, windows_of(part), fields_of(part), part.path)))


def windows_of(part: Part) -> tuple[int, ...]:
    """Return the DATA_DESC_IDs here that a part has rows of."""
    return tuple(sorted({each for each in part.windows if each >= 0}))


def fields_of(part: Part) -> tuple[int, ...]:
    """Return the FIELD_IDs here that a part has rows of."""
    return tuple(sorted({each for each in part.fields if each >= 0}))


def of_one_series(one: Part, other: Part) -> bool:
    """Return whether two parts of a group are of one image: of one beam, and of a field in common."""
    return one.beam == other.beam and not set(fields_of(one)).isdisjoint(fields_of(other))


def parts_of_series(group: Group) -> int:
    """Return how many windows the series of a group have at the most."""
    return max(
        len({each for other in group.parts if of_one_series(part, other) for each in windows_of(other)})
        for part in group.parts
    )
