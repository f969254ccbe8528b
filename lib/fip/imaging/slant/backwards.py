"""Degridding by a plan: pixels in, visibilities out; the transpose of `kernel.render`, stage by stage."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from fip.imaging.slant.adjoint import GROUP, spread_xi, untransform_u, untransform_v
from fip.imaging.slant.buffers import buffers, make_transform, read_only
from fip.imaging.slant.cost import slant_cost, wgridder_cost
from fip.imaging.slant.degrid import degridder
from fip.imaging.slant.grid import correction_polynomial, kernel_polynomials
from fip.imaging.slant.plan import Plan, make_plan
from fip.imaging.slant.resample import make_work
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.stages import TWIDDLES, Columns
from fip.imaging.slant.taps import make_taps

__all__ = ["UnsuitableError", "degrid", "degrid_if_cheaper", "without_samples"]


def degrid(
    plan: Plan, frequencies: Sequence[NDArray[np.float64]], image: NDArray[np.floating]
) -> list[NDArray[np.complexfloating]]:
    """sum pixel exp(2 pi i f/c (u l + v m + w (n - 1))), [row, node] of each of the plan's blocks, of image[y, x].

    `frequencies` are those of the blocks. Pixels as fip.imaging.kernels.Kernel has them. Raise UnsuitableError.
    """
    s, basis, scheme = plan.shape, plan.basis, plan.scheme
    get = partial(buffers.get, scheme.precision)
    pixels = np.ascontiguousarray(image, scheme.precision).reshape(-1)
    taps, correction = make_taps(scheme), correction_polynomial(scheme)
    work = make_work(scheme, max(s.length, s.blocks * 16))
    tiles = get("tiles", GROUP * (16 * plan.xi_line.rows + 16))
    lines = get("lines", -(-plan.eta_line.rows // 16) * s.blocks * 256)
    columns = Columns(
        get("line", s.length * 16),
        get("phases", s.rows * 32),
        get("table", TWIDDLES * 32),
        get("powers", -(-s.length // s.segment) * scheme.powers * 16),
    )
    # The half plane stands for both halves: render doubles it and halves it again.
    factors = 0.5 * np.polynomial.polynomial.polyval(plan.across * plan.across, correction.astype(np.float64))
    half, padded = get("half", s.blocks * s.terms * s.rows * 32), get("padded", max(plan.u_size, plan.v_size) * 16)
    fine = spread_xi(pixels, s, taps, plan.xi_line, plan.eta_line, plan.plane.transposed, work, tiles, lines) and (
        untransform_v(
            lines, s, make_transform(plan.v_size, scheme, get), basis.in_q, basis.odd,
            np.asarray(factors, scheme.precision), correction, taps, plan.eta_line, columns, work,
            padded[: plan.v_size * 16], half,
        )
    )  # fmt: skip
    if not fine:
        raise UnsuitableError("the field is too wide and its array too steep")
    uv = get("grid", plan.grid_size)
    untransform_u(
        half, s, make_transform(plan.u_size, scheme, get), padded[: plan.u_size * 16],
        get("staged", plan.u_size * s.terms * 16), uv,
    )  # fmt: skip
    found = []
    for frequency, rows in zip(frequencies, plan.rows, strict=True):
        out = np.empty((len(rows), len(frequency)), scheme.samples)
        degridder(s.terms > 8, scheme.support, scheme.degree)(
            uv, s.terms, s.columns * 2 * s.terms, s.row0, s.column0, rows, read_only(frequency, np.float64),
            kernel_polynomials(scheme), basis.in_height, basis.odd, out,
        )  # fmt: skip
        found.append(out)
    return found


def degrid_if_cheaper(
    uvw: Sequence[NDArray[np.float64]],
    frequencies: Sequence[NDArray[np.float64]],
    image: NDArray[np.floating],
    grid: Grid,
    epsilon: float,
) -> list[NDArray[np.complexfloating]]:
    """Predict an image on `grid`: visibilities [row, node] for each uvw [row, 3] in m and frequencies [node] in Hz.

    Raise UnsuitableError if the geometry is not for the slant kernel, or ducc0 is expected to take less time. The time
    of imaging is taken as a measure of both.
    """
    blocks = [without_samples(*each) for each in zip(uvw, frequencies, strict=True)]
    plan = make_plan(blocks, grid, epsilon)
    if slant_cost(plan, blocks) > wgridder_cost(blocks, grid, plan.scheme):
        raise UnsuitableError("it is expected to be slower")
    return degrid(plan, frequencies, image)


def without_samples(uvw: NDArray[np.float64], frequency: NDArray[np.float64]) -> Block:
    """Return a block from which a plan can be made: the places of its samples, all alike."""
    nothing = np.zeros((1, len(uvw), len(frequency)), np.complex64)
    return Block(0, uvw, frequency, nothing, nothing.real)
