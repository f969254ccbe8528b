"""The slant kernel: as accurate as asked wherever it is used, and used only if its geometry allows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.settings import Imaging, KernelName
from fip.data.values import Block, Grid
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel, pixel_type
from fip.imaging.slant.basis import make_basis
from fip.imaging.slant.fft import factors, fft8, fft_plan, good_size
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.scheme import Precision
from fip.imaging.slant.sheet import UnsuitableError
from fip.imaging.slant.simd import aligned
from support.direct_sum import relative_error
from support.fip_command import fip, images
from support.geometries import ARRAYS, GEOMETRIES, LIGHT, Geometry, turned
from support.repository import TESTS
from support.synthetic import Source, array_uvw, make_block, make_slice
from support.weighted_samples import Sky, TableSamples


def settings_for(epsilon: float, kernel: KernelName = "slant") -> Imaging:
    """The settings of a run that asks for this kernel."""
    return Imaging(stokes=("I",), epsilon=epsilon, kernel=kernel, weight="natural")


def image(
    blocks: list[Block], grid: Grid, epsilon: float = 1e-5, kernel: KernelName = "slant"
) -> tuple[NDArray[np.floating], str]:
    """The image [y, x] of the first Stokes, and the kernel that made it."""
    out = np.full((1, grid.height, grid.width), np.nan, pixel_type(settings_for(epsilon)))
    used = make_kernel(settings_for(epsilon, kernel), grid).image(blocks, out)
    return out[0], used


@pytest.mark.parametrize("bright", [False, True], ids=["field", "100x outside"])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5, 2e-6, 1e-8, 1e-11])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_image_is_as_accurate_as_asked(name: str, epsilon: float, bright: bool) -> None:
    """The contract holds over every pixel, whatever kernel the geometry leads to."""
    blocks, grid = GEOMETRIES[name].blocks(epsilon, bright)
    assert relative_error(image(blocks, grid, epsilon)[0], blocks, grid) <= epsilon


@given(
    seed=st.integers(0, 10**6),
    size=st.floats(1, 4.5),
    elevation=st.floats(0.17, 1.57),
    thickness=st.floats(0, 0.1),
    pixels_per_fringe=st.floats(1.2, 8),
    width=st.integers(8, 80),
    height=st.integers(8, 80),
    epsilon=st.sampled_from([1e-3, 1e-5, 1e-8, 1e-11]),
)
@example(seed=8, size=2.0, elevation=0.171875, thickness=0.0, pixels_per_fringe=2.5, width=28, height=8, epsilon=1e-3)
@example(seed=3191, size=1.0, elevation=0.1875, thickness=0.0, pixels_per_fringe=4.0, width=12, height=10, epsilon=1e-3)
@settings(max_examples=60, deadline=None)
def test_any_geometry_is_accurate(
    seed: int, size: float, elevation: float, thickness: float, pixels_per_fringe: float, width: int, height: int,
    epsilon: float,
) -> None:  # fmt: skip
    """Any even rectangle, arrays of 10 to 30 000 wavelengths, flat and mountainous, zenith to 10 degrees."""
    uvw = turned(array_uvw(seed, 3 + seed % 17, 0.2 * 10**size, elevation, thickness), seed)
    finest = 1.05 * np.hypot(uvw[:, 0], uvw[:, 1]).max() / 0.2
    scale = min(1 / (pixels_per_fringe * finest), 1.1 / max(width, height))
    half = min(scale * min(width, height), 0.9)
    sky: list[Source] = [(0.3 * half, -0.4 * half, 1.0), (-0.8 * half, 0.6 * half, 0.5)]
    if seed % 2:
        sky.append((min(2.5 * half, 0.7), -min(1.7 * half, 0.5), 100.0))
    blocks = [make_block(uvw, np.linspace(0.95, 1.05, 5) * LIGHT / 0.2, sky, epsilon)]
    grid = Grid(2 * width, 2 * height, scale, 0.0, 0.0, "FK5")
    assert relative_error(image(blocks, grid, epsilon)[0], blocks, grid) <= epsilon


@pytest.mark.parametrize("name", ARRAYS)
def test_real_fields_are_made_by_the_slant_kernel_and_accurate(name: str) -> None:
    """Observatories' arrays and fields, on the curved Earth, with noise: pixels everywhere, corners and edges."""
    size, wavelength, antennas, elevation, thickness, scale, (width, height) = ARRAYS[name]
    uvw = turned(array_uvw(7, antennas, size / 3, elevation, thickness), 0.6)
    frequency = np.linspace(0.97, 1.03, 3) * LIGHT / wavelength
    rng = np.random.default_rng(1)
    weight = np.ones((1, len(uvw), 3), np.float32)
    noise = (rng.normal(size=weight.shape) + 1j * rng.normal(size=weight.shape)).astype(np.complex64)
    block, grid = Block(0, uvw, frequency, noise, weight), Grid(width, height, scale, 0.0, 0.0, "FK5")
    made, used = image([block], grid)
    assert used == "slant"
    assert relative_error(made, [block], grid, pixels=300) <= 1e-5


