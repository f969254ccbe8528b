"""The slant kernel on a GPU: the same plan as on the CPU, the stages in slant.cu. See docs/kernel.md.

What differs: samples are sorted by tiles of the uv plane before they are summed; a column needs no shear, as each pixel
may take its taps from anywhere; sums are atomic, so that the last bits of an image may differ from run to run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data import Block, Grid
from fip.imaging.cuda.device import Device
from fip.imaging.slant.grid import EDGE, SUPPORT, correction_polynomial, kernel_polynomials
from fip.imaging.slant.plan import Plan, make_plan
from fip.imaging.slant.resample import TAPS, tap_tables
from fip.imaging.slant.sheet import UnsuitableError

log = logging.getLogger("fip.imaging.cuda")

Imager = Callable[[Sequence[Block], NDArray[np.floating]], str]

TILE = 16  # cells, as in slant.cu
SIDE = TILE + SUPPORT - 1
NODES = 512  # of the table of taps whose Taylor step is of first order
PART = 1024  # samples of a tile that one block of threads sums
BANDS = 8  # that an image is made in: one is copied back while the next is made
GEOMETRY = np.dtype(
    [(name, "f8") for name in ("xi0", "xi_step", "eta_centre", "eta_step", "a", "b", "q_centre", "per_q", "pixel")]
    + [(name, "i4") for name in ("terms", "odd", "powers_f", "powers_g", "rows", "row0", "u_size", "column0")]
    + [(name, "i4") for name in ("width", "v_size", "xi_pixels", "eta_pixels")],
    align=True,
)
"""The struct Slant of slant.cu."""


class CudaSlantKernel:
    """Images a slice by its slant where its geometry allows, else by the kernel it is given to fall back on."""

    name = "slant"

    def __init__(self, device: Device, grid: Grid, epsilon: float, fall_back: Imager) -> None:
        self._device, self._grid, self._epsilon, self._fall_back = device, grid, epsilon, fall_back
        self._last_reason = ""

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """See fip.imaging.kernels.Kernel."""
        try:
            plan = make_plan(blocks, self._grid, self._epsilon)
        except UnsuitableError as unsuitable:
            if str(unsuitable) != self._last_reason:
                log.info("not by the slant kernel: %s", unsuitable)
                self._last_reason = str(unsuitable)
            return self._fall_back(blocks, out)
        Rendering(self._device, plan, blocks, self._grid).render(out)
        return self.name


class Rendering:
    """One slice on the device."""

    def __init__(self, device: Device, plan: Plan, blocks: Sequence[Block], grid: Grid) -> None:
        self._device, self._plan, self._blocks, self._grid = device, plan, blocks, grid
        self._geometry = geometry(plan, grid)
        self._slant = device.xp.asarray(np.frombuffer(self._geometry.tobytes(), np.uint8))
        table, starts = tap_tables()
        self._taps = device.xp.asarray(table[starts[0] : starts[0] + NODES * TAPS * 2])
        self._samples = sum(block.visibility[0].size for block in blocks)

    def render(self, out: NDArray[np.floating]) -> None:
        """Fill out[stokes, y, x] as fip.imaging.kernels.Kernel says."""
        for stokes, plane in enumerate(out):
            self._resample(self._combined(self._terms(self._gridded(stokes))), plane)

    def _gridded(self, stokes: int) -> Any:
        """The half plane [term, row, u_size], complex64."""
        xp, g = self._device.xp, self._geometry
        across = -(-(2 * int(g["column0"])) // TILE)
        cell, place = xp.empty((self._samples, 2), xp.int32), xp.empty((self._samples, 4), xp.float32)
        value, key = xp.empty(self._samples, xp.complex64), xp.empty(self._samples, xp.int32)
        first = 0
        for block, rows in zip(self._blocks, self._plan.rows, strict=True):
            visibility = xp.asarray(np.ascontiguousarray(block.visibility[stokes], np.complex64))
            args = [xp.asarray(rows), xp.asarray(block.frequency), visibility]
            count, channels = np.int32(visibility.size), np.int32(len(block.frequency))
            self._each("locate", visibility.size,
                       [*args, count, channels, np.int32(first), self._slant, np.int32(across),
                        cell, place, value, key])  # fmt: skip
            first += visibility.size
        order = xp.argsort(key).astype(xp.int32)
        parts = tile_parts(np.asarray(_host(xp.bincount(key))))
        out = xp.zeros((int(g["terms"]), int(g["rows"]), int(g["u_size"])), xp.complex64)
        in_height = xp.asarray(np.ascontiguousarray(self._plan.basis.in_height))
        self._device.launch(
            "grid_tiles", len(parts[0]),
            [order, *map(xp.asarray, parts), np.int32(across), self._slant, xp.asarray(kernel_polynomials()),
             in_height, cell, place, value, out],
            shared=SIDE * SIDE * int(g["terms"]) * 8,
        )  # fmt: skip
        return out

    def _terms(self, half_plane: Any) -> Any:
        """The terms' real images [term, column, v_size], float32."""
        xp, g = self._device.xp, self._geometry
        rows = xp.fft.ifft(half_plane, axis=-1, norm="forward")
        shape = int(g["terms"]), int(g["width"]), int(g["v_size"]) // 2 + 1
        spectra = xp.empty(shape, xp.complex64)
        self._each("half_spectra", spectra.size, [xp.ascontiguousarray(rows), self._slant, spectra])
        return xp.fft.irfft(spectra, int(g["v_size"]), axis=-1, norm="forward").astype(xp.float32)

    def _combined(self, terms: Any) -> Any:
        """The slanted image [column, v_size], float32."""
        xp, g = self._device.xp, self._geometry
        out = xp.empty(terms.shape[1:], xp.float32)
        v_size = int(g["v_size"])
        corrections = 0.5 * correction(self._plan.across), correction((np.arange(v_size) - v_size // 2) / v_size)
        in_q = xp.asarray(np.ascontiguousarray(self._plan.basis.in_q))
        factors = [xp.asarray(each.astype(np.float32)) for each in corrections]
        self._each("combine", out.size, [terms, self._slant, in_q, *factors, out])
        return out

    def _resample(self, slanted: Any, plane: NDArray[np.floating]) -> None:
        """Interpolates along eta, then along xi, to plane[y, x]."""
        xp, g = self._device.xp, self._geometry
        xi_pixels, eta_pixels = int(g["xi_pixels"]), int(g["eta_pixels"])
        lines = xp.empty((int(g["width"]), eta_pixels), xp.float32)
        self._each("along_eta", lines.size, [slanted, self._slant, self._taps, lines])
        band = -(-xi_pixels // BANDS)
        for first in range(0, xi_pixels, band):
            count = min(band, xi_pixels - first)
            piece = xp.empty((count, eta_pixels), xp.float32)
            self._each("along_xi", piece.size,
                       [lines, self._slant, self._taps, np.int32(first), np.int32(count), piece])  # fmt: skip
            if self._plan.plane.transposed:
                self._device.send_back(xp.ascontiguousarray(piece.T), plane[:, first : first + count])
            else:
                self._device.send_back(piece, plane[first : first + count])
        self._device.finish()

    def _each(self, name: str, elements: int, args: Sequence[Any]) -> None:
        """Launches a function that strides over so many elements."""
        self._device.launch(name, min(-(-elements // self._device.threads), 1 << 16), args)


def geometry(plan: Plan, grid: Grid) -> NDArray[np.void]:
    """The plan as the struct Slant of slant.cu, an array of one."""
    s, basis = plan.shape, plan.basis
    xi_pixels, eta_pixels = (grid.width, grid.height) if plan.plane.transposed else (grid.height, grid.width)
    values = (
        s.xi0, s.xi_step, s.eta0 + s.length // 2 * s.eta_step, s.eta_step, s.a, s.b, s.q_centre, s.per_q, grid.scale,
        s.terms, int(basis.odd @ (1 << np.arange(s.terms))), basis.in_height.shape[1], basis.in_q.shape[1],
        s.rows, s.row0, plan.u_size, s.column0, s.blocks * 16, plan.v_size, xi_pixels, eta_pixels,
    )  # fmt: skip
    return np.array(values, GEOMETRY)


def tile_parts(counts: NDArray[np.integer]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """(begin, end, tile) of parts of at most PART samples, where tile t has counts[t] of the samples sorted by tile."""
    ends = np.cumsum(counts)
    tile = np.repeat(np.arange(len(counts)), -(-counts // PART))
    nth = np.arange(len(tile)) - np.searchsorted(tile, tile)
    begin = (ends - counts)[tile] + nth * PART
    end = np.minimum(begin + PART, ends[tile])
    return begin.astype(np.int32), end.astype(np.int32), tile.astype(np.int32)


def correction(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The gridding kernel's correction at these fractions of the transform; 0 beyond the image."""
    powers = at[:, None] ** (2 * np.arange(len(correction_polynomial())))
    return np.where(np.abs(at) <= EDGE * 1.01, powers @ correction_polynomial(), 0.0)


def _host(array: Any) -> Any:
    return array.get() if hasattr(array, "get") else array
