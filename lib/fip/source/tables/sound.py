"""What no length, time or baseline can be is NaN, whatever file it comes from. Pure."""

import numpy as np
from numpy.typing import NDArray

_LONGEST_INTERVAL = 1e7  # s; longer ones, as negative ones, say nothing
_LONGEST_BASELINE = 1e9  # m, beyond the Moon; what is longer is no baseline


def sound_intervals(seconds: NDArray[np.floating]) -> NDArray[np.floating]:
    """INTERVAL or EXPOSURE, s."""
    return np.where((seconds >= 0) & (seconds <= _LONGEST_INTERVAL), seconds, np.nan)


def sound_uvw(uvw: NDArray[np.floating]) -> NDArray[np.floating]:
    """UVW, m."""
    short = np.abs(uvw) <= _LONGEST_BASELINE
    return uvw if short.all() else np.where(short, uvw, np.nan)
