"""Light curves: what the images show at a place, in each of their bands, with an honest error."""

from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, ICRS, Galactic, SkyCoord
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from fip.archive.curve_pictures import dynamic_spectrum
from fip.archive.lightcurve import cores_of, light_curve, pixel_of
from fip.archive.place_lists import parse_places
from fip.data.directions import Direction
from fip.data.errors import UsageError
from fip.fits.planes import Planes
from support.fip_command import fip, images
from support.measured_run import BANDS, INDEX, PLACE, store_flare
from support.stored_run import GRID, NOISE, ON, STEADY, TRANSIENT, store_run


def sky_of(image: Path, pixel: tuple[int, int]) -> SkyCoord:
    """Return the sky position of a pixel, as astropy reads the header."""
    return WCS(fits.getheader(image)).celestial.pixel_to_world(*pixel)


def test_it_has_the_pixel_of_every_image(tmp_path: Path) -> None:
    """The command's ECSV: on a pixel each flux is that of the FITS file, for each plane, in order of time."""
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
    """They agree to 5 sigma of a MAD of 6400 independent pixels, 1.17/80 each, whatever source is in the middle."""
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
    """The message has what was asked and the place of the images."""
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
        assert (point.x, point.y) == pytest.approx(TRANSIENT, abs=1e-4)


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


def test_each_output_channel_has_a_flux(tmp_path: Path) -> None:
    """Right to half a percent between pixels; a picture of them is beside the table, the same one each time."""
    directory = tmp_path
    store_flare(directory, 4, on=range(4), stokes=("I",))
    place = WCS(fits.getheader(images(directory)[0])).celestial.pixel_to_world(*PLACE)
    curve = light_curve(directory, f"{place.ra.deg:.9f}deg {place.dec.deg:.9f}deg", apart=True)
    assert [point.channel for point in curve.points] == [0, 1, 2, 3] * 4
    for point in curve.points:
        if point.channel:
            assert point.band is not None
            assert point.band.centre == pytest.approx(BANDS[point.channel - 1], rel=1e-3)
            assert float(point.flux[0]) == pytest.approx((point.band.centre / BANDS[1]) ** INDEX, rel=0.005)
    lowest, highest = (cores_of(Planes.open(images(directory)[0], apart=True))[number] for number in (1, 3))
    narrower = (BANDS[2] / BANDS[0]) ** 2
    np.testing.assert_allclose(
        np.add(highest.wide, highest.narrow), narrower * np.add(lowest.wide, lowest.narrow), rtol=1e-2
    )
    words = f"{place.ra.deg:.9f}deg", f"{place.dec.deg:.9f}deg"
    done = fip("lightcurve", directory, *words, "--dynamic-spectrum", "--output", directory / "one.ecsv")
    assert done.returncode == 0, done.stderr
    table = QTable.read(directory / "one.ecsv")
    assert list(table["channel"]) == [0, 1, 2, 3] * 4
    assert table["frequency"][1].to_value("Hz") == pytest.approx(BANDS[0], rel=1e-3)
    picture = (directory / "one.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert dynamic_spectrum(curve) == dynamic_spectrum(curve)


def test_a_list_of_places_gives_a_light_curve_for_each(tmp_path: Path) -> None:
    """Named, in the order of the list, as each would be by itself; as plain lines, CSV and ECSV."""
    store_run(tmp_path, count=3)
    places = {
        name: sky_of(images(tmp_path)[0], pixel).icrs for name, pixel in (("steady", STEADY), ("flare", TRANSIENT))
    }
    plain, csv = tmp_path / "places.txt", tmp_path / "places.csv"
    plain.write_text(
        "# two\n\n" + "".join(f"{name} ICRS {at.ra.deg}deg {at.dec.deg}deg\n" for name, at in places.items())
    )
    csv.write_text("name,ra,dec\n" + "".join(f"{name}, {at.ra.deg}, {at.dec.deg}\n" for name, at in places.items()))
    table = QTable(
        {"name": list(places), "ra": [at.ra for at in places.values()], "dec": [at.dec for at in places.values()]}
    )
    table.write(tmp_path / "places.ecsv")
    assert parse_places(plain) == parse_places(csv) == parse_places(tmp_path / "places.ecsv")
    curves = QTable.read(fip("lightcurve", tmp_path, "--list", plain).stdout, format="ascii.ecsv")
    assert list(curves["name"]) == ["steady"] * 3 + ["flare"] * 3
    alone = light_curve(tmp_path, f"ICRS {places['steady'].ra.deg}deg {places['steady'].dec.deg}deg")
    assert list(curves["flux_I"][:3].to_value("Jy/beam")) == [float(point.flux[0]) for point in alone.points]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("a 155deg -45deg\nb 155 -45\n", "line 2: '155 -45' is not a direction"),
        ("a 155deg -45deg\n\na 155deg -44deg\n", "line 3: a is there already"),
        ("../a 155deg -45deg\n", "line 1: '../a' is no name"),
        ("# nothing\n", "no place in it; give a line for each"),
    ],
)
def test_a_bad_list_is_one_line_that_names_it(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "places.txt"
    path.write_text(lines)
    for odd in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError, match=f"--list {odd}: (is no file|cannot be read: No such file)"):
            parse_places(odd)
    with pytest.raises(UsageError) as refused:
        parse_places(path)
    assert str(refused.value).startswith(f"--list {path}")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
