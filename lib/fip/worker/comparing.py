"""What is left of known sources that were subtracted, and by how much they are off their places. Pure."""

import math
from dataclasses import replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from fip.data.imaged import Imaged
from fip.data.values import Beam, Card, KnownSource
from fip.imaging.kernels import Kernel

BRIGHT = 20.0  # times the expected noise: from here on a source is compared
MOST_NAMED = 64  # of these, the brightest, in the ledger
MOST_PLACED = 16  # the brightest, of whose offsets the median counts


def compare(so_far: Imaged, kernel: Kernel) -> Imaged:
    """Measure what is left of each known source above 20 times the noise: numbers `residual.NAME`, `predicted.NAME`.

    Measure also how far the brightest are off, in beams: `model.offset`, and a card FIPMOFF. The residual is that of a
    parabola fitted to 3 x 3 pixels of the first plane, at the source's place. The offset of a source is the place of
    the peak after what was subtracted is added again, as a Gaussian of the restoring beam. To first order in the
    offset, and for a residual D and a flux S, it is -H^-1 grad D / S, with the Gaussian's Hessian H.
    """
    slice_, image = so_far.slice, so_far.images["dirty"]
    if not slice_.known or image.statistics is None:
        return so_far
    noise, _ = slice_.numbers.get("noise.expected", (image.statistics.rms, ""))
    plane, offsets, named = image.pixels[0, 0], list[float](), 0
    for source in sorted(slice_.known, key=lambda each: -each.flux):
        if source.flux <= BRIGHT * noise or named == MOST_NAMED:
            break
        found = _parabola(plane, source)
        if found is None:
            continue
        named += 1
        so_far = so_far.with_number(f"residual.{source.name[:_LONGEST]}", found, "Jy")
        so_far = so_far.with_number(f"predicted.{source.name[:_LONGEST]}", source.flux, "Jy")
        if image.beam is not None and len(offsets) < MOST_PLACED:
            offsets.append(_offset(plane, source, image.beam, slice_.grid.scale))
    if not offsets:
        return so_far
    so_far = so_far.with_number("model.offset", median(offsets), "")
    card = Card("FIPMOFF", median(offsets), "[beams] median offset of bright model sources")
    return so_far.with_image("dirty", replace(image, cards=(*image.cards, card)))


_LONGEST = 64 - len("predicted.")  # characters of a source's name in that of a number
_AT = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)], np.float64)


def _terms(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


_FIT = np.linalg.pinv(_terms(_AT[:, 0], _AT[:, 1]))  # [term, pixel] least squares


def _parabola(plane: NDArray[np.floating], source: KnownSource) -> float | None:
    """Return Jy/beam at a source's place; None beyond the pixels, or if any is NaN."""
    column, row = round(source.x), round(source.y)
    if not (0 < column < plane.shape[1] - 1 and 0 < row < plane.shape[0] - 1):
        return None
    pixels = plane[row - 1 : row + 2, column - 1 : column + 2].astype(np.float64)
    if not np.isfinite(pixels).all():
        return None
    return float(_terms(np.array(source.y - row), np.array(source.x - column)) @ _FIT @ pixels.ravel())


def _offset(plane: NDArray[np.floating], source: KnownSource, beam: Beam, scale: float) -> float:
    """Return how far the peak of a source is from its place, in mean beams; search within the beam's major axis."""
    reach = math.ceil(beam.major / scale) + 1
    top, left = (max(0, round(at) - reach) for at in (source.y, source.x))
    patch = plane[top : round(source.y) + reach + 1, left : round(source.x) + reach + 1]
    y, x = (np.arange(size, dtype=np.float64) for size in patch.shape)
    restored = patch + source.flux * _gaussian(y[:, None] + top - source.y, x + left - source.x, beam, scale)
    row, column = np.unravel_index(int(np.nanargmax(restored)), restored.shape)
    row, column = (min(max(int(at), 1), size - 2) for at, size in zip((row, column), restored.shape, strict=True))
    around = restored[row - 1 : row + 2, column - 1 : column + 2].ravel()
    up, right = _peak(np.log(around) if around.min() > 0 else around)
    off = math.hypot(row + up + top - source.y, column + right + left - source.x)
    return off * scale / math.sqrt(beam.major * beam.minor)


def _gaussian(y: NDArray[np.float64], x: NDArray[np.float64], beam: Beam, scale: float) -> NDArray[np.float64]:
    """Return the beam so many pixels to the north and to the west of its peak."""
    along = y * math.cos(beam.angle) - x * math.sin(beam.angle)
    across = y * math.sin(beam.angle) + x * math.cos(beam.angle)
    squares = (along * scale / beam.major) ** 2 + (across * scale / beam.minor) ** 2
    return np.asarray(np.exp(-4 * math.log(2) * squares))


def _peak(around: NDArray[np.floating]) -> tuple[float, float]:
    """Return the place of the peak of the parabola through 3 x 3 pixels, y and x from the middle.

    That is within a pixel of the middle; if there is no such peak, it is the middle.
    """
    c = _FIT @ around
    curvature = np.array([[2 * c[5], c[4]], [c[4], 2 * c[3]]])
    if not np.isfinite(c).all() or not np.linalg.eigvalsh(curvature)[-1] < 0:
        return 0.0, 0.0
    up, right = np.linalg.solve(curvature, [-c[2], -c[1]])
    return (float(up), float(right)) if max(abs(up), abs(right)) <= 1 else (0.0, 0.0)
