"""Small MeasurementSets cut into slices, and what is in these."""

from pathlib import Path
from typing import Any

import numpy as np

from fip.data.settings import asked
from fip.data.values import Slice
from fip.source.open_run import open_run
from support import small_ms
from support.direct_sum import direct_sum

PAIRS = 10  # baselines of five antennas
CHANNELS = small_ms.BAND.size


def cut(path: Path, **selection: Any) -> list[Slice]:
    """All slices of an MS."""
    run = open_run(path, asked(**selection))
    try:
        return [run.read(number) for number in range(len(run.slices))]
    finally:
        run.close()


def notes(path: Path, **selection: Any) -> str:
    """What the log of a run says."""
    run = open_run(path, asked(**selection))
    run.close()
    return "\n".join(run.notes)


def flux(piece: Slice) -> float:
    """Stokes I at the place of the source that `small_ms` puts into its sets: 1 Jy if all is right."""
    east, north = (np.array([each]) for each in small_ms.DIRECTION)
    return float(direct_sum(piece.blocks, east, north)[0, 0] / piece.sum_of_weights[0, 0])


def assert_same_samples(one: Slice, other: Slice) -> None:
    """The same visibilities at the same places, in whatever order of rows."""
    assert len(one.blocks) == len(other.blocks)
    for a, b in zip(one.blocks, other.blocks, strict=True):
        order_a, order_b = np.lexsort(np.abs(a.uvw.T)), np.lexsort(np.abs(b.uvw.T))
        np.testing.assert_array_equal(a.uvw[order_a], b.uvw[order_b])
        np.testing.assert_array_equal(a.frequency, b.frequency)
        np.testing.assert_array_equal(a.visibility[:, order_a], b.visibility[:, order_b])
        np.testing.assert_array_equal(a.weight[:, order_a], b.weight[:, order_b])
