"""UVH5 files, written by the memo from MeasurementSets: they are imaged as these are."""

import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import h5py
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.time import Time

from fip.data.arriving import Writing
from fip.data.errors import InputError
from fip.source.sources import open_recording
from fip.source.tables.subtables import Window
from support import small_ms, uvh5_files
from support.cut_slices import cut, notes
from support.direct_sum import direct_sum
from support.fip_command import fip, images
from support.same_sky import a_set, assert_same_images

SPEED_OF_LIGHT = 299792458.0


@pytest.mark.parametrize("version", ["0.1", "1.0", "1.1", "1.2"])
def test_a_file_is_imaged_as_the_set_that_it_holds(version: str, tmp_path: Path) -> None:
    """All of I, Q, U and V, whatever it is called; 0.1 has an axis more, and another way to give the direction."""
    ms = a_set(tmp_path / "a.ms")
    assert_same_images(uvh5_files.from_set(ms, tmp_path / "file.of_mine", version), ms, "IQUV")


def test_circular_feeds_and_descending_windows_of_several_widths(tmp_path: Path) -> None:
    """Windows are parts of one axis of channels; here the second descends."""
    bands = (small_ms.BAND, np.linspace(1.2e9, 1.1e9, 6))
    ms = a_set(tmp_path / "a.ms", bands=bands, codes=small_ms.CIRCULAR)
    path = uvh5_files.from_set(ms, tmp_path / "a.uvh5")
    assert_same_images(path, ms, "IQUV")
    assert_same_images(path, ms, "IV", spw="1:1~3")
    rows = open_recording(path).rows(range(60))
    assert rows.column("DATA_DESC_ID").tolist() == ([0] * 10 + [1] * 10) * 3  # of each integration first one window
    assert (np.diff(rows.column("TIME")) >= 0).all()
    with pytest.raises(InputError, match="rows of several windows"):
        open_recording(path).rows(range(15)).column("DATA")


def baseline_major(file: h5py.File) -> None:
    """All times of a baseline, then those of the next."""
    count = file["Header/time_array"].size
    order = np.arange(count).reshape(3, -1).T.ravel()
    for group in (file["Header"], file["Data"]):
        for name in list(group):
            if isinstance(group[name], h5py.Dataset) and group[name].shape[:1] == (count,):
                uvh5_files.put(group, {name: group[name][()][order]})


def of_integers(file: h5py.File) -> None:
    """Store the samples as the correlator has them: real and imaginary integers."""
    values = file["Data/visdata"][()]
    made = np.empty(values.shape, [("r", "<i4"), ("i", "<i4")])
    made["r"], made["i"] = np.round(values.real * 1e6), np.round(values.imag * 1e6)
    uvh5_files.put(file["Data"], {"visdata": made})


def test_other_orders_and_types_of_numbers(tmp_path: Path) -> None:
    """Rows by baseline, integers, and I as the sum of XX and YY, which FIP has as their mean."""
    ms = a_set(tmp_path / "a.ms")
    assert_same_images(uvh5_files.from_set(ms, tmp_path / "b.uvh5", alter=baseline_major), ms, "IQUV")
    (plain,) = cut(ms, interval="0~1", size=64, scale=1e-5)
    (whole,) = cut(uvh5_files.from_set(ms, tmp_path / "i.uvh5", alter=of_integers), interval="0~1", size=64, scale=1e-5)
    np.testing.assert_allclose(whole.blocks[0].visibility, 1e6 * plain.blocks[0].visibility, atol=20)
    summed = uvh5_files.from_set(ms, tmp_path / "s.uvh5", alter=header(pol_convention="sum"))
    (twice,) = cut(summed, interval="0~1", size=64, scale=1e-5)
    np.testing.assert_array_equal(twice.blocks[0].visibility, 2 * plain.blocks[0].visibility)


