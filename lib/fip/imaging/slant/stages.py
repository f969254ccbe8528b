"""From the grid to the image: transforms, combination of the terms, two interpolations (docs/kernel.md).

The slanted coordinates are xi, first, whose slope a is the smaller, and eta, whose slope is b. All buffers are flat,
of one precision; a *block* is 16 neighbouring columns of xi, or 16 neighbouring pixels of eta.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.fft import fft8, reads_ends
from fip.imaging.slant.resample import Line, Work, find_powers, find_q, resample
from fip.imaging.slant.simd import (
    FAST,
    Floats,
    Vec,
    ask_for,
    fma,
    fnma,
    load,
    load_powers,
    polynomial,
    splat,
    spread,
    store,
    store_past,
    swap_halves,
    transpose8,
    transpose16,
    transpose16_past,
)  # fmt: skip
from fip.imaging.slant.taps import Taps
from fip.imaging.slant.tiles import CELLS, Marks

TWIDDLES = 64  # rows of the table from which shear phases are made


class Transform(NamedTuple):
    """One of the two Fourier transforms."""

    n: int
    radices: NDArray[np.int64]
    twiddles: Floats
    a: Floats  # [n][16], work
    b: Floats  # [n][16], work


class Shape(NamedTuple):
    """Sizes of the slanted image and of what is made on the way to it."""

    terms: int
    rows: int  # of the grid, a multiple of 8
    row0: int  # the row of v = 0
    columns: int  # of the grid, a multiple of 8
    column0: int  # the column of u = 0, a multiple of 4
    blocks: int  # of 16 xi columns
    length: int  # samples of eta
    xi0: float  # rad, of the first column
    eta0: float  # rad, of the first sample, sheared
    xi_step: float  # rad
    eta_step: float  # rad
    a: float  # slope of xi
    b: float  # slope of eta
    q_centre: float
    per_q: float  # y = per_q (q - q_centre), the argument of the terms' functions
    segment: int  # samples of eta over which y is a polynomial


@njit(**FAST)
def transform_u(grid: Floats, marks: Marks, s: Shape, f: Transform, staged: Floats, out: Floats, past: bool) -> None:
    """Grid [v][u][term][re, im] -> [xi block][term][v][16 re | 16 im], 8 rows of v at a time.

    `staged` holds n terms complex vectors. The unoccupied ones are zeroed here, once; so are tiles that are not marked,
    if a row above had marked them. `past`: see `simd.store_past`.
    """
    terms, across = s.terms, -(-s.columns // CELLS)
    ends = reads_ends(f.radices, f.n, s.columns - s.column0, s.column0)
    quarter = f.n // 4 if ends else f.n // 2
    staged[(s.columns - s.column0) * terms * 16 : quarter * terms * 16] = 0
    staged[(f.n - quarter) * terms * 16 : (f.n - s.column0) * terms * 16] = 0
    filled = np.ones(across, np.uint8)
    first, tile = f.n // 2 - s.blocks * 8, np.empty(256, staged.dtype)
    for r in range(0, s.rows, 8):
        if not _stage(grid, marks, r, s, f.n, filled, staged):
            for block in range(s.blocks):
                for k in range(terms):
                    to = ((block * terms + k) * s.rows + r) * 32
                    out[to : to + 256] = 0
            continue
        for k in range(terms):
            x = fft8(staged, k * 16, 16 * terms, f.a, f.b, f.radices, f.twiddles, f.n, ends)
            for block in range(s.blocks):
                to, at = ((block * terms + k) * s.rows + r) * 32, (first + 16 * block) * 16
                if past:
                    _turn(x, at, tile, 0)
                    for i in range(0, 256, 16):
                        store_past(out, to + i, load(tile, i, 16))
                else:
                    _turn(x, at, out, to)


@njit(inline="always")
def _turn(x: Floats, at: int, out: Floats, to: int) -> None:
    """Turn 16 points of eight sequences into [sequence][16 re | 16 im]."""
    transpose8(x, at, 16, out, to, 32)
    transpose8(x, at + 128, 16, out, to + 8, 32)
    transpose8(x, at + 8, 16, out, to + 16, 32)
    transpose8(x, at + 136, 16, out, to + 24, 32)


@njit(**FAST)
def _stage(grid: Floats, marks: Marks, row: int, s: Shape, n: int, filled: Marks, staged: Floats) -> bool:
    """Put eight rows of the grid side by side in `staged`, u = 0 first; return False if none of their tiles is marked.

    filled[tile] says whether `staged` holds values; it is made to hold 0 for a tile that is not marked.
    """
    row_length, cell, across = s.columns * 2 * s.terms, 2 * s.terms, filled.size
    middle, wrapped = s.column0 * cell, (n - s.column0) * s.terms * 16
    any_marked = False
    for tile in range(across):
        marked = marks[row // 8 * across + tile]
        any_marked = any_marked or marked != 0
        if marked or filled[tile]:
            for i in range(tile * CELLS * cell, min((tile + 1) * CELLS * cell, row_length), 8):
                to = wrapped + i * 8 if i < middle else (i - middle) * 8
                if marked:
                    transpose8(grid, row * row_length + i, row_length, staged, to, 8)
                else:
                    staged[to : to + 64] = 0
            filled[tile] = marked
    return any_marked


@njit(**FAST)
def _shear_phases(turns: NDArray[np.float64], first: int, rows: int, out: Floats, table: Floats) -> None:
    """out[row][16 cos | 16 sin] of 2 pi turns[lane] (first + row): a table of 64 rows times the phase of its start."""
    turn = np.exp(2j * math.pi * turns)
    wave = np.ones(16, np.complex128)
    for r in range(TWIDDLES):
        for i in range(16):
            table[r * 32 + i] = wave[i].real
            table[r * 32 + 16 + i] = wave[i].imag
            wave[i] *= turn[i]
    base = np.empty(32, out.dtype)
    for r in range(0, rows, TWIDDLES):
        start = np.exp(2j * math.pi * (turns * (first + r)))
        for i in range(16):
            base[i] = start[i].real
            base[16 + i] = start[i].imag
        re, im = load(base, 0, 16), load(base, 16, 16)
        for k in range(min(TWIDDLES, rows - r)):
            tr, ti = load(table, k * 32, 16), load(table, k * 32 + 16, 16)
            store(out, (r + k) * 32, fnma(im, ti, re * tr))
            store(out, (r + k) * 32 + 16, fma(re, ti, im * tr))


@njit(inline="always")
def _sheared(half: Floats, at: int, phases: Floats, r: int, sign: Vec) -> tuple[Vec, Vec]:
    """Return row r times its shear phase, two real columns in each of 8 complex lanes: the parts of (v) and of (-v)."""
    re, im = load(half, at + r * 32, 16), load(half, at + r * 32 + 16, 16)
    wr, wi = load(phases, r * 32, 16), load(phases, r * 32 + 16, 16)
    return fnma(im, wi, re * wr), swap_halves(fma(re, wi, im * wr)) * sign


@njit(**FAST)
def transform_column(half: Floats, at: int, s: Shape, f: Transform, phases: Floats, sign: Vec) -> Floats:
    """Transform the half plane's columns at `at`, Hermitian parts filled in: [n][16], two real columns in each lane."""
    row0, positive, n, out = s.row0, s.rows - s.row0, f.n, f.b
    re, im = _sheared(half, at, phases, row0, sign)
    store(out, 0, re + re)
    for v in range(1, positive):
        re, im = _sheared(half, at, phases, v + row0, sign)
        store(out, v * 16, re + im)
        store(out, (n - v) * 16, re - im)
    ends = reads_ends(f.radices, n, max(positive, row0 + 1), max(positive, row0 + 1))
    quarter = n // 4 if ends else n // 2
    for v in range(positive, quarter):
        store(out, v * 16, splat(out, 0, 16))
    for v in range(n - quarter, n - positive + 1):
        store(out, v * 16, splat(out, 0, 16))
    for v in range(1, row0 + 1):  # the kernels of visibilities near v = 0 reach over to these
        re, im = _sheared(half, at, phases, row0 - v, sign)
        store(out, (n - v) * 16, load(out, (n - v) * 16, 16) + re + im)
        store(out, v * 16, load(out, v * 16, 16) + re - im)
    made: Floats = fft8(out, 0, 16, f.a, out, f.radices, f.twiddles, n, ends)
    return made


