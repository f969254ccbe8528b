"""Imaging about another phase centre, and in frames that move: MeasurementSets of one sky, seen in many ways."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from casacore import tables
from casacore.measures import measures
from casacore.quanta import quantity
from numpy.typing import NDArray

from fip.data.directions import parse_direction
from fip.data.errors import InputError
from fip.data.quantities import ARCSEC
from fip.data.selection import Average, UvRange
from fip.data.settings import Asked
from fip.data.values import Slice
from fip.fits.header import header_cards
from fip.imaging.kernels import make_kernel
from fip.source.open_run import open_run
from support import cut_slices, small_ms
from support.direct_sum import SPEED_OF_LIGHT, direct_sum
from support.fip_command import fip, images
from support.one_sky import NIGHT, observe, own_axes, turned
from support.synthetic import image_slice
from support.table_visibilities import Visibilities

Array = NDArray[np.float64]
ASTROPY = {"J2000": "fk5", "ICRS": "icrs", "B1950": "fk4", "GALACTIC": "galactic"}
GRID: dict[str, Any] = {"size": (64, 64), "scale": 60 * ARCSEC}


def cut(path: Path, **selection: Any) -> tuple[list[Slice], str]:
    """All slices of an MS, and what the log says."""
    asked = GRID | selection
    return cut_slices.cut(path, **asked), cut_slices.notes(path, **asked)


def place_of(piece: Slice, about: SkyCoord) -> SkyCoord:
    """Return the place of a slice's one source near a place, by the header's WCS: the peak of the exact image there."""
    image = image_slice(piece, make_kernel(piece.settings, piece.grid))
    header = fits.Header.fromstring(header_cards(piece, image, "dirty"))
    wcs = WCS(header).celestial
    x, y = (float(each) for each in wcs.world_to_pixel(about))
    step = np.array([-0.1, 0.0, 0.1])  # pixels; the beam has several
    for _ in range(4):
        east = -(x + step - piece.grid.width / 2) * piece.grid.scale
        north = (y + step - piece.grid.height / 2) * piece.grid.scale
        values = direct_sum(piece.blocks, *np.meshgrid(east, north))[0]
        across, along = values.sum(axis=0), values.sum(axis=1)
        x -= 0.05 * (across[2] - across[0]) / (across[2] - 2 * across[1] + across[0])
        y -= 0.05 * (along[2] - along[0]) / (along[2] - 2 * along[1] + along[0])
    assert direct_sum(piece.blocks, *np.meshgrid(east, north)).max() == pytest.approx(piece.sum_of_weights[0, 0], 1e-3)
    return wcs.pixel_to_world(x, y)


CENTRE = SkyCoord(82.99, 33.15, unit="deg", frame="icrs")
SOURCE = SkyCoord(83.3, 33.4, unit="deg", frame="icrs")  # 0.36 deg away


@pytest.mark.parametrize("frame", ASTROPY)
@pytest.mark.parametrize("asked", [None, *ASTROPY])
def test_one_sky_in_every_frame(tmp_path: Path, frame: str, asked: str | None) -> None:
    """Stored about a phase centre in any frame, imaged about one in any: the source is in its place to 0.01 arcsec."""
    centre = CENTRE.transform_to(ASTROPY[frame])
    lon, lat = centre.spherical.lon.rad, centre.spherical.lat.rad
    path = observe(tmp_path / "sky.ms", SOURCE, [((lon, lat), own_axes(centre))], frame)
    other = SkyCoord(83.1, 33.5, unit="deg", frame="icrs").transform_to(ASTROPY[asked or "ICRS"])
    target = f"{asked} {other.spherical.lon.deg:.12f}deg {other.spherical.lat.deg:.12f}deg"
    (piece,), _ = cut(path, phase_centre=parse_direction(target) if asked else None)
    expected = (other.spherical.lon.rad, other.spherical.lat.rad) if asked else (lon, lat)
    assert (piece.grid.longitude, piece.grid.latitude) == pytest.approx(expected, abs=1e-12)
    assert place_of(piece, SOURCE).icrs.separation(SOURCE).arcsec < 0.01


@pytest.mark.parametrize(("frame", "expected"), [("J2000", "FK5"), ("ICRS", "ICRS"), ("B1950", "FK5")])
def test_a_phase_centre_without_a_frame(tmp_path: Path, frame: str, expected: str) -> None:
    """It is J2000, or ICRS if the data are; how far it is from theirs is in the log."""
    centre = CENTRE.transform_to(ASTROPY[frame])
    path = observe(tmp_path / "sky.ms", SOURCE, [((centre.ra.rad, centre.dec.rad), own_axes(centre))], frame)
    (piece,), notes = cut(path, phase_centre=parse_direction("82.99deg 34.2deg"))
    assert piece.grid.frame == expected
    assert "05h31m57.600s +34d12m00.00s, 1.05" in notes
    assert "from that of the data" in notes


def test_a_drift_scan_becomes_one_series(tmp_path: Path) -> None:
    """A field for each integration: one grid and one count with --phase-centre, and the log says so without."""
    places = [SkyCoord(82.9 + 0.1 * number, 33.15, unit="deg", frame="fk5") for number in range(4)]
    path = observe(
        tmp_path / "drift.ms", SOURCE, [((each.ra.rad, each.dec.rad), own_axes(each)) for each in places], "J2000"
    )
    apart, notes = cut(path)
    assert [(piece.integration, piece.label) for piece in apart] == [(0, f"f{number}") for number in range(4)]
    assert "--phase-centre" in notes
    series, notes = cut(path, phase_centre=parse_direction("83.2deg 33.3deg"))
    assert [(piece.integration, piece.label) for piece in series] == [(number, "") for number in range(4)]
    assert len({piece.grid for piece in series}) == 1
    assert "4 fields are one series" in notes
    for piece in (*apart, *series):
        assert place_of(piece, SOURCE).icrs.separation(SOURCE).arcsec < 0.01


def test_the_beam_and_the_default_scale_are_those_about_the_new_centre(tmp_path: Path) -> None:
    """Far away baselines are foreshortened otherwise; an empty slice has the beam of the others."""
    path = observe(tmp_path / "far.ms", SOURCE, [((CENTRE.ra.rad, CENTRE.dec.rad), own_axes(CENTRE))] * 2, "ICRS")
    small_ms.change(path, "FLAG", lambda flag: flag | (np.arange(len(flag)) < 10)[:, None, None])
    (empty, piece), _ = cut(path, phase_centre=parse_direction("10deg -20deg"), scale=None, size=None)
    longest = float(np.hypot(*piece.blocks[0].uvw[:, :2].T).max())
    assert piece.grid.scale == pytest.approx(SPEED_OF_LIGHT / small_ms.BAND.max() / longest / 4, rel=0.05)
    imaged = image_slice(piece, make_kernel(piece.settings, piece.grid))
    assert imaged.beam is not None
    assert empty.nominal_beam is not None
    same = (imaged.beam.major, imaged.beam.minor, imaged.beam.angle)
    nominal = empty.nominal_beam  # found in the plain ways, which the worker's agree with to 2e-6
    assert (nominal.major, nominal.minor, nominal.angle) == pytest.approx(same, rel=2e-6)


def test_a_joined_series_is_counted_before_it_is_selected(tmp_path: Path) -> None:
    """An integration has one number in the series, whichever fields, intervals or times are imaged of it."""
    places = [SkyCoord(82.9 + 0.1 * number, 33.15, unit="deg", frame="fk5") for number in range(4)]
    path = observe(
        tmp_path / "drift.ms", SOURCE, [((each.ra.rad, each.dec.rad), own_axes(each)) for each in places], "J2000"
    )
    centre = parse_direction("83.2deg 33.3deg")
    whole, _ = cut(path, phase_centre=centre)
    for subset, numbers in (({"interval": (1, 3)}, [1, 2]), ({"field": ("f1", "3")}, [1, 3])):
        pieces, notes = cut(path, phase_centre=centre, **subset)
        assert [(piece.integration, piece.label) for piece in pieces] == [(number, "") for number in numbers]
        assert {piece.grid for piece in pieces} == {whole[0].grid}
        assert "2 fields are one series" in notes


def test_a_uv_range_is_that_of_the_direction_imaged(tmp_path: Path) -> None:
    """Baselines count by their length as seen from the new centre, and so does the default scale."""
    path = observe(tmp_path / "far.ms", SOURCE, [((CENTRE.ra.rad, CENTRE.dec.rad), own_axes(CENTRE))] * 2, "ICRS")
    centre = parse_direction("10deg -20deg")
    (piece, _), _ = cut(path, phase_centre=centre)
    seen = np.hypot(*piece.blocks[0].uvw[:, :2].T)
    limit = float(np.sort(seen)[4:6].mean())
    (short, _), _ = cut(path, phase_centre=centre, uv_range=UvRange(0, limit, "m"), scale=None)
    found = np.hypot(*short.blocks[0].uvw[:, :2].T)
    np.testing.assert_array_equal(found, seen[seen <= limit])
    assert short.grid.scale == pytest.approx(SPEED_OF_LIGHT / small_ms.BAND.max() / found.max() / 4, rel=0.05)


def test_what_is_selected_and_the_centre_make_a_run_another(tmp_path: Path) -> None:
    """Images of another part of the data, or about another direction, never pass for these."""
    path = observe(tmp_path / "sky.ms", SOURCE, [((CENTRE.ra.rad, CENTRE.dec.rad), own_axes(CENTRE))] * 2, "ICRS")
    centres = None, parse_direction("83deg 33deg"), parse_direction("83.1deg 33deg")
    subsets: tuple[dict[str, Any], ...] = {}, {"interval": (0, 1)}
    runs = {cut(path, phase_centre=each, **subset)[0][0].run for each in centres for subset in subsets}
    assert len(runs) == 6


# --- frames that move, or that FITS cannot hold ---------------------------------------------------------------


class Sky:
    """casacore's own idea of frames, at the place of the small array."""

    def __init__(self) -> None:
        self._measures = measures()
        place = [quantity(float(metres), "m") for metres in small_ms.POSITIONS.mean(axis=0)]
        self._measures.do_frame(self._measures.position("ITRF", *place))

    def convert(self, time: float, frame: str, place: tuple[float, float], to: str) -> tuple[float, float]:
        """A place (rad) in one frame, at a time, in another."""
        here = self._measures
        here.do_frame(here.epoch("UTC", quantity(time / 86400, "d")))
        found = here.measure(here.direction(frame, *(quantity(float(angle), "rad") for angle in place)), to)
        return found["m0"]["value"], found["m1"]["value"]


