"""`fip movie`: the images of a directory as an MP4, and as PNGs."""

import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import av
import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray
from PIL import Image

from fip.archive.figure import LARGEST, Caption, Figure
from fip.archive.file_names import IMAGE_LIST
from fip.archive.lightcurve import pixel_of
from fip.archive.render import Stretch, choose_stretch
from fip.archive.shrink import shrink
from fip.archive.views import Window
from fip.data.directions import Direction
from fip.data.errors import FipError, UsageError
from fip.data.names import free_name, label
from fip.data.stokes import STOKES_CODES
from fip.data.values import Beam, Grid
from fip.fits.header import BODY
from fip.fits.stored_image import beam_of, grid_of, header_of, image_hdu
from fip.imaging.statistics import image_statistics

ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox")  # all make H.264, which every browser plays
FRAME_RATE = 10  # images a second, as far as the limits below allow
SHORTEST, LONGEST = 4, 60  # s
FASTEST = 60  # images a second; longer series last longer
STRETCH_SAMPLE = 40  # images whose statistics set the stretch
WORTH_PROCESSES = 100  # frames from which on it is faster to start some
AHEAD = 2  # frames that each process may have drawn and nobody has taken
LINEAR_SHARE = 0.2  # of the brightest that is shown, if that is asked for: up to there the stretch is nearly linear
COLOURS = 1  # ITU-R BT.709, in FFmpeg's numbering of colour spaces, primaries and transfers


@dataclass(frozen=True, slots=True)
class Shown:
    """What a movie is to show of the images, and how."""

    stokes: str = ""  # a plane by its name; "" for the first
    about: Direction | None = None  # the middle of the part that is shown; None: of the image
    width: float | None = None  # rad of that part; None for all of it
    between: tuple[float, float] | None = None  # Jy/beam, the darkest and the brightest; None: as the images are
    rate: Fraction | None = None  # images a second; None: as many as make a movie of 4 to 60 s
    every: int | None = None  # every so many-th image is a frame; None: as many as a movie of 60 s can show


@dataclass(frozen=True, slots=True)
class Frame:
    """An image on disk, as its header tells."""

    path: Path
    field: str
    grid: Grid
    begin: str  # DATE-OBS
    time: str  # as shown
    details: str
    beam: Beam | None
    stokes: tuple[str, ...]  # of its planes
    body: str = ""  # which its grid follows, whose centre is 0 then: all images of the body have one frame


@dataclass(frozen=True, eq=False)
class Artist:
    """Draws the frames of a series, all with one stretch; by number, so that several processes can."""

    frames: Sequence[Frame]
    shown: Shown
    window: Window  # of the stored pixels
    stretch: Stretch
    png: Path | None  # a folder that gets each frame, too

    def draw(self, number: int) -> Image.Image:
        """The frame of this number, counted from 0."""
        frame = self.frames[number]
        pixels, block = _read_pixels(frame, self.shown, self.window)
        caption = Caption(frame.field or frame.path.stem, frame.details, frame.time, number + 1, len(self.frames))
        picture = self._figure((pixels.shape[0], pixels.shape[1]), block).draw(pixels, frame.beam, caption)
        if self.png is not None:
            picture.save(self.png / f"{frame.path.stem}.png", compress_level=1)
        return picture

    @cache  # noqa: B019 there are few artists, and each is as long as its movie
    def _figure(self, shape: tuple[int, int], block: int) -> Figure:
        corner = self.window.left, self.window.bottom
        return Figure(self.frames[0].grid, shape, block, self.stretch, corner, self.frames[0].body)


def make_movie(
    directory: Path,
    output: Path | None = None,
    png: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    shown: Shown = Shown(),
) -> tuple[Path, ...]:
    """Make an MP4 of a directory's images, first channel, in time order; return what was written.

    Images of another field or grid make a movie of their own, FILE-FIELD.mp4. Without `output` the movie is
    DIR/movie.mp4. With `png`, a folder, each frame goes there too, named as its image. `progress` is called with the
    frames done and their number. UsageError if there is no image, one cannot be read, or none shows what is asked for.
    """
    if output is not None and output.suffix.lower() != ".mp4":
        raise UsageError(f"{output}: the movie is an MP4; a name as {output.stem}.mp4 would do")
    output = output or directory / "movie.mp4"
    for folder in (output.parent, png.parent if png else output.parent):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder for the movie or the PNGs")
    series = {
        name: frames[:: shown.every or enough(len(frames), shown.rate)]
        for name, frames in _series(_frames(directory)).items()
    }
    artists = [_artist(frames, shown, png) for frames in series.values()]
    if png is not None:
        png.mkdir(exist_ok=True)
    total = sum(len(frames) for frames in series.values())
    done = 0

    def told(pictures: Iterator[Image.Image]) -> Iterator[Image.Image]:
        nonlocal done
        for picture in pictures:
            yield picture
            done += 1
            if progress:
                progress(done, total)

    movies = []
    for name, artist in zip(series, artists, strict=True):
        movies.append(output.with_stem(f"{output.stem}-{name}") if len(series) > 1 else output)
        _write_mp4(movies[-1], shown.rate or _rate(len(artist.frames)), told(_drawn(artist)))
    return tuple(movies)


