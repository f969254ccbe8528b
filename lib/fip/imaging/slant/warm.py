"""Compile all that a worker may need, so that no slice waits for it."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np

from fip.compiled.cache import only_one
from fip.data.values import Block, Grid
from fip.imaging.beam import fit_beam
from fip.imaging.slant.backwards import degrid, without_samples
from fip.imaging.slant.buffers import read_only
from fip.imaging.slant.cache import is_warm, mark
from fip.imaging.slant.degrid import degridder
from fip.imaging.slant.emit import FOLDER
from fip.imaging.slant.grid import gridder, kernel_polynomials, tap_polynomials
from fip.imaging.slant.kernel import render
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.psf import COMPILED
from fip.imaging.slant.scheme import PRECISIONS, SCHEMES, Precision, Scheme, scheme_for
from fip.imaging.slant.simd import aligned
from fip.imaging.slant.sky import render_sky
from fip.imaging.slant.sky_plan import MOST_TERMS, make_sky_plan
from fip.imaging.slant.sky_stages import Pixels, pixel_loop
from fip.imaging.slant.words import swap_and_measure

log = logging.getLogger("fip.imaging.slant")

ABOUT = 80  # s of a core that a precision takes


def warm_up(say: Callable[[str], None], precisions: Iterable[Precision] = PRECISIONS) -> float:
    """Compile what is not in the cache and load the rest; return the seconds that it took.

    It images made-up slices in each precision, and makes a gridder for each number of terms.
    """
    begun = time.perf_counter()
    with only_one(FOLDER):
        for precision in precisions:
            scheme = next(each for each in SCHEMES if each.precision == precision)
            if not is_warm([precision]):
                say(f"compiling the imaging kernels, once, about {ABOUT} s of a core: {precision}, in {FOLDER}")
            grid_nothing(scheme)
            image_something(scheme)
            with suppress(OSError):  # a cache that cannot be written is already in the log
                mark(precision).touch()
    return time.perf_counter() - begun


def warm_up_degridding(say: Callable[[str], None], precisions: Iterable[Precision] = PRECISIONS) -> float:
    """Do the same for what degrids model images, which workers do not need."""
    begun = time.perf_counter()
    with only_one(FOLDER):
        for precision in precisions:
            if not mark(precision, "degridding").exists():
                say(f"compiling what degrids images, once, about {ABOUT // 4} s of a core: {precision}, in {FOLDER}")
            degrid_something(next(each for each in SCHEMES if each.precision == precision))
            with suppress(OSError):
                mark(precision, "degridding").touch()
    return time.perf_counter() - begun


@cache
def degridding_unless_warm(epsilon: float) -> None:
    """Compile what degrids images to this accuracy, if it is not there, and log it: no slice comes meanwhile."""
    precision = scheme_for(epsilon).precision
    if not mark(precision, "degridding").exists():
        log.info("what degrids model images was compiled: %.1f s", warm_up_degridding(log.warning, [precision]))


def degrid_something(scheme: Scheme) -> None:
    """Compile both degridders, for few terms and for many, and all the rest."""
    for terms in {1, scheme.most_terms}:
        nothing, odd = np.ones((terms, 2), scheme.precision), np.zeros(terms, np.int64)
        degridder(terms > 8, scheme.support, scheme.degree)(
            aligned(16, scheme.precision), terms, 1, 0, 0, np.ones((0, 4)), read_only(np.ones(1), np.float64),
            kernel_polynomials(scheme), nothing, odd, np.ones((0, 1), scheme.samples),
        )  # fmt: skip
    grid, (block, *_) = _nothing_much()
    plan = make_plan([without_samples(block.uvw, block.frequency)], grid, scheme.finest)
    degrid(plan, [block.frequency], np.ones((grid.height, grid.width)))


def warm_unless_warm(epsilon: float) -> None:
    """Compile what images of this accuracy need, if it is not there, and log it: no image comes meanwhile."""
    precision = scheme_for(epsilon).precision
    if not is_warm([precision]):
        log.info("the imaging kernels were compiled: %.1f s", warm_up(log.warning, [precision]))


def grid_nothing(scheme: Scheme) -> None:
    """Compile a gridder for each number of terms, by a block without rows."""
    for terms in range(1, MOST_TERMS + 1):
        frequency, visibility = read_only(np.ones(1), np.float64), read_only(np.ones((0, 1)), scheme.samples)
        coefficients, odd = np.ones((terms, 2), scheme.precision), np.zeros(terms, np.int64)
        gridder(terms, scheme.support, scheme.degree)(
            aligned(16, scheme.precision), 1, 0, 0, np.ones((0, 4)), frequency, visibility,
            kernel_polynomials(scheme), coefficients, odd,
        )  # fmt: skip


def image_something(scheme: Scheme) -> None:
    """Compile all the rest, by an image of a few baselines."""
    grid, blocks = _nothing_much()
    plane = np.empty((1, grid.height, grid.width), scheme.precision)
    render(make_plan(blocks, grid, scheme.finest), blocks, plane)
    pixels = read_only(plane, plane.dtype).reshape(-1)
    swap_and_measure(pixels, np.empty_like(pixels), np.empty(2, plane.dtype), False)
    for level in (False, True):
        plan = make_sky_plan(blocks, grid, scheme.finest, level)
        render_sky(plan, blocks, plane)
    for precision in PRECISIONS:  # of weights
        fit_beam([replace(each, weight=each.weight.astype(precision)) for each in blocks], COMPILED)
    taps, in_q, odd = tap_polynomials(scheme), np.ones((2, 2), scheme.precision), np.zeros(2, np.int64)
    for cell in range(2, MOST_TERMS + 1, 2):  # of an image without pixels
        pixel_loop(cell, scheme.support, scheme.degree)(
            aligned(16, scheme.precision), plan.shape, Pixels(0, 0, 1.0, 0.0), taps, in_q, odd, plane[0]
        )


def _nothing_much() -> tuple[Grid, list[Block]]:
    """Return a few baselines and a grid of a few pixels."""
    uvw = np.random.default_rng(0).normal(size=(9, 3)) * [100.0, 100.0, 1.0]
    visibility = np.ones((1, 9, 2), np.complex64)
    blocks = [Block(0, uvw, np.array([1.0e9, 1.1e9]), visibility, visibility.real)]
    return Grid(48, 32, 1e-4, 0.0, 0.0, "FK5"), blocks
