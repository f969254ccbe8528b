"""Sets and images that are made up: a slice is a few numbers, its image a hash of them in a real FITS file."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from pathlib import Path

import numpy as np
import xxhash

from fip.data.errors import InputError, LeftTheRingError
from fip.data.settings import Asked, Imaging, Selection
from fip.data.values import Band, Block, FitsFile, Grid, Image, ImageFile, Observation, Slice, Statistics, Times
from fip.fits.fitsfile import fits_bytes
from fip.imaging.antennas import AntennaTally, BaselineSums, tally
from fip.source.requests import Cut, RunFacts
from fip.wire.codec import encode_slice

CADENCE = 8.0  # s
SETTINGS = Imaging(stokes=("I",), epsilon=1e-5, kernel="slant", weight="natural", size=(2, 2), scale=1e-5)
ASKED = Asked(SETTINGS, Selection())
BEGIN = 4.9e9  # s UTC since MJD 0


@dataclass
class MadeSet:
    """A MeasurementSet that was never on a disk."""

    path: str
    slices: int
    damaged: bool = False  # it cannot be opened
    unreadable: frozenset[int] = frozenset()  # slices that cannot be cut
    unimageable: frozenset[int] = frozenset()  # slices that make a kernel raise
    deadly: frozenset[int] = frozenset()  # slices that kill the worker that images them
    restless: bool = False  # images differ in bytes from one time to the next, as those of a GPU
    reason: str = "made to fail"
    every: float = 0.0  # s after which another slice comes, of a stream that begins with the world; 0: all are there
    stays: float = inf  # s for which an integration of it is there

    @property
    def run(self) -> str:
        """The id of its run."""
        return xxhash.xxh3_64_hexdigest(self.path.encode())

    @property
    def fine(self) -> int:
        """How many of its slices become images."""
        return self.slices - len(self.unreadable | self.unimageable | self.deadly)

    def facts(self, now: float, known: int = 0) -> RunFacts:
        """What is known once it was looked into, s of the world. InputError if it is damaged."""
        if self.damaged:
            raise InputError(f"{self.path}: is damaged")
        there = min(self.slices, 1 + int(now / self.every)) if self.every else self.slices
        times = tuple(BEGIN + CADENCE * index for index in range(known, there))
        return RunFacts(
            self.run, None, Path(self.path).stem, times, self.every or CADENCE, there, not self.every, (),
            known=known, ended=there == self.slices if self.every else None, passes=bool(self.every),
        )  # fmt: skip

    def cut(self, index: int, now: float) -> Cut:
        """One of its slices, as it is sent. InputError if it cannot be read."""
        if index in self.unreadable:
            raise InputError(f"{self.path}: {self.reason}")
        if now > index * self.every + self.stays:
            raise LeftTheRingError(f"{self.path}: slice {index} left the ring")
        return _cut(self.run, index)


@lru_cache(maxsize=4096)
def _cut(run: str, index: int) -> Cut:
    values = _slice(run, index)
    return Cut(list(map(bytes, encode_slice(values))), 100, _tally(), 0.01)


@lru_cache(maxsize=1)
def _tally() -> AntennaTally:
    return tally(BaselineSums(("a", "b")))


@lru_cache(maxsize=1)
def _made() -> Slice:
    begin = Times(BEGIN, BEGIN + 4, BEGIN + 8, 8.0)
    block = Block(
        0, np.zeros((1, 3)), np.array([1e9]), np.ones((1, 1, 1), np.complex64), np.ones((1, 1, 1), np.float32)
    )
    return Slice(
        run="none", index=0, attempt=1, integration=0, label="", times=begin, grid=Grid(2, 2, 1e-5, 1.0, 0.5, "FK5"),
        bands=(Band(1e9, 1e6),), effective=((Band(1e9, 1e6),),),
        observation=Observation("made.ms", "", "", "", "", None, 2, "DATA", ("XX", "YY"), "TOPOCENT"),
        settings=SETTINGS, blocks=(block,), sum_of_weights=np.ones((1, 1)), visibilities=np.ones((1, 1), np.int64),
        samples=1, nominal_beam=None,
    )  # fmt: skip


def _slice(run: str, index: int) -> Slice:
    begin = BEGIN + CADENCE * index
    times = Times(begin, begin + CADENCE / 2, begin + CADENCE, CADENCE)
    return replace(_made(), run=run, index=index, integration=index, times=times)


@lru_cache(maxsize=4096)
def _files(run: str, index: int, salt: int) -> tuple[FitsFile, ...]:
    values = np.array([index, salt, 1.0, -1.0], np.float32).reshape(1, 1, 2, 2)
    image = Image(values, None, Statistics(1.0, -1.0, 3.0), (), "slant", "good")
    return (FitsFile("dirty", bytes(fits_bytes(_slice(run, index), image, "dirty"))),)


def image_of(values: Slice, worker: str, salt: int) -> ImageFile:
    """The image of a slice; its bytes depend on `salt`."""
    return ImageFile(
        run=values.run, index=values.index, attempt=values.attempt, integration=values.integration,
        label=values.label, worker=worker, times=values.times, empty=False, quality="good", beam=None,
        statistics=Statistics(1.0, -1.0, 3.0), seconds={"wait": 0.0, "dirty": 0.01},
        files=_files(values.run, values.index, salt),
    )  # fmt: skip
