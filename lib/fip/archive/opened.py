"""`fip.archive(DIR)`: a directory of stored images, to be read while a run goes on or after it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from astropy.coordinates import SkyCoord
from astropy.table import QTable

from fip.archive.curve_tables import curve_table
from fip.archive.entries import Entry, RunTotals
from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import light_curve
from fip.archive.sky_image import SkyImage
from fip.archive.tables import image_table
from fip.data.directions import Direction
from fip.data.errors import UsageError
from fip.data.stokes import parse_stokes


class Images(Sequence[SkyImage]):
    """Stored images, earliest first, as the ledger had them; a file is read when something of it is asked for."""

    def __init__(self, directory: Path, entries: Sequence[Entry]) -> None:
        self._directory, self._entries = directory, entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, place: int) -> SkyImage: ...
    @overload
    def __getitem__(self, place: slice) -> "Images": ...
    def __getitem__(self, place: int | slice) -> "SkyImage | Images":
        """One of them, or some."""
        if isinstance(place, slice):
            return Images(self._directory, self._entries[place])
        entry = self._entries[place]
        return SkyImage(entry.file, "dirty", self._directory / entry.file, entry=entry)

    def __iter__(self) -> Iterator[SkyImage]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} images in {self._directory}>"


@dataclass(frozen=True)
class Archive:
    """A directory of stored images. Each look is at the ledger as it is then; nothing is held open in between."""

    directory: Path

    @property
    def images(self) -> Images:
        """The stored images, earliest first; empty before the first is stored. Raises StoreError."""
        with closing(Ledger(self.directory, read_only=True)) as ledger:
            return Images(self.directory, tuple(ledger.entries()))

    @property
    def runs(self) -> list[RunTotals]:
        """Each run: how many slices it has, how many are stored, which failed and why. Raises StoreError."""
        with closing(Ledger(self.directory, read_only=True)) as ledger:
            return ledger.totals()

    def lightcurve(
        self, position: str | SkyCoord, stokes: str | Sequence[str] | None = None, channels: bool = False
    ) -> QTable:
        """How bright a position was in each image that shows it, earliest first, as `fip lightcurve` writes it.

        `position` as "05h31m58.7s +33d08m52s" or a SkyCoord, or "offset 90arcsec -60arcsec", so far east and north of
        the middle of the images, which stays with a body that they follow; `stokes` as "I,V", all planes if it is
        None. Columns: time (UTC), mjd (d), flux_I and error_I (Jy/beam, forced) and so for each plane, bmaj, bmin, bpa,
        frequency (Hz), quality, x, y (pixel, from 0, to a fraction), file; with `channels` a row for each output
        channel, too, and columns bandwidth and channel, 0 for the whole band. UsageError if no image shows it, or a
        plane is not there.
        """
        try:
            planes = parse_stokes(stokes) if isinstance(stokes, str) else tuple(stokes) if stokes else None
        except ValueError as error:
            raise UsageError(f"stokes: {error}") from None
        if not isinstance(position, str):
            there = position.icrs
            position = Direction(float(there.ra.rad), float(there.dec.rad), "ICRS")
        return curve_table(light_curve(self.directory, position, planes, channels))

    def table(self) -> QTable:
        """What the ledger says of each image, earliest first, a row an image; numbers of stages have columns, too.

        Columns: time (UTC), mjd (d), run, slice, integration, field, quality, rms, minimum, maximum (Jy/beam), bmaj,
        bmin (arcsec), bpa (deg), frequency (Hz), worker, bytes, file, and those of docs/ledger.md's numbers.
        """
        with closing(Ledger(self.directory, read_only=True)) as ledger:
            return image_table(tuple(ledger.entries()), ledger.numbers())


def archive(directory: str | os.PathLike[str]) -> Archive:
    """The images that `fip run`, `fip.run` or a sink stored in a directory. UsageError if there is no ledger."""
    path = Path(directory)
    if not (path / LEDGER).is_file():
        raise UsageError(f"{path}: no {LEDGER} in it; give the folder that `fip run` stored images in")
    return Archive(path)
