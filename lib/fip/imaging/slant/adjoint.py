"""The transposed stages: from pixels back to half a uv plane, in the reverse order of `stages.py` and `resample.py`.

Each function does exactly what the transpose of the matrix of its namesake does, in the same layout.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.fft import fft8
from fip.imaging.slant.resample import (
    Line,
    Work,
    find_positions,
    find_q,
    place_rows,
    samples_read,
    shift_lanes,
    taps_are_inside,
)
from fip.imaging.slant.scheme import ORDERS
from fip.imaging.slant.simd import (
    FAST,
    Floats,
    Vec,
    fma,
    fnma,
    load,
    load_powers,
    polynomial,
    splat,
    spread,
    spread_taps,
    store,
    swap_halves,
    transpose8,
    transpose16,
)  # fmt: skip
from fip.imaging.slant.stages import Columns, Correction, Shape, Transform, correct, shear_block
from fip.imaging.slant.taps import MOST_POWERS, Taps

GROUP = 8  # columns of 16 pixels that are taken from an image at once


@cache
def _row_loop(order: int) -> Any:
    """Make the loop over a segment's rows with taps of this order, which is known when it is compiled."""

    @njit(inline="never", **FAST)
    def rows(
        target: Floats, at: NDArray[np.int64], table: Floats, entry: NDArray[np.int64], taps: int,
        fours: NDArray[np.int64], kind: int, n: int, rest: Floats, t: Floats, step: Floats, values: Floats, first: int,
    ) -> None:  # fmt: skip
        of_t = load_powers(rest, 0)
        for o in range(n):
            distance = polynomial(of_t, spread(t, o, 16)) + spread(step, o, 16)
            value = load(values, first + o * 16, 16)
            spread_taps(target, at[o], table, entry[o], value, distance, taps, fours, kind * MOST_POWERS, order)

    return rows


_rows1, _rows2, _rows3, _rows4 = (_row_loop(order) for order in (1, 2, 3, 4))


@njit(inline="never", **FAST)
def _rows_of_any(
    target: Floats, at: NDArray[np.int64], table: Floats, entry: NDArray[np.int64], taps: int,
    fours: NDArray[np.int64], kind: int, n: int, rest: Floats, t: Floats, step: Floats, values: Floats, first: int,
    order: int,
) -> None:  # fmt: skip
    """Do the same for any order: for high orders, which wide fields at low elevations need, it takes little longer."""
    of_t, by_power = load_powers(rest, 0), np.empty(16 * (order + 1), target.dtype)
    for o in range(n):
        distance = polynomial(of_t, spread(t, o, 16)) + spread(step, o, 16)
        value = load(values, first + o * 16, 16)
        for r in range(order + 1):
            store(by_power, 16 * r, value)
            value = value * distance
        four, of = 0, entry[o]
        for held in range(1, order + 2):
            for _ in range(fours[kind * MOST_POWERS + held - 1]):
                for k in range(4):
                    to = at[o] + 16 * (2 * four + k if k < 2 else taps - 2 * four + k - 4)
                    total = load(target, to, 16)
                    for r in range(held):
                        total = fma(spread(table, of + r, 16), load(by_power, 16 * r, 16), total)
                    store(target, to, total)
                    of += held
                four += 1


@njit(**FAST)
def _spread_rows(
    target: Floats, first: int, length: int, taps: Taps, largest: float, n: int, w: Work,
    values: Floats, at: int,
) -> None:  # fmt: skip
    """Spread rows by taps of the lowest order that is accurate enough, the order with which they are read."""
    kind = 0
    while kind < len(ORDERS) - 1 and largest > taps.reach[kind]:
        kind += 1
    order, width, table = ORDERS[kind], taps.width, taps.table
    place_rows(first, length - width, taps.starts[kind], width, taps.sizes[kind], taps.log_nodes[kind], n, w)
    args = target, w.source, table, w.taps, width, taps.fours, kind, n, w.rest, w.t, w.step, values, at
    if order == 1:
        _rows1(*args)
    elif order == 2:
        _rows2(*args)
    elif order == 3:
        _rows3(*args)
    elif order == 4:
        _rows4(*args)
    else:
        _rows_of_any(
            target, w.source, table, w.taps, width, taps.fours, kind, n, w.rest, w.t, w.step, values, at, order
        )  # fmt: skip


