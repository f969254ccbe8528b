"""Plots as SVG text, for pages that need no script. Their colours come from the page's style sheet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fip.fits.header import printable

WIDTH, HEIGHT = 1000, 200
ROW = 18  # of a time line
NAMES = 150  # width of the names beside a time line
BLANK = 0.05  # of a pixel: what was done for less than that leaves it blank

STYLE: dict[str, Any] = {
    "axes.formatter.useoffset": False,
    "axes.labelsize": 11,
    "date.converter": "concise",
    "font.size": 11,
    "path.simplify_threshold": 1.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "fip",
    "text.parse_math": False,
    "xtick.major.pad": 6,
    "xtick.major.size": 0,
    "ytick.major.pad": 6,
    "ytick.major.size": 0,
    **{f"axes.spines.{side}": False for side in ("left", "right", "top", "bottom")},
}
PAGE = {"#010101": "var(--line)", "#020202": "var(--busy)", "#030303": "var(--card)"}
"""Colours drawn, and what they stand for in the style sheet."""

LINE, BUSY, CARD = PAGE
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time in which something of one kind was done."""

    begin: float  # s UTC, Unix, here and below
    end: float
    kind: str


@matplotlib.style.context(STYLE, after_reset=True)
def plot(times: Floats, values: Floats, unit: str, name: str) -> str:
    """Values against time (s UTC, Unix), ascending. Of more than there are pixels each column shows its extremes."""
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if not times.size:
        return f'<p class="note">{escape(name)}: no data</p>'
    drawing, axes = _axes(HEIGHT, 64, 24, float(times[0]), float(times[-1]))
    axes.plot(times / 86400, values, color=BUSY, linewidth=1.4, marker="o" if times.size == 1 else "", markersize=5)
    axes.margins(y=0.05)
    axes.grid(axis="y", color=LINE)
    axes.locator_params(axis="y", nbins=5)
    axes.set_title(unit, loc="left", x=-62 / 926, fontsize=11)
    label = f"{name}: {times.size} values between {values.min():.3g} and {values.max():.3g} {unit}"
    return _svg(drawing, label)


@matplotlib.style.context(STYLE, after_reset=True)
def time_lines(rows: Mapping[str, Sequence[Span]], colours: Mapping[str, str], name: str) -> str:
    """What each of `rows` did when, in the colour of its kind. A pixel shows what was done longest within it."""
    spans = [span for row in rows.values() for span in row]
    if not spans:
        return f'<p class="note">{escape(name)}: no data</p>'
    first, last = min(span.begin for span in spans), max(span.end for span in spans)
    drawing, axes = _axes(len(rows) * ROW + 44, NAMES, 4, first, last)
    begin, end = axes.get_xlim()
    edges = np.linspace(begin * 86400, end * 86400, WIDTH - NAMES - 9)
    blank = np.full(edges.size - 1, BLANK * (edges[1] - edges[0]))
    longest = [
        np.argmax([blank, *(_done([span for span in row if span.kind == kind], edges) for kind in colours)], axis=0)
        for row in rows.values()
    ]
    shown, box = ListedColormap(["none", *colours.values()]), (begin, end, len(rows) - 0.5, -0.5)
    axes.imshow(longest, shown, vmin=0, vmax=len(colours), extent=box, aspect="auto", interpolation="none")
    axes.hlines(np.arange(len(rows) + 1) - 0.5, begin, end, color=CARD, linewidth=5)
    axes.set_yticks(range(len(rows)), [printable(row[-24:]) for row in rows])
    return _svg(drawing, name)


def _done(spans: Sequence[Span], edges: Floats) -> Floats:
    """Return the seconds in each pixel: those since all that began by its edges, less those since all that ended."""
    until = np.zeros(edges.size)
    for sign, times in ((1, [span.begin for span in spans]), (-1, [span.end for span in spans])):
        ends = np.sort(times) - edges[0]
        earlier = np.searchsorted(ends, edges - edges[0])
        until += sign * (earlier * (edges - edges[0]) - np.concatenate([[0.0], np.cumsum(ends)])[earlier])
    return np.diff(until)


def _axes(height: int, left: int, top: int, first: float, last: float) -> tuple[Figure, Axes]:
    """Axes against time, UTC, of some width; `left` and above the axes is room for so many pixels."""
    if last - first < 0.05:
        first, last = first - 0.5, last + 0.5
    drawing = Figure((WIDTH / 72, height / 72), facecolor="none")
    axes = drawing.add_axes((left / WIDTH, 40 / height, (WIDTH - left - 10) / WIDTH, (height - top - 40) / height))
    axes.patch.set_visible(False)
    axes.set_xlim(first / 86400, last / 86400)
    axes.xaxis_date()
    axes.set_xlabel("UTC", loc="left")
    return drawing, axes


def _svg(drawing: Figure, label: str) -> str:
    """The drawing as part of a page, whose style sheet has the colours and the font."""
    text = StringIO()
    drawing.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn = text.getvalue()
    drawn = re.sub(
        r'font-(size|family): [^;]*; | transform="rotate\(-0 [^"]*"| id="\w+_\d+"', "", drawn[drawn.index("<g ") :]
    )
    for colour, name in PAGE.items():
        drawn = drawn.replace(colour, name)
    height = round(72 * drawing.get_figheight())
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{drawn}'
