"""What is sent to a GPU of a slice, as the structs of the CUDA sources, and what comes back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.slant.plan import Gridding

ALIGNED = 256  # bytes: an array that is sent with others begins at a multiple of it
GEOMETRY = np.dtype(
    [(name, "f8") for name in ("xi0", "xi_step", "eta_centre", "eta_step", "a", "b", "q_centre", "per_q", "pixel")]
    + [(name, "i4") for name in ("terms", "odd", "powers_f", "powers_g", "rows", "row0", "u_size", "column0")]
    + [(name, "i4") for name in ("width", "v_size", "length", "xi_pixels", "eta_pixels")],
    align=True,
)
"""The struct Slant of slant.cu."""

BLOCK = np.dtype([(name, "i4") for name in ("first", "first_row", "first_frequency", "channels")])
"""The struct Block of slant.cu."""

FOUND = np.dtype(
    [("lowest", "u4"), ("highest", "u4"), ("finite", "i4"), ("missing", "i4")]
    + [(name, "f4") for name in ("minimum", "maximum", "deviation")]
)
"""The struct Found of measure.cu."""

MISSING = list(FOUND.names or ()).index("missing")
"""The number of its word that says that a tap lacked a sample."""


def send(device: CupyDevice, arrays: Sequence[NDArray[Any]]) -> list[Any]:
    """Send arrays to the device in one copy; return them there as bytes, whatever their types."""
    starts = [0, *np.cumsum([-(-array.nbytes // ALIGNED) * ALIGNED for array in arrays]).tolist()]
    packed = np.empty(starts[-1], np.uint8)
    for start, array in zip(starts, arrays, strict=False):
        packed[start : start + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
    there = device.xp.asarray(packed)
    return [there[start : start + array.nbytes] for start, array in zip(starts, arrays, strict=False)]


def block_table(blocks: Sequence[Block]) -> NDArray[np.void]:
    """Return the struct Block of slant.cu for each block, and one more that ends the last."""
    table = np.zeros(len(blocks) + 1, BLOCK)
    sizes = [(block.visibility[0].size, len(block.uvw), len(block.frequency)) for block in blocks]
    for number, name in enumerate(("first", "first_row", "first_frequency")):
        table[name][1:] = np.cumsum([size[number] for size in sizes])
    table["channels"][:-1] = [size[2] for size in sizes]
    return table


def geometry(plan: Gridding, grid: Grid) -> NDArray[np.void]:
    """Return the plan as the struct Slant of slant.cu, an array of one."""
    s, basis = plan.shape, plan.basis
    sides = (grid.width, grid.height) if plan.plane.transposed else (grid.height, grid.width)
    values = (
        s.xi0, s.xi_step, s.eta0 + s.length // 2 * s.eta_step, s.eta_step, s.a, s.b, s.q_centre, s.per_q, grid.scale,
        s.terms, int(basis.odd @ (1 << np.arange(s.terms))), basis.in_height.shape[1], basis.in_q.shape[1],
        s.rows, s.row0, plan.u_size, s.column0, s.blocks * 16, plan.v_size, s.length, *sides,
    )  # fmt: skip
    return np.array(values, GEOMETRY)


def nothing_found() -> NDArray[np.void]:
    """Return the struct Found of measure.cu before anything is measured, an array of one."""
    found = np.zeros(1, FOUND)
    found["lowest"] = 0xFFFFFFFF
    return found
