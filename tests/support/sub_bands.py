"""A small set of three windows, and the same data as a set for each."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support import small_ms

BANDS = [small_ms.BAND + shift for shift in (0.0, 4e6, 9e6)]
NAMES = [f"ant{number}" for number in range(len(small_ms.POSITIONS))]
DUMPS, BASELINES = 3, 10

Change = Callable[[Path], None]


def noisy(columns: small_ms.Columns, frequency: NDArray[np.float64], correlations: int) -> NDArray[np.complexfloating]:
    """The point source, with noise that is of each time, baseline and frequency."""
    clean = small_ms.point_source(columns, frequency, correlations)
    noise = np.random.default_rng(int(frequency[0])).normal(size=(*clean.shape, 2)) @ [1, 1j]
    return (clean + noise).astype(np.complex64)


def whole_set(path: Path) -> Path:
    """A set of three windows."""
    small_ms.write(path, small_ms.rows(DUMPS, windows=3), bands=BANDS, data={"DATA": noisy})
    small_ms.change(path / "ANTENNA", "NAME", lambda _: np.array(NAMES))
    return path


def split(whole: Path, folder: Path, *alter: Change | None) -> list[Path]:
    """A set for each window, by a selection of rows: subtables stay. Each is altered by what there is for it."""
    sets = []
    with small_ms.edit(whole) as main:
        for number in range(len(BANDS)):
            sets.append(folder / f"night_{number}MHz.ms")
            main.query(f"DATA_DESC_ID == {number}").copy(str(sets[-1]), deep=True).close()
    for path, change in zip(sets, alter, strict=False):
        if change:
            change(path)
    return sets
