"""The restoring beam: an ellipse fitted to the main lobe of a slice's own point spread function.

The PSF is P(x) = sum_k w_k cos(2 pi u_k.x) / sum_k w_k, with x = (l, m) in radians and u_k = (u, v) in wavelengths;
over a main lobe the w term changes nothing that a fit could measure. At its peak P = 1 - 2 pi^2 x.C x, C being the
weighted mean of u u^T, so in coordinates y with x = C^(-1/2) y every PSF is equally wide and round at its peak: a small
patch sampled in y resolves any beam, whatever its size in pixels, its elongation or its angle.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Beam, Block, UvMoments
from fip.imaging.ducc import dirty

LOBE_LEVEL = 0.35
"""The fit takes the connected region of the PSF above this share of its peak."""

_GAUSSIAN_LOBE_RADIUS = math.sqrt(-math.log(LOBE_LEVEL) / (2 * math.pi**2))  # in y, of exp(-2 pi^2 y^2)
_FIRST_STEP = _GAUSSIAN_LOBE_RADIUS / 12  # a Gaussian lobe then is 450 pixels in a patch five times its radius
_PATCHES = [(64, 1), *((128, 4**power) for power in range(7))]
"""Sides in pixels, and the first steps in one; a lobe with a narrow tip on a broad foot runs over the first patch."""

FEWEST = 12  # pixels of half a lobe that has run over a patch; with fewer it has no end: coarse steps cut it up
_WIDEST_BEAM = 2.0  # rad, in direction cosines: the sky from horizon to horizon
PATCH_EPSILON = 1e-4  # of the middle of the PSF
LAST_STEP = 1e-4  # of the fitted matrix: the next would be about its square, as damping is almost 0 there
UNDAMPED = 1e-4  # of the curvature
MOST_STEPS = 100  # of the fit; as a rule it takes five


class Ways(NamedTuple):
    """How the two slow steps are done: `PLAIN`, or compiled if a kernel is (fip.imaging.slant.psf)."""

    sums: Callable[[Sequence[Block]], tuple[float, NDArray[np.float64]]]
    """The sum of all weights of the first Stokes; and the weighted sum [2, 2] of u u^T, in wavelengths squared."""
    main_lobe: Callable[
        [Sequence[Block], NDArray[np.float64], float, int, float], tuple[bool, NDArray[np.float64] | None]
    ]
    """(blocks, to_sky, total, side, step): whether the main lobe ends within a patch of so many pixels, `step` apart in
    y; and the A of the exp(-y.A y) that fits it best, None if there is none. x = to_sky y; `total` is that of weights.
    """


def fit_beam(blocks: Sequence[Block], ways: Ways | None = None) -> Beam | None:
    """Fit an ellipse by least squares, peak fixed at 1, to the PSF of the first Stokes of all blocks; None if none fit.

    None is found without weight, or if the PSF has no end in some direction within the sky (one baseline, a linear
    array). The result does not depend on the pixel grid of the image. `ways` is how it is found, `PLAIN` by default.
    """
    ways = ways or PLAIN
    if not blocks:
        return None
    total, square = ways.sums(blocks)
    if not total > 0:
        return None
    spread, axes = np.linalg.eigh(square / total)
    if not _half_power_width(2 * math.pi**2 * spread[0]) < _WIDEST_BEAM:
        return None
    to_sky = axes / np.sqrt(spread)  # x = to_sky @ y
    to_round = np.linalg.inv(to_sky)
    for side, steps in _PATCHES:
        ended, fitted = ways.main_lobe(blocks, to_sky, total, side, _FIRST_STEP * steps)
        if ended:
            return None if fitted is None else _beam(to_round.T @ fitted @ to_round)
    return None


def uv_moments(blocks: Sequence[Block], ways: Ways | None = None) -> UvMoments | None:
    """Return the weighted means of u^2, u v and v^2 of the first Stokes of all blocks; None without weight."""
    total, square = (ways or PLAIN).sums(blocks) if blocks else (0.0, np.zeros((2, 2)))
    if not total > 0:
        return None
    mean = square / total
    return UvMoments(float(mean[0, 0]), float(mean[0, 1]), float(mean[1, 1]))


def _sums(blocks: Sequence[Block]) -> tuple[float, NDArray[np.float64]]:
    """Sum as `Ways.sums` says, by numpy."""
    frequency = np.concatenate([block.frequency for block in blocks])
    powers = np.stack([np.ones_like(frequency), (frequency / SPEED_OF_LIGHT) ** 2], axis=1)
    parts = np.split(powers, np.cumsum([block.frequency.size for block in blocks[:-1]]))
    sums = [block.weight[0] @ part.astype(block.weight.dtype) for block, part in zip(blocks, parts, strict=True)]
    weight, per_square_metre = np.concatenate(sums, dtype=np.float64).T
    uv = np.concatenate([block.uvw[:, :2] for block in blocks])
    return float(weight.sum()), (uv.T * per_square_metre) @ uv


def _main_lobe(
    blocks: Sequence[Block], to_sky: NDArray[np.float64], total: float, side: int, step: float
) -> tuple[bool, NDArray[np.float64] | None]:
    """Find the main lobe as `Ways.main_lobe` says, by ducc0."""
    centre = side // 2
    psf = dirty(
        *round_samples(blocks, to_sky, side, step), np.complex64, (side, side), step, PATCH_EPSILON, w_term=False
    )
    psf = psf.astype(np.float64) / total
    lobe = _connected(psf > LOBE_LEVEL, centre, centre)
    if any(edge.any() for edge in (lobe[0], lobe[-1], lobe[:, 0], lobe[:, -1])):
        return False, None
    first = centre * side + centre + 1  # beyond the peak: P(-y) = P(y), so one half says all
    point = first + np.flatnonzero(lobe.ravel()[first:])
    if point.size < FEWEST:
        return True, None
    row, column = np.divmod(point, side)
    y = np.column_stack([centre - column, row - centre]) * step
    try:
        with np.errstate(over="ignore"):  # in a step that is not taken
            return True, _fit_gaussian(y, psf.ravel()[point])
    except np.linalg.LinAlgError:  # a row of pixels, which many ellipses fit
        return True, None


def round_samples(
    blocks: Sequence[Block], to_sky: NDArray[np.float64], side: int, step: float
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], list[NDArray[np.floating]]]:
    """Return for each block uvw in y's frequencies, w being 0, few frequencies, weights [row x frequency] at these."""
    rows = [len(block.uvw) for block in blocks]
    uvw = np.zeros((sum(rows), 3))
    uvw[:, :2] = np.concatenate([block.uvw[:, :2] for block in blocks]) @ to_sky  # u.x = (to_sky^T u).y
    starts = np.cumsum([0, *rows[:-1]])
    longest = np.sqrt(np.maximum.reduceat(np.square(uvw).sum(axis=1), starts)).tolist()
    few = [few_frequencies(block, far, side, step) for block, far in zip(blocks, longest, strict=True)]
    weights = [
        (block.weight[0] if matrix is None else block.weight[0] @ matrix).ravel()
        for block, (_, matrix) in zip(blocks, few, strict=True)
    ]
    return np.split(uvw, starts[1:]), [frequency for frequency, _ in few], weights


