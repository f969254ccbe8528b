"""Compiling all that a worker may need, so that no slice waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fip.data import Block, Grid
from fip.imaging.slant.cache import MARK, is_warm, only_one
from fip.imaging.slant.grid import MOST_TERMS, gridder, kernel_polynomials
from fip.imaging.slant.kernel import read_only, render
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.simd import FOLDER, aligned


def warm_up(say: Callable[[str], None]) -> float:
    """Compile what is not in the cache and load the rest; returns the seconds that it took.

    Slices made up for the purpose are imaged, one for each number of terms, which each have a gridder of their own.
    """
    begun = time.perf_counter()
    with only_one(FOLDER):
        if not is_warm():
            say(f"compiling the imaging kernels for this machine, once, about a minute; kept in {FOLDER}")
        grid_nothing()
        image_something()
        (FOLDER / MARK).touch()
    return time.perf_counter() - begun


def grid_nothing() -> None:
    """Compile a gridder for each number of terms, by a block without rows."""
    for terms in range(1, MOST_TERMS + 1):
        frequency, visibility = read_only(np.ones(1), np.float64), read_only(np.ones((0, 1)), np.complex64)
        coefficients, odd = np.ones((terms, 2), np.float32), np.zeros(terms, np.int64)
        gridder(terms)(
            aligned(16), 1, 0, 0, np.ones((0, 4)), frequency, visibility, kernel_polynomials(), coefficients, odd
        )


def image_something() -> None:
    """Compile all the rest, by an image of a few baselines."""
    uvw = np.random.default_rng(0).normal(size=(9, 3)) * [100.0, 100.0, 1.0]
    visibility = np.ones((1, 9, 2), np.complex64)
    blocks = [Block(0, uvw, np.array([1.0e9, 1.1e9]), visibility, visibility.real)]
    grid = Grid(48, 32, 1e-4, 0.0, 0.0, "FK5")
    render(make_plan(blocks, grid, 1e-5), blocks, grid, np.empty((1, grid.height, grid.width), np.float32))
