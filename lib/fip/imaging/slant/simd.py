"""Explicit vectors for numba: 8, 16 or 32 floats as values, which LLVM maps to the registers that the processor has.

<16 x float> becomes one AVX-512, two AVX or four SSE or NEON registers, and <16 x double> twice as many; the same
source runs everywhere and owes nothing to the luck of automatic vectorisation, which fails here: numba's arrays may
alias, and a negative index wraps.

Arrays are flat and contiguous, float32 or float64, and an index counts floats. The precision of a vector is that of the
array that it comes from, so that a function of these compiles for either. Nothing is checked: an index out of range
reads or writes somebody else's memory. So this module has a twin in numpy, tests/support/checked_simd.py, of the same
names, which raises IndexError, and the tests run the whole kernel on it, uncompiled. What is added here is to be added
there.
A complex point is 16 floats: 8 real parts, then 8 imaginary ones.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from fip.imaging.slant.cache import use_cache
from fip.imaging.slant.scheme import POWERS, Precision

FOLDER = use_cache()  # before anything is compiled

from numba import types  # noqa: E402
from numba.core import cgutils  # noqa: E402
from numba.extending import intrinsic, models, overload, register_model  # noqa: E402

Floats = NDArray[Any]
"""float32 or float64, all arrays of a call alike."""

FAST = {"cache": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy", "nogil": True}
"""Options of every compiled function. NaN and infinity keep their meaning."""

_BITS = {ir.FloatType(): 32, ir.DoubleType(): 64}


class Vec(types.Type):  # type: ignore[misc]
    """The numba type of a vector of `lanes` floats. In annotations, such a value."""

    def __init__(self, number: types.Float, lanes: int) -> None:
        self.number, self.lanes = number, lanes
        super().__init__(f"{number}x{lanes}")

    if TYPE_CHECKING:  # how values behave

        def __add__(self, other: Vec) -> Vec: ...
        def __sub__(self, other: Vec) -> Vec: ...
        def __mul__(self, other: Vec) -> Vec: ...


@register_model(Vec)
class _VecModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, type_: Vec) -> None:
        number = ir.FloatType() if type_.number == types.float32 else ir.DoubleType()
        super().__init__(manager, type_, ir.VectorType(number, type_.lanes))


def _lanes_of(indices: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), list(indices))


def _address(context: Any, builder: Any, type_: Any, array: Any, index: Any) -> Any:
    """Pointer to array[index]: a negative index is not taken from the end, as numba's own would be."""
    made = context.make_array(type_)(context, builder, array)
    return builder.gep(made.data, [index])


