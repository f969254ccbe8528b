"""`fip lightcurve`: how bright places were, from a directory's images. Only the pixels at these places are read."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.coordinates import FK4, FK5, ICRS, Galactic, SkyCoord
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.data.directions import Direction, Frame, parse_direction, shown
from fip.data.errors import UsageError
from fip.data.quantities import ARCSEC, parse_angle
from fip.data.values import Band, Beam, Grid
from fip.fits.planes import Planes
from fip.fits.sky import wcs_of
from fip.search.curvature import from_moments
from fip.search.forced import REACH, Core, core_of, noise_around, weighted, weights_at
from fip.search.words import beam_matrix

_FRAMES = {"FK5": FK5(equinox="J2000"), "ICRS": ICRS(), "FK4": FK4(equinox="B1950"), "GALACTIC": Galactic()}
_UNFITTED = 4.0  # pixels of a beam that is not known, as of an image without data

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in one band of one image."""

    entry: Entry
    x: float  # pixel, from 0
    y: float
    flux: Floats  # [stokes] Jy/beam, forced (`fip.search.forced`), apparent
    error: Floats  # [stokes] Jy/beam, by 1.4826 x the median absolute deviation of the pixels around it
    channel: int = 0  # 0 for the whole band, 1 + k for output channel k
    band: Band | None = None  # its weighted mean frequency, and its width
    beam: Beam | None = None  # of that band


@dataclass(frozen=True, slots=True)
class Offset:
    """A place in the plane of the images, from their middle: of a body that they follow it is always the same one."""

    east: float  # rad
    north: float  # rad


@dataclass(frozen=True, slots=True)
class Named:
    """A place with a name, as a list has it."""

    name: str
    place: Direction | Offset


@dataclass(frozen=True, slots=True)
class LightCurve:
    """A place in all images that show it, earliest first."""

    direction: Direction | Offset
    stokes: tuple[str, ...]
    points: tuple[Point, ...]
    name: str = ""


def light_curve(
    directory: Path, position: str | Direction | Offset, stokes: tuple[str, ...] | None = None, apart: bool = False
) -> LightCurve:
    """The light curve of a position in the planes asked for, or all; `parse_direction` says how one is written.

    "offset 120arcsec -30arcsec" is so far east and north of the middle of each image. The output channels have points
    of their own if they are wanted `apart`.

    UsageError if the position cannot be read, if no image shows it, if a plane is not there, or no image is.
    """
    try:
        place = parse_position(position) if isinstance(position, str) else position
    except ValueError as error:
        raise UsageError(str(error)) from None
    return light_curves(directory, [Named("", place)], stokes, apart)[0]


def light_curves(
    directory: Path, places: Sequence[Named], stokes: tuple[str, ...] | None = None, apart: bool = False
) -> list[LightCurve]:
    """Those of several places, each image read once. UsageError as `light_curve`, and names the place."""
    entries = stored_entries(directory)
    first = Planes.open(directory / entries[0].file)
    stokes = stokes or first.layout.stokes
    points: list[list[Point]] = [[] for _ in places]
    misses = [Counter[str]() for _ in places]
    for entry in entries:
        image = Planes.open(directory / entry.file, apart)
        planes = [_plane_number(image, name) for name in stokes]
        for each, found, missed in zip(places, points, misses, strict=True):
            try:
                x, y = place_of(image.layout.grid, each.place)
            except UsageError as error:
                missed[str(error)] += 1
            else:
                found += read_points(image, entry, x, y, planes)
    curves = []
    for each, found, missed in zip(places, points, misses, strict=True):
        if not found:
            name = f"{each.name}: " if each.name else ""
            raise UsageError(f"{directory}: {name}{missed.most_common(1)[0][0]}")
        place = each.place
        if isinstance(place, Direction):
            place = in_frame_of(place, first.layout.grid.frame)
        curves.append(LightCurve(place, stokes, tuple(found), each.name))
    return curves


def stored_entries(directory: Path) -> list[Entry]:
    """Return the ledger's images, earliest first. UsageError if there is no ledger, or no image in it."""
    if not (directory / LEDGER).is_file():
        raise UsageError(f"{directory}: no {LEDGER} in it; give the folder that `fip run` stored images in")
    with closing(Ledger(directory, read_only=True)) as ledger:
        entries = list(ledger.entries())
    if not entries:
        raise UsageError(f"{directory}: no image is stored in it yet")
    return entries


