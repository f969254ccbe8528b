"""Writes and reads solutions of MeerKAT's calibration, as a receiver copies them from telstate: a file for each.

A file is a NumPy archive without pickles. katdal's `applycal.py` says what its numbers mean; docs/meerkat.md, which of
its functions says what.
"""

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fip.corrections.gains.asked import Asked
from fip.corrections.gains.solutions import Factor, Track
from fip.corrections.gains.source import Source, check_polarisation, digest_of, placed, span
from fip.corrections.observed import Expected, ExpectedWindow
from fip.data.errors import InputError, first_line
from fip.data.quantities import UNIX_EPOCH

Kind = Literal["K", "B", "G"]
"""Delays in s; bandpasses, a gain for each channel; gains, one for all."""
SUFFIX = ".solution.npz"
FOLDER_SUFFIX = ".gains"  # of the folder of such files beside a spool, in place of the spool's own suffix

_LARGEST = 1 << 28  # bytes of a file
_BEGINS = b"PK\x03\x04"  # an archive
_HANDS = {"h": 0, "v": 1}


@dataclass(frozen=True, eq=False)
class Solution:
    """The solution that telstate has of one product at one time."""

    kind: Kind
    time: float  # s UTC, Unix
    antennas: tuple[str, ...]
    hands: str  # of the second axis but one, as "vh"
    frequency: NDArray[np.float64]  # [channel] Hz, of bandpasses; else empty
    values: NDArray[Any]  # [hand, antenna]; of bandpasses [channel, hand, antenna]

    @property
    def name(self) -> str:
        """The name of the file for it."""
        return f"{self.kind}-{self.time:.3f}{SUFFIX}"


def write_solution(solution: Solution, folder: Path) -> None:
    """Write a file, whole or not at all. OSError if it cannot be written."""
    memory = io.BytesIO()
    np.savez(
        memory,
        kind=np.array(solution.kind),
        time=np.array(solution.time),
        antennas=np.array(solution.antennas),
        hands=np.array(solution.hands),
        frequency=solution.frequency,
        values=solution.values,
    )
    beside = folder / f".{solution.name}.part"
    with beside.open("wb") as file:
        file.write(memory.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / solution.name)


def is_solution(path: Path) -> bool:
    """Return whether a path is such a file."""
    if not path.name.endswith(SUFFIX) or path.name.startswith(".") or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_BEGINS)) == _BEGINS


def read_solution(path: Path, label: str) -> Solution:
    """Read the solution of a file. InputError if it is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ValueError(f"has more than {_LARGEST >> 20} MiB")
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            names = ("kind", "time", "antennas", "hands", "frequency", "values")
            kind, time, antennas, hands, frequency, values = (found[name] for name in names)
        solution = Solution(
            _kind(str(kind)),
            float(time),
            tuple(str(each) for each in antennas.tolist()),
            str(hands),
            np.asarray(frequency, np.float64),
            np.asarray(values, np.complex128 if kind != "K" else np.float64),
        )
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{label}: cannot be read as a solution of telstate: {first_line(error)}") from None
    _check(solution, label)
    return solution


def _kind(found: str) -> Kind:
    for each in get_args(Kind):
        if found == each:
            kind: Kind = each
            return kind
    raise ValueError(f"its kind is {found[:20]!r}")


def _check(solution: Solution, label: str) -> None:
    shape: tuple[int, ...] = (len(solution.hands), len(solution.antennas))
    if solution.kind == "B":
        shape = (len(solution.frequency), *shape)
        if not (np.diff(solution.frequency) > 0).all() or not len(solution.frequency):
            raise InputError(f"{label}: its frequencies do not ascend")
    if solution.values.shape != shape or set(solution.hands) - set(_HANDS) or not np.isfinite(solution.time):
        raise InputError(f"{label}: its values have the shape {solution.values.shape}, and should have {shape}")


def read_telstate_file(asked: Asked, expected: Expected) -> Source:
    """Read a solution, checked against the recording. InputError if it cannot be applied.

    Gains of K are exp(2 pi i d f), not about a frequency in the band but about 0; those of B and G are as they stand.
    Weights go with |g|^2 of B and G, since L0's weights are inverse variances of raw samples.
    """
    solution = read_solution(asked.path, asked.label)
    numbers, notes = placed(asked.label, solution.antennas, None, expected)
    factors: dict[tuple[int, int], tuple[Factor, ...]] = {}
    for window in expected.windows:
        check_polarisation(asked.label, window, whole=False)
        if solution.kind == "B":
            _check_overlap(asked.label, window, solution.frequency)
        factor = (_factor(solution, numbers, len(expected.antennas)),)
        factors |= {(window.spectral_window, field): factor for field in expected.fields}
    begin = solution.time + UNIX_EPOCH
    return Source(asked.path.name, f"{solution.kind} of telstate", digest_of(factors), begin, tuple(notes), factors)


def _check_overlap(label: str, window: ExpectedWindow, frequency: NDArray[np.float64]) -> None:
    if window.frequency[-1] < frequency[0] or window.frequency[0] > frequency[-1]:
        raise InputError(
            f"{label}: is of {span(frequency)}, and spectral window {window.spectral_window} has "
            f"{span(window.frequency)}; give one of the same band"
        )


def _factor(solution: Solution, numbers: NDArray[np.intp], antennas: int) -> Factor:
    """Return the solution for the recording's antennas, receptors X and Y: h and v."""
    there = np.flatnonzero(numbers >= 0)
    values = solution.values if solution.kind == "B" else solution.values[None]  # [channel, hand, antenna]
    cell = (len(there), len(values), 2)
    found = np.full(cell, np.nan, values.dtype)
    for at, hand in enumerate(solution.hands):
        found[..., _HANDS[hand]] = values[:, at, there].T
    delay = solution.kind == "K"
    if delay:  # katdal's calc_delay_correction takes a missing delay to be 0: B has the rest
        parts, bad = np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)[None].real * 1e9, np.zeros(cell, bool)
    else:
        bad = ~np.isfinite(found) | (found == 0)
        parts = np.stack([np.abs(np.where(bad, 1, found)), np.angle(np.where(bad, 1, found))])
        if solution.kind == "B":
            parts, bad = _filled(parts, bad, solution.frequency)
    return Factor(
        law="delay" if delay else "gain",
        tracks=(Track(numbers[there], np.array([solution.time + UNIX_EPOCH]), parts[:, None], bad[None]),),
        frequency=solution.frequency if solution.kind == "B" else np.zeros(1),
        antennas=antennas,
        elements=2,
        in_time="nearest",
        fills_gaps=False,
        scales_weights=not delay,
        pivot=0.0,
    )


def _filled(
    parts: NDArray[np.float64], bad: NDArray[np.bool_], frequency: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fill gaps of bandpasses [part, antenna, channel, receptor] between solutions, and not beyond the outermost.

    Amplitudes and unwrapped phases are linear there, as in katdal's calc_bandpass_correction.
    """
    filled, still = parts.copy(), np.ones_like(bad)
    for antenna, hand in np.ndindex(bad.shape[0], bad.shape[2]):
        good = np.flatnonzero(~bad[antenna, :, hand])
        if not len(good):
            continue
        inner = slice(good[0], good[-1] + 1)
        amplitude, phase = parts[:, antenna, good, hand]
        filled[0, antenna, inner, hand] = np.interp(frequency[inner], frequency[good], amplitude)
        filled[1, antenna, inner, hand] = np.interp(frequency[inner], frequency[good], np.unwrap(phase))
        still[antenna, inner, hand] = False
    return filled, still
