"""The restoring beam: an ellipse fitted to the main lobe of a slice's own point spread function.

The PSF is P(x) = sum_k w_k cos(2 pi u_k.x) / sum_k w_k, with x = (l, m) in radians and u_k = (u, v) in wavelengths;
over a main lobe the w term changes nothing that a fit can see. At its peak P = 1 - 2 pi^2 x.C x, C being the weighted
mean of u u^T, so in coordinates y with x = C^(-1/2) y every PSF is equally wide and round at its peak: a small patch
sampled in y resolves any beam, whatever its size in pixels, its elongation or its angle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fip.data import Beam, Block
from fip.imaging.kernels import Samples, dirty
from fip.quantities import SPEED_OF_LIGHT

LOBE_LEVEL = 0.35
"""The fit takes the connected region of the PSF above this share of its peak."""

_PATCH_SIDE = 128  # pixels
_GAUSSIAN_LOBE_RADIUS = math.sqrt(-math.log(LOBE_LEVEL) / (2 * math.pi**2))  # in y, of exp(-2 pi^2 y^2)
_FIRST_STEP = _GAUSSIAN_LOBE_RADIUS / 12  # a Gaussian lobe then is 450 pixels in a patch five times as wide
_STEP_GROWTH = 4.0  # for a lobe with a narrow tip on a broad foot, which runs over the patch
_WIDEST_BEAM = 2.0  # rad, in direction cosines: the sky from horizon to horizon
_PATCH_EPSILON = 1e-4
_ATTEMPTS = 7
_FIT_TOLERANCE = 1e-7  # of the fitted matrix, and so of the squares of the axes
_MOST_STEPS = 100  # of the fit; as a rule it takes five


def fit_beam(blocks: Sequence[Block]) -> Beam | None:
    """Least-squares ellipse, peak fixed at 1, to the PSF of the first Stokes of all blocks; None where there is none.

    There is none without weight, or where the PSF has no end in some direction within the sky (one baseline, a linear
    array). The result does not depend on the pixel grid of the image.
    """
    total = sum(float(block.weight[0].sum(dtype=np.float64)) for block in blocks)
    if not total > 0:
        return None
    spread, axes = np.linalg.eigh(_mean_square_uv(blocks, total))
    if not _half_power_width(2 * math.pi**2 * spread[0]) < _WIDEST_BEAM:
        return None
    to_sky = axes / np.sqrt(spread)  # x = to_sky @ y
    lobe = _main_lobe(blocks, to_sky, total)
    if lobe is None:
        return None
    to_round = np.linalg.inv(to_sky)
    return _beam(to_round.T @ _fit_gaussian(*lobe) @ to_round)


def _mean_square_uv(blocks: Sequence[Block], total: float) -> NDArray[np.float64]:
    """C[2, 2], the weighted mean of u u^T, in wavelengths squared."""
    square = np.zeros((2, 2))
    for block in blocks:
        per_row = block.weight[0] @ (block.frequency / SPEED_OF_LIGHT) ** 2
        uv = block.uvw[:, :2]
        square += (uv.T * per_row) @ uv
    return square / total


def _main_lobe(
    blocks: Sequence[Block], to_sky: NDArray[np.float64], total: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Places y[point, 2] and values [point] of the PSF in its main lobe; None where the lobe does not end."""
    samples = Samples.of(blocks)
    uvw = np.zeros_like(samples.uvw)
    uvw[:, :2] = samples.uvw[:, :2] @ to_sky  # u.x = (to_sky^T u).y
    samples = replace(samples, uvw=uvw)
    weight = [block.weight[0].ravel() for block in blocks]
    centre = _PATCH_SIDE // 2
    for attempt in range(_ATTEMPTS):
        step = _FIRST_STEP * _STEP_GROWTH**attempt
        shape = _PATCH_SIDE, _PATCH_SIDE
        psf = dirty(samples, weight, np.complex64, shape, step, _PATCH_EPSILON, w_term=False).astype(np.float64) / total
        lobe = _connected(psf > LOBE_LEVEL, centre, centre)
        if not (lobe[[0, -1]].any() or lobe[:, [0, -1]].any()):
            row, column = np.nonzero(lobe)
            y = np.column_stack([centre - column, row - centre]).astype(np.float64)
            return y * step, psf[lobe]
    return None


def _connected(mask: NDArray[np.bool_], row: int, column: int) -> NDArray[np.bool_]:
    """The pixels of `mask` [y, x] that are connected with one of them, by sides, as long as they keep off the edges."""
    region = np.zeros_like(mask)
    region[row, column] = True
    # All pixels of an unbroken run have one number, along rows and along columns (but for runs over an edge).
    along = np.cumsum(~mask).reshape(mask.shape), np.cumsum(~mask.T).reshape(mask.T.shape).T
    size, grown = 0, 1
    while grown > size:
        size = grown
        for runs in along:
            reached = np.zeros(mask.size + 1, bool)
            reached[runs[region]] = True
            region = mask & reached[runs]
        grown = int(np.count_nonzero(region))
    return region


def _fit_gaussian(y: NDArray[np.float64], psf: NDArray[np.float64]) -> NDArray[np.float64]:
    """A[2, 2] that minimises the sum over points of (exp(-y.A y) - psf)^2, by the method of Levenberg and Marquardt.

    That of scipy finds the same; to import it takes each worker, and the ventilator, longer than hundreds of fits.
    """
    squares = np.stack([y[:, 0] ** 2, 2 * y[:, 0] * y[:, 1], y[:, 1] ** 2])
    # The circle whose Gaussian has the region's area above LOBE_LEVEL: mean square radius = half the radius squared.
    start = -math.log(LOBE_LEVEL) / (2 * np.mean(squares[0] + squares[2]))
    a, damping = np.array([start, 0.0, start]), 1e-6
    model = np.exp(-a @ squares)
    for _ in range(_MOST_STEPS):
        slopes = -squares * model
        normal, gradient = slopes @ slopes.T, slopes @ (psf - model)
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
        tried = np.exp(-(a + step) @ squares)
        if np.square(tried - psf).sum() <= np.square(model - psf).sum():
            a, model, damping = a + step, tried, damping / 10
            if np.abs(step).max() <= _FIT_TOLERANCE * np.abs(a).max():
                break
        else:
            damping *= 10
    return np.array([[a[0], a[1]], [a[1], a[2]]])


def _beam(a: NDArray[np.float64]) -> Beam | None:
    """The half-power ellipse of exp(-x.A x), x = (l east, m north); None if it is none, or wider than the sky."""
    (along_major, along_minor), axes = np.linalg.eigh(a)
    major = _half_power_width(along_major)
    if not major < _WIDEST_BEAM:
        return None
    east, north = axes[:, 0]
    return Beam(major, _half_power_width(along_minor), math.atan2(east, north) % math.pi)


def _half_power_width(a: float) -> float:
    """Full width at half maximum of exp(-a x^2), 2 sqrt(ln 2 / a); infinite where that does not fall."""
    return 2 * math.sqrt(math.log(2) / a) if a > 0 else math.inf
