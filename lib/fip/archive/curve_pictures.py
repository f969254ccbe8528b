"""Light curves and dynamic spectra as pictures (PNG), drawn alike for commands and for events."""

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fip.archive.figure import ACCENT, BACKGROUND, MUTED, TEXT, TRACK
from fip.archive.lightcurve import LightCurve, Point, told
from fip.archive.render import COLOUR_MAP, brightness_unit
from fip.data.quantities import SECONDS_PER_DAY

STYLE: dict[str, Any] = {
    "axes.edgecolor": MUTED, "axes.facecolor": BACKGROUND, "axes.formatter.useoffset": False, "axes.labelcolor": MUTED,
    "axes.titlecolor": TEXT, "axes.titlesize": 10, "date.converter": "concise", "figure.facecolor": BACKGROUND,
    "font.size": 9, "grid.color": TRACK, "text.color": TEXT, "text.parse_math": False, "xtick.color": MUTED,
    "xtick.labelcolor": TEXT, "ytick.color": MUTED, "ytick.labelcolor": TEXT,
}  # fmt: skip
UNIX_DAY = 40587.0
"""1970-01-01 in MJD, from which matplotlib counts days."""

Floats = NDArray[np.float64]


@matplotlib.style.context(STYLE, after_reset=True)
def dynamic_spectrum(curve: LightCurve) -> bytes:
    """Return a PNG: for each Stokes plane the light curve of the whole band, and below it those of output channels."""
    whole, apart = ([p for p in curve.points if bool(p.channel) is other] for other in (False, True))
    rows = len(curve.stokes)
    drawing = Figure((10, 1.0 + 4.2 * rows), dpi=100, layout="constrained")
    drawing.suptitle(" ".join(filter(None, (curve.name, told(curve.direction)))), fontsize=11)
    heights = [1, 1.6] * rows if apart else [1] * rows
    panels = drawing.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for number, name in enumerate(curve.stokes):
        draw_curve(panels[number * len(heights) // rows], whole, number, name)
        if apart:
            _draw_channels(drawing, panels[2 * number + 1], apart, number)
    panels[-1].set_xlabel("UTC", loc="left")
    return png(drawing)


def draw_curve(axes: Axes, points: Sequence[Point], number: int, name: str) -> None:
    """Flux of a Stokes plane against time, with its errors, and a line at 0."""
    times = days([(point.entry.begin + point.entry.end) / 2 for point in points])
    flux, error = (np.array([each[number] for each in values]) for values in _flux_and_error(points))
    unit, factor = brightness_unit(_largest(flux))
    axes.errorbar(times, flux / factor, error / factor, fmt="o", color=ACCENT, ecolor=MUTED, markersize=3, linewidth=1)
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    axes.grid(axis="y")
    axes.xaxis_date()
    axes.set_ylabel(f"{name}, {unit}")


def days(seconds: Sequence[float]) -> Floats:
    """Times (s UTC since MJD 0) as matplotlib counts them."""
    return np.array(seconds, float) / SECONDS_PER_DAY - UNIX_DAY


def png(drawing: Figure) -> bytes:
    """The bytes of a picture, the same ones each time."""
    FigureCanvasAgg(drawing)
    content = BytesIO()
    drawing.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _flux_and_error(points: Sequence[Point]) -> tuple[list[Floats], list[Floats]]:
    return [point.flux for point in points], [point.error for point in points]


def _draw_channels(drawing: Figure, axes: Axes, points: Sequence[Point], number: int) -> None:
    """Draw flux as colour, with time along and frequency up. It is blank if there is no image."""
    channels = sorted({point.channel for point in points}, key=lambda each: _centre(points, each))
    spans = sorted({(point.entry.begin, point.entry.end) for point in points})
    column = {span: 2 * at for at, span in enumerate(spans)}  # between two images is one that is blank
    values = np.full((len(channels), 2 * len(spans) - 1), np.nan)
    for point in points:
        values[channels.index(point.channel), column[point.entry.begin, point.entry.end]] = point.flux[number]
    edges = np.maximum.accumulate(days([edge for span in spans for edge in span]))
    unit, factor = brightness_unit(_largest(values))
    shown = axes.pcolormesh(edges, _edges(points, channels) / 1e6, values / factor, cmap=COLOUR_MAP)
    drawing.colorbar(shown, ax=axes, label=unit, pad=0.01)
    axes.set_ylabel("MHz")
    axes.xaxis_date()


def _centre(points: Sequence[Point], channel: int) -> float:
    """Median frequency of an output channel, Hz."""
    return float(np.median([point.band.centre for point in points if point.channel == channel and point.band]))


def _edges(points: Sequence[Point], channels: Sequence[int]) -> Floats:
    """Frequencies between which channels lie, Hz: halfway from one to the next."""
    centres = np.array([_centre(points, each) for each in channels])
    half = next(point.band.width for point in points if point.band) / 2
    between = (centres[1:] + centres[:-1]) / 2
    return np.array([centres[0] - half, *between, centres[-1] + half])


def _largest(values: Floats) -> float:
    known = np.abs(values[np.isfinite(values)])
    return float(known.max()) if known.size else math.nan
