"""Light curves: the pixels of the images, at the right place, with an honest error."""

from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, ICRS, Galactic, SkyCoord
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from fip.archive.lightcurve import light_curve, pixel_of
from fip.data.directions import Direction
from fip.data.errors import UsageError
from support.fip_command import fip, images
from support.stored_run import GRID, NOISE, ON, STEADY, TRANSIENT, store_run


def sky_of(image: Path, pixel: tuple[int, int]) -> SkyCoord:
    """Where a pixel is, as astropy reads the header."""
    return WCS(fits.getheader(image)).celestial.pixel_to_world(*pixel)


def test_it_has_the_pixel_of_every_image(tmp_path: Path) -> None:
    """The command's ECSV: each flux is the FITS pixel to the last bit, for each plane, in order of time."""
    store_run(tmp_path, stokes=("I", "V"), empty=(2,), failed=(9,))
    files = images(tmp_path)
    place = sky_of(files[0], TRANSIENT)
    ra, dec = place.ra.to_string("hour", precision=4), place.dec.to_string("deg", precision=3, alwayssign=True)
    assert dec.startswith("-45d")
    done = fip("lightcurve", tmp_path, ra, dec, "--output", tmp_path / "curve.ecsv")
    assert done.returncode == 0, done.stderr
    table = QTable.read(tmp_path / "curve.ecsv")
    assert list(table["file"]) == [file.name for file in files]
    for plane, name in enumerate("IV"):
        stored = [fits.getdata(file)[plane, 0, TRANSIENT[1], TRANSIENT[0]] for file in files]
        np.testing.assert_array_equal(table[f"flux_{name}"].to_value("Jy/beam"), np.array(stored, float))
    assert list(table["quality"]) == ["empty" if number == 2 else "good" for number in range(11)]
    bright = table["flux_I"].to_value("Jy/beam") > 0.04
    assert list(np.flatnonzero(bright)) == list(range(*ON))
    headers = [fits.getheader(file) for file in files]
    np.testing.assert_allclose(table["mjd"].to_value("day"), [header["MJD-AVG"] for header in headers], rtol=1e-15)
    assert list(table["time"]) == [header["DATE-AVG"] for header in headers]
    np.testing.assert_allclose(table["bmaj"].to_value("deg"), [header["BMAJ"] for header in headers])


def test_the_error_is_the_noise_around(tmp_path: Path) -> None:
    """To 5 sigma of a MAD of 6400 independent pixels, 1.17/80 each, whatever source is in the middle."""
    store_run(tmp_path)
    assert pixel_of(GRID, Direction(float(np.radians(155.0)), float(np.radians(-45.0)), "FK5")) == (80, 80)
    for x, y in (STEADY, (80, 80)):
        there = sky_of(images(tmp_path)[0], (x, y))
        curve = light_curve(tmp_path, f"{there.ra.deg:.9f}deg {there.dec.deg:.9f}deg")
        errors = np.array([point.error[0] for point in curve.points])
        np.testing.assert_allclose(errors, NOISE, rtol=5 * 1.17 / 80)


@pytest.mark.parametrize(
    ("position", "said"),
    [
        ("155deg 50deg", "beyond the horizon"),
        ("155.2deg -45deg", r"outside of the images: pixel \(-175, 80\) of 160x160"),
        ("155 -45", "is not a direction"),
        ("GALACTIC 12h00m00s 1deg", "is not a direction"),
    ],
)
def test_a_position_that_is_not_there_is_refused(tmp_path: Path, position: str, said: str) -> None:
    """With what was asked, and where the images are."""
    store_run(tmp_path, count=1)
    with pytest.raises(UsageError, match=said):
        light_curve(tmp_path, position)


def test_frames_are_converted(tmp_path: Path) -> None:
    """The same star in four frames falls on the same pixel."""
    store_run(tmp_path, count=1)
    star = sky_of(images(tmp_path)[0], TRANSIENT)
    for name, frame in (("J2000", FK5()), ("ICRS", ICRS()), ("B1950", FK4(equinox="B1950")), ("GALACTIC", Galactic())):
        there = star.transform_to(frame, merge_attributes=False).spherical
        (point,) = light_curve(tmp_path, f"{name} {there.lon.deg:.9f}deg {there.lat.deg:.9f}deg").points
        assert (point.x, point.y) == TRANSIENT


def test_unusable_directories_and_planes_are_refused(tmp_path: Path) -> None:
    """One line, exit code 2."""
    for arguments, said in (
        ((tmp_path, "155deg", "-45deg"), "no fip.sqlite in it"),
        ((tmp_path / "run", "155deg", "-45deg", "--stokes", "V"), "--stokes V: night-t000000-dirty.fits has I"),
        ((tmp_path / "run", "155deg", "-45deg", "--stokes", "W"), "--stokes: 'W' names no Stokes planes"),
    ):
        store_run(tmp_path / "run", count=1) if not (tmp_path / "run").exists() else None
        done = fip("lightcurve", *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("fip: ")
        assert said in done.stderr.replace("\n", " ")
    file = images(tmp_path / "run")[0]
    file.write_bytes(file.read_bytes()[:-6000])
    with pytest.raises(UsageError, match="its pixels cannot be read"):
        light_curve(tmp_path / "run", "155deg -45deg")
