"""The w-gridder of ska-sdp-func on a GPU, through cupy (Arras et al. 2021, A&A 646, A58).

The library is not on the package index; its documentation says how it is installed. What it leaves to its caller is
done here: images begin at zero, since it adds to them; they are not normalised, and it divides by n; frequencies must
ascend, since it takes the range of w from the first and the last; all |w| may not be equal, since it divides by that
range; it knows square images alone; and what lies outside its uv grid it drops without a word.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC, SPEED_OF_LIGHT
from fip.data.values import Block, Grid
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.kernels import Kernel

FINEST_EPSILON = 2e-13
_SUPPORT = 16  # cells of its widest kernel
_OVERSAMPLING = 1.2  # of its smallest grid


class SdpFuncKernel(Kernel):
    """`GridderUvwEsFft` in double precision: in single it holds coordinates in float32, too, and misses 1e-5."""

    name = "ska-sdp-func"

    def __init__(self, device: CupyDevice, grid: Grid, epsilon: float) -> None:
        """Open the library for a square `grid`. Raise UsageError if it is missing."""
        self._cupy, self._gridder = device.xp, find_gridder()
        self._grid, self._epsilon = grid, max(epsilon, FINEST_EPSILON)
        with self._cupy.cuda.Stream.null:
            self._n = self._cupy.asarray(_n(grid))

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """Image as fip.imaging.kernels.Kernel says. Raise UsageError for baselines that the library would drop."""
        cupy, scale = self._cupy, self._grid.scale
        with cupy.cuda.Stream.null:  # the library's stream: those of a CupyDevice do not wait for it
            uvw = cupy.asarray(in_wavelengths(blocks, scale, self._grid.width))
            frequency, ones = cupy.asarray([SPEED_OF_LIGHT]), cupy.ones((len(uvw), 1))
            for stokes, plane in enumerate(out):
                values = np.zeros((len(uvw), 1), np.complex128)  # 0 for the last row
                np.concatenate([block.visibility[stokes].ravel() for block in blocks], out=values[:-1, 0])
                samples = [uvw, frequency, cupy.asarray(values), ones]
                dirty = cupy.zeros((self._grid.height, self._grid.width))
                gridder = self._gridder(*samples, dirty, scale, scale, self._epsilon, True)
                gridder.grid_uvw_es_fft(*samples, dirty)
                plane[...] = (dirty * self._n).get()
        return self.name


def in_wavelengths(blocks: Sequence[Block], scale: float, side: int) -> NDArray[np.float64]:
    """Return [sample, 3]: each sample is a row, at the one frequency whose wavelength is a metre; and one row more.

    Its axes are (v, u): rows of the image go north, columns west. The last row keeps the range of |w| from being
    nothing. Raise UsageError if `side` pixels of `scale` (rad) are too coarse for a baseline.
    """
    rows = []
    for block in blocks:
        uvw = np.stack([-block.uvw[:, 1], block.uvw[:, 0], block.uvw[:, 2]], axis=1)
        rows.append((uvw[:, None] * (block.frequency / SPEED_OF_LIGHT)[:, None]).reshape(-1, 3))
    samples = np.concatenate([*rows, [[0.0, 0.0, max(np.abs(each[:, 2]).max() for each in rows) + 1]]])
    longest, reach = np.abs(samples[:, :2]).max(), 0.5 - (_SUPPORT / 2 + 1) / (_OVERSAMPLING * side)
    if longest * scale > reach:
        raise UsageError(
            f"kernel ska-sdp-func: pixels are too coarse for baselines of {longest:.0f} wavelengths, which it would "
            f"drop: give --scale {0.99 * reach / longest / ARCSEC:.3g}arcsec or less, or another --kernel"
        )
    return samples


def find_gridder() -> Any:
    """Return the class GridderUvwEsFft. Raise UsageError if the library is not installed."""
    try:
        from ska_sdp_func.grid_data import GridderUvwEsFft
    except ImportError as error:
        raise UsageError(
            f"kernel ska-sdp-func: the library cannot be imported ({error}); it is not on the package index: "
            "install it with CUDA as its documentation says (developer.skao.int, ska-sdp-func)"
        ) from None
    return GridderUvwEsFft


def _n(grid: Grid) -> NDArray[np.float64]:
    """Return n = sqrt(1 - l^2 - m^2) of each pixel [y, x]; 0 beyond the horizon."""
    east = (np.arange(grid.width) - grid.width // 2) * grid.scale
    north = (np.arange(grid.height) - grid.height // 2) * grid.scale
    return np.sqrt(np.maximum(1 - east**2 - north[:, None] ** 2, 0.0))
