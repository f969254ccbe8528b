"""Pixels to directions and back in the SIN projection, and the lines of equal coordinates through a field."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC
from fip.data.values import Grid

Array = NDArray[np.float64]

SECOND_OF_TIME = 15 * ARCSEC
SEXAGESIMAL_STEPS = [unit * number for unit in (1, 60, 3600) for number in (1, 2, 5, 10, 20, 30)]
HOUR_STEPS = [*SEXAGESIMAL_STEPS[:12], 3600, 2 * 3600, 3 * 3600, 6 * 3600]
DEGREES = "°'\""
MOST_LINES = 5  # of one kind, about
POINTS = 181  # of a line


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line of equal longitude (a meridian) or latitude in pixels counted from 0; NaN where it cannot be seen."""

    meridian: bool
    text: str
    x: Array
    y: Array


def pixel_at(grid: Grid, longitude: Array, latitude: Array) -> tuple[Array, Array]:
    """Pixels x, y, counted from 0, of directions in rad; NaN behind the horizon (Calabretta & Greisen 2002, 5.1.5)."""
    turned = longitude - grid.longitude
    sin0, cos0 = math.sin(grid.latitude), math.cos(grid.latitude)
    east = np.cos(latitude) * np.sin(turned)
    north = np.sin(latitude) * cos0 - np.cos(latitude) * sin0 * np.cos(turned)
    towards = np.sin(latitude) * sin0 + np.cos(latitude) * cos0 * np.cos(turned)
    seen = np.where(towards > 0, 1.0, np.nan)
    return grid.width / 2 - seen * east / grid.scale, grid.height / 2 + seen * north / grid.scale


def direction_at(grid: Grid, x: Array, y: Array) -> tuple[Array, Array]:
    """Longitude within half a turn of the centre's, and latitude, in rad, of pixels; NaN beyond the horizon."""
    east, north = (grid.width / 2 - x) * grid.scale, (y - grid.height / 2) * grid.scale
    beyond = 1.0 - east**2 - north**2
    towards = np.sqrt(np.where(beyond > 0, beyond, np.nan))
    sin0, cos0 = math.sin(grid.latitude), math.cos(grid.latitude)
    turned = np.arctan2(east, towards * cos0 - north * sin0)
    return grid.longitude + turned, np.arcsin(north * cos0 + towards * sin0)


def graticule(grid: Grid) -> Iterator[Line]:
    """Some five meridians and five parallels through the field, at round values."""
    edges = np.linspace(-0.5, grid.width - 0.5, 81), np.linspace(-0.5, grid.height - 0.5, 81)
    longitude, latitude = direction_at(grid, *np.meshgrid(*edges))
    west, east = float(np.nanmin(longitude)), float(np.nanmax(longitude))
    south, north = float(np.nanmin(latitude)), float(np.nanmax(latitude))
    hours = grid.frame != "GALACTIC"
    unit = SECOND_OF_TIME if hours else ARCSEC
    along = np.linspace(*_beyond(south, north, np.pi / 2), POINTS)
    step = _step((east - west) / unit, HOUR_STEPS if hours else SEXAGESIMAL_STEPS)
    for value in _multiples(west / unit, east / unit, step):
        text = _sexagesimal(value, step, "hms" if hours else DEGREES, 24 if hours else 360)
        yield Line(True, text, *pixel_at(grid, np.full(POINTS, value * unit), along))
    along = np.linspace(*_beyond(west, east, np.inf), POINTS)
    step = _step((north - south) / ARCSEC, SEXAGESIMAL_STEPS)
    for value in _multiples(south / ARCSEC, north / ARCSEC, step):
        text = ("-" if value < 0 else "+") + _sexagesimal(abs(value), step, DEGREES, 360)
        yield Line(False, text, *pixel_at(grid, along, np.full(POINTS, value * ARCSEC)))


def round_angle(largest: float) -> tuple[float, str]:
    """The largest round angle in rad up to `largest`, and its name, as 5' or 20"."""
    seconds = max((step for step in SEXAGESIMAL_STEPS if step * ARCSEC <= largest), default=SEXAGESIMAL_STEPS[0])
    size, mark = next((size, mark) for size, mark in zip((3600, 60, 1), DEGREES, strict=True) if seconds >= size)
    return seconds * ARCSEC, f"{seconds // size}{mark}"


def _beyond(low: float, high: float, limit: float) -> tuple[float, float]:
    """A range with a margin, so that lines cross the edge of the image and do not end on it."""
    margin = 0.05 * (high - low)
    return max(low - margin, -limit), min(high + margin, limit)


def _step(extent: float, steps: list[int]) -> int:
    """The finest of the steps that divides an extent, both in seconds, into no more than a few parts."""
    return next((step for step in steps if extent / step <= MOST_LINES), steps[-1])


def _multiples(low: float, high: float, step: int) -> Iterator[int]:
    return (number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1))


def _sexagesimal(seconds: int, step: int, marks: str, circle: int) -> str:
    """As 12h30m, with these marks and below `circle`, as far as multiples of a step differ."""
    minutes, second = divmod(seconds % (circle * 3600), 60)
    texts = [f"{number:02d}{mark}" for number, mark in zip((*divmod(minutes, 60), second), marks, strict=True)]
    return "".join(texts[: 1 if step >= 3600 else 2 if step >= 60 else 3])