def enough(images: int, rate: Fraction | None = None) -> int:
    """Every how many-th image is a frame, so that a movie lasts no longer than it should."""
    return math.ceil(images / (LONGEST * min(rate or FASTEST, FASTEST)))


def _write_mp4(path: Path, rate: Fraction, pictures: Iterator[Image.Image]) -> None:
    """Make an MP4, under another name until it is whole, of one or more pictures of one size."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        absolute = str(partial.absolute())  # a relative one that has a colon would be taken as a URL
        with av.open(absolute, "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream: av.VideoStream | None = None
            for picture in pictures:
                stream = stream or _new_stream(container, rate, picture.size)
                frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
                container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=COLOURS)))
            if stream:
                container.mux(stream.encode(None))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _new_stream(container: av.container.OutputContainer, rate: Fraction, size: tuple[int, int]) -> av.VideoStream:
    encoder = next((name for name in ENCODERS if name in av.codecs_available), None)
    if encoder is None:
        raise FipError(
            f"this PyAV ({av.__version__}) has none of the H.264 encoders {', '.join(ENCODERS)}: "
            "pip install av brings one"
        )
    stream = cast(av.VideoStream, container.add_stream(encoder, rate=rate))
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.gop_size = max(math.ceil(rate), 1)  # a place to jump to every second
    stream.codec_context.colorspace = COLOURS
    stream.codec_context.color_primaries = COLOURS
    stream.codec_context.color_trc = COLOURS
    stream.options = {"crf": "18"} if encoder == "libx264" else {}
    return stream


def _rate(frames: int) -> Fraction:
    """Images a second: a movie of 4 to 60 s, unless it would need more than 60 images a second."""
    seconds = min(max(frames / FRAME_RATE, SHORTEST), LONGEST)
    return min(Fraction(frames / seconds).limit_denominator(1000), Fraction(FASTEST))


def _artist(frames: Sequence[Frame], shown: Shown, png: Path | None) -> Artist:
    if frames[0].body and shown.about:
        raise UsageError(
            f"--centre: the images follow the {frames[0].body}, and no direction stays in its place in them: "
            "leave it out; --width shows what is about the middle"
        )
    window = _window(frames[0].grid, shown)
    stretch = Stretch(*shown.between, LINEAR_SHARE * shown.between[1]) if shown.between else None
    if stretch is None:
        sample = frames[:: math.ceil(len(frames) / STRETCH_SAMPLE)]
        statistics = (image_statistics(_read_pixels(frame, shown, window)[0]) for frame in sample)
        stretch = choose_stretch([found for found in statistics if found is not None])
    return Artist(frames, shown, window, stretch, png)


def _window(grid: Grid, shown: Shown) -> Window:
    """Return the pixels that are shown. UsageError if the images hold nothing of what is asked for."""
    x, y = pixel_of(grid, shown.about) if shown.about else (grid.width // 2, grid.height // 2)
    half = max(1, round(shown.width / grid.scale / 2)) if shown.width else max(grid.width, grid.height)
    left, bottom = max(0, x - half), max(0, y - half)
    return Window(left, bottom, min(grid.width, x + half) - left, min(grid.height, y + half) - bottom)


def _drawn(artist: Artist) -> Iterator[Image.Image]:
    """The frames of a series one by one; of a long one drawn by several processes, a few ahead."""
    numbers = range(len(artist.frames))
    processes = len(os.sched_getaffinity(0))
    if len(numbers) < WORTH_PROCESSES or processes == 1:
        yield from map(artist.draw, numbers)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _take_up, (artist,)) as pool:
        drawing: deque[Future[Image.Image]] = deque()
        for number in numbers:
            drawing.append(pool.submit(_draw, number))
            if len(drawing) > AHEAD * processes:
                yield drawing.popleft().result()
        for each in drawing:
            yield each.result()


_taken_up: Artist  # by a process that draws


def _take_up(artist: Artist) -> None:
    global _taken_up
    _taken_up = artist


def _draw(number: int) -> Image.Image:
    return _taken_up.draw(number)


def _frames(directory: Path) -> list[Frame]:
    """Return the images of a directory, in the order of its list if it has one."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such folder; give the folder that `fip run` wrote its images to")
    listing = directory / IMAGE_LIST
    files = [directory / name for name in listing.read_text().split("\n") if name] if listing.is_file() else []
    if files:  # else all were made of data with sources added to them
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise UsageError(f"{listing} names {missing[0].name}, which is not there")
        frames = [_read_header(path) for path in files]
    else:
        found = map(_read_header, directory.glob("*-dirty.fits"))
        frames = sorted(found, key=lambda frame: (frame.begin, frame.path))
    if not frames:
        raise UsageError(
            f"{directory}: no images in it; `fip run MS --output {directory}` makes them, "
            "or give the folder that holds *-dirty.fits"
        )
    return frames


