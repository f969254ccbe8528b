"""Noise and extremes that are measured while an image is on the GPU: those of the processor, bit for bit."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.settings import Imaging
from fip.data.values import Grid, Statistics
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.cuda.gridding import Constants
from fip.imaging.cuda.rendering import Rendering
from fip.imaging.cuda.slant import CudaSlantKernel
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.imaging.slant.plan import make_plan
from fip.imaging.statistics import image_statistics, sample_stride
from fip.worker.stages import pass_through
from support.geometries import GEOMETRIES
from support.synthetic import make_slice

SETTINGS = Imaging(stokes=("I",), epsilon=1e-5, kernel="slant", weight="natural")


class Given(Rendering):
    """An image that is there already is measured and sent back, whatever the terms."""

    image: NDArray[np.float32]

    def prepared(self, terms: Any) -> Any:
        """Return the image on the device (see Rendering)."""
        return self.device.xp.asarray(self.image)

    def band(self, prepared: Any, first: int, count: int) -> Any:
        """Return so many rows of it (see Rendering)."""
        return prepared[first : first + count]


def pixels(kind: str) -> NDArray[np.float32]:
    """Return an image [y, x] of odd sides; each axis is sampled 3 apart."""
    values = np.random.default_rng(5).normal(-3, 2, (1001, 873)).astype(np.float32)
    if kind == "a sky":
        values[values > 0] = np.nan
    elif kind == "ties":
        values = np.round(values)
    elif kind == "infinities":
        values[::7, ::5] = np.inf
        values[::5, ::7] = -np.inf
    elif kind == "constant":
        values[...] = 2.5
    elif kind == "huge and tiny":
        values = np.float32(10) ** np.clip(10 * values, -38, 38)
    elif kind == "one number":
        values[1:] = values[0, 1:] = np.nan
    return values


def measured(device: CupyDevice, image: NDArray[np.float32]) -> Statistics | None:
    """Return what the device finds; check that the image comes back as it is."""
    blocks, field = GEOMETRIES["flat"].blocks(1e-5, bright=False)
    grid = Grid(image.shape[1], image.shape[0], field.scale, 0.0, 0.0, "FK5")
    rendering = Given(Constants(device), make_plan(blocks, field, 1e-5), blocks, grid)
    rendering.image, out = image, np.empty((1, *image.shape), np.float32)
    found = rendering.render(out)
    assert np.array_equal(out[0], image, equal_nan=True)
    return found


@pytest.mark.parametrize("kind", ["noise", "a sky", "ties", "infinities", "constant", "huge and tiny", "one number"])
def test_a_gpu_measures_what_the_processor_does(device: CupyDevice, kind: str) -> None:
    """Extremes, and the rms from the median deviation of the same sample."""
    image = pixels(kind)
    assert sample_stride(image.size) == 3
    due = image_statistics(image)
    assert due is not None
    assert measured(device, image) == due


def test_an_image_without_a_number_has_no_statistics_on_a_gpu(device: CupyDevice) -> None:
    """The result is None, as on the processor."""
    assert measured(device, np.full((30, 20), np.nan, np.float32)) is None


@pytest.mark.parametrize("name", ["flat", "all sky"])
def test_a_slice_passes_all_stages_of_a_worker(device: CupyDevice, name: str) -> None:
    """It has the statistics of its own pixels, and the beam that the processor's kernel gives it."""
    blocks, grid = GEOMETRIES[name].blocks(1e-5, bright=False)
    slice_ = make_slice(blocks, grid)
    kernel = CudaSlantKernel(device, grid, 1e-5, lambda *_: "another")
    there, here = (pass_through(slice_, each)[0].images["dirty"] for each in (kernel, make_kernel(SETTINGS, grid)))
    assert there.kernel == here.kernel
    assert there.statistics == image_statistics(there.pixels[0, 0])
    assert there.beam == here.beam
    assert np.array_equal(np.isnan(there.pixels), np.isnan(here.pixels))


def test_a_slice_is_measured_where_it_is_imaged(device: CupyDevice) -> None:
    """With one band, the statistics come with the image; if that is divided, its mean is measured later."""
    blocks, grid = GEOMETRIES["flat"].blocks(1e-5, bright=False)
    kernel = CudaSlantKernel(device, grid, 1e-5, lambda *_: "another")
    one = dirty_image(make_slice(blocks, grid), kernel)
    assert one.statistics is not None
    assert one.statistics == image_statistics(one.pixels[0, 0])
    divided = [
        *blocks,
        *(type(block)(1, block.uvw, block.frequency, block.visibility, block.weight) for block in blocks),
    ]
    assert dirty_image(make_slice(divided, grid), kernel).statistics is None
