"""The PSF that a worker has stored beside an image, as a search reads it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from fip.archive.followed import FollowedImage
from fip.data.values import Grid, Slice
from fip.events.psfs import psf_of
from fip.imaging.kernels import make_kernel
from fip.worker.stages import image_file
from support.synthetic import array_uvw, make_block, make_slice

GRID = Grid(64, 48, 3e-5, 1.0, -0.5, "FK5")


def observed(planes: int = 1) -> Slice:
    """A bright source, and as many Stokes, the last of them of half of the samples."""
    block = make_block(array_uvw(1, 24, 600.0, 1.0), np.linspace(1.0e9, 1.01e9, 4), [(0.0, 0.0, 5.0)])
    weight = block.weight.repeat(planes, 0)
    weight[1:, ::2] = 0
    block = replace(block, weight=weight, visibility=(block.visibility.repeat(planes, 0)))
    return make_slice([block], GRID)


@pytest.mark.parametrize("planes", [1, 2])
def test_it_is_that_of_the_plane_if_it_reaches_from_any_pixel_to_any(planes: int, tmp_path: Path) -> None:
    path = tmp_path / "a-t000007-dirty.fits"
    stokes = ("I", "Q")[:planes]
    image = FollowedImage("run", "a", cast(Any, None), path, np.zeros((planes, 48, 64)), stokes, GRID)
    assert psf_of(image, 0) is None
    found = []
    for make_psf in (True, "bright"):
        slice_ = observed(planes)
        slice_ = replace(slice_, settings=replace(slice_.settings, make_psf=make_psf))
        made = image_file(slice_, make_kernel(slice_.settings, GRID), "host/cpu0", 0.0)
        path.with_name("a-t000007-psf.fits").write_bytes(made.files[1].content)
        found.append([psf_of(image, plane) for plane in range(planes)])
    assert found[0] == [None] * planes  # of the image's own size
    psfs = [each for each in found[1] if each is not None]
    assert [each.shape for each in psfs] == [(96, 128)] * planes
    assert [each[48, 64] for each in psfs] == pytest.approx([1] * planes, abs=1e-4)
    assert planes == 1 or not np.allclose(psfs[0], psfs[1], atol=1e-3)
    assert psf_of(replace(image, stokes=("I",)), 0) is not None
