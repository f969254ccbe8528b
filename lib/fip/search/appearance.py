"""What speaks against an event by its look when it is measured: its spectrum, its shape, its polarisation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, map_coordinates

from fip.search.labels import BAND, LEAKAGE, NEAR_FIELD
from fip.search.words import Matrix

Array = NDArray[np.float64]

UNLIKE = 4.0
"""Standard deviations by which one half of the band differs from any spectrum that fits the other half."""

STEEPEST = 4.0
"""The largest spectral index that a spectrum may have, of either sign."""

WIDE = 3.0
"""The chi^2 a pixel of the core of an image: from here on it is not that of a point source."""

LEAKS = 0.1
"""The share of Stokes I that feeds may show in another plane."""

_CORE = 0.4  # of the peak of a beam: only pixels above that are used
_INDICES = 81  # that are tried
_SHAPE = 0.05  # of a source: so well is the beam known, as slices have errors of gains


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """An event, measured at its place over its slices. What is not known is None, and says nothing."""

    channels: tuple[Array, Array, Array] | None = None  # [sub-band] Hz, Jy/beam, and the error of that; NaN of none
    cutout: Array | None = None  # [y, x] Jy/beam, the mean of its slices about it, its place known to the images before
    place: tuple[float, float] = (0.0, 0.0)  # x, y in pixels of the cut-out, from 0
    noise: float = math.nan  # Jy/beam of the cut-out
    beam: Matrix | None = None  # as in `Searched`
    psf: Array | None = None  # [y, x], the mean one of its slices, its peak of 1 at [height // 2, width // 2]
    flux: float = math.nan  # Jy/beam, of the plane it was found in
    intensity: float | None = None  # Jy/beam, of Stokes I at its place, the model's part, too; None of an event in I


def labels_of(seen: Appearance) -> tuple[str, ...]:
    """Return those of BAND, NEAR_FIELD, LEAKAGE that hold."""
    band = seen.channels is not None and halves_differ(*seen.channels) > UNLIKE
    near = seen.cutout is not None and shape_chi2(seen) > WIDE
    leaks = seen.intensity is not None and abs(seen.flux) < LEAKS * abs(seen.intensity)
    return (BAND,) * band + (NEAR_FIELD,) * near + (LEAKAGE,) * leaks


def halves_differ(frequency: Sequence[float] | Array, flux: Sequence[float] | Array, error: Array) -> float:
    """Return the standard deviations by which the two halves of a band disagree with the best spectrum F ~ f^alpha.

    |alpha| is at most STEEPEST, and both halves of that spectrum have one sign. 0 if only one half has values.
    """
    f, s, e = (np.asarray(each, np.float64) for each in (frequency, flux, error))
    known = np.asarray(np.isfinite(f) & np.isfinite(s) & (e > 0))
    if not known.any():
        return 0.0
    f, s, e = f[known], s[known], e[known]
    low = f < (f.min() + f.max()) / 2
    if low.all() or not low.any():
        return 0.0
    (f_low, s_low, e_low), (f_high, s_high, e_high) = (_mean(f[at], s[at], e[at]) for at in (low, ~low))
    ratio = (f_high / f_low) ** np.linspace(-STEEPEST, STEEPEST, _INDICES)
    return float(np.min(np.abs(s_high - ratio * s_low) / np.hypot(e_high, ratio * e_low)))


def shape_chi2(seen: Appearance) -> float:
    """Return the chi^2 a pixel of the core of a cut-out against a point source at its place; 0 if it is unknown.

    Its flux and a small error of its place are fitted. If noise is correlated over a beam, the mean is below 1.
    """
    if seen.cutout is None or not seen.noise > 0 or (seen.psf is None and seen.beam is None):
        return 0.0
    model = _point(seen)
    rows, columns = np.nonzero((model > _CORE) & np.isfinite(seen.cutout) & _main_lobe(model, seen.place))
    if rows.size < 4:
        return 0.0
    slope_y, slope_x = (np.asarray(each) for each in np.gradient(model))
    design = np.stack([each[rows, columns] for each in (model, slope_x, slope_y)], axis=1)
    values = seen.cutout[rows, columns]
    found = np.asarray(np.linalg.lstsq(design, values, rcond=None)[0])
    errors = np.hypot(seen.noise, _SHAPE * found[0] * design[:, 0])
    return float(np.mean(((values - design @ found) / errors) ** 2))


def _mean(frequency: Array, flux: Array, error: Array) -> tuple[float, float, float]:
    weight = 1 / error**2
    total = float(weight.sum())
    return float(weight @ frequency) / total, float(weight @ flux) / total, 1 / math.sqrt(total)


def _point(seen: Appearance) -> Array:
    """Return a source of 1 Jy at the place in the cut-out, [y, x]."""
    assert seen.cutout is not None
    y, x = np.indices(seen.cutout.shape, np.float64)
    dx, dy = x - seen.place[0], y - seen.place[1]
    if seen.psf is not None:
        height, width = seen.psf.shape
        at = np.stack([dy + height // 2, dx + width // 2])
        return np.asarray(map_coordinates(seen.psf, at, order=3, mode="constant"), np.float64)
    assert seen.beam is not None
    (xx, xy), (_, yy) = seen.beam
    return np.asarray(np.exp(-4 * math.log(2) * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy)))


def _main_lobe(model: Array, place: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the pixels [y, x] of the lobe that has the place: a sidelobe as high as that is not used."""
    parts, _ = label(model > _CORE)
    row, column = (min(max(round(at), 0), size - 1) for at, size in zip(place[::-1], model.shape, strict=True))
    return np.asarray(parts == parts[row, column]) & (parts > 0)
