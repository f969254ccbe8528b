"""An image as a follower gets it: what the ledger says of it, and its pixels, read before it is handed out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.data.values import Beam, Grid
from fip.fits.stored_image import StoredImage

Finding = Mapping[str, Any]
"""Something that was found in an image: JSON values by their names."""


@dataclass(frozen=True)
class Skipped:
    """A slice that has no image."""

    index: int
    outcome: str  # failed, expired, gap or unreadable; error: the step had failed at its image
    reason: str


@dataclass(frozen=True)
class FollowedImage:
    """One image of a run, in its turn."""

    run: str  # which run, as the ledger has it
    name: str  # of the run: its files' names begin with it
    entry: Entry  # what the ledger says: times, beam, rms, quality, file and more
    path: Path  # of the file, which may expire
    pixels: NDArray[np.floating]  # [stokes, y, x] Jy/beam; NaN beyond the horizon, and all of an image without data
    stokes: tuple[str, ...]  # of each plane, as I, V
    grid: Grid
    late: bool = False  # whether its turn was over when it came: the images before and after it were given already
    skipped: tuple[Skipped, ...] = ()  # the slices of the run between the one before it and this, which have no image
    known: tuple[Finding, ...] | None = None  # if it is seen again, after a restart: what was found in it; else None
    backlog: bool = False  # whether it had waited while newer ones were imaged: these have a state of their own
    _cards: tuple[str, ...] = field(default=(), repr=False)

    @property
    def index(self) -> int:
        """The number of the slice in its run, from 0."""
        return self.entry.index

    @property
    def label(self) -> str:
        """The field; "" if the run has one."""
        return self.entry.label

    @property
    def beam(self) -> Beam | None:
        """The restoring beam, axes and angle in rad; None for an image without data."""
        return self.entry.beam

    @cached_property
    def header(self) -> Any:
        """The FITS header of the image, as `astropy.io.fits` reads it."""
        from astropy.io.fits import Header

        return Header.fromstring("".join(self._cards))

    @cached_property
    def wcs(self) -> Any:
        """The celestial axes, as `astropy.wcs.WCS`."""
        from fip.fits.sky import wcs_of

        return wcs_of(self.grid)


def read_followed(
    directory: Path,
    name: str,
    entry: Entry,
    late: bool = False,
    skipped: tuple[Skipped, ...] = (),
    known: tuple[Finding, ...] | None = None,
    backlog: bool = False,
) -> FollowedImage:
    """The image of a run of that name in a directory. UsageError if its file is gone, or cannot be read."""
    path = directory / entry.file
    stored = StoredImage.open(path)
    planes = [np.array(stored.plane(plane)) for plane in range(len(stored.layout.stokes))]
    pixels = np.stack(planes).astype(np.dtype(stored.layout.dtype).newbyteorder("="), copy=False)
    return FollowedImage(
        entry.run, name, entry, path, pixels, stored.layout.stokes, stored.layout.grid, late, skipped, known, backlog,
        stored.cards,
    )  # fmt: skip
