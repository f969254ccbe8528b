"""The test that each plan passes: plane and terms against the exact phase, on random triples."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.data.values import Grid
from fip.imaging.slant.basis import Basis, screen
from fip.imaging.slant.rows import Rows, drawn_by_power
from fip.imaging.slant.simd import FAST

Doubles = NDArray[np.float64]

_TRIPLES = 200
_CHANCE, _PLACE = np.random.default_rng(0).random(_TRIPLES), np.random.default_rng(1).random((3, _TRIPLES))


def model_error(
    rows: Rows, transposed: bool, slopes: tuple[float, float], baselines: Doubles,
    basis: Basis, deepest: float, q_centre: float, per_q: float, grid: Grid,
) -> float:  # fmt: skip
    """Return the rms error of plane and terms against the exact phase, on random (baseline, frequency, pixel).

    The exact phase is that of the rows' own uvw; `baselines` [(u, v, d), row] in m and the slopes are the plane's.
    Baselines are drawn with a chance that goes with their power.
    """
    row = np.empty(_TRIPLES, np.int64)
    of_block = drawn_by_power(rows.power, _CHANCE, rows.bands, row)
    y, t, phase = np.empty(_TRIPLES), np.empty(_TRIPLES), np.empty(_TRIPLES)
    _phases(
        rows.uvw, baselines, row, of_block, _PLACE, transposed, *slopes, grid.width, grid.height, grid.scale,
        q_centre, per_q, basis.stretch / deepest, y, t, phase,
    )  # fmt: skip
    found = np.empty(_TRIPLES, np.complex128)
    screen(y, t, basis.in_q, basis.in_height, basis.odd, found)
    return float(_rms(found, phase))


@njit(**FAST)
def _phases(
    uvw: Doubles, baselines: Doubles, row: NDArray[np.int64], of_block: Doubles, place: Doubles,
    transposed: bool, a: float, b: float, width: int, height: int, scale: float,
    q_centre: float, per_q: float, per_wavelength: float, y: Doubles, t: Doubles, phase: Doubles,
) -> None:  # fmt: skip
    """Return y and t of the terms, and the turns by which plane and q_centre alone are off the exact phase."""
    for i in range(row.size):
        r = row[i]
        frequency = of_block[i, 0] * (1 - place[2, i] * (1 - of_block[i, 1]))
        east = (place[0, i] * (width - 1) - width // 2) * scale
        north = (place[1, i] * (height - 1) - height // 2) * scale
        above = 1 / math.sqrt(max(east * east + north * north, 1.0))  # those below the horizon are taken at it
        east, north = east * above, north * above
        square = min(east * east + north * north, 1.0)
        q = -square / (1 + math.sqrt(1 - square))
        exact = uvw[r, 0] * east - uvw[r, 1] * north - uvw[r, 2] * q
        xi, eta = (east, north) if transposed else (north, east)
        d = baselines[2, r]
        slanted = baselines[0, r] * (xi - a * q) + baselines[1, r] * (eta - b * q)
        y[i], t[i] = per_q * (q - q_centre), d * frequency * per_wavelength
        phase[i] = (slanted - d * q_centre - exact) * frequency


@njit(**FAST)
def _rms(found: NDArray[np.complex128], phase: Doubles) -> float:
    total = 0.0
    for i in range(phase.size):
        angle = 2 * math.pi * phase[i]
        off = found[i] * complex(math.cos(angle), math.sin(angle)) - 1
        total += off.real * off.real + off.imag * off.imag
    return math.sqrt(total / phase.size)