def seen_in(sky: Sky, time: float, frame: str, place: tuple[float, float]) -> Array:
    """Axes (ICRS) of (u, v, w) referred to a place in a frame of casacore and to that frame's north."""
    centre, further = (
        SkyCoord(*sky.convert(time, frame, each, "J2000"), unit="rad", frame="fk5")
        for each in (place, (place[0], place[1] + 1e-5))
    )
    return turned(own_axes(centre), centre.position_angle(further).rad)


@pytest.mark.parametrize(
    "frame", ["AZEL", "AZELGEO", "HADEC", "APP", "JMEAN", "B1950_VLA", "ECLIPTIC", "SUPERGAL", "ITRF", "TOPO"]
)
def test_frames_that_fits_cannot_hold_are_converted(tmp_path: Path, frame: str) -> None:
    """Three integrations about one place in such a frame are on one grid, in J2000, with the source in its place."""
    sky, times = Sky(), [NIGHT + 10 * number for number in range(3)]
    start = SkyCoord(82.99, 33.15, unit="deg", frame="fk5")
    place = sky.convert(times[1], "J2000", (start.ra.rad, start.dec.rad), frame)
    path = observe(tmp_path / "sky.ms", SOURCE, [(place, seen_in(sky, time, frame, place)) for time in times], frame)
    pieces, notes = cut(path)
    assert frame in notes
    assert len({piece.grid for piece in pieces}) == 1
    grid = pieces[0].grid
    middle = SkyCoord(grid.longitude, grid.latitude, unit="rad", frame="fk5")
    assert middle.separation(start).arcsec < 0.001
    for piece in pieces:
        assert place_of(piece, SOURCE).icrs.separation(SOURCE).arcsec < 0.01


