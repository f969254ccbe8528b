"""RICE_1 of FITS tile compression, with steps and dither (FITS standard 4.0, 10.2 and 10.4.1), compiled. Pure.

A plane is coded as its pixels follow one another, `tile` at a time: a tile is so many whole rows. A pixel F becomes the
whole number I = floor(F / step + R), and is read back as (I - R + 1/2) step, so within half a step of F, with an error
that does not depend on F: that is SUBTRACTIVE_DITHER_1. R is from the sequence of the standard (appendix I). NaN is
coded as `BLANK`. The differences of neighbours are coded in blocks of 32, as Rice codes: their low bits as they are,
the bits above in unary. A block of large differences is stored as it is.

`encode` trusts its caller, who checks the arguments; `decode` trusts nothing that it is given.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from fip.compiled.cache import use_cache

use_cache()  # before anything is compiled

from numba import njit, types  # noqa: E402
from numba.core import cgutils  # noqa: E402
from numba.extending import intrinsic  # noqa: E402

BLOCK = 32
"""The number of differences in a block, which are coded alike."""

SEQUENCE = 10_000  # numbers of the dither, from which a tile takes those after one of the first 500
_STARTS = np.float32(500.0)
_RAW = 25  # low bits from which on a block is stored as it is
_SLACK = 8  # bytes that are written, or read, beyond the last one that counts
_FAST = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"nsz", "contract", "arcp", "reassoc"}}


def dither_sequence() -> NDArray[np.float32]:
    """The 10,000 random numbers of the standard, 0 to 1: x -> 16807 x modulo 2^31 - 1, from 1 on (appendix I)."""
    found, value = np.empty(SEQUENCE, np.float32), 1
    for at in range(SEQUENCE):
        value = 16807 * value % (2**31 - 1)
        found[at] = value / (2**31 - 1)
    assert value == 1043618065  # as the standard says
    return found


DITHER = dither_sequence()


def most_bytes(pixels: int, tile: int) -> int:
    """Return more bytes than `encode` ever writes for a plane of so many pixels, also beyond the end."""
    tiles = -(-pixels // tile)
    return 4 * pixels + pixels // BLOCK + 16 * tiles + _SLACK


@intrinsic
def _put(typing: Any, array: Any, at: Any, value: Any) -> Any:
    """array[at : at + 8] = the bytes of a uint64, the highest first"""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(_swapped(builder, arguments[2]), _address(context, builder, signature, arguments), align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint64), emit


@intrinsic
def _take(typing: Any, array: Any, at: Any) -> Any:
    """the uint64 of array[at : at + 8], the highest byte first"""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _swapped(builder, builder.load(_address(context, builder, signature, arguments), align=1))

    return types.uint64(array, types.intp), emit


@intrinsic
def _leading(typing: Any, value: Any) -> Any:
    """how many bits of a uint64 are 0 before the first that is not; 64 of 0"""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(1)])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.ctlz.i64")
        return builder.call(function, [arguments[0], ir.Constant(ir.IntType(1), 0)])

    return types.uint64(types.uint64), emit


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(start, [arguments[1]]), ir.IntType(64).as_pointer())


def _swapped(builder: Any, value: Any) -> Any:
    kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.bswap.i64"), [value])


@njit(**_FAST)
def encode(
    pixels: Any, words: Any, tile: Any, step: Any, blank: Any, first: Any, dither: Any, out: Any, at: Any, ends: Any,
    work: Any,
) -> Any:  # fmt: skip
    """Code a plane into out[at:]; return its end, and the sum of `words`. ends[t] is the end of tile t.

    `pixels` are those of the plane in one row, float32 or float64. No pixel is infinite, or 2^29 steps or more from 0.
    `words` are the same as uint32. `first` is the number of its first tile, from 0, plus ZDITHER0 less 1. `out` has
    room for `most_bytes`; `work` has 2 x `tile` + 128 int32. If a pixel is NaN, `blank` is coded, which is within 2^29,
    too.
    """
    per_step, whole, zigzag = 1.0 / step, work[: tile + BLOCK], work[tile + BLOCK :]
    total, each = np.uint64(0), words.size // pixels.size
    for number in range(ends.size):
        begin = number * tile
        count = min(tile, pixels.size - begin)
        total += _sum(words[each * begin : each * (begin + count)])
        _quantise(pixels[begin : begin + count], per_step, blank, first + number, dither, whole)
        at = _code(whole, zigzag, count, out, at)
        ends[number] = at
    return at, total


@njit(**_FAST)
def _sum(words: Any) -> Any:
    total = np.uint64(0)
    for i in range(words.size):
        total += np.uint64(words[i])
    return total


@njit(**_FAST)
def sum_of_words(content: Any) -> Any:
    """Sum all 32-bit words of these bytes, a multiple of 4, the highest byte of each first."""
    total = np.uint64(0)
    for i in range(content.size // 4):
        high = (np.uint32(content[4 * i]) << np.uint32(24)) | (np.uint32(content[4 * i + 1]) << np.uint32(16))
        low = (np.uint32(content[4 * i + 2]) << np.uint32(8)) | np.uint32(content[4 * i + 3])
        total += np.uint64(high) | np.uint64(low)
    return total


@njit(**_FAST)
def _quantise(pixels: Any, per_step: Any, blank: Any, row: Any, dither: Any, whole: Any) -> None:
    seed = row % SEQUENCE
    place, done = np.int64(dither[seed] * _STARTS), 0
    while done < pixels.size:
        count = min(pixels.size - done, SEQUENCE - place)
        some, random, found = pixels[done : done + count], dither[place : place + count], whole[done : done + count]
        for i in range(count):
            value = np.float64(some[i])
            number = np.int32(np.floor(value * per_step + np.float64(random[i])))
            found[i] = number if value == value else np.int32(blank)
        done, seed = done + count, (seed + 1) % SEQUENCE
        place = np.int64(dither[seed] * _STARTS)


@njit(**_FAST)
def _code(whole: Any, zigzag: Any, count: Any, out: Any, at: Any) -> Any:
    """Code a tile of whole numbers into out[at:]; return its end."""
    _put(out, at, np.uint64(np.uint32(whole[0])) << np.uint64(32))
    at += 4
    zigzag[0] = 0
    for i in range(1, count):
        step = np.int32(whole[i] - whole[i - 1])
        zigzag[i] = np.int32((step << 1) ^ (step >> 31))
    for i in range(count, -(-count // BLOCK) * BLOCK):
        zigzag[i] = 0
    code, size = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64)
    word, bits = np.uint64(0), np.uint64(0)  # the last `bits` of it are not yet written
    for begin in range(0, count, BLOCK):
        many, part = min(BLOCK, count - begin), zigzag[begin : begin + BLOCK]
        total = np.uint64(0)
        for i in range(BLOCK):
            total += np.uint64(np.uint32(part[i]))
        mean = max(np.int64(total) - many // 2 - 1, 0) // many
        low = np.uint64(64) - _leading(np.uint64(mean) >> np.uint64(1))
        head = low + np.uint64(1)
        if total == 0:
            head = np.uint64(0)
        elif low >= _RAW:
            low, head = np.uint64(32), np.uint64(_RAW + 1)
        word, bits = (word << np.uint64(5)) | head, bits + np.uint64(5)
        at, bits = _flush(out, at, word, bits)
        if total == 0:
            continue
        if low == 32:
            for i in range(many):
                word, bits = (word << low) | np.uint64(np.uint32(part[i])), bits + low
                at, bits = _flush(out, at, word, bits)
            continue
        one = np.uint64(1) << low
        most = np.uint64(0)
        for i in range(BLOCK):
            value = np.uint64(np.uint32(part[i]))
            size[i] = (value >> low) + np.uint64(1) + low
            code[i] = one | (value & (one - np.uint64(1)))
            most = max(most, size[i])
        if most <= 14 and many == BLOCK:
            for i in range(0, BLOCK, 4):
                left = (code[i] << size[i + 1]) | code[i + 1]
                behind = size[i + 2] + size[i + 3]
                right = (code[i + 2] << size[i + 3]) | code[i + 3]
                length = size[i] + size[i + 1] + behind
                word, bits = (word << length) | (left << behind) | right, bits + length
                at, bits = _flush(out, at, word, bits)
            continue
        for i in range(many):
            zeros = size[i] - low - np.uint64(1)
            while zeros > 16:
                word, bits, zeros = word << np.uint64(16), bits + np.uint64(16), zeros - np.uint64(16)
                at, bits = _flush(out, at, word, bits)
            length = zeros + np.uint64(1) + low
            word, bits = (word << length) | code[i], bits + length
            at, bits = _flush(out, at, word, bits)
    return at + (1 if bits else 0)


@njit(**_FAST)
def _flush(out: Any, at: Any, word: Any, bits: Any) -> Any:
    """Write the last `bits` of a word, 1 to 64, at out[at:]; return the place of the first byte that is not whole."""
    _put(out, at, word << (np.uint64(64) - bits))
    return at + np.int64(bits >> np.uint64(3)), bits & np.uint64(7)


@njit(**_FAST)
def decode(
    coded: Any, begins: Any, ends: Any, tile: Any, steps: Any, blank: Any, first: Any, dither: Any, pixels: Any,
    work: Any,
) -> Any:  # fmt: skip
    """Restore what `encode` was given, within half a step; return the first damaged tile, from 0, or -1 if none is.

    Tile t is coded[begins[t] : ends[t]], in steps of steps[t] Jy/beam; `coded` goes on for 8 bytes beyond the last.
    `pixels` are those of these tiles in one row, float32 or float64; `work` has `tile` int32.
    """
    for number in range(begins.size):
        start = number * tile
        count = min(tile, pixels.size - start)
        begin, end = begins[number], ends[number]
        if begin < 0 or end < begin + 4 or end > coded.size - _SLACK or not _decoded(coded, begin, end, count, work):
            return number
        _restore(work, steps[number], blank, first + number, dither, pixels[start : start + count])
    return -1


@njit(**_FAST)
def _decoded(coded: Any, at: Any, end: Any, count: Any, whole: Any) -> Any:
    """Write `count` whole numbers of coded[at:end] to `whole`; return whether there are as many."""
    last = np.int32(np.uint32(_take(coded, at) >> np.uint64(32)))
    place, final = 8 * (at + 4), 8 * end  # bits
    for begin in range(0, count, BLOCK):
        many, part = min(BLOCK, count - begin), whole[begin : begin + BLOCK]
        if place + 5 > final:
            return False
        head = np.int64((_take(coded, place >> 3) << np.uint64(place & 7)) >> np.uint64(59))
        place += 5
        if head == 0:
            for i in range(many):
                part[i] = last
        elif head <= _RAW:
            place, last = _unary(coded, place, final, head - 1, many, part, last)
        elif head == _RAW + 1 and place + 32 * many <= final:
            for i in range(many):
                value = (_take(coded, place >> 3) << np.uint64(place & 7)) >> np.uint64(32)
                place, last = place + 32, _stepped(last, value)
                part[i] = last
        else:
            return False
        if place > final:
            return False
    return True


@njit(**_FAST)
def _unary(coded: Any, place: Any, final: Any, low: Any, many: Any, part: Any, last: Any) -> Any:
    """Decode a block with `low` low bits from a place (bits) on; return the next place, beyond `final` if damaged.

    `seen` holds the bits that were read at once; `known` of them are not yet used.
    """
    seen, known, below = np.uint64(0), 0, np.uint64(low)
    for i in range(many):
        zeros = np.int64(_leading(seen))
        more = np.uint64(0)
        if zeros + 1 + low > known:
            if place > final:
                return place, last
            seen, known = _take(coded, place >> 3) << np.uint64(place & 7), 57
            zeros = np.int64(_leading(seen))
            while zeros + 1 + low > known:  # there are more than there is room for
                skipped = min(zeros, known - 1 - low)
                place += skipped
                more += np.uint64(skipped)
                if place > final:
                    return place, last
                seen = _take(coded, place >> 3) << np.uint64(place & 7)
                zeros = np.int64(_leading(seen))
        used = zeros + 1 + low
        rest = ((seen << np.uint64(zeros)) << np.uint64(1)) >> np.uint64(1)
        last = _stepped(last, ((more + np.uint64(zeros)) << below) | (rest >> (np.uint64(63) - below)))
        part[i] = last
        seen <<= np.uint64(used)
        place, known = place + used, known - used
    return place, last


@njit(**_FAST)
def _stepped(last: Any, value: Any) -> Any:
    """Return the next whole number, from the code of its difference."""
    return np.int32(last + (np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1))))


@njit(**_FAST)
def _restore(whole: Any, step: Any, blank: Any, row: Any, dither: Any, pixels: Any) -> None:
    seed = row % SEQUENCE
    place, done = np.int64(dither[seed] * _STARTS), 0
    while done < pixels.size:
        count = min(pixels.size - done, SEQUENCE - place)
        some, random, found = whole[done : done + count], dither[place : place + count], pixels[done : done + count]
        for i in range(count):
            value = (np.float64(some[i]) - np.float64(random[i]) + 0.5) * step
            found[i] = value if some[i] != blank else np.nan
        done, seed = done + count, (seed + 1) % SEQUENCE
        place = np.int64(dither[seed] * _STARTS)
