"""Explicit vectors for numba: 8, 16 or 32 floats as values, which LLVM maps to the registers that the processor has.

<16 x float> becomes one AVX-512, two AVX or four SSE or NEON registers, and <16 x double> twice as many; the same
source runs everywhere. Automatic vectorisation would fail here: numba's arrays may alias, and a negative index wraps.

Arrays are flat and contiguous, float32 or float64, and an index counts floats. The precision of a vector is that of its
array, so that a function of vectors compiles for either. Nothing is checked: an index out of range reads or writes
other memory. So this module has a twin in numpy, tests/support/checked_simd.py, of the same names, which raises
IndexError, and the tests run the whole kernel on it, uncompiled. Whatever is added here must be added there.
A complex point is 16 floats: 8 real parts, then 8 imaginary ones.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from fip.data.memory import on_boundary
from fip.imaging.slant.emit import BITS, called, fused, horner, lanes_of, load_at, made, shuffled, splat_of, store_at
from fip.imaging.slant.emit import Vec as Vec
from fip.imaging.slant.scheme import POWERS, Precision

from numba import types  # isort: skip # after emit, which sets the cache of compiled functions
from numba.core import cgutils  # isort: skip
from numba.extending import intrinsic, overload  # isort: skip

Floats = NDArray[Any]
"""float32 or float64, all arrays of a call alike."""

FAST = {"cache": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy", "nogil": True}
"""Options of every compiled function. NaN and infinity keep their meaning."""


@intrinsic(prefer_literal=True)
def load(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """array[index : index + lanes], a constant number of them"""
    count = lanes.literal_value
    code = made(lambda builder, start, at, _: load_at(builder, start, at, count))
    return Vec(array.dtype, count)(array, types.intp, lanes), code


@intrinsic(prefer_literal=True)
def spread(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """array[index] in all of so many lanes, a constant"""
    count = lanes.literal_value
    code = made(lambda builder, start, at, _: splat_of(builder, builder.load(builder.gep(start, [at])), count))
    return Vec(array.dtype, count)(array, types.intp, lanes), code


@intrinsic(prefer_literal=True)
def splat(typing: Any, like: Any, number: Any, lanes: Any) -> Any:
    """a number in all of so many lanes, a constant, as precise as the array `like`"""
    count = lanes.literal_value
    code = made(lambda builder, _, scalar, __: splat_of(builder, scalar, count))
    return Vec(like.dtype, count)(like, like.dtype, lanes), code


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + lanes] = value"""
    code = made(lambda builder, start, at, vector: store_at(builder, vector, start, at))
    return types.void(array, types.intp, value), code


