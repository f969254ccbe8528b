"""Solutions as every format of gains has them once it is read, and what they are at a time and frequency. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
    fills_gaps: bool = True  # channels without a solution get one from their neighbours, as CASA does unless told
    scales_weights: bool = False
    pivot: float = 0.0  # Hz, at which a delay turns no phase

    def moment(self, time: float) -> tuple[Moment, ...]:
        """Which solutions hold at a time, by track: what two times have in common if their Jones matrices are equal."""
        return tuple(moment(each.time, time, self.in_time) for each in self.tracks)

    def jones(
        self, moments: tuple[Moment, ...], frequency: NDArray[np.float64]
    ) -> tuple[NDArray[np.complex128], NDArray[np.bool_]]:
        """The matrices and which are none, [antenna, channel or 1, element]; 1 if all channels have the same."""
        shape = (self.antennas, len(self.frequency), self.elements)
        values, bad = np.zeros((PARTS[self.law], *shape)), np.ones(shape, bool)
        for track, when in zip(self.tracks, moments, strict=True):
            values[:, track.antennas] = between(track.values, when, turns=self.law == "gain")
            bad[track.antennas] = track.bad[when.low] | track.bad[when.high]
        if len(self.frequency) > 1:
            values, bad = resampled(values, bad, self.frequency, frequency, self.in_frequency, self.fills_gaps)
        return self._complex(values, frequency), bad

    def _complex(self, values: NDArray[np.float64], frequency: NDArray[np.float64]) -> NDArray[np.complex128]:
        if self.law == "gain":
            return values[0] * np.exp(1j * values[1])
        channel = frequency[:, None]
        if self.law == "delay":
            return np.exp(2j * np.pi * 1e-9 * values[0] * (channel - self.pivot))
        return np.exp(1j * TEC_TO_PHASE * values[0] / channel)


def tracks_of(
    antenna: NDArray[np.integer], time: NDArray[np.float64], values: NDArray[np.floating], bad: NDArray[np.bool_]
) -> tuple[Track, ...]:
    """Tracks of solutions that come one by one: `antenna` and `time` [row], `values` [part, row, frequency, element].

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
