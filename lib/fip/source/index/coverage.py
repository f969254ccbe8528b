"""What rows reach: antennas, windows and baselines. Pure; gathered chunk by chunk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Coverage:
    """What some cross-correlations of a MeasurementSet reach."""

    antennas: tuple[int, ...]
    windows: tuple[int, ...]  # DATA_DESC_IDs
    longest_baseline: float  # m, the longest finite |(u, v)|; 0 if there is none
    rms_baseline: float  # m, the root mean square of the finite |(u, v)|


@dataclass(slots=True)
class Reach:
    """Gathers the coverage of rows, chunk by chunk."""

    antennas: set[int] = field(default_factory=set)
    windows: set[int] = field(default_factory=set)
    longest: float = 0.0
    squares: float = 0.0
    counted: int = 0

    def add(self, chunk: Mapping[str, NDArray[Any]], counts: NDArray[np.bool_]) -> None:
        """Add the rows of a chunk that count [row]; it has ANTENNA1, ANTENNA2, DATA_DESC_ID and UVW."""
        for name in ("ANTENNA1", "ANTENNA2"):
            self.antennas.update(np.unique(chunk[name][counts]).tolist())
        self.windows.update(np.unique(chunk["DATA_DESC_ID"][counts]).tolist())
        square = np.square(chunk["UVW"][:, 0]) + np.square(chunk["UVW"][:, 1])
        square = square[counts & np.isfinite(square)]
        self.longest = max(self.longest, float(np.max(square, initial=0)) ** 0.5)
        self.squares += float(square.sum())
        self.counted += square.size

    def coverage(self) -> Coverage:
        """Return what all rows so far reach."""
        rms = (self.squares / max(1, self.counted)) ** 0.5
        return Coverage(tuple(sorted(self.antennas)), tuple(sorted(self.windows)), self.longest, rms)
