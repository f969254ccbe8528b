"""`fip movie`: the images of a directory as an MP4, and as PNGs."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
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
from fip.archive.render import choose_stretch
from fip.archive.shrink import shrink
from fip.data.errors import FipError, UsageError
from fip.data.names import free_name, label
from fip.data.values import Beam, Grid
from fip.fits.stored_image import beam_of, grid_of
from fip.imaging.statistics import image_statistics

ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox")  # all make H.264, which every browser plays
FRAME_RATE = 10  # images a second, as far as the limits below allow
SHORTEST, LONGEST = 4, 60  # s
FASTEST = 60  # images a second; longer series last longer
STRETCH_SAMPLE = 40  # images whose statistics set the stretch
COLOURS = 1  # ITU-R BT.709, in FFmpeg's numbering of colour spaces, primaries and transfers


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


def make_movie(
    directory: Path,
    output: Path | None = None,
    png: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Make an MP4 of a directory's images, first Stokes and channel, in time order; return what was written.

    Images of another field or grid make a movie of their own, FILE-FIELD.mp4. Without `output` the movie is
    DIR/movie.mp4. With `png`, a folder, each frame goes there too, named as its image. `progress` is told the frames
    done and their number. UsageError where there is no image, or one cannot be read.
    """
    if output is not None and output.suffix.lower() != ".mp4":
        raise UsageError(f"{output}: the movie is an MP4; a name as {output.stem}.mp4 would do")
    output = output or directory / "movie.mp4"
    for folder in (output.parent, png.parent if png else output.parent):
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder for the movie or the PNGs")
    series = _series(_frames(directory))
    if png is not None:
        png.mkdir(exist_ok=True)
    total = sum(len(frames) for frames in series.values())
    done = 0

    def pictures(frames: list[Frame]) -> Iterator[Image.Image]:
        nonlocal done
        for frame, picture in zip(frames, _drawn(frames), strict=True):
            yield picture
            if png is not None:
                picture.save(png / f"{frame.path.stem}.png", compress_level=1)
            done += 1
            if progress:
                progress(done, total)

    movies = []
    for name, frames in series.items():
        movies.append(output.with_stem(f"{output.stem}-{name}") if len(series) > 1 else output)
        _write_mp4(movies[-1], _rate(len(frames)), pictures(frames))
    return tuple(movies)


def _write_mp4(path: Path, rate: Fraction, pictures: Iterator[Image.Image]) -> None:
    """Make an MP4, under another name until it is whole, of one or more pictures of one size."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with av.open(str(partial), "w", format="mp4", options={"movflags": "faststart"}) as container:
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


def _drawn(frames: list[Frame]) -> Iterator[Image.Image]:
    """The frames of a series drawn one by one, all with one stretch."""
    sample = frames[:: math.ceil(len(frames) / STRETCH_SAMPLE)]
    statistics = (image_statistics(_read_pixels(frame)[0]) for frame in sample)
    stretch = choose_stretch([found for found in statistics if found is not None])
    figure: Figure | None = None
    for number, frame in enumerate(frames, 1):
        pixels, block = _read_pixels(frame)
        height, width = pixels.shape
        figure = figure or Figure(frame.grid, (height, width), block, stretch)
        name = frame.field or frame.path.stem
        yield figure.draw(pixels, frame.beam, Caption(name, frame.details, frame.time, number, len(frames)))


def _frames(directory: Path) -> list[Frame]:
    """The images of a directory, in the order of its list where it has one."""
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such folder; give the folder that `fip run` wrote its images to")
    listing = directory / IMAGE_LIST
    if listing.is_file():
        files = [directory / name for name in listing.read_text().split("\n") if name]
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
        with path.open("rb") as file:
            header = fits.Header.fromfile(file)
        frequency = f"{header['CRVAL3'] / 1e6:.0f} MHz" if header.get("CTYPE3") == "FREQ" else ""
        return Frame(
            path=path,
            field=str(header.get("OBJECT", "")),
            grid=grid_of(header),
            begin=header["DATE-OBS"],
            time=_shown_time(header.get("DATE-AVG", header["DATE-OBS"])),
            details=" · ".join(filter(None, (str(header.get("TELESCOP", "")), frequency))),
            beam=beam_of(header),
        )
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(f"{path}: not an image that FIP can show ({error})") from error


def _read_pixels(frame: Frame) -> tuple[NDArray[np.floating], int]:
    """The image [y, x] in Jy/beam, first Stokes and channel, no larger than is shown; and its block size."""
    try:
        with frame.path.open("rb") as file, warnings.catch_warnings(category=AstropyUserWarning, action="ignore"):
            image = fits.open(file, memmap=False)[0]
            plane = image.section[(0,) * (image.header["NAXIS"] - 2)]
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{frame.path}: its pixels cannot be read ({error})") from error
    return shrink(np.asarray(plane, np.float32), LARGEST)


def _shown_time(date: str) -> str:
    """2026-03-01 20:00:04.000 UTC."""
    day, _, clock = date.partition("T")
    seconds, _, fraction = clock.partition(".")
    return f"{day} {seconds}.{fraction[:3]:0<3} UTC"
