"""Interpolation along one axis, 16 lines at once: out[o, lane] = f_lane(position(o, lane)).

Weights are flat (`taps.py`), so no correction precedes or follows, and the line may carry any phase screen within the
band. Positions are polynomials in t over segments of the long axis. In an output row the 16 lanes share one node of the
table of taps, that nearest to the lanes' mean position; for the small rest of each lane its taps are polynomials. So
the inner loop consists of multiply-adds of contiguous vectors, without gathers. If lanes are further apart than that
(wide fields, low elevations), whole samples of their distance are taken out first, by copying lanes shifted against
each other.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fip.imaging.slant.scheme import ORDERS, Scheme
from fip.imaging.slant.simd import (
    FAST,
    Floats,
    aligned,
    fma,
    load,
    load_powers,
    polynomial,
    read_taps,
    splat,
    spread,
    store,
    store_past,
)  # fmt: skip
from fip.imaging.slant.taps import MOST_POWERS, Taps

SEGMENT = 512  # rows: the longest for which positions are one polynomial
_MOST_POWERS = 8


class Work(NamedTuple):
    """Buffers of one segment; those of points are [node of t][lane]."""

    lane: NDArray[np.float64]  # [point] coordinate across
    offset: NDArray[np.float64]  # [point] of the coordinate along
    zero: NDArray[np.float64]  # [point]
    node: NDArray[np.float64]  # [point] t
    q: NDArray[np.float64]  # [point] n - 1
    value: NDArray[np.float64]  # [point]
    power: NDArray[np.float64]  # [power][lane] coefficients of each lane
    to_powers: NDArray[np.float64]  # [power][node]
    mean: NDArray[np.float64]  # [_MOST_POWERS] coefficients of the mean position, 0 if there are fewer
    rest: Floats  # [power][lane] coefficients of each lane's distance from it
    shift: NDArray[np.int64]  # [lane] whole samples
    source: NDArray[np.int64]  # [row] index of the first sample
    taps: NDArray[np.int64]  # [row] index of the taps
    step: Floats  # [row] mean position less that of the node
    t: Floats  # [row]
    tile: Floats  # [row][lane]
    shifted: Floats  # a copy of source rows, lanes shifted


class Line(NamedTuple):
    """The places of the rows of a line: at y - slope q, y = begin + row pitch, in a source that begins at `origin`."""

    rows: int
    begin: float
    pitch: float
    slope: float
    origin: float
    per_unit: float  # samples of the source to a unit of y
    segment: int  # rows whose positions are one polynomial, at most SEGMENT; a power of two


def make_work(scheme: Scheme, longest: int) -> Work:
    """Make buffers for lines of at most `longest` samples."""
    nodes, to_powers = _chebyshev(scheme.powers)

    def points() -> NDArray[np.float64]:
        return np.zeros(scheme.powers * 16)

    def floats(length: int) -> Floats:
        return aligned(length, scheme.precision)

    return Work(
        points(), points(), points(), np.repeat(nodes, 16), points(), points(), points(),
        to_powers, np.zeros(_MOST_POWERS), floats(scheme.powers * 16),
        np.zeros(16, np.int64), np.zeros(SEGMENT, np.int64), np.zeros(SEGMENT, np.int64),
        floats(SEGMENT), floats(SEGMENT), floats(SEGMENT * 16), floats((longest + scheme.taps) * 16),
    )  # fmt: skip


@cache
def _chebyshev(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `count` nodes in [-1, 1], and the flat matrix from values [node] to coefficients [power]."""
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    return nodes, np.linalg.inv(np.vander(nodes, increasing=True)).ravel()


@njit(**FAST)
def find_q(start: float, half: float, offset: NDArray[np.float64], a: float, b: float, w: Work) -> None:
    """Set w.q = n - 1 at the slanted coordinates x = w.lane and y = start + half t + offset.

    x = l - a q, y = m - b q and (1 + q)^2 = 1 - l^2 - m^2, solved for the q that vanishes at the centre.
    """
    slope = 1 + a * a + b * b
    for e in range(w.lane.size):
        x, y = w.lane[e], start + half * w.node[e] + offset[e]
        r2, linear = x * x + y * y, 1 + a * x + b * y
        w.q[e] = -r2 / (linear + math.sqrt(linear * linear - slope * r2))


