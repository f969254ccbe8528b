"""Fields that reach the horizon on a GPU, as far as a processor can test them: term by term, to it and over it.

`GEOMETRIES=1000 pytest tests/imaging/test_cuda_sky.py` draws so many, other ones than the few that are drawn always.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.settings import Imaging
from fip.data.values import Block, Grid
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.cuda.gridding import Constants
from fip.imaging.cuda.rendering import BANDS
from fip.imaging.cuda.sky import SkyRendering
from fip.imaging.cuda.slant import CudaSlantKernel
from fip.imaging.dirty import beyond_horizon, dirty_image
from fip.imaging.kernels import make_kernel
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.sky_plan import make_sky_plan
from fip.imaging.statistics import image_statistics
from support.direct_sum import direct_sum, pixel_directions
from support.drawn_skies import draw, errors, noise, station
from support.host_gpu import HostDevice
from support.observatories import uvw_seen
from support.synthetic import make_slice

MORE = int(os.environ.get("GEOMETRIES", "0"))
EPSILONS = [1e-3, 1e-5]  # single precision alone


def nothing_else(blocks: Any, out: Any) -> str:
    """A kernel to fall back on that says that it was asked."""
    raise LookupError


def is_nan_below_the_horizon_alone(image: NDArray[np.floating], grid: Grid) -> bool:
    """Whether pixels are numbers above the horizon, and above it alone."""
    below = beyond_horizon(grid)
    return np.array_equal(np.isnan(image), np.zeros(image.shape, bool) if below is None else below)


def test_no_image_of_the_sky_is_wrong_on_a_gpu(device: CupyDevice) -> None:
    """Up to the horizon of the sky and of the array, in either way; each of these geometries can be imaged by one."""
    constants, levels = Constants(device), set[tuple[bool, bool]]()
    for seed in [*range(24), *range(20_000, 20_000 + MORE)]:
        block, grid, epsilon = draw(seed, EPSILONS)
        made = 0
        for level in (False, True):
            out = np.zeros((1, grid.height, grid.width), np.float32)
            try:
                plan = make_sky_plan([block], grid, epsilon, level)
            except UnsuitableError:
                continue
            statistics = SkyRendering(constants, plan, [block], grid).render(out)
            assert max(errors(out[0], block, grid, epsilon)) <= epsilon, (seed, level)
            assert is_nan_below_the_horizon_alone(out[0], grid), (seed, level)
            assert statistics == image_statistics(out[0])
            levels.add((level, beyond_horizon(grid) is None))
            made += 1
        assert made or seed >= 20_000, seed
    assert len(levels) == 4  # fields within the sky and beyond it, by both


def a_sky(elevation: float, stokes: int, channel: int) -> Block:
    """Return random samples of a station, in one of several sub-bands."""
    rng = np.random.default_rng(3 + channel)
    uvw = uvw_seen(station(np.random.default_rng(1), 14, 12.0, 0.05), np.deg2rad(elevation), 0.7, 0.4)
    frequency = 1e8 + 1e6 * channel + np.array([0.0, 2e5, 5e5])
    visibility = rng.normal(size=(2, stokes, len(uvw), 3)) + 0.1
    weight = rng.uniform(0.5, 1.5, (stokes, len(uvw), 3)).astype(np.float32)
    return Block(channel, uvw, frequency, (weight * (visibility[0] + 1j * visibility[1])).astype(np.complex64), weight)


@pytest.mark.parametrize("elevation", [88.0, 35.0], ids=["near the zenith", "low"])
@pytest.mark.parametrize("shape", [(70, 44), (40, 66)], ids=["wide", "tall"])
def test_stokes_and_sub_bands_of_the_whole_sky(device: CupyDevice, elevation: float, shape: tuple[int, int]) -> None:
    """A worker images them: each plane of each sub-band is its direct sum, and NaN below the horizon."""
    grid = Grid(*shape, 2.1 / max(shape), 0.0, 0.0, "FK5")
    blocks = [a_sky(elevation, 3, channel) for channel in range(2)]
    made = dirty_image(make_slice(blocks, grid), CudaSlantKernel(device, grid, 1e-5, nothing_else))
    assert made.kernel == "sky"
    below = beyond_horizon(grid)
    assert below is not None
    for channel, block in enumerate(blocks):
        exact = direct_sum([block], *pixel_directions(grid)) / block.weight.sum(axis=(1, 2))[:, None, None]
        for plane, due in zip(made.pixels[:, 1 + channel], exact, strict=True):
            assert is_nan_below_the_horizon_alone(plane, grid)
            assert np.linalg.norm((plane - due)[~below]) <= 1e-5 * np.linalg.norm(due[~below])


@pytest.mark.parametrize("seed", range(6))
def test_a_gpu_images_the_way_that_the_processor_does(device: CupyDevice, seed: int) -> None:
    """Which way is cheapest is asked of the same model, so that FIPKERN and the terms are the same."""
    block, grid, _ = draw(seed, [1e-5])
    settings = Imaging(stokes=("I",), epsilon=1e-5, kernel="slant", weight="natural")
    out = np.zeros((2, 1, grid.height, grid.width), np.float32)
    name = make_kernel(settings, grid).image([block], out[0])
    assert CudaSlantKernel(device, grid, 1e-5, lambda *_: "wgridder").image([block], out[1]) == name
    seen = np.isfinite(out[1])
    assert np.linalg.norm((out[0] - out[1])[seen]) <= 2e-5 * np.linalg.norm(out[0][seen])


class LittleMemory(HostDevice):
    """Arrays above a size find no memory, nor does the band of this number; copies are under way until `finish`."""

    def __init__(self, folder: Path, largest: float = np.inf, bands: float = np.inf) -> None:
        super().__init__(folder)
        self._largest, self._bands = largest, bands
        self.under_way: list[tuple[Any, Any]] = []
        own = {"empty": self._limited(np.empty), "zeros": self._limited(np.zeros)}
        others = ("asarray", "ascontiguousarray", "fft")
        self.xp = SimpleNamespace(**own, **{name: getattr(np, name) for name in others})

    def _limited(self, make: Any) -> Any:
        def limited(shape: Any, dtype: Any) -> Any:
            if np.prod(shape) * np.dtype(dtype).itemsize > self._largest or len(self.under_way) > self._bands:
                raise MemoryError
            return make(shape, dtype)

        return limited

    def send_back(self, piece: NDArray[np.float32], to: NDArray[np.float32]) -> None:
        """Begin to send a piece back."""
        self.under_way.append((piece, to))

    def finish(self) -> None:
        """End what was begun: the pieces arrive."""
        for piece, to in self.under_way:
            to[...] = piece
        self.under_way.clear()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what such devices compile."""
    return tmp_path_factory.mktemp("gpu")


