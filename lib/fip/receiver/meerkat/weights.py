"""Weights that are to be divided by the power of both inputs, as `need_weights_power_scale` asks. Compiled.

The weight of inputs i and j in channel c is weights[c, ij] weights_channel[c] / (P_i[c] P_j[c]), P the autocorrelations
of the same integration, as katdal's `weight_power_scale` (katdal/vis_flags_weights.py) has it. A spool has a byte a
sample times a number a channel, so each channel gets a number anew, such that its largest weight is 255.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fip.spool.setup import Setup

_POLARISATION = {"XX": (0, 0), "XY": (0, 1), "YX": (1, 0), "YY": (1, 1)}


class PowerScale:
    """Divides weights of one heap after the other, all of the same channels."""

    def __init__(self, setup: Setup, channels: int) -> None:
        """`channels` is the number of channels in a heap."""
        left, right = inputs(setup)
        self._autos = np.full(2 * len(setup.antennas), -1, np.int32)  # which product is an input's own
        own = np.flatnonzero(left == right)
        self._autos[left[own]] = own
        self._left, self._right = left, right
        self._known = np.zeros((channels, len(self._autos)), np.float32)
        self._weight = np.zeros((channels, len(left)), np.uint8)
        self._scale = np.zeros(channels, np.float32)
        cell = channels, len(left)
        self(np.zeros(cell, np.complex64), np.zeros(cell, np.uint8), self._scale)  # compiles it before anything comes

    def __call__(
        self, visibility: NDArray[np.complex64], weight: NDArray[np.uint8], scale: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return weights and scale, divided; the arrays are used again by the next call.

        If an input's own product did not come, or is 0, its power is the one before; without one, the weight is 0.
        """
        if not visibility.flags.aligned:  # the first heap of all; it would have to be compiled anew
            visibility = visibility.copy()
        _divide(visibility, weight, scale, self._autos, self._left, self._right, self._known, self._weight, self._scale)
        return self._weight, self._scale


def inputs(setup: Setup) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the two inputs of each product: twice the antenna's number, and one more for Y."""
    hands = [_POLARISATION[each.correlation] for each in setup.products]
    left = [2 * each.antenna1 + hand[0] for each, hand in zip(setup.products, hands, strict=True)]
    right = [2 * each.antenna2 + hand[1] for each, hand in zip(setup.products, hands, strict=True)]
    return np.array(left, np.int32), np.array(right, np.int32)


def without_power(setup: Setup) -> list[str]:
    """Return the inputs that have no autocorrelation: their weights cannot be divided."""
    left, right = inputs(setup)
    own = set(left[left == right].tolist())
    lacking = sorted({*left.tolist(), *right.tolist()} - own)
    return [setup.antennas[each // 2].name + "hv"[each % 2] for each in lacking]


@numba.njit(nogil=True, cache=True)
def _divide(
    visibility: Any, weight: Any, scale: Any, autos: Any, left: Any, right: Any, known: Any, out: Any, out_scale: Any
) -> None:
    channels, products = weight.shape
    inverse = np.zeros(len(autos), np.float32)
    row = np.zeros(products, np.float32)
    for channel in range(channels):
        for each in range(len(autos)):
            power = np.float32(0.0) if autos[each] < 0 else visibility[channel, autos[each]].real
            if power > 0 and power < np.inf:
                known[channel, each] = power
            power = known[channel, each]
            inverse[each] = 1 / power if power > 0 else np.float32(0.0)
        largest = np.float32(0.0)
        for each in range(products):
            value = weight[channel, each] * inverse[left[each]] * inverse[right[each]]
            row[each] = value
            largest = max(largest, value)
        factor = scale[channel]
        good = largest > 0 and largest < np.inf and factor > 0 and factor < np.inf
        step = np.float32(255.0) / largest if good else np.float32(0.0)
        out_scale[channel] = factor * largest / np.float32(255.0) if good else np.float32(0.0)
        for each in range(products):
            out[channel, each] = np.uint8(row[each] * step + np.float32(0.5))
