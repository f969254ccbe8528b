"""The FITS files, as astropy, fitsverify and TraP's reader see them."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from fip import __version__
from fip.data.directions import Frame
from fip.data.errors import UsageError
from fip.data.quantities import iso_utc
from fip.data.settings import Imaging
from fip.data.stokes import stokes_axis
from fip.data.values import Band, Beam, Grid, Image, Slice
from fip.fits.fitsfile import fits_bytes
from fip.fits.header import card, frequency_axis, printable
from fip.imaging.kernels import make_kernel
from fip.imaging.subbands import split, sub_bands
from fip.worker.stages import image_file
from support.synthetic import array_uvw, image_slice, make_block, make_slice

GRID = Grid(64, 48, 2e-5, 1.2, -0.6, "FK5")
FREQUENCY = np.linspace(1.395e9, 1.405e9, 5)


def example(grid: Grid = GRID, source: tuple[float, float] = (3e-4, -2e-4), epsilon: float = 1e-5) -> Slice:
    """A slice of one source, with gain enough for the field to hold some thirty beams."""
    block = make_block(array_uvw(1, 12, 300.0, 0.9), FREQUENCY, [(*source, 1.0)], epsilon)
    return make_slice(
        [block], grid, settings=Imaging(stokes=("I",), epsilon=epsilon, kernel="wgridder", weight="natural")
    )


def imaged(slice_: Slice) -> Image:
    """What a worker makes of it."""
    return image_slice(slice_, make_kernel(slice_.settings, slice_.grid))


def opened(slice_: Slice, image: Image) -> fits.PrimaryHDU:
    """The one array of a file as astropy reads it."""
    units = all_opened(slice_, image)
    assert len(units) == 1
    return units[0]


def all_opened(slice_: Slice, image: Image) -> list[Any]:
    """All units of the file, standard and checksums verified (a wrong sum is a warning, so an error here)."""
    with fits.open(io.BytesIO(fits_bytes(slice_, image)), checksum=True, memmap=False) as units:
        units.verify("exception")
        return [unit.copy() for unit in units]


def assert_verified(path: Path, slice_: Slice) -> None:
    """Fitsverify finds no error and no warning."""
    path.write_bytes(fits_bytes(slice_, imaged(slice_)))
    result = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
    assert result.stdout.startswith("verification OK"), result.stdout


def test_every_keyword_says_what_was_observed() -> None:
    """The header that TraP, VASTER, CARTA and CASA look for, value by value."""
    slice_ = example()
    image = imaged(slice_)
    header = opened(slice_, image).header
    assert image.beam is not None
    assert image.statistics is not None
    visibilities = int(slice_.visibilities[0, 0])
    weight = slice_.blocks[0].weight[0].sum(axis=0, dtype=np.float64)
    expected = {
        "BITPIX": -32, "NAXIS": 4, "NAXIS1": 64, "NAXIS2": 48, "NAXIS3": 1, "NAXIS4": 1,
        "BUNIT": "Jy/beam", "BTYPE": "Intensity",
        "CTYPE1": "RA---SIN", "CRPIX1": 33.0, "CUNIT1": "deg", "CTYPE2": "DEC--SIN", "CRPIX2": 25.0, "CUNIT2": "deg",
        "CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CDELT3": 1e7, "CRPIX3": 1.0, "CUNIT3": "Hz", "RESTFRQ": 1.4e9,
        "RESTBW": 1e7, "SPECSYS": "TOPOCENT", "CTYPE4": "STOKES", "CRVAL4": 1.0, "CDELT4": 1.0, "CRPIX4": 1.0,
        "RADESYS": "FK5", "EQUINOX": 2000.0, "LONPOLE": 180.0,
        "TIMESYS": "UTC", "DATE-OBS": "2020-06-27T18:40:00.123456", "DATE-BEG": "2020-06-27T18:40:00.123456",
        "DATE-AVG": "2020-06-27T18:40:01.123456", "DATE-END": "2020-06-27T18:40:02.123456",
        "END_UTC": "2020-06-27T18:40:02.123456", "XPOSURE": 1.9, "EXPTIME": 1.9, "TAU_TIME": 1.9,
        "TELESCOP": "MeerKAT", "INSTRUME": "MeerKAT", "OBSERVER": "A. Observer", "PROJECT": "P1",
        "OBJECT": "J0408-6545", "NANT": 64, "OBSGEO-X": 5109360.0, "OBSGEO-Y": 2006852.0, "OBSGEO-Z": -3238948.0,
        "ORIGIN": f"FIP {__version__}",
        "FIPPB": "NONE", "FIPSTOKE": "I", "FIPWGT": "natural", "FIPEPS": 1e-5, "FIPKERN": "wgridder",
        "FIPMS": "night.ms", "FIPCOL": "CORRECTED_DATA", "FIPCORR": "XX,YY", "FIPRUN": "0123456789abcdef",
        "FIPSLICE": 7, "FIPEMPTY": False, "FIPNVIS": visibilities,
    }  # fmt: skip
    assert {key: header[key] for key in expected} == expected
    close = {
        "CRVAL1": np.degrees(1.2), "CDELT1": -np.degrees(2e-5), "CRVAL2": np.degrees(-0.6), "CDELT2": np.degrees(2e-5),
        "OBSRA": np.degrees(1.2), "OBSDEC": np.degrees(-0.6), "LATPOLE": np.degrees(-0.6),
        "MJD-OBS": (5.1e9 + 0.123456) / 86400, "MJD-BEG": (5.1e9 + 0.123456) / 86400,
        "MJD-AVG": (5.1e9 + 1.123456) / 86400, "MJD-END": (5.1e9 + 2.123456) / 86400, "TELAPSE": 2.0, "DURATION": 2.0,
        "BMAJ": np.degrees(image.beam.major), "BMIN": np.degrees(image.beam.minor),
        "BPA": np.degrees(image.beam.angle), "RMS": image.statistics.rms, "DATAMIN": image.pixels.min(),
        "DATAMAX": image.pixels.max(), "FIPWSUM": weight.sum(), "FIPFLAG": 1 - visibilities / slice_.samples,
        "FIPFREQ": np.average(FREQUENCY, weights=weight), "FIPBWEFF": 1.25e7,
    }  # fmt: skip
    assert {key: header[key] for key in close} == pytest.approx(close, rel=1e-9)
    assert abs(header["CDELT1"]) == header["CDELT2"]


@pytest.mark.parametrize("epsilon", [1e-5, 1e-8])
def test_pixels_are_stored_bit_for_bit(epsilon: float) -> None:
    """32-bit pixels at an epsilon of 1e-6 and more, 64-bit below, and none is changed on the way."""
    slice_ = example(epsilon=epsilon)
    image = imaged(slice_)
    data = opened(slice_, image).data
    assert data.shape == (1, 1, 48, 64)
    assert data.dtype == (np.dtype(">f4") if epsilon > 1e-6 else np.dtype(">f8"))
    assert np.array_equal(data, image.pixels)


@pytest.mark.parametrize("frame", ["FK5", "ICRS", "FK4", "GALACTIC"])
@pytest.mark.parametrize(("longitude", "latitude"), [(0.002, -0.6), (3.0, 1.35)])
def test_source_lands_where_the_header_says(frame: Frame, longitude: float, latitude: float) -> None:
    """A source at known celestial coordinates is within 0.05 pixel of astropy.wcs's place, without a warning."""
    grid = Grid(128, 96, 2e-5, longitude, latitude, frame)
    at = longitude + 7.1e-4 / np.cos(latitude), latitude - 5.23e-4
    east = np.cos(at[1]) * np.sin(at[0] - longitude)
    north = np.sin(at[1]) * np.cos(latitude) - np.cos(at[1]) * np.sin(latitude) * np.cos(at[0] - longitude)
    slice_ = example(grid, source=(east, north))
    hdu = opened(slice_, imaged(slice_))
    x, y, *_ = WCS(hdu.header).all_world2pix([[*np.degrees(at), 1.4e9, 1]], 0)[0]
    image = hdu.data[0, 0].astype(float)
    row, column = np.unravel_index(np.argmax(image), image.shape)
    assert column + _vertex(image[row, column - 1 : column + 2]) == pytest.approx(x, abs=0.05)
    assert row + _vertex(image[row - 1 : row + 2, column]) == pytest.approx(y, abs=0.05)


