"""Grids that follow the Sun: what moves with it stays in its pixel, and the stars drift by."""

import math
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from numpy.typing import NDArray

from fip.archive.followed import read_followed
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import light_curve, stored_entries
from fip.archive.mean import files, step
from fip.archive.movie import Shown, make_movie
from fip.data.directions import parse_direction
from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC
from fip.data.selection import Average
from fip.data.settings import asked
from fip.data.values import Slice
from fip.fits.header import header_cards
from fip.imaging.kernels import Kernel, make_kernel
from fip.source.growing import Growing
from fip.worker import imager
from support import cut_slices, small_ms
from support.direct_sum import direct_sum
from support.fip_command import fip, images
from support.one_sky import NIGHT, observe, own_axes
from support.synthetic import image_slice

GRID: dict[str, Any] = {"size": (64, 64), "scale": 15 * ARCSEC}
STEP = 1800.0  # s, in which the Sun moves 75 arcsec
TIMES = [NIGHT + STEP * number for number in range(3)]
OFFSET = (90.0, -60.0)  # arcsec east and north of the Sun


def sun_at(time: float) -> SkyCoord:
    """Return the Sun's place among the stars by astropy, as the array sees it, J2000: an independent authority."""
    place = EarthLocation(*(small_ms.POSITIONS.mean(axis=0) * units.m))
    there = get_body("sun", Time(time / 86400, format="mjd"), place)
    horizon = there.transform_to(AltAz(obstime=there.obstime, location=place))
    star = SkyCoord(AltAz(az=horizon.az, alt=horizon.alt, obstime=horizon.obstime, location=place)).icrs
    return SkyCoord(star.ra, star.dec).fk5


@pytest.fixture(scope="module")
def suns() -> list[SkyCoord]:
    """Return the Sun at each integration."""
    return [sun_at(time) for time in TIMES]


def half_hours(path: Path) -> None:
    """Integrations half an hour apart, and as long."""
    with small_ms.edit(path) as table:
        number = (table.getcol("TIME") - NIGHT) / 10
        table.putcol("TIME", NIGHT + STEP * number)
        for name in ("INTERVAL", "EXPOSURE"):
            table.putcol(name, np.full(len(number), STEP))


def star(path: Path, suns: list[SkyCoord], frame: str = "J2000") -> tuple[Path, SkyCoord]:
    """A set of one star that stays, about a phase centre that stays."""
    centre = suns[1].directional_offset_by(20 * units.deg, 300 * units.arcsec)
    source = suns[1].spherical_offsets_by(*(each * units.arcsec for each in OFFSET))
    path = observe(path, source, [((centre.ra.rad, centre.dec.rad), own_axes(centre))] * 3, frame)
    half_hours(path)
    return path, source


