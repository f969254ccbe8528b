"""An image as an astronomer shows it: coordinates, colour bar, beam, scale bar, name and time."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fip.archive.render import Stretch, brightness_unit, colour_bar, colours
from fip.data.values import Beam, Grid
from fip.fits.sky import Array, Line, graticule, round_angle

BACKGROUND = (13, 15, 20)
TEXT = (236, 238, 242)
MUTED = (150, 156, 168)
ACCENT = (255, 176, 59)
LINES = (255, 255, 255, 46)
SMALLEST, LARGEST = 640, 1080  # pixels of the longer side of the image shown
SMOOTH = 3  # lines are drawn this many times larger and averaged

AXES = {
    "FK5": ("Right ascension (J2000)", "Declination (J2000)"),
    "ICRS": ("Right ascension (ICRS)", "Declination (ICRS)"),
    "FK4": ("Right ascension (B1950)", "Declination (B1950)"),
    "GALACTIC": ("Galactic longitude", "Galactic latitude"),
}

Place = tuple[float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Caption:
    """What a frame says in words."""

    name: str  # what is seen
    details: str  # telescope, frequency, Stokes
    time: str
    number: int  # of the frame, from 1
    count: int  # of frames


class Figure:
    """Draws the images of one grid; all that does not change from one to the next is drawn once.

    `shape` is the height and width of the images to draw, which may be shrunk: `block` pixels of the grid to one
    of theirs, those beyond the last whole block left out.
    """

    def __init__(self, grid: Grid, shape: tuple[int, int], block: int, stretch: Stretch) -> None:
        self._grid, self._block, self._stretch = grid, block, stretch
        self._zoom = max(1, round(SMALLEST / max(shape)))
        self._height, self._width = shape[0] * self._zoom, shape[1] * self._zoom
        self._unit = max(13, min(22, round(max(self._height, self._width) / 52)))
        self._left, self._top = round(5.4 * self._unit), round(4.0 * self._unit)
        right, bottom = round(7.6 * self._unit), round(4.4 * self._unit)
        size = (_even(self._left + self._width + right), _even(self._top + self._height + bottom))
        self._background = Image.new("RGB", size, BACKGROUND)
        self._draw_colour_bar()
        self._name_axes()
        self._overlay = self._draw_overlay()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame in pixels, both even."""
        return self._background.size

    @property
    def image_box(self) -> tuple[int, int, int, int]:
        """Where in a frame the image lies: left, top, right, bottom, the latter two excluded."""
        return self._left, self._top, self._left + self._width, self._top + self._height

    def draw(self, pixels: NDArray[np.floating], beam: Beam | None, caption: Caption) -> Image.Image:
        """The frame of an image [y, x] in Jy/beam; NaN is grey."""
        frame = self._background.copy()
        sky = Image.fromarray(colours(pixels, self._stretch))
        if self._zoom > 1:
            method = Image.Resampling.BICUBIC if np.isfinite(pixels).all() else Image.Resampling.NEAREST
            sky = sky.resize((self._width, self._height), method)
        sky.paste(self._overlay, (0, 0), self._overlay)
        if beam is not None:
            self._draw_beam(sky, beam)
        frame.paste(sky, (self._left, self._top))
        brush = ImageDraw.Draw(frame)
        if not np.isfinite(pixels).any():
            centre = (self._left + self._width / 2, self._top + self._height / 2)
            brush.text(centre, "no data", TEXT, _font(2 * self._unit), anchor="mm")
        self._write_caption(brush, caption)
        return frame

    def _write_caption(self, brush: ImageDraw.ImageDraw, caption: Caption) -> None:
        unit, left, right = self._unit, self._left, self._left + self._width
        line = self._top - round(1.5 * unit)
        large, small = _font(1.45 * unit), _font(0.95 * unit)
        time_begins = right - brush.textlength(caption.time, large)
        name = _shortened(brush, caption.name, large, time_begins - left - unit)
        brush.text((left, line), name, TEXT, large, anchor="ls")
        brush.text((right, line), caption.time, TEXT, large, anchor="rs")
        beside = left + brush.textlength(name, large) + unit
        details = _shortened(brush, caption.details, small, time_begins - beside - unit)
        brush.text((beside, line), details, MUTED, small, anchor="ls")
        brush.text((right, self.size[1] - unit), f"{caption.number} / {caption.count}", MUTED, small, anchor="rs")
        track = self._top - round(0.8 * unit)
        brush.line([(left, track), (right - 1, track)], (44, 48, 58), 3)
        share = caption.number / caption.count
        brush.line([(left, track), (left + round(share * (self._width - 1)), track)], ACCENT, 3)

    def _draw_colour_bar(self) -> None:
        unit, brush = self._unit, ImageDraw.Draw(self._background)
        left, font = self._left + self._width + round(1.1 * unit), _font(0.95 * unit)
        width = round(1.1 * unit)
        self._background.paste(Image.fromarray(colour_bar(self._height, width)), (left, self._top))
        name, factor = brightness_unit(self._stretch)
        for value in self._stretch.ticks(1.9 * unit / self._height):
            share = float(self._stretch.apply(np.array([value]))[0])
            y = self._top + (1.0 - share) * (self._height - 1)
            brush.line([(left + width, y), (left + width + 5, y)], MUTED)
            brush.text((left + width + 9, y), f"{value / factor:g}", TEXT, font, anchor="lm")
        below = self._top + self._height + round(0.6 * unit)
        brush.text((left, below), name.replace("µ", "u"), MUTED, font, anchor="la")

    def _draw_overlay(self) -> Image.Image:
        """Grid lines and scale bar, transparent elsewhere; coordinates go onto the background, beside the image."""
        large = Image.new("RGBA", (self._width * SMOOTH, self._height * SMOOTH))
        brush = ImageDraw.Draw(large)
        taken: set[Place] = set()
        for line in graticule(self._grid):
            x = (line.x + 0.5) / self._block * self._zoom
            y = self._height - (line.y + 0.5) / self._block * self._zoom
            for piece in _pieces(np.stack([x, y], axis=1) * SMOOTH):
                brush.line([(float(x), float(y)) for x, y in piece], LINES, SMOOTH)
            self._label(line, x, y, brush, taken)
        overlay = large.resize((self._width, self._height), Image.Resampling.BOX)
        self._draw_scale_bar(ImageDraw.Draw(overlay))
        return overlay

    def _label(self, line: Line, x: Array, y: Array, inside: ImageDraw.ImageDraw, taken: set[Place]) -> None:
        """Write a line's coordinate where it leaves the image, below it or at its left, unless there is no room.

        A line that does not leave it there, as in an image of the whole sky, is named inside, half way.
        """
        unit, font = self._unit, _font(0.95 * self._unit)
        edge = _crossing(y, x, self._height) if line.meridian else _crossing(x, y, 0.0)
        if math.isnan(edge):
            middle = (_crossing(y, x, self._height / 2), self._height / 2)
            if not line.meridian:
                middle = (self._width / 2, _crossing(x, y, self._width / 2))
            place = (middle[0] + 0.3 * unit, middle[1] - 0.2 * unit)
            inside_it = 0 <= middle[0] <= self._width and 0 <= middle[1] <= self._height
            if inside_it and _far(place, taken, unit):
                large = (place[0] * SMOOTH, place[1] * SMOOTH)
                inside.text(large, line.text, (255, 255, 255, 190), _font(0.85 * unit * SMOOTH), anchor="ls")
                taken.add(place)
            return
        place = (edge, self._height + 0.5 * unit) if line.meridian else (-0.5 * unit, edge)
        if 0 <= edge <= (self._width if line.meridian else self._height) and _far(place, taken, unit):
            on_frame = (self._left + place[0], self._top + place[1])
            anchor = "ma" if line.meridian else "rm"
            ImageDraw.Draw(self._background).text(on_frame, line.text, TEXT, font, anchor=anchor)
            taken.add(place)

    def _name_axes(self) -> None:
        unit, font = self._unit, _font(0.95 * self._unit)
        brush = ImageDraw.Draw(self._background)
        longitude, latitude = AXES[self._grid.frame]
        below = self._top + self._height + round(2.3 * unit)
        brush.text((self._left + self._width / 2, below), longitude, MUTED, font, anchor="ma")
        length = round(brush.textlength(latitude, font))
        sideways = Image.new("RGB", (length + 2, 2 * unit), BACKGROUND)
        ImageDraw.Draw(sideways).text((0, unit), latitude, MUTED, font, anchor="lm")
        turned = sideways.rotate(90, expand=True)
        self._background.paste(turned, (round(0.2 * unit), self._top + (self._height - length) // 2))

    def _draw_scale_bar(self, brush: ImageDraw.ImageDraw) -> None:
        shown = self._grid.scale * self._block / self._zoom
        angle, name = round_angle(self._width * shown / 5)
        length, unit = angle / shown, self._unit
        right, y = self._width - 1.2 * unit, self._height - 1.2 * unit
        for offset, colour in ((1, (0, 0, 0, 160)), (0, (255, 255, 255, 230))):
            brush.line([(right - length + offset, y + offset), (right + offset, y + offset)], colour, 2)
            for end in (right - length, right):
                brush.line([(end + offset, y - 4 + offset), (end + offset, y + 4 + offset)], colour, 2)
            place = (right - length / 2 + offset, y - 0.5 * unit + offset)
            brush.text(place, name, colour, _font(unit), anchor="ms")

    def _draw_beam(self, sky: Image.Image, beam: Beam) -> None:
        """The restoring beam, filled, in the lower left corner; its major axis lies at an angle from north to east."""
        shown = self._grid.scale * self._block / self._zoom
        major, minor = max(beam.major / shown, 3.0), max(beam.minor / shown, 3.0)
        side = math.ceil(major + self._unit)
        if side > min(self._width, self._height) / 2:
            return
        patch = Image.new("L", (side * SMOOTH, side * SMOOTH))
        turn = np.linspace(0.0, 2 * np.pi, 90)
        along, across = major / 2 * np.cos(turn), minor / 2 * np.sin(turn)
        x = side / 2 - along * math.sin(beam.angle) + across * math.cos(beam.angle)
        y = side / 2 - along * math.cos(beam.angle) - across * math.sin(beam.angle)
        outline = [(float(x) * SMOOTH, float(y) * SMOOTH) for x, y in zip(x, y, strict=True)]
        ImageDraw.Draw(patch).polygon(outline, 255)
        corner = (round(0.7 * self._unit), self._height - side - round(0.7 * self._unit))
        sky.paste(BACKGROUND, (corner[0], corner[1], corner[0] + side, corner[1] + side))
        ImageDraw.Draw(sky).rectangle((*corner, corner[0] + side, corner[1] + side), outline=MUTED)
        sky.paste(TEXT, corner, patch.resize((side, side), Image.Resampling.BOX))


def _far(place: Place, taken: set[Place], unit: float) -> bool:
    """Whether a label there meets none of those written."""
    return all(abs(place[0] - x) > 6 * unit or abs(place[1] - y) > 2 * unit for x, y in taken)


def _crossing(level_of: Array, value: Array, level: float) -> float:
    """The value where a line first crosses a level, NaN where it never does."""
    above = level_of > level
    crosses = (above[1:] != above[:-1]) & np.isfinite(level_of[1:]) & np.isfinite(level_of[:-1])
    if not crosses.any():
        return math.nan
    k = int(np.argmax(crosses))
    share = (level - level_of[k]) / (level_of[k + 1] - level_of[k])
    return float(value[k] + share * (value[k + 1] - value[k]))


def _pieces(points: Array) -> list[Array]:
    """The finite stretches of a line [point, 2]."""
    finite = np.isfinite(points).all(axis=1)
    breaks = np.flatnonzero(np.diff(finite)) + 1
    return [piece for piece in np.split(points, breaks) if len(piece) > 1 and np.isfinite(piece).all()]


def _shortened(brush: ImageDraw.ImageDraw, text: str, font: Font, width: float) -> str:
    """As much of a text as fits."""
    if brush.textlength(text, font) <= width:
        return text
    while text and brush.textlength(f"{text}…", font) > width:
        text = text[:-1]
    return f"{text}…" if text else ""


def _even(size: int) -> int:
    return size + size % 2


@cache
def _font(size: float) -> Font:
    """Pillow's own font: it lacks Greek letters, primes and the minus sign."""
    return ImageFont.load_default(round(size))