def test_steep_array_in_a_wide_field_is_accurate() -> None:
    """Neighbouring lanes are samples apart, so they are shifted: 17 degrees by 17 at 35 degrees elevation."""
    uvw = turned(array_uvw(11, 12, 300.0, 0.6, 1e-3), 0.7)
    block = make_block(uvw, np.array([1.4e8]), [(0.1, 0.1, 1.0), (-0.14, 0.05, 2.0)])
    grid = Grid(1024, 1024, 60 / 206265, 0.0, 0.0, "FK5")
    plan = make_plan([block], grid, 1e-5)
    slope = max(abs(plan.shape.a), abs(plan.shape.b))
    assert slope * 0.14 * grid.scale / plan.shape.xi_step * 8 > 0.1
    made, used = image([block], grid)
    assert used == "slant"
    assert relative_error(made, [block], grid, pixels=500) <= 1e-5


@pytest.mark.parametrize(
    ("antennas", "size", "elevation", "thickness", "epsilon"),
    [(6, 150.0, 0.5, 1.0, 1e-8), (4, 50.0, 1.0, 4.0, 1e-8), (4, 150.0, 0.5, 4.0, 1e-11), (8, 150.0, 1.0, 2.0, 1e-11)],
)
def test_few_baselines_of_all_heights_are_accurate_over_their_band(
    antennas: int, size: float, elevation: float, thickness: float, epsilon: float
) -> None:
    """As many terms as there are baselines, 11 to 16, are not right at one frequency only."""
    geometry = Geometry(size, elevation, thickness, antennas, pixels_per_fringe=1.5)
    blocks, grid = geometry.blocks(epsilon, bright=False)
    assert make_plan(blocks, grid, epsilon).basis.terms > 10
    made, used = image(blocks, grid, epsilon)
    assert used in ("slant", "sky")
    assert relative_error(made, blocks, grid) <= epsilon


@pytest.mark.parametrize("field", [0.03, 0.003])
def test_dense_station_in_a_small_field_is_accurate(field: float) -> None:
    """80 000 baselines on a few uv cells do not drown in the rounding of single precision."""
    uvw = array_uvw(3, 400, 12.0, 1.3, 0.001)
    weight = np.ones((1, len(uvw), 4), np.float32)
    block = Block(0, uvw, np.linspace(0.98, 1.02, 4) * LIGHT / 1.9, weight.astype(np.complex64), weight)
    grid = Grid(64, 128, field / 128, 0.0, 0.0, "FK5")
    made, used = image([block], grid)
    assert used == "slant"
    assert relative_error(made, [block], grid, pixels=60) <= 1e-5


def test_windows_of_any_rows_go_into_one_image() -> None:
    """Blocks that differ in rows and channels are summed, as the direct sum does."""
    grid, sky, uvw = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5"), [(3e-4, -2e-4, 1.0)], array_uvw(1, 9, 300.0, 0.8)
    blocks = [
        make_block(uvw, np.linspace(1.0e9, 1.1e9, 200), sky),
        make_block(uvw[5:20], np.linspace(1.2e9, 1.3e9, 3), sky, seed=1),
        make_block(uvw[7:8], np.array([1.05e9]), sky, seed=2),
    ]
    made, used = image(blocks, grid)
    assert used == "slant"
    assert relative_error(made, blocks, grid) <= 1e-5


