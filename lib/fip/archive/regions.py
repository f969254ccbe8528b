"""A part of an image as people ask for it: pixels, or so much of the sky about a place."""

import re
from dataclasses import dataclass
from typing import TypeAlias

from fip.archive.lightcurve import Offset, parse_position, pixel_of
from fip.archive.views import Window
from fip.data.directions import Direction
from fip.data.errors import UsageError
from fip.data.quantities import parse_angle
from fip.data.values import Grid

_PIXELS = re.compile(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels from 0, the last ones left out; what is beyond the image counts for nothing."""

    left: int
    bottom: int
    right: int
    top: int


@dataclass(frozen=True, slots=True)
class Around:
    """A square about a place."""

    place: Direction | Offset
    side: float  # rad


Region: TypeAlias = Box | Around


def parse_region(text: str) -> Region:
    """`100,80,200,180` (X0,Y0,X1,Y1), or `05h31m58.7s +33d08m52s,2arcmin` (CENTRE,SIDE); ValueError for anything else.

    The centre may be an offset, as `offset 90arcsec -60arcsec,2arcmin`.
    """
    if found := _PIXELS.fullmatch(text):
        box = Box(*map(int, found.groups()))
        if box.left >= box.right or box.bottom >= box.top:
            raise ValueError(f"'{text}' holds no pixel: X0,Y0,X1,Y1 count from 0, and X1 and Y1 are left out")
        return box
    place, comma, side = text.rpartition(",")
    if not comma:
        raise ValueError(f"'{text}' is no region, as 100,80,200,180 (pixels) or '05h31m58.7s +33d08m52s,2arcmin'")
    return Around(parse_position(place), parse_angle(side))


def window_of(grid: Grid, region: Region | None) -> Window:
    """The pixels of a region, all of them without one. UsageError if an image holds none of it."""
    if region is None:
        return Window(0, 0, grid.width, grid.height)
    if isinstance(region, Around):
        x, y = pixel_of(grid, region.place)
        half = round(region.side / grid.scale) // 2
        region = Box(x - half, y - half, x + half + 1, y + half + 1)
    left, bottom = max(region.left, 0), max(region.bottom, 0)
    right, top = min(region.right, grid.width), min(region.top, grid.height)
    if left >= right or bottom >= top:
        raise UsageError(f"the region holds no pixel of the images: they have {grid.width}x{grid.height}")
    return Window(left, bottom, right - left, top - bottom)
