"""An image as an astronomer shows it: coordinates, colour bar, beam, scale bar, name and time."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib.style
import numpy as np
from astropy import units
from astropy.visualization.wcsaxes import WCSAxes
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure as Drawing
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fip.archive.render import COLOUR_MAP, Stretch, brightness_unit, coloured, round_values
from fip.data.quantities import ARCSEC
from fip.data.values import Beam, Grid
from fip.fits.header import printable
from fip.fits.sky import wcs_of

BACKGROUND, TRACK, ACCENT = "#0d0f14", "#2c303a", "#ffb03b"
TEXT, MUTED = "#eceef2", "#969ca8"
SMALLEST, LARGEST = 640, 1080  # pixels of the longer side of the image shown
ANGLES = {"°": 3600 * ARCSEC, "'": 60 * ARCSEC, '"': ARCSEC, " mas": 1e-3 * ARCSEC}
ROUND = (1, 2, 5, 10, 20, 30, 50, 100, 200, 500)
SMOOTH = 4  # a beam is drawn this many times larger and averaged
AXES = {
    "FK5": ("Right ascension (J2000)", "Declination (J2000)"),
    "ICRS": ("Right ascension (ICRS)", "Declination (ICRS)"),
    "FK4": ("Right ascension (B1950)", "Declination (B1950)"),
    "GALACTIC": ("Galactic longitude", "Galactic latitude"),
}


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

    `shape` is the height and width of the images to draw, which may be shrunk: each of their pixels is `block` pixels
    of the grid a side, and those beyond the last whole block are left out. `corner` is the pixel (x, y) of the grid
    that is their first. A grid that follows a `body` is centred on 0, and its axes say how far from the body a pixel
    is.
    """

    def __init__(
        self,
        grid: Grid,
        shape: tuple[int, int],
        block: int,
        stretch: Stretch,
        corner: tuple[int, int] = (0, 0),
        body: str = "",
    ) -> None:
        self._grid, self._block, self._stretch, self._corner, self._body = grid, block, stretch, corner, body
        self._zoom = max(1, round(SMALLEST / max(shape)))
        self._height, self._width = shape[0] * self._zoom, shape[1] * self._zoom
        self._scale = grid.scale * block / self._zoom  # rad of a pixel shown
        self._unit = max(13, min(22, round(max(self._height, self._width) / 52)))
        overlay, self._left, self._top = self._draw_all_but_pixels()
        self.size = overlay.size
        """Width and height of a frame in pixels, both even."""
        self.image_box = (self._left, self._top, self._left + self._width, self._top + self._height)
        """The place of the image in a frame: left, top, right, bottom, the latter two excluded."""
        self._background = Image.new("RGB", self.size, BACKGROUND)
        self._background.paste(overlay, mask=overlay)
        self._overlay = overlay.crop(self.image_box)

    def draw(self, pixels: NDArray[np.floating], beam: Beam | None, caption: Caption) -> Image.Image:
        """The frame of an image [y, x] in Jy/beam; NaN is grey."""
        frame = self._background.copy()
        sky = coloured(pixels, self._stretch)
        if self._zoom > 1:
            method = Image.Resampling.BICUBIC if np.isfinite(pixels).all() else Image.Resampling.NEAREST
            sky = sky.resize((self._width, self._height), method)
        sky.paste(self._overlay, mask=self._overlay)
        if beam is not None:
            self._draw_beam(sky, beam)
        if not np.isfinite(pixels).any():
            middle = (self._width / 2, self._height / 2)
            ImageDraw.Draw(sky).text(middle, "no data", TEXT, _font(2 * self._unit), anchor="mm")
        frame.paste(sky, (self._left, self._top))
        self._write_caption(ImageDraw.Draw(frame), caption)
        return frame

    def _draw_all_but_pixels(self) -> tuple[Image.Image, int, int]:
        """Return what is around and above the images, transparent elsewhere, and their upper left corner in it."""
        unit, room = self._unit, 14 * self._unit
        width, height = self._width + 2 * room, self._height + 2 * room
        share = np.array([room, room, self._width, self._height]) / (width, height, width, height)
        style = {"font.size": 0.9 * unit, "text.color": TEXT, "axes.labelcolor": MUTED, "axes.edgecolor": MUTED}
        style |= {f"{axis}tick.{name}": TEXT for axis in "xy" for name in ("color", "labelcolor")}
        with matplotlib.style.context(style, after_reset=True):
            drawing = Drawing((width / 72, height / 72), dpi=72, facecolor="none")
            self._draw_axes(drawing, share)
            beside = (float(share[0] + share[2] + unit / width), float(share[1]), unit / width, float(share[3]))
            self._draw_colour_bar(drawing, drawing.add_axes(beside))
            canvas = FigureCanvasAgg(drawing)
            canvas.draw()
        whole = Image.fromarray(np.asarray(canvas.buffer_rgba()))
        left, _, right, bottom = whole.getbbox() or (0, 0, *whole.size)
        left, top = left - unit // 2, room - 4 * unit
        width, height = (math.ceil(size / 2) * 2 for size in (right + unit // 2 - left, bottom + unit // 2 - top))
        return whole.crop((left, top, left + width, top + height)), room - left, room - top

    def _draw_axes(self, drawing: Drawing, place: NDArray[np.float64]) -> None:
        axes = WCSAxes(drawing, place, wcs=wcs_of(self._grid))
        drawing.add_axes(axes)
        axes.patch.set_visible(False)
        right, top = (side / self._zoom * self._block - 0.5 for side in (self._width, self._height))
        left, bottom = self._corner
        axes.set(xlim=(left - 0.5, left + right), ylim=(bottom - 0.5, bottom + top))
        axes.coords.grid(color="white", alpha=0.2, linewidth=1)
        names = AXES[self._grid.frame]
        if self._body:
            names = f"East of the centre of {self._body}", f"North of the centre of {self._body}"
            axes.coords[0].set_coord_type("longitude", coord_wrap=180 * units.deg)
            axes.coords[0].set_format_unit(units.deg)
        for coordinate, name, side in zip(axes.coords, names, "bl", strict=True):
            coordinate.set_axislabel(name)
            coordinate.set_axislabel_position(side)
            coordinate.set_ticklabel(exclude_overlapping=True)
            coordinate.set_ticklabel_position(side)
        radius = math.asin(min(self._scale * max(self._height, self._width) / 2, 1.0))
        if math.pi / 2 - abs(self._grid.latitude) < 2 * radius:
            self._label_inside(axes)
        length, name = round_angle(self._scale * self._width / 5)
        bar = AnchoredSizeBar(
            axes.transData, length / self._grid.scale, name, "lower right", borderpad=0.6, sep=4, frameon=False,
            color="white", size_vertical=2 * self._scale / self._grid.scale, label_top=True,
        )  # fmt: skip
        axes.add_artist(bar)

    def _label_inside(self, axes: WCSAxes) -> None:
        """Near a pole or the horizon few lines reach the edges of the image: name them along two lines inside."""
        longitude, latitude = axes.coords
        highest = math.pi / 2 - math.asin(min(self._scale * min(self._height, self._width) / 2, 1.0)) / 2
        latitude.add_tickable_gridline("parallel", min(max(self._grid.latitude, -highest), highest) * units.rad)
        longitude.add_tickable_gridline("meridian", self._grid.longitude * units.rad)
        for coordinate, line in ((longitude, "parallel"), (latitude, "meridian")):
            coordinate.set_ticklabel_position((line,))
            coordinate.set_ticks_position(())

    def _draw_colour_bar(self, drawing: Drawing, place: Axes) -> None:
        name, factor = brightness_unit(self._stretch.high)
        drawing.colorbar(
            ScalarMappable(self._stretch.norm, COLOUR_MAP),
            place,
            ticks=round_values(self._stretch, self._height // (4 * self._unit)),
            format=lambda value, _: f"{value / factor:g}",
            label=name,
        ).minorticks_off()

    def _draw_beam(self, sky: Image.Image, beam: Beam) -> None:
        """The restoring beam, filled, in the lower left corner; its major axis lies at an angle from north to east."""
        major, minor = (max(axis / self._scale, 3.0) for axis in (beam.major, beam.minor))
        side = math.ceil(major + self._unit)
        if side > min(self._width, self._height) / 2:
            return
        patch = Image.new("L", (side * SMOOTH, side * SMOOTH))
        box = [SMOOTH / 2 * (side + sign * axis) for sign in (-1, 1) for axis in (minor, major)]
        ImageDraw.Draw(patch).ellipse(box, 255)
        patch = patch.rotate(math.degrees(beam.angle)).reduce(SMOOTH)
        left, top = self._unit // 2, self._height - side - self._unit // 2
        ImageDraw.Draw(sky).rectangle((left - 1, top - 1, left + side, top + side), BACKGROUND, MUTED)
        sky.paste(TEXT, (left, top), patch)

    def _write_caption(self, brush: ImageDraw.ImageDraw, caption: Caption) -> None:
        unit, left, right = self._unit, self._left, self.size[0] - self._unit
        track, width = self._top - 0.6 * unit, right - left
        large, small = _font(min(1.35 * unit, width / 26)), _font(0.9 * unit)
        name, room = printable(caption.name), width - brush.textlength(caption.time, large) - unit
        while name.strip("…") and brush.textlength(name, large) > room:
            name = name.rstrip("…")[:-1] + "…"
        brush.text((left, 1.7 * unit), name, TEXT, large, anchor="ls")
        brush.text((right, 1.7 * unit), caption.time, TEXT, large, anchor="rs")
        brush.text((left, track - 0.5 * unit), caption.details, MUTED, small, anchor="ls")
        brush.text((right, track - 0.5 * unit), f"{caption.number} / {caption.count}", MUTED, small, anchor="rs")
        for share, colour in ((1.0, TRACK), (caption.number / caption.count, ACCENT)):
            brush.line([(left, track), (left + share * width, track)], colour, 3)


def round_angle(largest: float) -> tuple[float, str]:
    """The largest round angle in rad up to `largest`, and its name, as 5' or 20"."""
    mark, size = next((each for each in ANGLES.items() if each[1] <= largest), (" µas", 1e-6 * ARCSEC))
    number = max((number for number in ROUND if number * size <= largest), default=1)
    return number * size, f"{number}{mark}"


@cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    """The same as that of the axes."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)
