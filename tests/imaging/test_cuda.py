"""The GPU kernels, as far as a processor can test them: the CUDA sources compiled as C++, and what surrounds them."""

import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import ducc0
import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from fip.config import load
from fip.data.errors import UsageError
from fip.data.values import Block, Grid
from fip.imaging.cuda.device import CupyDevice, gpus
from fip.imaging.cuda.gridding import BATCH
from fip.imaging.cuda.sdp_func import SdpFuncKernel, in_wavelengths
from fip.imaging.cuda.slant import CudaSlantKernel
from fip.local.run import workers_on
from support.direct_sum import direct_sum, pixel_directions, relative_error
from support.fip_command import fip, images
from support.geometries import ARRAYS, GEOMETRIES, LIGHT, turned
from support.host_gpu import needs_gpu
from support.synthetic import array_uvw, make_block


def nothing_else(blocks: Any, out: Any) -> str:
    """A kernel to fall back on that says that it was asked."""
    raise LookupError


def slant(device: CupyDevice, blocks: list[Block], grid: Grid, epsilon: float = 1e-5) -> NDArray[np.float32]:
    """The image [y, x] of the first Stokes."""
    out = np.full((1, grid.height, grid.width), np.nan, np.float32)
    assert CudaSlantKernel(device, grid, epsilon, nothing_else).image(blocks, out) == "slant"
    made: NDArray[np.float32] = out[0]
    return made


@pytest.mark.parametrize("bright", [False, True], ids=["field", "100x outside"])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
@pytest.mark.parametrize("name", ["flat", "mountains"])
def test_the_slant_kernel_is_as_accurate_as_asked(device: CupyDevice, name: str, epsilon: float, bright: bool) -> None:
    """Against the direct sum, over every pixel."""
    blocks, grid = GEOMETRIES[name].blocks(epsilon, bright)
    assert relative_error(slant(device, blocks, grid, epsilon), blocks, grid) <= epsilon


@pytest.mark.parametrize("angle", [0.0, 0.6, 1.2, 2.2])
def test_arrays_that_lean_to_any_side_are_imaged(device: CupyDevice, angle: float) -> None:
    """Transposed or not, of slopes of either sign, a rectangle, several blocks of other frequencies."""
    size, wavelength, _, elevation, thickness, scale, _ = ARRAYS["SKA-Low core"]
    uvw = turned(array_uvw(7, 9, size / 3, elevation, thickness), angle)
    grid, sky = Grid(160, 96, scale, 0.0, 0.0, "FK5"), [(0.01, -0.008, 1.0), (-0.02, 0.012, 0.5)]
    blocks = [
        make_block(uvw, np.linspace(0.97, 1.0, 3) * LIGHT / wavelength, sky),
        make_block(uvw[3:20], np.linspace(1.0, 1.03, 2) * LIGHT / wavelength, sky, seed=1),
    ]
    assert relative_error(slant(device, blocks, grid), blocks, grid) <= 1e-5


def test_many_samples_are_summed_in_batches(device: CupyDevice) -> None:
    """Short baselines of many channels, which meet in few cells."""
    uvw = array_uvw(3, 12, 12.0, 0.9)
    block = make_block(uvw, np.linspace(1.0, 1.02, 512) * 1.4e9, [(0.002, -0.001, 1.0)])
    assert block.visibility[0].size > 2 * BATCH
    grid = Grid(64, 64, 1e-3, 0.0, 0.0, "FK5")
    assert relative_error(slant(device, [block], grid), [block], grid) <= 1e-5


