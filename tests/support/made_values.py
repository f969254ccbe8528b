"""A small slice and a small image, made up: for tests of what they are sent through."""

import numpy as np

from fip.data.settings import Imaging
from fip.data.values import Band, Beam, Block, FitsFile, Grid, ImageFile, Observation, Slice, Statistics, Times

RANDOM = np.random.default_rng(1)


def make_slice(rows: tuple[int, ...] = (3, 0, 5), stokes: tuple[str, ...] = ("I", "V")) -> Slice:
    """A slice with a block for each number of rows."""
    blocks = tuple(
        Block(
            channel_out=0,
            uvw=RANDOM.normal(size=(count, 3)),
            frequency=1e9 + np.arange(4.0),
            visibility=RANDOM.normal(size=(len(stokes), count, 4)).astype(np.complex64),
            weight=RANDOM.random((len(stokes), count, 4)).astype(np.float32),
        )
        for count in rows
    )
    return Slice(
        run="0123456789abcdef",
        index=7,
        attempt=1,
        integration=12,
        label="F",
        times=Times(1.0, 2.0, 3.0, 2.0),
        grid=Grid(64, 32, 1e-5, 1.0, -0.5, "FK5"),
        bands=(Band(1e9, 4.0),),
        effective=((Band(1e9, 3.5),), (None,))[: len(stokes)],
        observation=Observation("a.ms", "MeerKAT", "", "", "F", None, 16, "DATA", ("XX", "YY"), "TOPOCENT"),
        settings=Imaging(stokes=stokes, epsilon=1e-5, kernel="wgridder", weight="natural"),
        blocks=blocks,
        sum_of_weights=np.ones((len(stokes), 1)),
        visibilities=np.full((len(stokes), 1), 32),
        samples=40,
        nominal_beam=Beam(1e-4, 5e-5, 0.1),
    )


SMALLEST = b"SIMPLE  = " + bytes(2870)


def make_image(*files: FitsFile) -> ImageFile:
    """An image of these files, or of one of the smallest FITS size."""
    times, statistics = Times(1.0, 2.0, 3.0, 2.0), Statistics(0.1, -1.0, 2.0)
    files = files or (FitsFile("dirty", SMALLEST),)
    return ImageFile("run", 7, 1, 12, "F", "host/cpu0", times, False, "good", None, statistics, {"image": 0.1}, files)