def test_the_zenith_is_where_astropy_has_it(tmp_path: Path) -> None:
    """An independent authority: horizon coordinates agree to an arcsecond, which is the care casacore takes."""
    times = [NIGHT, NIGHT + 10]
    place = (0.3, 1.2)
    sky = Sky()
    pointings = [(place, seen_in(sky, time, "AZELGEO", place)) for time in times]
    pieces, _ = cut(observe(tmp_path / "sky.ms", SOURCE, pointings, "AZELGEO"))
    location = EarthLocation(*(small_ms.POSITIONS.mean(axis=0) * units.m))
    time = Time(np.mean(times) / 86400, format="mjd", scale="utc")
    expected = SkyCoord(*place, unit="rad", frame=AltAz(obstime=time, location=location)).icrs
    found = SkyCoord(pieces[0].grid.longitude, pieces[0].grid.latitude, unit="rad", frame="fk5").icrs
    separation = SkyCoord(found.ra, found.dec).separation(SkyCoord(expected.ra, expected.dec))
    assert separation.arcsec < 1


def test_the_sun_is_followed_by_the_correlator_and_not_by_the_grid(tmp_path: Path) -> None:
    """A phase centre on the Sun: the grid stays on the stars, about the Sun as the array sees it half way."""
    times = [NIGHT, NIGHT + 10, NIGHT + 20]
    place = EarthLocation(*(small_ms.POSITIONS.mean(axis=0) * units.m))
    sun = [get_body("sun", Time(time / 86400, format="mjd"), place) for time in times]
    # Apparent as the Sun is, it is among stars that the same aberration has moved.
    horizon = [each.transform_to(AltAz(obstime=each.obstime, location=place)) for each in sun]
    stars = [SkyCoord(AltAz(az=each.az, alt=each.alt, obstime=each.obstime, location=place)).icrs for each in horizon]
    stars = [SkyCoord(each.ra, each.dec) for each in stars]
    source = SkyCoord(stars[1].ra, stars[1].dec + 0.2 * units.deg)
    path = observe(tmp_path / "sun.ms", source, [((0.0, 0.0), own_axes(each)) for each in stars], "SUN")
    pieces, notes = cut(path)
    assert "moves (SUN)" in notes
    grid = pieces[0].grid
    assert SkyCoord(grid.longitude, grid.latitude, unit="rad", frame="fk5").icrs.separation(stars[1]).arcsec < 0.2
    for piece in pieces:
        assert place_of(piece, source).icrs.separation(source).arcsec < 0.2


