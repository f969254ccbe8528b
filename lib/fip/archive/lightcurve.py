"""`fip lightcurve`: how bright a position was, from the images of a directory, of which only its pixels are read."""

import math
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from astropy.coordinates import FK4, FK5, ICRS, Galactic, SkyCoord
from astropy.table import QTable
from numpy.typing import NDArray

from fip.archive.entries import Entry
from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.archive.tables import JY_PER_BEAM, beam_columns, frequency_column, time_columns
from fip.data.directions import Direction, Frame, parse_direction, shown
from fip.data.errors import UsageError
from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.data.quantities import ARCSEC, parse_angle
from fip.data.values import Grid
from fip.fits.sky import wcs_of
from fip.fits.stored_image import StoredImage

NEIGHBOURHOOD = 20.0
"""The noise at a position is that of a square of so many beams: some 350 independent values, sigma good to 6 %."""

_NARROWEST, _WIDEST = 32, 256  # pixels, of that square
_FRAMES = {"FK5": FK5(equinox="J2000"), "ICRS": ICRS(), "FK4": FK4(equinox="B1950"), "GALACTIC": Galactic()}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """A position in one image."""

    entry: Entry
    x: int  # the pixel, counted from 0, that the position falls on
    y: int
    flux: Floats  # [stokes] Jy/beam, that pixel's value as stored
    error: Floats  # [stokes] Jy/beam, 1.4826 x the median absolute deviation of the pixels around it


@dataclass(frozen=True, slots=True)
class Offset:
    """A place in the plane of the images, from their middle: of a body that they follow it is always the same one."""

    east: float  # rad
    north: float  # rad


@dataclass(frozen=True, slots=True)
class LightCurve:
    """A position in all images that show it, earliest first."""

    direction: Direction | Offset
    stokes: tuple[str, ...]
    points: tuple[Point, ...]


def light_curve(
    directory: Path, position: str | Direction | Offset, stokes: tuple[str, ...] | None = None
) -> LightCurve:
    """The light curve of a position in the planes asked for, or all; `parse_direction` says how one is written.

    "offset 120arcsec -30arcsec" is so far east and north of the middle of each image.

    UsageError if the position cannot be read, if no image shows it, if a plane is not there, or no image is.
    """
    try:
        direction = _parsed(position) if isinstance(position, str) else position
    except ValueError as error:
        raise UsageError(str(error)) from None
    entries = stored_entries(directory)
    first = StoredImage.open(directory / entries[0].file)
    stokes = stokes or first.layout.stokes
    points, misses = [], Counter[str]()
    for entry in entries:
        image = StoredImage.open(directory / entry.file)
        planes = [_plane_number(image, name) for name in stokes]
        try:
            x, y = pixel_of(image.layout.grid, direction)
        except UsageError as error:
            misses[str(error)] += 1
        else:
            points.append(read_point(image, entry, x, y, planes))
    if not points:
        raise UsageError(f"{directory}: {misses.most_common(1)[0][0]}")
    if isinstance(direction, Direction):
        direction = in_frame_of(direction, first.layout.grid.frame)
    return LightCurve(direction, stokes, tuple(points))


def stored_entries(directory: Path) -> list[Entry]:
    """The ledger's images, earliest first. UsageError where there is no ledger, or no image in it."""
    if not (directory / LEDGER).is_file():
        raise UsageError(f"{directory}: no {LEDGER} in it; give the folder that `fip run` stored images in")
    with closing(Ledger(directory, read_only=True)) as ledger:
        entries = list(ledger.entries())
    if not entries:
        raise UsageError(f"{directory}: no image is stored in it yet")
    return entries


def read_point(image: StoredImage, entry: Entry, x: int, y: int, planes: Iterable[int]) -> Point:
    """Flux and error at pixel (x, y); NaN in an empty image."""
    side = NEIGHBOURHOOD * entry.beam.major / image.layout.grid.scale if entry.beam else _NARROWEST
    half = round(min(max(side, _NARROWEST), _WIDEST) / 2)
    around = slice(max(y - half, 0), y + half + 1), slice(max(x - half, 0), x + half + 1)
    shown = [image.plane(number) for number in planes]
    flux = np.array([float(plane[y, x]) for plane in shown])
    return Point(entry, x, y, flux, np.array([_noise(plane[around]) for plane in shown]))


