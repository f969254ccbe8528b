"""Images made smaller, so that point sources stay."""

import numpy as np
from numpy.typing import NDArray


def shrink(pixels: NDArray[np.floating], limit: int) -> tuple[NDArray[np.floating], int]:
    """Shrink an image [y, x] to at most `limit` pixels a side, by whole blocks; and the side of a block.

    A block shows its maximum: a mean would dim a point source of a few pixels, and it is point sources that one
    looks for. Edges that fill no block are left out.
    """
    block = -(-max(pixels.shape) // limit)
    if block <= 1:
        return pixels, 1
    height, width = (side // block for side in pixels.shape)
    blocks = pixels[: height * block, : width * block].reshape(height, block, width, block)
    return np.fmax.reduce(np.fmax.reduce(blocks, axis=3), axis=1), block
