"""Sources of a sky model: the part of them that is left in an image after subtraction, and which of them vary.

Errors of gains leave a share of each source, the ionosphere moves it. Both are measured in each image on the brightest
sources of the model, and then count as noise at all sources: anything that is not above that noise is no event.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.words import Matrix

Array = NDArray[np.float64]

MOST = 32
"""Sources on which errors are measured, the brightest ones."""

BRIGHT = 20.0
"""S/N of these, at least, by the model."""

KNOWN = 5.0
"""Times the noise of an image: a model has at least so much at a place at which it has a source."""

DYNAMIC_RANGE = 0.1
"""The share of a source that its errors may leave beside it in one image."""

_BESIDE = 3.0  # beams, for that
_CORE = 0.4  # of the peak of a source, within which it is fitted
_APART = 2.0  # full widths at half maximum from a brighter source
_HERE = 0.5  # of the largest value of the model within a beam, that a source has at its own place
_FLOORS = 0.01, 0.02  # share, and pixels, below which no source is known better than another
_CLIP = 4.0  # standard deviations of all sources, beyond which one varies by itself


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A source on which errors are measured."""

    pixels: NDArray[np.intp]  # [pixel] of its core
    fit: Array  # [3, pixel]: of the residual's pixels the share of the model that is left, and its shift (x, y)
    covariance: Array  # [3, 3] of these for noise of 1 Jy/beam


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The restored image of a sky model, and what errors of it would look like. Made by `model_of`."""

    image: NDArray[np.float32]  # [y, x] Jy/beam
    beam: Matrix  # as in `Searched`
    sources: tuple[_Source, ...]
    pixels: NDArray[np.intp]  # those at which it is as bright as the noise
    values: Array  # [pixel] Jy/beam
    slopes: Array  # [2, pixel] Jy/beam a pixel, along x and y


@dataclass(frozen=True, slots=True)
class Excess:
    """What of the model is left in an image, as standard deviations over its sources."""

    share: float  # epsilon: of the flux of a source
    shift: Matrix  # pixel^2: the mean of delta delta^T, delta = (x, y) by which a source is moved
    sources: int = 0  # on which it was measured


NOTHING = Excess(0.0, ((0.0, 0.0), (0.0, 0.0)))
"""The excess if no source is bright enough to measure anything."""


def model_of(image: NDArray[np.floating], beam: Matrix, noise: float) -> Model:
    """Make a model of a restored image [y, x] in Jy/beam, 0 outside the sky, and an image's noise. Once for a run."""
    clean = np.nan_to_num(np.asarray(image, np.float64))
    slope_y, slope_x = (np.asarray(each) for each in np.gradient(clean))
    pixels = np.flatnonzero(np.abs(clean) >= noise)
    slopes = np.stack([slope_x.ravel()[pixels], slope_y.ravel()[pixels]])
    sources = tuple(_source(clean, (slope_x, slope_y), beam, *place) for place in _brightest(clean, beam, noise))
    return Model(clean.astype(np.float32), beam, sources, pixels, clean.ravel()[pixels], slopes)


def excess_noise(
    residual: NDArray[np.floating], model: Model, noise: float
) -> tuple[Excess, NDArray[np.float32] | None]:
    """Measure what of the model is left in an image [y, x] of this noise (Jy/beam); and how much higher the noise is.

    The second is a factor [y, x] that is 1 away from sources: sqrt(1 + ((eps M)^2 + |delta . grad M|^2) / noise^2).
    None means 1 everywhere.
    """
    excess = _measured(residual, model, noise)
    (xx, xy), (_, yy) = excess.shift
    if not (excess.share > 0 or xx > 0 or yy > 0):
        return excess, None
    dx, dy = model.slopes
    squared = (excess.share * model.values) ** 2 + xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy
    factor = np.ones(model.image.shape, np.float32)
    factor.ravel()[model.pixels] = np.sqrt(1 + squared / noise**2)
    return excess, factor


def lasting(factor: float, width: int) -> float:
    """Return the factor for the threshold of a boxcar of so many slices if the noise of each is higher by `factor`.

    Errors of gains and of the ionosphere do not change from slice to slice: they add up as a source does.
    """
    more = max(0.0, factor * factor - 1)
    return math.sqrt((1 + width * more) / (1 + more))


def is_known(model: Model, x: float, y: float, noise: float) -> bool:
    """Return whether the model has a source at a pixel: a change there is `variable`, and nothing new."""
    height, width = model.image.shape
    column, row = min(max(round(x), 0), width - 1), min(max(round(y), 0), height - 1)
    here = abs(float(model.image[row, column]))
    return here >= KNOWN * noise and here >= _HERE * _brightest_near(model, x, y, 1.0)


def is_left_over(model: Model, x: float, y: float, flux: float) -> bool:
    """Return whether a change (Jy/beam) at a pixel is less than DYNAMIC_RANGE of a model source within 3 beams."""
    return abs(flux) < DYNAMIC_RANGE * _brightest_near(model, x, y, _BESIDE)


def _brightest_near(model: Model, x: float, y: float, beams: float) -> float:
    """Return the largest |value| of the model within so many beams, Jy/beam."""
    (xx, xy), (_, yy) = model.beam
    reach = math.ceil(beams / math.sqrt(float(np.linalg.eigvalsh(np.array(model.beam))[0])))
    column, row = round(x), round(y)
    rows = np.arange(max(0, row - reach), min(model.image.shape[0], row + reach + 1))[:, None]
    columns = np.arange(max(0, column - reach), min(model.image.shape[1], column + reach + 1))
    dx, dy = columns - x, rows - y
    near = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy < beams**2
    return float(np.abs(model.image[rows, columns][near]).max(initial=0.0))


