"""Images of any field, to the horizon and over it: blocks in, pixels out. See docs/kernel.md, "The whole sky"."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block
from fip.imaging.slant.buffers import buffers, filling, goes_past, make_transform
from fip.imaging.slant.grid import correction_polynomial, tap_polynomials
from fip.imaging.slant.gridding import grid_samples
from fip.imaging.slant.sky_plan import BEYOND, SkyPlan
from fip.imaging.slant.sky_stages import (
    Pixels,
    along_eta,
    along_xi,
    columns_to_cells,
    columns_to_planes,
    emphasised,
    padded,
    pixel_loop,
)
from fip.imaging.slant.stages import transform_u


def render_sky(plan: SkyPlan, blocks: Sequence[Block], out: NDArray[np.floating]) -> None:
    """Fill out[stokes, y, x] above the horizon as fip.imaging.kernels.Kernel says; leave what is below it."""
    for stokes, plane in enumerate(out):
        with filling(plane, plan.scheme.precision) as whole:
            _plane(plan, blocks, stokes, whole)


def _plane(plan: SkyPlan, blocks: Sequence[Block], stokes: int, out: NDArray[np.floating]) -> None:
    s, scheme, basis = plan.shape, plan.scheme, plan.basis
    get = partial(buffers.get, scheme.precision)
    uv = grid_samples(plan, blocks, stokes, get, partial(_emphasised, plan))
    half = get("half", s.blocks * s.terms * s.rows * 32)
    over_u, staged = make_transform(plan.u_size, scheme, get), get("staged", plan.u_size * s.terms * 16)
    transform_u(uv.grid, uv.marks, s, over_u, staged, half, goes_past(half))
    unturned = get("phases", s.rows * 32)
    unturned.reshape(-1, 2, 16)[:] = [[1], [0]]
    correction = np.asarray(correction_polynomial(scheme), np.float64)
    eta = (np.arange(s.length) - s.length // 2) / plan.v_size
    of_xi, of_eta = (
        np.asarray(factor * np.polynomial.polynomial.polyval(at * at, correction), scheme.precision)
        for factor, at in ((0.5, plan.across), (1.0, eta))  # the half plane is counted twice
    )
    transform = make_transform(plan.v_size, scheme, get)
    pixels = Pixels(plan.grid.width, plan.grid.height, plan.grid.scale, BEYOND)
    taps, columns = tap_polynomials(scheme), s.blocks * 16
    if plan.level:
        planes = get("images", s.terms * s.length * columns)
        columns_to_planes(half, s, transform, unturned, of_xi, of_eta, planes)
        turned = get("turned", s.terms * columns * padded(pixels.width))
        along_eta(planes, s, pixels, taps, scheme.support, turned)
        along_xi(turned, s, pixels, taps, scheme.support, basis.in_q, basis.odd, out)
        return
    cells = get("images", columns * s.length * plan.cell)
    columns_to_cells(half, s, transform, unturned, of_xi, of_eta, plan.cell, cells)
    pixel_loop(plan.cell, scheme.support, scheme.degree)(cells, s, pixels, taps, basis.in_q, basis.odd, out)


def _emphasised(
    plan: SkyPlan, visibility: NDArray[np.complexfloating], rows: NDArray[np.float64], frequency: NDArray[np.float64]
) -> NDArray[np.complexfloating]:
    """Return visibilities [row, node], with what the interpolation will take away of each frequency added."""
    out = np.empty_like(visibility)
    emphasised(visibility, rows, frequency, 1 / plan.u_size, 1 / plan.v_size, correction_polynomial(plan.scheme), out)
    return out
