"""The slant kernel over geometries drawn at random: if it makes an image, every part of it is as accurate as asked.

`GEOMETRIES=5000 pytest tests/imaging/test_slant_geometries.py` draws so many, other ones than the few that are drawn
always.
"""

import os

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from fip.imaging.slant.kernel import render
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.sheet import UnsuitableError
from support.direct_sum import direct_sum, pixel_directions
from support.observatories import antennas, uvw_seen
from support.synthetic import Source, make_block

LIGHT = 299792458.0
MORE = int(os.environ.get("GEOMETRIES", "0"))
BATCHES = 8
WAVELENGTHS = {"MeerKAT": (0.2, 0.35), "VLA A": (0.06, 0.2, 0.8), "SKA-Low": (1.0, 2.0, 4.0)}


def draw(seed: int) -> tuple[Block, Grid, float]:
    """An observatory or a tenth of it, zenith to 10 degrees and often low, any even rectangle, narrow and wide."""
    rng = np.random.default_rng(seed)
    array = rng.choice(list(WAVELENGTHS))
    places = antennas(array, rng, int(rng.integers(4, 16))) * rng.choice([1.0, 0.1])
    elevation = np.deg2rad(rng.uniform(10, rng.choice([35, 90])))
    uvw = uvw_seen(places, elevation, rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi))
    frequency = np.linspace(0.95, 1.05, rng.integers(1, 6)) * LIGHT / rng.choice(WAVELENGTHS[array])
    width, height = (2 * int(side) for side in rng.integers(8, rng.choice([40, 100]), 2))
    fringe = LIGHT / (frequency[-1] * np.hypot(uvw[:, 0], uvw[:, 1]).max())
    scale = float(min(fringe / rng.uniform(1.2, 8), 10 ** rng.uniform(-2, 0.3) / max(width, height)))
    epsilon = float(rng.choice([1e-3, 1e-5, 1e-8, 1e-11]))
    if rng.random() < 0.3:
        noise = rng.normal(size=(2, 1, len(uvw), len(frequency)))
        visibility = (noise[0] + 1j * noise[1]).astype(np.complex64 if epsilon >= 1e-6 else np.complex128)
        block = Block(0, uvw, frequency, visibility, np.ones(visibility.shape, np.float32))
    else:
        half = scale * min(width, height) / 2
        sky: list[Source] = [(0.3 * half, -0.4 * half, 1.0), (-0.8 * half, 0.6 * half, 0.5)]
        if rng.random() < 0.5:
            sky.append((min(2.5 * half, 0.7), -min(1.7 * half, 0.5), 100.0))
        block = make_block(uvw, frequency, sky, epsilon, seed=seed)
    return block, Grid(width, height, scale, 0.0, 0.0, "FK5"), epsilon


def errors(image: NDArray[np.floating], block: Block, grid: Grid) -> tuple[float, float]:
    """L2(image - direct) over L2(direct), of random pixels and of all pixels at an edge."""
    east, north = pixel_directions(grid)
    edge = np.zeros(image.shape, bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    chosen = np.random.default_rng(0).permutation(image.size)[:800]
    found = []
    for pick in (chosen, np.flatnonzero(edge)):
        exact = direct_sum([block], east.ravel()[pick], north.ravel()[pick])[0]
        found.append(float(np.linalg.norm(image.ravel()[pick] - exact) / np.linalg.norm(exact)))
    return found[0], found[1]


def check(seed: int) -> bool:
    """Return whether the slant kernel makes the image; fails if it is not as accurate as asked."""
    block, grid, epsilon = draw(seed)
    out = np.full((1, grid.height, grid.width), np.nan, np.float32 if epsilon >= 1e-6 else np.float64)
    try:
        render(make_plan([block], grid, epsilon), [block], out)
    except UnsuitableError:
        return False
    whole, edge = errors(out[0], block, grid)
    assert whole <= epsilon, seed
    assert edge <= 2 * epsilon, seed  # a ring of less power than the image has may have twice its relative error
    return True


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_image_of_any_geometry_is_wrong(batch: int) -> None:
    """Edges and corners too; and it is the slant kernel that makes most of them."""
    seeds = [*range(batch, 160, BATCHES), *range(10_000 + batch, 10_000 + MORE, BATCHES)]
    assert np.mean([check(seed) for seed in seeds]) > 0.6
