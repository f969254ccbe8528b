"""What a kernel prepares is for a size and a scale: a drift scan of many fields needs one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from fip.data.values import Band, Grid
from fip.imaging.kernels import Kernel, make_kernel
from fip.worker import imager
from support.synthetic import array_uvw, make_block, make_slice

GRID = Grid(64, 64, 3e-5, 1.0, -0.5, "FK5")


def test_grids_of_all_fields_share_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer to prepare than an image; one of another scale needs its own."""
    made = []

    def counted(*arguments: Any) -> Kernel:
        made.append(arguments)
        return make_kernel(*arguments)

    monkeypatch.setattr(imager, "make_kernel", counted)
    blocks = [make_block(array_uvw(1, 8, 600.0, 1.0), np.array([1e9]), [(0.0, 0.0, 1.0)])]
    work = imager.Imager()
    for number in range(6):
        grid = replace(GRID, longitude=1.0 + number * 1e-3)
        file = work(replace(make_slice(blocks, grid), bands=(Band(1e9, 1e7),)), "cpu", "here", 0.0)
        header = fits.Header.fromstring(bytes(file.files[0].content))
        assert header["CRVAL1"] == pytest.approx(np.degrees(grid.longitude), abs=1e-9)
    assert len(made) == 1
    work(replace(make_slice(blocks, replace(GRID, scale=2e-5)), bands=(Band(1e9, 1e7),)), "cpu", "here", 0.0)
    assert len(made) == 2