def unphased(file: h5py.File) -> None:
    """What a zenith telescope records of a source of 1 Jy: baselines east, north and up, and no delay taken off."""
    about = file["Header"]
    longitude, latitude, _ = uvh5_files.PLACE
    east = np.array([-math.sin(longitude), math.cos(longitude), 0])
    level = np.array([math.cos(longitude), math.sin(longitude), 0]) * math.cos(latitude)
    up = level + np.array([0, 0, math.sin(latitude)])
    places = about["antenna_positions"][()] @ np.array([east, np.cross(up, east), up]).T
    one, other = (np.searchsorted(about["antenna_numbers"][()], about[f"ant_{each}_array"][()]) for each in (1, 2))
    seen = source().transform_to(AltAz(obstime=Time(about["time_array"][()], format="jd"), location=here()))
    towards = [np.cos(seen.alt) * np.sin(seen.az), np.cos(seen.alt) * np.cos(seen.az), np.sin(seen.alt)]
    uvw = places[other] - places[one]
    path = np.sum(uvw * np.array(towards).T, axis=1)
    values = np.zeros(file["Data/visdata"].shape, np.complex64)
    values[..., [0, -1]] = np.exp(2j * np.pi * path[:, None] * about["freq_array"][()] / SPEED_OF_LIGHT)[..., None]
    zenith = {"2": {"cat_name": "zenith", "cat_type": "unprojected"}}
    uvh5_files.put(about, {"uvw_array": uvw, "phase_center_catalog": zenith})
    uvh5_files.put(file["Data"], {"visdata": values, "flags": np.zeros(values.shape, bool)})


def here() -> EarthLocation:
    """Return the place of the telescope."""
    longitude, latitude, height = uvh5_files.PLACE
    return EarthLocation.from_geodetic(longitude * u.rad, latitude * u.rad, height * u.m)


def source() -> SkyCoord:
    """Three degrees from zenith in the middle of the file's time."""
    frame = AltAz(obstime=Time((small_ms.START + 10) / 86400, format="mjd"), location=here())
    return SkyCoord(alt=87 * u.deg, az=40 * u.deg, frame=frame).icrs


def test_data_that_are_not_phased_are_imaged_about_zenith(tmp_path: Path) -> None:
    """A source has the place that astropy gives, at its full flux, in each integration; so has it in a drift scan."""
    ms = a_set(tmp_path / "a.ms")
    path = uvh5_files.from_set(ms, tmp_path / "a.uvh5", alter=unphased)
    about = source()
    asked = {"size": (64, 64), "scale": 1e-6, "phase_centre": f"ICRS {about.ra.deg}deg {about.dec.deg}deg"}
    for piece in cut(path, **asked):
        flux = direct_sum(piece.blocks, np.zeros(1), np.zeros(1))[0, 0] / piece.sum_of_weights[0, 0]
        assert flux == pytest.approx(1, abs=1e-3)
    assert "its phase centre moves" in notes(path, size=64, scale=1e-6)


def header(**values: Any) -> Callable[[h5py.File], object]:
    """Other values in the header."""
    return lambda file: uvh5_files.put(file["Header"], values)


def centre(**values: Any) -> Callable[[h5py.File], object]:
    """Other values of the phase centre."""
    return lambda file: uvh5_files.put(file["Header/phase_center_catalog/2"], values)


def with_few_flags(file: h5py.File) -> None:
    """Fewer rows of one dataset."""
    uvh5_files.put(file["Data"], {"flags": np.zeros((2, 4, 4), bool)})


REFUSED: tuple[tuple[str, Callable[[h5py.File], object], str], ...] = (
    ("a later version", header(version="2.0"), "is UVH5 2.0; FIP reads 0.1"),
    ("no uvw", lambda file: file["Header"].pop("uvw_array"), "its header has no uvw_array"),
    ("no data", lambda file: file.pop("Data"), "without Data/visdata"),
    ("fewer rows", with_few_flags, "Data/flags has the shape"),
    ("an antenna", header(ant_2_array=np.full(30, 99)), "antenna 99 is used"),
    ("the Moon", header(telescope_frame="mcmf"), "mcmf, not on Earth"),
    ("a near field", centre(cat_type="near_field"), "near_field, which FIP"),
    ("of date", centre(cat_epoch=2015.5), "fk5 of equinox 2015.5"),
    ("no centre", lambda file: file["Header/phase_center_catalog"].pop("2"), "phase centre 2 is used"),
    ("sidereal time", header(timesys="LAST"), "timesys is LAST"),
)