@njit(**FAST)
def find_powers(w: Work) -> None:
    """Set w.power: coefficients of the polynomial in t through w.value at the Chebyshev nodes, of each lane."""
    count = w.value.size // 16
    for p in range(count):
        total = splat(w.value, 0, 16)
        for k in range(count):
            total = fma(spread(w.to_powers, p * count + k, 16), load(w.value, 16 * k, 16), total)
        store(w.power, 16 * p, total)


@njit(**FAST)
def _mean_at(t: float, w: Work) -> float:
    """Return the mean position, in samples."""
    position = 0.0
    for p in range(w.value.size // 16 - 1, -1, -1):
        position = position * t + w.mean[p]
    return position


@njit(**FAST)
def find_positions(start: float, half: float, line: Line, w: Work) -> float:
    """Find polynomials of the mean position and the lanes' distances from it; return the largest distance, in samples.

    The part linear in t is added afterwards: rounding thousands of samples would show at an epsilon of 1e-11.
    """
    for e in range(w.value.size):
        w.value[e] = -(line.slope * w.q[e] + w.offset[e]) * line.per_unit
    find_powers(w)
    begin, step = (start - line.origin) * line.per_unit, half * line.per_unit
    for i in range(16):
        w.power[i] += begin
        w.power[16 + i] += step
    for e in range(w.value.size):
        w.value[e] += begin + step * w.node[e]
    for p in range(w.value.size // 16):
        w.mean[p] = 0.5 * (w.power[16 * p + 7] + w.power[16 * p + 8])
    largest = 0.0
    for k in range(0, w.value.size, 16):
        mean, power = _mean_at(w.node[k], w), w.mean[k >> 4]
        for e in range(k, k + 16):
            largest = max(largest, abs(w.value[e] - mean))
            w.rest[e] = w.power[e] - power
    return largest


@njit(**FAST)
def taps_are_inside(n: int, largest: float, length: int, taps: int, w: Work) -> bool:
    """Return whether the source has all samples that n rows read. The plan ensures it; no image is made without."""
    low, high = 1e30, -1e30
    for e in range(w.value.size):
        low, high = min(low, w.value[e]), max(high, w.value[e])
    for sign in (-1, 1):
        mean = _mean_at(sign * (1 - 1.0 / n), w)
        low, high = min(low, mean - largest), max(high, mean + largest)
    return low >= taps // 2 - 1 and high < length - taps // 2


@njit(**FAST)
def samples_read(length: int, n: int, taps: int, w: Work) -> tuple[int, int]:
    """Return the first sample that a segment of n rows reads of a source of shifted lanes, and the end of these."""
    low, high = 1e30, -1e30
    for o in (0, n // 2, n - 1):
        mean = _mean_at((o + 0.5) * 2.0 / n - 1, w)
        low, high = min(low, mean), max(high, mean)
    return max(int(low) - taps, 0), min(int(high) + taps + 2, length)


@njit(**FAST)
def shift_lanes(source: Floats, first: int, length: int, n: int, taps: int, w: Work) -> float:
    """Take whole samples out of the lanes' distances and copy the lines to w.shifted; return the largest that is left.

    The copy holds the samples that the segment's rows need, at the indices that they have in the source.
    """
    for i in range(16):
        w.shift[i] = np.int64(math.floor(w.power[i] - w.mean[0] + 0.5))
        w.rest[i] = w.power[i] - w.mean[0] - w.shift[i]
    largest = 0.0
    for k in range(0, w.value.size, 16):
        mean = _mean_at(w.node[k], w)
        for e in range(k, k + 16):
            largest = max(largest, abs(w.value[e] - mean - w.shift[e & 15]))
    begin, end = samples_read(length, n, taps, w)
    for j in range(begin, end):
        for i in range(16):
            from_ = min(max(j + w.shift[i], 0), length - 1)
            w.shifted[16 * j + i] = source[first + 16 * from_ + i]
    return largest


@njit(**FAST)
def place_rows(first: int, last: int, begin: int, taps: int, size: int, log_nodes: int, n: int, w: Work) -> None:
    """Set the samples and the taps that each of n rows reads, `size` floats a node, and its distance from the node."""
    nodes = 1 << log_nodes
    per_row, per_node = 2.0 / n, 1.0 / nodes
    m0, m1, m2, m3, m4, m5, m6, m7 = (
        w.mean[0], w.mean[1], w.mean[2], w.mean[3], w.mean[4], w.mean[5], w.mean[6], w.mean[7]
    )  # fmt: skip
    for o in range(n):
        t = (o + 0.5) * per_row - 1
        upper = ((m7 * t + m6) * t + m5) * t + m4
        position = (((upper * t + m3) * t + m2) * t + m1) * t + m0
        nearest = math.floor(position * nodes + 0.5)
        index = int(nearest)
        sample: int = min(max((index >> log_nodes) - (taps // 2 - 1), 0), last)
        w.source[o] = first + sample * 16
        w.taps[o] = begin + (index & (nodes - 1)) * size
        w.step[o] = position - nearest * per_node
        w.t[o] = t


@cache
def _row_loop(order: int) -> Any:
    """Make the loop over a segment's rows with taps of this order, which is known when it is compiled."""

    @njit(inline="never", **FAST)
    def rows(
        source: Floats, at: NDArray[np.int64], table: Floats, entry: NDArray[np.int64], taps: int,
        fours: NDArray[np.int64], kind: int, n: int, rest: Floats, t: Floats, step: Floats, out: Floats, to: int,
        stride: int, past: bool,
    ) -> None:  # fmt: skip
        of_t = load_powers(rest, 0)
        for o in range(n):
            distance = polynomial(of_t, spread(t, o, 16)) + spread(step, o, 16)
            value = read_taps(source, at[o], table, entry[o], distance, taps, fours, kind * MOST_POWERS, order)
            if past:
                store_past(out, to + o * stride, value)
            else:
                store(out, to + o * stride, value)

    return rows


_rows1, _rows2, _rows3, _rows4, _rows6, _rows8, _rows10, _rows12, _rows16 = (_row_loop(order) for order in ORDERS)


@njit(**FAST)
def _make_rows(
    source: Floats, first: int, length: int, taps: Taps, largest: float, n: int, w: Work,
    out: Floats, to: int, stride: int, past: bool,
) -> None:  # fmt: skip
    """Make rows by taps of the lowest order that is accurate enough."""
    kind = 0
    while kind < len(ORDERS) - 1 and largest > taps.reach[kind]:
        kind += 1
    order, width, table = ORDERS[kind], taps.width, taps.table
    place_rows(first, length - width, taps.starts[kind], width, taps.sizes[kind], taps.log_nodes[kind], n, w)
    args = source, w.source, table, w.taps, width, taps.fours, kind, n, w.rest, w.t, w.step, out, to, stride, past
    if order == 1:
        _rows1(*args)
    elif order == 2:
        _rows2(*args)
    elif order == 3:
        _rows3(*args)
    elif order == 4:
        _rows4(*args)
    elif order == 6:
        _rows6(*args)
    elif order == 8:
        _rows8(*args)
    elif order == 10:
        _rows10(*args)
    elif order == 12:
        _rows12(*args)
    else:
        _rows16(*args)


@njit(**FAST)
def resample(
    source: Floats, first: int, length: int, taps: Taps, line: Line, lane_slope: float, row: int,
    w: Work, out: Floats, to: int, stride: int, past: bool,
) -> int:  # fmt: skip
    """Make a segment of the rows of a line, from `row` on; return how many, or 0 if they cannot be right.

    `source` from `first` holds `length` samples of 16 lanes. w.lane and w.offset are the places of the lanes; they are
    slanted by lane_slope, rows are not. Segments are halved until the lanes' distances hardly vary in them; if they are
    still too far apart then, or the source lacks samples, there is no image. `past`: see `simd.store_past`.
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
            _make_rows(source, first, length, taps, largest, n, w, out, to, stride, past)
            return n
        largest = shift_lanes(source, first, length, n, taps.width, w)
        if largest <= taps.steepest:
            _make_rows(w.shifted, 0, length, taps, largest, n, w, out, to, stride, past)
            return n
        size //= 2
    return 0
