"""Planes of rows in one pass over their cells, compiled: weights, flags, Stokes and their sums.

Only rows without a fault are done here: a number that no telescope gives, a sample that nobody observed, or a weight
below 0 makes a row odd, and `fip.imaging.forming` does it in numpy. The result of a row depends on that row alone.
`simd` sets numba's cache: it is one of the modules that name it (`slant/cache.py`).
"""

import time
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from fip.imaging.forming import COUNT, IMAGINARY, LANES, PLACE, POWER, REAL, SCATTER, SQUARES, SUMS, WEIGHT
from fip.imaging.polarisation import GARBLED
from fip.imaging.slant.simd import FAST, Floats, Vec, fma, fnma, load, splat, store, sum_of_lanes, transpose8

from numba import njit, types  # isort: skip  # after simd.py
from numba.core import cgutils  # isort: skip
from numba.extending import intrinsic  # isort: skip

_SIGN = np.uint32(0x7FFFFFFF)
_LIMIT = np.float32(GARBLED).view(np.uint32)
_TINY = np.finfo(np.float32).tiny
_APART = 16  # floats more from one number's line to the next: at 4096 octets their places in the cache would be one
_LINE = 16  # floats of a line of the cache
_FAR = 1 << 14  # floats of the next row that are fetched at most while a row is done


