"""fip.imaging.slant.simd in numpy: the same names, for the kernel uncompiled, with every index checked.

Put in the place of fip.imaging.slant.simd, with NUMBA_DISABLE_JIT=1, before another of its modules is imported.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.imaging.slant.scheme import POWERS, Precision

Floats = NDArray[Any]
Vec = Any
FAST: dict[str, Any] = {"cache": False}


def _part(array: Floats, index: int, length: int) -> Floats:
    if not 0 <= index <= len(array) - length:
        raise IndexError(f"floats {index} to {index + length} of {len(array)}")
    return array[index : index + length]


def load(array: Floats, index: int, lanes: int) -> Floats:
    return _part(array, index, lanes).copy()


def store(array: Floats, index: int, value: Floats) -> None:
    assert value.shape in ((8,), (16,), (32,))
    assert value.dtype == array.dtype
    _part(array, index, len(value))[:] = value


def store_past(array: Floats, index: int, value: Floats) -> None:
    assert len(value) == 16
    assert index % 16 == 0
    store(array, index, value)


def ask_for(array: Floats, index: int) -> None:
    """Do nothing: no memory is read."""


def splat(like: Floats, number: float, lanes: int) -> Floats:
    return np.full(lanes, number, like.dtype)


def spread(array: Floats, index: int, lanes: int) -> Floats:
    return np.full(lanes, _part(array, index, 1)[0])


def fma(a: Floats, b: Floats, c: Floats) -> Floats:
    return np.asarray(a * b + c)


def fnma(a: Floats, b: Floats, c: Floats) -> Floats:
    return np.asarray(c - a * b)


def join(a: Floats, b: Floats) -> Floats:
    return np.concatenate([a, b])


def first_half(a: Floats) -> Floats:
    half: Floats = a[: len(a) // 2]
    return half


def swap_halves(a: Floats) -> Floats:
    return np.concatenate([a[len(a) // 2 :], a[: len(a) // 2]])


def square_root(a: Floats) -> Floats:
    return np.asarray(np.sqrt(a))


def floor_of(a: Floats) -> Floats:
    return np.asarray(np.floor(a))


def not_negative(a: Floats) -> Floats:
    return np.maximum(a, 0)


def rounded(like: Floats, a: Floats) -> Floats:
    return a.astype(like.dtype)


def sum_of_lanes(a: Floats) -> Any:
    return a.sum(dtype=a.dtype)


def _transpose(n: int, source: Floats, at: int, row: int, target: Floats, to: int, column: int) -> None:
    tile = np.array([_part(source, at + i * row, n) for i in range(n)])
    for j in range(n):
        _part(target, to + j * column, n)[:] = tile[:, j]


def transpose8(source: Floats, at: int, row: int, target: Floats, to: int, column: int) -> None:
    _transpose(8, source, at, row, target, to, column)


def transpose16(source: Floats, at: int, row: int, target: Floats, to: int, column: int) -> None:
    _transpose(16, source, at, row, target, to, column)


transpose16_past = transpose16


def load_powers(array: Floats, index: int) -> list[Floats]:
    return [load(array, index + 16 * power, 16) for power in range(POWERS[array.dtype.name])]


def polynomial(coefficients: list[Floats], t: Floats) -> Floats:
    total = coefficients[-1]
    for each in coefficients[-2::-1]:
        total = fma(total, t, each)
    return total


def make_even_polynomial(*coefficients: list[float]) -> Any:
    def evaluate(square: Any) -> Any:
        chosen = np.array(coefficients[square.itemsize == 8], square.dtype)
        return (chosen * square ** np.arange(len(chosen), dtype=square.dtype)).sum()

    return evaluate


def _weights(table: Floats, row: int, taps: int, fours: NDArray[Any], kind: int, order: int) -> Floats:
    """[tap, power] of the weights that lie by fours, from the outermost two of either side on."""
    counts, weights = fours[kind : kind + order + 1], np.zeros((taps, order + 1), table.dtype)
    assert 4 * counts.sum() == taps
    four = 0
    for held, count in enumerate(counts, 1):
        for _ in range(count):
            here = [2 * four, 2 * four + 1, taps - 2 - 2 * four, taps - 1 - 2 * four]
            weights[here, :held] = _part(table, row, 4 * held).reshape(4, held)
            four, row = four + 1, row + 4 * held
    return weights


def read_taps(
    source: Floats,
    at: int,
    table: Floats,
    row: int,
    rest: Floats,
    taps: int,
    fours: NDArray[Any],
    kind: int,
    order: int,
) -> Floats:
    terms = _weights(table, row, taps, fours, kind, order).T @ _part(source, at, 16 * taps).reshape(taps, 16)
    total: Floats = (terms * rest ** np.arange(order + 1, dtype=rest.dtype)[:, None]).sum(axis=0, dtype=rest.dtype)
    return total


def spread_taps(
    target: Floats, at: int, table: Floats, row: int, value: Floats, rest: Floats, taps: int, fours: NDArray[Any],
    kind: int, order: int,
) -> None:  # fmt: skip
    by_power = value * rest ** np.arange(order + 1, dtype=rest.dtype)[:, None]
    _part(target, at, 16 * taps)[:] += (_weights(table, row, taps, fours, kind, order) @ by_power).ravel()


def outer_store(weights: Floats, values: Floats, at: int, terms: int, target: Floats, to: int) -> None:
    cells = len(weights) // 2
    _part(values, at, 16 if terms <= 8 else 32)
    _part(target, to, 2 * terms * cells)[:] = np.outer(weights[cells:], values[at : at + 2 * terms]).ravel()


def aligned(length: int, precision: Precision) -> Floats:
    return np.zeros(length, precision)
