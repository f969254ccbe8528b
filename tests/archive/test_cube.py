"""`fip cube`: a series as one FITS file that astropy and casacore (CASA, CARTA) open, a plane in memory at a time."""

import re
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from casacore.images import image as casacore_image

from fip.archive.cube import Wanted, write_cube
from fip.archive.cube_axes import time_axis
from fip.archive.entries import Entry
from fip.archive.ledger import Ledger
from fip.archive.regions import Box, parse_region
from fip.data.errors import UsageError
from fip.data.settings import asked
from fip.data.values import Grid
from fip.sink.store import Store
from fip.wire.messages import RunPlan
from support.fip_command import fip, images
from support.found_events import FLARE, write_found
from support.stored_run import CADENCE, GRID, ON, SIDE, START, TRANSIENT, store_run, stored_image

STOKES = ("I", "Q", "U", "V")
SMALL = Grid(32, 24, GRID.scale, GRID.longitude, GRID.latitude, GRID.frame)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Twelve slices of IQUV: one failed, one expired, one has a file that was cut short."""
    store_run(tmp_path, count=12, stokes=STOKES, failed=(3,))
    with closing(Ledger(tmp_path)) as ledger:
        gone = next(each for each in ledger.oldest() if each.index == 1)
        ledger.expire([gone])
    (tmp_path / "night-t000001-dirty.fits").unlink()
    damaged = tmp_path / "night-t000009-dirty.fits"
    damaged.write_bytes(damaged.read_bytes()[:9000])
    return tmp_path


def test_it_has_each_image_at_its_time(run: Path) -> None:
    """All pixels of all Stokes planes as stored; slices without an image are NaN, and all of them are listed."""
    done = fip("cube", run)
    assert done.returncode == 1  # an image could not be read
    said = " ".join(done.stdout.split())
    assert "night-cube.fits: 160 x 160 pixels, 12 planes every 2 s, 9 images, 4 Stokes planes each" in said
    assert "no image of 2 slices: 1 expired, 1 failed" in said
    assert "1 could not be read, as night-t000009-dirty.fits: their planes are NaN" in said
    with fits.open(run / "night-cube.fits", checksum=True) as file:
        file.verify("exception")
        cube, header, times = file[0].data, file[0].header, file["TIMES"].data
    assert cube.shape == (4, 12, SIDE, SIDE)
    for index in range(12):
        if index in (1, 3, 9):
            assert np.isnan(cube[:, index]).all()
        else:
            assert (cube[:, index] == fits.getdata(run / f"night-t{index:06d}-dirty.fits")[:, 0]).all()
    assert list(times["SLICE"]) == list(range(12))
    assert [each for each in times["STATE"] if each != "stored"] == ["expired", "failed", "unreadable"]
    assert times["MJD_BEG"][5] * 86400 == pytest.approx(START + 5 * CADENCE, abs=1e-5)
    wcs = WCS(header)
    there, time, stokes = wcs.pixel_to_world(*TRANSIENT, ON[0], 1)
    assert abs((time - Time((START + (ON[0] + 0.5) * CADENCE) / 86400, format="mjd", scale="utc")).sec) < 1e-4
    assert stokes == "Q"
    alone = WCS(fits.getheader(run / "night-t000004-dirty.fits")).celestial.pixel_to_world(*TRANSIENT)
    assert there.separation(alone).arcsec < 1e-6


def test_casacore_opens_it_with_a_beam(run: Path) -> None:
    """It suits CARTA and CASA: four axes, time the third, and no CASAMBM: casacore refuses such a file with it."""
    made = write_cube(run)
    assert "CASAMBM" not in fits.getheader(made.path)
    opened = casacore_image(str(made.path))
    assert opened.shape() == [4, 12, SIDE, SIDE]
    assert opened.imageinfo()["restoringbeam"]["major"]["value"] == pytest.approx(8.0)
    assert opened.coordinates().get_coordinate("linear").get_unit() == ["s"]
    x, y = TRANSIENT
    assert opened.getdata()[0, ON[0], y, x] == pytest.approx(0.05, abs=0.005)
    with fits.open(made.path) as file:
        beams = file["BEAMS"].data
        assert (file["BEAMS"].header["NCHAN"], file["BEAMS"].header["NPOL"]) == (12, 4)
    assert list(beams["CHAN"][:5]) == [0, 0, 0, 0, 1]
    assert list(beams["POL"][:5]) == [0, 1, 2, 3, 0]
    assert beams["BMAJ"][0] == pytest.approx(8.0)
    assert np.isnan(beams["BMAJ"][beams["CHAN"] == 3]).all()


def test_a_part_is_where_it_was(run: Path) -> None:
    """A part of the sky or of the time, by pixels, by a place, about an event; what is beyond the image is left out."""
    write_cube(run, Wanted(region=parse_region("100,40,180,60"), slices=(4, 7)), run / "part.fits")
    part, header = fits.getdata(run / "part.fits", header=True)
    assert part.shape == (4, 3, 20, 60)
    whole = fits.getdata(run / "night-t000005-dirty.fits")
    assert (part[:, 1] == whole[:, 0, 40:60, 100:160]).all()
    there = WCS(fits.getheader(run / "night-t000005-dirty.fits")).celestial.pixel_to_world(*TRANSIENT)
    x, y = WCS(header).celestial.world_to_pixel(there)
    assert (round(float(x), 6), round(float(y), 6)) == (TRANSIENT[0] - 100, TRANSIENT[1] - 40)
    place = there.to_string("hmsdms", precision=3)
    made = write_cube(run, Wanted(region=parse_region(f"{place},20arcsec"), slices=(5, 6)), run / "place.fits")
    assert made.shape == (11, 11, 1, 4)
    assert fits.getdata(made.path)[0, 0, 5, 5] == whole[0, 0, TRANSIENT[1], TRANSIENT[0]]
    write_found(run)
    done = fip("cube", run, "--event", FLARE[:17], "--slices", "4~6")
    assert done.returncode == 0, done.stderr
    about = fits.getdata(run / f"{FLARE}-cube.fits")
    assert about.shape == (4, 2, 65, 65)
    assert (about[:, 1, 32, 32] == whole[:, 0, TRANSIENT[1], TRANSIENT[0]]).all()


def test_a_plane_is_in_memory_at_a_time(tmp_path: Path) -> None:
    """However many images there are."""
    store_run(tmp_path, count=40)
    write_cube(tmp_path)
    tracemalloc.start()
    write_cube(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "night-cube.fits").stat().st_size > 40 * SIDE * SIDE * 4
    assert peak < 12 * SIDE * SIDE * 4


def entries(*times: float, numbers: tuple[int, ...] = ()) -> list[Entry]:
    """Images of two seconds that begin then."""
    numbers = numbers or tuple(range(len(times)))
    beam = {"rms": None, "minimum": None, "maximum": None, "beam": None, "recorded": 0.0}
    return [
        Entry("r", number, "f", 0, 0, "", False, "good", time, time + 1, time + 2, 1, "w", {}, **beam)  # type: ignore[arg-type]
        for number, time in zip(numbers, times, strict=True)
    ]


def test_times_are_an_axis_if_they_are_even() -> None:
    """With planes for what is missing, also if nothing was observed; else images stand one after the other."""
    even = time_axis(entries(0, 2, 4.02, 8, 10, 20, numbers=(5, 6, 7, 9, 10, 11)))
    assert even.planes == (0, 1, 2, 4, 5, 10)
    assert even.slices == (5, 6, 7, 8, 9, 10, -1, -1, -1, -1, 11)
    assert even.cadence == pytest.approx(2.0, abs=0.01)
    assert even.begin == pytest.approx(1.0, abs=0.02)
    scans = time_axis(entries(0, 2, 4, 6, 15, 17, 19, numbers=(0, 1, 2, 4, 5, 6, 7)))  # 15 is between two
    assert (scans.cadence, scans.planes, scans.slices) == (None, (0, 1, 2, 4, 5, 6, 7), tuple(range(8)))
    nights = time_axis(entries(0, 2, 4, 86400, 86402))
    assert (nights.cadence, nights.planes) == (None, (0, 1, 2, 3, 4))
    alone = time_axis(entries(7))
    assert (alone.planes, alone.cadence, alone.begin) == ((0,), 2.0, 8.0)
    many = [3.0 * number + 1e-4 * (number % 7) for number in range(3000)]
    assert time_axis(entries(*many)).planes == tuple(range(3000))


def test_uneven_images_have_their_times_in_the_table(tmp_path: Path) -> None:
    """The third axis then counts images."""
    store = Store(tmp_path)
    store.open_run(RunPlan("r", "odd", 4, "/data/odd.ms", asked(), ""))
    for index, late in ((0, 0.0), (1, 0.0), (2, 0.9), (3, 5.3)):
        made = stored_image("r", index, grid=SMALL)
        times = replace(made.times, begin=made.times.begin + late, end=made.times.end + late)
        store.put(replace(made, times=times))
    store.close()
    made_cube = write_cube(tmp_path)
    assert made_cube.cadence is None
    header, times = fits.getheader(made_cube.path), fits.getdata(made_cube.path, "TIMES")
    assert (header["CTYPE3"], header["NAXIS3"]) == ("IMAGE", 4)
    assert times["MJD_BEG"][3] * 86400 == pytest.approx(START + 3 * CADENCE + 5.3, abs=1e-5)
    assert WCS(header).naxis == 4


def test_an_image_of_another_grid_is_left_out_unless_it_follows_a_body(tmp_path: Path) -> None:
    """Whose centre alone is another one each time: the header says so."""
    store = Store(tmp_path)
    store.open_run(RunPlan("r", "moon", 2, "/data/moon.ms", asked(), ""))
    for index in range(2):
        store.put(stored_image("r", index, grid=replace(SMALL, longitude=SMALL.longitude + 1e-4 * index)))
    store.close()
    assert write_cube(tmp_path).unreadable == ("moon-t000001-dirty.fits",)
    for path in images(tmp_path):
        fits.setval(path, "FIPBODY", value="moon")
    made = write_cube(tmp_path)
    assert made.unreadable == ()
    assert fits.getheader(made.path)["FIPBODY"] == "moon"


def test_of_several_series_one_is_named(tmp_path: Path) -> None:
    """One line says what would work; each is then whole."""
    store_run(tmp_path, count=2, field="north", grid=SMALL)
    store_run(tmp_path, count=3, field="south", grid=SMALL)
    with pytest.raises(UsageError, match="is of one series: give --series with one of night-2-south, night-north"):
        write_cube(tmp_path)
    assert write_cube(tmp_path, Wanted("night-2-south")).shape == (32, 24, 3, 1)


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    """Nothing is written over, and nothing is left behind."""
    store_run(tmp_path, count=3, grid=SMALL)
    before = images(tmp_path)[0].read_bytes()
    (tmp_path / "notes.txt").write_text("mine")
    taken = "is there, and no cube: give another name"
    for wanted, output, said in (
        (Wanted(slices=(7, 9)), None, "--slices 7~9: night has images of slices 0 to 2"),
        (Wanted(region=Box(40, 0, 50, 9)), None, "the region holds no pixel of the images: they have 32x24"),
        (Wanted(region=parse_region("05h00m00s +83d00m00s,1arcmin")), None, "beyond the horizon"),
        (Wanted("day"), None, "--series day: no image is of it: give --series with one of night"),
        (Wanted(), images(tmp_path)[0], taken),
        (Wanted(), tmp_path / "notes.txt", taken),
        (Wanted(), tmp_path / "nowhere" / "a.fits", "cannot be written: No such file or directory"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            write_cube(tmp_path, wanted, output)
    for text, said in (("9,0,3,9", "holds no pixel"), ("4;0", "is no region"), ("4,0", "is not a direction")):
        with pytest.raises(ValueError, match=said):
            parse_region(text)
    done = fip("cube", tmp_path, "--event", "x", "--region", "0,0,5,5")
    assert (done.returncode, "--event says which part" in done.stderr) == (2, True)
    assert images(tmp_path)[0].read_bytes() == before
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_cube_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    """Nor is one written of images that are all unreadable."""
    store_run(tmp_path, count=3, grid=SMALL)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cube(tmp_path, progress=interrupt)
    for path in images(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(UsageError, match="none of the images can be read"):
        write_cube(tmp_path)
    assert not list(tmp_path.glob(".*.part"))
    assert not list(tmp_path.glob("*-cube.fits"))
