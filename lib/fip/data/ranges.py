"""Sets of slice indices as half-open ranges: ((0, 3), (5, 6)) is 0, 1, 2, 5. Pure.

What is stored of a run is nearly always one range, so states stay small and comparisons cheap for runs of any length.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from math import inf

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
    place = bisect_right(ranges, (index, inf)) - 1
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
    """Return the indices of `new` that are not in `known`; cheap if both are nearly the same, or have many parts."""
    return [index for begin, end in without(new, known) for index in range(begin, end)]


def without(new: Ranges, known: Ranges) -> Ranges:
    """What of `new` is not in `known`."""
    found: list[tuple[int, int]] = []
    for begin, end in new:
        for place in range(max(0, bisect_right(known, (begin, begin)) - 1), len(known)):
            known_begin, known_end = known[place]
            if known_begin >= end:
                break
            if known_end <= begin:
                continue
            if begin < known_begin:
                found.append((begin, known_begin))
            begin = known_end
        if begin < end:
            found.append((begin, end))
    return tuple(found)


def first_from(ranges: Ranges, index: int) -> int | None:
    """The first index that is in the ranges, and is this one or after it; None if there is none."""
    place = max(0, bisect_right(ranges, (index, inf)) - 1)  # one that begins at it or before, and may end after it
    return next((max(begin, index) for begin, end in ranges[place : place + 2] if end > index), None)


def joined(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges that these make up, ascending and disjoint, which may touch."""
    found: list[tuple[int, int]] = []
    for begin, end in pairs:
        if found and found[-1][1] == begin:
            begin = found.pop()[0]
        found.append((begin, end))
    return tuple(found)


def below(ranges: Ranges, total: int) -> Ranges:
    """What of these ranges is below `total`."""
    return tuple((begin, min(end, total)) for begin, end in ranges if begin < total)


def well_formed(ranges: Ranges, total: int) -> bool:
    """Whether these are ranges of indices below `total`, in order: to be asked of what came from a socket."""
    edges = [edge for pair in ranges for edge in pair]
    return all(a < b for a, b in pairwise(edges)) and all(0 <= edge <= total for edge in edges)
