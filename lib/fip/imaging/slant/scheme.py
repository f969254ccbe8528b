"""The constants of the kernel that follow from the accuracy asked for. The code is the same for all of them.

Each is chosen so that the errors of docs/kernel.md add up to a fraction of `finest`. numba is not imported here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fip.data.errors import UsageError

Precision = Literal["float32", "float64"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float64")

POWERS = {"float32": 4, "float64": 8}
"""Coefficients of the polynomials, of order 3 or 7, that give positions along a line."""

ORDERS = (1, 2, 3, 4, 6, 8, 10, 12, 16)
"""Orders of the polynomials that give taps; a loop is compiled for each."""


@dataclass(frozen=True, eq=False)
class Scheme:
    """Numbers for one accuracy, in single or double precision."""

    finest: float  # the smallest epsilon that it serves
    precision: Precision
    # the gridding kernel, exp(sharpness support ((1 - x^2)^power - 1)), and its image, 1 / oversampling of a transform
    support: int  # cells
    oversampling: float
    sharpness: float
    power: float
    degree: int  # of the kernel as a polynomial in each cell; the same for a support
    fit: float  # the largest error of polynomials in the place of functions
    # interpolation
    band: float  # cycles per sample, both signs, that a line may hold
    taps: int  # a multiple of 4
    step: float  # error of taps as polynomials, rms over the lanes, at the band's edge
    nodes: dict[int, int]  # of the table of taps in a sample, for each order in use
    position: float  # samples, or radians of the screen: the largest error of polynomials along a line
    most_terms: int

    @property
    def powers(self) -> int:
        """The number of coefficients of the polynomials along a line."""
        return POWERS[self.precision]

    @property
    def samples(self) -> np.dtype[np.complexfloating]:
        """The complex type of visibilities."""
        return np.result_type(self.precision, np.complex64)

    @property
    def edge(self) -> float:
        """The image ends at this fraction of the transform from its centre."""
        return 0.5 / self.oversampling


SINGLE = Scheme(
    finest=1e-5, precision="float32",
    support=8, oversampling=1.5, sharpness=1.9158, power=0.5153, degree=11, fit=1e-7,
    band=0.68, taps=24, step=2e-6, nodes={1: 512, 2: 64, 3: 64, 4: 64, 6: 64, 8: 64, 10: 64},
    position=4e-7, most_terms=8,
)  # fmt: skip
"""Aliasing 6.8e-7 rms on each axis; taps 5.1e-7 rms, 1.4e-6 at most."""

DOUBLE = Scheme(
    finest=1e-8, precision="float64",
    support=16, oversampling=1.25, sharpness=1.8284, power=0.504, degree=12, fit=1e-10,
    band=0.6, taps=32, step=2e-9, nodes={2: 512, 3: 128, 4: 64, 6: 64, 8: 64, 10: 64, 12: 64},
    position=4e-10, most_terms=16,
)  # fmt: skip
"""Aliasing 1.3e-10 rms on each axis; taps 8.6e-11 rms, 1.4e-10 at most."""

FINEST = Scheme(
    finest=1e-11, precision="float64",
    support=16, oversampling=1.5, sharpness=2.0473, power=0.503, degree=12, fit=1e-13,
    band=0.6, taps=44, step=2e-12, nodes={3: 512, 4: 128, 6: 64, 8: 64, 10: 64, 12: 64, 16: 64},
    position=4e-13, most_terms=16,
)  # fmt: skip
"""Aliasing 3.3e-13 rms on each axis; taps 2.3e-14 rms, 3.9e-14 at most."""

SCHEMES = (SINGLE, DOUBLE, FINEST)


def scheme_for(epsilon: float) -> Scheme:
    """Return the cheapest scheme that is as accurate. Raise UsageError below 1e-11."""
    for scheme in SCHEMES:
        if epsilon >= scheme.finest:
            return scheme
    raise UsageError(f"epsilon {epsilon:g} is out of reach of double precision: give {FINEST.finest:g} or more")
