"""A recorder as many telescopes have it: small sets, one a sub-band and a time, copied into a folder file by file."""

import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from casacore.tables import table

from support import small_ms

CADENCE = 10.0  # s, of the data
PARTS = 4  # sub-bands


@dataclass(frozen=True)
class Recorder:
    """Makes the sets beside the folder, and has them arrive there."""

    folder: Path
    templates: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.templates.mkdir()
        for part in range(PARTS):
            bands = (small_ms.BAND + 4e6 * part,)
            small_ms.write(self.templates / f"{part}.ms", small_ms.rows(1), bands=bands)

    def arrive(self, time: int, parts: Iterable[int] = range(PARTS), more: str = "") -> None:
        """Sub-bands of a time, number `time`, come; with `more` in their names."""
        for part in parts:
            made = shutil.copytree(self.templates / f"{part}.ms", self.templates / "made.ms")
            with closing(table(str(made), readonly=False, ack=False)) as main:
                main.putcol("TIME", np.full(main.nrows(), small_ms.START + CADENCE * time))
            shutil.copytree(made, self.folder / f"{time:04d}_{part}{more}.ms")
            shutil.rmtree(made)
