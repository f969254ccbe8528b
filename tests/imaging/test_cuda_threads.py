"""The CUDA sources run by many threads at the same time: samples meet in cells, squares are turned, medians are found.

Each thread does a part, and waits when a GPU's would. What one of them left undone, or did too early, is wrong. To see
two that touch the same memory without waiting, even if the image is right:

    CXXFLAGS="-fsanitize=thread -g" LD_PRELOAD=$(g++ -print-file-name=libtsan.so) python -m pytest THIS_FILE -s
"""

import numpy as np
import pytest

from fip.data.values import Grid
from fip.imaging.cuda.device import CupyDevice
from fip.imaging.cuda.slant import CudaSlantKernel
from fip.imaging.statistics import image_statistics
from support.direct_sum import relative_error
from support.drawn_skies import draw
from support.geometries import GEOMETRIES
from support.synthetic import array_uvw, make_block


@pytest.mark.parametrize("name", ["flat", "mountains", "all sky", "tall"])
def test_many_threads_make_the_image(threaded: CupyDevice, name: str) -> None:
    """Through a slanted image and term by term, and its statistics."""
    blocks, grid = GEOMETRIES[name].blocks(1e-5, bright=False)
    out = np.full((1, grid.height, grid.width), np.nan, np.float32)
    used, statistics = CudaSlantKernel(threaded, grid, 1e-5, lambda *_: "another").measured(blocks, out)
    assert used == ("sky" if name == "all sky" else "slant")
    assert relative_error(out[0], blocks, grid) <= 1e-5
    assert statistics == image_statistics(out[0])


def test_samples_that_meet_in_few_cells_are_all_added(threaded: CupyDevice) -> None:
    """Threads add to the same numbers here."""
    block = make_block(array_uvw(3, 8, 12.0, 0.9), np.linspace(1.0, 1.02, 64) * 1.4e9, [(0.002, -0.001, 1.0)])
    grid = Grid(32, 32, 1e-3, 0.0, 0.0, "FK5")
    out = np.full((1, 32, 32), np.nan, np.float32)
    assert CudaSlantKernel(threaded, grid, 1e-5, lambda *_: "another").image([block], out) == "slant"
    assert relative_error(out[0], [block], grid) <= 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_many_threads_make_any_sky(threaded: CupyDevice, seed: int) -> None:
    """Their image is the same as that of one thread."""
    block, grid, epsilon = draw(seed, [1e-5])
    out = np.zeros((1, grid.height, grid.width), np.float32)
    used, statistics = CudaSlantKernel(threaded, grid, epsilon, lambda *_: "another").measured([block], out)
    assert used == "sky"
    assert relative_error(out[0], [block], grid) <= epsilon
    assert statistics == image_statistics(out[0])
