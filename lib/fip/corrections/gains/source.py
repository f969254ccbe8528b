"""An open table of gains, the same for all formats, and the checks that all formats share. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.corrections.gains.solutions import Factor
from fip.corrections.observed import Expected, ExpectedWindow, Observed
from fip.data.errors import InputError
from fip.data.quantities import SECONDS_PER_DAY, iso_utc

FARTHEST = SECONDS_PER_DAY  # s from an observation to its nearest solution: farther ones are of another night
_NEAR = 100.0  # m: an antenna of the same name that is farther away is another one


@dataclass(frozen=True, eq=False)
class Source:
    """One table, checked against the recording."""

    name: str  # of the file
    kind: str  # as "B Jones", or "h5parm"
    digest: str  # 16 hexadecimal digits of the solutions and how they are applied
    begin: float  # s UTC, of its first solution; 0 if they hold at all times
    notes: tuple[str, ...]
    factors: Mapping[tuple[int, int], tuple[Factor, ...]]  # by spectral window and field of the recording

    def for_samples(self, observed: Observed) -> tuple[Factor, ...]:
        """Return those of the window and field of samples. InputError if these were not expected when it was opened."""
        key = (observed.spectral_window, observed.field)
        if key not in self.factors:
            raise InputError(
                f"{observed.path}: spectral window {key[0]} and field {key[1]} came after the gains of {self.name} "
                f"were opened; give them to a new run"
            )
        return self.factors[key]


def placed(
    label: str, names: Sequence[str], position: NDArray[np.float64] | None, expected: Expected
) -> tuple[NDArray[np.intp], list[str]]:
    """Return the recording's number of each antenna of a table, -1 if it has none; and a note if some are missing.

    InputError if it is a table of another array: no antenna in common, or one of them at another place.
    """
    numbers = {name: number for number, name in enumerate(expected.antennas)}
    if len(numbers) < len(expected.antennas):
        twice = next(each for each in expected.antennas if expected.antennas.count(each) > 1)
        raise InputError(
            f"{label}: gains go by antenna name, and two antennas of {expected.path} have the name {twice!r}"
        )
    found = np.array([numbers.get(name, -1) for name in names], np.intp)
    if (found < 0).all():
        raise InputError(
            f"{label}: is of another array: its antennas are {listed(names)}, those of {expected.path} "
            f"{listed(expected.antennas)}; give a table of {expected.telescope or 'this array'}"
        )
    for name, number, place in zip(names, found, () if position is None else position, strict=False):
        here = expected.position[number]
        away = float(np.linalg.norm(place - here)) if place.any() and here.any() else 0.0
        if number >= 0 and away > _NEAR:
            raise InputError(
                f"{label}: is of another array, or another configuration: antenna {name} stands {away:.0f} m from "
                f"where {expected.path} has it; give a table of the same antennas"
            )
    lacking = [name for name in expected.antennas if name not in set(names)]
    return found, [f"{label}: has no {listed(lacking)}: their samples are flagged"] if lacking else []


def check_times(label: str, time: NDArray[np.float64], expected: Expected) -> list[str]:
    """Return notes on how far the observation goes beyond the solutions. InputError if they are of another night.

    Solutions at time 0, as CASA's gencal writes them, hold always.
    """
    if not time.any():
        return []
    first, last = float(time.min()), float(time.max())
    early, late = first - expected.begin, expected.end - last
    gap = max(expected.begin - last, 0.0 if expected.growing else first - expected.end)
    if gap > FARTHEST:
        raise InputError(
            f"{label}: no overlap in time: its solutions are from {iso_utc(first)} to {iso_utc(last)}, "
            f"{gap / SECONDS_PER_DAY:.1f} days away from {expected.path} ({iso_utc(expected.begin)}); give a table "
            f"within a day"
        )
    if first == last:
        return [f"{label}: its only solutions, of {iso_utc(first)}, hold at all times"]
    notes = []
    if early > 0:
        notes.append(f"{label}: its first solutions are {early:.0f} s after the begin: they hold until then, too")
    if late > 0:
        notes.append(f"{label}: its last solutions are {late:.0f} s before the end: they hold after that, too")
    elif expected.growing:
        notes.append(f"{label}: its last solutions, of {iso_utc(last)}, hold for what is observed later, too")
    return notes


def overlap(window: ExpectedWindow, frequency: NDArray[np.float64], width: float) -> NDArray[np.bool_]:
    """Return which channels of a window are in those of a table: `frequency` [channel] ascending, `width` Hz each."""
    reach = (window.width + width) / 2
    beyond = (window.frequency + reach <= frequency[0]) | (window.frequency - reach >= frequency[-1])
    within: NDArray[np.bool_] = ~beyond
    return within


def check_polarisation(label: str, window: ExpectedWindow, whole: bool) -> None:
    """Raise InputError if a window's correlations are not of two receptors, or too few for whole matrices."""
    if set(window.correlations) - {"XX", "XY", "YX", "YY"} and set(window.correlations) - {"RR", "RL", "LR", "LL"}:
        raise InputError(
            f"{label}: gains apply to XX, XY, YX, YY or RR, RL, LR, LL, and spectral window "
            f"{window.spectral_window} has {', '.join(window.correlations)}"
        )
    if whole and window.correlations not in (("XX", "XY", "YX", "YY"), ("RR", "RL", "LR", "LL")):
        raise InputError(
            f"{label}: whole 2 x 2 matrices need four correlations, and spectral window {window.spectral_window} has "
            f"{', '.join(window.correlations)}; give diagonal gains"
        )


def span(frequency: NDArray[np.float64]) -> str:
    """Write the first and the last frequency as text."""
    return f"{frequency[0] / 1e6:.6g} to {frequency[-1] / 1e6:.6g} MHz"


def listed(names: Sequence[str]) -> str:
    """Write some of the names as text."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def digest_of(factors: Mapping[tuple[int, int], tuple[Factor, ...]]) -> str:
    """Return 16 hexadecimal digits of the solutions and how they are applied."""
    found = hashlib.sha256()
    for key, several in sorted(factors.items()):
        found.update(repr(key).encode())
        for each in several:
            how = (each.law, each.elements, each.in_time, each.in_frequency, each.fills_gaps, each.scales_weights)
            found.update(repr((how, each.pivot if each.law == "delay" else 0.0)).encode())
            tracks = [some for at in each.tracks for some in (at.antennas, at.time, at.values, at.bad)]
            for array in (each.frequency, *tracks):
                found.update(repr((array.shape, array.dtype.str)).encode())
                found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