def read_points(image: Planes, entry: Entry, x: float, y: float, planes: Iterable[int]) -> list[Point]:
    """Flux and error at a place in each band of an image; NaN in an empty image."""
    numbers, points, bottom = list(planes), [], max(math.floor(y + 0.5) - REACH, 0)
    for channel, (band, core) in enumerate(zip(image.bands, cores_of(image), strict=True)):
        flux, error = [], []
        for number in numbers:
            pixels = image.rows(bottom, bottom + 2 * REACH + 1, number, channel)
            weights = weights_at(core, x, y - bottom, pixels)
            flux.append(weighted(pixels, weights))
            error.append(noise_around(pixels, x, y - bottom, core) * weights.spread if weights else math.nan)
        points.append(Point(entry, x, y, np.array(flux), np.array(error), channel, band.band, band.beam))
    return points


def cores_of(image: Planes) -> list[Core]:
    """What a point source looks like near its peak, in each band."""
    scale, whole = image.layout.grid.scale, image.bands[0]
    cores = []
    for each in image.bands:
        beam = each.beam or whole.beam
        matrix = beam_matrix(beam or Beam(_UNFITTED * scale, _UNFITTED * scale, 0.0), scale)
        curvature = None
        if image.moments and beam:
            ratio = each.band.centre / whole.band.centre
            uu, uv, vv = (moment * ratio**2 for moment in (image.moments.uu, image.moments.uv, image.moments.vv))
            curvature = from_moments(uu, uv, vv, scale)
        cores.append(core_of(matrix, curvature))
    return cores


def pixel_of(grid: Grid, direction: Direction | Offset) -> tuple[int, int]:
    """Return the pixel (x, y), counted from 0, of a direction or an offset. UsageError if no pixel is there."""
    x, y = place_of(grid, direction)
    return round(x), round(y)


def place_of(grid: Grid, direction: Direction | Offset) -> tuple[float, float]:
    """Return the place of a direction or an offset, pixels (x, y) from 0. UsageError if it is outside of the images."""
    if isinstance(direction, Offset):
        x, y = grid.width / 2 - direction.east / grid.scale, grid.height / 2 + direction.north / grid.scale
        return _inside(grid, x, y, told(direction))
    there = in_frame_of(direction, grid.frame)
    x, y = map(float, wcs_of(grid).wcs_world2pix(math.degrees(there.longitude), math.degrees(there.latitude), 0))
    if math.isnan(x):
        raise UsageError(f"{shown(there)} is beyond the horizon of the images, 90 degrees from their centre")
    return _inside(grid, x, y, shown(there))


def _inside(grid: Grid, x: float, y: float, what: str) -> tuple[float, float]:
    column, row = round(x), round(y)
    if not (0 <= column < grid.width and 0 <= row < grid.height):
        raise UsageError(
            f"{what} is outside of the images: pixel ({x:.0f}, {y:.0f}) of {grid.width}x{grid.height} "
            f"about {shown(Direction(grid.longitude, grid.latitude, grid.frame))}"
        )
    return x, y


def parse_position(text: str) -> Direction | Offset:
    """A direction, or an offset as `offset 120arcsec -30arcsec`; ValueError for anything else."""
    words = text.replace(",", " ").split()
    if words[:1] != ["offset"]:
        return parse_direction(text)
    if len(words) != 3:
        raise ValueError(f"'{text}' is not an offset, as offset 120arcsec -30arcsec: east and north")
    east, north = (parse_angle(each.lstrip("+-")) * (-1 if each.startswith("-") else 1) for each in words[1:])
    return Offset(east, north)


def told(place: Direction | Offset) -> str:
    if isinstance(place, Direction):
        return shown(place)
    east, north = (f"{each / ARCSEC:.10g}arcsec" for each in (place.east, place.north))
    return f"offset {east} east, {north} north"


def in_frame_of(direction: Direction, frame: Frame) -> Direction:
    """Convert a direction to another frame. If it has no frame, it is already in this one. B1950: no proper motion."""
    if direction.frame in (None, frame):
        return Direction(direction.longitude, direction.latitude, frame)
    place = SkyCoord(direction.longitude, direction.latitude, unit="rad", frame=_FRAMES[direction.frame])
    there = place.transform_to(_FRAMES[frame]).spherical
    return Direction(float(there.lon.rad), float(there.lat.rad), frame)


def _plane_number(image: Planes, name: str) -> int:
    if name not in image.layout.stokes:
        raise UsageError(f"--stokes {name}: {image.path.name} has {', '.join(image.layout.stokes)}")
    return image.layout.stokes.index(name)
