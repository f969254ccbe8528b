"""The slant kernel: blocks in, pixels out. See docs/kernel.md."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fip.data.values import Block, Grid
from fip.imaging.kernels import Imager, Kernel
from fip.imaging.slant.cost import slant_cost, wgridder_cost
from fip.imaging.slant.fft import fft_plan
from fip.imaging.slant.grid import correction_polynomial, gridder, kernel_polynomials
from fip.imaging.slant.plan import Plan, make_plan
from fip.imaging.slant.resample import make_taps, make_work
from fip.imaging.slant.scheme import Precision, Scheme
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.simd import Floats, aligned
from fip.imaging.slant.stages import TWIDDLES, Columns, Transform, resample_xi, transform_u, transform_v

log = logging.getLogger("fip.imaging.slant")

Get = Callable[[str, int], Floats]
"""A buffer of that name and length, of the scheme's precision."""

_BATCH = 4096  # rows


class Buffers(threading.local):
    """Work arrays of a thread that grow when they must: their pages are touched once. What they held is never read."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Precision], Floats] = {}

    def get(self, precision: Precision, name: str, length: int) -> Floats:
        """An array of exactly this length, of any contents."""
        key = name, precision
        held = self._held.get(key)
        if held is None or len(held) < length:
            self._held.pop(key, None)
            held = self._held[key] = aligned(length + length // 16, precision)
        return held[:length]

    def release(self) -> None:
        """Holds nothing any more."""
        self._held.clear()


buffers = Buffers()


class SlantKernel(Kernel):
    """Images a slice by its slant where its geometry allows, else by the kernel it is given to fall back on.

    Which of them is decided by the slice alone. Buffers are one set for each thread, whatever fields it images.
    """

    name = "slant"

    def __init__(self, grid: Grid, epsilon: float, fall_back: Imager, only_if_faster: bool) -> None:
        """`only_if_faster`: fall back, too, where the w-gridder is expected to take less time."""
        self._grid, self._epsilon = grid, epsilon
        self._fall_back, self._only_if_faster = fall_back, only_if_faster
        self._last_reason = ""

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """See fip.imaging.kernels.Kernel."""
        try:
            plan = make_plan(blocks, self._grid, self._epsilon)
            if self._only_if_faster and slant_cost(plan, blocks) > wgridder_cost(blocks, self._grid, plan.scheme):
                raise UnsuitableError("it is expected to be slower")
            self.render(plan, blocks, out)
        except UnsuitableError as unsuitable:
            if str(unsuitable) != self._last_reason:
                log.info("not by the slant kernel: %s", unsuitable)
                self._last_reason = str(unsuitable)
            return self._fall_back(blocks, out)
        return self.name

    def release(self) -> None:
        """See Kernel."""
        buffers.release()

    def render(self, plan: Plan, blocks: Sequence[Block], out: NDArray[np.floating]) -> None:
        """Fill `out` by the plan, as the function of that name does, on the processor."""
        render(plan, blocks, out)


def render(plan: Plan, blocks: Sequence[Block], out: NDArray[np.floating]) -> None:
    """Fill out[stokes, y, x] as fip.imaging.kernels.Kernel says. Raise UnsuitableError with `out` in any state."""
    for stokes, plane in enumerate(out):
        with filling(plane, plan.scheme.precision) as whole:
            _plane(plan, blocks, stokes, whole)


@contextmanager
def filling(plane: NDArray[np.floating], precision: Precision) -> Iterator[NDArray[Any]]:
    """A contiguous array of this precision to fill in place of a plane: that itself, or one that is copied to it."""
    if plane.dtype == precision and plane.flags.c_contiguous:
        yield plane
        return
    whole = np.empty(plane.shape, precision)
    yield whole
    plane[...] = whole


def _plane(plan: Plan, blocks: Sequence[Block], stokes: int, out: NDArray[np.floating]) -> None:
    s, basis, scheme = plan.shape, plan.basis, plan.scheme
    get = partial(buffers.get, scheme.precision)
    uv = _grid(plan, blocks, stokes, get)
    half = get("half", s.blocks * s.terms * s.rows * 32)
    transform_u(uv, s, make_transform(plan.u_size, scheme, get), get("staged", plan.u_size * s.terms * 16), half)
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
        taps, plan.eta_line, columns, work, lines,
    )  # fmt: skip
    if not fine or not resample_xi(
        lines, s, taps, plan.xi_line, plan.eta_line, plan.plane.transposed, work, out.reshape(-1)
    ):
        raise UnsuitableError("the field is too wide and its array too steep")


def _grid(plan: Plan, blocks: Sequence[Block], stokes: int, get: Get) -> Floats:
    """The half plane of a Stokes.

    Where more rows than a batch meet few cells, batches are summed apart, whatever blocks they are of: a sum of n equal
    numbers one by one in single precision is off by 3e-8 sqrt(n). Larger grids have larger batches, so that this costs
    less than the gridding.
    """
    s, basis, scheme = plan.shape, plan.basis, plan.scheme
    batch = max(_BATCH, s.rows * s.columns // 4)
    total, add = get("grid", plan.grid_size), gridder(s.terms, scheme.support, scheme.degree)
    total[:] = 0
    part, room = total, batch
    for block, rows in zip(blocks, plan.rows, strict=True):
        visibility = read_only(block.visibility[stokes], scheme.samples)
        frequency = read_only(block.frequency, np.float64)
        start = 0
        while start < len(rows):
            if not room:
                if part is not total:
                    total += part
                part, room = get("part", plan.grid_size), batch
                part[:] = 0
            here = slice(start, min(start + room, len(rows)))
            add(
                part, s.columns * 2 * s.terms, s.row0, s.column0,
                rows[here], frequency, visibility[here], kernel_polynomials(scheme), basis.in_height, basis.odd,
            )  # fmt: skip
            room -= here.stop - start
            start = here.stop
    if part is not total:
        total += part
    return total


def read_only(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """The same values, contiguous and not to be written: for numba that is a type, to be compiled but once."""
    view: NDArray[Any] = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view


def make_transform(n: int, scheme: Scheme, get: Get) -> Transform:
    """The two work arrays lie 1 KiB apart modulo 4 KiB, so that writing one does not wait for reading the other."""
    page = 4096 // np.dtype(scheme.precision).itemsize
    size = -(-n * 16 // page) * page
    both = get("fft", 2 * size + 2 * page)
    start = -(both.ctypes.data // both.itemsize) % page
    second = start + size + page // 4 + 16
    radices, twiddles = fft_plan(n, scheme.precision)
    return Transform(n, radices, twiddles, both[start : start + n * 16], both[second : second + n * 16])
