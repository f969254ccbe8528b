"""Pixels as a FITS file has them, with the sum of their words and their extremes, in one pass over memory.

A FITS file is big-endian, and its DATASUM is a sum of 32-bit words, which does not depend on the order of the two words
of a double (`fip.fits.fitsfile.ones_complement_sum`).
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, register_model

from fip.imaging.slant.emit import BITS, lanes_of, made
from fip.imaging.slant.simd import FAST, Floats, load, splat, store, store_past

_LANES = 16


class Sums(types.Type):  # type: ignore[misc]
    """The numba type of 16 sums of 64 bits."""

    def __init__(self) -> None:
        super().__init__(f"i64x{_LANES}")


_SUMS, _VECTOR = Sums(), ir.VectorType(ir.IntType(64), _LANES)


@register_model(Sums)
class _SumsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, type_: Sums) -> None:
        super().__init__(manager, type_, _VECTOR)


@intrinsic
def _nothing(typing: Any) -> Any:
    """the sums of no words: all are 0"""
    return _SUMS(), made(lambda builder: ir.Constant(_VECTOR, None))


@intrinsic
def _with_words(typing: Any, total: Any, value: Any) -> Any:
    """the sums with the words of 16 numbers"""

    def emit(builder: Any, sums: Any, numbers: Any) -> Any:
        if BITS[numbers.type.element] == 32:
            words = builder.bitcast(numbers, ir.VectorType(ir.IntType(32), _LANES))
            return builder.add(sums, builder.zext(words, _VECTOR))
        words, low = builder.bitcast(numbers, _VECTOR), ir.Constant(_VECTOR, [0xFFFFFFFF] * _LANES)
        high = builder.lshr(words, ir.Constant(_VECTOR, [32] * _LANES))
        return builder.add(builder.add(sums, builder.and_(words, low)), high)

    return _SUMS(total, value), made(emit)


@intrinsic
def _sum_of(typing: Any, total: Any) -> Any:
    """the total of all 16 sums"""

    def emit(builder: Any, sums: Any) -> Any:
        count = _LANES
        while count > 1:
            count //= 2
            halves = [builder.shuffle_vector(sums, sums, lanes_of(range(k, k + count))) for k in (0, count)]
            sums = builder.add(*halves)
        return builder.extract_element(sums, ir.Constant(ir.IntType(32), 0))

    return types.uint64(total), made(emit)


@intrinsic
def _swapped(typing: Any, value: Any) -> Any:
    """the same numbers, the bytes of each in the other order"""

    def emit(builder: Any, numbers: Any) -> Any:
        size = BITS[numbers.type.element] // 8
        count = numbers.type.count * size
        as_bytes = builder.bitcast(numbers, ir.VectorType(ir.IntType(8), count))
        order = lanes_of([byte - byte % size + size - 1 - byte % size for byte in range(count)])
        return builder.bitcast(builder.shuffle_vector(as_bytes, as_bytes, order), numbers.type)

    return value(value), made(emit)


def _chosen(comparison: str) -> Any:
    @intrinsic
    def choose(typing: Any, value: Any, other: Any) -> Any:
        code = made(lambda builder, x, y: builder.select(builder.fcmp_ordered(comparison, x, y), x, y))
        return value(value, other), code

    return choose


_least, _most = _chosen("<"), _chosen(">")  # a NaN in the first is passed over


@njit(**FAST)
def swap_and_measure(pixels: Floats, out: Floats, extremes: Floats, past: bool) -> int:
    """out = pixels, of the same type, bytes in the other order; return the sum of their words of 32 bits.

    extremes[0], [1] become the least and the largest, NaN left out; infinity and its negative if there is nothing else.
    `past`: see `simd.store_past`.
    """
    whole = pixels.size // _LANES * _LANES
    lowest, highest = splat(pixels, np.inf, _LANES), splat(pixels, -np.inf, _LANES)
    total = _nothing()
    for i in range(0, whole, _LANES):
        value = load(pixels, i, _LANES)
        total = _with_words(total, value)
        lowest, highest = _least(value, lowest), _most(value, highest)
        if past:
            store_past(out, i, _swapped(value))
        else:
            store(out, i, _swapped(value))
    rest = np.zeros(3 * _LANES, pixels.dtype)
    rest[_LANES : 2 * _LANES] = np.nan
    for i in range(whole, pixels.size):
        rest[i - whole] = pixels[i]
        rest[_LANES + i - whole] = pixels[i]
    total = _with_words(total, load(rest, 0, _LANES))
    value = load(rest, _LANES, _LANES)
    store(rest, 2 * _LANES, _swapped(load(rest, 0, _LANES)))
    for i in range(whole, pixels.size):
        out[i] = rest[2 * _LANES + i - whole]
    ends = np.empty(2 * _LANES, pixels.dtype)
    store(ends, 0, _least(value, lowest))
    store(ends, _LANES, _most(value, highest))
    extremes[0], extremes[1] = ends[:_LANES].min(), ends[_LANES:].max()
    return int(_sum_of(total))