def _series(frames: list[Frame]) -> dict[str, list[Frame]]:
    """The frames of each field and grid, under a name of its own."""
    groups: dict[tuple[str, Grid], list[Frame]] = {}
    for frame in frames:
        groups.setdefault((frame.field, frame.grid), []).append(frame)
    named: dict[str, list[Frame]] = {}
    for (field, _), members in groups.items():
        named[free_name(label(field), named)] = members
    return named


def _read_header(path: Path) -> Frame:
    try:
        header = header_of(path)
        grid, body = grid_of(header), str(header.get(BODY, ""))
        frequency = f"{header['CRVAL3'] / 1e6:.0f} MHz" if header.get("CTYPE3") == "FREQ" else ""
        return Frame(
            path=path,
            field=str(header.get("OBJECT", "")),
            grid=replace(grid, longitude=0.0, latitude=0.0) if body else grid,
            begin=header["DATE-OBS"],
            time=_shown_time(header.get("DATE-AVG", header["DATE-OBS"])),
            details=" · ".join(filter(None, (str(header.get("TELESCOP", "")), frequency))),
            beam=beam_of(header),
            stokes=_planes(header),
            body=body,
        )
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{path}: not an image that FIP can show ({error})") from error


def _planes(header: fits.Header) -> tuple[str, ...]:
    """The names of the planes of its STOKES axis, the fourth."""
    if header.get("NAXIS4") is None or header.get("CTYPE4", "").strip() != "STOKES":
        return ("I",)
    names = {code: name for name, code in STOKES_CODES.items()}
    codes = (round(header["CRVAL4"] + number * header["CDELT4"]) for number in range(header["NAXIS4"]))
    return tuple(names.get(code, str(code)) for code in codes)


def _read_pixels(frame: Frame, shown: Shown, window: Window) -> tuple[NDArray[np.floating], int]:
    """What is shown of an image [y, x] in Jy/beam, no larger than that; and its block size."""
    if shown.stokes and shown.stokes not in frame.stokes:
        raise UsageError(f"--stokes {shown.stokes}: {frame.path.name} has {', '.join(frame.stokes)}")
    plane = frame.stokes.index(shown.stokes) if shown.stokes else 0
    rows = slice(window.bottom, window.bottom + window.height)
    columns = slice(window.left, window.left + window.width)
    try:
        with frame.path.open("rb") as file, warnings.catch_warnings(category=AstropyUserWarning, action="ignore"):
            image = image_hdu(fits.open(file, memmap=False))
            first = (plane, 0)[: image.header["NAXIS"] - 2]
            pixels = image.section[(*first, rows, columns)]
    except (OSError, ValueError, TypeError, IndexError) as error:
        raise UsageError(f"{frame.path}: its pixels cannot be read ({error})") from error
    return shrink(np.asarray(pixels, np.float32), LARGEST)


def _shown_time(date: str) -> str:
    """Format a time as 2026-03-01 20:00:04.000 UTC."""
    day, _, clock = date.partition("T")
    seconds, _, fraction = clock.partition(".")
    return f"{day} {seconds}.{fraction[:3]:0<3} UTC"
