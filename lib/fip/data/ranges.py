"""Sets of slice indices as half-open ranges: ((0, 3), (5, 6)) is 0, 1, 2, 5. Pure.

What is stored of a run is nearly always one range, so states stay small and comparisons cheap for runs of any length.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

Ranges = tuple[tuple[int, int], ...]
"""Ascending, disjoint, not touching."""


def of(indices: Iterable[int]) -> Ranges:
    """The ranges that hold exactly these indices."""
    found: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return tuple(found)


def count(ranges: Ranges) -> int:
    """How many indices these ranges hold."""
    return sum(end - begin for begin, end in ranges)


def contains(ranges: Ranges, index: int) -> bool:
    """Whether the index is in one of the ranges."""
    place = bisect_right(ranges, (index, float("inf"))) - 1
    return place >= 0 and ranges[place][0] <= index < ranges[place][1]


def add(ranges: Ranges, index: int) -> Ranges:
    """The ranges with one index more."""
    if contains(ranges, index):
        return ranges
    place = bisect_right(ranges, (index, index))
    before, after = ranges[:place], ranges[place:]
    begin, end = index, index + 1
    if before and before[-1][1] == index:
        begin, before = before[-1][0], before[:-1]
    if after and after[0][0] == index + 1:
        end, after = after[0][1], after[1:]
    return (*before, (begin, end), *after)


def added(new: Ranges, known: Ranges) -> list[int]:
    """The indices of `new` that are not in `known`; cheap where the two are nearly the same."""
    found: list[int] = []
    for begin, end in new:
        for known_begin, known_end in known:
            if known_end <= begin or known_begin >= end:
                continue
            found.extend(range(begin, known_begin))
            begin = max(begin, known_end)
        found.extend(range(begin, end))
    return found


def below(ranges: Ranges, total: int) -> Ranges:
    """What of these ranges is below `total`."""
    return tuple((begin, min(end, total)) for begin, end in ranges if begin < total)


def well_formed(ranges: Ranges, total: int) -> bool:
    """Whether these are ranges of indices below `total`, in order: to be asked of what came from a socket."""
    edges = [edge for pair in ranges for edge in pair]
    return all(a < b for a, b in pairwise(edges)) and all(0 <= edge <= total for edge in edges)
