"""Forced flux: how bright a known place is in an image, whether or not anything can be seen there.

An image d of a source F at x0 is F p(x - x0) and noise, whose covariance with natural weights is sigma^2 p(x - x'), of
the same core p. With the covariances C of the pixels around, and c = p(x - x0), the best linear unbiased estimate from
them is F = c C^-1 d / c C^-1 c. On a pixel c is a column of C, so that F is the pixel, and nothing around adds to it;
between pixels F is the interpolated image. docs/transients.md says more.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.data.quality import GAUSSIAN_RMS_PER_MAD
from fip.search.words import Matrix

NEIGHBOURHOOD = 20.0
"""The noise at a place is that of a square of so many beams: some 350 independent values, sigma good to 6 %."""

CHOSEN = 2.8
"""The excess of the square of a S/N that is the best of many: 2 for its place, 0.8 for its start and end."""

_NARROWEST, _WIDEST = 32, 256  # pixels, of that square
REACH = _WIDEST // 2 + 1
"""The most rows above and below a place from which its flux and noise are measured."""

_SAMPLES = 3  # pixels a beam, at least, that measure the noise: those between are like them
_REACH = 3  # pixels to each side that count
_ON_A_PIXEL = 0.01  # pixels: so near, it is the pixel
_WHITE = 1e-6  # of the variance: the part that pixels do not share, or nearly equal pixels would have huge weights
_LEAST = 0.25  # of c C^-1 c: with less, most of the pixels that show the place are missing
_MOST_STEPS, _STEP, _SETTLED, _STEEPEST = 50, 2.0, 1e-6, 20.0  # of the fit of a spectral index
_SHARPEST = 0.25  # of the curvature: the narrow part has at least so much

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Core:
    """A point source near its peak: half exp(-d.W d / 2), half exp(-d.N d / 2), d in pixels.

    One is as wide as the fitted beam. Both together have the curvature of the PSF at its peak, which long baselines
    make, and which a fitted beam does not show.
    """

    wide: Matrix  # W, 1/pixel^2
    narrow: Matrix  # N, 1/pixel^2


@dataclass(frozen=True, slots=True)
class Forced:
    """A flux at a place."""

    flux: float  # of the pixels' unit; NaN if there is no image
    error: float  # its standard deviation, by the noise around


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the pixels around a place: the sum of weights x pixels is the flux there."""

    corner: tuple[int, int]  # x, y of the first one
    weights: Floats  # [y, x]; 0 of pixels that are no number
    spread: float  # standard deviation of the sum, of that of a pixel


def core_of(beam: Matrix, curvature: Matrix | None = None) -> Core:
    """Make a core from the restoring beam (`fip.search.words.beam_matrix`), and Lambda of the samples, if known."""
    wide = 8 * math.log(2) * np.array(beam)
    if curvature is None:
        return Core(_matrix(wide), _matrix(wide))
    whole = np.array(curvature)
    value, axes = np.linalg.eigh(2 * whole - wide)
    if value[0] <= 0:  # a beam that was fitted to something narrower than its peak
        return Core(_matrix(whole), _matrix(whole))
    narrow = axes @ np.diag(np.maximum(value, _SHARPEST * np.linalg.eigvalsh(whole)[0])) @ axes.T
    return Core(_matrix(wide), _matrix(narrow))


def weights_at(core: Core, x: float, y: float, pixels: NDArray[np.floating]) -> Weights | None:
    """Return the weights of pixels around (x, y), from 0, in a plane [y, x], or one with numbers in the same places.

    None if the place is outside, or most of the pixels that would show it are missing.
    """
    height, width = pixels.shape
    column, row = math.floor(x + 0.5), math.floor(y + 0.5)
    if not (0 <= column < width and 0 <= row < height):
        return None
    if max(abs(x - column), abs(y - row)) <= _ON_A_PIXEL and np.isfinite(pixels[row, column]):
        return Weights((column, row), np.ones((1, 1)), 1.0)
    left, right = _around(x, width)
    low, high = _around(y, height)
    rows, columns = np.nonzero(np.isfinite(pixels[low:high, left:right]))
    if not len(rows):
        return None
    places = np.stack([columns + left, rows + low], axis=1).astype(float)
    covariance = _value(core, places[:, np.newaxis] - places) + _WHITE * np.eye(len(places))
    towards = _value(core, places - (x, y))
    solved = np.linalg.solve(covariance, towards)
    information = float(towards @ solved)
    if information < _LEAST:
        return None
    weights = np.zeros((high - low, right - left))
    weights[rows, columns] = solved / information
    return Weights((left, low), weights, 1 / math.sqrt(information))