def _brightest(image: Array, beam: Matrix, noise: float) -> list[tuple[int, int]]:
    """Return row and column of the brightest maxima of an image, far enough from brighter ones and from the edge."""
    (xx, xy), (_, yy) = beam
    reach = math.ceil(_APART / math.sqrt(float(np.linalg.eigvalsh(np.array(beam))[0])))
    left, found = np.abs(image), list[tuple[int, int]]()
    candidates = np.flatnonzero(left.ravel() >= BRIGHT * noise)
    candidates = candidates[np.argsort(-left.ravel()[candidates], kind="stable")]
    taken = np.zeros(image.shape, bool)
    for row, column in zip(*(each.tolist() for each in np.divmod(candidates, image.shape[1])), strict=True):
        if taken[row, column]:
            continue
        rows, columns = slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1)
        y, x = np.ogrid[rows.start : min(rows.stop, image.shape[0]), columns.start : min(columns.stop, image.shape[1])]
        dx, dy = x - column, y - row
        taken[rows, columns] |= xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy < _APART**2
        inside = reach <= row < image.shape[0] - reach and reach <= column < image.shape[1] - reach
        if inside and left[row, column] >= left[row - 1 : row + 2, column - 1 : column + 2].max():
            found.append((row, column))
        if len(found) == MOST:
            break
    return found


def _source(image: Array, slopes: tuple[Array, Array], beam: Matrix, row: int, column: int) -> _Source:
    """Return how a source is fitted, and how well that is possible: noise is correlated as the beam is."""
    (xx, xy), (_, yy) = beam
    reach = math.ceil(1 / math.sqrt(float(np.linalg.eigvalsh(np.array(beam))[0])))
    y, x = np.mgrid[row - reach : row + reach + 1, column - reach : column + reach + 1]
    dx, dy = x - column, y - row
    near = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy < 1
    core = near & (np.abs(image[y, x]) > _CORE * abs(image[row, column]))
    rows, columns = y[core], x[core]
    design = np.stack([each[rows, columns] for each in (image, *slopes)], axis=1)
    fit = np.asarray(np.linalg.pinv(design))
    dx, dy = np.subtract.outer(columns, columns), np.subtract.outer(rows, rows)
    alike = np.exp(-4 * math.log(2) * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
    return _Source(rows * image.shape[1] + columns, fit, fit @ alike @ fit.T)


def _measured(residual: NDArray[np.floating], model: Model, noise: float) -> Excess:
    """Measure the excess by a fit at each of the sources."""
    flat = residual.ravel()
    fits = [(source.fit @ flat[source.pixels].astype(np.float64), source.covariance) for source in model.sources]
    fits = [(found, covariance) for found, covariance in fits if np.isfinite(found).all()]
    if not fits:
        return NOTHING
    found = np.array([each for each, _ in fits])
    covariance = noise**2 * np.array([each for _, each in fits])
    share = _spread(found[:, :1], covariance[:, :1, :1], _FLOORS[0])
    shift = _spread(found[:, 1:], covariance[:, 1:, 1:], _FLOORS[1])
    (xx, xy), (_, yy) = shift.tolist()
    return Excess(math.sqrt(float(share[0, 0])), ((xx, xy), (xy, yy)), len(found))


def _spread(values: Array, covariance: Array, floor: float) -> Array:
    """Average v v^T [n, n] over sources, v: [source, n], less that of noise; a few that vary are left out."""
    variance = np.trace(covariance, axis1=1, axis2=2) / values.shape[1]
    weight = 1 / (variance + floor**2)
    size = np.linalg.norm(values, axis=1)
    order = np.argsort(size)
    half = int(np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2))
    typical = max(float(size[order][min(half, size.size - 1)]), floor)
    weight = weight * (size <= _CLIP * GAUSSIAN_RMS_PER_MAD * typical)
    weight = weight / weight.sum()
    mean = np.einsum("s,si,sj->ij", weight, values, values) - np.einsum("s,sij->ij", weight, covariance)
    spread, axes = np.linalg.eigh(mean)
    return np.asarray((axes * np.maximum(spread, 0)) @ axes.T)


@dataclass(frozen=True, slots=True)
class Variability:
    """How a light curve varies, as TraP has it (Swinbank et al. 2015, Astron. Comput. 11, 25); NaN of too few."""

    points: int
    mean: float  # Jy, of the fluxes by their errors: sum(F / s^2) / sum(1 / s^2)
    eta: float  # reduced chi^2 of a constant source, by the errors
    v: float  # the standard deviation of the fluxes over their mean: the modulation index with noise
    modulation: float  # the same without what the errors make of it; 0 if they make all of it


def variability(flux: Sequence[float] | Array, error: Sequence[float] | Array) -> Variability:
    """Measure fluxes and their errors in Jy; those that are no number, or have no error, are left out."""
    fluxes, errors = np.asarray(flux, np.float64), np.asarray(error, np.float64)
    good = np.isfinite(fluxes) & np.isfinite(errors) & (errors > 0)
    fluxes, errors = fluxes[good], errors[good]
    count, nan = int(fluxes.size), math.nan
    if not count:
        return Variability(0, nan, nan, nan, nan)
    weight = 1 / errors**2
    weighted = float(weight @ fluxes / weight.sum())
    if count < 2:
        return Variability(count, weighted, nan, nan, nan)
    eta = float(weight @ (fluxes - weighted) ** 2) / (count - 1)
    variance, plain = float(fluxes.var(ddof=1)), float(fluxes.mean())
    if plain == 0:
        return Variability(count, weighted, eta, nan, nan)
    true = max(0.0, variance - float(np.mean(errors**2)))
    return Variability(count, weighted, eta, math.sqrt(variance) / plain, math.sqrt(true) / abs(plain))
