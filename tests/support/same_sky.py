"""A small MeasurementSet with no two numbers alike, and whether another recording gives the same images."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support import small_ms
from support.cut_slices import cut
from support.direct_sum import direct_sum


def noise(columns: small_ms.Columns, frequency: NDArray[np.float64], correlations: int) -> NDArray[np.complexfloating]:
    """The source, and in each hand something of its own, so that no two of them can be taken for each other."""
    random = np.random.default_rng(frequency.size)
    shape = len(columns["TIME"]), frequency.size, correlations
    drawn = random.normal(size=(2, *shape))
    found = small_ms.point_source(columns, frequency, correlations)
    found += drawn[0] + 1j * drawn[1]
    return found


def a_set(path: Path, **options: Any) -> Path:
    """Three integrations with flags and weights that differ."""
    windows = len(options.get("bands", (small_ms.BAND,)))
    ms = small_ms.write(path, small_ms.rows(windows=windows), data={"DATA": noise}, spectrum=True, **options)
    with small_ms.edit(ms) as main:
        for row in range(main.nrows()):
            shape = main.getcell("DATA", row).shape
            flag = np.zeros(shape, bool)
            flag[row % shape[0]] = row % 3 == 0
            main.putcell("FLAG", row, flag)
            main.putcell("WEIGHT_SPECTRUM", row, np.full(shape, 1 + row % 5, np.float32))
    return ms


def assert_same_images(path: Path, ms: Path, planes: str, within: float = 1e-6, **selection: Any) -> None:
    """All Stokes planes, by exact sums at a hundred places: within 1e-6 of the image's norm; and the same weights."""
    mine, its = (cut(each, stokes=planes, size=(64, 64), scale=1e-5, **selection) for each in (path, ms))
    assert len(mine) == len(its)
    east, north = np.random.default_rng(1).uniform(-3e-4, 3e-4, (2, 100))
    for one, other in zip(mine, its, strict=True):
        a, b = direct_sum(one.blocks, east, north), direct_sum(other.blocks, east, north)
        assert np.linalg.norm(b, axis=1).min() > 0
        assert (np.linalg.norm(a - b, axis=1) <= within * np.linalg.norm(b, axis=1)).all()
        np.testing.assert_allclose(one.sum_of_weights, other.sum_of_weights, rtol=1e-6)
        assert one.grid == other.grid
        assert abs(one.times.average - other.times.average) < 1e-4