def _vertex(values: np.ndarray) -> float:
    """Return the position of the top of a parabola through three values, in steps from the middle one."""
    before, middle, after = np.log(values)
    return float((before - after) / (before + after - 2 * middle) / 2)


@pytest.mark.parametrize("frame", ["FK5", "ICRS", "FK4", "GALACTIC"])
def test_standard_is_kept(tmp_path: Path, frame: Frame) -> None:
    """Fitsverify has nothing to say, in any frame."""
    assert_verified(tmp_path / "image.fits", example(replace(GRID, frame=frame)))


def test_standard_is_kept_with_many_planes(tmp_path: Path) -> None:
    """Four Stokes and three output channels: the whole band first, then the channels, then a table of their beams.

    The middle channel has no data: its plane and its beam are NaN.
    """
    blocks = []
    for channel in (0, 2):
        block = make_block(array_uvw(1, 9, 300.0, 0.9), FREQUENCY, [(0.0, 0.0, 1.0)], channel_out=channel)
        four = {name: getattr(block, name).repeat(4, 0) for name in ("visibility", "weight")}
        blocks.append(replace(block, **four))
    slice_ = make_slice(blocks, GRID)
    image = imaged(slice_)
    hdu, channels, beams = all_opened(slice_, image)
    assert hdu.data.shape == (4, 1, 48, 64)
    assert np.array_equal(hdu.data, image.pixels[:, :1])
    assert (hdu.header["CRVAL3"], hdu.header["CDELT3"]) == (1.41e9, 3e7)
    assert (hdu.header["RESTFRQ"], hdu.header["RESTBW"], hdu.header["FIPCHOUT"]) == (1.41e9, 3e7, 3)
    assert "parallactic" in str(hdu.header["COMMENT"])
    assert channels.name == "CHANNELS"
    assert channels.data.shape == (4, 3, 48, 64)
    assert np.array_equal(channels.data, image.pixels[:, 1:], equal_nan=True)
    assert np.isnan(channels.data).all(axis=(0, 2, 3)).tolist() == [False, True, False]
    planes = WCS(channels.header).all_pix2world([[0, 0, 0, 0], [0, 0, 2, 3]], 0)
    assert planes[:, 2:].tolist() == [[1.4e9, 1], [1.42e9, 4]]
    assert (channels.header["CASAMBM"], beams.header["NCHAN"], beams.header["NPOL"]) == (True, 3, 4)
    assert [(row["CHAN"], row["POL"]) for row in beams.data] == [(c, p) for c in range(3) for p in range(4)]
    first, empty = beams.data[0], beams.data[4]
    assert image.channel_beams[0] is not None
    assert first["BMAJ"] == pytest.approx(np.degrees(image.channel_beams[0].major) * 3600, rel=1e-6)
    assert (first["NVIS"], first["WSUM"]) == (slice_.visibilities[0, 0], slice_.sum_of_weights[0, 0])
    assert np.isnan([empty["BMAJ"], empty["BMIN"], empty["BPA"], empty["FREQ"]]).all()
    assert (empty["NVIS"], empty["BANDWID"]) == (0, 0.0)
    assert_verified(tmp_path / "image.fits", slice_)


