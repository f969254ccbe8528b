"""A slice on a GPU, from its samples to the images of its terms: every way to an image begins with this."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from fip.imaging.cuda import taps
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.cuda.packing import block_table, geometry, send
from fip.imaging.slant.grid import correction_polynomial, kernel_polynomials
from fip.imaging.slant.plan import Gridding
from fip.imaging.slant.scheme import SINGLE

LANES, TURN = 32, 32  # as in slant.cu
BATCH = 2**14  # samples: more are summed apart if they may meet in few cells


class Constants:
    """What is the same for all slices, on the device."""

    def __init__(self, device: CupyDevice) -> None:
        self.device = device
        for kind, pairs in (("tap", taps.of_the_slanted_image()), ("near", taps.of_a_term())):
            for parity, values in zip(("even", "odd"), pairs, strict=True):
                device.define(f"{kind}_{parity}", values)
        self.weights = device.xp.asarray(kernel_polynomials(SINGLE))
        self.correction = device.xp.asarray(correction_polynomial(SINGLE))


class Terms:
    """One slice on the device, stage by stage, to the images of its terms."""

    def __init__(
        self, constants: Constants, plan: Gridding, blocks: Sequence[Block], grid: Grid, *more: NDArray[Any]
    ) -> None:
        """Send what a slice needs in one copy; `more` arrays become `self.more` on the device, as bytes."""
        self.constants, self.device = constants, constants.device
        self.plan, self.blocks, self.grid = plan, blocks, grid
        self.geometry = geometry(plan, grid)
        self.samples = sum(block.visibility[0].size for block in blocks)
        sent = [
            self.geometry, np.concatenate(plan.rows), np.concatenate([block.frequency for block in blocks]),
            block_table(blocks), plan.basis.in_height, plan.basis.in_q, *more,
        ]  # fmt: skip
        there = send(self.device, sent)
        self.slant, self.rows, self.frequency, self.table, self.in_height, self.in_q, *self.more = there

    def visibility(self, stokes: int) -> Any:
        """Return the visibilities [sample] of all blocks, complex64."""
        values = [block.visibility[stokes].ravel() for block in self.blocks]
        return self.device.xp.asarray(np.concatenate(values, dtype=np.complex64))

    def gridded(self, stokes: int) -> Any:
        """Return the half plane [term, row, u_size], complex64.

        A sum of n equal numbers in single precision, one by one, is off by 3e-8 sqrt(n): batches are summed apart.
        """
        xp, g, visibility = self.device.xp, self.geometry, self.visibility(stokes)
        shape = int(g["terms"]), int(g["rows"]), int(g["u_size"])
        batch, total = max(BATCH, shape[1] * shape[2] // 4), None
        for first in range(0, self.samples, batch):
            part, end = xp.zeros(shape, np.complex64), min(first + batch, self.samples)
            self.each(
                "grid_samples", (end - first) * LANES,
                [self.rows, self.frequency, visibility, self.table, np.int32(first), np.int32(end), self.slant,
                 self.constants.weights, self.in_height, part],
            )  # fmt: skip
            if total is None:
                total = part
            else:
                total += part
        return total

    def terms(self, half_plane: Any) -> Any:
        """Return the terms' real images [term, column, v_size], float32, not corrected for the gridding."""
        xp, g = self.device.xp, self.geometry
        rows = xp.ascontiguousarray(xp.fft.ifft(half_plane, axis=-1, norm="forward"))
        shape = int(g["terms"]), int(g["width"]), int(g["v_size"]) // 2 + 1
        spectra = xp.empty(shape, np.complex64)
        squares = shape[0] * -(-shape[1] // TURN) * -(-shape[2] // TURN)
        self.device.launch("half_spectra", min(squares, self.device.blocks), [rows, self.slant, spectra])
        return xp.fft.irfft(spectra, int(g["v_size"]), axis=-1, norm="forward").astype(np.float32, copy=False)

    def corrections(self) -> Any:
        """Return the factors that undo the gridding, of columns, then of their samples, [width + v_size], float32."""
        coefficients, g = self.constants.correction, self.geometry
        out, edge = self.device.xp.empty(int(g["width"] + g["v_size"]), np.float32), np.float32(SINGLE.edge * 1.01)
        self.each("corrections", out.size, [self.slant, coefficients, np.int32(len(coefficients)), edge, out])
        return out

    def corrected(self, terms: Any) -> Any:
        """Return the needed samples of the terms' images, corrected for gridding, [term, column, length], float32."""
        out = self.device.xp.empty((*terms.shape[:2], self.plan.shape.length), np.float32)
        self.each("correct_terms", out.size, [terms, self.slant, self.corrections(), out])
        return out

    def each(self, name: str, elements: int, args: Sequence[Any]) -> None:
        """Launch a function that strides over so many elements."""
        self.device.launch(name, min(-(-elements // self.device.threads), self.device.blocks), args)
