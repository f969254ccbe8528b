"""The A-team by name: points with published spectra.

Perley & Butler 2017 (ApJS 230, 7), table 5: log10 S[Jy] = a0 + a1 log10 f[GHz] + a2 (log10 f[GHz])^2 ..., each within
the frequencies of its fit. Cas A has their value of 2016.0, and fades by 0.67 % a year (Trotter et al. 2017, MNRAS 469,
1299).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from fip.corrections.sky.catalogue import Catalogue
from fip.corrections.sky.frames import unit_vectors
from fip.data.directions import parse_direction
from fip.data.errors import UsageError
from fip.data.quantities import MJD_0, SPEED_OF_LIGHT

SOURCE = "Perley & Butler 2017"
EPOCH = (datetime(2016, 1, 1, tzinfo=UTC) - MJD_0).total_seconds()  # s UTC since MJD 0
FADES = 0.0067  # of Cas A, a year
_YEAR = 365.25 * 86400  # s


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A source of the A-team, a point."""

    name: str
    place: str  # ICRS
    spectrum: tuple[float, ...]  # a0, a1 ...
    lowest: float  # Hz, of the fit
    highest: float  # Hz
    size: float  # arcmin, its largest
    fades: bool = False


A_TEAM = {
    each.name.lower(): each
    for each in (
        Calibrator("CasA", "23:23:24.0 +58:48:54", (3.3584, -0.7518, -0.035, -0.071), 0.2e9, 4e9, 8, fades=True),
        Calibrator("CygA", "19:59:28.36 +40:44:02.1", (3.3498, -1.0022, -0.225, 0.023, 0.043), 0.05e9, 12e9, 2),
        Calibrator("TauA", "05:34:31.94 +22:00:52.2", (2.9516, -0.217, -0.047, -0.067), 0.05e9, 4e9, 8),
        Calibrator("VirA", "12:30:49.42 +12:23:28.0", (2.4466, -0.8116, -0.048), 0.05e9, 3e9, 14),
    )
}


def calibrator(name: str, begin: float, band: tuple[float, float], baseline: float) -> tuple[Catalogue, Sequence[str]]:
    """Return a source of the A-team as of a time, s UTC since MJD 0, and notes on it.

    UsageError if the band, Hz, is not within its fit. It is a point; `baseline`, m, the array's longest, decides
    whether that is good enough.
    """
    found = A_TEAM[name.lower()]
    lowest, highest = band
    if lowest < found.lowest or highest > found.highest:
        raise UsageError(
            f"--sky-model {name}: the spectrum of {SOURCE} holds from {found.lowest / 1e6:g} to "
            f"{found.highest / 1e6:g} MHz, and the data are from {lowest / 1e6:g} to {highest / 1e6:g} MHz: "
            "give a list with its components"
        )
    years = (begin - EPOCH) / _YEAR
    fading = (1 - FADES) ** years if found.fades else 1.0
    told = [f"{found.name}: a point with the spectrum of {SOURCE}" + (
        f", faded by {1 - fading:.1%} in the {years:.1f} years since" if found.fades else ""
    )]  # fmt: skip
    resolution = SPEED_OF_LIGHT / highest / max(baseline, 1e-3)
    if resolution < math.radians(found.size / 60):
        told.append(
            f"{found.name} is {found.size:g} arcmin large and taken as a point: the longest baselines resolve "
            f"{math.degrees(resolution) * 60:.2g} arcmin, and a list with its components would do better"
        )
    place = parse_direction(found.place)
    one = np.ones(1, bool)
    return Catalogue(
        names=(found.name,),
        towards=unit_vectors(np.array([place.longitude]), np.array([place.latitude])),
        stokes=np.array([[fading * 10 ** found.spectrum[0], 0.0, 0.0, 0.0]]),
        reference=np.array([1e9]),
        terms=np.array([found.spectrum[1:]]),
        logarithmic=one,
        alike=one,
        major=np.zeros(1),
        minor=np.zeros(1),
        angle=np.zeros(1),
        of_grid=~one,
    ), told  # fmt: skip
