"""The place of a body, interpolated in a table of times and places. Pure."""

import math
from dataclasses import dataclass

import numpy as np

from fip.data.directions import Direction, Frame
from fip.data.rotations import Array, axes


@dataclass(frozen=True, slots=True, eq=False)
class Ephemeris:
    """A table of at least two places, ascending in time."""

    time: Array  # [place] s UTC since MJD 0
    towards: Array  # [place, 3] unit vectors in `frame`
    frame: Frame

    def covers(self, time: float) -> bool:
        """Return whether a time is within the table."""
        return bool(self.time[0] <= time <= self.time[-1])

    def at(self, time: float, east: float = 0.0, north: float = 0.0) -> Direction:
        """Return the place at a time, moved by these angles (rad).

        It is found by a cubic spline: good to (step)^4 of the fourth derivative / 384, which is 0.001 arcsec for the
        Moon in a table of hours, or for a planet in one of days.
        """
        # Imported here: few sets have an ephemeris, and to import scipy takes the ventilator as long as all the rest.
        from scipy.interpolate import CubicSpline

        x, y, z = CubicSpline(self.time, self.towards)(time)
        here = axes(math.atan2(y, x), math.atan2(z, math.hypot(x, y)))
        away = math.hypot(east, north)
        if away:
            aside = (east * here[0] + north * here[1]) / away
            x, y, z = math.cos(away) * here[2] + math.sin(away) * aside
        return Direction(math.atan2(y, x) % (2 * math.pi), math.atan2(z, math.hypot(x, y)), self.frame)


def ephemeris(time: Array, longitude: Array, latitude: Array, frame: Frame) -> Ephemeris:
    """Make an ephemeris from times (s UTC) and places (rad). Raises ValueError if they make no table."""
    finite = np.isfinite(time).all() and np.isfinite(longitude).all() and np.isfinite(latitude).all()
    if time.size < 2 or not finite or (np.diff(time) <= 0).any():
        raise ValueError("its times do not ascend, or it has not two places")
    cosine = np.cos(latitude)
    towards = np.stack([cosine * np.cos(longitude), cosine * np.sin(longitude), np.sin(latitude)], axis=1)
    return Ephemeris(time, towards, frame)
