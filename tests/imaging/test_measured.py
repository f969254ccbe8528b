"""An image's pixels are read once: statistics, sums and the file's bytes as one by one."""

import io
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fip.data.memory import BOUNDARY, on_boundary
from fip.data.values import Beam, Grid, Image, Slice, Table
from fip.fits.fitsfile import fits_bytes, folded, ones_complement_sum
from fip.imaging.measured import measured
from fip.imaging.slant.buffers import read_only
from fip.imaging.slant.words import swap_and_measure
from fip.imaging.statistics import image_statistics
from support.synthetic import make_slice

GRID = Grid(64, 48, 2e-5, 1.2, -0.6, "FK5")


def image_of(seed: int, planes: tuple[int, int] = (1, 1), precision: str = "float32") -> Image:
    """Noise, some of it NaN."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(size=(*planes, GRID.height, GRID.width)).astype(precision)
    pixels[rng.random(pixels.shape) < 0.02] = np.nan
    return Image(pixels, None, None)


def slice_of() -> Slice:
    """Return a slice without samples."""
    return make_slice([], GRID)


@given(
    size=st.integers(1, 100), precision=st.sampled_from(["float32", "float64"]), seed=st.integers(0, 10**6),
    past=st.booleans(),
)  # fmt: skip
@settings(deadline=None)
def test_one_pass_finds_what_several_do(size: int, precision: str, seed: int, past: bool) -> None:
    """Whatever bits numbers have, and however many there are; nothing behind them is written."""
    numbers = (
        np.random.default_rng(seed).integers(0, 256, size * np.dtype(precision).itemsize, np.uint8).view(precision)
    )
    room = on_boundary((size + 32) * numbers.itemsize)
    room[:] = 7
    extremes = np.empty(2, precision)
    out = room[: numbers.nbytes].view(precision)
    total = swap_and_measure(read_only(numbers, precision), out, extremes, past)
    assert room[: numbers.nbytes].tobytes() == numbers.byteswap().tobytes()
    assert (room[numbers.nbytes :] == 7).all()
    assert folded(total) == ones_complement_sum(numbers)
    some = numbers[~np.isnan(numbers)]  # of signalling NaN np.nanmin makes NaN
    if some.size:
        assert extremes.tolist() == [some.min(), some.max()]


def test_of_nan_alone_there_are_no_extremes() -> None:
    """The least is infinite and the largest the negative of that."""
    extremes = np.empty(2, np.float32)
    nothing = read_only(np.full(40, np.nan), np.float32)
    swap_and_measure(nothing, on_boundary(160).view(np.float32), extremes, False)
    assert extremes.tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize("planes", [(1, 1), (4, 1), (2, 4)], ids=["I", "four Stokes", "three channels"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_file_of_a_measured_image_is_that_of_the_same_image(planes: tuple[int, int], precision: str) -> None:
    """Bit for bit, and astropy finds its sums right."""
    image = image_of(1, planes, precision)
    slice_ = replace_settings(make_slice([], GRID), planes, precision)
    if planes[1] > 1:
        image = replace(image, channel_beams=(None,) * (planes[1] - 1))
    found = measured(image)
    assert found.statistics == image_statistics(image.pixels[0, 0])
    plain = replace(image, statistics=found.statistics)
    for _ in range(2):  # the second time room is left for the very header
        file = fits_bytes(slice_, measured(image))
        assert bytes(file) == bytes(fits_bytes(slice_, plain))
    with fits.open(io.BytesIO(file), checksum=True) as units:
        units.verify("exception")
        np.testing.assert_array_equal(units[0].data[:, 0], image.pixels[:, 0])


def replace_settings(slice_: Slice, planes: tuple[int, int], precision: str) -> Slice:
    """The slice with so many Stokes and channels, imaged in that precision."""
    stokes = ("I", "Q", "U", "V")[: planes[0]]
    epsilon = 1e-5 if precision == "float32" else 1e-9
    channels = max(planes[1] - 1, 1)
    bands = tuple(replace(slice_.bands[0], centre=1.4e9 + 1e7 * channel, width=1e7) for channel in range(channels))
    return replace(
        slice_,
        settings=replace(slice_.settings, stokes=stokes, epsilon=epsilon),
        bands=bands,
        effective=((None,) * channels,) * planes[0],
        visibilities=np.zeros((planes[0], channels), np.int64),
        sum_of_weights=np.zeros((planes[0], channels)),
    )


def test_an_image_of_nan_has_no_statistics() -> None:
    """It is the same one by one, and its file holds NaN."""
    image = Image(np.full((1, 1, GRID.height, GRID.width), np.nan, np.float32), None, None)
    found = measured(image)
    assert found.statistics is None
    assert bytes(fits_bytes(slice_of(), found)) == bytes(fits_bytes(slice_of(), image))


def test_two_files_of_an_image_do_not_share_memory() -> None:
    """The second is as whole as the first, which stays as it was."""
    found = measured(image_of(2))
    fits_bytes(slice_of(), found)
    found = measured(image_of(2))
    first = fits_bytes(slice_of(), found)
    before = bytes(first)
    beam = Beam(1e-4, 8e-5, 0.3)
    second = fits_bytes(slice_of(), replace(found, beam=beam))
    assert bytes(first) == before
    assert bytes(second) == bytes(fits_bytes(slice_of(), replace(found, beam=beam, written=None)))


def test_other_pixels_are_written_anew() -> None:
    """What was measured counts for its pixels alone."""
    found = measured(image_of(3))
    others: NDArray[np.floating] = -found.pixels
    assert bytes(fits_bytes(slice_of(), replace(found, pixels=others))) == bytes(
        fits_bytes(slice_of(), replace(found, pixels=others, written=None))
    )


def test_header_of_any_length_and_tables_fit() -> None:
    """An image with a table, whose file is longer, and one after an image of a longer header."""
    found = measured(image_of(4))
    with_table = replace(found, tables={"SEEN": Table({"flux": (np.arange(5.0), "Jy")})})
    assert bytes(fits_bytes(slice_of(), with_table)) == bytes(fits_bytes(slice_of(), replace(with_table, written=None)))


def test_memory_is_on_a_boundary() -> None:
    """This holds for any size."""
    assert all(
        on_boundary(size).ctypes.data % BOUNDARY == 0 and len(on_boundary(size)) == size for size in range(1, 130)
    )
