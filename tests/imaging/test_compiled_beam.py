"""The beam as a worker's own kernel fits it: the exact function in its patch, and the same ellipse as ever."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.settings import Imaging, KernelName
from fip.data.values import Block, Grid
from fip.imaging.beam import PLAIN, fit_beam, uv_moments
from fip.imaging.compression import compress_blocks
from fip.imaging.kernels import make_kernel
from fip.imaging.slant.psf import COMPILED, patch
from fip.imaging.weighting import weigh
from fip.worker.stages import pass_through
from support.no_ellipses import NO_ELLIPSES
from support.repository import TESTS
from support.synthetic import array_uvw, make_slice

LIGHT = 299792458.0
BAND = np.linspace(1.2e9, 1.5e9, 40)
ALIASING = 6.8e-7  # of the gridding kernel, rms, on each of two axes


def covered(uvw: NDArray[np.float64], frequency: NDArray[np.float64], seed: int = 0) -> Block:
    """Uneven weights on these baselines."""
    weight = np.random.default_rng(seed).uniform(0.2, 1, (1, len(uvw), len(frequency))).astype(np.float32)
    return Block(0, uvw, frequency, np.zeros(weight.shape, np.complex64), weight)


def core_and_outliers() -> Block:
    """A thin tip on a broad foot, which runs over the first patch."""
    core, far = array_uvw(3, 40, 30.0, 1.3), array_uvw(4, 6, 4000.0, 1.3)
    weight = np.concatenate([np.full(len(core), 0.8 / len(core)), np.full(len(far), 0.2 / len(far))])
    return Block(
        0, np.concatenate([core, far]), BAND[:1], np.zeros((1, weight.size, 1), np.complex64), weight[None, :, None]
    )


CASES = {
    "round": [covered(array_uvw(0, 27, 1500.0, 1.2), BAND[:1])],
    "low, wide band": [covered(array_uvw(1, 27, 1500.0, 0.2), BAND)],
    "few": [covered(array_uvw(2, 5, 1500.0, 0.6), BAND[:3])],
    "three": [covered(array_uvw(6, 3, 1500.0, 0.9), BAND)],
    "windows": [covered(array_uvw(5, 27, 1500.0, 0.8), BAND), covered(array_uvw(5, 9, 800.0, 0.8), BAND[:1] * 1.3, 1)],
    "core and outliers": [core_and_outliers()],
    "weights in double precision": [replace(core_and_outliers(), frequency=BAND[3:4])],
}


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("step", [0.02, 0.3])
def test_a_patch_is_the_point_spread_function(side: int, step: float) -> None:
    """It is right to a few times the gridding kernel's aliasing, below a cycle in two pixels and beyond it."""
    uv = np.random.default_rng(1).normal(size=(300, 2))
    block = covered(np.column_stack([uv * LIGHT / 1e9, np.zeros(300)]), np.array([1e9]))
    to_sky = np.array([[0.9, 0.2], [-0.3, 1.1]])
    made = patch([block], to_sky, side, step)
    y = (np.arange(side) - side // 2) * step
    along, across = (uv @ to_sky).T
    waves = np.exp(2j * np.pi * np.outer(y, across)) * block.weight[0, :, 0]
    exact = (waves @ np.exp(-2j * np.pi * np.outer(along, y))).real
    error = np.sqrt(np.mean((made - exact) ** 2)) / np.linalg.norm(block.weight)
    assert error < 3 * np.sqrt(2) * ALIASING
    assert np.ptp(exact) > 0.1 * block.weight.sum()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_ellipse_is_the_plain_one(name: str, compressed: bool) -> None:
    """They agree to 2e-6 of the axes: so far apart are the two gridders, asked for 1e-4 of the peak."""
    blocks: Sequence[Block] = CASES[name]
    if compressed:
        blocks = compress_blocks(blocks, Grid(64, 64, 2e-6, 0.0, 0.0, "FK5"), 1e-5)
    same(blocks)


def same(blocks: Sequence[Block]) -> None:
    """Check that both ways agree."""
    plain, compiled = fit_beam(blocks, PLAIN), fit_beam(blocks, COMPILED)
    assert plain is not None
    assert compiled is not None
    assert (compiled.major, compiled.minor) == pytest.approx((plain.major, plain.minor), rel=2e-6)
    turned = (compiled.angle - plain.angle + np.pi / 2) % np.pi - np.pi / 2
    assert abs(turned) < 2e-6 / (1 - plain.minor / plain.major)
    moments, expected = uv_moments(blocks, COMPILED), uv_moments(blocks)
    assert moments is not None
    assert expected is not None
    assert (moments.uu, moments.uv, moments.vv) == pytest.approx((expected.uu, expected.uv, expected.vv), rel=1e-5)


@pytest.mark.parametrize("weight", ["uniform", "briggs"])
def test_weighted_beams_agree(weight: str) -> None:
    """This holds for imaging weights, too."""
    settings = Imaging(stokes=("I",), epsilon=1e-5, kernel="slant", weight=weight)  # type: ignore[arg-type]
    if weight == "briggs":
        settings = replace(settings, robust=0.0)
    same(weigh(CASES["round"], settings, Grid(1024, 1024, 2e-6, 0.0, 0.0, "FK5")))


def test_outliers_of_a_core_need_a_wider_patch() -> None:
    """Otherwise nothing here would have tested one: the foot reaches over the first."""
    seen = []

    def main_lobe(*given: object) -> object:
        seen.append(given[3])
        return COMPILED.main_lobe(*given)  # type: ignore[arg-type]

    fit_beam([core_and_outliers()], COMPILED._replace(main_lobe=main_lobe))  # type: ignore[arg-type]
    assert seen[0] == 64
    assert 128 in seen


@pytest.mark.parametrize(("uv", "weight"), NO_ELLIPSES.values(), ids=NO_ELLIPSES.keys())
def test_no_ellipse_is_none(uv: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
    """If the point spread function has no end in some direction there is no beam, and no invented one."""
    weights = weight.reshape(1, -1, 1)
    uvw = np.column_stack([uv, np.zeros(len(uv))])
    assert fit_beam([Block(0, uvw, BAND[:1], np.zeros(weights.shape, complex), weights)], COMPILED) is None


@pytest.mark.parametrize(("kernel", "ways"), [("slant", COMPILED), ("wgridder", PLAIN)])
def test_a_worker_fits_in_the_ways_of_its_kernel(kernel: KernelName, ways: object) -> None:
    """This holds for the whole band and for each output channel; the moments of u and v, too."""
    grid = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5")
    block = CASES["low, wide band"][0]
    one, other = replace(block, visibility=block.weight.astype(np.complex64)), replace(block, channel_out=1)
    slice_ = make_slice([one, other], grid)
    made = pass_through(slice_, make_kernel(replace(slice_.settings, kernel=kernel), grid))[0].images["dirty"]
    assert made.beam == fit_beam([one, other], ways)  # type: ignore[arg-type]
    assert made.channel_beams == tuple(fit_beam([each], ways) for each in (one, other))  # type: ignore[arg-type]
    assert made.moments == uv_moments([one, other], ways)  # type: ignore[arg-type]


CHECKED = """
import sys
from support import checked_simd
sys.modules["fip.imaging.slant.simd"] = checked_simd
import numpy as np
from fip.data.values import Block
from fip.imaging.slant.psf import patch
rng = np.random.default_rng(0)
for scale, step, channels in ((1.0, 0.02, 3), (30.0, 0.3, 9)):
    uvw = np.column_stack([rng.normal(size=(12, 2)) * scale, np.zeros(12)])
    weight = np.ones((1, 12, channels), np.float32)
    block = Block(0, uvw, np.linspace(2.9e8, 3.1e8, channels), weight.astype(np.complex64), weight)
    made = patch([block], np.eye(2), 64, step)
    assert abs(made[32, 32] / weight.sum() - 1) < 1e-4
print("checked")
"""


def test_no_vector_is_out_of_range() -> None:
    """Uncompiled and with every index checked, of frequencies within the plane of cells and beyond it."""
    paths = [str(TESTS), *sys.path]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", CHECKED], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "checked\n", done.stderr[-2000:]
