"""Files whose image is compressed: as astropy, CFITSIO's funpack and FIP itself read them."""

import io
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.settings import Imaging
from fip.data.values import Band, Card, Grid, Image, Slice, Table
from fip.fits.compressed import compressed_bytes
from fip.fits.fitsfile import fits_bytes
from fip.fits.identity import cards_of, identity_of, is_whole
from fip.fits.planes import Planes
from fip.fits.stored_image import StoredImage, header_of
from fip.fits.unpacked import unpacked
from fip.imaging.kernels import make_kernel
from fip.imaging.statistics import image_statistics
from fip.imaging.steps import steps_of
from fip.imaging.subbands import split, sub_bands
from support.synthetic import array_uvw, image_slice, make_block, make_slice

GRID = Grid(320, 240, 1e-5, 1.2, -0.6, "FK5")
FREQUENCY = np.linspace(1.395e9, 1.405e9, 6)
SUMS = ("CHECKSUM", "DATASUM")


def made(stokes: tuple[str, ...] = ("I",), channels: int = 1, epsilon: float = 1e-5) -> tuple[Slice, Image]:
    """A slice and its image, of a source and noise; its first rows are NaN."""
    settings = Imaging(stokes=stokes, epsilon=epsilon, kernel="wgridder", channels_out=channels)
    block = make_block(array_uvw(1, 12, 300.0, 0.9), FREQUENCY, [(3e-4, -2e-4, 1.0)], epsilon)
    if len(stokes) > 1:
        planes = len(stokes)
        block = replace(
            block, visibility=np.repeat(block.visibility, planes, 0), weight=np.repeat(block.weight, planes, 0)
        )
    whole = Band(1.4e9, 1.2e7)
    bands = sub_bands(whole, channels)
    slice_ = make_slice(list(split(block, bands)), GRID, settings=settings, bands=bands)
    image = image_slice(slice_, make_kernel(settings, GRID))
    pixels = image.pixels + np.random.default_rng(0).normal(0, 0.01, image.pixels.shape).astype(image.pixels.dtype)
    pixels[:, :, :3] = np.nan
    return slice_, replace(image, pixels=pixels, statistics=image_statistics(pixels[0, 0]))


def compressed(slice_: Slice, image: Image, to_the_noise: float = 16.0) -> bytes:
    """Return the bytes of the compressed file."""
    steps = steps_of(slice_, image, to_the_noise)
    assert steps is not None
    return bytes(compressed_bytes(slice_, image, "dirty", steps))


def opened(content: bytes) -> list[Any]:
    """Return all units, standard and checksums verified: a wrong sum is a warning, so an error here."""
    with fits.open(io.BytesIO(content), checksum=True, memmap=False) as units:
        units.verify("exception")
        for unit in units:
            assert unit.data is not None or unit.header["NAXIS"] == 0
        return [unit.copy() for unit in units]


def cards(header: Any, without: Sequence[str] = ()) -> list[tuple[str, Any, str]]:
    """All of them; of SIMPLE without the comment, which is astropy's own."""
    kept = [each for each in header.cards if each.keyword not in without]
    return [(each.keyword, each.value, "" if each.keyword == "SIMPLE" else each.comment) for each in kept]