def test_samples_without_weight_and_one_baseline_are_imaged() -> None:
    """Nothing to fit a plane to, or no power anywhere, is no reason to fail."""
    grid, uvw = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5"), array_uvw(1, 2, 300.0, 0.4)
    block = make_block(uvw, np.array([1.0e9]), [(3e-4, -2e-4, 1.0)])
    assert relative_error(image([block], grid)[0], [block], grid) <= 1e-5
    nothing = Block(0, uvw, block.frequency, np.zeros_like(block.visibility), block.weight)
    assert not image([nothing], grid)[0].any()


def slices_of_all_kinds() -> list[tuple[list[Block], Grid, float]]:
    """Geometries that need other buffers, numbers of terms, orientations, another precision, or the fall-back."""
    kinds: list[tuple[list[Block], Grid, float]] = []
    for name, epsilon in (("mountains", 1e-5), ("tall", 1e-11), ("low elevation", 1e-5), ("undersampled", 1e-8)):
        kinds.append((*GEOMETRIES[name].blocks(epsilon, bright=False), epsilon))
    kinds.append((*GEOMETRIES["stamp"].blocks(1e-5, bright=False), 1e-5))
    return kinds


def test_no_bit_depends_on_what_came_before() -> None:
    """A slice's bits are the same first, after any others, and from memory that cannot be written."""
    kinds = slices_of_all_kinds()
    alone = []
    for blocks, grid, epsilon in kinds:
        alone.append(image(blocks, grid, epsilon)[0].tobytes())
    for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        for number in order:
            blocks, grid, epsilon = kinds[number]
            for block in blocks:
                block.visibility.flags.writeable = False
            assert image(blocks, grid, epsilon)[0].tobytes() == alone[number]


def test_geometry_beyond_every_plan_takes_the_w_gridder() -> None:
    """Mountains under the whole sky are not for the slant kernel: the image is the w-gridder's, bit for bit."""
    blocks, grid = Geometry(size=60, thickness=3.0, pixels_per_fringe=0.5).blocks(1e-5, bright=False)
    with pytest.raises(UnsuitableError):
        make_plan(blocks, grid, 1e-5)
    (made, used), (expected, name) = image(blocks, grid), image(blocks, grid, kernel="wgridder")
    assert (used, name) == ("wgridder", "wgridder")
    assert made.tobytes() == expected.tobytes()


def test_auto_takes_the_faster_kernel() -> None:
    """A field of some size goes to the slant kernel, a stamp of few baselines does not."""
    for epsilon in (1e-5, 1e-11):
        many, few = (
            make_block(array_uvw(1, antennas, 1000.0, 0.7), np.linspace(1.0e9, 1.1e9, 5), [(3e-4, -2e-4, 1.0)], epsilon)
            for antennas in (16, 5)
        )
        assert image([many], Grid(512, 512, 1e-5, 0.0, 0.0, "FK5"), epsilon, "auto")[1] == "slant"
        assert image([few], Grid(24, 24, 1e-5, 0.0, 0.0, "FK5"), epsilon, "auto")[1] == "wgridder"


def test_what_double_precision_cannot_do_is_refused() -> None:
    """Below 1e-11 it is a usage error."""
    with pytest.raises(UsageError, match="out of reach"):
        make_kernel(settings_for(1e-12), Grid(64, 48, 2e-5, 0.0, 0.0, "FK5"))


def test_all_stokes_have_the_bits_of_one() -> None:
    """A plane's image does not depend on how many others share its slice, if they are as bright."""
    block = make_block(array_uvw(1, 9, 300.0, 0.8), np.linspace(1.0e9, 1.1e9, 5), [(3e-4, -2e-4, 1.0)])
    twice = Block(0, block.uvw, block.frequency, block.visibility.repeat(2, 0), block.weight.repeat(2, 0))
    grid = Grid(64, 48, 2e-5, 0.0, 0.0, "FK5")
    kernel = make_kernel(settings_for(1e-5), grid)
    both, one = (
        dirty_image(make_slice([twice], grid), kernel).pixels,
        dirty_image(make_slice([block], grid), kernel).pixels,
    )
    assert both[0].tobytes() == both[1].tobytes() == one[0].tobytes()