def weighted(pixels: NDArray[np.floating], weights: Weights | None) -> float:
    """Return the flux by these weights in a plane [y, x]; NaN without weights, or if a needed pixel is no number."""
    if weights is None:
        return math.nan
    (left, low), (rows, columns) = weights.corner, weights.weights.shape
    part = np.asarray(pixels[low : low + rows, left : left + columns], np.float64)
    counts = weights.weights != 0
    return float(weights.weights[counts] @ part[counts])


def forced_flux(pixels: NDArray[np.floating], x: float, y: float, core: Core, noise: float | None = None) -> Forced:
    """Measure a point source at (x, y), pixels from 0, in a plane [y, x]; by default with the noise around it.

    NaN if the place is outside of the image, or the image has no numbers there.
    """
    weights = weights_at(core, x, y, pixels)
    if weights is None:
        return Forced(math.nan, math.nan)
    sigma = noise_around(pixels, x, y, core) if noise is None else noise
    return Forced(weighted(pixels, weights), sigma * weights.spread)


def noise_around(pixels: NDArray[np.floating], x: float, y: float, core: Core, least: int = _NARROWEST) -> float:
    """Return 1.4826 x the median absolute deviation of pixels around a place in a plane [y, x]; NaN without any.

    They are those of a square of `least` to 256 pixels; if the beam is wide, not all of them.
    """
    major, minor = np.sqrt(8 * math.log(2) / np.linalg.eigvalsh(np.array(core.wide))).tolist()
    half, step = round(min(max(NEIGHBOURHOOD * major, least), _WIDEST) / 2), max(1, math.floor(minor / _SAMPLES))
    column, row = math.floor(x + 0.5), math.floor(y + 0.5)
    part = pixels[max(row - half, 0) : row + half + 1 : step, max(column - half, 0) : column + half + 1 : step]
    finite = np.asarray(part[np.isfinite(part)], np.float64)
    return float(GAUSSIAN_RMS_PER_MAD * np.median(np.abs(finite - np.median(finite)))) if finite.size else math.nan


def unbiased(flux: float, error: float) -> float:
    """Return a flux, chosen as the best of many places and boxcars, without the excess by that; 0 if none is left."""
    squared = flux * flux - CHOSEN * error * error
    return math.copysign(math.sqrt(squared), flux) if squared > 0 else 0.0


def spectral_index(frequency: Floats, flux: Floats, error: Floats) -> tuple[float, float] | None:
    """Return index and error, for fluxes [band] at frequencies in Hz: F0 (f / f0)^index by weighted least squares.

    The fit is in flux, whose errors are Gaussian, and not in its logarithm, which a weak band may not have. None for
    fewer than two bands with numbers, or if no power law fits.
    """
    known = np.isfinite(flux) & np.isfinite(error) & (error > 0) & np.isfinite(frequency)
    if np.count_nonzero(known) < 2 or np.ptp(frequency[known]) == 0:
        return None
    weight, values = 1 / error[known], flux[known]
    along = np.log(frequency[known] / np.average(frequency[known], weights=weight**2))
    level, index = float(np.average(values, weights=weight**2)), 0.0
    for _ in range(_MOST_STEPS):
        shape = np.exp(index * along)
        slopes = np.stack([shape, level * along * shape], axis=1) * weight[:, np.newaxis]
        normal = slopes.T @ slopes
        if not np.linalg.det(normal) > 0:
            return None
        step = np.linalg.solve(normal, slopes.T @ ((values - level * shape) * weight))
        level, index = level + float(step[0]), index + float(np.clip(step[1], -_STEP, _STEP))
        if abs(step[1]) < _SETTLED:
            return (index, float(np.sqrt(np.linalg.inv(normal)[1, 1]))) if abs(index) < _STEEPEST else None
    return None


def _around(place: float, size: int) -> tuple[int, int]:
    """Return the first pixel that counts along an axis, and the first after it that does not."""
    first = math.floor(place) + 1 - _REACH
    return max(first, 0), min(first + 2 * _REACH, size)


def _value(core: Core, distances: Floats) -> Floats:
    """Return the value of a core at distances [..., (x, y)] in pixels from its peak."""
    wide, narrow = (
        np.exp(-np.einsum("...i,ij,...j", distances, np.array(each), distances) / 2)
        for each in (core.wide, core.narrow)
    )
    found: Floats = (wide + narrow) / 2
    return found


def _matrix(values: NDArray[np.floating]) -> Matrix:
    (xx, xy), (_, yy) = values.tolist()
    return (xx, xy), (xy, yy)
