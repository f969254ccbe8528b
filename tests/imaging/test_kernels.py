"""The kernel and what surrounds it, against the direct sum in double precision."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.settings import Imaging, KernelName
from fip.data.values import Block, Grid, Slice
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel, pixel_type
from fip.imaging.statistics import image_statistics
from support.direct_sum import direct_sum, pixel_directions
from support.geometries import GEOMETRIES, LIGHT, Geometry
from support.synthetic import array_uvw, image_slice, make_block, make_slice


def settings_for(epsilon: float) -> Imaging:
    """The settings of a run that asks for this accuracy."""
    return Imaging(stokes=("I",), epsilon=epsilon, kernel="wgridder", weight="natural")


def image_of(blocks: Sequence[Block], grid: Grid, epsilon: float) -> NDArray[np.floating]:
    """The kernel's image [y, x] of the first Stokes, not divided by weights."""
    out = np.full((1, grid.height, grid.width), np.nan, pixel_type(settings_for(epsilon)))
    make_kernel(settings_for(epsilon), grid).image(blocks, out)
    image: NDArray[np.floating] = out[0]
    return image


def relative_error(blocks: Sequence[Block], grid: Grid, epsilon: float, pixels: int | None = None) -> float:
    """L2(image - direct)/L2(direct) over the sky, or over this many random pixels of it."""
    east, north = pixel_directions(grid)
    pick = np.flatnonzero(east**2 + north**2 < 1)
    if pixels is not None:
        pick = np.random.default_rng(0).choice(pick, pixels, replace=False)
    exact = direct_sum(blocks, east.ravel()[pick], north.ravel()[pick])[0]
    image = image_of(blocks, grid, epsilon).ravel()[pick]
    return float(np.linalg.norm(image - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("bright", [False, True], ids=["field", "100x outside"])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5, 2e-6, 1e-8, 1e-11])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_image_is_as_accurate_as_asked(name: str, epsilon: float, bright: bool) -> None:
    """The contract: L2(image - direct sum) <= epsilon L2(direct sum), whatever the array, field and sky."""
    blocks, grid = GEOMETRIES[name].blocks(epsilon, bright)
    assert relative_error(blocks, grid, epsilon) <= epsilon


@given(
    seed=st.integers(0, 10**6),
    size=st.floats(1, 4),
    elevation=st.floats(0.05, 1.57),
    thickness=st.floats(0, 0.3),
    pixels_per_fringe=st.floats(1.2, 8),
    width=st.integers(8, 32),
    height=st.integers(8, 32),
)
@settings(max_examples=40, deadline=None)
def test_any_geometry_is_accurate(
    seed: int, size: float, elevation: float, thickness: float, pixels_per_fringe: float, width: int, height: int
) -> None:
    """Single precision at the default epsilon holds for arrays of 10 to 10 000 wavelengths."""
    geometry = Geometry(10**size, elevation, thickness, 3 + seed % 6, pixels_per_fringe, (2 * width, 2 * height))
    blocks, grid = geometry.blocks(1e-5, bright=seed % 2 == 0)
    assert relative_error(blocks, grid, 1e-5) <= 1e-5


def test_dense_station_in_a_small_field_is_accurate() -> None:
    """234 000 samples that fall on a few uv cells do not drown in the rounding of single precision."""
    uvw = array_uvw(3, 140, 12.0, 1.3, 0.001)
    frequency = np.linspace(0.98, 1.02, 24) * LIGHT / 1.9
    weight = np.ones((1, len(uvw), len(frequency)), np.float32)
    block = Block(0, uvw, frequency, weight.astype(np.complex64), weight)
    assert relative_error([block], Grid(64, 128, 0.3 / 128, 0.0, 0.0, "FK5"), 1e-5, pixels=60) <= 1e-5


def test_windows_of_any_rows_go_into_one_image() -> None:
    """Blocks that differ in rows and in channels are summed, as the direct sum does."""
    grid = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5")
    sky = [(3e-4, -2e-4, 1.0)]
    uvw = array_uvw(1, 9, 300.0, 0.4)
    blocks = [
        make_block(uvw, np.linspace(1.0e9, 1.1e9, 5), sky, 1e-8),
        make_block(uvw[5:20], np.linspace(1.2e9, 1.3e9, 3), sky, 1e-8, seed=1),
        make_block(uvw[7:8], np.array([1.05e9]), sky, 1e-8, seed=2),
    ]
    assert relative_error(blocks, grid, 1e-8) <= 1e-8


