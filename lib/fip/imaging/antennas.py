"""The health of antennas: the flagged share of the samples of each, and its amplitudes beside those of others. Pure.

The amplitude of a baseline is A_pq = sqrt(sum |w V|^2 / sum w^2) over its samples; a gain g of antenna p makes it |g|
times as large. The median of A_pq over q is that of antenna p: if fewer than half of the others are wrong, they do not
change it (breakdown point 1/2; Rousseeuw & Croux 1993, JASA 88, 1273). Its *level* is that over the median of all
antennas.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.imaging.forming import COUNT, POWER, SQUARES
from fip.wire.status import AntennaHealth

_DIGITS = 3  # of the numbers in the report


class BaselineSums:
    """Sums by which the antennas are judged: over the samples of one Stokes of each baseline of a slice."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Take the `names` of the ANTENNA table."""
        self.names = names
        self._size = len(names) ** 2 + 1  # the last is of antennas that are not in the table
        self._sums = np.zeros((4, self._size))  # samples selected, good; sum |w V|^2, sum w^2

    def baseline(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.intp]:
        """Return the number [row] of the baseline of each row, by its ANTENNA1 and ANTENNA2."""
        count = len(self.names)
        known = (np.minimum(first, second) >= 0) & (np.maximum(first, second) < count)
        return np.where(known, first.astype(np.intp) * count + second, self._size - 1)

    def select(self, baseline: NDArray[np.intp], samples: NDArray[np.integer]) -> None:
        """Count so many selected samples [row] of these baselines, flagged ones too."""
        self._sums[0] += np.bincount(baseline, samples, self._size)

    def add(self, baseline: NDArray[np.intp], sums: NDArray[np.float64]) -> None:
        """Add rows of these baselines [row]: of sums[SUMS, row] of the first Stokes."""
        for into, number in zip(self._sums[1:], (COUNT, POWER, SQUARES), strict=True):
            into += np.bincount(baseline, sums[number], self._size)

    @property
    def samples(self) -> int:
        """Return how many samples are selected."""
        return int(self._sums[0].sum())

    def of_pairs(self) -> NDArray[np.float64]:
        """Return the sums [sum, antenna, antenna], from the side of ANTENNA1."""
        return self._sums[:, :-1].reshape(4, len(self.names), len(self.names))


class AntennaTally(NamedTuple):
    """The state of the antennas in one slice, or in several together."""

    names: tuple[str, ...]  # [antenna] all of the ANTENNA table
    selected: NDArray[np.float64]  # [antenna] samples that are selected, each of two antennas
    samples: NDArray[np.float64]  # [antenna] of these, the ones with antennas that have a good one
    good: NDArray[np.float64]  # [antenna] of these, the ones that count
    slices: NDArray[np.float64]  # [antenna] in which it has an amplitude
    levels: NDArray[np.float64]  # [antenna] its level in these, summed


def tally(sums: BaselineSums) -> AntennaTally:
    """Return the tally of the antennas in a slice.

    Samples of a baseline to an antenna that has no good sample are not held against the other one.
    """
    selected, good, power, weight = sums.of_pairs()
    total, counted = (each.sum(axis=0) + each.sum(axis=1) for each in (selected, good))
    alive = counted > 0
    with np.errstate(divide="ignore", invalid="ignore"):  # a baseline without weight has no amplitude: NaN
        amplitude = _medians(np.sqrt((power + power.T) / (weight + weight.T)))
        level = amplitude / _medians(amplitude[None])
    has = np.isfinite(level)
    return AntennaTally(
        names=sums.names,
        selected=total,
        samples=np.where(alive, selected @ alive + alive @ selected, total),
        good=counted,
        slices=has.astype(np.float64),
        levels=np.where(has, level, 0.0),
    )


def together(tallies: Iterable[AntennaTally]) -> AntennaTally:
    """Return one or more tallies of the same antennas as one."""
    names, *arrays = zip(*tallies, strict=True)
    return AntennaTally(names[0], *(np.sum(values, axis=0) for values in arrays))


def health(run: str, found: AntennaTally) -> AntennaHealth:
    """Return the report on antennas with samples in slices of a run: shares flagged, and the means of their levels."""
    used = np.flatnonzero(found.samples).tolist()
    flagged = 1 - found.good[used] / found.samples[used]
    level = found.levels[used] / np.maximum(1, found.slices[used])
    known = found.slices[used] > 0
    return AntennaHealth(
        run=run,
        share=float(np.round(1 - found.good.sum() / found.selected.sum(), _DIGITS)) if used else 0.0,
        names=tuple(found.names[number] or str(number) for number in used),
        flagged=tuple(np.round(flagged, _DIGITS).tolist()),
        level=tuple(
            float(f"{each:.{_DIGITS}g}") if has else None for each, has in zip(level.tolist(), known, strict=True)
        ),
    )


def may_be_ill(found: AntennaTally, flagged: float, factor: float) -> bool:
    """Return whether an antenna may be flagged for more than a share of its samples, or its level off by more.

    `flagged` is that share, `factor` the most that a level may be off by. Limits are a little tighter than in `health`,
    whose numbers are rounded: if this is false, nothing stands out there.
    """
    level = np.sort(found.levels[found.slices > 0])
    share = found.good < (1 - flagged + 10**-_DIGITS) * found.samples
    middle = level[(level.size - 1) // 2 : level.size // 2 + 1]  # or the two in the middle
    near = factor * (1 - 10.0 ** (1 - _DIGITS))
    return bool(share.any() or (level.size and (level[-1] > near * middle[0] or level[0] * near < middle[-1])))


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row of values [row, column] without its NaN; NaN if the row has nothing else."""
    ordered = np.sort(values, axis=1)  # NaN come last
    number, rows = np.count_nonzero(~np.isnan(values), axis=1), np.arange(len(values))
    return np.asarray((ordered[rows, (number - 1) // 2] + ordered[rows, number // 2]) / 2)
