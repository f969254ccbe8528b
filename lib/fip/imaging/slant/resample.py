"""Interpolation along one axis, 16 lines at once: out[o, lane] = f_lane(position(o, lane)).

Weights are flat: the taps of least squares that reproduce exp(2 pi i nu j) for |nu| <= BAND / 2 cycles a sample, so
no correction precedes or follows, and the line may carry any phase screen within the band. Positions are cubics in t
over segments of the long axis. In an output row the 16 lanes share one node of the table of taps, that nearest to the
lanes' mean position; the small rest of each lane is a Taylor step, with taps for the derivatives. So the inner loop is
multiply-adds of contiguous vectors, without gathers. Where lanes are further apart than that (wide fields, low
elevations), whole samples of their distance are taken out first, by copying lanes shifted against each other.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit
from numpy.typing import NDArray

from fip.imaging.slant.simd import FAST, Floats, aligned, fma, load16, spread16, store16, taylor_taps

BAND = 0.68  # cycles per sample, both signs, that a line may hold
TAPS = 24  # flat to 1.4e-6 at most, 5.1e-7 rms over the band
SEGMENT = 512  # rows: the longest for which positions are one cubic
TOLERANCE = 2e-6  # of the Taylor step, rms over the lanes, at the band's edge
ORDERS = (1, 2, 3, 4, 6, 8, 10)
NODES = (512, 64, 64, 64, 64, 64, 64)  # of the table of taps in a sample, for each order
POINTS = 64  # 4 Chebyshev nodes x 16 lanes

_T = np.cos(np.pi * (np.arange(4) + 0.5) / 4)
NODE_T: NDArray[np.float64] = np.repeat(_T, 16)
_CUBIC = tuple(map(float, np.linalg.inv(np.vander(_T, 4, increasing=True)).ravel()))


def _reach(order: int) -> float:
    """The largest rest, in samples, for which a Taylor step of this order is within TOLERANCE.

    The remainder at the band's edge is (pi BAND z)^(R+1) / (R+1)!, its rms over |z| <= reach 1/sqrt(2 R + 3) of that.
    """
    value = math.factorial(order + 1) * math.sqrt(2 * order + 3) * TOLERANCE
    return float(value ** (1 / (order + 1)) / (math.pi * BAND))


_REACH = tuple(_reach(order) - 0.5 / nodes for order, nodes in zip(ORDERS, NODES, strict=True))
STEEPEST = _REACH[-1]  # samples: lanes further from their mean are shifted


class Work(NamedTuple):
    """Buffers of one segment; those of POINTS are [node of t][lane]."""

    lane: NDArray[np.float64]  # coordinate across
    offset: NDArray[np.float64]  # of the coordinate along
    zero: NDArray[np.float64]
    node: NDArray[np.float64]  # NODE_T
    q: NDArray[np.float64]  # n - 1
    value: NDArray[np.float64]
    power: NDArray[np.float64]  # coefficients of t^0..3 of each lane
    mean: NDArray[np.float64]  # coefficients of the mean position
    rest: Floats  # coefficients of each lane's distance from it
    shift: NDArray[np.int64]  # [lane] whole samples
    source: NDArray[np.int64]  # [row] index of the first sample
    taps: NDArray[np.int64]  # [row] index of the taps
    step: Floats  # [row] mean position less that of the node
    t: Floats  # [row]
    tile: Floats  # [row][lane]
    shifted: Floats  # a copy of source rows, lanes shifted


class Line(NamedTuple):
    """Where the rows of a line are: at y - slope q, y = begin + row pitch, in a source that begins at `origin`."""

    rows: int
    begin: float
    pitch: float
    slope: float
    origin: float
    per_unit: float  # samples of the source to a unit of y
    segment: int  # rows of which positions are a cubic, at most SEGMENT; a power of two


def make_work(longest: int) -> Work:
    """Buffers for lines of at most `longest` samples."""

    def doubles() -> NDArray[np.float64]:
        return np.zeros(POINTS)

    return Work(
        doubles(), doubles(), doubles(), NODE_T.copy(), doubles(), doubles(), doubles(), np.zeros(4), aligned(POINTS),
        np.zeros(16, np.int64), np.zeros(SEGMENT, np.int64), np.zeros(SEGMENT, np.int64),
        aligned(SEGMENT), aligned(SEGMENT), aligned(SEGMENT * 16), aligned((longest + TAPS) * 16),
    )  # fmt: skip


@cache
def tap_tables() -> tuple[Floats, tuple[int, ...]]:
    """For each order [node][tap][power], all in one array, and where each begins."""
    frequency = np.cos(np.pi * (np.arange(300) + 0.5) / 300) * BAND / 2
    wave = np.exp(2j * np.pi * np.outer(frequency, np.arange(TAPS) - (TAPS // 2 - 1)))
    inverse = np.linalg.pinv(np.concatenate([wave.real, wave.imag]), rcond=1e-13)

    def taps(position: NDArray[np.float64], power: int) -> NDArray[np.float64]:
        target = np.exp(2j * np.pi * np.outer(frequency, position)).T
        target = (target * (2j * np.pi * frequency) ** power / math.factorial(power)).T
        fit: NDArray[np.float64] = (inverse @ np.concatenate([target.real, target.imag])).T
        return fit

    tables = []
    for order, nodes in zip(ORDERS, NODES, strict=True):
        position = np.arange(nodes) / nodes
        tables.append(np.stack([taps(position, power) for power in range(order + 1)], -1).ravel())
    starts = np.cumsum([0, *(len(table) for table in tables)])
    joined = aligned(int(starts[-1]))
    joined[:] = np.concatenate(tables)
    return joined, tuple(map(int, starts[:-1]))


@njit(**FAST)
def find_q(start: float, half: float, offset: NDArray[np.float64], a: float, b: float, w: Work) -> None:
    """w.q = n - 1 where the slanted coordinates are x = w.lane and y = start + half t + offset.

    x = l - a q, y = m - b q and (1 + q)^2 = 1 - l^2 - m^2, solved for the q that vanishes at the centre.
    """
    slope = 1 + a * a + b * b
    for e in range(POINTS):
        x, y = w.lane[e], start + half * w.node[e] + offset[e]
        r2, linear = x * x + y * y, 1 + a * x + b * y
        w.q[e] = -r2 / (linear + math.sqrt(linear * linear - slope * r2))


@njit(**FAST)
def find_cubics(value: NDArray[np.float64], power: NDArray[np.float64]) -> None:
    """Coefficients of the cubic in t through the values at the Chebyshev nodes, of each lane."""
    for i in range(16):
        f0, f1, f2, f3 = value[i], value[16 + i], value[32 + i], value[48 + i]
        for p in range(4):
            power[16 * p + i] = (
                _CUBIC[4 * p] * f0 + _CUBIC[4 * p + 1] * f1 + _CUBIC[4 * p + 2] * f2 + _CUBIC[4 * p + 3] * f3
            )


@njit(**FAST)
def _find_positions(start: float, half: float, line: Line, w: Work) -> float:
    """Cubics of the mean position and of the lanes' distances from it, in samples; returns the largest distance."""
    for e in range(POINTS):
        y = start + half * w.node[e]
        w.value[e] = (y - line.slope * w.q[e] - w.offset[e] - line.origin) * line.per_unit
    find_cubics(w.value, w.power)
    for p in range(4):
        w.mean[p] = 0.5 * (w.power[16 * p + 7] + w.power[16 * p + 8])
    largest = 0.0
    for e in range(POINTS):
        t = w.node[e]
        mean = ((w.mean[3] * t + w.mean[2]) * t + w.mean[1]) * t + w.mean[0]
        largest = max(largest, abs(w.value[e] - mean))
        w.rest[e] = float32(w.power[e] - w.mean[e >> 4])
    return largest


