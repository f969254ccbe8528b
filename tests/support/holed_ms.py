"""A small MeasurementSet with gaps, and how much of each integration is there."""

import numpy as np
from numpy.typing import NDArray

from support import small_ms

Columns = small_ms.Columns
HIGH = np.linspace(1.1e9, 1.101e9, 2)  # Hz, half as many channels
TWO = (small_ms.BAND, HIGH)


def but(columns: Columns, gone: NDArray[np.bool_]) -> Columns:
    """Return all rows but these."""
    return {name: values[~gone] for name, values in columns.items()}


def dump(columns: Columns) -> NDArray[np.int64]:
    """Which integration each row is of."""
    found: NDArray[np.int64] = np.rint((columns["TIME"] - small_ms.START) / 10).astype(np.int64)
    return found


def of_antenna(columns: Columns, antenna: int) -> NDArray[np.bool_]:
    """Which rows have this antenna."""
    return np.asarray((columns["ANTENNA1"] == antenna) | (columns["ANTENNA2"] == antenna))


def holed(autocorrelations: bool = False) -> Columns:
    """Eight integrations of `TWO` windows: antenna 4 lacks in the third, a window in the fourth, both in the sixth."""
    columns = small_ms.rows(8, windows=2, autocorrelations=autocorrelations)
    when, last = dump(columns), columns["DATA_DESC_ID"] == 1
    return but(columns, (np.isin(when, (2, 5)) & of_antenna(columns, 4)) | (np.isin(when, (3, 5)) & last))


OF_HOLED = [1, 1, 0.6, 0.6667, 1, 0.4, 1, 1]  # the window has 2 of 6 channels, the antenna 4 of 10 baselines