@pytest.mark.parametrize("limits", [{"largest": 1000}, {"bands": BANDS // 2}], ids=["at once", "half way"])
def test_what_a_gpu_has_no_memory_for_is_left_to_another(
    compiled: Path, caplog: pytest.LogCaptureFixture, limits: dict[str, float]
) -> None:
    """The log says so; and no copy that was under way writes over what the other makes."""
    device = LittleMemory(compiled, **limits)
    block, grid, _ = draw(0, [1e-5])

    def another(blocks: Sequence[Block], out: NDArray[np.floating]) -> str:
        assert not device.under_way
        out[...] = 7
        return "another"

    out = np.zeros((1, grid.height, grid.width), np.float32)
    with caplog.at_level(logging.INFO):
        assert CudaSlantKernel(device, grid, 1e-5, another).image([block], out) == "another"
    assert (out == 7).all()
    assert "the processor has no memory left for it: about" in caplog.text


def test_with_enough_memory_copies_that_take_their_time_are_waited_for(compiled: Path) -> None:
    """The same device without a limit."""
    block, grid, _ = draw(0, [1e-5])
    out = np.zeros((1, grid.height, grid.width), np.float32)
    assert CudaSlantKernel(LittleMemory(compiled), grid, 1e-5, nothing_else).image([block], out) == "sky"
    assert max(errors(out[0], block, grid, 1e-5)) <= 1e-5


def test_what_is_too_far_from_a_plane_is_left_to_another_on_a_gpu(device: CupyDevice) -> None:
    """Dipoles on mountains, the whole sky: more terms than 16."""
    rng = np.random.default_rng(2)
    uvw = uvw_seen(station(rng, 12, 30.0, 20.0), 1.2, 0.7, 0.4)
    block, grid = noise(rng, uvw, np.array([1.5e8]), 1e-5), Grid(64, 64, 2 / 64, 0.0, 0.0, "FK5")
    with pytest.raises(LookupError):
        CudaSlantKernel(device, grid, 1e-5, nothing_else).image([block], np.zeros((1, 64, 64), np.float32))
