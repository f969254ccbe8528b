"""Draws docs/kernel.png: the error of an image against the epsilon asked, and its cost against its size.

    python -m benchmarks.kernel_figure

The errors are of 16 antennas and 512 x 512 pixels, against the direct sum. The costs are CPU seconds as in the table
that benchmarks/kernels.py prints, of its first row at other sizes: with the plan, and with spectral compression.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.kernels import ROWS, Contest, median_seconds, prepared
from fip.data.settings import Imaging
from fip.imaging.kernels import make_kernel, pixel_type

FILE = Path(__file__).resolve().parents[1] / "docs" / "kernel.png"
EPSILONS = [float(f"1e-{power}") for power in range(1, 12)]
SIZES = [128, 256, 512, 1024, 2048, 4096]
PANEL, MARGIN, SMOOTH = (420, 340), 62, 3  # pixels of a panel and around it; drawn so many times larger
INK, GRID, COLOURS = (40, 40, 44), (214, 216, 220), {"slant": (200, 60, 40), "wgridder": (40, 90, 180)}


@dataclass(frozen=True)
class Panel:
    """Two curves over two logarithmic axes."""

    title: str
    across: str
    up: str
    x: tuple[float, float]
    y: tuple[float, float]
    curves: dict[str, list[tuple[float, float]]]
    beside: int  # pixels from a curve's end down to its name
    straight: str = ""  # what the line y = x is called, if there is one


def errors() -> dict[str, list[tuple[float, float]]]:
    """(epsilon, error) of both kernels."""
    row = replace(ROWS["64 channels, 1024^2 x 1.5 arcsec"], count=16, channels=4, pixels=512)
    contest = Contest(*row.samples())
    found: dict[str, list[tuple[float, float]]] = {}
    for epsilon in EPSILONS:
        for kernel in ("slant", "wgridder"):
            settings = Imaging(stokes=("I",), epsilon=epsilon, kernel=kernel, weight="natural")
            out = np.zeros((1, row.pixels, row.pixels), pixel_type(settings))
            assert make_kernel(settings, contest.grid).image([contest.block], out) == kernel
            found.setdefault(kernel, []).append((epsilon, contest.error(out[0])))
    return found


def costs() -> dict[str, list[tuple[float, float]]]:
    """(pixels a side, CPU seconds) of both kernels."""
    found: dict[str, list[tuple[float, float]]] = {"slant": [], "wgridder": []}
    for size in SIZES:
        contest = Contest(*replace(ROWS["64 channels, 1024^2 x 1.5 arcsec"], pixels=size).samples())
        took = median_seconds([contest.slant_compressed, contest.ducc], 3 if size < 3000 else 1)
        for kernel, each in zip(found, took, strict=True):
            found[kernel].append((size, each))
    return found


def draw(panels: Sequence[Panel], file: Path) -> None:
    """The panels side by side."""
    width, height = PANEL[0] + 2 * MARGIN, PANEL[1] + 2 * MARGIN
    picture = Image.new("RGB", (len(panels) * width * SMOOTH, height * SMOOTH), "white")
    for number, panel in enumerate(panels):
        _draw_panel(ImageDraw.Draw(picture), panel, number * width + MARGIN, MARGIN)
    small = picture.resize((len(panels) * width, height), Image.Resampling.LANCZOS)
    small.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(file, optimize=True)


def _draw_panel(pen: ImageDraw.ImageDraw, panel: Panel, left: int, top: int) -> None:
    font = ImageFont.load_default(13 * SMOOTH)

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / panel.x[0]) / math.log(panel.x[1] / panel.x[0])
        up = math.log(y / panel.y[0]) / math.log(panel.y[1] / panel.y[0])
        return (left + PANEL[0] * across) * SMOOTH, (top + PANEL[1] * (1 - up)) * SMOOTH

    def text(at: tuple[float, float], words: str, anchor: str, colour: tuple[int, int, int] = INK) -> None:
        pen.text(at, words, colour, font, anchor)

    (low, bottom), (high, ceiling) = place(panel.x[0], panel.y[0]), place(panel.x[1], panel.y[1])
    for value in _ticks(*panel.x):
        pen.line([place(value, panel.y[0]), place(value, panel.y[1])], GRID, SMOOTH)
        text((place(value, 1)[0], bottom + 6 * SMOOTH), _label(value), "ma")
    for value in _ticks(*panel.y):
        pen.line([place(panel.x[0], value), place(panel.x[1], value)], GRID, SMOOTH)
        text((low - 6 * SMOOTH, place(1, value)[1]), _label(value), "rm")
    pen.rectangle([low, ceiling, high, bottom], outline=INK, width=SMOOTH)
    text(((low + high) / 2, bottom + 26 * SMOOTH), panel.across, "ma")
    text((low, ceiling - 26 * SMOOTH), f"{panel.title}: {panel.up}", "la")
    if panel.straight:
        ends = max(panel.x[0], panel.y[0]), min(panel.x[1], panel.y[1])
        pen.line([place(end, end) for end in ends], INK, SMOOTH)
        middle = math.sqrt(ends[0] * ends[1])
        text(place(middle / 4, middle), panel.straight, "rm")
    for name, curve in panel.curves.items():
        points = [place(*point) for point in curve]
        pen.line(points, COLOURS[name], 2 * SMOOTH, joint="curve")
        for x, y in points:
            pen.ellipse([x - 9, y - 9, x + 9, y + 9], COLOURS[name])
        right, up = max(points)
        text((right - 10 * SMOOTH, up + panel.beside * SMOOTH), name, "rm", COLOURS[name])


def _ticks(low: float, high: float) -> list[float]:
    """Return powers of ten, or of two if there are hardly any; every other one if there are many."""
    if high / low < 1e3:
        return [size for size in SIZES if low <= size <= high]
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    return [10.0**power for power in range(last, first - 1, -1 if last - first < 7 else -2)]


def _label(value: float) -> str:
    return f"{value:g}" if 1e-3 <= value < 1e4 else f"1e{math.log10(value):.0f}"


def main() -> None:
    """Measure, and draw the figure."""
    prepared()
    error = "L2(image - exact) / L2(exact)"
    accuracy = Panel("Error", "epsilon asked", error, (3e-12, 0.3), (1e-14, 1.0), errors(), 14, "error = epsilon")
    cost = Panel("Cost", "pixels a side", "CPU seconds of an image", (100, 5000), (1e-3, 10.0), costs(), -12)
    draw([accuracy, cost], FILE)


if __name__ == "__main__":
    main()
