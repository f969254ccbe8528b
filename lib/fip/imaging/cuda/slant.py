"""The slant kernel on a GPU: the same plan as on the CPU, the stages in slant.cu. See docs/kernel.md.

What differs: 32 threads grid a sample together, by atomic additions to the whole half plane, so that the last bits of
an image may differ from run to run; a column needs no shear, as each pixel may take its taps from anywhere; and taps
are evaluated, not looked up.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.kernels import Imager
from fip.imaging.slant.buffers import filling
from fip.imaging.slant.grid import correction_polynomial, kernel_polynomials
from fip.imaging.slant.kernel import SlantKernel
from fip.imaging.slant.plan import Plan, make_plan
from fip.imaging.slant.resample import make_taps
from fip.imaging.slant.scheme import SINGLE
from fip.imaging.slant.sheet import UnsuitableError

LANES, TURN, EVEN, ODD = 32, 32, 6, 5  # as in slant.cu
ALIGNED = 256  # bytes: where an array that is sent with others may begin
BATCH = 2**14  # samples: more are summed apart where they may meet in few cells
BANDS = 8  # that an image is made in: one is copied back while the next is made
GEOMETRY = np.dtype(
    [(name, "f8") for name in ("xi0", "xi_step", "eta_centre", "eta_step", "a", "b", "q_centre", "per_q", "pixel")]
    + [(name, "i4") for name in ("terms", "odd", "powers_f", "powers_g", "rows", "row0", "u_size", "column0")]
    + [(name, "i4") for name in ("width", "v_size", "xi_pixels", "eta_pixels")],
    align=True,
)
"""The struct Slant of slant.cu."""

BLOCK = np.dtype([(name, "i4") for name in ("first", "first_row", "first_frequency", "channels")])
"""The struct Block of slant.cu."""


class CudaSlantKernel(SlantKernel):
    """The same on a GPU, which makes every image that it can through a slanted one."""

    ways = (make_plan,)

    def __init__(self, device: CupyDevice, grid: Grid, epsilon: float, fall_back: Imager) -> None:
        super().__init__(grid, epsilon, fall_back, only_if_faster=False)
        self.device = device
        for name, values in zip(("tap_even", "tap_odd"), tap_polynomials(), strict=True):
            device.define(name, values)
        self.weights = device.xp.asarray(kernel_polynomials(SINGLE))
        self.correction = device.xp.asarray(correction_polynomial(SINGLE))

    def empty(self, shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[np.floating]:
        """See fip.imaging.kernels.Kernel."""
        return self.device.empty(shape, dtype)

    def render(self, plan: Plan, blocks: Sequence[Block], out: NDArray[np.floating]) -> None:
        """See SlantKernel."""
        Rendering(self, plan, blocks).render(out)


class Rendering:
    """One slice on the device, stage by stage."""

    def __init__(self, kernel: CudaSlantKernel, plan: Plan, blocks: Sequence[Block]) -> None:
        self._kernel, self._device = kernel, kernel.device
        self._plan, self._blocks = plan, blocks
        self._geometry = geometry(plan)
        self._samples = sum(block.visibility[0].size for block in blocks)
        sent = [
            self._geometry, np.concatenate(plan.rows), np.concatenate([block.frequency for block in blocks]),
            block_table(blocks), plan.basis.in_height, plan.basis.in_q,
        ]  # fmt: skip
        self._slant, self._rows, self._frequency, self._table, self._in_height, self._in_q = send(self._device, sent)

    def render(self, out: NDArray[np.floating]) -> None:
        """Fill out[stokes, y, x] as a Kernel does. Raise UnsuitableError with `out` in any state."""
        missing = self._device.xp.zeros(1, np.int32)
        for stokes, plane in enumerate(out):
            lines = self.along_eta(self.combined(self.terms(self.gridded(stokes))))
            with filling(plane, "float32") as whole:
                self.send_back(lines, missing, whole)
        if int(missing[0]):
            raise UnsuitableError("the field is too wide and its array too steep")

    def gridded(self, stokes: int) -> Any:
        """The half plane [term, row, u_size], complex64.

        A sum of n equal numbers in single precision, one by one, is off by 3e-8 sqrt(n): batches are summed apart.
        """
        xp, g = self._device.xp, self._geometry
        values = [block.visibility[stokes].ravel() for block in self._blocks]
        visibility = xp.asarray(np.concatenate(values, dtype=np.complex64))
        shape = int(g["terms"]), int(g["rows"]), int(g["u_size"])
        batch, total = max(BATCH, shape[1] * shape[2] // 4), None
        for first in range(0, self._samples, batch):
            part, end = xp.zeros(shape, np.complex64), min(first + batch, self._samples)
            self._each(
                "grid_samples", (end - first) * LANES,
                [self._rows, self._frequency, visibility, self._table, np.int32(first), np.int32(end), self._slant,
                 self._kernel.weights, self._in_height, part],
            )  # fmt: skip
            if total is None:
                total = part
            else:
                total += part
        return total

    def terms(self, half_plane: Any) -> Any:
        """The terms' real images [term, column, v_size], float32."""
        xp, g = self._device.xp, self._geometry
        rows = xp.ascontiguousarray(xp.fft.ifft(half_plane, axis=-1, norm="forward"))
        shape = int(g["terms"]), int(g["width"]), int(g["v_size"]) // 2 + 1
        spectra = xp.empty(shape, np.complex64)
        squares = shape[0] * -(-shape[1] // TURN) * -(-shape[2] // TURN)
        self._device.launch("half_spectra", squares, [rows, self._slant, spectra], shared=TURN * (TURN + 1) * 8)
        return xp.fft.irfft(spectra, int(g["v_size"]), axis=-1, norm="forward").astype(np.float32, copy=False)

    def combined(self, terms: Any) -> Any:
        """The slanted image [column, v_size], float32."""
        xp, coefficients = self._device.xp, self._kernel.correction
        correct, out = xp.empty(sum(terms.shape[1:]), np.float32), xp.empty(terms.shape[1:], np.float32)
        edge = np.float32(SINGLE.edge * 1.01)
        self._each("corrections", correct.size, [self._slant, coefficients, np.int32(len(coefficients)), edge, correct])
        self._each("combine", out.size, [terms, self._slant, self._in_q, correct, out])
        return out

    def along_eta(self, slanted: Any) -> Any:
        """Interpolated to the pixels of eta, [column, eta pixel]."""
        lines = self._device.xp.empty((int(self._geometry["width"]), int(self._geometry["eta_pixels"])), np.float32)
        self._each("along_eta", lines.size, [slanted, self._slant, lines])
        return lines

    def send_back(self, lines: Any, missing: Any, plane: NDArray[np.float32]) -> None:
        """Interpolates along xi, to plane[y, x], in bands of rows: one is copied while the next is made."""
        xi_pixels, eta_pixels = int(self._geometry["xi_pixels"]), int(self._geometry["eta_pixels"])
        transposed, band = self._plan.plane.transposed, -(-len(plane) // BANDS)
        for first in range(0, len(plane), band):
            rows = slice(first, min(first + band, len(plane)))
            count = rows.stop - first
            xi, eta = ((0, xi_pixels), (first, count)) if transposed else ((first, count), (0, eta_pixels))
            piece = self._device.xp.empty((xi[1], eta[1]), np.float32)
            self._each("along_xi", piece.size, [lines, self._slant, *map(np.int32, xi + eta), missing, piece])
            self._device.send_back(self._device.xp.ascontiguousarray(piece.T) if transposed else piece, plane[rows])
        self._device.finish()

    def _each(self, name: str, elements: int, args: Sequence[Any]) -> None:
        """Launches a function that strides over so many elements."""
        self._device.launch(name, min(-(-elements // self._device.threads), 1 << 16), args)


def send(device: CupyDevice, arrays: Sequence[NDArray[Any]]) -> list[Any]:
    """Arrays on the device, whatever their types as bytes there, by one copy."""
    starts = [0, *np.cumsum([-(-array.nbytes // ALIGNED) * ALIGNED for array in arrays]).tolist()]
    packed = np.empty(starts[-1], np.uint8)
    for start, array in zip(starts, arrays, strict=False):
        packed[start : start + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
    there = device.xp.asarray(packed)
    return [there[start : start + array.nbytes] for start, array in zip(starts, arrays, strict=False)]


def block_table(blocks: Sequence[Block]) -> NDArray[np.void]:
    """The struct Block of slant.cu for each block, and one that ends the last."""
    table = np.zeros(len(blocks) + 1, BLOCK)
    sizes = [(block.visibility[0].size, len(block.uvw), len(block.frequency)) for block in blocks]
    for number, name in enumerate(("first", "first_row", "first_frequency")):
        table[name][1:] = np.cumsum([size[number] for size in sizes])
    table["channels"][:-1] = [size[2] for size in sizes]
    return table


def geometry(plan: Plan) -> NDArray[np.void]:
    """The plan as the struct Slant of slant.cu, an array of one."""
    s, basis, xi, eta = plan.shape, plan.basis, plan.xi_line, plan.eta_line
    values = (
        s.xi0, s.xi_step, s.eta0 + s.length // 2 * s.eta_step, s.eta_step, s.a, s.b, s.q_centre, s.per_q, xi.pitch,
        s.terms, int(basis.odd @ (1 << np.arange(s.terms))), basis.in_height.shape[1], basis.in_q.shape[1],
        s.rows, s.row0, plan.u_size, s.column0, s.blocks * 16, plan.v_size, xi.rows, eta.rows,
    )  # fmt: skip
    return np.array(values, GEOMETRY)


@cache
def tap_polynomials() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """tap_even and tap_odd of slant.cu, from the table that the CPU's kernel interpolates with.

    Taps i and taps - 1 - i mirror each other about the middle of their samples.
    """
    made = make_taps(SINGLE)
    first = made.table[made.starts[0] : made.starts[1]]
    taps = first.reshape(-1, SINGLE.taps, 2)[:, :, 0].astype(np.float64)
    y = 2 * np.arange(len(taps)) / len(taps) - 1
    parts = []
    for parity, count, sign in ((0, EVEN, 1), (1, ODD, -1)):
        half = (taps + sign * taps[:, ::-1])[:, : SINGLE.taps // 2] / 2
        powers = y[:, None] ** (2 * np.arange(count)[::-1] + parity)
        parts.append(np.linalg.lstsq(powers, half, rcond=None)[0].T.astype(np.float32).ravel())
    return parts[0], parts[1]
