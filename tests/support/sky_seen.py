"""Arrays that see a sky, and what they then measure: the Fourier sum, term by term in double precision."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Observed
from fip.corrections.sky.components import Components
from support.direct_sum import SPEED_OF_LIGHT

CORRELATIONS = ("XX", "XY", "YX", "YY")
START = 59000 * 86400.0
Doubles = NDArray[np.float64]


def axes_at(hour_angle: float, declination: float) -> Doubles:
    """Unit vectors of u, v and w, [3, 3], of a centre at such a right ascension (rad) and declination."""
    sin_ra, cos_ra, sin_dec, cos_dec = *_turn(hour_angle), *_turn(declination)
    return np.array(
        [
            [-sin_ra, cos_ra, 0],
            [-cos_ra * sin_dec, -sin_ra * sin_dec, cos_dec],
            [cos_ra * cos_dec, sin_ra * cos_dec, sin_dec],
        ]
    )


def _turn(angle: float) -> tuple[float, float]:
    return float(np.sin(angle)), float(np.cos(angle))


def observed(
    frequency: Doubles,
    antennas: int = 9,
    integrations: int = 1,
    interval: float = 8.0,
    size: float = 3000.0,
) -> Observed:
    """Samples, all 0, of all baselines of antennas on the turning Earth, at one or more integrations."""
    rng = np.random.default_rng(antennas)
    place = rng.normal(size=(antennas, 3)) * [size, size, size / 3]
    first, second = np.triu_indices(antennas, 1)
    axes = np.stack([axes_at(0.3, -0.5)] * integrations)
    omega = 7.292115e-5 * interval
    uvw = np.concatenate(
        [(turned(place[second] - place[first], omega * each)) @ axes[each].T for each in range(integrations)]
    )
    shape, rows = (len(uvw), len(frequency), 4), len(first)
    integration = np.repeat(np.arange(integrations), rows)
    width = np.full(len(frequency), frequency[1] - frequency[0] if len(frequency) > 1 else 1e6)
    return Observed(
        Path("made.ms"), 0, 0, frequency, width, CORRELATIONS,
        np.tile(first, integrations).astype(np.int32), np.tile(second, integrations).astype(np.int32), integration,
        np.asarray(START + interval * integration, np.float64), np.full(len(uvw), interval),
        np.asarray(uvw, np.float64), axes,
        np.zeros(shape, np.complex64), np.ones((shape[0], 1, 4), np.float32), np.zeros(shape, bool),
    )  # fmt: skip


def turned(vectors: Doubles, angle: float, pole: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Doubles:
    """The same [n, 3], turned by so many rad about a unit vector (Rodrigues)."""
    axis = np.array(pole)
    along = np.outer(vectors @ axis, axis)
    turned_by: Doubles = along + (vectors - along) * np.cos(angle) + np.cross(axis, vectors) * np.sin(angle)
    return turned_by


def components(
    seen: Observed, count: int, reach: float, alpha: float = -0.7, planes: int = 1, seed: int = 0
) -> Components:
    """Points at random within `reach` (sine of the angle) of the phase centre, of power-law spectra."""
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-1, 1, (2, count)) * reach / np.sqrt(2)
    towards = np.stack([east, north, np.sqrt(1 - east**2 - north**2)], axis=1) @ seen.axes[0]
    spectrum = (seen.frequency / seen.frequency.mean()) ** alpha
    flux = rng.pareto(1.5, (count, 1, 1)) * spectrum[:, None] * np.array([1, 0.3, -0.2, 0.1])[:planes]
    none = np.zeros(count)
    return Components(("",) * count, towards, flux, none, none, none)


def exact(model: Components, seen: Observed) -> NDArray[np.complex128]:
    """Return the visibilities of points: sum S exp(2 pi i f (b s - b s0) / c), [row, channel, stokes]."""
    out = np.zeros((*seen.visibility.shape[:2], model.flux.shape[2]), complex)
    for row, (uvw, integration) in enumerate(zip(seen.uvw, seen.integration, strict=True)):
        baseline = seen.axes[integration].T @ uvw
        path = (model.towards - seen.axes[integration][2]) @ baseline
        fringe = np.exp(2j * np.pi / SPEED_OF_LIGHT * np.outer(path, seen.frequency))
        out[row] = np.einsum("cf,cfs->fs", fringe, model.flux)
    return out


def error(found: NDArray[np.complexfloating], right: NDArray[np.complexfloating]) -> float:
    """L2(found - right) / L2(right)"""
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))
