"""fip.imaging.slant.simd in numpy: the same names, for the kernel uncompiled, with every index checked.

Put in the place of fip.imaging.slant.simd, with NUMBA_DISABLE_JIT=1, before another of its modules is imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Vec = Any
FAST: dict[str, Any] = {"cache": False}


def _part(array: Floats, index: int, length: int) -> Floats:
    if not 0 <= index <= len(array) - length:
        raise IndexError(f"floats {index} to {index + length} of {len(array)}")
    return array[index : index + length]


def load8(array: Floats, index: int) -> Floats:
    return _part(array, index, 8).copy()


def load16(array: Floats, index: int) -> Floats:
    return _part(array, index, 16).copy()


def store8(array: Floats, index: int, value: Floats) -> None:
    assert value.shape == (8,)
    _part(array, index, 8)[:] = value


def store16(array: Floats, index: int, value: Floats) -> None:
    assert value.shape == (16,)
    _part(array, index, 16)[:] = value


def splat8(scalar: np.float32) -> Floats:
    return np.full(8, scalar, np.float32)


def splat16(scalar: np.float32) -> Floats:
    return np.full(16, scalar, np.float32)


def spread8(array: Floats, index: int) -> Floats:
    return np.full(8, _part(array, index, 1)[0])


def spread16(array: Floats, index: int) -> Floats:
    return np.full(16, _part(array, index, 1)[0])


def fma(a: Floats, b: Floats, c: Floats) -> Floats:
    return a * b + c


def fnma(a: Floats, b: Floats, c: Floats) -> Floats:
    return c - a * b


def join(a: Floats, b: Floats) -> Floats:
    return np.concatenate([a, b])


def first_half(a: Floats) -> Floats:
    return a[:8]


def swap_halves(a: Floats) -> Floats:
    return np.concatenate([a[8:], a[:8]])


def _transpose(n: int, source: Floats, at: int, row: int, target: Floats, to: int, column: int) -> None:
    tile = np.array([_part(source, at + i * row, n) for i in range(n)])
    for j in range(n):
        _part(target, to + j * column, n)[:] = tile[:, j]


def transpose8(source: Floats, at: int, row: int, target: Floats, to: int, column: int) -> None:
    _transpose(8, source, at, row, target, to, column)


def transpose16(source: Floats, at: int, row: int, target: Floats, to: int, column: int) -> None:
    _transpose(16, source, at, row, target, to, column)


def taylor_taps(source: Floats, at: int, table: Floats, row: int, rest: Floats, taps: int, order: int) -> Floats:
    weights = _part(table, row, taps * (order + 1)).reshape(taps, order + 1)
    terms = weights.T @ _part(source, at, 16 * taps).reshape(taps, 16)
    total: Floats = (terms * rest ** np.arange(order + 1, dtype=np.float32)[:, None]).sum(axis=0, dtype=np.float32)
    return total


def outer_store(weights: Floats, values: Floats, terms: int, target: Floats, to: int) -> None:
    _part(target, to, 16 * terms)[:] = np.outer(weights[8:], values[: 2 * terms]).ravel()


def aligned(length: int) -> Floats:
    return np.zeros(length, np.float32)