@intrinsic
def store_past(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """store 16 lanes past the caches, on a boundary of 64 bytes: memory is written without being read first"""
    code = made(lambda builder, start, at, vector: store_at(builder, vector, start, at, past=True))
    return types.void(array, types.intp, value), code


@intrinsic
def ask_for(typing: Any, array: Any, index: Any) -> Any:
    """Fetch array[index : index + 16] into the second-level cache, if there is time; it may be out of range."""

    def emit(builder: Any, start: Any, at: Any) -> None:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        ask = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
        for first in range(0, 16, 512 // BITS[start.type.pointee]):
            place = builder.gep(start, [builder.add(at, ir.Constant(at.type, first))])
            builder.call(ask, [builder.bitcast(place, byte), *(ir.Constant(number, each) for each in (0, 2, 1))])

    return types.void(array, types.intp), made(emit)


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c"""
    return a(a, b, c), made(fused)


@intrinsic
def fnma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """c - a * b"""
    return a(a, b, c), made(lambda builder, x, y, z: fused(builder, builder.fneg(x), y, z))


def _arithmetic(operation: Callable[[Any, Any], Any], instruction: str) -> None:
    @intrinsic
    def apply(typing: Any, a: Any, b: Any) -> Any:
        return a(a, b), made(lambda builder, x, y: getattr(builder, instruction)(x, y))

    @overload(operation)
    def choose(a, b):  # type: ignore[no-untyped-def]  # numba wants the very signature of what is returned
        if isinstance(a, Vec) and a == b:
            return lambda a, b: apply(a, b)
        return None


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")


def _by_name(name: str, meaning: str) -> Any:
    @intrinsic
    def apply(typing: Any, a: Any) -> Any:
        return a(a), made(lambda builder, x: called(builder, name, x.type, x))

    apply.__doc__ = meaning
    return apply


square_root = _by_name("sqrt", "the square root of each lane")
floor_of = _by_name("floor", "each lane's next integer below")


@intrinsic
def not_negative(typing: Any, a: Any) -> Any:
    """each lane, or 0 if it is negative"""
    return a(a), made(lambda builder, x: called(builder, "maxnum", x.type, x, ir.Constant(x.type, None)))


@intrinsic
def rounded(typing: Any, like: Any, a: Any) -> Any:
    """doubles as precise as the array `like`"""

    def emit(builder: Any, _: Any, x: Any) -> Any:
        return x if like.dtype == types.float64 else builder.fptrunc(x, ir.VectorType(ir.FloatType(), a.lanes))

    return Vec(like.dtype, a.lanes)(like, a), made(emit)


@intrinsic
def sum_of_lanes(typing: Any, a: Any) -> Any:
    """the sum of all lanes"""

    def emit(builder: Any, x: Any) -> Any:
        zero = ir.Constant(x.type.element, -0.0)
        return called(builder, "vector.reduce.fadd", zero.type, zero, x, fastmath=("reassoc",))

    return a.number(a), made(emit)


@intrinsic
def first_half(typing: Any, a: Any) -> Any:
    """the first half of the lanes"""
    half = a.lanes // 2
    return Vec(a.number, half)(a), made(lambda builder, x: shuffled(builder, x, range(half)))


@intrinsic
def swap_halves(typing: Any, a: Any) -> Any:
    """the second half of the lanes before the first"""
    half = a.lanes // 2
    return a(a), made(lambda builder, x: shuffled(builder, x, [*range(half, 2 * half), *range(half)]))


@intrinsic
def join(typing: Any, a: Any, b: Any) -> Any:
    """two vectors joined as one"""
    both = lanes_of(range(2 * a.lanes))
    return Vec(a.number, 2 * a.lanes)(a, b), made(lambda builder, x, y: builder.shuffle_vector(x, y, both))


def _make_transpose(n: int, past: bool = False) -> Any:
    @intrinsic
    def transpose(typing: Any, source: Any, at: Any, row: Any, target: Any, to: Any, column: Any) -> Any:
        """target[to + j * column + i] = source[at + i * row + j] for i, j < n, in registers"""

        def emit(builder: Any, source: Any, at: Any, row: Any, target: Any, to: Any, column: Any) -> None:
            def place(base: Any, stride: Any, k: int) -> Any:
                return builder.add(base, builder.mul(stride, ir.Constant(base.type, k)))

            rows = [load_at(builder, source, place(at, row, k), n) for k in range(n)]
            half = n // 2
            while half:  # exchange the off-diagonal blocks of side `half`
                low = lanes_of([lane if not lane & half else n + (lane & ~half) for lane in range(n)])
                high = lanes_of([lane | half if not lane & half else n + lane for lane in range(n)])
                for k in (k for k in range(n) if not k & half):
                    pair = rows[k], rows[k + half]
                    rows[k], rows[k + half] = builder.shuffle_vector(*pair, low), builder.shuffle_vector(*pair, high)
                half //= 2
            for k in range(n):
                store_at(builder, rows[k], target, place(to, column, k), past)

        i = types.intp
        return types.void(source, i, i, target, i, i), made(emit)

    return transpose


transpose8, transpose16 = _make_transpose(8), _make_transpose(16)
transpose16_past = _make_transpose(16, past=True)  # as `store_past`


@intrinsic
def load_powers(typing: Any, array: Any, index: Any) -> Any:
    """the vectors of 16 from array[index] on: the coefficients of a polynomial, see `polynomial`"""
    count = POWERS[array.dtype.name]

    def emit(builder: Any, start: Any, at: Any) -> Any:
        first = builder.gep(start, [at])
        vectors = [load_at(builder, first, ir.Constant(at.type, 16 * power), 16) for power in range(count)]
        return cgutils.pack_array(builder, vectors)

    return types.UniTuple(Vec(array.dtype, 16), count)(array, types.intp), made(emit)


@intrinsic
def polynomial(typing: Any, coefficients: Any, t: Any) -> Any:
    """the polynomial sum_p coefficients[p] t^p"""
    code = made(lambda builder, packed, x: horner(builder, cgutils.unpack_tuple(builder, packed), x))
    return t(coefficients, t), code


def make_even_polynomial(*coefficients: Sequence[float]) -> Any:
    """Make the function of x^2 with the coefficients, lowest first, for single precision, or those for double."""
    by_bits = dict(zip((32, 64), coefficients, strict=True))

    @intrinsic
    def evaluate(typing: Any, square: Any) -> Any:
        """sum_p c_p square^p, of a float"""
        numbers = by_bits[square.bitwidth]
        code = made(lambda builder, x: horner(builder, [ir.Constant(x.type, each) for each in numbers], x))
        return square(square), code

    return evaluate


def _each_four(builder: Any, start: Any, entries: Any, taps: Any, fours: Any, powers: int, emit: Any) -> None:
    """Emit code that visits the taps of a node by fours, from the outermost two of either side on (`taps.py`).

    `emit` gets the number of their powers, the addresses of the samples of the first two and of the last two of them,
    and the address of their entries; `fours[p]` of them have p + 1 powers. It is straight-line code for each such
    number.
    """

    def number(value: int) -> Any:
        return ir.Constant(taps.type, value)

    last = builder.gep(start, [builder.mul(builder.sub(taps, number(2)), number(16))])
    left, right, entry = (cgutils.alloca_once_value(builder, each) for each in (start, last, entries))
    for held in range(1, powers + 1):
        with cgutils.for_range(builder, builder.load(builder.gep(fours, [number(held - 1)]))):
            places = [builder.load(each) for each in (left, right, entry)]
            emit(held, *places)
            for pointer, place, step in zip((left, right, entry), places, (32, -32, 4 * held), strict=True):
                builder.store(builder.gep(place, [number(step)]), pointer)


@intrinsic(prefer_literal=True)
def read_taps(
    typing: Any, source: Any, at: Any, table: Any, row: Any, rest: Any, taps: Any, fours: Any, kind: Any, order: Any
) -> Any:
    """sum_k source[at + 16 k : + 16] sum_r rest^r weight[k, r], k < taps, r <= order (a constant) or fewer.

    The weights are in the table from `row` on, by fours: fours[kind + p] fours of taps have p + 1 powers. Each entry is
    spread over the lanes by the multiply-add that uses it.
    """
    powers, chains = order.literal_value + 1, 2 if source.dtype == types.float32 else 1

    def emit(builder: Any, source: Any, at: Any, table: Any, row: Any, *others: Any) -> Any:
        rest, taps, fours, kind, _ = others
        # two sums for each power, as each waits four cycles for the last; a vector of doubles is already two
        zero = ir.Constant(rest.type, None)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(chains * powers)]

        def add(held: int, left: Any, right: Any, entries: Any) -> None:
            for k in range(4):
                values = load_at(builder, (left, right)[k // 2], ir.Constant(taps.type, k % 2 * 16), 16)
                for r in range(held):
                    entry = builder.load(builder.gep(entries, [ir.Constant(taps.type, k * held + r)]))
                    total = sums[r + powers * (k % chains)]
                    builder.store(fused(builder, splat_of(builder, entry, 16), values, builder.load(total)), total)

        start, entries = builder.gep(source, [at]), builder.gep(table, [row])
        _each_four(builder, start, entries, taps, builder.gep(fours, [kind]), powers, add)
        by_power = [builder.load(each) for each in sums[:powers]]
        if chains == 2:
            by_power = [builder.fadd(a, builder.load(b)) for a, b in zip(by_power, sums[powers:], strict=True)]
        return horner(builder, by_power, rest)

    i = types.intp
    return Vec(source.dtype, 16)(source, i, table, i, rest, i, fours, i, order), made(emit)


@intrinsic(prefer_literal=True)
def spread_taps(
    typing: Any, target: Any, at: Any, table: Any, row: Any, value: Any, rest: Any, taps: Any, fours: Any, kind: Any,
    order: Any,
) -> Any:  # fmt: skip
    """target[at + 16 k : + 16] += value sum_r rest^r weight[k, r], with weights as `read_taps` has them.

    `read_taps` is the transpose of this.
    """
    powers = order.literal_value + 1

    def emit(builder: Any, target: Any, at: Any, table: Any, row: Any, *others: Any) -> None:
        value, rest, taps, fours, kind, _ = others
        by_power = [value]
        for _power in range(1, powers):
            by_power.append(builder.fmul(by_power[-1], rest))

        def add(held: int, left: Any, right: Any, entries: Any) -> None:
            for k in range(4):
                place, sample = (left, right)[k // 2], ir.Constant(taps.type, k % 2 * 16)
                total = load_at(builder, place, sample, 16)
                for r, part in enumerate(by_power[:held]):
                    entry = builder.load(builder.gep(entries, [ir.Constant(taps.type, k * held + r)]))
                    total = fused(builder, splat_of(builder, entry, 16), part, total)
                store_at(builder, total, place, sample)

        start, entries = builder.gep(target, [at]), builder.gep(table, [row])
        _each_four(builder, start, entries, taps, builder.gep(fours, [kind]), powers, add)

    i = types.intp
    return types.void(target, i, table, i, value, rest, i, fours, i, order), made(emit)


@intrinsic(prefer_literal=True)
def outer_store(typing: Any, weights: Any, values: Any, at: Any, terms: Any, target: Any, to: Any) -> Any:
    """target[to + 2 terms c + e] = weights[cells + c] values[at + e]: a row of cells of `terms` complex numbers.

    `terms` is a constant; `weights` has 2 x cells lanes.
    """
    floats, cells = 2 * terms.literal_value, weights.lanes // 2
    width = 16 if floats <= 16 else 32

    def emit(builder: Any, weights: Any, values: Any, at: Any, _: Any, target: Any, to: Any) -> None:
        address, held = builder.gep(target, [to]), load_at(builder, values, at, width)
        for first in range(0, floats * cells, 16):
            lanes = range(first, first + 16)
            cell = shuffled(builder, weights, [cells + e // floats for e in lanes])
            value = shuffled(builder, held, [e % floats for e in lanes])
            store_at(builder, builder.fmul(cell, value), address, ir.Constant(to.type, first))

    i = types.intp
    return types.void(weights, values, i, terms, target, i), made(emit)


def aligned(length: int, precision: Precision) -> Floats:
    """Return zeros on a boundary of 64 bytes: a load of 16 floats from elsewhere always straddles two cache lines."""
    held = on_boundary(length * np.dtype(precision).itemsize)
    held[:] = 0
    return held.view(precision)