class Correction(NamedTuple):
    """The factors that undo the grid's kernel, along eta and xi, for the 16 columns of a block."""

    eta: Floats  # coefficients of a polynomial in the square of the place, which is in transforms
    pitch: float  # of a sample, in transforms
    middle: int  # sample
    offset: Floats  # [16] of the columns' places
    xi: Floats  # [column]
    at: int  # which is the first


@njit(inline="always")
def _corrected(value: Vec, c: Correction, sample: int, shift: Vec, scale: Vec) -> Vec:
    y = shift + splat(c.eta, (sample - c.middle) * c.pitch, 16)
    y = y * y
    h: Vec = spread(c.eta, c.eta.size - 1, 16)
    for i in range(c.eta.size - 2, -1, -1):
        h = fma(h, y, spread(c.eta, i, 16))
    return value * (h * scale)


@njit(inline="never", **FAST)
def _combine(
    term: Floats, at: int, n: int, powers: Floats, power: int, in_q: Floats, k: int, odd: bool, out: Floats, first: int,
    correction: Correction, half: Floats, column: int, end: int,
) -> None:  # fmt: skip
    """out (+)= g_k(y) term from sample `first` on, g_k a polynomial in 2 y^2 - 1 (times y if odd), y one in t.

    k = 0 sets, others add; the last corrects the sum. Meanwhile there is time to fetch the next column of the half
    plane, from `column` to `end`.
    """
    of_t, minus = load_powers(powers, power), splat(out, -1, 16)
    shift, scale = load(correction.offset, 0, 16), load(correction.xi, correction.at, 16)
    count, last = in_q.shape[1], k == in_q.shape[0] - 1
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
        g = g * load(term, at + j * 16, 16)
        if k > 0:
            g = g + load(out, (first + j) * 16, 16)
        if last:
            g = _corrected(g, correction, first + j, shift, scale)
        store(out, (first + j) * 16, g)
        if column < end:
            ask_for(half, column)
            column += 16


