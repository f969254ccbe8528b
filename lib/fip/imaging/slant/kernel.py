"""The slant kernel: blocks in, pixels out. See docs/kernel.md."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid, Statistics
from fip.imaging.kernels import Imager, Kernel
from fip.imaging.slant.buffers import buffers, filling, goes_past, make_transform
from fip.imaging.slant.cost import least_cost_with_slopes, sky_cost, slant_cost, wgridder_cost
from fip.imaging.slant.grid import correction_polynomial
from fip.imaging.slant.gridding import grid_samples
from fip.imaging.slant.plan import Plan, make_plan
from fip.imaging.slant.psf import COMPILED
from fip.imaging.slant.resample import make_work
from fip.imaging.slant.scheme import scheme_for
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.sky import render_sky
from fip.imaging.slant.sky_plan import SkyPlan, make_sky_plan
from fip.imaging.slant.stages import TWIDDLES, Columns, resample_xi, transform_u, transform_v
from fip.imaging.slant.taps import make_taps

log = logging.getLogger("fip.imaging.slant")

WIDE = 0.03
"""rad^2, from its centre to a corner: for a wider field, the ways to image the whole sky are also considered."""


Make: TypeAlias = Callable[[Sequence[Block], Grid, float], Plan | SkyPlan]
"""A function that makes a plan; it raises UnsuitableError if it cannot."""

WAYS: tuple[Make, ...] = (make_plan, partial(make_sky_plan, level=True), partial(make_sky_plan, level=False))


class SlantKernel(Kernel):
    """Images a slice by its slant: through a slanted image or term by term, else by the kernel to fall back on.

    The slice alone decides between them. Each thread has one set of buffers for all fields that it images.
    """

    name = "slant"
    beams = COMPILED
    of_the_sky = "sky"  # its name if it images term by term

    def __init__(self, grid: Grid, epsilon: float, fall_back: Imager, only_if_faster: bool) -> None:
        """Set up for a grid. If `only_if_faster`, also fall back if the w-gridder is expected to take less time."""
        self._grid, self._epsilon = grid, epsilon
        self._fall_back, self._only_if_faster = fall_back, only_if_faster
        self._corner = (grid.width**2 + grid.height**2) * grid.scale**2 / 4
        self._last_reason = ""

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """Fill `out` as `fip.imaging.kernels.Kernel.image` says."""
        return self.measured(blocks, out)[0]

    def measured(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> tuple[str, Statistics | None]:
        """Fill `out` and measure it as `Kernel.measured` says."""
        plans, reasons = self._plans(blocks)
        for plan in plans:
            try:
                statistics = self.render(plan, blocks, out)
            except UnsuitableError as unsuitable:
                reasons.append(str(unsuitable))
            else:
                return self.of_the_sky if isinstance(plan, SkyPlan) else self.name, statistics
        reason = "; ".join(dict.fromkeys(reasons))
        if reason != self._last_reason:
            log.info("not by the slant kernel: %s", reason)
            self._last_reason = reason
        return self._fall_back(blocks, out), None

    def release(self) -> None:
        """Give back the buffers of this thread."""
        buffers.release()

    def render(self, plan: Plan | SkyPlan, blocks: Sequence[Block], out: NDArray[np.floating]) -> Statistics | None:
        """Fill `out` by the plan; return statistics as `measured`. Raise UnsuitableError with `out` in any state."""
        if isinstance(plan, SkyPlan):
            render_sky(plan, blocks, out)
        else:
            render(plan, blocks, out)
        return None

    def _plans(self, blocks: Sequence[Block]) -> tuple[list[Plan | SkyPlan], list[str]]:
        """Return the plans that could image them, the cheapest first, and why others could not."""
        found: list[tuple[float, Plan | SkyPlan]] = []
        reasons: list[str] = []
        for make in WAYS:
            if found and self._corner < WIDE:
                break
            try:
                plan = make(blocks, self._grid, self._epsilon)
            except UnsuitableError as unsuitable:
                reasons.append(str(unsuitable))
                continue
            if not isinstance(plan, SkyPlan):
                found.append((slant_cost(plan, blocks), plan))
                continue
            found.append((sky_cost(plan, blocks), plan))
            if plan.level and found[-1][0] <= least_cost_with_slopes(plan, blocks):
                break
        if self._only_if_faster and found:
            limit = wgridder_cost(blocks, self._grid, scheme_for(self._epsilon))
            if all(cost > limit for cost, _ in found):
                reasons.append("it is expected to be slower")
            found = [each for each in found if each[0] <= limit]
        return [plan for _, plan in sorted(found, key=lambda each: each[0])], reasons


def render(plan: Plan, blocks: Sequence[Block], out: NDArray[np.floating]) -> None:
    """Fill out[stokes, y, x] as fip.imaging.kernels.Kernel says. Raise UnsuitableError with `out` in any state."""
    for stokes, plane in enumerate(out):
        with filling(plane, plan.scheme.precision) as whole:
            _plane(plan, blocks, stokes, whole)


def _plane(plan: Plan, blocks: Sequence[Block], stokes: int, out: NDArray[np.floating]) -> None:
    s, basis, scheme = plan.shape, plan.basis, plan.scheme
    get = partial(buffers.get, scheme.precision)
    uv = grid_samples(plan, blocks, stokes, get)
    half = get("half", s.blocks * s.terms * s.rows * 32)
    over_u, staged = make_transform(plan.u_size, scheme, get), get("staged", plan.u_size * s.terms * 16)
    transform_u(uv.grid, uv.marks, s, over_u, staged, half, goes_past(half))
    columns = Columns(
        get("line", s.length * 16),
        get("phases", s.rows * 32),
        get("table", TWIDDLES * 32),
        get("powers", -(-s.length // s.segment) * scheme.powers * 16),
    )
    correction, taps = correction_polynomial(scheme), make_taps(scheme)
    # The grid's correction along xi, halved: the half plane is counted twice.
    factors = 0.5 * np.polynomial.polynomial.polyval(plan.across * plan.across, correction.astype(np.float64))
    across = np.asarray(factors, scheme.precision)
    work = make_work(scheme, max(s.length, s.blocks * 16))
    lines = get("lines", -(-plan.eta_line.rows // 16) * s.blocks * 256)
    fine = transform_v(
        half, s, make_transform(plan.v_size, scheme, get), basis.in_q, basis.odd, across, correction,
        taps, plan.eta_line, columns, work, lines, goes_past(lines),
    )  # fmt: skip
    if not fine or not resample_xi(
        lines, s, taps, plan.xi_line, plan.eta_line, plan.plane.transposed, work, out.reshape(-1), goes_past(out)
    ):
        raise UnsuitableError("the field is too wide and its array too steep")