@njit(**FAST)
def spread_line(
    target: Floats, first: int, length: int, taps: Taps, line: Line, lane_slope: float, row: int,
    w: Work, values: Floats, at: int,
) -> int:  # fmt: skip
    """Add a segment of the rows of a line, from `row` on, to the samples they are read from; return how many, or 0.

    The segments are those of resample.resample; values hold at least line.segment rows, or all that are left.
    """
    size = line.segment
    while size >= 16:
        n = min(size, line.rows - row)
        half = 0.5 * n * line.pitch
        start = line.begin + (row - 0.5) * line.pitch + half
        find_q(start, half, w.zero, lane_slope, 0.0, w)
        largest = find_positions(start, half, line, w)
        if not taps_are_inside(n, largest, length, taps.width, w):
            return 0
        if largest <= taps.steepest:
            _spread_rows(target, first, length, taps, largest, n, w, values, at)
            return n
        largest = shift_lanes(target, first, length, n, taps.width, w)
        if largest <= taps.steepest:
            begin, end = samples_read(length, n, taps.width, w)
            for e in range(16 * begin, 16 * end):
                w.shifted[e] = 0
            _spread_rows(w.shifted, 0, length, taps, largest, n, w, values, at)
            for j in range(begin, end):
                for i in range(16):
                    to = min(max(j + w.shift[i], 0), length - 1)
                    target[first + 16 * to + i] += w.shifted[16 * j + i]
            return n
        size //= 2
    return 0