@pytest.mark.parametrize(("spoil", "says"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_cannot_be_imaged_is_said_in_one_line(
    spoil: Callable[[h5py.File], object], says: str, tmp_path: Path
) -> None:
    """The line has the file, what was found, and what is read."""
    path = uvh5_files.from_set(a_set(tmp_path / "a.ms"), tmp_path / "a.uvh5", alter=spoil)
    with pytest.raises(InputError) as refused:
        cut(path)
    assert says in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_whatever_is_wrong_in_a_header_is_one_line(tmp_path: Path) -> None:
    """If something is not there, is text in place of a number, or a group: it is refused, or it does not matter."""
    path, refused = uvh5_files.from_set(a_set(tmp_path / "a.ms"), tmp_path / "a.uvh5"), 0
    with h5py.File(path, "r") as file:
        names = [f"{group}/{name}" for group in ("Header", "Header/phase_center_catalog/2") for name in file[group]]
    for name in names:
        others: tuple[dict[str, Any], ...] = ({}, {name: "text"}, {name: {}})
        for other in others:
            spoiled = Path(shutil.copy(path, tmp_path / "b.uvh5"))
            with h5py.File(spoiled, "r+") as file:
                del file[name]
                uvh5_files.put(file, other)
            try:
                open_recording(spoiled).close()
            except InputError as error:
                assert str(error).startswith(f"{spoiled}: ")
                assert "\n" not in str(error)
                refused += 1
    assert refused > len(names)


def test_cut_short_foreign_or_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file does not grow either: what comes later is another one."""
    path = uvh5_files.from_set(a_set(tmp_path / "a.ms"), tmp_path / "a.uvh5")
    with pytest.raises(InputError, match="leave --follow out"):
        open_recording(path, Writing())
    short = tmp_path / "short.uvh5"
    short.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"cut short: copy it again .*truncated"):
        open_recording(short)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = np.zeros(3)
    with pytest.raises(InputError, match="not a MeasurementSet, but an HDF5 file"):
        open_recording(tmp_path / "other.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'fip\[uvh5\]'"):
        open_recording(path)


def test_a_file_is_described_and_imaged_by_the_commands(tmp_path: Path) -> None:
    """Sets are treated in the same way, by daemons and their reading children."""
    path = uvh5_files.from_set(a_set(tmp_path / "obs.ms"), tmp_path / "obs.uvh5")
    described = fip("info", path)
    assert described.returncode == 0, described.stderr
    assert "0: 4 channels of 1000 kHz" in described.stdout
    refused = fip("inject", path, "--output", tmp_path / "more.ms", "--snr", "5")
    assert refused.returncode == 2
    assert "UVH5, which FIP images; here it takes a MeasurementSet" in refused.stderr
    ran = fip("run", path, "--output", tmp_path / "obs.fip", "--size", "64", "--scale", "2arcsec")
    assert ran.returncode == 0, ran.stderr
    assert len(images(tmp_path / "obs.fip")) == 3


def test_windows_are_as_the_file_has_them(tmp_path: Path) -> None:
    """They have their widths, and correlations in the file's order."""
    ms = a_set(tmp_path / "a.ms")
    recording = open_recording(uvh5_files.from_set(ms, tmp_path / "a.uvh5"))
    window: Window = recording.window(0)
    assert window.correlations == ("XX", "XY", "YX", "YY")
    np.testing.assert_allclose(recording.antennas.position, small_ms.POSITIONS, atol=1e-3)
    recording.close()
