"""CPU seconds of a dirty image by the slant kernel and by ducc0's w-gridder, one thread, with the error of each.

    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 python benchmarks/kernels.py [ROW ...]

The environment keeps freed memory in the process, without which ducc0, which allocates its grids for each image, is up
to twice slower. Both get the same arrays, both write into an array that exists, and they take turns; the slant kernel's
time has its plan in it. Errors are L2(image - direct) / L2(direct) over 100 pixels, corners and edges among them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ducc0
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from direct import SPEED_OF_LIGHT, direct_sum, pixel_directions
from fip.data import Block, Grid
from fip.slant.kernel import render
from fip.slant.plan import make_plan

EARTH = 6371e3  # m
EPSILON = 1e-5
REPEATS = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """An array, seen at an hour angle, and a field."""

    array: str
    first: float  # Hz
    last: float  # Hz
    channels: int
    pixels: int  # a side
    scale: float  # arcsec
    hours: float
    declination: float  # degrees


ROWS = {
    "64 antennas, 64 channels, 1024^2 x 1.5 arcsec": Row("MeerKAT", 1.3e9, 1.4e9, 64, 1024, 1.5, 2, -11),
    "64 antennas, 64 channels, 4096^2 x 1.5 arcsec": Row("MeerKAT", 1.3e9, 1.4e9, 64, 4096, 1.5, 2, -11),
    "UHF, 4096^2 x 4 arcsec": Row("MeerKAT", 0.6e9, 1.0e9, 64, 4096, 4.0, 4, -21),
    "VLA A, P band, 4096^2 x 1.5 arcsec": Row("VLA", 3.2e8, 3.8e8, 64, 4096, 1.5, 4, 24),
    "SKA-Low core, 1024^2 x 60 arcsec": Row("SKA-Low core", 1.3e8, 1.5e8, 64, 1024, 60.0, 4, -17),
}


def antennas(array: str, rng: np.random.Generator) -> tuple[Floats, float]:
    """East, north, up in m of layouts like those of the observatories, on the curved Earth; and the latitude, rad."""
    if array == "VLA":
        arms, steps = np.deg2rad([-5, 115, 236]), 21e3 * (np.arange(1, 10) / 9) ** 1.716
        places = np.concatenate([np.stack([steps * np.sin(a), steps * np.cos(a)], 1) for a in arms])
        height, latitude = rng.normal(size=len(places)) * 5 + 10 * np.sin(places[:, 0] / 8e3), 34.08
    else:
        count, share, core, radius, rms, latitude = {
            "MeerKAT": (64, 0.7, 300.0, 4000.0, 8.0, -30.7),
            "SKA-Low core": (128, 0.9, 350.0, 3000.0, 1.0, -26.8),
        }[array]
        inner = int(count * share)
        distance = np.exp(rng.uniform(np.log(core), np.log(radius), count - inner))
        distance[0] = radius
        angle = rng.uniform(0, 2 * np.pi, count - inner)
        outer = np.stack([distance * np.cos(angle), distance * np.sin(angle)], 1)
        places, height = np.concatenate([rng.normal(size=(inner, 2)) * core, outer]), rng.normal(size=count) * rms
    up = height - (places**2).sum(axis=1) / (2 * EARTH)
    return np.column_stack([places, up]), float(np.deg2rad(latitude))


def samples(row: Row) -> tuple[Block, Grid]:
    """Noise on every baseline, and the grid."""
    rng = np.random.default_rng(1)
    places, latitude = antennas(row.array, rng)
    s, c = np.sin(latitude), np.cos(latitude)
    xyz = places @ np.array([[0, 1, 0], [-s, 0, c], [c, 0, s]])
    hour, declination = np.deg2rad(15 * row.hours), np.deg2rad(row.declination)
    sh, ch, sd, cd = np.sin(hour), np.cos(hour), np.sin(declination), np.cos(declination)
    xyz = xyz @ np.array([[sh, ch, 0], [-sd * ch, sd * sh, cd], [cd * ch, -cd * sh, sd]]).T
    one, other = np.triu_indices(len(xyz), 1)
    uvw, frequency = xyz[other] - xyz[one], np.linspace(row.first, row.last, row.channels)
    noise = rng.normal(size=(2, 1, len(uvw), row.channels))
    visibility = (noise[0] + 1j * noise[1]).astype(np.complex64)
    grid = Grid(row.pixels, row.pixels, np.deg2rad(row.scale / 3600), 0.0, 0.0, "FK5")
    return Block(0, uvw, frequency, visibility, np.ones(visibility.shape, np.float32)), grid


def error(image: NDArray[np.floating], block: Block, grid: Grid) -> float:
    """L2(image - direct) / L2(direct) over random pixels, the corners and the middles of the edges."""
    east, north = pixel_directions(grid)
    n = grid.width
    places = [0, n - 1, n * n - n, n * n - 1, n // 2, n * (n // 2), n * n - n // 2, n * (n // 2) + n - 1]
    pick = np.r_[np.random.default_rng(3).integers(0, n * n, 92), places]
    exact = direct_sum([block], east.ravel()[pick], north.ravel()[pick])[0]
    return float(np.linalg.norm(image.ravel()[pick] - exact) / np.linalg.norm(exact))


def seconds(calls: list[Callable[[], object]]) -> list[float]:
    """Median CPU time of each, taking turns, after one call that does not count."""
    taken: list[list[float]] = [[] for _ in calls]
    for repeat in range(REPEATS + 1):
        for call, times in zip(calls, taken, strict=True):
            begun = time.process_time()
            call()
            if repeat:
                times.append(time.process_time() - begun)
    return [float(np.median(times)) for times in taken]


def main() -> None:
    """Print a table, a row for each geometry."""
    if os.environ.get("MALLOC_MMAP_MAX_") != "0":
        print("note: without MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 ducc0 is not at its best")
    print(f"| {'field':46} | terms | slant ms | its error | ducc0 ms | its error | times |")
    print(f"|{'-' * 48}|-------|----------|-----------|----------|-----------|-------|")
    for name, row in ROWS.items():
        if sys.argv[1:] and not any(asked in name for asked in sys.argv[1:]):
            continue
        block, grid = samples(row)
        out = np.zeros((1, grid.height, grid.width), np.float32)
        dirty = np.zeros((grid.height, grid.width), np.float32)
        reordered = np.ascontiguousarray(block.uvw[:, [1, 0, 2]])

        def slant(block: Block = block, grid: Grid = grid, out: NDArray[np.float32] = out) -> None:
            render(make_plan([block], grid, EPSILON), [block], grid, out)

        def ducc(
            block: Block = block, grid: Grid = grid, dirty: NDArray[np.float32] = dirty, uvw: Floats = reordered
        ) -> None:
            ducc0.wgridder.vis2dirty(
                uvw=uvw, freq=block.frequency, vis=block.visibility[0], dirty=dirty, flip_u=True,
                pixsize_x=grid.scale, pixsize_y=grid.scale, epsilon=EPSILON, do_wgridding=True, divide_by_n=False,
                nthreads=1,
            )  # fmt: skip

        ours, theirs = seconds([slant, ducc])
        terms = make_plan([block], grid, EPSILON).basis.terms
        print(
            f"| {name:46} | {terms:5} | {1e3 * ours:8.1f} | {error(out, block, grid):9.1e} "
            f"| {1e3 * theirs:8.0f} | {error(dirty, block, grid):9.1e} | {theirs / ours:5.1f} |",
            flush=True,
        )
    print(f"ducc0 {ducc0.__version__}, numpy {np.__version__}, load {os.getloadavg()[0]:.1f}, c {SPEED_OF_LIGHT} m/s")


if __name__ == "__main__":
    main()