@pytest.mark.parametrize(
    ("stokes", "channels", "epsilon"), [(("I",), 1, 1e-5), (("I", "V"), 3, 1e-5), (("I",), 1, 1e-9)]
)
def test_astropy_reads_it_as_it_reads_a_plain_file(
    stokes: tuple[str, ...], channels: int, epsilon: float, tmp_path: Path
) -> None:
    """Every card with its comment, every pixel within half a step of its plane, and the same tables.

    But BZERO of 0, which astropy leaves out. FIP itself reads the very same pixels.
    """
    slice_, image = made(stokes, channels, epsilon)
    image = replace(
        image, cards=(Card("MINE", 1.5, "of a stage"),),
        tables={"THINGS": Table({"a": (np.arange(5.0), "Jy"), "b": (np.arange(5) > 2, "")})},
    )  # fmt: skip
    steps = steps_of(slice_, image, 16.0)
    assert steps is not None
    content, plain = compressed(slice_, image), opened(bytes(fits_bytes(slice_, image)))
    empty, *units = opened(content)
    assert empty.header["NAXIS"] == 0
    assert len(units) == len(plain) == (2 if channels == 1 else 4)
    images = {"whole": 0} if channels == 1 else {"whole": 0, "CHANNELS": 1}
    for number in images.values():
        ours, theirs = units[number], plain[number]
        assert sorted(cards(ours.header)) == sorted(cards(theirs.header, ["BZERO"]))
        assert ours.data.dtype == theirs.data.dtype.newbyteorder("=")
        np.testing.assert_array_equal(np.isnan(ours.data), np.isnan(theirs.data))
        step = steps.step[:, :1] if number == 0 else steps.step[:, 1:]
        error = np.abs(ours.data - theirs.data) / step[:, :, np.newaxis, np.newaxis]
        assert 0.4 < np.nanmax(error) <= 0.5 + 1e-4
    for ours, theirs in zip(units[len(images) :], plain[len(images) :], strict=True):
        assert cards(ours.header) == cards(theirs.header)
        assert ours.data.tobytes() == theirs.data.tobytes()
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    planes = Planes.open(path, apart=True)
    for place in np.ndindex(len(stokes), len(planes.bands)):
        due = units[0].data[place[0], 0] if place[1] == 0 else units[1].data[place[0], place[1] - 1]
        np.testing.assert_array_equal(planes.plane(*place), due)
        np.testing.assert_array_equal(planes.rows(100, 131, *place), due[100:131])
    assert len(planes.bands) == (1 if channels == 1 else 1 + channels)
    path.write_bytes(fits_bytes(slice_, image))
    same = Planes.open(path, apart=True)
    told = [(each.band, each.beam) for each in planes.bands]
    assert repr(told) == repr([(each.band, each.beam) for each in same.bands])
    assert (planes.layout, planes.moments, planes.span) == (same.layout, same.moments, same.span)


def test_the_header_is_that_of_the_plain_file_card_by_card(tmp_path: Path) -> None:
    """The order is the same; the sums are those of the image before it was compressed."""
    slice_, image = made()
    (tmp_path / "a.fits").write_bytes(compressed(slice_, image))
    (tmp_path / "b.fits").write_bytes(fits_bytes(slice_, image))
    assert StoredImage.open(tmp_path / "a.fits").cards == StoredImage.open(tmp_path / "b.fits").cards
    assert header_of(tmp_path / "a.fits") == header_of(tmp_path / "b.fits")


@pytest.mark.parametrize("channels", [1, 2])
def test_funpack_unpacks_it(channels: int, tmp_path: Path) -> None:
    """CFITSIO's program, of Debian's libcfitsio-bin: to the pixels that FIP unpacks, all cards but the sums."""
    if shutil.which("funpack") is None:
        pytest.skip("funpack is not here: it is in Debian's libcfitsio-bin")
    path, theirs = tmp_path / "a.fits", tmp_path / "b.fits"
    path.write_bytes(compressed(*made(channels=channels)))
    subprocess.run(["funpack", "-O", theirs, path], check=True, timeout=60)
    units, ours = opened(theirs.read_bytes()), opened(unpacked(path))
    assert len(units) == len(ours) == (1 if channels == 1 else 3)
    for one, other in zip(units, ours, strict=True):
        np.testing.assert_array_equal(one.data, other.data)
        assert sorted(cards(one.header, SUMS)) == sorted(cards(other.header, SUMS))


def test_unpacked_it_is_a_plain_file(tmp_path: Path) -> None:
    """Every card is in its place, and the sums are right; a plain file stays as it is, byte for byte."""
    slice_, image = made(("I", "V"), 2)
    path = tmp_path / "a.fits"
    path.write_bytes(compressed(slice_, image))
    units, plain = opened(unpacked(path)), opened(bytes(fits_bytes(slice_, image)))
    assert [cards(each.header, SUMS) for each in units] == [cards(each.header, SUMS) for each in plain]
    stored = Planes.open(path, apart=True)
    np.testing.assert_array_equal(units[0].data[1, 0], stored.plane(1))
    np.testing.assert_array_equal(units[1].data[1, 1], stored.plane(1, 2))
    path.write_bytes(fits_bytes(slice_, image))
    assert unpacked(path) == path.read_bytes()


