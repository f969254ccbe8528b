"""Impossible lengths, times and baselines become NaN, whatever file they come from. Pure."""

import numpy as np
from numpy.typing import NDArray

_LONGEST_INTERVAL = 1e7  # s; longer and negative ones have no meaning
_LONGEST_BASELINE = 1e9  # m, beyond the Moon; what is longer is no baseline


def sound_intervals(seconds: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return INTERVAL or EXPOSURE, s, with NaN for impossible values."""
    return np.where((seconds >= 0) & (seconds <= _LONGEST_INTERVAL), seconds, np.nan)


def sound_uvw(uvw: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return UVW, m, with NaN for impossible values."""
    short = np.abs(uvw) <= _LONGEST_BASELINE
    return uvw if short.all() else np.where(short, uvw, np.nan)
