"""Solutions, the same for every format of gains once it is read, and their values at a time and frequency. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.corrections.gains.interpolation import How, Moment, between, moment, resampled

Law = Literal["gain", "delay", "tec"]
"""What the numbers of a solution mean: amplitude and phase (rad); a delay (ns); an electron column (TEC units)."""

PARTS: Mapping[Law, int] = {"gain": 2, "delay": 1, "tec": 1}
TEC_TO_PHASE = -8.44797245e9  # rad Hz for one TEC unit, as LOFAR's programs have it


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Solutions of some antennas, which all have them at the same times."""

    antennas: NDArray[np.intp]  # [antenna] their numbers in the recording
    time: NDArray[np.float64]  # [time] s UTC since MJD 0, strictly ascending
    values: NDArray[np.floating]  # [part, time, antenna, frequency, element]
    bad: NDArray[np.bool_]  # [time, antenna, frequency, element] that are no solutions


class Jones(NamedTuple):
    """Jones matrices of all antennas of the recording, at one time."""

    matrix: NDArray[np.complex128]  # [antenna, channel or 1, element]; 1 if all channels have the same
    bad: NDArray[np.bool_]  # as matrix, which elements are no solutions
    power: NDArray[np.float64] | None  # [antenna, 1, 1 or 2] what weights are multiplied by; None if they stay


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """The Jones matrices of one table for one spectral window of the recording, and how they are interpolated.

    It has 1, 2 or 4 elements: the same for both receptors; one each; or the whole matrix, by rows.
    """

    law: Law
    tracks: tuple[Track, ...]
    frequency: NDArray[np.float64]  # [frequency] Hz, strictly ascending
    antennas: int  # of the recording
    elements: int
    in_time: How = "linear"
    in_frequency: How = "linear"
    fills_gaps: bool = True  # channels without a solution get one from their neighbours, as in CASA by default
    scales_weights: bool = False
    pivot: float = 0.0  # Hz, at which a delay turns no phase

    def moment(self, time: float) -> tuple[Moment, ...]:
        """Return which solutions hold at a time, by track: times with the same moments have equal Jones matrices."""
        return tuple(moment(each.time, time, self.in_time) for each in self.tracks)

    def jones(self, moments: tuple[Moment, ...], frequency: NDArray[np.float64]) -> "Jones":
        """Return the matrices at these moments and frequencies (Hz)."""
        shape = (self.antennas, len(self.frequency), self.elements)
        values, bad = np.zeros((PARTS[self.law], *shape)), np.ones(shape, bool)
        for track, when in zip(self.tracks, moments, strict=True):
            values[:, track.antennas] = between(track.values, when, turns=self.law == "gain")
            bad[track.antennas] = track.bad[when.low] | track.bad[when.high]
        power = _power(values[0], bad) if self.scales_weights else None
        if len(self.frequency) > 1:
            values, bad = resampled(values, bad, self.frequency, frequency, self.in_frequency, self.fills_gaps)
        return Jones(self._complex(values, frequency), bad, power)

    def _complex(self, values: NDArray[np.float64], frequency: NDArray[np.float64]) -> NDArray[np.complex128]:
        channel = frequency[:, None]
        phase = {
            "gain": lambda: values[-1],
            "delay": lambda: 2e-9 * np.pi * values[0] * (channel - self.pivot),
            "tec": lambda: TEC_TO_PHASE * values[0] / channel,
        }[self.law]()
        matrix: NDArray[np.complex128] = np.exp(1j * phase)
        if self.law == "gain":
            matrix *= values[0]
        return matrix


def _power(amplitude: NDArray[np.float64], bad: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean |g|^2 [antenna, 1, receptor] over good solutions: applycal has one for all channels."""
    good = ~bad
    number = np.maximum(np.count_nonzero(good, axis=1, keepdims=True), 1)
    power: NDArray[np.float64] = np.sum(amplitude**2, axis=1, keepdims=True, where=good) / number
    return power[..., [0, 3]] if power.shape[-1] == 4 else power


def tracks_of(
    antenna: NDArray[np.integer], time: NDArray[np.float64], values: NDArray[np.floating], bad: NDArray[np.bool_]
) -> tuple[Track, ...]:
    """Make tracks of single solutions: `antenna` and `time` [row], `values` [part, row, frequency, element].

    No antenna may have two solutions at a time.
    """
    order = np.lexsort((time, antenna))
    rows_of = {int(each): order[antenna[order] == each] for each in np.unique(antenna)}
    alike: dict[bytes, list[int]] = {}
    for number, rows in rows_of.items():
        alike.setdefault(time[rows].tobytes(), []).append(number)
    tracks = []
    for numbers in alike.values():
        rows = np.stack([rows_of[each] for each in numbers], axis=1)  # [time, antenna]
        tracks.append(Track(np.array(numbers, np.intp), time[rows[:, 0]], values[:, rows], bad[rows]))
    return tuple(tracks)