def companion(path: Path, suns: list[SkyCoord]) -> Path:
    """The same set with a source in place of the star that is always as far from the Sun."""
    path, _ = star(path, suns)
    with small_ms.edit(path) as table, small_ms.edit(path / "FIELD") as field:
        lon, lat = field.getcell("PHASE_DIR", 0)[0]
        here = np.repeat(np.arange(3), table.nrows() // 3)
        uvw, data = table.getcol("UVW"), table.getcol("DATA")
        for number, sun in enumerate(suns):
            source = sun.spherical_offsets_by(*(each * units.arcsec for each in OFFSET))
            ra, dec = source.ra.rad, source.dec.rad
            l = math.cos(dec) * math.sin(ra - lon)  # noqa: E741
            m = math.sin(dec) * math.cos(lat) - math.cos(dec) * math.sin(lat) * math.cos(ra - lon)
            lengths = uvw[here == number] @ [l, m, math.sqrt(1 - l * l - m * m) - 1]
            phasor = np.exp(2j * np.pi * lengths[:, None] * small_ms.BAND / 299792458.0)
            data[here == number] = phasor[..., None] * (np.arange(data.shape[2]) % (data.shape[2] - 1) == 0)
        table.putcol("DATA", data)
    return path


def peak(piece: Slice, x: float, y: float) -> tuple[float, float, float]:
    """Pixel of the peak near (x, y) of the exact image of a slice, and its brightness, 1 for a source of 1 Jy."""
    around = np.array([-0.1, 0.0, 0.1])
    for _ in range(6):
        east = -(x + around - piece.grid.width / 2) * piece.grid.scale
        north = (y + around - piece.grid.height / 2) * piece.grid.scale
        values = direct_sum(piece.blocks, *np.meshgrid(east, north))[0]
        across, along = values.sum(axis=0), values.sum(axis=1)
        x -= 0.05 * (across[2] - across[0]) / (across[2] - 2 * across[1] + across[0])
        y -= 0.05 * (along[2] - along[0]) / (along[2] - 2 * along[1] + along[0])
    return x, y, float(values.max() / piece.sum_of_weights[0, 0])


def wcs(piece: Slice) -> WCS:
    """The celestial axes of a slice's header."""
    image = image_slice(piece, make_kernel(piece.settings, piece.grid))
    header = fits.Header.fromstring(header_cards(piece, image, "dirty"))
    assert header["FIPBODY"] == "sun"
    return WCS(header).celestial


def test_a_star_drifts_through_the_images_by_the_motion_of_the_sun(tmp_path: Path, suns: list[SkyCoord]) -> None:
    """Each header has the Sun's place at its time, and so the star's; its pixel moves as the Sun does."""
    path, source = star(tmp_path / "star.ms", suns)
    pieces = cut_slices.cut(path, phase_centre="sun", **GRID)
    assert "phase centre the sun, at the begin at J2000" in cut_slices.notes(path, phase_centre="sun", **GRID)
    pixels = []
    for piece, sun in zip(pieces, suns, strict=True):
        centre = SkyCoord(piece.grid.longitude, piece.grid.latitude, unit="rad", frame="fk5")
        assert centre.separation(sun).arcsec < 0.3
        x, y, brightness = peak(piece, *map(float, wcs(piece).world_to_pixel(source)))
        assert brightness == pytest.approx(1.0, abs=1e-3)
        assert wcs(piece).pixel_to_world(x, y).fk5.separation(source).arcsec < 0.01
        pixels.append((x, y))
    drift = [pixel - np.array(pixels[1]) for pixel in pixels]
    for moved, sun in zip(drift, suns, strict=True):
        east, north = (float(each.to_value(units.arcsec)) / 15 for each in suns[1].spherical_offsets_to(sun))
        assert moved == pytest.approx([east, -north], abs=0.1)
    assert np.hypot(*(drift[2] - drift[0])) > 5


def test_what_moves_with_the_sun_stays_in_its_pixel_and_adds_up(tmp_path: Path, suns: list[SkyCoord]) -> None:
    """Over an hour, integration by integration, and in an average of them, which would be smeared otherwise."""
    path = companion(tmp_path / "companion.ms", suns)
    place = 32 - OFFSET[0] / 15, 32 + OFFSET[1] / 15
    average = Average(3, "integrations")
    pieces = cut_slices.cut(path, phase_centre="sun", **GRID)
    (averaged,) = cut_slices.cut(path, phase_centre="sun", average=average, **GRID)
    for piece in (*pieces, averaged):
        x, y, brightness = peak(piece, *place)
        assert (x, y) == pytest.approx(place, abs=0.1)
        assert brightness == pytest.approx(1.0, abs=0.01)
    about = averaged.grid.longitude, averaged.grid.latitude
    assert about == pytest.approx((pieces[1].grid.longitude, pieces[1].grid.latitude), abs=1e-9)
    lon, lat = suns[1].ra.deg, suns[1].dec.deg
    fixed = parse_direction(f"J2000 {lon:.9f}deg {lat:.9f}deg")
    (smeared,) = cut_slices.cut(path, phase_centre=fixed, average=average, **GRID)
    assert peak(smeared, *place)[2] < 0.8


def test_a_correlator_that_follows_the_sun_needs_no_turn(tmp_path: Path, suns: list[SkyCoord]) -> None:
    """The phase centre of the set is the Sun: its samples stay as they are, as far as the Sun's place is known."""
    pointings = [((0.0, 0.0), own_axes(sun)) for sun in suns]
    path = observe(tmp_path / "sun.ms", suns[1], pointings, "SUN")
    half_hours(path)
    for piece, rows in zip(cut_slices.cut(path, phase_centre="sun", **GRID), np.split(uvw_of(path), 3), strict=True):
        assert piece.blocks[0].uvw == pytest.approx(rows, abs=1e-6)


def uvw_of(path: Path) -> NDArray[np.float64]:
    """Return the column UVW of a set."""
    with small_ms.edit(path) as table:
        return np.asarray(table.getcol("UVW"))


def test_a_worker_prepares_one_kernel_for_all_images(
    tmp_path: Path, suns: list[SkyCoord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the Sun is: what a kernel prepares takes longer than an image."""
    path, _ = star(tmp_path / "star.ms", suns)
    made = []

    def counted(*arguments: Any) -> Kernel:
        made.append(arguments)
        return make_kernel(*arguments)

    monkeypatch.setattr(imager, "make_kernel", counted)
    work = imager.Imager()
    for piece in cut_slices.cut(path, phase_centre="sun", **GRID):
        work(piece, "cpu", "here", 0.0)
    assert len(made) == 1


def test_a_set_that_is_being_written_has_the_same_run_and_grids(tmp_path: Path, suns: list[SkyCoord]) -> None:
    """Its id is that of its first integration, and each later one is about the place of the Sun then."""
    path, _ = star(tmp_path / "star.ms", suns)
    wanted = asked(phase_centre="sun", **GRID)
    pieces = cut_slices.cut(path, phase_centre="sun", **GRID)
    with closing(Growing(path, wanted)) as growing:
        run = growing.look(complete=True, ended=True)
        assert [run.read(number).grid for number in range(3)] == [piece.grid for piece in pieces]


def test_a_body_needs_a_place_on_earth_and_a_name_that_is_known(tmp_path: Path) -> None:
    """Each in one line, with what would work."""
    path = small_ms.write(tmp_path / "nowhere.ms", small_ms.rows())
    small_ms.change(path / "ANTENNA", "POSITION", lambda position: position - position.mean(axis=0))
    with pytest.raises(UsageError, match="--phase-centre sun: the antennas are nowhere on Earth"):
        cut_slices.cut(path, phase_centre="sun", **GRID)
    for name in ("vulcan", "ceres"):
        with pytest.raises(UsageError, match=f"'{name}' is not a direction.* nor a body: sun, moon, mercury"):
            asked(phase_centre=name)
    assert asked(phase_centre=" Jupiter ") == asked(phase_centre="jupiter")


def test_images_of_the_sun_are_one_series_in_its_frame(tmp_path: Path, suns: list[SkyCoord]) -> None:
    """Real daemons: numbers in the ledger, a light curve by offset, one movie about the Sun alone, a mean."""
    path = companion(tmp_path / "companion.ms", suns)
    out = tmp_path / "out"
    done = fip("run", path, "--output", out, "--size", 64, "--scale", "15arcsec", "--phase-centre", "sun")
    assert done.returncode == 0, done.stdout + done.stderr
    headers = [fits.getheader(image) for image in images(out)]
    with closing(Ledger(out, read_only=True)) as ledger:
        numbers = [found for _, found in sorted(ledger.numbers().items())]
    for header, found, sun in zip(headers, numbers, suns, strict=True):
        place = header["CRVAL1"], header["CRVAL2"]
        assert place == pytest.approx((sun.ra.deg, sun.dec.deg), abs=2e-4)
        assert (found["centre.ra"][0], found["centre.dec"][0]) == pytest.approx(place, abs=1e-9)
        assert (found["centre.ra"][1], found["centre.dec"][1]) == ("deg", "deg")
    curve = light_curve(out, "offset +90arcsec -60arcsec")
    np.testing.assert_allclose([(point.x, point.y) for point in curve.points], [(26, 28)] * 3, atol=1e-6)
    assert [float(point.flux[0]) for point in curve.points] == pytest.approx([1.0] * 3, abs=0.02)
    with pytest.raises(UsageError, match="offset 9000arcsec east, 0arcsec north is outside of the images"):
        light_curve(out, "offset 2.5deg 0deg")
    told = fip("lightcurve", out, "90arcsec", "-60arcsec", "--offset")
    assert "offset 90arcsec east, -60arcsec north" in told.stdout
    assert [each.name for each in make_movie(out)] == ["movie.mp4"]
    with pytest.raises(UsageError, match="the images follow the sun, and no direction stays in its place"):
        make_movie(out, shown=Shown(about=parse_direction("1deg 2deg")))
    state: dict[str, Any] = {}
    for entry in stored_entries(out):
        state, _ = step(state, read_followed(out, "companion", entry))
    (mean,) = (content for name, content in files(state).items() if name.endswith("mean.fits"))
    header = fits.Header.fromstring(mean[:2880])
    assert (header["FIPBODY"], header["CRVAL1"]) == ("sun", headers[0]["CRVAL1"])
    assert header.comments["FIPBODY"] == "which the grid follows: CRVAL is of the first"