def test_no_bit_depends_on_what_came_before() -> None:
    """A kernel that has made another image, and one fed from read-only memory, give the same bits as a fresh one."""
    grid = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5")
    uvw, frequency = array_uvw(1, 9, 300.0, 0.4), np.linspace(1.0e9, 1.1e9, 5)
    block = make_block(uvw, frequency, [(3e-4, -2e-4, 1.0)])
    other = make_block(array_uvw(2, 12, 500.0, 0.1), frequency, [(1e-4, 1e-4, 7.0)])
    fresh = dirty_image(make_slice([block], grid), make_kernel(settings_for(1e-5), grid)).pixels
    used = make_kernel(settings_for(1e-5), grid)
    dirty_image(make_slice([other], grid), used)
    for array in (block.uvw, block.frequency, block.visibility, block.weight):
        array.flags.writeable = False
    again = dirty_image(make_slice([block], grid), used).pixels
    assert again.tobytes() == fresh.tobytes()


def bright_slice(grid: Grid, planes: int = 1) -> Slice:
    """A source of 3 Jy at the phase centre, in so many Stokes."""
    block = make_block(array_uvw(1, 9, 300.0, 0.4), np.linspace(1.0e9, 1.1e9, 5), [(0.0, 0.0, 3.0)])
    repeated = replace(block, visibility=block.visibility.repeat(planes, 0), weight=block.weight.repeat(planes, 0))
    return make_slice([repeated], grid)


def test_source_peaks_at_its_flux_on_the_centre_pixel() -> None:
    """A source of S Jy peaks at S Jy/beam at (height/2, width/2), and the image is single precision."""
    slice_ = bright_slice(Grid(64, 48, 2e-5, 0.0, 0.0, "FK5"))
    image = image_slice(slice_, make_kernel(slice_.settings, slice_.grid))
    assert image.pixels.shape == (1, 1, 48, 64)
    assert image.pixels.dtype == np.float32
    assert image.pixels[0, 0, 24, 32] == pytest.approx(3.0, rel=1e-5)
    assert image.statistics is not None
    assert image.statistics.maximum == image.pixels.max()


def test_pixels_beyond_the_horizon_are_nan_and_no_others() -> None:
    """NaN exactly if l^2 + m^2 >= 1."""
    uvw = array_uvw(1, 9, 3.0, 1.2)
    grid = Grid(64, 48, 0.045, 0.0, 0.0, "FK5")
    slice_ = make_slice([make_block(uvw, np.array([1.5e8]), [(0.3, -0.2, 1.0)])], grid)
    pixels = dirty_image(slice_, make_kernel(slice_.settings, grid)).pixels
    east, north = pixel_directions(grid)
    assert np.array_equal(np.isnan(pixels[0, 0]), east**2 + north**2 >= 1)


def test_plane_without_weight_is_nan_beside_one_with() -> None:
    """Stokes V wholly flagged leaves Stokes I as it is."""
    grid = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5")
    slice_ = bright_slice(grid, planes=2)
    slice_.blocks[0].weight[1] = 0
    slice_.blocks[0].visibility[1] = 0
    slice_ = make_slice(slice_.blocks, grid)
    pixels = dirty_image(slice_, make_kernel(slice_.settings, grid)).pixels
    alone = bright_slice(grid)
    assert np.array_equal(pixels[0], dirty_image(alone, make_kernel(alone.settings, grid)).pixels[0])
    assert np.isnan(pixels[1]).all()


def test_output_channels_are_imaged_apart() -> None:
    """Each block goes into the plane of its output channel; a channel without blocks is NaN; the first is of all."""
    grid = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5")
    uvw = array_uvw(1, 9, 300.0, 0.4)
    first = make_block(uvw, np.array([1.0e9]), [(0.0, 0.0, 1.0)])
    third = make_block(uvw, np.array([1.2e9]), [(0.0, 0.0, 3.0)], channel_out=2)
    slice_ = make_slice([first, third], grid)
    pixels = dirty_image(slice_, make_kernel(slice_.settings, grid)).pixels
    ones = slice_.sum_of_weights[0, [0, 2]]
    assert pixels[0, [0, 1, 3], 24, 32] == pytest.approx([np.average([1.0, 3.0], weights=ones), 1.0, 3.0], rel=1e-5)
    assert np.isnan(pixels[0, 2]).all()