@pytest.mark.parametrize("windows", [1, 40])
def test_many_equal_samples_in_few_cells_are_summed_well(windows: int) -> None:
    """Whatever blocks they are in: one by one their sum in single precision would be off by more than epsilon."""
    uvw = np.random.default_rng(0).normal(size=(160_000, 3)) * [8.0, 8.0, 0.05]
    ones, grid = np.ones((1, len(uvw), 1), np.float32), Grid(64, 64, 1e-3, 0.0, 0.0, "FK5")
    parts = [slice(number, None, windows) for number in range(windows)]
    blocks = [
        Block(0, uvw[part], np.array([1.5e8]), ones[:, part].astype(np.complex64), ones[:, part]) for part in parts
    ]
    out = np.empty((1, 64, 64), np.float32)
    assert (
        make_kernel(Imaging(stokes=("I",), epsilon=1e-5, kernel="slant", weight="natural"), grid).image(blocks, out)
        == "slant"
    )
    assert relative_error(out[0], blocks, grid, 200) <= 1e-5


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("n", [4, 8, 12, 20, 36, 60, 128, 500, 864, 1080, 4096, 6750])
def test_transform_is_a_fourier_transform(n: int, precision: Precision) -> None:
    """Eight sequences, sign +, within a few roundings of the precision a pass."""
    values = np.random.default_rng(n).normal(size=(n, 2, 8)).astype(precision)
    source, other = aligned(16 * n, precision), aligned(16 * n, precision)
    source[:] = values.ravel()
    made = fft8(source, 0, 16, other, source, *fft_plan(n, precision), n).reshape(n, 2, 8)
    exact = n * np.fft.ifft(values[:, 0].astype(np.clongdouble) + 1j * values[:, 1], axis=0)
    error = np.linalg.norm(made[:, 0] + 1j * made[:, 1] - exact) / np.linalg.norm(exact)
    assert error < np.finfo(precision).eps / 2 * np.sqrt(2 * len(factors(n)))


@given(least=st.integers(4, 30000))
def test_good_sizes_are_transforms_not_much_longer(least: int) -> None:
    """A multiple of 4 of small factors, at most an eighth and 60 more than asked."""
    n = good_size(least)
    assert least <= n <= 1.12 * least + 60
    assert n % 4 == 0
    assert np.prod(factors(n)) == n


@given(reach=st.floats(1e-9, 6), seed=st.integers(0, 1000), tolerance=st.sampled_from([1e-3, 3e-6]))
@example(reach=6.0, seed=1000, tolerance=3e-6)
@settings(max_examples=50, deadline=None)
def test_terms_reproduce_the_screen(reach: float, seed: int, tolerance: float) -> None:
    """exp(-i x t) to the tolerance, in the mean over x and the baselines' power."""
    rng = np.random.default_rng(seed)
    height, power = rng.normal(size=300), rng.exponential(size=300)
    height /= np.abs(height).max()
    basis = make_basis(height, power, reach, tolerance)
    y = rng.uniform(-1, 1, 300)
    for shuffled in (rng.permutation(y) for _ in range(3)):
        error = np.abs(basis.screen(shuffled, height) - np.exp(-1j * reach * shuffled * height)) ** 2
        assert np.sqrt(np.average(error, weights=power)) < 2 * tolerance


CHECKED = """
import sys
from support import checked_simd
sys.modules["fip.imaging.slant.simd"] = checked_simd
import numpy as np
from fip.data.values import Block, Grid
from fip.imaging.slant.grid import gridder, kernel_polynomials
from fip.imaging.slant.kernel import render
from fip.imaging.slant.plan import make_plan
from fip.imaging.slant.scheme import FINEST
from support.direct_sum import relative_error
from support.geometries import turned
from support.synthetic import array_uvw, make_block
seen = set()
for seed, size, elevation, shape, scale, epsilon in CASES:
    uvw = turned(array_uvw(seed, 4, size, elevation), seed)
    block = make_block(uvw, np.array([1.0e9, 1.1e9]), [(3e-4, 1e-4, 1.0)], epsilon)
    grid = Grid(*shape, scale, 0.0, 0.0, "FK5")
    plan = make_plan([block], grid, epsilon)
    seen |= {plan.plane.transposed, f"{plan.basis.terms} terms"}
    out = np.full((1, grid.height, grid.width), np.nan, plan.scheme.precision)
    render(plan, [block], out)
    assert relative_error(out[0], [block], grid) <= epsilon
assert {False, True, "1 terms", "2 terms"} <= seen, seen
cells = np.zeros(40 * 40 * 18)  # nine terms, which fill more than one vector of 16
sample = np.array([[2.3, 1.7, 0.2, 0.4]]), np.ones(1), np.array([[1.0 + 2.0j]])
gridder(9, 16, 12)(cells, 40 * 18, 8, 20, *sample, kernel_polynomials(FINEST), np.full((9, 2), 0.5), np.zeros(9, int))
terms = cells.reshape(-1, 9, 2)
assert np.count_nonzero(terms[:, 0, 0]) == 256 and np.array_equal(terms, terms[:, :1].repeat(9, axis=1))
print("checked")
"""