@njit(**FAST)
def _taps_are_inside(n: int, largest: float, length: int, w: Work) -> bool:
    """Whether the source has all samples that n rows read. The plan sees to it; an image is never made without."""
    low, high = 1e30, -1e30
    for e in range(POINTS):
        low, high = min(low, w.value[e]), max(high, w.value[e])
    for sign in (-1, 1):
        t = sign * (1 - 1.0 / n)
        mean = ((w.mean[3] * t + w.mean[2]) * t + w.mean[1]) * t + w.mean[0]
        low, high = min(low, mean - largest), max(high, mean + largest)
    return low >= TAPS // 2 - 1 and high < length - TAPS // 2


@njit(**FAST)
def _shift_lanes(source: Floats, first: int, length: int, n: int, w: Work) -> float:
    """Take whole samples out of the lanes' distances and copy the lines to w.shifted; returns the largest that is left.

    The copy holds the samples that the segment's rows need, at the indices that they have in the source.
    """
    for i in range(16):
        w.shift[i] = np.int64(math.floor(w.power[i] - w.mean[0] + 0.5))
        w.rest[i] = float32(w.power[i] - w.mean[0] - w.shift[i])
    largest, low, high = 0.0, 1e30, -1e30
    for e in range(POINTS):
        t = w.node[e]
        mean = ((w.mean[3] * t + w.mean[2]) * t + w.mean[1]) * t + w.mean[0]
        largest = max(largest, abs(w.value[e] - mean - w.shift[e & 15]))
    for o in (0, n // 2, n - 1):
        t = (o + 0.5) * 2.0 / n - 1
        mean = ((w.mean[3] * t + w.mean[2]) * t + w.mean[1]) * t + w.mean[0]
        low, high = min(low, mean), max(high, mean)
    begin, end = max(int(low) - TAPS, 0), min(int(high) + TAPS + 2, length)
    for j in range(begin, end):
        for i in range(16):
            from_ = min(max(j + w.shift[i], 0), length - 1)
            w.shifted[16 * j + i] = source[first + 16 * from_ + i]
    return largest


@cache
def _row_loop(order: int) -> Any:
    """The loop over a segment's rows with Taylor steps of this order, a number known when it is compiled."""
    nodes = NODES[ORDERS.index(order)]
    log_nodes = nodes.bit_length() - 1

    @njit(inline="never", **FAST)
    def rows(
        source: Floats, first: int, last: int, table: Floats, begin: int, n: int, w: Work,
        out: Floats, to: int, stride: int,
    ) -> None:  # fmt: skip
        per_row = 2.0 / n
        m0, m1, m2, m3 = w.mean[0], w.mean[1], w.mean[2], w.mean[3]
        for o in range(n):
            t = (o + 0.5) * per_row - 1
            position = ((m3 * t + m2) * t + m1) * t + m0
            nearest = math.floor(position * nodes + 0.5)
            index = int(nearest)
            sample: int = min(max((index >> log_nodes) - (TAPS // 2 - 1), 0), last)
            w.source[o] = first + sample * 16
            w.taps[o] = begin + (index & (nodes - 1)) * (TAPS * (order + 1))
            w.step[o] = float32(position - nearest * (1.0 / nodes))
            w.t[o] = float32(t)
        r0, r1, r2, r3 = load16(w.rest, 0), load16(w.rest, 16), load16(w.rest, 32), load16(w.rest, 48)
        for o in range(n):
            t16 = spread16(w.t, o)
            rest = fma(fma(fma(r3, t16, r2), t16, r1), t16, r0 + spread16(w.step, o))
            store16(out, to + o * stride, taylor_taps(source, w.source[o], table, w.taps[o], rest, TAPS, order))

    return rows


_rows1, _rows2, _rows3, _rows4, _rows6, _rows8, _rows10 = (_row_loop(order) for order in ORDERS)
_REACH1, _REACH2, _REACH3, _REACH4, _REACH6, _REACH8, _REACH10 = _REACH


@njit(**FAST)
def _dispatch(
    source: Floats, first: int, last: int, table: Floats, starts: Any, largest: float, n: int, w: Work,
    out: Floats, to: int, stride: int,
) -> None:  # fmt: skip
    """The row loop of the lowest order that is accurate enough."""
    if largest <= _REACH1:
        _rows1(source, first, last, table, starts[0], n, w, out, to, stride)
    elif largest <= _REACH2:
        _rows2(source, first, last, table, starts[1], n, w, out, to, stride)
    elif largest <= _REACH3:
        _rows3(source, first, last, table, starts[2], n, w, out, to, stride)
    elif largest <= _REACH4:
        _rows4(source, first, last, table, starts[3], n, w, out, to, stride)
    elif largest <= _REACH6:
        _rows6(source, first, last, table, starts[4], n, w, out, to, stride)
    elif largest <= _REACH8:
        _rows8(source, first, last, table, starts[5], n, w, out, to, stride)
    else:
        _rows10(source, first, last, table, starts[6], n, w, out, to, stride)


@njit(**FAST)
def resample(
    source: Floats, first: int, length: int, table: Floats, starts: Any, line: Line, lane_slope: float, row: int,
    w: Work, out: Floats, to: int, stride: int,
) -> int:  # fmt: skip
    """Make the rows of a line from `row` on, a segment of them; returns how many, 0 where that cannot be right.

    `source` from `first` holds `length` samples of 16 lanes. w.lane and w.offset say where the lanes are; they are
    slanted by lane_slope, rows are not. Segments are halved until the lanes' distances hardly vary in them; if they are
    too far apart then still, or the source lacks samples, there is no image.
    """
    size = line.segment
    while size >= 16:
        n = min(size, line.rows - row)
        half = 0.5 * n * line.pitch
        start = line.begin + (row - 0.5) * line.pitch + half
        find_q(start, half, w.zero, lane_slope, 0.0, w)
        largest = _find_positions(start, half, line, w)
        if not _taps_are_inside(n, largest, length, w):
            return 0
        if largest <= STEEPEST:
            _dispatch(source, first, length - TAPS, table, starts, largest, n, w, out, to, stride)
            return n
        largest = _shift_lanes(source, first, length, n, w)
        if largest <= STEEPEST:
            _dispatch(w.shifted, 0, length - TAPS, table, starts, largest, n, w, out, to, stride)
            return n
        size //= 2
    return 0