def test_any_text_of_an_observation_fits_a_header(tmp_path: Path) -> None:
    """Names that are long, quoted, empty, of two lines or in other scripts make a valid file; so do unknown places."""
    slice_ = example()
    observation = replace(
        slice_.observation,
        measurement_set="Ünïcöde's 'quoted' 名前 " * 10,
        telescope="東京\nVLA\x00",
        observer="",
        field="'" * 90,
        position=None,
        frequency_frame="",
    )
    slice_ = replace(slice_, observation=observation)
    header = opened(slice_, imaged(slice_)).header
    assert header["FIPMS"].startswith("Unicode's 'quoted' ?? Unicode's")
    assert header["TELESCOP"] == "???VLA?"
    assert not {"OBSERVER", "SPECSYS", "OBSGEO-X"} & set(header)
    assert_verified(tmp_path / "image.fits", slice_)


def test_empty_slice_is_marked_and_has_the_nominal_beam(tmp_path: Path) -> None:
    """No good visibility: NaN pixels, FIPEMPTY, the run's nominal beam, and no keyword that would be NaN."""
    nominal = Beam(2e-4, 1e-4, 0.5)
    slice_ = make_slice([], GRID, nominal_beam=nominal, samples=100)
    hdu = opened(slice_, imaged(slice_))
    assert np.isnan(hdu.data).all()
    assert hdu.header["FIPEMPTY"] is True
    assert (hdu.header["FIPNVIS"], hdu.header["FIPFLAG"]) == (0, 1.0)
    assert hdu.header["BMAJ"] == pytest.approx(np.degrees(nominal.major), rel=1e-12)
    assert not {"RMS", "DATAMIN", "DATAMAX", "FIPFREQ", "FIPBWEFF"} & set(hdu.header)
    assert_verified(tmp_path / "image.fits", slice_)


