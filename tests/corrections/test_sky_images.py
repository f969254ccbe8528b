"""Model images, as WSClean writes NAME-model.fits."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from corrections.sky_support import BEGIN, FREQUENCY, expected, opened
from fip.data.directions import Direction
from fip.data.errors import FipError
from fip.data.rotations import icrs_axes
from fip.imaging.primary_beam import beam_of
from support.model_images import SCALE, WSCLEAN, drawn, model
from support.sky_sum import image_sum


def pixels(*planes: float, height: int = 24, width: int = 32) -> NDArray[np.float64]:
    """Planes with one bright pixel each, 6 to the left (east) and 4 above the middle."""
    found = np.zeros((len(planes), height, width))
    found[:, height // 2 + 4, width // 2 - 6] = planes
    return found


def test_a_model_image_is_pixels_about_a_centre_with_the_planes_of_its_files(tmp_path: Path) -> None:
    later = model(tmp_path / "w-0001-model.fits", pixels(3.0), 1.325e9)
    first = model(tmp_path / "w-0000-model.fits", pixels(2.0), 1.275e9)
    sky = opened(later, first)
    assert not len(sky.components(FREQUENCY, 0, BEGIN))
    (image,) = sky.images
    assert image.frequency.tolist() == [1.275e9, 1.325e9]
    assert image.pixels.dtype == np.float32
    assert image.pixels[:, 16, 10].tolist() == [2.0, 3.0]
    assert image.scale == pytest.approx(math.radians(SCALE / 3600), rel=1e-15)
    assert image.centre == Direction(math.radians(155), math.radians(-45), "FK5")
    assert sky.notes[0].endswith("32 x 24 pixels, 2.5 Jy at 1300 MHz, linear in frequency between 2 planes")
    cube = opened(model(tmp_path / "cube-model.fits", pixels(2.0, 3.0), 1.275e9, RADESYS="ICRS")).images[0]
    assert cube.pixels.tolist() == image.pixels.tolist()
    assert cube.frequency.tolist() == image.frequency.tolist()
    assert cube.centre.frame == "ICRS"


def test_images_of_other_grids_are_images_of_their_own(tmp_path: Path) -> None:
    one = model(tmp_path / "a-model.fits", pixels(1.0))
    other = model(tmp_path / "b-model.fits", pixels(1.0), CRVAL2=-44.0)
    assert [image.name for image in opened(one, other).images] == ["a-model.fits", "b-model.fits"]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unit": ({"BUNIT": "JY/BEAM"}, r"unit \(BUNIT\) is 'JY/BEAM': a model in Jy/pixel is needed"),
    "projection": ({"CTYPE1": "RA---TAN"}, "CTYPE1 is 'RA---TAN': right ascension in the SIN projection"),
    "galactic": ({"CTYPE1": "GLON-SIN"}, "CTYPE1 is 'GLON-SIN'"),
    "shift": ({"CRPIX1": 20.0}, "CRPIX1 is 20: the middle, 17, is needed"),
    "pixels": ({"CDELT1": -0.01}, "square pixels with east to the left"),
    "mirrored": ({"CDELT1": SCALE / 3600}, "square pixels with east to the left"),
    "turned": ({"PC1_2": 0.1}, "PC1_2 is 0.1: an image that is not turned"),
    "epoch": ({"EQUINOX": 1950.0}, "its frame is FK4 of 1950: FK5 .J2000. or ICRS is needed"),
    "stokes": ({"CRVAL4": 2.0}, "its Stokes .CRVAL4. is 2.0"),
    "frequency": ({"CTYPE3": "VELO"}, "CTYPE3 is 'VELO'"),
    "zero": ({"CRVAL3": -1.0}, "its frequencies are"),
    "missing": ({"CRPIX1": None}, "is no FITS image as WSClean's"),
    "behind": ({"CRVAL2": 60.0}, "its centre is 105 deg from the phase centre of field deep"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_an_image_of_another_kind_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    cards, message = BAD[case]
    with pytest.raises(FipError, match=message) as error:
        opened(model(tmp_path / "bad-model.fits", pixels(1.0), **cards))
    assert "bad-model.fits" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_image_without_anything_or_with_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FipError, match="all of its pixels are 0"):
        opened(model(tmp_path / "empty-model.fits", pixels(0.0)))
    with pytest.raises(FipError, match="1 pixels are not finite"):
        opened(model(tmp_path / "nan-model.fits", pixels(np.nan)))
    damaged = model(tmp_path / "damaged-model.fits", pixels(1.0))
    damaged.write_bytes(damaged.read_bytes().replace(b"CRPIX2  = ", b"CRPIX2  =\xff"))
    with pytest.raises(FipError, match="is no FITS image"):
        opened(damaged)
    (tmp_path / "text.fits").write_text("SIMPLE")
    with pytest.raises(FipError, match="is no FITS image"):
        opened(tmp_path / "text.fits")


def test_two_planes_at_one_frequency_or_the_mean_beside_its_planes_are_refused(tmp_path: Path) -> None:
    one = model(tmp_path / "w-0000-model.fits", pixels(2.0), 1.275e9)
    again = model(tmp_path / "v-0000-model.fits", pixels(1.0), 1.275e9)
    with pytest.raises(FipError, match="a second plane at 1275 MHz of the image of"):
        opened(one, again)
    whole = model(tmp_path / "w-MFS-model.fits", pixels(2.5), 1.3e9)
    with pytest.raises(FipError, match=r"w-MFS-model\.fits: is the mean of the planes beside it"):
        opened(one, whole)


def test_with_a_primary_beam_an_image_is_multiplied_by_it_over_the_band(tmp_path: Path) -> None:
    path = model(tmp_path / "a-model.fits", pixels(2.0), CRVAL2=-44.9)
    (image,) = opened(path, primary_beam="airy").images
    assert len(image.frequency) > 2
    # The pixel is 6 x 20" east and 4 x 20" north of a centre that is 0.1 deg north of the phase centre.
    east, north = np.radians([6 * SCALE / 3600, 4 * SCALE / 3600 + 0.1])
    beam = beam_of("airy", 13.5, 1.3e9)
    for plane, frequency in zip(image.pixels, image.frequency.tolist(), strict=True):
        assert plane[16, 10] == pytest.approx(2 * float(beam(np.array(east), np.array(north), frequency)), rel=1e-5)
    fields = {0: expected().centres[0], 1: Direction(math.radians(156), math.radians(-45), "FK5")}
    with pytest.raises(FipError, match="a model image, and 2 fields with a primary beam each"):
        opened(path, primary_beam="airy", centres=fields, fields={0: "a", 1: "b"})


@pytest.mark.parametrize("name", WSCLEAN)
def test_an_image_means_what_wsclean_predicts_of_it(tmp_path: Path, name: str) -> None:
    """One plane, and one for each channel; `python -m benchmarks.others sky` made the file, with WSClean 3.1."""
    with np.load(Path(__file__).parent / "fixtures/sky/wsclean.npz") as kept:
        uvw, frequency, theirs = kept["uvw"], kept["frequency"], kept[name].astype(np.complex128)
    planes = np.array_split(frequency, WSCLEAN[name])
    files = [
        model(tmp_path / f"{number}-model.fits", plane[None], float(part.mean()))
        for number, (plane, part) in enumerate(zip(drawn(name), planes, strict=True))
    ]
    (image,) = opened(*files).images
    ours = image_sum(image, uvw, frequency, icrs_axes(expected().centres[0]))
    assert np.abs(ours - theirs).max() < 2e-6 * np.sqrt(np.mean(np.abs(theirs) ** 2))