def polynomial(path: Path) -> tuple[Path, tuple[float, float]]:
    """Three integrations 10 s apart of a phase centre that moves by 4.6 arcsec/s, and its place in the second."""
    rate = (2e-5, -1e-5)  # rad/s
    begin = SkyCoord(82.99, 33.15, unit="deg", frame="fk5")
    lon, lat = begin.ra.rad, begin.dec.rad
    places = [
        SkyCoord(lon + rate[0] * seconds, lat + rate[1] * seconds, unit="rad", frame="fk5") for seconds in (0, 10, 20)
    ]
    path = observe(path, SOURCE, [((lon, lat), own_axes(each)) for each in places], "J2000")
    with small_ms.edit(path / "FIELD") as table:
        table.putcell("TIME", 0, NIGHT)
        table.putcell("NUM_POLY", 0, 1)
        table.putcell("PHASE_DIR", 0, np.array([[lon, lat], rate]))
    return path, (lon + 2e-4, lat - 1e-4)


def test_a_polynomial_in_time_is_followed(tmp_path: Path) -> None:
    """NUM_POLY = 1: each integration has its own phase centre, and all are on one grid."""
    path, middle = polynomial(tmp_path / "poly.ms")
    pieces, notes = cut(path)
    assert "moves" in notes
    assert {(piece.grid.longitude, piece.grid.latitude) for piece in pieces} == {middle}
    for piece in pieces:
        assert place_of(piece, SOURCE).icrs.separation(SOURCE).arcsec < 0.01