def test_no_vector_is_out_of_range() -> None:
    """Uncompiled and with every index checked, the kernel makes accurate images of odd shapes in either orientation."""
    cases = [
        (1, 300.0, 0.7, (18, 24), 4e-6, 1e-5),
        (2, 3000.0, 0.65, (34, 16), 6e-6, 1e-5),
        (3, 60.0, 1.2, (16, 22), 1e-3, 1e-5),
        (4, 100.0, 0.65, (20, 18), 4e-4, 1e-5),
        (1, 300.0, 0.7, (18, 24), 4e-6, 1e-8),
        (4, 100.0, 0.65, (34, 18), 1e-4, 1e-11),
    ]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    code = CHECKED.replace("CASES", repr(cases))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "checked\n", done.stderr[-2000:]


def test_importing_kernels_does_not_import_numba() -> None:
    """The ventilator and the sink, which may not make machine code, know the kernels' names without numba."""
    code = "import sys, fip.imaging.kernels, fip.source.open_run, fip.imaging.dirty; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kernel", ["slant", "wgridder"])
def test_run_makes_images_by_the_kernel_asked_for(kernel: str, simulated_ms: Path, tmp_path: Path) -> None:
    """`fip run --kernel`: the header says which kernel made each image, and the images of both agree to epsilon."""
    from astropy.io.fits import getdata, getheader

    done = fip(
        "run", simulated_ms, "--output", tmp_path / "images", "--kernel", kernel, "--size", "256", "--workers", 1
    )
    assert done.returncode == 0, done.stderr
    files = images(tmp_path / "images")
    assert {getheader(file)["FIPKERN"] for file in files} == {kernel}
    assert len(files) == 10
    assert all(np.isfinite(getdata(file)).all() for file in files)


def test_run_in_double_precision_is_as_accurate_as_asked(simulated_ms: Path, tmp_path: Path) -> None:
    """`fip run --kernel slant --epsilon 1e-9`, from the MS to BITPIX -64, against the sum of what the MS holds."""
    from astropy.io.fits import getdata, getheader

    out = tmp_path / "images"
    options = ["--kernel", "slant", "--epsilon", "1e-9", "--size", "48", "--interval", "2~3", "--workers", 1]
    done = fip("run", simulated_ms, "--output", out, *options)
    assert done.returncode == 0, done.stderr
    (file,) = images(out)
    header, made = getheader(file), getdata(file)
    assert (header["FIPKERN"], header["BITPIX"]) == ("slant", -64)
    samples, scale = TableSamples(simulated_ms, 2), float(np.deg2rad(header["CDELT2"]))
    exact = Sky(samples, (48, 48), scale).image(samples.visibility, samples.weight)[0]
    assert np.linalg.norm(made.squeeze() - exact) <= 1e-9 * np.linalg.norm(exact)


def test_accuracy_out_of_reach_is_refused_before_anything_is_started(simulated_ms: Path, tmp_path: Path) -> None:
    """--epsilon 1e-12 is a usage error."""
    done = fip("run", simulated_ms, "--output", tmp_path / "images", "--kernel", "slant", "--epsilon", "1e-12")
    assert done.returncode == 2
    assert "epsilon" in done.stderr


def test_values_whose_squares_single_precision_has_no_numbers_for_have_the_plan_of_others() -> None:
    """The sum of squares of a row says how much it counts in the plan, whatever the unit of the data."""
    grid = Grid(128, 128, 4e-5, 1.0, -0.5, "FK5")
    uvw = array_uvw(1, 24, 600.0, 1.0)
    bright, usual = (
        make_plan([make_block(uvw, np.linspace(1e9, 1.01e9, 4), [(2e-4, -3e-4, flux)])], grid, 1e-5)
        for flux in (2e20, 1.0)
    )
    np.testing.assert_allclose(bright.basis.in_q, usual.basis.in_q, atol=1e-5)
