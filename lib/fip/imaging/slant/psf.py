"""The middle of a point spread function and its main lobe, compiled: how a slice's own kernel fits the beam.

`fip.imaging.beam` defines the same, and does it by ducc0 and numpy. Here weights are gridded by FIP's kernel onto a
small plane that repeats: for the pixels of a patch, a frequency is the same as one that is a whole cycle a pixel
higher. The transform is a product of matrices, of the occupied cells. All but the weights is in double precision.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.values import Block
from fip.imaging.beam import FEWEST, LAST_STEP, LOBE_LEVEL, MOST_STEPS, UNDAMPED, Ways, few_frequencies
from fip.imaging.slant.buffers import read_only
from fip.imaging.slant.grid import correction_polynomial, tap_polynomials
from fip.imaging.slant.scheme import SINGLE
from fip.imaging.slant.simd import FAST, Floats, first_half, fma, join, load, splat, spread, store, swap_halves

Doubles = NDArray[np.float64]

Patch: TypeAlias = Callable[[Sequence[Block], Doubles, int, float], Doubles]
"""A function with the arguments and the result of `patch`."""

_CELLS = SINGLE.support
_BOTH = 2 * _CELLS  # lanes: the weights along v, then along u
_LANES = 8  # frequencies that are made at once


def sums(blocks: Sequence[Block]) -> tuple[float, Doubles]:
    """Sum as fip.imaging.beam.Ways says, in compiled loops."""
    totals = np.zeros(4)
    for block in blocks:
        weight = block.weight[0]
        squared = np.square(block.frequency / SPEED_OF_LIGHT)
        _add_moments(read_only(block.uvw, np.float64), squared, read_only(weight, weight.dtype), totals)
    total, uu, uv, vv = totals.tolist()
    return total, np.array([[uu, uv], [uv, vv]])


@njit(**FAST)
def _add_moments(uvw: Doubles, squared: Doubles, weight: NDArray[np.floating], totals: Doubles) -> None:
    total, uu, uv, vv = totals[0], totals[1], totals[2], totals[3]
    for r in range(uvw.shape[0]):
        of_row, per_metre = 0.0, 0.0
        for n in range(squared.size):
            of_row += weight[r, n]
            per_metre += weight[r, n] * squared[n]
        u, v = uvw[r, 0], uvw[r, 1]
        total += of_row
        uu += per_metre * u * u
        uv += per_metre * u * v
        vv += per_metre * v * v
    totals[0], totals[1], totals[2], totals[3] = total, uu, uv, vv


def main_lobe(
    blocks: Sequence[Block], to_sky: Doubles, total: float, side: int, step: float, of: Patch | None = None
) -> tuple[bool, Doubles | None]:
    """Find the main lobe as fip.imaging.beam.Ways says. `of` makes the patch in place of `patch`."""
    psf = ((of or patch)(blocks, to_sky, side, step) / total).ravel()
    within = np.zeros(side * side, np.bool_)
    if not _flood(psf, side, LOBE_LEVEL, np.empty(side * side, np.int64), within):
        return False, None
    first = side // 2 * side + side // 2 + 1  # beyond the peak: P(-y) = P(y), so one half says all
    points = np.flatnonzero(within[first:]) + first
    if points.size < FEWEST:
        return True, None
    row, column = np.divmod(points, side)
    x, y = (side // 2 - column) * step, (row - side // 2) * step
    start = -math.log(LOBE_LEVEL) / (2 * float(np.mean(x * x + y * y)))  # as fip.imaging.beam begins
    a = np.array([start, 0.0, start])
    if not _fit(x, y, psf[points], a, MOST_STEPS, UNDAMPED, LAST_STEP):
        return True, None
    return True, np.array([[a[0], a[1]], [a[1], a[2]]])


COMPILED = Ways(sums, main_lobe)
"""How a worker whose kernel is compiled fits beams."""


def patch(blocks: Sequence[Block], to_sky: Doubles, side: int, step: float) -> Doubles:
    """Return sum_k w_k cos(2 pi u_k.x) of the first Stokes [row, column], at x = to_sky y.

    y is (-column, row) less the middle one, in steps, as pixels are; `side` is a multiple of 4.
    """
    points = 3 * side // 2
    width = points + _CELLS
    cells, down = np.zeros(width * width), np.empty(_CELLS)
    scale = to_sky * (points * step / SPEED_OF_LIGHT)  # (u, v) per m to cells per Hz
    polynomials, waves, correction = _constants(side)
    furthest = 0.0
    for block in blocks:
        uvw = read_only(block.uvw, np.float64)
        longest = _longest(uvw, to_sky)
        frequency, matrix = few_frequencies(block, longest, side, step)
        lanes = -(-frequency.size // _LANES) * _LANES
        padded = np.zeros((0 if matrix is None else len(matrix), lanes), np.float32)
        if matrix is not None:
            padded[:, : frequency.size] = matrix
        furthest = max(furthest, longest / SPEED_OF_LIGHT * float(frequency[-1]) * points * step)
        _add_weights(
            cells, points, uvw, scale, read_only(frequency, np.float64), padded.ravel(), lanes,
            read_only(block.weight[0], np.float32).ravel(), polynomials, np.empty(lanes, np.float32), down,
        )  # fmt: skip
    middle = width // 2
    reach = math.ceil(furthest) + _CELLS // 2 if furthest < points // 2 - 1 else middle
    occupied = slice(middle - reach, middle + reach)
    waves = waves[occupied]
    along = cells.reshape(width, width)[occupied, occupied] @ waves
    psf = waves[:, :side].T @ along[:, :side] + waves[:, side:].T @ along[:, side:]
    return np.asarray(psf * correction)


@cache
def _constants(side: int) -> tuple[Floats, Doubles, Doubles]:
    """Return the kernel's polynomials; cos and sin [cell, pixel | pixel] of a patch; its correction [row, column]."""
    points, pixel = 3 * side // 2, np.arange(side) - side // 2
    cell = np.arange(points + _CELLS) - (points + _CELLS) // 2
    angle = 2 * np.pi / points * (np.outer(cell, pixel) % points)
    at = pixel / points
    factor = np.polynomial.polynomial.polyval(at * at, correction_polynomial(SINGLE).astype(np.float64))
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return tap_polynomials(SINGLE).astype(np.float64), waves, np.outer(factor, factor)


