"""Time scales of a MeasurementSet to UTC. Pure.

Times are seconds since MJD 0 in their own scale, and days have 86400 s as in casacore: 23:59:60 has no place of its
own and reads as the first second of the next day.
"""

from functools import lru_cache

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SECONDS_PER_DAY

Array = NDArray[np.float64]

JD_OF_MJD_0 = 2400000.5
TT_LESS_TAI = 32.184  # s, by definition

TAI = ("TAI", "IAT")
TERRESTRIAL = ("TT", "TDT", "ET")
UNIVERSAL = ("UT1", "UT")
SCALES = ("UTC", *TAI, *TERRESTRIAL, *UNIVERSAL, "TDB", "TCG", "TCB")
"""casacore's names (MEpoch::Types) of the scales that can be converted; the others are sidereal, or UT2."""


def to_utc(seconds: Array, scale: str) -> Array:
    """Return UTC of times in one of `SCALES`, in s since MJD 0.

    UT1 is UTC + dUT1 from the table of Earth orientation (IERS) that comes with astropy, good to 0.1 ms if it is
    measured, 10 ms if it is predicted; TDB, TCG and TCB are as in IAU 2000 B1.9 and 2006 B3 (erfa), without the
    2 microseconds that depend on the place on Earth. Raises ValueError for another scale, and for a time for which
    there is no table.
    """
    if scale == "UTC":
        return seconds
    if scale in UNIVERSAL:
        return seconds - _dut1(seconds)
    return _utc_of_tai(seconds - _ahead_of_tai(seconds, scale))


def _ahead_of_tai(seconds: Array, scale: str) -> Array | float:
    """Return how much a clock of this scale is ahead of TAI, s."""
    days = seconds / SECONDS_PER_DAY
    if scale in TAI:
        return 0.0
    if scale in TERRESTRIAL:
        return TT_LESS_TAI
    if scale == "TDB":
        return TT_LESS_TAI + np.asarray(erfa.dtdb(JD_OF_MJD_0, days, 0.0, 0.0, 0.0, 0.0))
    if scale == "TCG":
        return TT_LESS_TAI + _difference(days, erfa.tcgtt(JD_OF_MJD_0, days))
    if scale == "TCB":
        barycentric = _difference(days, erfa.tcbtdb(JD_OF_MJD_0, days))
        return barycentric + _ahead_of_tai(seconds - barycentric, "TDB")
    raise ValueError(f"{scale} is not one of {', '.join(SCALES)}")


def _difference(days: Array, other: tuple[Array, Array]) -> Array:
    """Return a clock less another one in s, from MJD and erfa's two-part JD (the first part stays as it is)."""
    difference: Array = ((JD_OF_MJD_0 - other[0]) + (days - other[1])) * SECONDS_PER_DAY
    return difference


def _utc_of_tai(tai: Array) -> Array:
    starts, ahead = _leap_seconds()
    return tai - ahead[np.maximum(np.searchsorted(starts + ahead, tai, side="right") - 1, 0)]


@lru_cache
def _leap_seconds() -> tuple[Array, Array]:
    """Return the times (UTC, s since MJD 0) of leap seconds, and how far TAI is ahead of UTC from then on (s).

    They begin in 1972; TAI is whole seconds ahead since then.
    """
    table = erfa.leap_seconds.get()
    table = table[table["year"] >= 1972]
    _, starts = erfa.cal2jd(table["year"], table["month"], 1)
    return np.asarray(starts) * SECONDS_PER_DAY, np.asarray(table["tai_utc"], dtype=np.float64)


def _dut1(seconds: Array) -> Array:
    """Return UT1 - UTC in s at times of UT1, which is near enough to UTC for this."""
    from astropy.utils import iers  # seldom needed

    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        try:
            found = iers.earth_orientation_table.get().ut1_utc(JD_OF_MJD_0, seconds / SECONDS_PER_DAY)
        except IndexError:  # astropy's IERSRangeError
            raise ValueError("UT1 is not known for all of these times: renew the package astropy-iers-data") from None
    return np.asarray(found.to_value("s"), dtype=np.float64)
