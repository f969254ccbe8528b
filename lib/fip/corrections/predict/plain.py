"""The functions of `lanes.py` in numpy, if no machine code may be made: the same sums, up to thirty times slower."""

import numpy as np
from numpy.typing import NDArray

_ROWS = 256  # at once


def fill_phases(
    delay: NDArray[np.float64], frequency: float, amplitude: NDArray[np.floating], out: NDArray[np.floating]
) -> None:
    """Do the same as `lanes.fill_phases`."""
    turns = delay * frequency
    turns -= np.rint(turns)
    phase = (2 * np.pi * turns).astype(out.dtype)
    np.multiply(np.cos(phase), amplitude, out=out[0])
    np.multiply(np.sin(phase), amplitude, out=out[1])


def add_rows(
    baseline: NDArray[np.float64], moved: NDArray[np.float64], rest: NDArray[np.float64],
    tracked: NDArray[np.float64], major: NDArray[np.float64], minor: NDArray[np.float64],
    frequency: NDArray[np.float64], width: NDArray[np.float64], flux: NDArray[np.floating],
    extended: bool, smeared: bool, out: NDArray[np.floating],
) -> None:  # fmt: skip
    """Do the same as `lanes.add_rows`."""
    for first in range(0, baseline.shape[1], _ROWS):
        here = slice(first, first + _ROWS)
        uvw = baseline[:, here].T
        delay, fall = uvw @ rest.T, (uvw @ major.T) ** 2 + (uvw @ minor.T) ** 2
        across, turning = uvw @ tracked.T, moved[:, here].T @ tracked.T
        for node, f in enumerate(frequency):
            turns = delay * f
            fringe = np.exp(2j * np.pi * (turns - np.rint(turns)))
            if extended:
                fringe *= np.exp(-f * f * fall)
            if smeared:
                fringe *= np.sinc(turning * f) * np.sinc(across * width[node])
            total = fringe @ flux[:, node]
            out[here, node, :, 0] += total.real
            out[here, node, :, 1] += total.imag
