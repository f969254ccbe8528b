"""What the tables say of their own columns: the scale of TIME, the frame of frequencies, how columns are packed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from casacore import tables
from numpy.typing import NDArray

from fip.data.settings import Asked
from fip.imaging.dirty import dirty_image
from fip.imaging.kernels import make_kernel
from fip.source.open_run import open_run
from fip.source.tables.timescales import SCALES, to_utc
from support import small_ms
from support.cut_slices import cut

DAY = 86400.0  # s
ASTROPY = {"IAT": "tai", "TDT": "tt", "ET": "tt", "UT": "ut1"}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("day", [45000.3, 51544.5, 57752.9, 57754.1, 60900.7])
def test_every_scale_agrees_with_astropy(scale: str, day: float) -> None:
    """They agree to a microsecond, all that a double holds of so many seconds, before and after leap seconds."""
    time = Time(day, format="mjd", scale=ASTROPY.get(scale, scale.lower())).utc
    expected = ((time.jd1 - 2400000.5) + time.jd2) * DAY
    assert to_utc(np.array([day * DAY]), scale)[0] == pytest.approx(expected, abs=2e-6)


def test_the_leap_second_counts_from_its_moment() -> None:
    """TAI - UTC is 36 s up to the end of 2016 and 37 s from then on, by UTC and not by TAI."""
    end = 57754 * DAY
    tai = np.array([end + 35.0, end + 35.5, end + 37.0, end + 37.5])
    assert to_utc(tai, "TAI").tolist() == [end - 1, end - 0.5, end, end + 0.5]


@pytest.mark.parametrize(("scale", "ahead"), [("TAI", 35.0), ("TDT", 67.184), ("UTC", 0.0)])
def test_times_of_a_set_are_utc_whatever_its_scale(tmp_path: Path, scale: str, ahead: float) -> None:
    """The same observation with TIME in another scale has the same times in its slices; the log says so."""
    columns = small_ms.rows()
    columns["TIME"] += 56500.5 * DAY - small_ms.START  # 2013: TAI - UTC = 35 s
    plain = cut(small_ms.write(tmp_path / "plain.ms", columns))
    columns["TIME"] += ahead
    path = small_ms.write(tmp_path / "other.ms", columns)
    small_ms.set_frame(path, "", "TIME", scale)
    run = open_run(path, Asked())
    assert ("converted to UTC" in " ".join(run.notes)) == (scale != "UTC")
    run.close()
    for one, other in zip(plain, cut(path), strict=True):
        assert (other.times.begin, other.times.average, other.times.end) == pytest.approx(
            (one.times.begin, one.times.average, one.times.end), abs=2e-6
        )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((0, "SOURCE"), (1, "LSRK"), (2, "LSRD"), (3, "BARYCENT"), (4, "GEOCENTR"), (5, "TOPOCENT"), (6, "GALACTOC")),
        *((7, "LOCALGRP"), (8, "CMBDIPOL"), (64, ""), (99, "")),
    ],
)
def test_specsys_is_the_frame_of_the_frequencies(tmp_path: Path, code: int, expected: str) -> None:
    """All of casacore's frames in the names of FITS; frequencies stay as they are stored."""
    path = small_ms.write(tmp_path / "frame.ms", small_ms.rows(1))
    small_ms.change(path / "SPECTRAL_WINDOW", "MEAS_FREQ_REF", lambda old: np.full_like(old, code))
    (piece,) = cut(path)
    assert piece.observation.frequency_frame == expected
    np.testing.assert_array_equal(piece.blocks[0].frequency, small_ms.BAND)


def test_a_column_may_have_codes_of_its_own(tmp_path: Path) -> None:
    """CHAN_FREQ whose reference column counts otherwise (TabRefCodes) is read by its own list."""
    path = small_ms.write(tmp_path / "codes.ms", small_ms.rows(1))
    with small_ms.edit(path / "SPECTRAL_WINDOW") as table:
        keywords = table.getcolkeywords("CHAN_FREQ")
        keywords["MEASINFO"]["TabRefTypes"] = ["TOPO", "BARY"]
        keywords["MEASINFO"]["TabRefCodes"] = np.array([4, 5], np.uint32)
        table.putcolkeywords("CHAN_FREQ", keywords)
    assert cut(path)[0].observation.frequency_frame == "BARYCENT"


def test_windows_of_different_frames_have_none_in_common(tmp_path: Path) -> None:
    """One image of two windows whose frequencies are in different frames says nothing of SPECSYS."""
    bands = (small_ms.BAND, small_ms.BAND + 1e8)
    path = small_ms.write(tmp_path / "two.ms", small_ms.rows(1, windows=2), bands=bands)
    small_ms.change(path / "SPECTRAL_WINDOW", "MEAS_FREQ_REF", lambda old: np.array([5, 1], old.dtype))
    assert cut(path)[0].observation.frequency_frame == ""


def test_columns_packed_by_dysco_are_imaged(tmp_path: Path) -> None:
    """DATA and WEIGHT_SPECTRUM in Dysco: images differ from those of plain columns by its quantisation at most.

    An image is a weighted mean of visibilities, each turned by a phase, so it is off by no more than they are.
    """
    noise = np.random.default_rng(5)

    def noisy(columns: small_ms.Columns, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
        values = small_ms.point_source(columns, frequency, count)
        values += noise.normal(size=(*values.shape, 2)) @ np.array([0.5, 0.5j])
        return values

    path = small_ms.write(tmp_path / "dysco.ms", small_ms.rows(3), data={"DATA": noisy}, spectrum=True)
    with small_ms.edit(path) as table:
        table.putcol("WEIGHT_SPECTRUM", np.ones(table.getcol("DATA").shape, np.float32))
    plain = cut(path, size=(64, 64), scale=1e-4)
    with small_ms.edit(path) as table:
        columns = {name: table.getcol(name) for name in ("DATA", "WEIGHT_SPECTRUM")}
    for name, values in columns.items():
        pack(path, name, values)
    with small_ms.edit(path) as table:
        off = float(np.abs(table.getcol("DATA") - columns["DATA"]).max())
        np.testing.assert_allclose(table.getcol("WEIGHT_SPECTRUM"), 1, rtol=1e-3)
    assert 0 < off < 0.2  # it is packed, by 8 bits
    for one, other in zip(plain, cut(path, size=(64, 64), scale=1e-4), strict=True):
        pixels, packed = (dirty_image(each, make_kernel(each.settings, each.grid)).pixels for each in (one, other))
        assert 0 < np.abs(packed - pixels).max() <= off


def pack(path: Path, name: str, values: NDArray[Any]) -> None:
    """Replace a column by one that Dysco stores; it is written when the table is closed."""
    description = tables.makearrcoldesc(
        name, 0.0, valuetype="float" if values.dtype == np.float32 else "complex", shape=[*values.shape[1:]], options=5
    )
    specification = {"dataBitCount": 8, "weightBitCount": 12, "normalization": "AF", "studentTNu": 0.0} | {
        "distribution": "TruncatedGaussian",
        "distributionTruncation": 2.5,
    }
    manager = {"NAME": f"Dysco{name}", "TYPE": "DyscoStMan", "COLUMNS": [name], "SPEC": specification}
    with small_ms.edit(path) as table:
        table.removecols(name)
        table.addcols(tables.maketabdesc([description]), {"*1": manager})
        table.putcol(name, values)
