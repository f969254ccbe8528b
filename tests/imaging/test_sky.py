"""Images of fields that reach the horizon: as accurate as asked up to it, by the slant kernel's terms.

`GEOMETRIES=1000 pytest tests/imaging/test_sky.py` draws so many, other ones than the few that are drawn always.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from fip.data.settings import Imaging
from fip.data.values import Block, Grid
from fip.imaging.dirty import beyond_horizon, dirty_image
from fip.imaging.kernels import make_kernel
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.sky import render_sky
from fip.imaging.slant.sky_plan import make_sky_plan
from support.direct_sum import direct_sum, pixel_directions
from support.drawn_skies import draw, errors, noise, station
from support.observatories import uvw_seen
from support.repository import TESTS
from support.synthetic import make_slice

MORE = int(os.environ.get("GEOMETRIES", "0"))
BATCHES = 6
EPSILONS = [1e-3, 1e-5, 1e-5, 1e-8, 1e-11]


def check(seed: int) -> int:
    """How many of both ways make the image; fails if one is not as accurate as asked, at the horizon, too."""
    block, grid, epsilon = draw(seed, EPSILONS)
    made = 0
    for level in (False, True):
        out = np.zeros((1, grid.height, grid.width), np.float32 if epsilon >= 1e-6 else np.float64)
        try:
            render_sky(make_sky_plan([block], grid, epsilon, level), [block], out)
        except UnsuitableError:
            continue
        whole, rim = errors(out[0], block, grid, epsilon)
        assert max(whole, rim) <= epsilon, (seed, level)
        made += 1
    return made


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_image_of_the_sky_is_wrong(batch: int) -> None:
    """Up to the horizon of the sky and of the array, at any elevation; and most geometries can be imaged."""
    seeds = [*range(batch, 36, BATCHES), *range(10_000 + batch, 10_000 + MORE, BATCHES)]
    assert np.mean([check(seed) for seed in seeds]) >= 1


def settings_for(epsilon: float = 1e-5) -> Imaging:
    """Return the settings of a run that asks for the slant kernel."""
    return Imaging(stokes=("I",), epsilon=epsilon, kernel="slant", weight="natural")


def a_sky(side: int = 64, extent: float = 2.1, elevation: float = 60.0, stokes: int = 1) -> tuple[Block, Grid]:
    """A station of dipoles, and a field that reaches over the horizon."""
    rng = np.random.default_rng(1)
    uvw = uvw_seen(station(rng, 16, 12.0, 0.05), np.deg2rad(elevation), 0.7, 0.4)
    block = noise(rng, uvw, np.array([1.0e8, 1.01e8]), 1e-5)
    many = block.visibility.repeat(stokes, 0), block.weight.repeat(stokes, 0)
    return Block(0, uvw, block.frequency, *many), Grid(side, side - 10, extent / side, 0.0, 0.0, "FK5")


def test_the_whole_sky_is_imaged_by_its_terms_and_is_nan_below_the_horizon() -> None:
    """A worker images it: each pixel is that of the direct sum above the horizon, and NaN below."""
    block, grid = a_sky()
    made = dirty_image(make_slice([block], grid), make_kernel(settings_for(), grid))
    assert made.kernel == "sky"
    below = beyond_horizon(grid)
    assert below is not None
    assert np.array_equal(np.isnan(made.pixels[0, 0]), below)
    exact = direct_sum([block], *pixel_directions(grid))[0] / block.weight.sum()
    assert np.abs(made.pixels[0, 0] - exact)[~below].max() <= 1e-5 * np.abs(exact[~below]).max()


def test_all_stokes_and_all_orders_have_the_bits_of_one() -> None:
    """A plane's image depends neither on the others of its slice nor on what was imaged before."""
    (one, grid), (two, _), (other, small) = a_sky(), a_sky(stokes=2), a_sky(40, 1.7, 88.0)
    alone, both = np.zeros((1, grid.height, grid.width), np.float32), np.zeros((2, grid.height, grid.width), np.float32)
    make_kernel(settings_for(), grid).image([one], alone)
    make_kernel(settings_for(), small).image([other], np.zeros((1, small.height, small.width), np.float32))
    assert make_kernel(settings_for(), grid).image([two], both) == "sky"
    assert both[0].tobytes() == both[1].tobytes() == alone[0].tobytes()


def test_what_is_too_far_from_a_plane_is_left_to_the_w_gridder() -> None:
    """Dipoles on mountains, the whole sky: more terms than 16; the image is as accurate."""
    rng = np.random.default_rng(2)
    uvw = uvw_seen(station(rng, 12, 30.0, 20.0), 1.2, 0.7, 0.4)
    block, grid = noise(rng, uvw, np.array([1.5e8]), 1e-5), Grid(64, 64, 2 / 64, 0.0, 0.0, "FK5")
    for level in (False, True):
        with pytest.raises(UnsuitableError, match="terms"):
            make_sky_plan([block], grid, 1e-5, level)
    out = np.zeros((1, 64, 64), np.float32)
    assert make_kernel(settings_for(), grid).image([block], out) == "wgridder"


def test_a_sky_of_long_baselines_is_refused_by_its_memory() -> None:
    """An image at the uv Nyquist rate of 40 km over the whole sky has no room."""
    rng = np.random.default_rng(3)
    uvw = rng.normal(size=(9, 3)) * [2e4, 2e4, 0.01]
    block = noise(rng, uvw, np.array([3e8]), 1e-5)
    with pytest.raises(UnsuitableError, match="GB"):
        make_sky_plan([block], Grid(64, 64, 2 / 64, 0.0, 0.0, "FK5"), 1e-5, level=True)


CHECKED = """
import sys
from support import checked_simd
sys.modules["fip.imaging.slant.simd"] = checked_simd
import numpy as np
from fip.data.values import Grid
from fip.imaging.slant.sky import render_sky
from fip.imaging.slant.sky_plan import make_sky_plan
from support.drawn_skies import errors, noise, station
from support.observatories import uvw_seen
seen = set()
for seed, radius, heights, elevation, shape, extent, epsilon in CASES:
    rng = np.random.default_rng(seed)
    uvw = uvw_seen(station(rng, 4, radius, heights), elevation, 0.7, 0.4)
    block = noise(rng, uvw, np.array([1.0e8, 1.01e8]), epsilon)
    grid = Grid(*shape, extent / max(shape), 0.0, 0.0, "FK5")
    for level in (False, True):
        plan = make_sky_plan([block], grid, epsilon, level)
        seen.add((level, plan.basis.terms % 2))
        out = np.zeros((1, grid.height, grid.width), plan.scheme.precision)
        render_sky(plan, [block], out)
        whole, rim = errors(out[0], block, grid, epsilon)
        assert max(whole, rim) <= epsilon, (seed, level, whole, rim)
assert {(False, 0), (False, 1)} <= seen, seen
print("checked")
"""


def test_no_vector_is_out_of_range() -> None:
    """Uncompiled and with every index checked: odd shapes, fields within the sky and beyond it, both precisions."""
    cases = [
        (1, 3.0, 0.02, 1.5, (18, 24), 2.2, 1e-5),
        (2, 3.0, 0.3, 1.1, (22, 14), 1.9, 1e-5),
        (3, 2.0, 0.1, 1.4, (10, 26), 2.6, 1e-8),
        (4, 2.0, 0.1, 1.5, (16, 16), 1.2, 1e-11),
    ]
    paths = [str(TESTS), *sys.path]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(paths)}
    code = CHECKED.replace("CASES", repr(cases))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "checked\n", done.stderr[-2000:]
