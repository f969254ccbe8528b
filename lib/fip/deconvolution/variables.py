"""Points that are not steady: the light curve of their source has a stretch that is brighter than the rest.

A transient is in a deep image as its mean, and a model of that image would take its mean off every slice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fip.data.values import Grid
from fip.deconvolution.values import Array, Points, beside

SURE = 8.0  # standard deviations of a stretch: beyond what the best of all stretches of all points is by chance
CHANGE = 0.05  # of its mean flux: a change of less is as well one of gains
_ROUNDS = 8  # that look for the ends of a stretch


@dataclass(frozen=True, slots=True)
class Stretch:
    """Images begin <= k < end, in which a source is brighter than in the others."""

    begin: int
    end: int
    outside: float  # Jy, the mean of the others
    above: float  # Jy, of those in it above that
    sure: float  # that in its standard deviations


@dataclass(frozen=True, slots=True)
class Variable:
    """A source that is not steady."""

    place: int  # y * width + x of its brightest point
    was: float  # Jy, of all its points
    now: float  # Jy, outside the stretch; 0 if it left the model
    stretch: Stretch


def brightest_stretch(values: Array, weight: Array) -> Stretch | None:
    """Return the stretch that stands out most, of values [image] in Jy with weights 1/sd^2; None for under 3 images.

    Widths are first powers of 2, at any begin; then either end moves to make the stretch stand out more. It is shorter
    than all images together.
    """
    if len(values) < 3:
        return None
    weighted, total = (np.concatenate([[0.0], np.cumsum(each)]) for each in (values * weight, weight))

    def found(begin: NDArray[np.intp], end: NDArray[np.intp]) -> Stretch:
        inside = total[end] - total[begin]
        outside = total[-1] - inside
        there = (inside > 0) & (outside > 0)
        a, b = np.where(there, inside, 1.0), np.where(there, outside, 1.0)
        flux = weighted[end] - weighted[begin]
        rest = (weighted[-1] - flux) / b
        above = np.where(there, flux / a - rest, 0.0)
        sure = above / np.sqrt(1 / a + 1 / b)
        at = int(np.argmax(sure))
        return Stretch(int(begin[at]), int(end[at]), float(rest[at]), float(above[at]), float(sure[at]))

    count = len(values)
    widths = 2 ** np.arange(int(np.log2(count)) + 1)
    tried = [found(np.arange(count - width + 1), np.arange(width, count + 1)) for width in widths if width < count]
    best = max(tried, key=lambda each: each.sure)
    for _ in range(_ROUNDS):
        begins, ends = np.arange(best.end), np.arange(best.begin + 1, count + 1)
        better = max(
            found(begins, np.full_like(begins, best.end)), found(np.full_like(ends, best.begin), ends),
            key=lambda each: each.sure,
        )  # fmt: skip
        if better.sure <= best.sure:
            break
        best = better
    return best


def sources_of(points: Points, grid: Grid) -> NDArray[np.intp]:
    """Return the source number of each point [point], from 0: points with two pixels or less between them are one."""
    numbers, _ = ndimage.label(beside(points, grid), np.ones((3, 3)))
    return np.asarray(numbers.ravel()[points.place] - 1, np.intp)


def steady(points: Points, grid: Grid, left: Array, weight: Array, least: float) -> tuple[Points, tuple[Variable, ...]]:
    """Return the points, with variable sources at their flux outside their stretch, and these variable sources.

    `left` is what the images have at each point without them, [image, point] in Jy/beam, and `weight` 1/sd^2 of each
    image. A source that is below `least` Jy then leaves the model.
    """
    number = sources_of(points, grid)
    flux, keep, variables = points.flux.copy(), np.ones(len(points), bool), []
    for source in range(int(number.max(initial=-1)) + 1):
        mine = np.flatnonzero(number == source)
        peak, was = mine[np.argmax(np.abs(flux[mine]))], float(points.flux[mine].sum())
        stretch = brightest_stretch(left[:, peak], weight)
        if stretch is None or stretch.sure < SURE or stretch.above < CHANGE * abs(was):
            continue
        now = was + stretch.outside
        if abs(now) < least:
            now = 0.0
            keep[mine] = False
        else:
            flux[mine] *= now / was
        variables.append(Variable(int(points.place[peak]), was, now, stretch))
    return Points(points.reference, points.place[keep], flux[keep], points.index[keep]), tuple(variables)
