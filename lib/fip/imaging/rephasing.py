"""Samples as if they had been correlated for another phase centre. Pure; `fip.data.rotations` has the formulas."""

from dataclasses import replace

import numpy as np

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.rotations import Array, turned
from fip.data.values import Block

_SAMPLES_AT_ONCE = 1 << 18


def rephase(block: Block, matrix: Array) -> Block:
    """The samples as if they had been correlated for another phase centre, uvw' = `matrix` uvw.

    `matrix` is one for all, [3, 3], or one for each row, [row, 3, 3].
    """
    uvw = turned(block.uvw, matrix)
    path = (block.uvw[:, 2] - uvw[:, 2]) / SPEED_OF_LIGHT  # s
    visibility = np.empty_like(block.visibility)
    step = max(1, _SAMPLES_AT_ONCE // block.frequency.size)
    for first in range(0, len(path), step):
        here = slice(first, first + step)
        turns = path[here, None] * block.frequency
        turns -= np.rint(turns)
        visibility[:, here] = block.visibility[:, here] * np.exp(2j * np.pi * turns)
    return replace(block, uvw=uvw, visibility=visibility)
