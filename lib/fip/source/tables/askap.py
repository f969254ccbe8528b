"""ASKAP's sets: FIELD has the centre of the mosaic, FEED by how much a beam is beside it, and DATA sums of two hands.

fixms 0.4.1 (CSIRO, `fix_ms_dir.py` and `fix_ms_corrs.py`) turns them into what other imagers read, and this does the
same: docs/directions.md. Pure.
"""

import math

import numpy as np
from numpy.typing import NDArray

DATA_SCALE = 2.0
"""The factor that makes flux densities of DATA: ASKAPsoft's I is XX + YY, and everybody else's (XX + YY) / 2."""

INSTRUMENT_ANGLE = "INSTRUMENT_RECEPTOR_ANGLE"
"""A column of FEED that fixms adds once it has turned the hands, into CORRECTED_DATA."""


def is_askap(telescope: str) -> bool:
    """Return whether sets of a telescope, by TELESCOPE_NAME, are of this kind."""
    return telescope.strip().upper() == "ASKAP"


def beside(longitude: float, latitude: float, offset: tuple[float, float]) -> tuple[float, float]:
    """Return the centre of a beam, rad, from that of the field and BEAM_OFFSET (x, y), rad.

    Go by y along the meridian, then by -x, to the west for a positive x, along the great circle that crosses it there.
    """
    across, along = -offset[0], latitude + offset[1]
    east, north, towards = math.sin(across), math.cos(across) * math.sin(along), math.cos(across) * math.cos(along)
    return longitude + math.atan2(east, towards), math.asin(max(-1.0, min(1.0, north)))


def of_its_time(times: NDArray[np.float64], lengths: NDArray[np.float64], at: float) -> int:
    """Return which of the rows of FEED of a beam holds at a time; times as in the set, s. The last if none says so."""
    holds = np.flatnonzero((at > times - lengths / 2) & (at < times + lengths / 2))
    return int(holds[0]) if holds.size else times.size - 1
