"""What a kernel is: from the blocks of one output channel to its dirty image."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block

Imager = Callable[[Sequence[Block], NDArray[np.floating]], str]
"""`Kernel.image`, as a kernel takes it to fall back on."""


class Kernel(Protocol):
    """Makes dirty images. May keep what is the same in every slice of a run, nothing that changes a bit of an image."""

    def empty(self, shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[np.floating]:
        """An array of any contents, of which parts may be given to `image` as `out`: what it fills fastest."""
        return np.empty(shape, dtype)

    def image(self, blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        """Fill out[stokes, y, x] with sum_k Re[V_k exp(-2 pi i (u_k l + v_k m + w_k (n - 1)))] over all samples.

        V_k is what the blocks hold, weight x visibility, so the caller divides by the sum of weights.
        y ascends to the north (m), x descends to the east (l), pixel (height/2, width/2) is l = m = 0; there is
        no factor 1/n. L2(out - exact) <= epsilon L2(exact). Pixels beyond the horizon are undefined.
        Returns the name of the kernel that was used, which another may have fallen back on for these samples.
        """
