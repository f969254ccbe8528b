"""A spool as a recording: a row for each baseline and band of each integration, the bands of one after the other.

All integrations that were ever committed have rows, so that a slice keeps its number when others leave the ring. Their
times and fields are in the index, and UVW are worked out. To cut one that has left is an error of its own, which is not
tried again. A spool that is not followed has the rows of those that are still there.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, LeftTheRingError
from fip.source.recording import Rows
from fip.source.spooled.products import Products
from fip.source.spooled.rows import SpooledRows
from fip.source.spooled.uvw import antenna_uvw, baseline_uvw
from fip.source.tables.subtables import Antennas, Field, Window
from fip.source.whole import WholeRecording, window
from fip.spool.reading import Spool
from fip.spool.setup import Band, Setup

_KEPT = 64  # integrations whose UVW are kept


class Spooled(WholeRecording):
    """A spool as a recording, as the module says."""

    def __init__(self, path: Path, growing: bool) -> None:
        """Open a spool; `growing` if it is followed. InputError if there is nothing to image."""
        spool = Spool(path)
        try:
            setup = self.setup = spool.setup
            self.products = Products.of(setup)
            names = self.products.correlations
            windows = [_window(band, names, number) for number, band in enumerate(setup.bands)]
            targets = enumerate(setup.targets)
            fields = [Field(number, each.name, "ICRS", ((each.ra, each.dec),), 0.0, None) for number, each in targets]
            super().__init__(path, windows, fields, _antennas(setup), setup.telescope, setup.observer, setup.project)
            self.spool, self.growing = spool, growing
            self.first = 0 if growing else spool.oldest()
            self.rows_each = len(self.products) * len(setup.bands)  # of an integration
            self._uvw: OrderedDict[int, NDArray[np.float64]] = OrderedDict()
            if not growing and not len(self):
                was = f"all of its {len(spool)} integrations have left the ring" if len(spool) else "nothing came yet"
                raise InputError(f"{path}: {was}: there is nothing to image")
        except BaseException:
            spool.close()
            raise

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of its columns."""
        return SpooledRows.columns(self.setup)

    @property
    def beam_columns(self) -> tuple[str, ...]:
        """Return (): a spool has one beam."""
        return ()

    def __len__(self) -> int:
        return (len(self.spool) - self.first) * self.rows_each

    def rows(self, numbers: range | NDArray[np.int64]) -> Rows:
        """Return rows by number, ascending."""
        return SpooledRows(self, numbers)

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the names of these fields; of all fields if others may be observed later."""
        return super().field_names(range(len(self.setup.targets)) if self.growing else numbers)

    def complex_columns(self) -> tuple[str, ...]:
        """Return DATA: a spool has one column of visibilities."""
        return ("DATA",)

    def hints(self, columns: Sequence[str]) -> str:
        """Return the digest of the set-up: what was committed does not change."""
        return self.setup.digest

    def refresh(self) -> None:
        """Look for integrations that were committed since."""
        if self.growing:
            self.spool.refresh()

    def raw(self) -> bool:
        """Return whether nothing was calibrated, as the set-up says."""
        return self.setup.raw

    def complete_rows(self) -> int | None:
        """Return the number of all rows: an integration is committed when it is whole, or will never be."""
        return len(self)

    def ended(self) -> bool | None:
        """Return whether the stream, or who receives it, has said that no more comes: silence means nothing."""
        return self.spool.ended

    def close(self) -> None:
        """Close the files of the spool."""
        self.spool.close()

    def uvw(self, integration: int) -> NDArray[np.float64]:
        """Return UVW [baseline, 3] in m: the stream's own, or as they are worked out."""
        found = self._uvw.get(integration)
        if found is None:
            found = self._uvw[integration] = self._uvw_of(integration)
            while len(self._uvw) > _KEPT:
                self._uvw.popitem(last=False)
        return found

    def _uvw_of(self, integration: int) -> NDArray[np.float64]:
        if self.setup.uvw:
            try:
                return self.spool.section(integration, "uvw")
            except LeftTheRingError:  # it is not imaged any more: what follows is near enough for baselines' lengths
                pass
        record = self.spool.records[integration]
        target = self.setup.targets[int(record["field"])]
        antennas = antenna_uvw(float(record["time"]), target.ra, target.dec, self.antennas.position)
        first, second = (each.astype(np.intp) for each in (self.products.antenna1, self.products.antenna2))
        return baseline_uvw(antennas, first, second)


def _window(band: Band, correlations: tuple[str, ...], number: int) -> Window:
    frequency = band.first + band.step * np.arange(band.channels, dtype=np.float64)
    return window(frequency, np.full(band.channels, abs(band.step)), correlations, number)


def _antennas(setup: Setup) -> Antennas:
    count = len(setup.antennas)
    return Antennas(
        names=tuple(each.name for each in setup.antennas),
        position=np.array([each.position for each in setup.antennas], np.float64),
        diameter=np.array([each.diameter for each in setup.antennas], np.float64),
        stations=("",) * count,
    )