def test_empty_slice_has_its_psf_and_output_channels_too(tmp_path: Path) -> None:
    """Nothing but NaN in any plane of either file, and no file is missing."""
    bands = (Band(1.40e9, 1e7), Band(1.41e9, 1e7))
    settings = Imaging(stokes=("I",), epsilon=1e-5, kernel="wgridder", weight="uniform", make_psf=True)
    nothing: dict[str, Any] = {
        "sum_of_weights": np.zeros((1, 2)),
        "visibilities": np.zeros((1, 2), np.int64),
        "effective": ((None, None),),
    }
    slice_ = make_slice([], GRID, bands=bands, settings=settings, **nothing)
    made = image_file(slice_, make_kernel(settings, GRID), "a/cpu0", 0.0)
    assert [file.kind for file in made.files] == ["dirty", "psf"]
    for file in made.files:
        with fits.open(io.BytesIO(file.content), checksum=True) as units:
            assert [np.isnan(unit.data).all() for unit in units[:2]] == [True, True]
            assert np.isnan(units["BEAMS"].data["BMAJ"]).all()
    assert_verified(tmp_path / "image.fits", slice_)


@pytest.fixture
def open_with_pyse(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """PySE's reader without its source extraction, which numba compiles for half a minute on import."""
    extraction = ModuleType("sourcefinder.image")
    extraction.ImageData = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sourcefinder.image", extraction)
    reader: Callable[[str], Any] = import_module("sourcefinder.accessors").open
    return reader


@pytest.mark.parametrize("channels_out", [1, 2])
def test_trap_reads_time_band_and_beam(tmp_path: Path, open_with_pyse: Callable[[str], Any], channels_out: int) -> None:
    """PySE, TraP's reader, finds start, duration, frequency, bandwidth and beam without a warning.

    It reads the whole band, whether or not output channels follow it.
    """
    slice_ = example()
    bands = sub_bands(slice_.bands[0], channels_out)
    parts = [part for block in slice_.blocks for part in split(block, bands)]
    slice_ = make_slice(parts, GRID, bands=bands)
    image = imaged(slice_)
    assert image.beam is not None
    path = tmp_path / "image.fits"
    path.write_bytes(fits_bytes(slice_, image))
    read = open_with_pyse(str(path))
    assert read.taustart_ts == datetime.fromisoformat("2020-06-27T18:40:00.123456")
    assert read.tau_time == pytest.approx(2.0, abs=1e-6)
    assert (read.freq_eff, read.freq_bw) == (1.4e9, 1e7)
    pixels = image.beam.major / GRID.scale / 2, image.beam.minor / GRID.scale / 2
    assert read.beam == pytest.approx((*pixels, image.beam.angle), rel=1e-6)


def test_file_is_a_function_of_the_slice() -> None:
    """A slice imaged a second time, as another attempt by another worker, gives the same file to the last bit."""
    slice_ = example()
    kernel = make_kernel(slice_.settings, slice_.grid)
    first = image_file(slice_, kernel, "a/cpu0", 0.0)
    second = image_file(replace(slice_, attempt=2), kernel, "b/cpu7", 1.5)
    assert [bytes(each.content) for each in first.files] == [bytes(each.content) for each in second.files]
    assert first.beam == second.beam
    assert second.seconds["wait"] == 1.5


@given(words=st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_checksums_hold_for_any_pixels(words: list[int]) -> None:
    """Whatever bits the pixels have, the file's DATASUM and CHECKSUM are those of the standard."""
    slice_ = make_slice([], GRID)
    bits = np.zeros((1, 1, 48, 64), np.uint32)
    bits.ravel()[: len(words)] = words
    file = fits_bytes(slice_, Image(bits.view(np.float32), None, None))
    with fits.open(io.BytesIO(file), checksum=True) as units:
        units.verify("exception")
    total = int(np.frombuffer(file, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    assert total == 0xFFFFFFFF  # the sum of a file whose CHECKSUM is right


@pytest.mark.parametrize(
    ("stokes", "axis"),
    [("I", (1, 1)), ("IQUV", (1, 1)), ("IV", (1, 3)), ("QU", (2, 1)), (("RR",), (-1, 1)), (("XX", "YY"), (-5, -1))],
)
def test_stokes_axis(stokes: tuple[str, ...], axis: tuple[int, int]) -> None:
    """Planes whose codes are evenly spaced share an axis."""
    assert stokes_axis(tuple(stokes)) == axis


@pytest.mark.parametrize("stokes", ["IQV", "II", "IK", ""])
def test_planes_that_no_axis_holds_are_refused(stokes: str) -> None:
    """Uneven, repeated and unknown planes are a usage error that says what would work."""
    with pytest.raises(UsageError, match=r"evenly spaced|is not one of"):
        stokes_axis(tuple(stokes))


def test_uneven_output_channels_are_refused() -> None:
    """Output channels that one linear frequency axis cannot describe are a usage error."""
    with pytest.raises(UsageError, match="output channel 1"):
        frequency_axis((Band(1.0e9, 1e6), Band(1.1e9, 1e6), Band(1.4e9, 1e6)))


PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
UNQUOTED = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'")
COMMENTS = st.text(UNQUOTED, max_size=30).map(str.strip)
NUMBERS = st.one_of(st.booleans(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False))


@given(value=st.one_of(NUMBERS, st.text(PRINTABLE, max_size=18)), comment=COMMENTS)
def test_cards_are_those_of_astropy(value: str | float, comment: str) -> None:
    """Any value is written as astropy writes it, to the last character."""
    kept = printable(value) if isinstance(value, str) else value
    assert card("FIPTEST", value, comment) == str(fits.Card("FIPTEST", kept, comment))


@given(text=st.text(PRINTABLE, max_size=68), comment=COMMENTS)
def test_a_long_text_is_kept_and_its_comment_cut(text: str, comment: str) -> None:
    """A card is 80 characters; a text takes what it needs: it is read as astropy's own card of it is.

    That is not always the text: astropy reads '/ back as '.
    """
    made = card("FIPTEST", text, comment)
    assert len(made) == 80
    assert fits.Card.fromstring(made).value == fits.Card.fromstring(str(fits.Card("FIPTEST", printable(text)))).value


@given(text=st.text(max_size=200))
def test_any_text_becomes_printable(text: str) -> None:
    """Printable ASCII no longer than a card's 68 characters, quotes doubled."""
    plain = printable(text)
    assert plain.isascii()
    assert plain.isprintable()
    assert len(plain.replace("'", "''")) <= 68


def test_time_has_microseconds_and_no_zone() -> None:
    """Microseconds even if they are zero, and rounded, not cut."""
    assert iso_utc(0.0) == "1858-11-17T00:00:00.000000"
    assert iso_utc(4.32e9 + 0.9999996) == "1995-10-10T00:00:01.000000"
