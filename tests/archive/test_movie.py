"""Movies: every image a frame, in order of time, on one stretch, with coordinates that are right."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from PIL import Image

from fip.archive import movie as module
from fip.archive.figure import Caption, Figure
from fip.archive.movie import Shown, enough, make_movie
from fip.archive.render import COLOUR_MAP, EMPTY, Stretch, choose_stretch, coloured, round_values
from fip.archive.shrink import shrink
from fip.data.directions import Frame, parse_direction
from fip.data.errors import UsageError
from fip.data.quantities import parse_brightness
from fip.data.values import Beam, Grid, Statistics
from fip.fits.sky import wcs_of
from support.stored_run import store_run

SIDE, SCALE = 64, 2.0  # pixels; arcsec
STEADY, TRANSIENT = (20, 40), (45, 13)  # x, y
ON = (2, 3)
COUNT = 6
GRID = Grid(SIDE, SIDE, float(np.radians(SCALE / 3600)), float(np.radians(155.0)), float(np.radians(-45.0)), "FK5")


def write_image(path: Path, number: int, field: str = "SKY", on: bool = False, blank: bool = False) -> None:
    """A small dirty image of noise 1 mJy, a steady source of 100 mJy and, if on, a transient of 50 mJy."""
    pixels = np.random.default_rng(number).normal(0.0, 1e-3, (SIDE, SIDE)).astype(np.float32)
    pixels[STEADY[1], STEADY[0]] = 0.1
    if on:
        pixels[TRANSIENT[1], TRANSIENT[0]] = 0.05
    if blank:
        pixels[:] = np.nan
    header = fits.Header()
    axes = [
        ("RA---SIN", 155.0, -SCALE / 3600, SIDE // 2 + 1),
        ("DEC--SIN", -45.0, SCALE / 3600, SIDE // 2 + 1),
        ("FREQ", 1.284e9, 1e8, 1),
        ("STOKES", 1, 1, 1),
    ]
    for axis, (kind, value, step, pixel) in enumerate(axes, 1):
        header.update({f"CTYPE{axis}": kind, f"CRVAL{axis}": value, f"CDELT{axis}": step, f"CRPIX{axis}": pixel})
    header.update({"RADESYS": "FK5", "EQUINOX": 2000.0, "OBJECT": field, "TELESCOP": "MeerKAT"})
    header.update({"BMAJ": 8 / 3600, "BMIN": 6 / 3600, "BPA": 30.0})
    header.update({"DATE-OBS": f"2026-03-01T20:00:{number:02d}.000000"})
    fits.writeto(path, pixels[None, None], header)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of six images, listed in order of time, which is not that of their names."""
    names = [f"obs-t{COUNT - number:06d}-dirty.fits" for number in range(COUNT)]
    for number, name in enumerate(names):
        write_image(tmp_path / name, number, on=number in ON)
    (tmp_path / "images.txt").write_text("".join(f"{name}\n" for name in names))
    return tmp_path


