"""The slant kernel on a GPU: the same plans as on the CPU, the stages in slant.cu. See docs/kernel.md.

What differs: 32 threads grid a sample together, by atomic additions to the whole half plane, so that the last bits of
an image may differ from run to run; a column needs no shear, as each pixel may take its taps from anywhere; and taps
are evaluated, not looked up.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid, Statistics
from fip.imaging.beam import Ways, round_samples
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.cuda.gridding import Constants
from fip.imaging.cuda.psf_patch import psf_patch
from fip.imaging.cuda.rendering import Rendering
from fip.imaging.cuda.sky import SkyRendering
from fip.imaging.kernels import Imager
from fip.imaging.slant.kernel import SlantKernel
from fip.imaging.slant.plan import Plan
from fip.imaging.slant.psf import main_lobe, patch, sums
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.sky_plan import SkyPlan


class CudaSlantKernel(SlantKernel):
    """The slant kernel on one GPU."""

    def __init__(self, device: CupyDevice, grid: Grid, epsilon: float, fall_back: Imager) -> None:
        super().__init__(grid, epsilon, fall_back, only_if_faster=False)
        self.constants = Constants(device)
        self.beams = Ways(sums, partial(main_lobe, of=self.patch))

    def empty(self, shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[np.floating]:
        """Return page-locked memory, as fip.imaging.kernels.Kernel says."""
        return self.constants.device.empty(shape, dtype)

    def render(self, plan: Plan | SkyPlan, blocks: Sequence[Block], out: NDArray[np.floating]) -> Statistics | None:
        """Render as SlantKernel says. Raise UnsuitableError also if the device has no memory left."""
        kind = SkyRendering if isinstance(plan, SkyPlan) else SlantRendering
        try:
            return kind(self.constants, plan, blocks, self._grid).render(out)
        except MemoryError:
            name = self.constants.device.name
            raise UnsuitableError(f"{name} has no memory left for it: about {1e-9 * plan.size:.2g} GB") from None

    def patch(
        self, blocks: Sequence[Block], to_sky: NDArray[np.float64], side: int, step: float
    ) -> NDArray[np.float64]:
        """Make the patch of fip.imaging.slant.psf.patch, by the GPU if that takes less time, else by the processor."""
        made = self.psf_patch(*round_samples(blocks, to_sky, side, step), side, step)
        return patch(blocks, to_sky, side, step) if made is None else made.astype(np.float64)

    def psf_patch(
        self,
        uvw: Sequence[NDArray[np.float64]],
        frequencies: Sequence[NDArray[np.float64]],
        weights: Sequence[NDArray[np.floating]],
        side: int,
        step: float,
    ) -> NDArray[np.floating] | None:
        """Make the patch by the GPU; None in the cases that `fip.imaging.cuda.psf_patch.psf_patch` names."""
        return psf_patch(self.constants, uvw, frequencies, weights, side, step)


class SlantRendering(Rendering):
    """The stages beyond the terms, through a slanted image."""

    plan: Plan

    def prepared(self, terms: Any) -> Any:
        """Return the slanted image at the pixels of eta, as Rendering says."""
        return self.along_eta(self.combined(terms))

    def combined(self, terms: Any) -> Any:
        """Return the slanted image [column, v_size], float32."""
        out = self.device.xp.empty(terms.shape[1:], np.float32)
        self.each("combine", out.size, [terms, self.slant, self.in_q, self.corrections(), out])
        return out

    def along_eta(self, slanted: Any) -> Any:
        """Interpolate to the pixels of eta, [column, eta pixel]."""
        lines = self.device.xp.empty((int(self.geometry["width"]), int(self.geometry["eta_pixels"])), np.float32)
        self.each("along_eta", lines.size, [slanted, self.slant, lines])
        return lines

    def band(self, prepared: Any, first: int, count: int) -> Any:
        """Make rows as Rendering says, by interpolation along xi."""
        whole = (0, int(self.geometry["xi_pixels"])), (0, int(self.geometry["eta_pixels"]))
        transposed = self.plan.plane.transposed
        xi, eta = (whole[0], (first, count)) if transposed else ((first, count), whole[1])
        piece = self.device.xp.empty((xi[1], eta[1]), np.float32)
        self.each("along_xi", piece.size, [prepared, self.slant, *map(np.int32, xi + eta), self.missing, piece])
        return self.device.xp.ascontiguousarray(piece.T) if transposed else piece
