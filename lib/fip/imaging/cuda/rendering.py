"""From the images of a slice's terms to its image, on a GPU, in bands. Each is measured and copied back."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.data.values import Block, Grid, Statistics
from fip.imaging.cuda.gridding import Constants, Terms
from fip.imaging.cuda.packing import FOUND, MISSING, nothing_found
from fip.imaging.slant.buffers import filling
from fip.imaging.slant.plan import Gridding
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.statistics import sample_stride

BANDS = 8  # of an image: one is copied back while the next is made
MOST_THREADS = 1024  # as in measure.cu


class Rendering(Terms, ABC):
    """One slice on the device. The ways to an image differ in what they do with the terms."""

    def __init__(self, constants: Constants, plan: Gridding, blocks: Sequence[Block], grid: Grid) -> None:
        super().__init__(constants, plan, blocks, grid, nothing_found())
        self.found = self.more[0].view(np.int32)
        self.missing = self.found[MISSING:]

    @abstractmethod
    def prepared(self, terms: Any) -> Any:
        """Return the data from which `band` makes pixels."""

    @abstractmethod
    def band(self, prepared: Any, first: int, count: int) -> Any:
        """Make `count` rows of the image [y, x] from the first on, float32."""

    def render(self, out: NDArray[np.floating]) -> Statistics | None:
        """Fill out[stokes, y, x] as a Kernel does; return the statistics of the first plane, above the horizon.

        Raise UnsuitableError with `out` in any state. Nothing writes to `out` after that, nor after a MemoryError.
        """
        for stokes, plane in enumerate(out):
            with filling(plane, "float32") as whole:
                try:
                    self.plane(stokes, whole)
                finally:
                    self.device.finish()
        found = self.device.read(self.found).view(FOUND)[0]
        if found["missing"]:
            raise UnsuitableError("the field is too wide and its array too steep")
        if not found["finite"]:
            return None
        rms = GAUSSIAN_RMS_PER_MAD * found["deviation"]
        return Statistics(float(rms), float(found["minimum"]), float(found["maximum"]))

    def plane(self, stokes: int, plane: NDArray[np.float32]) -> None:
        """Begin to fill plane[y, x] with a Stokes."""
        self.send_back(self.prepared(self.terms(self.gridded(stokes))), plane, measured=stokes == 0)

    def send_back(self, prepared: Any, plane: NDArray[np.float32], measured: bool) -> None:
        """Begin to make plane[y, x] in bands of rows: one is copied while the next is made. Measure it, if asked."""
        height, width = plane.shape
        stride = sample_stride(plane.size)
        sample = self.device.xp.empty((-(-height // stride), -(-width // stride)), np.float32) if measured else None
        for first, count in bands(height):
            piece = self.band(prepared, first, count)
            if measured:
                places = map(np.int32, (first, count, width, stride))
                self.each("measure", piece.size, [piece, *places, self.found, sample])
            self.device.send_back(piece, plane[first : first + count])
        if sample is not None:
            arguments = [sample, np.int32(sample.size), self.found]
            self.device.launch("conclude", 1, arguments, threads=MOST_THREADS)


def bands(height: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of each band of an image, and its number of rows."""
    band = -(-height // BANDS)
    for first in range(0, height, band):
        yield first, min(band, height - first)
