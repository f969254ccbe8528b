"""The restored image of a sky model: the places of its sources, how bright they are and how large."""

import math
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray

from corrections.sky_support import FORMAT, written
from fip.data.errors import InputError
from fip.data.quantities import ARCSEC
from fip.data.values import Band, Beam, Grid
from fip.events.model_image import model_image, open_model
from fip.fits.sky import wcs_of
from support.model_images import model

GRID = Grid(160, 128, 4 * ARCSEC, math.radians(155.0), math.radians(-45.0), "FK5")
BEAM = Beam(24 * ARCSEC, 16 * ARCSEC, math.radians(30.0))
BAND, BEGIN = Band(1.3e9, 1e8), 61100 * 86400.0
AREA = math.pi / (4 * math.log(2)) * 24 * 16 / 4**2  # pixels of a beam


def image(*asked: Path, frequency: float = 1.3e9) -> NDArray[np.float32]:
    sky = open_model([str(each) for each in asked], Path("night.fip"), GRID, BAND, (BEGIN, BEGIN + 60))
    return model_image(sky, GRID, BEAM, frequency, BEGIN)


def pixel(ra: str, dec: str) -> tuple[float, float]:
    x, y = wcs_of(GRID).world_to_pixel(SkyCoord(ra, dec, unit=("hourangle", "deg"), frame="fk5"))
    return float(x), float(y)


def test_a_point_is_the_beam_at_its_place_with_its_flux(tmp_path: Path) -> None:
    made = image(written(tmp_path / "a.skymodel", FORMAT, "x, POINT, , 10:20:10, -45.01.30, 2.0"))
    x, y = pixel("10:20:10", "-45:01:30")
    total = made.sum()
    rows, columns = np.indices(made.shape)
    dx, dy = columns - x, rows - y
    assert (float((made * dx).sum() / total), float((made * dy).sum() / total)) == pytest.approx((0, 0), abs=1e-3)
    assert total / AREA == pytest.approx(2.0, rel=1e-3)
    along, across = (-math.sin(BEAM.angle), math.cos(BEAM.angle)), (math.cos(BEAM.angle), math.sin(BEAM.angle))
    for (ex, ey), width in ((along, 6), (across, 4)):  # pixels, full width at half maximum
        variance = float((made * (ex * dx + ey * dy) ** 2).sum() / total)
        assert math.sqrt(8 * math.log(2) * variance) == pytest.approx(width, rel=1e-3)


def test_a_gaussian_is_as_wide_as_both_and_keeps_its_flux(tmp_path: Path) -> None:
    line = "g, GAUSSIAN, , 10:19:50, -44.59.00, 3.0, , , , 40, 20, 30, true"
    made = image(written(tmp_path / "g.skymodel", FORMAT, line))
    x, y = pixel("10:19:50", "-44:59:00")
    assert made.sum() / AREA == pytest.approx(3.0, rel=1e-3)
    wide = math.hypot(40, 24) * math.hypot(20, 16)
    assert made.max() == pytest.approx(3.0 * 24 * 16 / wide, rel=0.03)  # its place is between pixels
    assert int(np.argmax(made)) == round(y) * GRID.width + round(x)


def test_spectra_are_followed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.skymodel", FORMAT, "x, POINT, , 10:20:00, -45.00.00, 1.0, [-0.7], true, 1.3e9")
    assert image(path, frequency=0.65e9).max() == pytest.approx(2**0.7, rel=1e-6)


def test_pixels_of_a_model_image_are_the_sources_that_they_stand_for(tmp_path: Path) -> None:
    """20 arcsec a pixel: 60 arcsec east and 40 north of the centre, a list has the same source."""
    pixels = np.zeros((1, 64, 64))
    pixels[0, 32 + 2, 32 - 3] = 1.5
    of_image = image(model(tmp_path / "w-model.fits", pixels))
    centre = SkyCoord(155.0, -45.0, unit="deg", frame="fk5")
    there = centre.directional_offset_by(math.atan2(3, 2) * units.rad, math.hypot(60, 40) * units.arcsec)
    ra, dec = there.ra.to_string("hour", sep=":", precision=6), there.dec.to_string("deg", sep=".", precision=5)
    of_list = image(written(tmp_path / "l.skymodel", FORMAT, f"x, POINT, , {ra}, {dec}, 1.5"))
    assert of_image == pytest.approx(of_list, abs=0.03)
    assert of_image.sum() == pytest.approx(of_list.sum(), rel=1e-3)


def test_what_is_outside_shows_as_far_as_its_beam_reaches_and_what_is_behind_does_not(tmp_path: Path) -> None:
    lines = ["x, POINT, , 10:19:28.5, -45.00.00, 1.0", "y, POINT, , 22:20:00, 45.00.00, 100.0"]
    made = image(written(tmp_path / "a.skymodel", FORMAT, *lines))
    assert 0.05 < made[:, -1].max() < 1
    assert made[:, :-20].max() == 0


def test_a_model_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b\.skymodel: no line 'Format"):
        image(written(tmp_path / "b.skymodel", "x, POINT, , 10:20:00, -45.00.00, 1"))