PLAIN = Ways(_sums, _main_lobe)
"""By ducc0 and numpy: for processes that may not make machine code, or do not load a compiler for a beam."""


def few_frequencies(
    block: Block, longest: float, side: int, step: float
) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Return frequencies, and the matrix [channel, frequency] that turns weights at the block's own into theirs.

    They make the same PSF in a patch, of a block whose baselines are `longest` metres in y's frequencies; None if they
    are the block's own. cos(2 pi f tau), as a polynomial in f through n Chebyshev nodes of a band, is right to
    2 (z/2)^n / n!, with z = pi bandwidth tau.
    """
    delay = longest * math.sqrt(2) * (side // 2) * step / SPEED_OF_LIGHT
    nodes, error, half = 0, 2.0, math.pi / 2 * delay * float(block.frequency[-1] - block.frequency[0])
    while error > PATCH_EPSILON:
        nodes += 1
        error *= half / nodes
        if nodes >= block.frequency.size:
            return block.frequency, None
    return _interpolation(block.frequency.tobytes(), nodes)


@lru_cache(maxsize=512)
def _interpolation(frequencies: bytes, nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return Chebyshev nodes in the band of these frequencies (float64, Hz), and their polynomials [frequency, node].

    The one of node j is sum_k (2 - [k = 0]) / n T_k(x_j) T_k(x), x from -1 to 1 over the band.
    """
    frequency = np.frombuffer(frequencies)
    middle, half = (frequency[0] + frequency[-1]) / 2, (frequency[-1] - frequency[0]) / 2
    angle = np.pi * (np.arange(nodes)[::-1] + 0.5) / nodes
    degree = np.arange(nodes)
    at = np.clip((frequency - middle) / half, -1, 1) if half else np.zeros_like(frequency)
    sums = np.where(degree, 2, 1)[:, None] * np.cos(np.outer(degree, angle)) / nodes
    matrix = np.cos(np.outer(np.arccos(at), degree)) @ sums
    return middle + half * np.cos(angle), matrix.astype(np.float32)


