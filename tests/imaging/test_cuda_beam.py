"""The beam on a GPU: the middle of the point spread function from a second, tiny grid."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from fip.imaging.beam import PATCH_EPSILON, fit_beam
from fip.imaging.cuda import psf_patch
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.cuda.slant import CudaSlantKernel
from fip.imaging.slant.psf import COMPILED
from support.direct_sum import direct_sum, pixel_directions
from support.synthetic import array_uvw, make_block

GRID = Grid(64, 64, 1e-4, 0.0, 0.0, "FK5")


def nothing_else(blocks: Any, out: Any) -> str:
    """A kernel to fall back on that says that it was asked."""
    raise LookupError


class Asked(CudaSlantKernel):
    """Keeps what it was asked for, and what it made of it."""

    def __init__(self, device: CupyDevice) -> None:
        super().__init__(device, GRID, 1e-5, nothing_else)
        self.made: list[tuple[tuple[Any, ...], NDArray[np.floating] | None]] = []

    def psf_patch(self, *asked: Any) -> NDArray[np.floating] | None:
        """Make the patch as CudaSlantKernel does, and note it."""
        patch = super().psf_patch(*asked)
        self.made.append((asked, patch))
        return patch


def an_array(seed: int) -> list[Block]:
    """Two windows, random weights, seen from the side so that the beam is long."""
    uvw = array_uvw(seed, 12, 800.0, 0.4)
    return [
        make_block(uvw, np.linspace(1.0, 1.1, 5) * 1e9, [(0.0, 0.0, 1.0)], seed=seed),
        make_block(uvw[5:40], np.linspace(1.2, 1.3, 3) * 1e9, [(0.0, 0.0, 1.0)], seed=seed + 1),
    ]


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU makes what it would else leave to the processor, as arrays are small whose direct sum is at hand."""
    monkeypatch.setattr(psf_patch, "FEWEST", 1)


@pytest.mark.usefixtures("few_are_enough")
@pytest.mark.parametrize("seed", [1, 2])
def test_the_middle_of_the_psf_is_that_of_the_direct_sum(device: CupyDevice, seed: int) -> None:
    """They agree to the accuracy of the grid, 1e-5; w is left out."""
    kernel = Asked(device)
    assert fit_beam(an_array(seed), kernel.beams) is not None
    (uvw, frequencies, weights, side, step), patch = kernel.made[-1]
    assert patch is not None
    blocks = [
        Block(0, own * [1, 1, 0], f, weight.reshape(1, len(own), len(f)).astype(complex), weight)
        for own, f, weight in zip(uvw, frequencies, weights, strict=True)
    ]
    # So small a patch that n, which the sum has a factor of w for, does not matter: w is 0.
    small = replace(GRID, width=side, height=side, scale=step * 1e-3)
    exact = direct_sum([replace(b, uvw=b.uvw * 1e3) for b in blocks], *pixel_directions(small))[0]
    assert np.linalg.norm(patch - exact) <= 1e-5 * np.linalg.norm(exact)


@pytest.mark.usefixtures("few_are_enough")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_beam_is_that_of_the_processor(device: CupyDevice, seed: int) -> None:
    """What a patch is off moves a fit of exp(-t), t = y.A y, by no more than that over the rms of its slope t exp(-t).

    That is 0.26 over a lobe that ends at t = 1.05, and a patch as a whole is less than four times a lobe in L2.
    """
    kernel = Asked(device)
    one, other = fit_beam(an_array(seed)), fit_beam(an_array(seed), kernel.beams)
    assert one is not None
    assert other is not None
    assert all(patch is not None for _, patch in kernel.made)
    assert np.allclose((other.major, other.minor), (one.major, one.minor), rtol=PATCH_EPSILON * 4 / 0.26 / 2)
    assert other.angle == pytest.approx(one.angle, abs=PATCH_EPSILON * 4 / 0.26)


def test_a_patch_of_few_samples_is_left_to_the_processor(device: CupyDevice) -> None:
    """A patch of many samples is not left."""
    kernel = Asked(device)
    assert fit_beam(an_array(1), kernel.beams) == fit_beam(an_array(1), COMPILED)
    assert all(patch is None for _, patch in kernel.made)
    uvw = np.random.default_rng(6).normal(size=(psf_patch.FEWEST, 3)) * 100
    assert fit_beam([make_block(uvw, np.array([1e9]), [(0.0, 0.0, 1.0)])], kernel.beams) is not None
    assert kernel.made[-1][1] is not None


@pytest.mark.usefixtures("few_are_enough")
def test_fringes_too_fine_for_a_patch_are_left_to_the_processor(device: CupyDevice) -> None:
    """One long baseline beside very many short ones."""
    rng = np.random.default_rng(4)
    uvw = np.concatenate([rng.normal(size=(1500, 3)) * 5, [[2e4, 1e4, 0.0]]])
    block = make_block(uvw, np.array([1e9]), [(0.0, 0.0, 1.0)])
    kernel = Asked(device)
    beam = fit_beam([block], kernel.beams)
    assert any(patch is None for _, patch in kernel.made)
    assert beam == fit_beam([block], COMPILED)
