"""Explicit vectors for numba: 8 and 16 floats as values, which LLVM maps to the registers that the processor has.

<16 x float> becomes one AVX-512, two AVX or four SSE or NEON registers; the same source runs everywhere and owes
nothing to the luck of automatic vectorisation, which fails here: numba's arrays may alias, and a negative index wraps.

Arrays are flat and contiguous float32, an index counts floats. Nothing is checked: an index out of range reads or
writes somebody else's memory. So this module has a twin in numpy, tests/checked_simd.py, of the same names, which
raises IndexError, and the tests run the whole kernel on it, uncompiled. What is added here is to be added there.
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

FOLDER = use_cache()  # before anything is compiled

from numba import types  # noqa: E402
from numba.core import cgutils  # noqa: E402
from numba.extending import intrinsic, models, overload, register_model  # noqa: E402

Floats = NDArray[np.float32]
FAST = {"cache": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy", "nogil": True}
"""Options of every compiled function. NaN and infinity keep their meaning."""

_FLOAT = ir.FloatType()
_ALIGN = 4  # bytes that are certain; buffers of `aligned` are better, and loads from them do not straddle lines


class Vec(types.Type):  # type: ignore[misc]
    """The numba type of a vector of `lanes` float32. In annotations, such a value."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(f"float32x{lanes}")

    if TYPE_CHECKING:  # how values behave

        def __add__(self, other: Vec) -> Vec: ...
        def __sub__(self, other: Vec) -> Vec: ...
        def __mul__(self, other: Vec) -> Vec: ...


@register_model(Vec)
class _VecModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, type_: Vec) -> None:
        super().__init__(manager, type_, _vector(type_.lanes))


V8, V16 = Vec(8), Vec(16)


def _vector(lanes: int) -> ir.VectorType:
    return ir.VectorType(_FLOAT, lanes)


def _lanes_of(indices: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), list(indices))


def _address(context: Any, builder: Any, type_: Any, array: Any, index: Any) -> Any:
    """Pointer to array[index]: a negative index is not taken from the end, as numba's own would be."""
    made = context.make_array(type_)(context, builder, array)
    return builder.gep(made.data, [index])


def _load(builder: Any, address: Any, lanes: int) -> Any:
    return builder.load(builder.bitcast(address, _vector(lanes).as_pointer()), align=_ALIGN)


