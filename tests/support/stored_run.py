"""A directory of images as a run leaves it, made at once: noise, a steady source, and one that lights up."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import quality
from fip.data.settings import asked
from fip.data.values import Band, Beam, FitsFile, Grid, Image, ImageFile, Slice, Times
from fip.fits.fitsfile import fits_bytes
from fip.imaging.statistics import image_statistics
from fip.sink.store import Store
from fip.wire.messages import Failure, RunPlan
from support.synthetic import array_uvw, make_block, make_slice

SIDE, SCALE = 160, 2.0  # pixels; arcsec
NOISE = 1e-3  # Jy/beam
STEADY, TRANSIENT = (40, 100), (110, 50)  # x, y
ON = (4, 7)  # images, the last left out, in which the transient is on
RUN = "00112233445566778899aabbccddeeff"
GRID = Grid(SIDE, SIDE, math.radians(SCALE / 3600), math.radians(155.0), math.radians(-45.0), "FK5")
BEAM = Beam(math.radians(8 / 3600), math.radians(6 / 3600), math.radians(30.0))
START = 5.1e9  # s
CADENCE = 2.0  # s
WORKERS = ("head/cpu0", "head/cpu1")


def store_run(
    directory: Path,
    count: int = 12,
    stokes: Sequence[str] = ("I",),
    empty: Sequence[int] = (),
    failed: Sequence[int] = (),
    field: str = "",
    measurement_set: str = "/data/night.ms",
    grid: Grid = GRID,
) -> None:
    """Store `count` images but those that failed; of field `field`, a run of its own for each."""
    store = Store(directory)
    run = field or RUN
    selection = asked(stokes=tuple(stokes))
    store.open_run(RunPlan(run, Path(measurement_set).stem, count, measurement_set, selection, ""))
    for index in range(count):
        if index in failed:
            store.ledger.add_failure(Failure(run, index, 3, "worker head/cpu1: died; died; died"))
        else:
            store.put(stored_image(run, index, stokes, index in empty, field, grid))
    store.close()


def stored_image(
    run: str,
    index: int,
    stokes: Sequence[str] = ("I",),
    empty: bool = False,
    field: str = "",
    grid: Grid = GRID,
    gain: float = 1.0,
    add: NDArray[np.float64] | None = None,
) -> ImageFile:
    """An image of such a run, as a worker gives it to the sink; its pixels times `gain`, with those [y, x] added."""
    slice_ = _slice(run, index, stokes, empty, field, grid)
    pixels = np.random.default_rng(index).normal(0.0, NOISE, (len(stokes), 1, grid.height, grid.width))
    if min(grid.width, grid.height) >= SIDE:
        pixels[0, 0, STEADY[1], STEADY[0]] = 0.1
        if index in range(*ON):
            pixels[0, 0, TRANSIENT[1], TRANSIENT[0]] = 0.05
    if add is not None:
        pixels += add
    if empty:
        pixels[:] = np.nan
    pixels *= gain
    image = Image(pixels.astype(np.float32), BEAM, image_statistics(pixels[0, 0]), (), "wgridder")
    return ImageFile(
        run=run, index=index, attempt=1, integration=index, label=field, worker=WORKERS[index % 2],
        times=slice_.times, empty=empty, quality=quality(slice_, image.beam, image.statistics), beam=BEAM,
        statistics=image.statistics, seconds={"wait": 0.05, "image": 0.4, "beam": 0.05, "fits": 0.02},
        files=(FitsFile("dirty", fits_bytes(slice_, image)),),
    )  # fmt: skip


def _slice(run: str, index: int, stokes: Sequence[str], empty: bool, field: str, grid: Grid) -> Slice:
    block = make_block(array_uvw(1, 5, 1000.0, 1.0), np.linspace(1.3e9, 1.31e9, 3), [(0.0, 0.0, 1.0)])
    slice_ = make_slice([] if empty else [block], grid)
    begin = START + index * CADENCE
    planes = len(stokes)
    return replace(
        slice_,
        run=run, index=index, integration=index, label=field,
        times=Times(begin, begin + CADENCE / 2, begin + CADENCE, 0.9 * CADENCE),
        settings=replace(slice_.settings, stokes=tuple(stokes)),
        bands=(Band(1.305e9, 1e7),),
        effective=slice_.effective * planes,
        observation=replace(slice_.observation, field=field or "SKY"),
        sum_of_weights=np.repeat(slice_.sum_of_weights, planes, axis=0),
        visibilities=np.repeat(slice_.visibilities, planes, axis=0),
        nominal_beam=None,
    )  # fmt: skip
