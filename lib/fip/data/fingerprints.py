"""Whether stored images are of the data that are there now: fingerprints of slices, taken and compared. Pure.

See docs/decisions/0144-fingerprints.md.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from fip.data.errors import InputError, LostReaderError
from fip.data.ranges import Ranges
from fip.data.values import Block, Fingerprint

TOLERANCE = 1e-5
"""Sums that differ by less are those of the same data: single precision gives 1e-7 a sample, and less in sums."""

DRAWN = 8  # slices of a set that grows that are compared beside its first and its last
_BATCH = 1 << 14  # samples summed at a time, so that they stay in the processor's cache
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Comparison:
    """What became of a run's stored slices when their data were read again."""

    alike: int = 0
    unlike: tuple[int, ...] = ()  # slices, ascending
    unread: int = 0  # that can no longer be read
    unknown: int = 0  # stored by a FIP that took no fingerprints

    @property
    def note(self) -> str:
        """One line for the log; "" where all were compared."""
        parts = (
            (self.unknown, "were stored before FIP took fingerprints: their values were not compared with the data"),
            (self.unread, "can no longer be read: they were not compared with the data"),
        )
        told = "; ".join(f"{count} slices {what}" for count, what in parts if count)
        return f"warning: {told}" if told else ""

    def refusal(self, place: str, name: str) -> str:
        """Why a run cannot go on in the directory `place`; "" if it can."""
        if not self.unlike:
            return ""
        compared = self.alike + len(self.unlike)
        return (
            f"{place} holds images of {name} as it was before its data, flags or weights were changed: "
            f"{len(self.unlike)} of {compared} stored slices that were compared differ, the first is slice "
            f"{self.unlike[0]}: name another --output, or --overwrite"
        )


def fingerprint(blocks: Sequence[Block]) -> Fingerprint:
    """Of the samples of a slice as they are read, naturally weighted."""
    total, sums, used = 0j, np.zeros(2), 0
    for block in blocks:
        for weights, visibilities in zip(block.weight, block.visibility, strict=True):
            rows, nodes = weights.shape
            step = max(1, _BATCH // nodes)
            for first in range(0, rows, step):
                weight = weights[first : first + step].astype(np.float64).ravel()
                visibility = visibilities[first : first + step].astype(np.complex128).ravel()
                total += complex(visibility.sum())
                used += int(np.count_nonzero(weight))
                parts = visibility.view(np.float64)
                parts *= parts  # of |w V|^2; both are 0 where the weight is
                sums += weight.sum(), ((parts[::2] + parts[1::2]) / np.maximum(weight, _TINY)).sum()
    return Fingerprint(float(sums[0]), total.real, total.imag, float(sums[1]), used)


def alike(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether both may be of the same data. Visibilities may cancel: their sum is held against what it could be."""
    weight, power = max(one.weight, other.weight), max(one.power, other.power)
    largest = sqrt(max(0.0, weight) * max(0.0, power))  # of |sum w V|, by Cauchy and Schwarz
    return (
        one.used == other.used
        and abs(one.weight - other.weight) <= TOLERANCE * weight
        and abs(one.power - other.power) <= TOLERANCE * power
        and abs(complex(one.real - other.real, one.imaginary - other.imaginary)) <= TOLERANCE * largest
    )


def to_compare(run: str, stored: Ranges, grows: bool) -> list[int]:
    """Which stored slices of a run are read again: all; of a set that grows the first, the last, and some drawn."""
    if not grows:
        return [index for begin, end in stored for index in range(begin, end)]
    known = [index for begin, end in stored for index in range(begin, end)]
    drawn = random.Random(run).sample(known, min(DRAWN, len(known)))
    return sorted({*drawn, *known[:1], *known[-1:]})


def compare(known: Mapping[int, Fingerprint], indices: Sequence[int], read: Callable[[int], Fingerprint]) -> Comparison:
    """Compares the slices `indices` as they were stored with what `read` finds now, or InputError where it cannot."""
    same, unlike, unread, unknown = 0, [], 0, 0
    for index in indices:
        if index not in known:
            unknown += 1
            continue
        try:
            now = read(index)
        except LostReaderError:  # nothing more can be read
            raise
        except InputError:
            unread += 1
            continue
        if alike(known[index], now):
            same += 1
        else:
            unlike.append(index)
    return Comparison(same, tuple(unlike), unread, unknown)
