"""Skies as stations and small arrays see them, drawn at random, and how wrong an image of one is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from support.direct_sum import direct_sum, pixel_directions
from support.observatories import uvw_seen

LIGHT = 299792458.0  # m/s


def station(rng: np.random.Generator, antennas: int, radius: float, rms: float) -> NDArray[np.float64]:
    """Dipoles [antenna, 3] m on a disc, of these heights."""
    far, turn = radius * np.sqrt(rng.random(antennas)), rng.uniform(0, 2 * np.pi, antennas)
    return np.stack([far * np.cos(turn), far * np.sin(turn), rms * rng.normal(size=antennas)], axis=1)


def noise(rng: np.random.Generator, uvw: NDArray[np.float64], frequency: NDArray[np.float64], epsilon: float) -> Block:
    """Samples whose image is as bright everywhere."""
    parts = rng.normal(size=(2, 1, len(uvw), len(frequency)))
    visibility = (parts[0] + 1j * parts[1]).astype(np.complex64 if epsilon >= 1e-6 else np.complex128)
    return Block(0, uvw, frequency, visibility, np.ones(visibility.shape, np.float32))


def draw(seed: int, epsilons: Sequence[float]) -> tuple[Block, Grid, float]:
    """A station, or a small array, anywhere above 2 degrees; fields that end within the sky, at its edge or beyond."""
    rng = np.random.default_rng(seed)
    frequency = np.asarray(
        10 ** rng.uniform(7.3, 8.3) * (1 + np.arange(rng.integers(1, 4)) * 0.01 * rng.random()), float
    )
    heights = 10 ** rng.uniform(-2, 0.3) * min(1.0, 4e7 / frequency[0])
    dipoles = station(rng, int(rng.integers(6, 20)), 10 ** rng.uniform(0.5, 1.8), heights)
    uvw = uvw_seen(dipoles, np.deg2rad(rng.uniform(2, 90)), *rng.uniform(0, 6.3, 2))
    height, width = (2 * int(side) for side in rng.integers(16, 50, 2))
    grid = Grid(width, height, 2 / max(width, height) * float(rng.choice([0.8, 1.0, 1.15])), 0.0, 0.0, "FK5")
    epsilon = float(rng.choice(epsilons))
    return noise(rng, uvw, frequency, epsilon), grid, epsilon


def errors(image: NDArray[np.floating], block: Block, grid: Grid, epsilon: float) -> tuple[float, float]:
    """Rms of (image - direct sum) over that of the sum: of random pixels, and of the outermost ones.

    n = sqrt(1 - r^2), so that what r^2 is rounded by, 2e-16, is 1e-16 / n of n, and of 2 pi w turns that. Pixels closer
    to the horizon than the distance at which this is epsilon have no exact value to be compared with.
    """
    east, north = (each.ravel() for each in pixel_directions(grid))
    square = east**2 + north**2
    turns = 2 * np.pi * np.abs(block.uvw[:, 2]).max() * block.frequency[-1] / LIGHT
    known = np.flatnonzero(1 - square > (turns * 4e-16 / epsilon) ** 2)
    anywhere = np.random.default_rng(0).choice(known, 60, replace=False)
    outermost = known[np.argsort(square[known])[-40:]]
    exact = [direct_sum([block], east[pick], north[pick])[0] for pick in (anywhere, outermost)]
    power = np.sqrt(np.mean(exact[0] ** 2))
    differences = (image.ravel()[pick] - each for pick, each in zip((anywhere, outermost), exact, strict=True))
    whole, rim = (float(np.sqrt(np.mean(each**2)) / power) for each in differences)
    return whole, rim
