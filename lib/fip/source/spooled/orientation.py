"""How the Earth lies and how far it has turned on a day: the table of the IERS that comes with astropy.

The file is read directly, not by astropy, which takes a second for it. Nothing is downloaded.
"""

import logging
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy_iers_data import IERS_A_FILE
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC

_LOG = logging.getLogger(__name__)
_LINE = np.dtype(
    {
        "names": ["day", "dut1", "x", "y"],  # of Bulletin A, measured or predicted
        "formats": ["S8", "S10", "S9", "S9"],
        "offsets": [7, 58, 18, 37],
        "itemsize": 188,
    }
)
"""A line of finals2000A.all, as ReadMe.finals2000A beside it says."""


class Orientation(NamedTuple):
    """The orientation of the Earth at a time."""

    dut1: float  # s, UT1 - UTC
    x: float  # rad, of the pole
    y: float  # rad


def orientation(mjd: float) -> Orientation:
    """Return the orientation at a day (MJD, UTC) and its share, between the two midnights of the table.

    Before and after the table it is that of its first or last day; `unknown` says so, and so does the log, once.
    """
    days, found = _table()
    if told := unknown(mjd):
        _warn(told)
        mjd = float(min(max(mjd, days[0]), days[-1]))
    first = min(int(mjd - days[0]), len(days) - 2)
    here, there = found[first], found[first + 1].copy()
    there[0] -= np.rint(there[0] - here[0])  # a leap second, which is at the end of the day
    dut1, x, y = here + (mjd - days[first]) * (there - here)
    return Orientation(float(dut1), float(x), float(y))


def unknown(mjd: float) -> str:
    """Return the warning for UVW of a time that is not in the table; "" if it is."""
    days, _ = _table()
    if days[0] <= mjd <= days[-1]:
        return ""
    side = "before" if mjd < days[0] else "after"
    return (
        f"UVW of a time {side} MJD {days[0]:.0f} to {days[-1]:.0f}: how far the Earth has turned is not known then, "
        "and that of the nearest day is taken; a newer package astropy-iers-data knows more"
    )


@lru_cache(maxsize=1)
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the table's days [day], MJD one after the other, and their values [day, 3]: dUT1 in s, pole in rad."""
    lines = np.fromfile(Path(IERS_A_FILE), _LINE)
    lines = lines[np.char.strip(lines["dut1"]) != b""]  # the last lines are of days that are not known yet
    found = np.stack([lines[name].astype(np.float64) for name in ("dut1", "x", "y")], axis=1)
    found[:, 1:] *= ARCSEC
    return lines["day"].astype(np.float64), found


@lru_cache(maxsize=2)
def _warn(told: str) -> None:
    _LOG.warning("%s", told)