@njit(**FAST)
def spread_xi(
    image: Floats, s: Shape, taps: Taps, line: Line, across: Line, transposed: bool, w: Work, tiles: Floats,
    lines: Floats,
) -> bool:  # fmt: skip
    """The transpose of stages.resample_xi: lines[eta block][xi][16 eta] of image[xi][eta], or [eta][xi].

    `tiles` holds GROUP columns of 16 pixels, rows one after the other: in the image each is on a page of its own.
    """
    width, size = s.blocks * 16, 16 * line.rows + 16
    lines[:] = 0
    for e in range(w.offset.size):
        w.offset[e] = 0.0
    for block in range((across.rows + 15) // 16):
        for e in range(w.lane.size):
            w.lane[e] = across.begin + min(block * 16 + (e & 15), across.rows - 1) * across.pitch
        lanes = min(16, across.rows - block * 16)
        direct = lanes == 16 and not transposed
        if direct and block % GROUP == 0:
            _fill_tiles(image, block, min(GROUP, across.rows // 16 - block), line.rows, across.rows, tiles, size)
        row = 0
        while row < line.rows:
            if direct:
                values, at = tiles, block % GROUP * size + 16 * row
            else:
                _fill_tile(image, row, min(line.segment, line.rows - row), block, lanes, line, across, transposed, w)
                values, at = w.tile, 0
            made = spread_line(lines, block * width * 16, width, taps, line, 0.0, row, w, values, at)
            if made == 0:
                return False
            row += made
    return True


@njit(**FAST)
def _fill_tiles(image: Floats, block: int, blocks: int, rows: int, columns: int, tiles: Floats, size: int) -> None:
    """Fill tiles[block][row][16] from the image, `size` floats each."""
    for row in range(rows):
        at = row * columns + block * 16
        for b in range(blocks):
            store(tiles, b * size + 16 * row, load(image, at + 16 * b, 16))


@njit(**FAST)
def _fill_tile(
    image: Floats, row: int, rows: int, block: int, lanes: int, line: Line, across: Line, transposed: bool, w: Work
) -> None:
    """Fill w.tile[row][lane]; lanes beyond the image are 0."""
    if lanes < 16:
        for e in range(16 * rows):
            w.tile[e] = 0
    whole = rows // 16 * 16 if transposed and lanes == 16 else 0
    for t in range(0, whole, 16):
        transpose16(image, block * 16 * line.rows + row + t, line.rows, w.tile, t * 16, 16)
    for o in range(whole, rows):
        for i in range(lanes):
            e = block * 16 + i
            w.tile[o * 16 + i] = image[e * line.rows + row + o] if transposed else image[(row + o) * across.rows + e]


@njit(inline="never", **FAST)
def _times_term(
    line: Floats, at: int, n: int, powers: Floats, power: int, in_q: Floats, k: int, odd: bool, out: Floats, to: int,
) -> None:  # fmt: skip
    """out = g_k(y) line, as in stages._combine."""
    of_t, minus = load_powers(powers, power), splat(out, -1, 16)
    count = in_q.shape[1]
    flat = in_q.reshape(-1)
    per_row = 2.0 / n
    for j in range(n):
        y = polynomial(of_t, splat(out, (j + 0.5) * per_row - 1, 16))
        x = fma(y + y, y, minus)
        g = spread(flat, k * count + count - 1, 16)
        for i in range(count - 2, -1, -1):
            g = fma(g, x, spread(flat, k * count + i, 16))
        if odd:
            g = g * y
        store(out, to + j * 16, g * load(line, at + j * 16, 16))


@njit(**FAST)
def _half_spectrum(z: Floats, n: int, s: Shape, phases: Floats, sign: Vec, half: Floats, at: int) -> None:
    """Fill the half plane's column from the transform z[n][16] of two real columns in each of 8 lanes, turned back."""
    for r in range(s.rows):
        v = r - s.row0
        one, other = load(z, ((v + n) % n) * 16, 16), load(z, ((n - v) % n) * 16, 16)
        re, im = one + other, swap_halves(one - other) * sign
        wr, wi = load(phases, r * 32, 16), load(phases, r * 32 + 16, 16)
        store(half, at + r * 32, fma(im, wi, re * wr))
        store(half, at + r * 32 + 16, fnma(re, wi, im * wr))


@njit(**FAST)
def untransform_v(
    lines: Floats, s: Shape, f: Transform, in_q: Floats, odd: NDArray[np.int64], across: Floats, correction: Floats,
    taps: Taps, line: Line, c: Columns, w: Work, padded: Floats, half: Floats,
) -> bool:  # fmt: skip
    """The transpose of stages.transform_v: half [xi block][term][v][16 re | 16 im]; padded holds n x 16 floats."""
    signs, offset = np.ones(16, half.dtype), np.empty(16, half.dtype)
    signs[:8] = -1
    sign = load(signs, 0, 16)
    width, first = s.blocks * 16, f.n // 2 - s.length // 2
    padded[:] = 0
    for block in range(s.blocks):
        shear_block(block, s, f.n, offset, c, w)
        c.line[:] = 0
        row = 0
        while row < line.rows:
            for t in range(0, min(line.segment, line.rows - row), 16):
                transpose16(lines, ((row + t) // 16 * width + block * 16) * 16, 16, w.tile, t * 16, 16)
            made = spread_line(c.line, 0, s.length, taps, line, s.a, row, w, w.tile, 0)
            if made == 0:
                return False
            row += made
        correct(c.line, s.length, Correction(correction, 1.0 / f.n, s.length // 2, offset, across, block * 16))
        for k in range(s.terms):
            for j in range(0, s.length, s.segment):
                n = min(s.segment, s.length - j)
                at = j // s.segment * w.power.size
                _times_term(c.line, j * 16, n, c.powers, at, in_q, k, odd[k] == 1, padded, (first + j) * 16)
            z = fft8(padded, 0, 16, f.a, f.b, f.radices, f.twiddles, f.n)
            _half_spectrum(z, f.n, s, c.phases, sign, half, (block * s.terms + k) * s.rows * 32)
    return True


@njit(**FAST)
def untransform_u(half: Floats, s: Shape, f: Transform, padded: Floats, staged: Floats, grid: Floats) -> None:
    """The transpose of stages.transform_u: grid [v][u][term][re, im].

    Conjugate, transform, conjugate: real and imaginary parts change places on the way in and on the way out.
    """
    terms, row_length = s.terms, s.columns * 2 * s.terms
    first = f.n // 2 - s.blocks * 8
    padded[:] = 0
    for r in range(0, s.rows, 8):
        for k in range(terms):
            for block in range(s.blocks):
                at, to = ((block * terms + k) * s.rows + r) * 32, (first + 16 * block) * 16
                transpose8(half, at, 32, padded, to + 8, 16)
                transpose8(half, at + 8, 32, padded, to + 136, 16)
                transpose8(half, at + 16, 32, padded, to, 16)
                transpose8(half, at + 24, 32, padded, to + 128, 16)
            x = fft8(padded, 0, 16, f.a, f.b, f.radices, f.twiddles, f.n)
            for c in range(s.columns):
                j = (c - s.column0 + f.n) % f.n * 16
                to = (c * terms + k) * 16
                store(staged, to, load(x, j + 8, 8))
                store(staged, to + 8, load(x, j, 8))
        for i in range(0, row_length, 8):
            transpose8(staged, i * 8, 8, grid, r * row_length + i, row_length)
