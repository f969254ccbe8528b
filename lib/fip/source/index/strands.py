"""Which data descriptions were observed together: strands of rows that are gathered. Pure.

A *strand* is the rows of one array, field, beam, observation, scan and data description. The windows of one dump may be
strands of different scans or observations, as sets that were put together from sub-bands number them; and if baselines
were averaged by different lengths, each length may have a window of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from fip.source.index.integrations import Cadence, alike

Averaged = Callable[[int, int], bool]
"""Whether two DATA_DESC_IDs can be one band averaged by baseline: windows of one band on disjoint baselines."""


@dataclass(frozen=True, slots=True)
class Strand:
    """What is known of a strand of rows."""

    place: tuple[int, ...]  # ARRAY_ID, FIELD_ID, beam: what is never imaged together
    scan: tuple[int, int]  # OBSERVATION_ID, SCAN_NUMBER
    window: int  # DATA_DESC_ID
    cadence: Cadence
    first: float  # s, the earliest TIME
    last: float  # s

    @property
    def margin(self) -> float:
        """Return by how much TIMEs of one dump may be apart, in s."""
        length = self.cadence.seconds if isfinite(self.cadence.seconds) else self.cadence.interval
        return length / 4 if isfinite(length) else 0.0


def gather(strands: Sequence[Strand], averaged: Averaged) -> list[list[int]]:
    """Return the strands that were observed together, as places in `strands`: at one time, at one cadence.

    Two of one window at one time are two observations, and stay apart. One without a repeat goes with its scan.
    """
    found: list[list[int]] = []
    of_place: dict[tuple[int, ...], list[list[int]]] = {}
    open_now: dict[tuple[int, ...], list[list[int]]] = {}  # those of them that a later strand may reach
    order = sorted(range(len(strands)), key=lambda at: (not isfinite(strands[at].cadence.seconds), strands[at].first))
    for at in order:
        strand = strands[at]
        here = beside = of_place.setdefault(strand.place, [])  # those without a repeat come last, and look at all
        if isfinite(strand.cadence.seconds):
            beside = open_now.setdefault(strand.place, [])
            beside[:] = [each for each in beside if any(_reaches(strands[other], strand) for other in each)]
        for each in beside:
            if _belongs(strand, [strands[other] for other in each], averaged):
                each.append(at)
                break
        else:
            found.append([at])
            here.append(found[-1])
            if beside is not here:
                beside.append(found[-1])
    return found


def _reaches(one: Strand, other: Strand) -> bool:
    margin = min(one.margin, other.margin)
    return one.last + margin >= other.first and other.last + margin >= one.first


def _belongs(strand: Strand, others: Sequence[Strand], averaged: Averaged) -> bool:
    """Return whether a strand was observed together with some others."""
    same_scan = any(other.scan == strand.scan for other in others)
    if not isfinite(strand.cadence.seconds) and same_scan and all(other.window != strand.window for other in others):
        return True
    here = [other for other in others if _reaches(strand, other)]
    if not here or any(other.window == strand.window for other in here):
        return False
    if any(alike(strand.cadence, other.cadence) for other in here):
        return True
    return all(averaged(strand.window, other.window) for other in here)
