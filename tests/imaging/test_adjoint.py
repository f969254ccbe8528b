"""Degridding is the adjoint of imaging, to the rounding, and gives the visibilities of pixels, to epsilon."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.values import Block, Grid
from fip.imaging.slant.backwards import degrid, degrid_if_cheaper, without_samples
from fip.imaging.slant.kernel import render
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.sheet import UnsuitableError
from support.direct_sum import point_source
from support.geometries import turned
from support.synthetic import array_uvw

TESTS = Path(__file__).parents[1]
FREQUENCY = np.linspace(1.0e9, 1.1e9, 5)


def grid_of(shape: tuple[int, int], scale: float) -> Grid:
    return Grid(*shape, scale, 0.0, 0.0, "FK5")


def baselines(seed: int, antennas: int = 12, size: float = 1000.0, elevation: float = 0.8) -> NDArray[np.float64]:
    return turned(array_uvw(seed, antennas, size, elevation), seed)


@pytest.mark.parametrize(("epsilon", "closeness"), [(1e-5, 1e-6), (1e-8, 1e-12), (1e-11, 1e-12)])
@pytest.mark.parametrize(
    ("seed", "shape", "scale"), [(1, (64, 96), 2e-5), (2, (150, 70), 4e-5), (4, (64, 80), 5e-4), (6, (530, 34), 3e-5)]
)
def test_the_products_of_both_are_the_same(
    seed: int, shape: tuple[int, int], scale: float, epsilon: float, closeness: float
) -> None:
    """<D v, x> = <v, D* x> of any image v and samples x: several blocks, either orientation, wide and narrow."""
    rng = np.random.default_rng(seed)
    uvw, grid = baselines(seed, size=1000.0 * 3e-5 / scale), grid_of(shape, scale)
    parts, frequencies = [uvw[:20], uvw[20:]], [FREQUENCY, FREQUENCY[[1, 4]]]
    plan = make_plan([without_samples(*each) for each in zip(parts, frequencies, strict=True)], grid, epsilon)
    image = rng.normal(size=(grid.height, grid.width)).astype(plan.scheme.precision)
    blocks = []
    for rows, frequency in zip(parts, frequencies, strict=True):
        samples = rng.normal(size=(2, 1, len(rows), len(frequency)))
        values = (samples[0] + 1j * samples[1]).astype(plan.scheme.samples)
        blocks.append(Block(0, rows, frequency, values, values.real))
    imaged = np.empty((1, grid.height, grid.width), plan.scheme.precision)
    render(plan, blocks, imaged)
    found = degrid(plan, frequencies, image)
    one = sum(
        float(np.vdot(each.astype(complex), block.visibility[0].astype(complex)).real)
        for each, block in zip(found, blocks, strict=True)
    )
    other = float(np.vdot(image.astype(float), imaged[0].astype(float)))
    size = float(np.linalg.norm(image.astype(float)) * np.linalg.norm(imaged.astype(float)))
    assert abs(one - other) < closeness * size


@pytest.mark.parametrize("epsilon", [1e-5, 1e-8, 1e-11])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_visibilities_are_those_of_the_pixels(seed: int, epsilon: float) -> None:
    """A corner among them, the edges and the middle."""
    uvw, grid = baselines(seed), grid_of((96, 64), 3e-5)
    rng = np.random.default_rng(seed)
    image, right = np.zeros((64, 96)), np.zeros((len(uvw), 5), complex)
    for y, x in [(0, 0), (63, 95), (0, 40), (31, 0), (32, 48), (17, 70), (50, 20)]:
        image[y, x] = rng.normal()
        right += point_source(uvw, FREQUENCY, -(x - 48) * grid.scale, (y - 32) * grid.scale, image[y, x])
    found = degrid(make_plan([without_samples(uvw, FREQUENCY)], grid, epsilon), [FREQUENCY], image)[0]
    assert np.linalg.norm(found - right) < epsilon * np.linalg.norm(right)


def test_an_image_that_the_slant_kernel_cannot_make_is_not_degridded_by_it() -> None:
    """The caller learns it from the same exception."""
    with pytest.raises(UnsuitableError, match="horizon"):
        degrid_if_cheaper([baselines(1)], [FREQUENCY], np.ones((64, 64)), grid_of((64, 64), 0.03), 1e-5)
    with pytest.raises(UnsuitableError, match="slower"):
        degrid_if_cheaper([baselines(1)[:3]], [FREQUENCY], np.ones((32, 32)), grid_of((32, 32), 1e-6), 1e-5)


CHECKED = """
import sys
from support import checked_simd
sys.modules["fip.imaging.slant.simd"] = checked_simd
import numpy as np
from fip.data.values import Grid
from fip.imaging.slant.backwards import degrid, without_samples
from fip.imaging.slant.degrid import degridder
from fip.imaging.slant.grid import gridder, kernel_polynomials
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.scheme import FINEST
from support.direct_sum import point_source
from support.geometries import turned
from support.synthetic import array_uvw
seen = set()
for seed, size, elevation, shape, scale, epsilon in CASES:
    uvw, frequency = turned(array_uvw(seed, 4, size, elevation), seed), np.array([1.0e9, 1.1e9])
    grid = Grid(*shape, scale, 0.0, 0.0, "FK5")
    plan = make_plan([without_samples(uvw, frequency)], grid, epsilon)
    seen |= {plan.plane.transposed}
    image = np.zeros((grid.height, grid.width))
    image[3, 5] = 2.0
    right = point_source(uvw, frequency, -(5 - grid.width // 2) * scale, (3 - grid.height // 2) * scale, 2.0)
    found = degrid(plan, [frequency], image)[0]
    assert np.linalg.norm(found - right) <= 2 * epsilon * np.linalg.norm(right)
assert {False, True} <= seen, seen
rng = np.random.default_rng(0)  # nine terms, which fill more than one vector of 16
cells, sample = np.zeros(40 * 40 * 18), (np.array([[2.3, -1.7, 0.2, 0.4]]), np.ones(1))
terms = kernel_polynomials(FINEST), rng.normal(size=(9, 2)), np.arange(9) % 2
gridder(9, 16, 12)(cells, 40 * 18, 8, 20, *sample, np.array([[1.0 + 2.0j]]), *terms)
other, out = rng.normal(size=cells.size), np.empty((1, 1), complex)
degridder(True, 16, 12)(other, 9, 40 * 18, 8, 20, *sample, *terms, out)
np.testing.assert_allclose(cells @ other, (out[0, 0] * (1 - 2j)).real, rtol=1e-10)
print("checked")
"""


def test_no_vector_is_out_of_range() -> None:
    """Uncompiled and with every index checked, in either orientation."""
    cases = [
        (1, 300.0, 0.7, (18, 24), 4e-6, 1e-5),
        (2, 3000.0, 0.65, (34, 16), 6e-6, 1e-5),
        (3, 60.0, 1.2, (16, 22), 1e-3, 1e-5),
        (4, 100.0, 0.65, (20, 18), 4e-4, 1e-5),
        (4, 100.0, 0.65, (34, 18), 1e-4, 1e-8),
    ]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    code = CHECKED.replace("CASES", repr(cases))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "checked\n", done.stderr[-2000:]