class Stand:
    """Stands for ska-sdp-func's `GridderUvwEsFft`, with all that its source leaves to the caller, by ducc0."""

    def __init__(self, uvw: Any, freq: Any, vis: Any, weight: Any, dirty: Any, x: float, y: float, eps: float, w: bool):
        assert dirty.shape[0] == dirty.shape[1]
        assert x == y
        assert {each.dtype for each in (uvw, freq, weight, dirty)} == {np.dtype("f8")}
        assert vis.dtype == np.complex128
        assert all(each.flags.c_contiguous for each in (uvw, freq, vis, weight, dirty))
        assert np.all(np.diff(freq) > 0)
        assert np.ptp(np.abs(uvw[:, 2])) > 0
        self._pixel, self._eps = x, eps

    def grid_uvw_es_fft(self, uvw: Any, freq: Any, vis: Any, weight: Any, dirty: Any) -> None:
        """Add to the image, divided by n, not by the weights."""
        dirty += ducc0.wgridder.vis2dirty(
            uvw=uvw, freq=freq, vis=vis, wgt=weight, npix_x=len(dirty), npix_y=len(dirty), pixsize_x=self._pixel,
            pixsize_y=self._pixel, epsilon=self._eps, do_wgridding=True, divide_by_n=True,
        )  # fmt: skip


class OnHost(np.ndarray[Any, Any]):
    """An array as if it were cupy's."""

    def get(self) -> NDArray[Any]:
        """A copy on the host."""
        return np.array(self)


def host_cupy() -> Any:
    """numpy, as far as the kernel uses cupy."""
    return SimpleNamespace(
        cuda=SimpleNamespace(Stream=SimpleNamespace(null=nullcontext())),
        asarray=lambda array: np.asarray(array).view(OnHost),
        ones=lambda shape: np.ones(shape).view(OnHost),
        zeros=lambda shape: np.zeros(shape).view(OnHost),
    )


