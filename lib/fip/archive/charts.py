"""Plots as SVG text, for pages that need no script. Pure. Their colours come from the page's style sheet."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1000, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 10, 20, 24
ROW = 18  # of a time line
NAMES = 150  # width of the names beside a time line
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was done."""

    begin: float  # s UTC, Unix, here and below
    end: float
    kind: str  # a class of the style sheet


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round values from low to high, `count` of them at most, and one more."""
    raw = (high - low) / count
    ten = 10.0 ** math.floor(math.log10(raw))
    step = next(digit * ten for digit in (1, 2, 2.5, 5, 10) if digit * ten >= raw * 0.999)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def plot(times: Floats, values: Floats, unit: str, name: str) -> str:
    """Values against time (s UTC, Unix), ascending. Of more than there are pixels each column shows its extremes."""
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if not times.size:
        return f'<p class="note">{escape(name)}: no data</p>'
    first, last = _apart(float(times[0]), float(times[-1]))
    lowest, highest = float(values.min()), float(values.max())
    margin = 0.08 * (highest - lowest) or abs(highest) * 0.1 or 1.0
    low, high = lowest - margin, highest + margin
    x = LEFT + (times - first) / (last - first) * (WIDTH - LEFT - RIGHT)
    y = HEIGHT - BOTTOM - (values - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
    parts = [f'<text x="2" y="10">{escape(unit)}</text>']
    for tick in ticks(low, high, 5):
        place = HEIGHT - BOTTOM - (tick - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
    parts += _time_axis(first, last, LEFT, HEIGHT)
    parts.append(f'<path class="line" d="{_path(x, y)}"/>')
    if times.size == 1:
        parts.append(f'<circle class="dot" cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="3"/>')
    label = f"{name}: {times.size} values between {lowest:.3g} and {highest:.3g} {unit}"
    return _svg(HEIGHT, label, parts)


def time_lines(rows: Mapping[str, Sequence[Span]], name: str) -> str:
    """What each of `rows` did when. A pixel shows what was done longest within it."""
    spans = [span for row in rows.values() for span in row]
    if not spans:
        return f'<p class="note">{escape(name)}: no data</p>'
    first, last = _apart(min(span.begin for span in spans), max(span.end for span in spans))
    columns = WIDTH - NAMES - RIGHT
    parts = []
    for number, (row, done) in enumerate(rows.items()):
        top = 4 + number * ROW
        parts.append(f'<text x="0" y="{top + 11}">{escape(row[-24:])}</text>')
        for kind, begin, end in _runs(done, first, (last - first) / columns, columns):
            parts.append(
                f'<rect class="{kind}" x="{NAMES + begin}" y="{top}" width="{end - begin}" height="{ROW - 5}"/>'
            )
    height = 4 + len(rows) * ROW + BOTTOM
    return _svg(height, name, parts + _time_axis(first, last, NAMES, height))


def _runs(spans: Sequence[Span], first: float, pixel: float, columns: int) -> Iterator[tuple[str, int, int]]:
    """Neighbouring pixels of one kind: that kind, the first, and the one behind the last."""
    kinds = sorted({span.kind for span in spans})
    covered = np.zeros((len(kinds) + 1, columns))
    covered[-1] = 0.5  # of a pixel: what was done for less than that leaves it blank
    for span in spans:
        begin, end = (span.begin - first) / pixel, (span.end - first) / pixel
        here = np.arange(max(int(begin), 0), min(math.ceil(end), columns))
        share = np.minimum(end, here + 1) - np.maximum(begin, here)
        covered[kinds.index(span.kind), here] += np.maximum(share, 0.51 if here.size == 1 else 0.0)
    winner = covered.argmax(axis=0)
    edges = np.flatnonzero(np.diff(winner, prepend=-1, append=-1))
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if winner[begin] < len(kinds):
            yield kinds[winner[begin]], begin, end


def _path(x: Floats, y: Floats) -> str:
    """A line through the points; of many, from the highest to the lowest in each pixel."""
    if x.size > WIDTH:
        starts = np.flatnonzero(np.diff(x.astype(int), prepend=-1))
        x = np.repeat(x[starts], 2)
        y = np.stack([np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)], axis=1).ravel()
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _time_axis(first: float, last: float, left: int, height: int) -> list[str]:
    wanted = (last - first) / 8
    step = next((each for each in SECONDS if each >= wanted), 86400 * math.ceil(wanted / 86400))
    scale = (WIDTH - left - RIGHT) / (last - first)
    form = "%H:%M:%S" if step < 86400 else "%Y-%m-%d"
    return [f'<text x="2" y="{height - 6}">UTC</text>'] + [
        f'<text x="{left + (k * step - first) * scale:.1f}" y="{height - 6}" text-anchor="middle">'
        f"{datetime.fromtimestamp(k * step, UTC):{form}}</text>"
        for k in range(math.ceil(first / step), math.floor(last / step) + 1)
    ]


def _apart(first: float, last: float) -> tuple[float, float]:
    """The same times, half a second further out if they are no more than that apart."""
    return (first, last) if last - first > 0.5 else (first - 0.5, last + 0.5)


def _svg(height: int, label: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