def decode(movie: Path) -> NDArray[np.uint8]:
    """All frames [frame, y, x, 3] of an MP4."""
    with av.open(str(movie)) as container:
        return np.array([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def shown(pixel: tuple[int, int]) -> tuple[slice, slice]:
    """Return the part of a frame in which a pixel (x, y) of the image is drawn."""
    left, top, right, bottom = Figure(GRID, (SIDE, SIDE), 1, Stretch(-1e-3, 1.0, 1e-3)).image_box
    zoom = (right - left) // SIDE
    assert (bottom - top) == (right - left) == zoom * SIDE
    x, y = left + pixel[0] * zoom, bottom - (pixel[1] + 1) * zoom
    return slice(y + zoom // 4, y + 3 * zoom // 4), slice(x + zoom // 4, x + 3 * zoom // 4)


def test_every_image_is_a_frame_in_order_of_time(run: Path) -> None:
    """The transient lights up in its frames and in no other; the steady source looks the same in all."""
    (movie,) = make_movie(run)
    assert movie == run / "movie.mp4"
    frames = decode(movie)
    assert len(frames) == COUNT
    light = frames.astype(float).mean(axis=3)
    transient = light[(slice(None), *shown(TRANSIENT))].mean(axis=(1, 2))
    steady = light[(slice(None), *shown(STEADY))].mean(axis=(1, 2))
    on = np.isin(np.arange(COUNT), ON)
    # between 50 mJy and noise below 5 mJy lies a third of the stretch, of 0 to 174 in mean RGB
    assert transient[on].min() > transient[~on].max() + 40
    assert np.ptp(steady) < 10
    assert not list(run.glob("*.partial"))


def test_movie_plays_everywhere(run: Path) -> None:
    """H.264, yuv420p, even sides, at least four seconds; the index stands before the pictures."""
    (movie,) = make_movie(run, run / "film.mp4")
    with av.open(str(movie)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.width % 2 == stream.height % 2 == 0
        assert container.duration is not None
        assert 4.0 <= container.duration / av.time_base <= 60.0
    content = movie.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_pngs_are_the_frames(run: Path) -> None:
    """A PNG for each image, named as it, which the movie shows but for compression; progress counts them."""
    told: list[tuple[int, int]] = []
    (movie,) = make_movie(run, None, run / "png", lambda done, total: told.append((done, total)))
    names = (run / "images.txt").read_text().split()
    assert {path.name for path in (run / "png").iterdir()} == {name.replace(".fits", ".png") for name in names}
    assert told == [(number, COUNT) for number in range(1, COUNT + 1)]
    for name, frame in zip(names, decode(movie), strict=True):
        picture = np.asarray(Image.open(run / "png" / name.replace(".fits", ".png")))
        assert np.abs(picture.astype(float) - frame).mean() < 5.0


def test_without_a_list_images_are_ordered_by_their_time(run: Path) -> None:
    """A directory of images alone gives the same movie."""
    (listed,) = make_movie(run, run / "listed.mp4")
    (run / "images.txt").unlink()
    (found,) = make_movie(run, run / "found.mp4")
    assert (decode(found) == decode(listed)).all()


def test_fields_are_movies_of_their_own(tmp_path: Path) -> None:
    """Images of two fields in turn make two movies, each of its field alone."""
    for number in range(5):
        field = "3C 286" if number % 2 else "SKY"
        write_image(tmp_path / f"obs-t{number:06d}-dirty.fits", number, field)
    movies = make_movie(tmp_path)
    assert [movie.name for movie in movies] == ["movie-SKY.mp4", "movie-3C_286.mp4"]
    assert [len(decode(movie)) for movie in movies] == [3, 2]


def test_empty_image_is_grey(tmp_path: Path) -> None:
    """An image of NaN is a grey frame, and does not spoil the stretch of the others."""
    write_image(tmp_path / "obs-t000000-dirty.fits", 0)
    write_image(tmp_path / "obs-t000001-dirty.fits", 1, blank=True)
    make_movie(tmp_path, None, tmp_path / "png")
    full, blank = (np.asarray(Image.open(path)) for path in sorted((tmp_path / "png").iterdir()))
    assert (blank[shown(STEADY)] == EMPTY).all()
    assert full[shown(STEADY)].mean() > 150


def test_directory_without_images_is_refused(tmp_path: Path) -> None:
    """The error names the directory and says what would work."""
    with pytest.raises(UsageError, match=rf"{tmp_path}: no images in it; `fip run MS"):
        make_movie(tmp_path)
    with pytest.raises(UsageError, match="nowhere: no such folder"):
        make_movie(tmp_path / "nowhere")


def test_unusable_arguments_and_files_are_refused(run: Path) -> None:
    """Another format, a folder that is not there, a lost or damaged image: each is named, and no movie is left."""
    with pytest.raises(UsageError, match=r"film\.avi: the movie is an MP4"):
        make_movie(run, run / "film.avi")
    with pytest.raises(UsageError, match="nowhere: no such folder"):
        make_movie(run, run / "nowhere" / "film.mp4")
    image = run / "obs-t000003-dirty.fits"
    content = image.read_bytes()
    image.write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match=r"obs-t000003-dirty\.fits: its pixels cannot be read"):
        make_movie(run)
    image.write_bytes(b"SIMPLE")
    with pytest.raises(UsageError, match=r"obs-t000003-dirty\.fits: not an image that FIP can show"):
        make_movie(run)
    image.unlink()
    with pytest.raises(UsageError, match=r"images\.txt names obs-t000003-dirty\.fits, which is not there"):
        make_movie(run)
    assert not list(run.glob("*.mp4*"))


def test_stretch_shows_noise_and_does_not_saturate() -> None:
    """Zero is a dark colour, noise spans a few of the 256 colours, the brightest image's peak is the last one."""
    stretch = choose_stretch([Statistics(1e-3, -4e-3, peak) for peak in (0.5, 0.5, 1.0)])
    at = np.asarray(stretch.norm(np.array([-1e-3, 0.0, 1e-3, 1.0])))
    assert at[1] < 0.2
    assert 5 < 256 * (at[2] - at[0]) < 40
    assert at[3] == pytest.approx(1.0)
    brightest, beyond, empty, darkest = np.asarray(coloured(np.array([[1.0, 5.0, np.nan, -1.0]], np.float32), stretch))[
        0
    ].tolist()
    assert brightest == beyond == list(COLOUR_MAP(255, bytes=True)[:3])
    assert empty == list(EMPTY)
    assert darkest == list(COLOUR_MAP(0, bytes=True)[:3])


def test_colours_are_those_of_the_colour_bar() -> None:
    """Ours are computed in single precision; matplotlib, which draws the bar, has the same but for rounding."""
    stretch = choose_stretch([Statistics(1e-3, -4e-3, 1.0)])
    pixels = np.linspace(-0.01, 1.1, 10_000, dtype=np.float32)[None]
    theirs = COLOUR_MAP(stretch.norm(pixels), bytes=True)[..., :3]
    assert np.abs(np.asarray(coloured(pixels, stretch), int) - theirs).max() <= 5  # a colour is up to 5 from the next


@pytest.mark.parametrize("count", [5, 10, 16])
@pytest.mark.parametrize("peak", [3e-6, 0.02, 7.0, 3e4])
@pytest.mark.parametrize("range_", [10.0, 200.0, 1e6])
def test_colour_bar_ticks_are_round_and_apart(peak: float, range_: float, count: int) -> None:
    """A handful of ticks within the stretch, none so near to another that labels would meet, 0 among them."""
    stretch = choose_stretch([Statistics(peak / range_, -peak / 50, peak)])
    ticks = round_values(stretch, count)
    shown = ticks[(stretch.low <= ticks) & (ticks <= stretch.high)]
    assert 3 <= len(shown) <= count + 1
    assert 0.0 in shown
    assert {f"{abs(value):.9e}".partition("e")[0] for value in shown} <= {f"{n:.9f}" for n in (0, 1, 2, 5)}
    assert np.diff(np.asarray(stretch.norm(shown))).min() >= 0.25 / count  # in units of this a label is 0.9 high


def test_shrinking_keeps_the_peak() -> None:
    """A point source keeps its flux, NaN does not spread; images that are small enough stay as they are."""
    pixels = np.zeros((300, 201), np.float32)
    pixels[150, 100] = 1.0
    pixels[0, 0] = np.nan
    pixels[3:6, 3:6] = np.nan
    small, block = shrink(pixels, 100)
    assert (block, small.shape) == (3, (100, 67))
    assert small[50, 33] == 1.0
    assert np.isnan(small).sum() == 1
    assert shrink(pixels, 300)[0] is pixels


def test_north_is_up() -> None:
    """The first row of the picture is the last of the image."""
    pixels = np.zeros((4, 5), np.float32)
    pixels[3, 1] = 1.0
    picture = np.asarray(coloured(pixels, Stretch(0.0, 1.0, 0.1))).sum(axis=2)
    assert np.unravel_index(picture.argmax(), picture.shape) == (0, 1)


FIELDS = [(-45.0, 2.0), (89.5, 30.0), (-30.0, 600.0)]  # declination in deg, arcsec a pixel: the last has a horizon


def standard(latitude: float, scale: float) -> WCS:
    """The SIN projection of the FITS standard, 400 x 300 pixels about right ascension 1 deg."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    wcs.wcs.crval = [1.0, latitude]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    wcs.wcs.crpix = [201, 151]
    return wcs


def grid_at(latitude: float, scale: float) -> Grid:
    """Return the same grid for FIP."""
    return Grid(400, 300, float(np.radians(scale / 3600)), float(np.radians(1.0)), float(np.radians(latitude)), "FK5")


@pytest.mark.parametrize(("latitude", "scale"), FIELDS)
def test_coordinates_are_those_of_the_fits_standard(latitude: float, scale: float) -> None:
    """Pixels and directions, and what is beyond the horizon, which is no direction."""
    ours, theirs = wcs_of(grid_at(latitude, scale)), standard(latitude, scale)
    x, y = (axis.ravel().astype(float) for axis in np.meshgrid(np.arange(0, 400, 37), np.arange(0, 300, 29)))
    np.testing.assert_allclose(ours.wcs_pix2world(x, y, 0), theirs.wcs_pix2world(x, y, 0), rtol=0, atol=1e-9)
    directions = np.meshgrid(np.arange(0.0, 360, 15), np.arange(-90.0, 91, 15))
    np.testing.assert_allclose(ours.wcs_world2pix(*directions, 0), theirs.wcs_world2pix(*directions, 0), rtol=1e-9)
    assert np.isnan(ours.wcs_world2pix(181.0, -latitude, 0)).all()


@pytest.mark.parametrize(
    ("field", "parallel", "meridian"),
    [(FIELDS[0], -45.0, 1.0), (FIELDS[1], 89.0, 0.0), (FIELDS[2], -30.0, 0.0)],
)
def test_grid_lines_lie_where_they_say(field: tuple[float, float], parallel: float, meridian: float) -> None:
    """Lines at round values are bright in an image of zeros; six pixels aside it is as dark as everywhere."""
    figure = Figure(grid_at(*field), (300, 400), 1, Stretch(-1e-3, 1.0, 1e-3))
    left, top, right, bottom = figure.image_box
    zoom = (right - left) // 400
    picture = figure.draw(np.zeros((300, 400), np.float32), None, Caption("", "", "", 1, 1))
    light = np.asarray(picture.crop(figure.image_box)).mean(axis=2)
    half = min(20 * field[1] / 3600, 20.0)  # deg, so far along the lines
    for ra, dec in (
        (np.linspace(-1, 1, 101) * half / np.cos(np.radians(parallel)) + 1.0, np.full(101, parallel)),
        (np.full(101, meridian), np.linspace(-1, 1, 101) * half + (field[0] if field[0] < 89 else 88.9)),
    ):
        x, y = standard(*field).wcs_world2pix(ra, dec, 0)
        columns, rows = (x + 0.5) * zoom, (bottom - top) - (y + 0.5) * zoom

        def brightest(aside: int, columns: NDArray[np.float64] = columns, rows: NDArray[np.float64] = rows) -> float:
            around = [light[r - 1 : r + 2, c - 1 : c + 2].max() for r, c in zip(
                rows.astype(int) + aside, columns.astype(int) + aside, strict=True)]  # fmt: skip
            return float(np.median(around))

        assert brightest(0) > brightest(6) + 20


def test_the_beam_leans_to_the_east() -> None:
    """Its major axis lies at its angle from north through east, which is left; it is as long as it is."""
    beam = Beam(40 * GRID.scale, 10 * GRID.scale, float(np.radians(30.0)))
    grid = Grid(512, 512, GRID.scale, GRID.longitude, GRID.latitude, "FK5")
    figure = Figure(grid, (512, 512), 1, Stretch(-1e-3, 1.0, 1e-3))
    blank = np.full((512, 512), np.nan, np.float32)
    with_beam, without = (
        np.asarray(figure.draw(blank, each, Caption("", "", "", 1, 1)).crop(figure.image_box)).mean(axis=2)
        for each in (beam, None)
    )
    corner = with_beam[-80:, :80]
    assert (with_beam[:-80] == without[:-80]).all()
    y, x = np.nonzero(corner > 200)
    widths, axes = np.linalg.eigh(np.cov(-x, -y))  # east, north
    east, north = axes[:, 1] * np.sign(axes[1, 1])
    assert np.degrees(np.arctan2(east, north)) == pytest.approx(30.0, abs=2.0)
    assert 4 * np.sqrt(widths) == pytest.approx([10.0, 40.0], rel=0.1)  # of a filled ellipse


@pytest.mark.parametrize("frame", ["FK5", "ICRS", "FK4", "GALACTIC"])
@pytest.mark.parametrize(
    ("latitude", "scale"), [(0.1, 1e-6), (-45.0, 1e-3), (80.0, 60.0), (-90.0, 60.0), (52.0, 4000.0)]
)
def test_any_field_is_drawn_without_a_warning(latitude: float, scale: float, frame: Frame) -> None:
    """From microarcseconds to the whole sky, over poles and the zero of right ascension."""
    grid = Grid(128, 96, float(np.radians(scale / 3600)), 6.2831, float(np.radians(latitude)), frame)
    figure = Figure(grid, (96, 128), 1, Stretch(-1e-3, 1.0, 1e-3))
    caption = Caption("a name that is too long " * 9, "東", "2026-03-01 20:00:00.000 UTC", 3, 4)
    picture = figure.draw(np.zeros((96, 128), np.float32), None, caption)
    assert picture.size == figure.size
    assert [side % 2 for side in picture.size] == [0, 0]


def test_of_very_many_images_as_many_are_frames_as_a_movie_shows(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly; a rate that is asked for makes it fewer, and `every` as many as are wanted."""
    assert [enough(images) for images in (1, 3600, 3601, 20_000)] == [1, 1, 2, 6]
    assert enough(3600, Fraction(20)) == 3
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(module, "LONGEST", Fraction(3, 60))
    make_movie(run, None, run / "png", lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)
    names = [name for name in (run / "images.txt").read_text().split("\n") if name]
    assert {path.name for path in (run / "png").iterdir()} == {name.replace(".fits", ".png") for name in names[::2]}
    make_movie(run, None, None, lambda done, total: told.append((done, total)), Shown(every=1))
    assert told[-1] == (COUNT, COUNT)


def test_several_processes_draw_the_same_frames(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come in their order; a file that cannot be read ends them with its name."""
    frames = decode(make_movie(run)[0])
    monkeypatch.setattr(module, "WORTH_PROCESSES", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    np.testing.assert_array_equal(decode(make_movie(run, run / "again.mp4")[0]), frames)
    name = (run / "images.txt").read_text().split("\n")[3]
    (run / name).write_bytes((run / name).read_bytes()[:3000])
    monkeypatch.setattr(module, "STRETCH_SAMPLE", 1)
    with pytest.raises(UsageError, match=rf"{name}: its pixels cannot be read"):
        make_movie(run)


def test_a_part_is_shown_at_its_coordinates(run: Path) -> None:
    """About a position, as wide as asked, with the stretch and the rate asked for; pixels keep their places."""
    x, y = TRANSIENT
    place = wcs_of(GRID).pixel_to_world(x, y)
    about = parse_direction(f"{place.ra.deg}deg {place.dec.deg}deg")
    shown_part = Shown(about=about, width=float(np.radians(20 * SCALE / 3600)), between=(-1e-3, 0.05), rate=Fraction(7))
    (movie,) = make_movie(run, None, run / "png", None, shown_part)
    with av.open(str(movie)) as container:
        assert container.streams.video[0].average_rate == 7
    picture = np.asarray(Image.open(sorted((run / "png").iterdir())[COUNT - 1 - ON[0]]))
    figure = Figure(GRID, (20, 20), 1, Stretch(-1e-3, 0.05, 0.01), (x - 10, y - 10))
    assert picture.shape[:2] == figure.size[::-1]
    left, top, right, bottom = figure.image_box
    expected = np.asarray(figure.draw(np.zeros((20, 20)), None, Caption("", "", "", 1, 1)))
    np.testing.assert_array_equal(picture[bottom + 1 :], expected[bottom + 1 :])  # the coordinates below it
    zoom = (right - left) // 20
    middle = picture[bottom - int(10.5 * zoom), left + int(10.5 * zoom)]
    np.testing.assert_allclose(middle, np.array(COLOUR_MAP(1.0)[:3]) * 255, atol=40)
    assert picture[top + zoom, left + zoom].sum() < middle.sum() / 2
    with pytest.raises(UsageError, match=r"outside of the images"):
        make_movie(run, None, None, None, Shown(about=parse_direction("10deg -45deg")))
    with pytest.raises(UsageError, match=r"--stokes V: obs-t.* has I"):
        make_movie(run, None, None, None, Shown(stokes="V"))


def test_a_plane_is_chosen(tmp_path: Path) -> None:
    """If images have two planes, it is the second."""
    store_run(tmp_path, count=2, stokes=("I", "V"))
    make_movie(tmp_path, None, tmp_path / "first", None, Shown(between=(-1e-3, 0.1)))
    make_movie(tmp_path, None, tmp_path / "second", None, Shown(stokes="V", between=(-1e-3, 0.1)))
    first, second = (np.asarray(Image.open(next((tmp_path / name).iterdir()))) for name in ("first", "second"))
    assert (first != second).any()


@pytest.mark.parametrize("text", ["1", "2~1", "a~b", "-2~-1", "0~inf"])
def test_a_range_of_brightness_is_two_numbers(text: str) -> None:
    """The second is the larger, and positive."""
    with pytest.raises(ValueError, match=r"is not a range of brightness in Jy/beam, as -0\.001~0\.02"):
        parse_brightness(text)
