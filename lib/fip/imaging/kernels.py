"""Kernels: from the blocks of one output channel to its dirty image. Their interface, and the choice of one. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.memory import on_boundary
from fip.data.quantities import SPEED_OF_LIGHT, format_angle
from fip.data.settings import COARSEST_EPSILON, FINEST_EPSILON, KERNELS, Imaging
from fip.data.values import SINGLE_PRECISION_EPSILON, Block, Grid, Statistics
from fip.imaging.beam import PLAIN, Ways
from fip.imaging.ducc import dirty

SDP_FUNC = "ska-sdp-func"

CPU = "cpu"  # a device; the others are "cuda:N"

GPU_FINEST_EPSILON = 1e-5  # of the slant kernel there, which is single precision

# What ducc0's w-gridder accepts: single precision down to this epsilon, and images of at least this side.
_DUCC_SINGLE_PRECISION_EPSILON = 1e-5
_DUCC_SMALLEST_SIDE = 32

_NARROWEST = 1e-15  # rad^2: if 1 - l^2 - m^2 is 1 in double precision, ducc0 finds no n, and its image is NaN

_DUCC_MARGIN = 0.7
"""The share of epsilon that ducc0 is asked for: asked for 1e-3, it missed that by 7 % in an image of 24 x 20 pixels."""


Imager = Callable[[Sequence[Block], NDArray[np.floating]], str]
"""A function as `Kernel.image`, on which another kernel can fall back."""


class Kernel(Protocol):
    """Makes dirty images. It may keep what is the same in every slice of a run, but nothing that changes an image."""

    beams: Ways = PLAIN  # how the beams of its images are fitted

    def empty(self, shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[np.floating]:
        """Return an array of any contents that `image` fills fastest; parts of it may be given as `out`."""
        return on_boundary(math.prod(shape) * np.dtype(dtype).itemsize).view(dtype).reshape(shape)

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """Fill out[stokes, y, x] with sum_k Re[V_k exp(-2 pi i (u_k l + v_k m + w_k (n - 1)))] over all samples.

        V_k is what the blocks hold, weight x visibility, so the caller divides by the sum of weights.
        y ascends to the north (m), x descends to the east (l), pixel (height/2, width/2) is l = m = 0; there is
        no factor 1/n. L2(out - exact) <= epsilon L2(exact). Pixels beyond the horizon are undefined.
        Return the name of the kernel that was used: this one, or the one that it fell back on for these samples.
        """

    def measured(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> tuple[str, Statistics | None]:
        """Do as `image`; also return the statistics of the first plane above the horizon, if they are cheap here.

        They are the same as fip.imaging.statistics gives.
        """
        return self.image(blocks, out), None

    def release(self) -> None:
        """Give back the memory that is held for the next image of this thread."""
        return


class WGridder(Kernel):
    """Improved w-stacking (Arras et al. 2021, A&A 646, A58), as in ducc0: any array, any field, CPU."""

    name = "wgridder"

    def __init__(self, settings: Imaging, grid: Grid) -> None:
        self._grid = grid
        single = settings.epsilon >= _DUCC_SINGLE_PRECISION_EPSILON
        self._epsilon = max(_DUCC_MARGIN * settings.epsilon, _DUCC_SINGLE_PRECISION_EPSILON if single else 0.0)
        self._precision = np.complex64 if single else np.complex128

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """Fill `out` as `Kernel.image` says."""
        uvw = [block.uvw for block in blocks]
        frequencies = [block.frequency for block in blocks]
        shape = max(self._grid.height, _DUCC_SMALLEST_SIDE), max(self._grid.width, _DUCC_SMALLEST_SIDE)
        curved = self._curved(blocks, shape)
        for stokes, plane in enumerate(out):
            values = [block.visibility[stokes].ravel() for block in blocks]
            image = dirty(uvw, frequencies, values, self._precision, shape, self._grid.scale, self._epsilon, curved)
            top, left = (image.shape[0] - self._grid.height) // 2, (image.shape[1] - self._grid.width) // 2
            plane[...] = image[top : top + self._grid.height, left : left + self._grid.width]  # pixel N/2 is the same
        return self.name

    def _curved(self, blocks: Sequence[Block], shape: tuple[int, int]) -> bool:
        """Return whether the sky is curved over the image, so that w matters. UsageError for cases in between."""
        square = (math.hypot(*shape) / 2 * self._grid.scale) ** 2
        if square > _NARROWEST:
            return True
        longest = max(float(np.abs(b.uvw[:, 2]).max()) * float(b.frequency[-1]) for b in blocks) / SPEED_OF_LIGHT
        if math.pi * longest * square > self._epsilon:
            raise UsageError(
                f"a field of {format_angle(2 * math.sqrt(square))} with w up to {longest:.3g} wavelengths cannot be "
                f"imaged to {self._epsilon:g}: give a larger --epsilon or a larger field"
            )
        return False


def make_kernel(settings: Imaging, grid: Grid, device: str = CPU) -> Kernel:
    """Make the kernel of FIP's that the settings name, for this grid on "cpu" or "cuda:N", for use in one thread.

    On a GPU, `auto` is the slant kernel; the w-gridder images on the CPU what that cannot. Below an epsilon of 1e-5
    both kernels are the CPU's. Raise UsageError as `check_kernel` does, and if the device or its libraries are missing.
    """
    check_kernel(settings.kernel, settings.epsilon, grid.width, grid.height)
    if settings.kernel not in KERNELS:
        raise UsageError(f"kernel {settings.kernel!r} is not known: give {', '.join(KERNELS)}")
    if settings.kernel == SDP_FUNC:
        if device == CPU:
            raise UsageError(f"kernel {SDP_FUNC} runs on GPUs alone, this worker is on the CPU: use --device cuda:0")
        from fip.imaging.cuda.device import cuda_device
        from fip.imaging.cuda.sdp_func import SdpFuncKernel

        return SdpFuncKernel(cuda_device(device), grid, settings.epsilon)
    wgridder = WGridder(settings, grid)
    if settings.kernel == WGridder.name:
        return wgridder
    # Late: they import numba, which costs half a second and which the ventilator and the sink may not have, or cupy.
    if device != CPU and settings.epsilon >= GPU_FINEST_EPSILON:
        from fip.imaging.cuda.device import cuda_device
        from fip.imaging.cuda.slant import CudaSlantKernel

        return CudaSlantKernel(cuda_device(device), grid, settings.epsilon, wgridder.image)
    from fip.imaging.slant.kernel import SlantKernel
    from fip.imaging.slant.warm import warm_unless_warm

    warm_unless_warm(settings.epsilon)
    return SlantKernel(grid, settings.epsilon, wgridder.image, only_if_faster=settings.kernel == "auto")


def check_kernel(name: str, epsilon: float, width: int, height: int) -> None:
    """Raise UsageError if a kernel cannot make such images as accurately as asked; those of users are not checked."""
    if not FINEST_EPSILON <= epsilon <= COARSEST_EPSILON:
        raise UsageError(
            f"epsilon {epsilon:g} is out of reach of double precision, or useless: "
            f"give one from {FINEST_EPSILON:g} to {COARSEST_EPSILON:g}"
        )
    if name == SDP_FUNC and width != height:
        raise UsageError(
            f"kernel {SDP_FUNC} makes square images only, and this is {width}x{height}: "
            f"give --size {max(width, height)}, or another --kernel"
        )


def pixel_type(settings: Imaging) -> type[np.floating]:
    """Return float32 for an epsilon of 1e-6 or more, as its rounding is a tenth of that; else float64."""
    return np.float32 if settings.epsilon >= SINGLE_PRECISION_EPSILON else np.float64