def _load(builder: Any, address: Any, lanes: int) -> Any:
    """Aligned as its elements are for certain; buffers of `aligned` are better, and loads do not straddle lines."""
    number = address.type.pointee
    vector = ir.VectorType(number, lanes)
    return builder.load(builder.bitcast(address, vector.as_pointer()), align=_BITS[number] // 8)


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.bitcast(address, value.type.as_pointer()), align=_BITS[value.type.element] // 8)


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    vector = ir.VectorType(scalar.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, _lanes_of([0] * lanes))


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, of floats or vectors, in one instruction where there is one."""
    kind = a.type
    lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
    name = f"llvm.fmuladd.{lanes}f{_BITS[kind.element if lanes else kind]}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [a, b, c])


@intrinsic(prefer_literal=True)
def load(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """array[index : index + lanes], a constant number of them"""
    if not isinstance(lanes, types.IntegerLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, _address(context, builder, signature.args[0], *args[:2]), lanes.literal_value)

    return Vec(array.dtype, lanes.literal_value)(array, types.intp, lanes), generate


@intrinsic(prefer_literal=True)
def spread(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """array[index] in all of so many lanes, a constant"""
    if not isinstance(lanes, types.IntegerLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scalar = builder.load(_address(context, builder, signature.args[0], *args[:2]))
        return _splat(builder, scalar, lanes.literal_value)

    return Vec(array.dtype, lanes.literal_value)(array, types.intp, lanes), generate


@intrinsic(prefer_literal=True)
def splat(typing: Any, like: Any, number: Any, lanes: Any) -> Any:
    """a number in all of so many lanes, a constant, as precise as the array `like`"""
    if not isinstance(lanes, types.IntegerLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[1], lanes.literal_value)

    return Vec(like.dtype, lanes.literal_value)(like, like.dtype, lanes), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + lanes] = value"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, args[2], _address(context, builder, signature.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fused(builder, *args)

    return a(a, b, c), generate


@intrinsic
def fnma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """c - a * b"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fused(builder, builder.fneg(args[0]), args[1], args[2])

    return a(a, b, c), generate


def _arithmetic(operation: Callable[[Any, Any], Any], instruction: str) -> None:
    @intrinsic
    def apply(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args)

        return a(a, b), generate

    @overload(operation)
    def choose(a, b):  # type: ignore[no-untyped-def]  # numba wants the very signature of what is returned
        if isinstance(a, Vec) and a == b:
            return lambda a, b: apply(a, b)
        return None


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")


@intrinsic
def first_half(typing: Any, a: Any) -> Any:
    """the first half of the lanes"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], args[0], _lanes_of(range(a.lanes // 2)))

    return Vec(a.number, a.lanes // 2)(a), generate


@intrinsic
def swap_halves(typing: Any, a: Any) -> Any:
    """the second half of the lanes before the first"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = a.lanes // 2
        return builder.shuffle_vector(args[0], args[0], _lanes_of([*range(half, 2 * half), *range(half)]))

    return a(a), generate


@intrinsic
def join(typing: Any, a: Any, b: Any) -> Any:
    """two vectors as one"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], args[1], _lanes_of(range(2 * a.lanes)))

    return Vec(a.number, 2 * a.lanes)(a, b), generate


def _make_transpose(n: int) -> Any:
    @intrinsic
    def transpose(typing: Any, source: Any, at: Any, row: Any, target: Any, to: Any, column: Any) -> Any:
        """target[to + j * column + i] = source[at + i * row + j] for i, j < n, in registers"""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            source_, at_, row_, target_, to_, column_ = args

            def place(base: Any, stride: Any, k: int) -> Any:
                return builder.add(base, builder.mul(stride, ir.Constant(base.type, k)))

            rows = [
                _load(builder, _address(context, builder, signature.args[0], source_, place(at_, row_, k)), n)
                for k in range(n)
            ]
            half = n // 2
            while half:  # exchange the off-diagonal blocks of side `half`
                low = _lanes_of([lane if not lane & half else n + (lane & ~half) for lane in range(n)])
                high = _lanes_of([lane | half if not lane & half else n + lane for lane in range(n)])
                for k in (k for k in range(n) if not k & half):
                    pair = rows[k], rows[k + half]
                    rows[k], rows[k + half] = builder.shuffle_vector(*pair, low), builder.shuffle_vector(*pair, high)
                half //= 2
            for k in range(n):
                address = _address(context, builder, signature.args[3], target_, place(to_, column_, k))
                _store(builder, rows[k], address)
            return context.get_dummy_value()

        i = types.intp
        return types.void(source, i, i, target, i, i), generate

    return transpose


transpose8, transpose16 = _make_transpose(8), _make_transpose(16)


@intrinsic
def load_powers(typing: Any, array: Any, index: Any) -> Any:
    """the vectors of 16 from array[index] on that are the coefficients of a polynomial, see `polynomial`"""
    count = POWERS[array.dtype.name]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = _address(context, builder, signature.args[0], *args)
        places = [builder.gep(first, [ir.Constant(args[1].type, 16 * power)]) for power in range(count)]
        return context.make_tuple(builder, signature.return_type, [_load(builder, place, 16) for place in places])

    return types.UniTuple(Vec(array.dtype, 16), count)(array, types.intp), generate


@intrinsic
def polynomial(typing: Any, coefficients: Any, t: Any) -> Any:
    """sum_p coefficients[p] t^p"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        *lower, total = cgutils.unpack_tuple(builder, args[0])
        for each in reversed(lower):
            total = _fused(builder, total, args[1], each)
        return total

    return t(coefficients, t), generate


def make_even_polynomial(*coefficients: Sequence[float]) -> Any:
    """The function of x^2 with the coefficients, lowest first, for single precision, or those for double."""
    by_bits = dict(zip((32, 64), coefficients, strict=True))

    @intrinsic
    def evaluate(typing: Any, square: Any) -> Any:
        """sum_p c_p square^p, of a float"""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            *lower, highest = (ir.Constant(args[0].type, each) for each in by_bits[square.bitwidth])
            total = highest
            for each in reversed(lower):
                total = _fused(builder, total, args[0], each)
            return total

        return square(square), generate

    return evaluate


@intrinsic(prefer_literal=True)
def taylor_taps(typing: Any, source: Any, at: Any, table: Any, row: Any, rest: Any, taps: Any, order: Any) -> Any:
    """sum_r rest^r sum_k table[row + k (order + 1) + r] source[at + 16 k : + 16], r <= order (a constant), k < taps.

    `taps` is a multiple of 4. Straight-line code of 4 taps: each table entry is spread over the lanes by the
    multiply-add that uses it.
    """
    if not isinstance(order, types.IntegerLiteral):
        return None
    powers, chains = order.literal_value + 1, 2 if source.dtype == types.float32 else 1

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source_, at_, table_, row_, rest_, taps_ = args[:6]
        first = _address(context, builder, signature.args[0], source_, at_)
        entries = _address(context, builder, signature.args[2], table_, row_)
        # two sums for each power, as one waits four cycles for its predecessor; a vector of doubles is two already
        zero = ir.Constant(rest_.type, None)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(chains * powers)]

        def offset(address: Any, k: Any) -> Any:
            return builder.gep(address, [k])

        with cgutils.for_range(builder, builder.sdiv(taps_, ir.Constant(taps_.type, 4))) as loop:
            values_at = offset(first, builder.mul(loop.index, ir.Constant(taps_.type, 64)))
            entries_at = offset(entries, builder.mul(loop.index, ir.Constant(taps_.type, 4 * powers)))
            for k in range(4):
                values = _load(builder, offset(values_at, ir.Constant(taps_.type, 16 * k)), 16)
                for r in range(powers):
                    entry = builder.load(offset(entries_at, ir.Constant(taps_.type, k * powers + r)))
                    total = sums[r + powers * (k % chains)]
                    builder.store(_fused(builder, _splat(builder, entry, 16), values, builder.load(total)), total)
        by_power = [builder.load(each) for each in sums[:powers]]
        if chains == 2:
            by_power = [builder.fadd(a, builder.load(b)) for a, b in zip(by_power, sums[powers:], strict=True)]
        result = by_power[-1]
        for term in by_power[-2::-1]:
            result = _fused(builder, result, rest_, term)
        return result

    return Vec(source.dtype, 16)(source, types.intp, table, types.intp, rest, types.intp, order), generate