@pytest.mark.parametrize("flat", [False, True], ids=["w", "w = 0"])
def test_ska_sdp_func_is_given_what_it_needs(flat: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Axes, signs, n, and all that it leaves to its caller: the image is that of the direct sum."""
    library = ModuleType("ska_sdp_func.grid_data")
    library.GridderUvwEsFft = Stand  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ska_sdp_func", ModuleType("ska_sdp_func"))
    monkeypatch.setitem(sys.modules, "ska_sdp_func.grid_data", library)
    uvw = turned(array_uvw(1, 9, 300.0, 0.8), 0.6) * ([1, 1, 0] if flat else [1, 1, 1])
    grid, sky = Grid(96, 96, 7e-4, 0.0, 0.0, "FK5"), [(0.03, -0.02, 1.0)]
    blocks = [make_block(uvw, np.linspace(1.0, 1.1, 3) * LIGHT / 2, sky), make_block(uvw[2:9], np.array([1.4e8]), sky)]
    kernel = SdpFuncKernel(SimpleNamespace(xp=host_cupy()), grid, 1e-5)  # type: ignore[arg-type]
    out = np.full((1, 96, 96), np.nan)
    assert kernel.image(blocks, out) == "ska-sdp-func"
    east, north = pixel_directions(grid)
    exact = direct_sum(blocks, east, north)[0]
    assert np.linalg.norm(out[0] - exact) <= 1e-5 * np.linalg.norm(exact)


def test_ska_sdp_func_refuses_what_it_would_drop() -> None:
    """Baselines outside its grid are an error that says which pixels would do, not an image without them."""
    block = make_block(array_uvw(1, 5, 300.0, 0.8), np.array([1e9]), [(0.0, 0.0, 1.0)])
    with pytest.raises(UsageError, match=r"--scale [0-9.]+arcsec or less"):
        in_wavelengths([block], 0.01, 512)


@pytest.mark.skipif(bool(gpus()), reason="there is a GPU here")
def test_a_missing_gpu_is_said_before_anything_is_done(simulated_ms: Path, tmp_path: Path) -> None:
    """`fip run`, `fip check` and a worker say in one line that there is no GPU, and what there is."""
    out = tmp_path / "out"
    for arguments, says in [
        (["--devices", "cuda:0"], "GPU"),
        (["--devices", "cuda"], "'cuda' is no device"),
        (["--kernel", "ska-sdp-func"], "GPUs alone"),
        (["--devices", "cpu,cuda:7"], "GPU"),
    ]:
        ended = fip("run", simulated_ms, "--output", out, *arguments)
        assert ended.returncode == 2
        assert says in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not images(out)
    assert "no GPU" in fip("check").stdout


def test_a_gpu_that_is_named_twice_gets_two_workers() -> None:
    """Most of a small image's time is the processor's, so that several workers are needed to fill a GPU."""
    assert workers_on("cuda:0,cuda:2,cuda:0", None) == {"gpu0": "cuda:0", "gpu2": "cuda:2", "gpu0-1": "cuda:0"}


def test_a_worker_named_for_a_gpu_images_on_it(tmp_path: Path) -> None:
    """gpuN is cuda:N, cpuN the CPU, and the configuration wins."""
    file = tmp_path / "fip.toml"
    file.write_text('[worker.gpu1]\ndevice = "cpu"\n[worker."head/cpu0"]\ndevice = "cuda:3"\n')
    config = load(file).config
    named = {
        name: config.device_of(name, "head") for name in ("gpu0", "gpu0-1", "gpu1", "gpu12", "cpu0", "cpu1", "gpux")
    }
    assert named == {
        "gpu0": "cuda:0",
        "gpu0-1": "cuda:0",
        "gpu1": "cpu",
        "gpu12": "cuda:12",
        "cpu0": "cuda:3",
        "cpu1": "cpu",
        "gpux": "cpu",
    }


@needs_gpu
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_imaged_on_a_gpu(name: str) -> None:
    """Thousands of samples and of pixels, which only many threads add up and interpolate at once."""
    size, wavelength, antennas, elevation, thickness, scale, (width, height) = ARRAYS[name]
    uvw = turned(array_uvw(7, antennas, size / 3, elevation, thickness), 0.6)
    block = make_block(uvw, np.linspace(0.97, 1.03, 3) * LIGHT / wavelength, [(0.001, 0.002, 1.0)])
    grid = Grid(width, height, scale, 0.0, 0.0, "FK5")
    made = slant(CupyDevice("cuda:0"), [block], grid)
    assert relative_error(made, [block], grid, pixels=300) <= 1e-5


@needs_gpu
def test_ska_sdp_func_images_on_a_gpu() -> None:
    """The library itself, if it is installed; two slices, so that nothing of the first is left in the second."""
    pytest.importorskip("ska_sdp_func", reason="no GPU library ska-sdp-func")
    uvw = turned(array_uvw(1, 24, 3000.0, 0.8), 0.6)
    grid = Grid(2048, 2048, 1e-5, 0.0, 0.0, "FK5")
    kernel, out = SdpFuncKernel(CupyDevice("cuda:0"), grid, 1e-5), np.full((1, 2048, 2048), np.nan)
    for east in (0.003, -0.002):
        block = make_block(uvw, np.linspace(1.0, 1.1, 16) * LIGHT / 0.5, [(east, -0.002, 1.0)])
        kernel.image([block], out)
        assert relative_error(out[0], [block], grid, pixels=300) <= 1e-5


@needs_gpu
@pytest.mark.parametrize("options", [[], ["--stokes", "IQUV", "--size", "200x120"]])
def test_a_run_on_a_gpu_makes_the_images_of_a_run_on_the_cpu(
    simulated_ms: Path, tmp_path: Path, options: list[str]
) -> None:
    """Each to epsilon of the exact image, so that they are within two of each other."""
    for device in ("cpu", "cuda:0"):
        ended = fip("run", simulated_ms, "--output", tmp_path / device, "--devices", device, *options)
        assert ended.returncode == 0, ended.stderr
    pairs = list(zip(images(tmp_path / "cpu"), images(tmp_path / "cuda:0"), strict=True))
    assert pairs
    for one, other in pairs:
        by_cpu, by_gpu = fits.getdata(one).astype(float), fits.getdata(other).astype(float)
        assert fits.getheader(other)["FIPKERN"] == "slant"
        assert np.linalg.norm(by_gpu - by_cpu) <= 2e-5 * np.linalg.norm(by_cpu)