def _connected(mask: NDArray[np.bool_], row: int, column: int) -> NDArray[np.bool_]:
    """Return the pixels of `mask` [y, x] that are connected with one of them by their sides, and are not at an edge."""
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
    """Return the A[2, 2] of the least sum over points of (exp(-y.A y) - psf)^2, by Newton's steps, damped if they fail.

    Scipy's fit finds the same, but importing it takes each worker, and the ventilator, longer than hundreds of fits.
    """
    squares = np.stack([y[:, 0] ** 2, 2 * y[:, 0] * y[:, 1], y[:, 1] ** 2])
    # The circle whose Gaussian has the region's area above LOBE_LEVEL: mean square radius = half the radius squared.
    start = -math.log(LOBE_LEVEL) / (2 * np.mean(squares[0] + squares[2]))
    a, damping = np.array([start, 0.0, start]), 1e-6
    model = np.exp(-a @ squares)
    for _ in range(MOST_STEPS):
        slopes = squares * model
        curvature = (slopes * (2 * model - psf)) @ squares.T  # of half the sum of squares, whole (Newton)
        scale = np.diag(np.square(slopes).sum(axis=1))
        step = np.linalg.solve(curvature + damping * scale, slopes @ (model - psf))
        if damping <= UNDAMPED and np.abs(step).max() <= LAST_STEP * np.abs(a).max():
            a = a + step
            break
        tried = np.exp(-(a + step) @ squares)
        if np.square(tried - psf).sum() <= np.square(model - psf).sum():
            a, model, damping = a + step, tried, damping / 10
        else:
            damping *= 10
    return np.array([[a[0], a[1]], [a[1], a[2]]])


def _beam(a: NDArray[np.float64]) -> Beam | None:
    """Find the half-power ellipse of exp(-x.A x), x = (l east, m north); None if it is none, or wider than the sky."""
    (along_major, along_minor), axes = np.linalg.eigh(a)
    major = _half_power_width(along_major)
    if not major < _WIDEST_BEAM:
        return None
    east, north = axes[:, 0]
    return Beam(major, _half_power_width(along_minor), math.atan2(east, north) % math.pi)


def _half_power_width(a: float) -> float:
    """Return the full width at half maximum of exp(-a x^2), 2 sqrt(ln 2 / a); infinite if that does not fall."""
    return 2 * math.sqrt(math.log(2) / a) if a > 0 else math.inf