@pytest.mark.parametrize("wrong", [{"kernel": "fastest"}, {"epsilon": 1e-13}, {"epsilon": 0.5}])
def test_settings_no_kernel_can_do_are_refused(wrong: dict[str, str | float]) -> None:
    """An unknown kernel or an accuracy out of reach is a usage error that names it."""
    asked = replace(settings_for(1e-5), **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"fastest|epsilon"):
        make_kernel(asked, Grid(64, 48, 2e-5, 0.0, 0.0, "FK5"))


def test_statistics_of_a_large_image_are_exact_or_within_their_bound() -> None:
    """Extremes are exact; the rms of a sample of noise is within 5 of its standard errors, NaN and sources left out."""
    plane = np.random.default_rng(5).normal(0.2, 0.5, (700, 900)).astype(np.float32)
    plane[:50] = np.nan
    plane[333, 123], plane[77, 501] = 80.0, -9.0
    statistics = image_statistics(plane)
    assert statistics is not None
    assert (statistics.minimum, statistics.maximum) == (-9.0, 80.0)
    assert statistics.rms == pytest.approx(0.5, rel=5 * 1.17 / 2**8)


@pytest.mark.parametrize("order", ["noise", "ascending", "constant", "two values", "every 65th is far off"])
def test_statistics_follow_the_definition_however_pixels_lie(order: str) -> None:
    """Medians are exact, even if the few pixels among which they are looked for are like no others."""
    values = np.random.default_rng(7).normal(size=2**16).astype(np.float32)
    if order == "ascending":
        values.sort()
    elif order == "constant":
        values[:] = 3
    elif order == "two values":
        values = np.where(values > 1, values.dtype.type(1), 0)
    elif order == "every 65th is far off":
        values[::65] += 100
    middle = values.size // 2
    deviation = np.abs(values - np.sort(values)[middle])
    statistics = image_statistics(values.reshape(256, 256))
    assert statistics is not None
    assert statistics.rms == 1.4826 * np.sort(deviation)[middle]


def test_statistics_of_a_small_image_follow_the_definition() -> None:
    """If no sample is needed the rms is 1.4826 x the median absolute deviation, and of no pixels there are none."""
    plane = np.random.default_rng(6).normal(size=(31, 21))
    statistics = image_statistics(plane)
    assert statistics is not None
    assert statistics.rms == pytest.approx(1.4826 * np.median(np.abs(plane - np.median(plane))), rel=1e-12)
    assert image_statistics(np.full((8, 8), np.nan)) is None


@pytest.mark.parametrize("scale", [5e-6, 3e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("kernel", ["wgridder", "auto"])
def test_fields_of_milliarcseconds_have_an_image(scale: float, kernel: KernelName) -> None:
    """Here n - 1 is lost in double precision: baselines over the Earth at a millimetre, pixels of microarcseconds."""
    arcsec = np.pi / 180 / 3600
    grid = Grid(64, 64, scale * arcsec, 1.0, -0.5, "FK5")
    uvw = array_uvw(3, 8, 4e6 * min(1.0, 5e-6 / scale), 0.9, thickness=1.0)
    sky = [(8 * grid.scale, -5 * grid.scale, 1.0), (-3 * grid.scale, 20 * grid.scale, 0.5)]
    block = make_block(uvw, np.array([2.3e11]), sky)
    out = np.empty((1, 64, 64), np.float32)
    make_kernel(replace(settings_for(1e-5), kernel=kernel), grid).image([block], out)
    exact = direct_sum([block], *pixel_directions(grid))[0].reshape(64, 64)
    assert np.linalg.norm(out[0] - exact) <= 1e-5 * np.linalg.norm(exact)


def test_a_field_in_which_w_is_lost_is_refused() -> None:
    """If an accuracy needs n - 1 and double precision has none left: no image rather than a wrong one."""
    grid = Grid(64, 64, 3e-5 * np.pi / 180 / 3600, 1.0, -0.5, "FK5")
    block = make_block(array_uvw(3, 8, 4e6, 0.9, thickness=1.0), np.array([2.3e11]), [(0.0, 0.0, 1.0)], epsilon=1e-10)
    with pytest.raises(UsageError, match="give a larger --epsilon or a larger field"):
        image_of([block], grid, 1e-10)
