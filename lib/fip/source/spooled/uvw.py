"""UVW of antennas from their positions, for streams that have none of their own. Pure, but for the IERS's table.

docs/uvw.md derives it, and compares it with what others do.
"""

import erfa
import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SECONDS_PER_DAY, UNIX_EPOCH
from fip.data.rotations import axes
from fip.source.advice.geometry import TT_MINUS_UTC
from fip.source.spooled.orientation import orientation
from fip.source.tables.timescales import JD_OF_MJD_0

Array = NDArray[np.float64]

_STEP = 1e-4  # rad, to the places around the phase centre: small beside what bends, large beside rounding
_SPIN = np.array([0.0, 0.0, 7.292115e-5])  # rad/s, of the Earth


def antenna_uvw(time_unix: float, ra: float, dec: float, positions: Array) -> Array:
    """Return (u, v, w) [antenna, 3] in m of antennas at `positions` [antenna, 3] (m, ITRF) to ra, dec (rad, ICRS).

    `time_unix` is in s UTC. They are from the first antenna, so its own are 0. w is the path by which a wave from the
    phase centre comes earlier, in the direction in which the antennas see it; u and v are what a step to the east and
    to the north, in ICRS, adds to it. The antennas move together, as their middle does: their baselines are short
    beside the Earth.
    """
    days = (time_unix + UNIX_EPOCH) / SECONDS_PER_DAY
    return np.asarray((positions - positions[0]) @ _seen(days, ra, dec, positions.mean(axis=0)).T, dtype=np.float64)


def baseline_uvw(antennas: Array, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
    """Return UVW [baseline, 3] in m for correlations <e1 conj(e2)>: antenna 1's less antenna 2's, docs/uvw.md."""
    return np.asarray(antennas[first] - antennas[second], dtype=np.float64)


def _seen(days: float, ra: float, dec: float, here: Array) -> Array:
    """Return for u, v and w [3, 3] the vectors, ITRF, along which an observer `here` (m, ITRF) counts a path."""
    day, share = JD_OF_MJD_0 + days // 1, days % 1
    dut1, x, y = orientation(days)
    terrestrial = day, share + TT_MINUS_UTC / SECONDS_PER_DAY
    to_itrf = erfa.c2t06a(*terrestrial, day, share + dut1 / SECONDS_PER_DAY, x, y)  # from the axes of ICRS
    observer = np.zeros((), erfa.dt_pv)
    observer["p"], observer["v"] = here @ to_itrf, np.cross(_SPIN, here) @ to_itrf
    bent = erfa.apcs13(*terrestrial, observer)  # aberration, yearly and daily, and light that passes the Sun
    east, north, towards = axes(ra, dec)
    steps = (np.zeros(3), east, -east, north, -north)
    places = np.array([towards * np.cos(_STEP) + step * np.sin(_STEP) for step in steps])
    centre, *around = erfa.s2c(*erfa.atciqz(*erfa.c2s(places), bent)) @ to_itrf.T
    one, other, above, below = around
    width = 2 * np.sin(_STEP)
    return np.array([(one - other) / width, (above - below) / width, centre])
