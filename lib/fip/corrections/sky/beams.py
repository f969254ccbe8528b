"""The power beam by which fluxes of a model are multiplied, as a value that can be pickled."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerBeam:
    """The beam of `--primary-beam`, of dishes of `diameter` m; a Gaussian has its width at `reference` Hz."""

    written: str
    diameter: float | None
    reference: float

    def __call__(self, east: Array, north: Array, frequency: float) -> Array:
        """Return the share of power at direction cosines of any shape and a frequency, Hz. UsageError as `beam_of`."""
        return _made(self)(east, north, frequency)


@lru_cache(maxsize=2)
def _made(beam: PowerBeam) -> Callable[[Array, Array, float], Array]:
    from fip.imaging.primary_beam import beam_of  # late: it imports parts of scipy that others do not need

    return beam_of(beam.written, beam.diameter, beam.reference)