@njit(inline="never", **FAST)
def correct(line: Floats, n: int, correction: Correction) -> None:
    """Multiply a line of n samples by the correction."""
    shift, scale = load(correction.offset, 0, 16), load(correction.xi, correction.at, 16)
    for j in range(n):
        store(line, j * 16, _corrected(load(line, j * 16, 16), correction, j, shift, scale))


class Columns(NamedTuple):
    """Buffers of one block of columns."""

    line: Floats  # [eta][16], the combined terms
    phases: Floats  # [v][32]
    table: Floats  # [TWIDDLES][32]
    powers: Floats  # [segment][power][16], y as a function of eta


@njit(**FAST)
def shear_block(block: int, s: Shape, n: int, offset: Floats, c: Columns, w: Work) -> None:
    """Sample columns of a block at eta + b q(xi, 0), which takes most of the slope out of the interpolation.

    Set w.lane, w.offset, the shear's phases and y along eta.
    """
    turns = np.empty(16)
    for e in range(w.lane.size):
        xi = s.xi0 + (block * 16 + (e & 15)) * s.xi_step
        linear = 1 + s.a * xi
        w.lane[e] = xi
        w.offset[e] = s.b * xi * xi / (linear + math.sqrt(linear * linear - (1 + s.a * s.a) * xi * xi))
    for i in range(16):
        turns[i] = w.offset[i] / (n * s.eta_step)
        offset[i] = turns[i]
    _shear_phases(turns, -s.row0, s.rows, c.phases, c.table)
    for j in range(0, s.length, s.segment):
        half = 0.5 * min(s.segment, s.length - j) * s.eta_step
        find_q(s.eta0 + (j - 0.5) * s.eta_step + half, half, w.offset, s.a, s.b, w)
        for e in range(w.q.size):
            w.value[e] = (w.q[e] - s.q_centre) * s.per_q
        find_powers(w)
        at = j // s.segment * w.power.size
        for e in range(w.power.size):
            c.powers[at + e] = w.power[e]


