"""Whether stored images were made of the data that are there now: fingerprints of slices, and comparisons. Pure.

See docs/decisions/0144-fingerprints.md.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import sqrt

import numpy as np
from numpy.typing import NDArray

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
    def notes(self) -> tuple[str, ...]:
        """Lines for the log of a run that goes on."""
        same = f"{self.alike} stored slices were compared and are of the same data"
        return tuple(filter(None, (same if self.alike else "", self._warning)))

    @property
    def _warning(self) -> str:
        """Return one line of warning; "" if all were compared."""
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
    """Return the fingerprint of a slice's samples as read, naturally weighted. Sums that are not finite count as 0."""
    total, sums, used = 0j, np.zeros(2), 0
    with np.errstate(over="ignore", invalid="ignore"):
        for weight, visibility in _batches(blocks):
            total += complex(visibility.sum())
            used += int(np.count_nonzero(weight))
            parts = visibility.view(np.float64)
            parts *= parts  # of |w V|^2; both are 0 if the weight is
            sums += weight.sum(), ((parts[::2] + parts[1::2]) / np.maximum(weight, _TINY)).sum()
    return Fingerprint(finite(sums[0]), finite(total.real), finite(total.imag), finite(sums[1]), used)


def _batches(blocks: Sequence[Block]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.complex128]]]:
    """Weights and weighted visibilities, in double precision, some at a time."""
    for block in blocks:
        for weights, visibilities in zip(block.weight, block.visibility, strict=True):
            rows, nodes = weights.shape
            step = max(1, _BATCH // nodes)
            for first in range(0, rows, step):
                here = slice(first, first + step)
                yield weights[here].astype(np.float64).ravel(), visibilities[here].astype(np.complex128).ravel()


def finite(value: float) -> float:
    """The same, or 0 for what is not finite."""
    return float(value) if np.isfinite(value) else 0.0


def alike(one: Fingerprint, other: Fingerprint) -> bool:
    """Say whether both may be of the same data. Sums may cancel: the tolerance is a share of the largest possible."""
    weight, power = max(one.weight, other.weight), max(one.power, other.power)
    ones, others = complex(one.real, one.imaginary), complex(other.real, other.imaginary)
    largest = max(abs(ones), sqrt(max(0.0, weight) * max(0.0, power)))  # of |sum w V|, by Cauchy and Schwarz
    return (
        one.used == other.used
        and abs(one.weight - other.weight) <= TOLERANCE * weight
        and abs(one.power - other.power) <= TOLERANCE * power
        and abs(ones - others) <= TOLERANCE * largest
    )


def to_compare(run: str, stored: Ranges, grows: bool) -> list[int]:
    """Return the stored slices of a run that are read again: all, or, if a set grows, first, last, and some drawn."""
    if not grows:
        return [index for begin, end in stored for index in range(begin, end)]
    known = [index for begin, end in stored for index in range(begin, end)]
    drawn = random.Random(run).sample(known, min(DRAWN, len(known)))
    return sorted({*drawn, *known[:1], *known[-1:]})


class Comparing:
    """Slices of a run as they were stored, and what becomes of them when their data are read again, one by one."""

    def __init__(self, known: Mapping[int, Fingerprint], indices: Sequence[int]) -> None:
        """Begin to compare those of the slices `indices` whose fingerprints are known."""
        self._known = known
        self.left = deque(index for index in indices if index in known)
        self._alike, self._unread, self._unlike = 0, 0, list[int]()
        self._unknown = len(indices) - len(self.left)

    def next(self, number: int) -> list[int]:
        """The next slices to be read, at most so many."""
        return list(islice(self.left, number))

    def found(self, index: int, now: Fingerprint | None) -> None:
        """Note what the first slice that is left is now; None if it is unreadable. Others were asked for before."""
        if not self.left or index != self.left[0]:
            return
        self.left.popleft()
        if now is None:
            self._unread += 1
        elif alike(self._known[index], now):
            self._alike += 1
        else:
            self._unlike.append(index)

    @property
    def result(self) -> Comparison:
        """What became of the slices that were read so far."""
        return Comparison(self._alike, tuple(self._unlike), self._unread, self._unknown)


def compare(known: Mapping[int, Fingerprint], indices: Sequence[int], read: Callable[[int], Fingerprint]) -> Comparison:
    """Compare the slices `indices` as they were stored with what `read` finds now; `read` may raise InputError."""
    comparing = Comparing(known, indices)
    while comparing.left:
        index = comparing.left[0]
        try:
            comparing.found(index, read(index))
        except LostReaderError:  # nothing more can be read
            raise
        except InputError:
            comparing.found(index, None)
    return comparing.result