def pixel_of(grid: Grid, direction: Direction | Offset) -> tuple[int, int]:
    """The pixel (x, y), counted from 0, that a direction or an offset falls on; UsageError where none does."""
    if isinstance(direction, Offset):
        x, y = grid.width / 2 - direction.east / grid.scale, grid.height / 2 + direction.north / grid.scale
        return _inside(grid, x, y, _told(direction))
    there = in_frame_of(direction, grid.frame)
    x, y = map(float, wcs_of(grid).wcs_world2pix(math.degrees(there.longitude), math.degrees(there.latitude), 0))
    if math.isnan(x):
        raise UsageError(f"{shown(there)} is beyond the horizon of the images, 90 degrees from their centre")
    return _inside(grid, x, y, shown(there))


def _inside(grid: Grid, x: float, y: float, what: str) -> tuple[int, int]:
    column, row = round(x), round(y)
    if not (0 <= column < grid.width and 0 <= row < grid.height):
        raise UsageError(
            f"{what} is outside of the images: pixel ({x:.0f}, {y:.0f}) of {grid.width}x{grid.height} "
            f"about {shown(Direction(grid.longitude, grid.latitude, grid.frame))}"
        )
    return column, row


def _parsed(text: str) -> Direction | Offset:
    """A direction, or an offset as `offset 120arcsec -30arcsec`; ValueError for anything else."""
    words = text.replace(",", " ").split()
    if words[:1] != ["offset"]:
        return parse_direction(text)
    if len(words) != 3:
        raise ValueError(f"'{text}' is not an offset, as offset 120arcsec -30arcsec: east and north")
    east, north = (parse_angle(each.lstrip("+-")) * (-1 if each.startswith("-") else 1) for each in words[1:])
    return Offset(east, north)


def _told(place: Direction | Offset) -> str:
    if isinstance(place, Direction):
        return shown(place)
    east, north = (f"{each / ARCSEC:.10g}arcsec" for each in (place.east, place.north))
    return f"offset {east} east, {north} north"


def in_frame_of(direction: Direction, frame: Frame) -> Direction:
    """The direction in another frame, of which it already is where it has none; B1950 without proper motion."""
    if direction.frame in (None, frame):
        return Direction(direction.longitude, direction.latitude, frame)
    place = SkyCoord(direction.longitude, direction.latitude, unit="rad", frame=_FRAMES[direction.frame])
    there = place.transform_to(_FRAMES[frame]).spherical
    return Direction(float(there.lon.rad), float(there.lat.rad), frame)


def curve_table(curve: LightCurve) -> QTable:
    """The light curve as a table: a row an image; times in UTC, fluxes and errors in Jy/beam."""
    entries = [point.entry for point in curve.points]
    table = QTable()
    fluxes = {}
    for number, name in enumerate(curve.stokes):
        fluxes[f"flux_{name}"] = [point.flux[number] for point in curve.points] * JY_PER_BEAM
        fluxes[f"error_{name}"] = [point.error[number] for point in curve.points] * JY_PER_BEAM
    columns = {**time_columns(entries), **fluxes, **beam_columns(entries), **frequency_column(entries)}
    for name, column in columns.items():
        table[name] = column
    table["quality"] = [entry.quality for entry in entries]
    table["x"] = [point.x for point in curve.points]
    table["y"] = [point.y for point in curve.points]
    table["file"] = [entry.file for entry in entries]
    table.meta["position"] = _told(curve.direction)
    table.meta["flux"] = "the value of the pixel (x, y), from 0, that the position falls on: apparent, no primary beam"
    table.meta["error"] = f"1.4826 x MAD of the pixels around, {NEIGHBOURHOOD:g} beams on a side"
    table.meta["frequency"] = "weighted mean of what was imaged: windows may take turns"
    table.meta["time"] = "UTC, middle of the exposure"
    return table


def ecsv(curve: LightCurve) -> str:
    """The light curve as an ECSV table, as `curve_table` has it."""
    text = StringIO()
    curve_table(curve).write(text, format="ascii.ecsv")
    return text.getvalue()


def _plane_number(image: StoredImage, name: str) -> int:
    if name not in image.layout.stokes:
        raise UsageError(f"--stokes {name}: {image.path.name} has {', '.join(image.layout.stokes)}")
    return image.layout.stokes.index(name)


def _noise(pixels: NDArray[np.floating]) -> float:
    finite = np.asarray(pixels[np.isfinite(pixels)], np.float64)
    if not finite.size:
        return math.nan
    return float(GAUSSIAN_RMS_PER_MAD * np.median(np.abs(finite - np.median(finite))))
