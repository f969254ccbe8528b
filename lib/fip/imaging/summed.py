"""What the sums over the rows of a slice give, natural weights: totals, its band, its fingerprint. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.fingerprints import finite
from fip.data.values import Band, Fingerprint
from fip.imaging.forming import COUNT, IMAGINARY, PLACE, REAL, SCATTER, WEIGHT
from fip.imaging.subbands import covered


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """Sums over the rows of one window."""

    frequency: NDArray[np.float64]  # [channel] Hz
    width: NDArray[np.float64]  # [channel] Hz
    sums: NDArray[np.float64]  # [stokes, SUMS, row], see `fip.imaging.forming`
    most: NDArray[np.floating]  # [stokes, lane] the largest weight of each channel

    def total(self, number: int) -> NDArray[np.float64]:
        """Return one of the sums over all rows, [stokes]."""
        return np.asarray(self.sums[:, number].sum(axis=1))

    def of_rows(self) -> NDArray[np.float64]:
        """Return the sum of the weights of all planes of each row, [row]."""
        return np.asarray(self.sums[:, WEIGHT].sum(axis=0))


def totals_of(windows: Sequence[Summed], planes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sum of weights and the number of visibilities that count, each [stokes, 1]."""
    sums, counts = np.zeros((planes, 1)), np.zeros((planes, 1), np.int64)
    for each in windows:
        sums[:, 0] += each.total(WEIGHT)
        counts[:, 0] += each.total(COUNT).astype(np.int64)
    return sums, counts


def effective_of(windows: Sequence[Summed], planes: int) -> tuple[tuple[Band | None], ...]:
    """Return the same as `effective_bands`, for one output channel."""
    return tuple((_effective(windows, plane),) for plane in range(planes))


def _effective(windows: Sequence[Summed], plane: int) -> Band | None:
    used = [each.most[plane, : each.frequency.size] > 0 for each in windows]
    if not any(each.any() for each in used):
        return None
    low, high = (
        np.concatenate(
            [(each.frequency + side * each.width / 2)[here] for each, here in zip(windows, used, strict=True)]
        )
        for side in (-1, 1)
    )
    weight = moment = 0.0
    for each in windows:
        of_window, place = float(each.total(WEIGHT)[plane]), float(each.total(PLACE)[plane])
        weight += of_window
        moment += each.frequency[0] * of_window + np.ptp(each.frequency) * place
    return Band(float(moment / weight), covered(low, high))


def fingerprint_of(windows: Sequence[Summed]) -> Fingerprint:
    """Return the same as `fip.data.fingerprints.fingerprint`, of all samples."""
    weight, real, imaginary, power, used = (
        sum(float(each.sums[:, number].sum()) for each in windows)
        for number in (WEIGHT, REAL, IMAGINARY, SCATTER, COUNT)
    )
    return Fingerprint(finite(weight), finite(real), finite(imaginary), finite(power), int(used))