SHAPES: Mapping[str, NDArray[np.float32]] = {
    "nothing": np.full((240, 320), np.nan, np.float32),
    "constant": np.full((240, 320), 2.5, np.float32),
    "zeros": np.zeros((240, 320), np.float32),
    "one": np.where(np.arange(240 * 320).reshape(240, 320) == 77, np.float32(3.0), np.float32(np.nan)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_images_without_noise_are_kept_as_single_precision_has_them(name: str, tmp_path: Path) -> None:
    """Nothing but NaN, a constant, zeros, one pixel: kept to 2^-25 of the brightest; TraP never sees an empty one."""
    slice_, image = made()
    pixels = SHAPES[name][np.newaxis, np.newaxis]
    image = replace(image, pixels=pixels, statistics=image_statistics(pixels[0, 0]))
    path = tmp_path / "a.fits"
    path.write_bytes(compressed(slice_, image))
    read = StoredImage.open(path).plane()
    np.testing.assert_array_equal(np.isnan(read), np.isnan(pixels[0, 0]))
    np.testing.assert_allclose(read, pixels[0, 0], rtol=2.0**-25, atol=0.5 if name == "zeros" else 0)
    np.testing.assert_array_equal(opened(path.read_bytes())[1].data[0, 0], read)


@pytest.mark.parametrize("width", [2, 10_002])
def test_rows_may_be_of_any_length(width: int, tmp_path: Path) -> None:
    """Tiles have as many rows as make some thousand pixels; a row may be longer than the dither's sequence."""
    slice_, image = made()
    grid = replace(GRID, width=width, height=6)
    pixels = np.random.default_rng(1).normal(0, 1, (1, 1, 6, width)).astype(np.float32)
    slice_, image = replace(slice_, grid=grid), replace(image, pixels=pixels, statistics=image_statistics(pixels[0, 0]))
    path = tmp_path / "a.fits"
    path.write_bytes(compressed(slice_, image))
    np.testing.assert_array_equal(StoredImage.open(path).plane(), opened(path.read_bytes())[1].data[0, 0])


def test_the_sink_knows_it_by_its_header_and_whether_it_is_whole() -> None:
    """It knows a plain one in the same way; a bit that changed, and an end that is missing, are found."""
    slice_, image = made(channels=2)
    content, plain = compressed(slice_, image), bytes(fits_bytes(slice_, image))
    assert identity_of(cards_of(content[:34560])) == identity_of(cards_of(plain)) != None  # noqa: E711
    assert is_whole(content) and is_whole(plain)
    assert not is_whole(content[:-2880]) and not is_whole(b"")
    for at in np.random.default_rng(0).integers(len(content) - 2880, size=40).tolist():
        changed = bytearray(content)
        changed[at] ^= 4
        assert not is_whole(bytes(changed))


def test_what_is_cut_or_compressed_otherwise_is_one_line(tmp_path: Path) -> None:
    """Named, with what is wrong."""
    slice_, image = made()
    content, path = compressed(slice_, image), tmp_path / "a.fits"
    path.write_bytes(content[: len(content) - 5760])
    with pytest.raises(UsageError, match=r"a\.fits: its pixels cannot be read \(it ends too early\)"):
        StoredImage.open(path).plane()
    with pytest.raises(UsageError, match=r"a\.fits: its pixels cannot be read"):
        unpacked(path)
    path.write_bytes(content.replace(b"'RICE_1  '", b"'GZIP_1  '"))
    with pytest.raises(UsageError, match="compressed otherwise than FIP does it: ZCMPTYPE is GZIP_1"):
        StoredImage.open(path).plane()
    table = content.index(b"END".ljust(80), 2880)
    table += 2880 - table % 2880
    path.write_bytes(content[:table] + b"\x7f" * 16 + content[table + 16 :])
    with pytest.raises(UsageError, match=r"table of tiles is damaged|tile 0 is damaged"):
        StoredImage.open(path).plane()


def test_each_slice_has_a_dither_of_its_own() -> None:
    """It follows from run, slice and unit: errors are not those of other slices, and the same whoever images it."""
    slice_, image = made(channels=2)
    seeds = set()
    for changed in (slice_, replace(slice_, index=5), replace(slice_, run="fedcba9876543210")):
        content = compressed(changed, image)
        assert content == compressed(replace(changed, attempt=2), image)
        with fits.open(io.BytesIO(content), disable_image_compression=True) as units:
            seeds |= {unit.header["ZDITHER0"] for unit in units if "ZDITHER0" in unit.header}
    assert len(seeds) == 6
    assert all(1 <= seed <= 10_000 for seed in seeds)