@intrinsic
def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Fetch array[index], which will be read soon."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, args[0]).data
        octet = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [octet, *[ir.IntType(32)] * 3])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, near, data = (ir.Constant(ir.IntType(32), each) for each in (0, 2, 1))
        builder.call(function, [builder.bitcast(builder.gep(start, [args[1]]), octet), read, near, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _of_one(typing: Any, a: Any, result: Any, emit: Any) -> Any:
    return result(a), lambda context, builder, signature, args: emit(builder, args[0])


@intrinsic
def widened(typing: Any, a: Any) -> Any:
    """Return floats as doubles, lane by lane."""
    wide = ir.VectorType(ir.DoubleType(), a.lanes)
    return _of_one(typing, a, Vec(types.float64, a.lanes), lambda builder, x: builder.fpext(x, wide))


@intrinsic
def positive(typing: Any, a: Any) -> Any:
    """Return 1 in each lane that is above 0, and 0 in others."""

    def emit(builder: Any, x: Any) -> Any:
        return builder.uitofp(builder.fcmp_ordered(">", x, ir.Constant(x.type, None)), x.type)

    return _of_one(typing, a, a, emit)


@intrinsic
def larger(typing: Any, a: Any, b: Any) -> Any:
    """Return the larger one of each lane; none is NaN."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one, other = args
        return builder.select(builder.fcmp_ordered(">", one, other), one, other)

    return a(a, b), generate


@njit(**FAST)
def _fetch(values: Floats, at: int, count: int) -> None:
    """Fetch values that will be read soon."""
    for i in range(at, at + min(count, _FAR), _LINE):
        _prefetch(values, i)


@njit(**FAST)
def form_rows(
    data: Floats, data_at: NDArray[np.int64], flag: NDArray[np.uint8], flag_at: NDArray[np.int64], packed: bool,
    weight: Floats, weight_at: NDArray[np.int64], spectral: bool, pairs: NDArray[np.int64], factors: Floats,
    either: NDArray[np.bool_], hands: NDArray[np.int64], place: NDArray[np.float64], channels: int, correlations: int,
    rows: NDArray[np.int64], odd: NDArray[np.bool_], planes: Floats, sums: NDArray[np.float64],
    most: Floats,
) -> None:  # fmt: skip
    """Fill planes[stokes, n, 3, lane] with w Re V, w Im V and w of rows[n], but if odd[n].

    Other rows that turn out to be odd are marked so, and nothing is filled for them. All arrays are contiguous.
    data[...] is float32, flag[...] octets, or bits if it is `packed`; a row begins in them at data_at[row] and
    flag_at[row]. weight[...] likewise with a number for each sample if it is `spectral`, else weight[stokes * row].
    pairs[stokes, 3]: the first correlation, the second or -1, and its sign; factors[stokes, 2] of their sum, real and
    imaginary part; `hands` are the correlations that are not all 0 in a sample that was observed. sums[stokes, SUMS,
    row] and most[stokes, lane], the largest weight of each channel, are added to; place[lane].
    """
    lanes, stokes, count, apart = planes.shape[3], len(pairs), channels * correlations, planes.shape[3] + _APART
    part = np.ones((2 * correlations, apart), np.float32)
    weights = np.zeros((correlations, apart), np.float32)
    full, some, w = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32), np.empty(lanes, np.float32)
    full[:channels] = 1
    seen = np.empty(lanes, np.uint32)
    bits, weight_bits = part.view(np.uint32), weights.view(np.uint32)
    parts, all_planes = part.reshape(-1), planes.reshape(-1)
    for n in range(rows.size):
        if odd[n]:
            continue
        r = rows[n]
        if n + 1 < rows.size:
            _fetch(data, data_at[rows[n + 1]], 2 * count)
        _planar(data, data_at[r], 2 * correlations, channels, part)
        clean = _clean(flag, flag_at[r], count, packed)
        if spectral:
            _planar(weight, weight_at[r], correlations, channels, weights)
        if _is_odd(bits, weight_bits, lanes, spectral, pairs, either, clean, hands, seen):
            odd[n] = True
            continue
        for s in range(stokes):
            first, second = pairs[s, 0], pairs[s, 1]
            good = full
            if not clean:
                good = some
                _fill_good(flag, flag_at[r], packed, correlations, channels, first, second, good)
            same = np.float32(1)
            if not spectral:
                same = weight[s * sums.shape[2] + r]
            else:
                _weigh(weights[first], weights[max(second, 0)], second < 0, good, w)
                good = w
            to = (s * planes.shape[1] + n) * 3 * lanes
            if second < 0:
                _fill_one(parts, 2 * first * apart, apart, good, same, place, all_planes, to, sums[s], r, most[s])
            else:
                sign = np.float32(pairs[s, 2])
                _fill_pair(
                    parts, 2 * first * apart, 2 * second * apart, apart, sign, factors[s, 0], factors[s, 1], good,
                    same, place, all_planes, to, sums[s], r, most[s],
                )  # fmt: skip


@njit(**FAST)
def _weigh(one: Floats, other: Floats, alone: bool, good: Floats, w: Floats) -> None:
    """Find the weight of each channel in a plane."""
    if alone:
        for c in range(w.size):
            w[c] = good[c] * one[c]
    else:
        for c in range(w.size):
            w[c] = other[c] / max(one[c] + other[c], _TINY) * one[c] * np.float32(4) * good[c]


@njit(**FAST)
def _planar(values: Floats, at: int, each: int, channels: int, part: Floats) -> None:
    """part[k, c] = values[at + each * c + k]"""
    apart, begin = part.shape[1], 0
    if each == 8:
        begin = channels - channels % 8
        flat = part.reshape(-1)
        for c in range(0, begin, 8):
            transpose8(values, at + 8 * c, 8, flat, c, apart)
    here = values[at : at + each * channels]
    for k in range(each):
        line = part[k]
        for c in range(begin, channels):
            line[c] = here[each * c + k]


@njit(**FAST)
def _clean(flag: NDArray[np.uint8], at: int, count: int, packed: bool) -> bool:
    """Return whether none of so many flags is set."""
    seen = 0
    if not packed:
        for each in flag[at : at + count]:
            seen |= each
        return bool(seen == 0)
    first, last = at >> 3, (at + count - 1) >> 3
    head, tail = (0xFF << (at & 7)) & 0xFF, 0xFF >> (7 - ((at + count - 1) & 7))
    if first == last:
        return bool((flag[first] & head & tail) == 0)
    for each in flag[first + 1 : last]:
        seen |= each
    return bool((seen | (flag[first] & head) | (flag[last] & tail)) == 0)


@njit(**FAST)
def _is_odd(
    bits: NDArray[np.uint32], weights: NDArray[np.uint32], lanes: int, spectral: bool, pairs: NDArray[np.int64],
    either: NDArray[np.bool_], clean: bool, hands: NDArray[np.int64], seen: NDArray[np.uint32],
) -> bool:  # fmt: skip
    """Return whether numpy has to do a row: by the bits of its numbers, as those of NaN are the largest of all."""
    largest = np.uint32(0)
    for s in range(len(pairs)):
        if either[s] and (spectral or not clean):
            return True
        for side in range(2):
            at = pairs[s, side]
            if at < 0:
                continue
            real, imaginary = bits[2 * at], bits[2 * at + 1]
            for c in range(lanes):
                largest = max(largest, max(real[c] & _SIGN, imaginary[c] & _SIGN))
            if spectral:
                line = weights[at]
                for c in range(lanes):
                    largest = max(largest, line[c])  # with its sign bit: a negative number is the largest
    if largest >= _LIMIT:
        return True
    if not hands.size:
        return False
    least = _SIGN
    if hands.size <= 2:  # as a rule
        first, last = bits[2 * hands[0] : 2 * hands[0] + 2], bits[2 * hands[-1] : 2 * hands[-1] + 2]
        a, b, x, y = first[0], first[1], last[0], last[1]
        for c in range(lanes):
            least = min(least, (a[c] | b[c] | x[c] | y[c]) & _SIGN)
        return bool(least == 0)
    seen[:] = np.uint32(0)
    for hand in hands:
        real, imaginary = bits[2 * hand], bits[2 * hand + 1]
        for c in range(lanes):
            seen[c] |= (real[c] | imaginary[c]) & _SIGN
    for c in range(lanes):
        least = min(least, seen[c])
    return bool(least == 0)


@njit(**FAST)
def _fill_good(
    flag: NDArray[np.uint8], at: int, packed: bool, correlations: int, channels: int, first: int, second: int,
    good: Floats,
) -> None:  # fmt: skip
    """good[channel] is 1 if neither correlation is flagged, else 0."""
    mask = 1 << first
    if second >= 0:
        mask |= 1 << second
    if packed and correlations == 4 and at & 7 == 0:
        here = flag[at >> 3 : (at + 4 * channels + 7) >> 3]
        for c in range(channels):
            good[c] = np.float32(1) if (here[c >> 1] >> (4 * (c & 1))) & mask == 0 else np.float32(0)
    elif packed:
        for c in range(channels):
            i = at + correlations * c
            both = flag[i >> 3] | (flag[(i + correlations - 1) >> 3] << 8)
            good[c] = np.float32(1) if (both >> (i & 7)) & mask == 0 else np.float32(0)
    else:
        for c in range(channels):
            i = at + correlations * c
            bad = flag[i + first]
            if second >= 0:
                bad |= flag[i + second]
            good[c] = np.float32(0) if bad else np.float32(1)


@njit(**FAST)
def _fill_one(
    parts: Floats, at: int, apart: int, good: Floats, same: float, place: NDArray[np.float64], planes: Floats, to: int,
    sums: NDArray[np.float64], r: int, most: Floats,
) -> None:  # fmt: skip
    """Fill a plane of one correlation: its weights are good x same; add its sums to those of its row."""
    zero, weight = splat(place, 0.0, 16), splat(parts, same, 16)
    count = total = squares = power = real = imaginary = scatter = moment = zero
    for c in range(0, good.size, 16):
        w = load(good, c, 16) * weight
        x, y = load(parts, at + c, 16), load(parts, at + apart + c, 16)
        count, total, squares, power, real, imaginary, scatter, moment = _stored(
            x, y, w, c, good.size, load(place, c, 16), planes, to, most,
            count, total, squares, power, real, imaginary, scatter, moment,
        )  # fmt: skip
    _put(sums, r, count, total, squares, power, real, imaginary, scatter, moment)


@njit(**FAST)
def _fill_pair(
    parts: Floats, at: int, other: int, apart: int, sign: float, f: float, g: float, good: Floats, same: float,
    place: NDArray[np.float64], planes: Floats, to: int, sums: NDArray[np.float64], r: int, most: Floats,
) -> None:  # fmt: skip
    """Do the same for two correlations, (f + ig) x (one + sign x other)."""
    zero, weight = splat(place, 0.0, 16), splat(parts, same, 16)
    signs, real_factor, other_factor = splat(parts, sign, 16), splat(parts, f, 16), splat(parts, g, 16)
    count = total = squares = power = real = imaginary = scatter = moment = zero
    for c in range(0, good.size, 16):
        w = load(good, c, 16) * weight
        p = fma(signs, load(parts, other + c, 16), load(parts, at + c, 16))
        q = fma(signs, load(parts, other + apart + c, 16), load(parts, at + apart + c, 16))
        x, y = fnma(other_factor, q, real_factor * p), fma(other_factor, p, real_factor * q)
        count, total, squares, power, real, imaginary, scatter, moment = _stored(
            x, y, w, c, good.size, load(place, c, 16), planes, to, most,
            count, total, squares, power, real, imaginary, scatter, moment,
        )  # fmt: skip
    _put(sums, r, count, total, squares, power, real, imaginary, scatter, moment)


@njit(**FAST)
def _stored(
    x: Vec, y: Vec, w: Vec, c: int, lanes: int, place: Vec, planes: Floats, to: int, most: Floats,
    count: Vec, total: Vec, squares: Vec, power: Vec, real: Vec, imaginary: Vec, scatter: Vec, moment: Vec,
) -> tuple[Vec, Vec, Vec, Vec, Vec, Vec, Vec, Vec]:  # fmt: skip
    """Store 16 channels, and add to the sums in double precision: numbers may be up to GARBLED."""
    re, im = x * w, y * w
    store(planes, to + c, re)
    store(planes, to + lanes + c, im)
    store(planes, to + 2 * lanes + c, w)
    store(most, c, larger(load(most, c, 16), w))
    each, squared = widened(w), widened(fma(x, x, y * y))
    product = squared * each
    return (
        count + widened(positive(w)), total + each, fma(each, each, squares), fma(product, each, power),
        real + widened(re), imaginary + widened(im), scatter + product, fma(place, each, moment),
    )  # fmt: skip


@njit(**FAST)
def _put(
    sums: NDArray[np.float64], r: int, count: Vec, total: Vec, squares: Vec, power: Vec, real: Vec, imaginary: Vec,
    scatter: Vec, moment: Vec,
) -> None:  # fmt: skip
    sums[COUNT, r], sums[WEIGHT, r] = sum_of_lanes(count), sum_of_lanes(total)
    sums[SQUARES, r], sums[POWER, r] = sum_of_lanes(squares), sum_of_lanes(power)
    sums[REAL, r], sums[IMAGINARY, r] = sum_of_lanes(real), sum_of_lanes(imaginary)
    sums[SCATTER, r], sums[PLACE, r] = sum_of_lanes(scatter), sum_of_lanes(moment)


def warm_up_rows() -> float:
    """Compile all of it, if it is not in the cache; return the seconds that it took."""
    begun = time.perf_counter()
    number, octets, nothing = np.zeros(8, np.float32), np.zeros(4, np.uint8), np.zeros(0, np.int64)
    for each in (number, octets):
        each.flags.writeable = False
    form_rows(
        number, nothing, octets, nothing, False, number, nothing, False, np.zeros((1, 3), np.int64),
        np.zeros((1, 2), np.float32), np.zeros(1, bool), nothing, np.zeros(LANES), 1, 4, nothing, np.zeros(0, bool),
        np.zeros((1, 0, 3, LANES), np.float32), np.zeros((1, SUMS, 0)), np.zeros((1, LANES), np.float32),
    )  # fmt: skip
    return time.perf_counter() - begun