@njit(**FAST)
def transform_v(
    half: Floats, s: Shape, f: Transform, in_q: Floats, odd: NDArray[np.int64], across: Floats, correction: Floats,
    taps: Taps, line: Line, c: Columns, w: Work, out: Floats, past: bool,
) -> bool:  # fmt: skip
    """Transform over v, combine the terms, interpolate along eta: out[eta block][xi][16 eta].

    Return False if the geometry is too steep for the interpolation. `past`: see `simd.store_past`.
    """
    signs, offset = np.ones(16, half.dtype), np.empty(16, half.dtype)
    signs[:8] = -1
    sign = load(signs, 0, 16)
    width = s.blocks * 16
    for block in range(s.blocks):
        shear_block(block, s, f.n, offset, c, w)
        of_block = Correction(correction, 1.0 / f.n, s.length // 2, offset, across, block * 16)
        for k in range(s.terms):
            at = (block * s.terms + k) * s.rows * 32
            x, following = transform_column(half, at, s, f, c.phases, sign), at + s.rows * 32
            for j in range(0, s.length, s.segment):
                n, to = min(s.segment, s.length - j), min(following + j * 16, half.size)
                _combine(
                    x, (f.n // 2 - s.length // 2 + j) * 16, n, c.powers, j // s.segment * w.power.size, in_q, k,
                    odd[k] == 1, c.line, j, of_block, half, to, min(to + n * 16, half.size),
                )  # fmt: skip
        row = 0
        while row < line.rows:
            made = resample(c.line, 0, s.length, taps, line, s.a, row, w, w.tile, 0, 16, False)
            if made == 0:
                return False
            for t in range(0, made, 16):
                to = ((row + t) // 16 * width + block * 16) * 16
                if past:
                    transpose16_past(w.tile, t * 16, 16, out, to, 16)
                else:
                    transpose16(w.tile, t * 16, 16, out, to, 16)
            row += made
    return True


@njit(**FAST)
def resample_xi(
    lines: Floats, s: Shape, taps: Taps, line: Line, across: Line, transposed: bool, w: Work, out: Floats, past: bool,
) -> bool:  # fmt: skip
    """Interpolate along xi: lines[eta block][xi][16 eta] -> out[xi][eta], or out[eta][xi] if transposed.

    `across` is the line along eta, whose rows are the lanes here. `past`: see `simd.store_past`; the image has whole
    lines of memory then: its sides are multiples of 16.
    """
    width = s.blocks * 16
    for e in range(w.offset.size):
        w.offset[e] = 0.0
    for block in range((across.rows + 15) // 16):
        for e in range(w.lane.size):  # those beyond the image repeat its last
            w.lane[e] = across.begin + min(block * 16 + (e & 15), across.rows - 1) * across.pitch
        lanes = min(16, across.rows - block * 16)
        row = 0
        while row < line.rows:
            direct = lanes == 16 and not transposed
            target, to, stride = (out, row * across.rows + block * 16, across.rows) if direct else (w.tile, 0, 16)
            made = resample(
                lines, block * width * 16, width, taps, line, 0.0, row, w, target, to, stride, past and direct
            )
            if made == 0:
                return False
            if transposed:
                _put_transposed(w.tile, made, lanes, out, block * 16 * line.rows + row, line.rows, past)
            elif not direct:
                for o in range(made):
                    for i in range(lanes):
                        out[(row + o) * across.rows + block * 16 + i] = w.tile[o * 16 + i]
            row += made
    return True


@njit(**FAST)
def _put_transposed(tile: Floats, rows: int, lanes: int, out: Floats, to: int, stride: int, past: bool) -> None:
    """out[to + i * stride + o] = tile[o][i]"""
    whole = rows // 16 * 16 if lanes == 16 else 0
    for t in range(0, whole, 16):
        if past:
            transpose16_past(tile, t * 16, 16, out, to + t, stride)
        else:
            transpose16(tile, t * 16, 16, out, to + t, stride)
    for i in range(lanes):
        for o in range(whole, rows):
            out[to + i * stride + o] = tile[o * 16 + i]