def test_integrations_of_an_average_are_turned_one_by_one(tmp_path: Path) -> None:
    """The samples of an average are those of its integrations, each from its own phase centre, on the same grid."""
    path, middle = polynomial(tmp_path / "poly.ms")
    pieces, _ = cut(path)
    (averaged,), _ = cut(path, average=Average(3, "integrations"))
    (last,), _ = cut(path, interval=(2, 3))
    assert (averaged.grid.longitude, averaged.grid.latitude) == (last.grid.longitude, last.grid.latitude) == middle
    uvw = np.concatenate([piece.blocks[0].uvw for piece in pieces])
    np.testing.assert_allclose(averaged.blocks[0].uvw, uvw, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(last.blocks[0].uvw, pieces[2].blocks[0].uvw)
    assert place_of(averaged, SOURCE).icrs.separation(SOURCE).arcsec < 0.01


def ephemeris(path: Path, times: list[float], places: list[SkyCoord], number: int = 0) -> None:
    """Give field 0 an ephemeris as CASA does: times are TDB."""
    rows = len(times)
    name = str(path / "FIELD" / f"EPHEM{number}_Ceres.tab")
    columns = [tables.makescacoldesc(each, 0.0) for each in ("MJD", "RA", "DEC", "Rho")]
    with tables.table(name, tables.maketabdesc(columns), nrow=rows, ack=False) as table:
        table.putcol("MJD", Time(np.array(times) / 86400, format="mjd", scale="utc").tdb.mjd)
        table.putcol("RA", np.array([each.ra.deg for each in places]))
        table.putcol("DEC", np.array([each.dec.deg for each in places]))
        table.putkeyword("posrefsys", "ICRF/ICRS")
    with small_ms.edit(path / "FIELD") as table:
        table.addcols(tables.maketabdesc([tables.makescacoldesc("EPHEMERIS_ID", 0)]))
        table.putcol("EPHEMERIS_ID", np.array([0], np.int32))
        table.putcell("PHASE_DIR", 0, np.zeros((1, 2)))


def test_an_ephemeris_is_followed(tmp_path: Path) -> None:
    """EPHEMERIS_ID: the places are in a table of FIELD; if the table is not there, or too short, it is said."""

    def at(seconds: float) -> SkyCoord:
        return SkyCoord(82.99 + 1e-3 * seconds, 33.15 + 1e-6 * seconds**2, unit="deg", frame="icrs")

    pointings = [((0.0, 0.0), own_axes(at(seconds))) for seconds in (0, 10, 20)]
    path = observe(tmp_path / "ceres.ms", SOURCE, pointings, "J2000")
    steps = [-60.0, -30.0, 0.0, 30.0, 60.0]
    ephemeris(path, [NIGHT + step for step in steps], [at(step) for step in steps])
    pieces, notes = cut(path)
    assert "moves" in notes
    assert pieces[0].grid.frame == "ICRS"
    for piece in pieces:
        assert place_of(piece, SOURCE).icrs.separation(SOURCE).arcsec < 0.01
    with small_ms.edit(path) as table:
        table.putcol("TIME", table.getcol("TIME") + 100)
    with pytest.raises(InputError, match="does not cover"):
        open_run(path, Asked())
    with small_ms.edit(path / "FIELD") as table:
        table.putcol("EPHEMERIS_ID", np.array([1], np.int32))
    with pytest.raises(InputError, match="no FIELD/EPHEM1_"):
        open_run(path, Asked())


def test_a_horizon_needs_a_place_on_earth(tmp_path: Path) -> None:
    """AZEL of antennas that are nowhere cannot be imaged, and it is said why."""
    path = small_ms.write(tmp_path / "nowhere.ms", small_ms.rows())
    small_ms.set_frame(path, "FIELD", "PHASE_DIR", "AZEL")
    small_ms.change(path / "ANTENNA", "POSITION", lambda position: position - position.mean(axis=0))
    with pytest.raises(InputError, match="frame AZEL, but the antennas are nowhere on Earth"):
        open_run(path, Asked())


# --- the command ----------------------------------------------------------------------------------------------


def test_the_command_images_another_direction(simulated_ms: Path, tmp_path: Path) -> None:
    """Real daemons: pixels of all images are the Fourier sum of the data about the first centre, to epsilon."""
    visibilities = Visibilities(simulated_ms)
    ra, dec = np.degrees(visibilities.ra) + 0.4, np.degrees(visibilities.dec) + 0.3
    where = f"J2000 {ra:.9f}deg {dec:.9f}deg"
    options = ("--size", 400, "--scale", "4arcsec", "--phase-centre", where)
    done = fip("run", simulated_ms, "--output", tmp_path / "out", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "phase centre J2000" in done.stdout
    pixels = np.random.default_rng(4).integers(0, 400, (100, 2))
    for image in images(tmp_path / "out"):
        header = fits.getheader(image)
        assert (header["CRVAL1"], header["CRVAL2"]) == pytest.approx((ra, dec), abs=1e-9)
        data = fits.getdata(image)[0, 0]
        exact = visibilities.sum_at(image, pixels)
        assert np.linalg.norm(data[pixels[:, 1], pixels[:, 0]] - exact) <= 1e-5 * np.linalg.norm(exact)
    other = fip("run", simulated_ms, "--output", tmp_path / "out", *options[:-1], "10deg 20deg")
    assert other.returncode == 2
    assert "phase_centre" in other.stderr
