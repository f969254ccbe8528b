"""Which sample of a channel belongs to which baseline, and samples [channel, product] as those of rows. Pure."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.spool.layout import baselines
from fip.spool.setup import Setup

Picks: TypeAlias = "slice | NDArray[np.int64]"
"""Baselines, ascending."""


@dataclass(frozen=True, eq=False)
class Products:
    """The products of a set-up, by baseline and correlation."""

    antenna1: NDArray[np.int32]  # [baseline]
    antenna2: NDArray[np.int32]  # [baseline]
    correlations: tuple[str, ...]  # in the order in which products first name them
    number: NDArray[np.int64]  # [baseline, correlation] of the product; -1 if there is none

    @classmethod
    def of(cls, setup: Setup) -> "Products":
        """Return the products of a set-up."""
        pairs = baselines(setup)
        names = tuple(dict.fromkeys(each.correlation for each in setup.products))
        row = {pair: at for at, pair in enumerate(pairs)}
        column = {name: at for at, name in enumerate(names)}
        number = np.full((len(pairs), len(names)), -1, np.int64)
        for at, (one, other, name) in enumerate(setup.products):
            number[row[one, other], column[name]] = at
        first, second = np.array(pairs, np.int32).T
        return cls(first, second, names, number)

    def __len__(self) -> int:
        """Return how many baselines there are."""
        return len(self.number)

    @cached_property
    def side_by_side(self) -> bool:
        """Return whether the products of each baseline follow each other, and those of the next one follow these."""
        return bool((self.number.ravel() == np.arange(self.number.size)).all())

    def into_rows(self, samples: NDArray[Any], picks: Picks, rows: NDArray[Any], nothing: Any) -> None:
        """Fill `rows` [row, channel, correlation] with samples [channel, product] of these baselines, of one dtype.

        Samples for which the stream has no product become `nothing`. `rows` are contiguous in memory.
        """
        if self.side_by_side and isinstance(picks, slice):
            count = len(self.correlations)
            some = samples[:, picks.start * count : picks.stop * count]
            cell = np.dtype((np.void, count * samples.itemsize))  # all of a baseline's at once: that is the fastest
            np.copyto(rows.view(cell)[..., 0], some.view(cell).T)
            return
        for at, numbers in enumerate(self.number[picks].T):
            here = numbers >= 0
            if here.all():
                rows[..., at] = samples[:, _evenly(numbers)].T
            else:
                rows[..., at] = nothing
                rows[here, :, at] = samples[:, numbers[here]].T


def _evenly(numbers: NDArray[np.int64]) -> Picks:
    """Return the numbers as a slice, which is read without a copy, if they are evenly apart; else as they are."""
    first, step = int(numbers[0]), int(numbers[1] - numbers[0]) if numbers.size > 1 else 1
    even = step > 0 and (np.diff(numbers) == step).all()
    return slice(first, int(numbers[-1]) + 1, step) if even else numbers