@njit(**FAST)
def _longest(uvw: Doubles, to_sky: Doubles) -> float:
    """Return the length of the longest (u, v) times a matrix."""
    longest = 0.0
    for r in range(uvw.shape[0]):
        x = uvw[r, 0] * to_sky[0, 0] + uvw[r, 1] * to_sky[1, 0]
        y = uvw[r, 0] * to_sky[0, 1] + uvw[r, 1] * to_sky[1, 1]
        longest = max(longest, x * x + y * y)
    return math.sqrt(longest)


@njit(**FAST)
def _add_weights(
    cells: Doubles, points: int, uvw: Doubles, scale: Doubles, frequency: Doubles, matrix: Floats, lanes: int,
    weight: Floats, polynomials: Doubles, few: Floats, down: Doubles,
) -> None:  # fmt: skip
    """Add weight[row, channel] matrix[channel, lane] at frequency[lane] to cells [v, u], whose middle is u = v = 0.

    Without a matrix, add the weights themselves.
    """
    channels, width = weight.size // uvw.shape[0], points + _CELLS
    middle, degree, zero = points // 2, polynomials.size // _BOTH - 1, splat(cells, 0, _CELLS)
    for r in range(uvw.shape[0]):
        if matrix.size:
            for k in range(0, lanes, _LANES):
                made = splat(few, 0, _LANES)
                for c in range(channels):
                    made = fma(spread(weight, r * channels + c, _LANES), load(matrix, c * lanes + k, _LANES), made)
                store(few, k, made)
        else:
            for c in range(channels):
                few[c] = weight[r * channels + c]
        per_u = uvw[r, 0] * scale[0, 0] + uvw[r, 1] * scale[1, 0]
        per_v = uvw[r, 0] * scale[0, 1] + uvw[r, 1] * scale[1, 1]
        n = 0
        while n < frequency.size:
            first, i, j = n, math.floor(per_u * frequency[n]), math.floor(per_v * frequency[n])
            s0, s1, s2, s3, s4, s5, s6, s7 = zero, zero, zero, zero, zero, zero, zero, zero
            while n < frequency.size:  # those in one cell are summed before they are added
                u, v = per_u * frequency[n] - i, per_v * frequency[n] - j
                if n > first and not (0 <= u < 1 and 0 <= v < 1):
                    break
                z = join(splat(cells, 2 * v - 1, _CELLS), splat(cells, 2 * u - 1, _CELLS))
                both = load(polynomials, 0, _BOTH)
                for d in range(1, degree + 1):
                    both = fma(both, z, load(polynomials, d * _BOTH, _BOTH))
                store(down, 0, first_half(both) * splat(down, few[n], _CELLS))
                across = first_half(swap_halves(both))
                s0, s1 = fma(spread(down, 0, 8), across, s0), fma(spread(down, 1, 8), across, s1)
                s2, s3 = fma(spread(down, 2, 8), across, s2), fma(spread(down, 3, 8), across, s3)
                s4, s5 = fma(spread(down, 4, 8), across, s4), fma(spread(down, 5, 8), across, s5)
                s6, s7 = fma(spread(down, 6, 8), across, s6), fma(spread(down, 7, 8), across, s7)
                n += 1
            at = ((np.int64(j) + middle) % points + 1) * width + (np.int64(i) + middle) % points + 1
            for row, part in enumerate((s0, s1, s2, s3, s4, s5, s6, s7)):
                store(cells, at + row * width, part + load(cells, at + row * width, _CELLS))