@intrinsic(prefer_literal=True)
def outer_store(typing: Any, weights: Any, values: Any, at: Any, terms: Any, target: Any, to: Any) -> Any:
    """target[to + 2 terms c + e] = weights[cells + c] values[at + e]: a row of cells of `terms` complex numbers.

    `terms` is a constant; `weights` has 2 x cells lanes.
    """
    if not isinstance(terms, types.IntegerLiteral):
        return None
    floats, cells = 2 * terms.literal_value, weights.lanes // 2
    width = 16 if floats <= 16 else 32

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        weights_, values_, at_, _, target_, to_ = args
        address = _address(context, builder, signature.args[4], target_, to_)
        held = _load(builder, _address(context, builder, signature.args[1], values_, at_), width)
        for first in range(0, floats * cells, 16):
            lanes = range(first, first + 16)
            cell = builder.shuffle_vector(weights_, weights_, _lanes_of([cells + e // floats for e in lanes]))
            value = builder.shuffle_vector(held, held, _lanes_of([e % floats for e in lanes]))
            place = builder.gep(address, [ir.Constant(to_.type, first)])
            _store(builder, builder.fmul(cell, value), place)
        return context.get_dummy_value()

    i = types.intp
    return types.void(weights, values, i, terms, target, i), generate


def aligned(length: int, precision: Precision) -> Floats:
    """Zeros on a boundary of 64 bytes: a load of 16 floats from elsewhere always straddles two cache lines."""
    size = length * np.dtype(precision).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(precision)