def _store(builder: Any, value: Any, address: Any, lanes: int) -> None:
    builder.store(value, builder.bitcast(address, _vector(lanes).as_pointer()), align=_ALIGN)


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    one = builder.insert_element(ir.Constant(_vector(lanes), ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, _lanes_of([0] * lanes))


def _fused(builder: Any, lanes: int) -> Callable[[Any, Any, Any], Any]:
    """a * b + c in one instruction where there is one."""
    kind = ir.FunctionType(_vector(lanes), [_vector(lanes)] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{lanes}f32")
    return lambda a, b, c: builder.call(function, [a, b, c])


def _make_load(vec: Vec) -> Any:
    @intrinsic
    def load(typing: Any, array: Any, index: Any) -> Any:
        """array[index : index + lanes]"""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _load(builder, _address(context, builder, signature.args[0], *args), vec.lanes)

        return vec(array, types.intp), generate

    return load


def _make_spread(vec: Vec) -> Any:
    @intrinsic
    def spread(typing: Any, array: Any, index: Any) -> Any:
        """array[index] in all lanes"""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            scalar = builder.load(_address(context, builder, signature.args[0], *args))
            return _splat(builder, scalar, vec.lanes)

        return vec(array, types.intp), generate

    return spread


def _make_store(vec: Vec) -> Any:
    @intrinsic
    def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
        """array[index : index + lanes] = value"""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            address = _address(context, builder, signature.args[0], args[0], args[1])
            _store(builder, args[2], address, vec.lanes)
            return context.get_dummy_value()

        return types.void(array, types.intp, vec), generate

    return store


def _make_splat(vec: Vec) -> Any:
    @intrinsic
    def splat(typing: Any, scalar: Any) -> Any:
        """a scalar in all lanes"""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _splat(builder, args[0], vec.lanes)

        return vec(types.float32), generate

    return splat


load8, load16 = _make_load(V8), _make_load(V16)
spread8, spread16 = _make_spread(V8), _make_spread(V16)
store8, store16 = _make_store(V8), _make_store(V16)
splat8, splat16 = _make_splat(V8), _make_splat(V16)


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fused(builder, a.lanes)(*args)

    return a(a, b, c), generate


@intrinsic
def fnma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """c - a * b"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fused(builder, a.lanes)(builder.fneg(args[0]), args[1], args[2])

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


def _make_shuffle(source: Vec, result: Vec, lanes: Sequence[int]) -> Any:
    @intrinsic
    def shuffle(typing: Any, a: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.shuffle_vector(args[0], args[0], _lanes_of(lanes))

        return result(source), generate

    return shuffle


first_half = _make_shuffle(V16, V8, range(8))
swap_halves = _make_shuffle(V16, V16, [*range(8, 16), *range(8)])


@intrinsic
def join(typing: Any, a: Any, b: Any) -> Any:
    """two vectors of 8 as one of 16"""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[0], args[1], _lanes_of(range(16)))

    return V16(a, b), generate


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
                _store(builder, rows[k], address, n)
            return context.get_dummy_value()

        i = types.intp
        return types.void(source, i, i, target, i, i), generate

    return transpose


transpose8, transpose16 = _make_transpose(8), _make_transpose(16)


@intrinsic(prefer_literal=True)
def taylor_taps(typing: Any, source: Any, at: Any, table: Any, row: Any, rest: Any, taps: Any, order: Any) -> Any:
    """sum_r rest^r sum_k table[row + k (order + 1) + r] source[at + 16 k : + 16], r <= order, k < taps (constants).

    Straight-line code: each table entry is spread over the lanes by the multiply-add that uses it.
    """
    if not (isinstance(taps, types.IntegerLiteral) and isinstance(order, types.IntegerLiteral)):
        return None
    width, powers = taps.literal_value, order.literal_value + 1

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source_, at_, table_, row_, rest_ = args[:5]
        fused = _fused(builder, 16)
        first = _address(context, builder, signature.args[0], source_, at_)
        entries = _address(context, builder, signature.args[2], table_, row_)

        def offset(address: Any, k: int) -> Any:
            return builder.gep(address, [ir.Constant(at_.type, k)])

        sums: list[Any] = [None] * (2 * powers)  # two for each power: a sum waits four cycles for its predecessor
        for k in range(width):
            values = _load(builder, offset(first, 16 * k), 16)
            for r in range(powers):
                entry = _splat(builder, builder.load(offset(entries, k * powers + r)), 16)
                chain = r + powers * (k & 1)
                before = sums[chain]
                sums[chain] = builder.fmul(entry, values) if before is None else fused(entry, values, before)
        by_power = [builder.fadd(sums[r], sums[r + powers]) for r in range(powers)]
        result = by_power[-1]
        for term in by_power[-2::-1]:
            result = fused(result, rest_, term)
        return result

    return V16(source, types.intp, table, types.intp, rest, taps, order), generate


@intrinsic(prefer_literal=True)
def outer_store(typing: Any, weights: Any, values: Any, terms: Any, target: Any, to: Any) -> Any:
    """target[to + 2 terms c + e] = weights[8 + c] values[e]: 8 cells of `terms` complex numbers (a constant, <= 8)"""
    if not isinstance(terms, types.IntegerLiteral):
        return None
    count = terms.literal_value

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        weights_, values_, _, target_, to_ = args
        address = _address(context, builder, signature.args[3], target_, to_)
        for k in range(count):
            floats = range(16 * k, 16 * k + 16)
            cell = builder.shuffle_vector(weights_, weights_, _lanes_of([8 + e // (2 * count) for e in floats]))
            value = builder.shuffle_vector(values_, values_, _lanes_of([e % (2 * count) for e in floats]))
            place = builder.gep(address, [ir.Constant(to_.type, 16 * k)])
            _store(builder, builder.fmul(cell, value), place, 16)
        return context.get_dummy_value()

    return types.void(weights, values, terms, target, types.intp), generate


def aligned(length: int) -> Floats:
    """Zeros on a boundary of 64 bytes: a load of 16 floats from elsewhere always straddles two cache lines."""
    raw = np.zeros(4 * length + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + 4 * length].view(np.float32)