@njit(**FAST)
def _flood(psf: Doubles, side: int, level: float, stack: NDArray[np.int64], within: NDArray[np.bool_]) -> bool:
    """Mark the pixels above a level that are connected with the middle one, by sides; False if one is at an edge."""
    stack[0] = side // 2 * side + side // 2
    within[stack[0]] = True
    top = 1
    while top:
        top -= 1
        pixel = stack[top]
        row, column = pixel // side, pixel % side
        if row in (0, side - 1) or column in (0, side - 1):
            return False
        for beside in (pixel - side, pixel + side, pixel - 1, pixel + 1):
            if not within[beside] and psf[beside] > level:
                within[beside] = True
                stack[top] = beside
                top += 1
    return True


@njit(**FAST)
def _misfit(x: Doubles, y: Doubles, psf: Doubles, a: Doubles, model: Doubles) -> float:
    """Return the sum of squares of the errors of exp(-(x, y).A (x, y)); fill `model` with its values."""
    total = 0.0
    for i in range(x.size):
        model[i] = math.exp(-(a[0] * x[i] * x[i] + 2 * a[1] * x[i] * y[i] + a[2] * y[i] * y[i]))
        total += (model[i] - psf[i]) ** 2
    return total


@njit(**FAST)
def _fit(x: Doubles, y: Doubles, psf: Doubles, a: Doubles, most_steps: int, undamped: float, last_step: float) -> bool:
    """Improve a = (A_xx, A_xy, A_yy), as `fip.imaging.beam` does; False if many ellipses fit."""
    model, tried = np.empty(x.size), np.empty(x.size)
    curvature, gradient, step = np.empty((3, 3)), np.empty(3), np.empty(3)
    scale, squares = np.empty(3), np.empty(3)
    misfit, damping = _misfit(x, y, psf, a, model), 1e-6
    for _ in range(most_steps):
        curvature[:], gradient[:], scale[:] = 0, 0, 0
        for i in range(x.size):
            squares[0], squares[1], squares[2] = x[i] * x[i], 2 * x[i] * y[i], y[i] * y[i]
            whole, part = model[i] * (2 * model[i] - psf[i]), model[i] * (model[i] - psf[i])
            for j in range(3):
                gradient[j] += squares[j] * part
                scale[j] += (squares[j] * model[i]) ** 2
                for k in range(j + 1):
                    curvature[j, k] += squares[j] * squares[k] * whole
        for j in range(3):
            curvature[j, j] += damping * scale[j]
        if not _solve(curvature, gradient, step):
            return False
        largest = max(abs(a[0]), abs(a[1]), abs(a[2]))
        if damping <= undamped and max(abs(step[0]), abs(step[1]), abs(step[2])) <= last_step * largest:
            a += step
            return True
        found = _misfit(x, y, psf, a + step, tried)
        if found <= misfit:
            a += step
            model, tried, misfit = tried, model, found
            damping /= 10
        else:
            damping *= 10
    return True


@njit(**FAST)
def _solve(m: Doubles, right: Doubles, out: Doubles) -> bool:
    """m out = right, of a symmetric m [3, 3] whose lower half is given; False if it is singular."""
    a, b, c, d, e, f = m[0, 0], m[1, 0], m[2, 0], m[1, 1], m[2, 1], m[2, 2]
    p, q, r = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * p + b * q + c * r
    if not abs(determinant) > 1e-15 * abs(a * d * f):
        return False
    s, t, u = a * f - c * c, b * c - a * e, a * d - b * b
    out[0] = (p * right[0] + q * right[1] + r * right[2]) / determinant
    out[1] = (q * right[0] + s * right[1] + t * right[2]) / determinant
    out[2] = (r * right[0] + t * right[1] + u * right[2]) / determinant
    return True
