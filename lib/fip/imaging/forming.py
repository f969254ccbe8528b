"""From samples of rows to planes of weights and weighted visibilities, and the sums of each row. Pure.

One function does it for all samples, read from mapped files or from buffers. Compiled code (`compiled_rows`) does a row
without a fault, numpy (`polarisation`) any other. The way of a row, and its result, depend on that row alone. In double
precision, or if no machine code may be made, numpy does all rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.imaging.machine_code import machine_code_allowed
from fip.imaging.polarisation import GARBLED, Product, absent, form, possible, unobserved

LANES = 16  # channels of a plane are padded to a multiple of it, with weights of 0

COUNT, WEIGHT, SQUARES, POWER, REAL, IMAGINARY, SCATTER, PLACE = range(8)
"""Sums over a row of a plane: the number of samples that count; of w; of w^2; of |w V|^2; of Re w V and Im w V; of w
|V|^2; of w times the place of the channel in the band, 0 at its first channel and 1 at its last."""

SUMS = 8

_AT_ONCE = 1 << 18  # samples of all correlations that go by numpy at a time, so that they stay in the cache


class Cells(NamedTuple):
    """The cells of a column of some rows, anywhere in an array that is flat, contiguous and not to be written."""

    flat: NDArray[Any]
    start: NDArray[np.int64]  # [row] the index at which a cell begins

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Cells":
        """Return the cells of an array [row, ...]."""
        flat = np.ascontiguousarray(values).reshape(-1)
        flat.flags.writeable = False
        each = flat.size // max(1, len(values))
        return cls(flat, np.arange(0, flat.size, max(1, each), dtype=np.int64)[: len(values)])

    def moved(self, by: int) -> "Cells":
        """Return the same cells, each from `by` values later on."""
        return Cells(self.flat, self.start + by)

    def all(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return [row, ...] of all rows, of cells of this shape; a view if they follow each other."""
        size, number = prod(shape), len(self.start)
        if number and int(self.start[-1] - self.start[0]) == (number - 1) * size:
            first = int(self.start[0])
            return np.asarray(self.flat[first : first + number * size].reshape(number, *shape))
        return self.taken(np.arange(number), shape)

    def taken(self, rows: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return [row, ...] of these rows, of cells of this shape."""
        inside = np.arange(prod(shape))
        found: NDArray[Any] = self.flat[self.start[rows, None] + inside].reshape(len(rows), *shape)
        return found


class Read(NamedTuple):
    """Rows of one window as they were read, channels in the order of frequency."""

    visibility: Cells  # real numbers, two for each sample [channel, correlation]
    flag: Cells  # octets, or bits if they are packed, the lowest first
    packed: bool
    weight: Cells  # for each sample, or only for each correlation
    spectral: bool  # the former


@dataclass(frozen=True, slots=True, eq=False)
class Formed:
    """The results for rows besides their planes."""

    sums: NDArray[np.float64]  # [stokes, SUMS, row]; 0 for rows that were not asked for
    most: NDArray[np.floating]  # [stokes, lane] the largest weight of each channel
    counts: "Counts"


@dataclass(slots=True)
class Counts:
    """Samples that do not count, as `fip.source.samples.Samples` has them."""

    zeros: int = 0
    garbled: int = 0
    absent: int = 0


class Prepared(NamedTuple):
    """Rows that are ready to be formed."""

    read: Read
    usable: NDArray[np.bool_]  # [row, 1 or channel]
    due: NDArray[np.bool_]  # likewise
    compiled: Callable[..., None] | None  # what does most of them
    weight: Cells  # as that takes it
    odd: NDArray[np.bool_]  # [row] those that it does not do


@dataclass(frozen=True, slots=True, eq=False)
class Forming:
    """How planes are made of the samples of a window."""

    wanted: tuple[Product, ...]
    channels: int
    correlations: int
    hands: tuple[int, ...]  # the correlations that are not all 0 in a sample that was observed; () if zeros are values
    precision: np.dtype[np.floating]
    place: NDArray[np.float64]  # [lane] the place of a channel in the band, 0 to 1
    _pairs: NDArray[np.int64] = field(init=False)
    _factors: NDArray[np.float32] = field(init=False)
    _either: NDArray[np.bool_] = field(init=False)
    _hands: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        pairs = [(each.first, -1 if each.second is None else each.second, each.sign) for each in self.wanted]
        factors = [(complex(each.factor).real, complex(each.factor).imag) for each in self.wanted]
        object.__setattr__(self, "_hands", np.array(self.hands, np.int64))
        object.__setattr__(self, "_pairs", np.array(pairs, np.int64))
        object.__setattr__(self, "_factors", np.array(factors, np.float32))
        object.__setattr__(self, "_either", np.array([each.either for each in self.wanted]))

    @classmethod
    def of(
        cls, wanted: Sequence[Product], frequency: NDArray[np.float64], correlations: int, hands: Sequence[int],
        precision: np.dtype[np.floating],
    ) -> "Forming":  # fmt: skip
        """Make that of a window with channels at these frequencies [channel] Hz, ascending."""
        place = np.zeros(lanes(frequency.size))
        place[: frequency.size] = (frequency - frequency[0]) / max(float(np.ptp(frequency)), 1.0)
        return cls(tuple(wanted), frequency.size, correlations, tuple(hands), precision, place)

    def planes(self, rows: int) -> NDArray[np.floating]:
        """Return room for planes, [stokes, row, 3, lane]: w Re V, w Im V and w."""
        return np.empty((len(self.wanted), rows, 3, self.place.size), self.precision)

    def nothing(self, rows: int) -> Formed:
        """Return the results for so many rows before any is formed."""
        sums = np.zeros((len(self.wanted), SUMS, rows))
        return Formed(sums, np.zeros((len(self.wanted), self.place.size), self.precision), Counts())

    def prepared(self, read: Read, usable: NDArray[np.bool_], due: NDArray[np.bool_]) -> "Prepared":
        """Prepare rows to be formed, in any order and number.

        Samples that are not `usable` [row, 1 or channel] have weight 0. Of the samples that are `due`, of the same
        shape, those that hold nothing are counted.
        """
        odd, weight = with_any(~usable), read.weight
        single = {
            self.precision,
            read.visibility.flat.dtype,
            read.weight.flat.dtype if read.spectral else self.precision,
        }
        compiled = _compiled() if single == {np.dtype(np.float32)} else None
        if compiled is None:
            odd[:] = True
        elif not read.spectral:
            weight = self._of_pairs(read, odd)
        return Prepared(read, usable, due, compiled, weight, odd)

    def form(self, ready: "Prepared", rows: NDArray[np.intp], planes: NDArray[np.floating], told: Formed) -> None:
        """Fill planes[:, k] with the k-th of `rows`, and add to the results."""
        odd, read = ready.odd[rows], ready.read
        if ready.compiled is not None:
            ready.compiled(
                read.visibility.flat, read.visibility.start, read.flag.flat, read.flag.start, read.packed,
                ready.weight.flat, ready.weight.start, read.spectral, self._pairs, self._factors, self._either,
                self._hands, self.place, self.channels, self.correlations, rows, odd, planes, told.sums, told.most,
            )  # fmt: skip
        if odd.any():
            self._plainly(ready, rows, np.flatnonzero(odd), planes, told)

    def _of_pairs(self, read: Read, odd: NDArray[np.bool_]) -> Cells:
        """Return the weight of each row in each plane [stokes, row]; mark rows that compiled code leaves out as odd."""
        weight = read.weight.all((self.correlations,)).astype(self.precision, copy=False)
        made = np.empty((len(self.wanted), len(weight)), self.precision)
        with np.errstate(over="ignore", invalid="ignore"):  # in rows that are odd
            for product, into in zip(self.wanted, made, strict=True):
                first = weight[:, product.first]
                into[...] = first if product.second is None else _of_pair(first, weight[:, product.second])
        used = sorted({int(at) for at in self._pairs[:, :2].ravel() if at >= 0})
        some = weight if len(used) == self.correlations else weight[:, used]
        if not (some.min(initial=0) >= 0 and some.max(initial=0) < GARBLED):
            odd |= ~((some >= 0) & (some < GARBLED)).all(axis=1)
        if self._either.any():
            odd |= (made[self._either] <= 0).any(axis=0)
        return Cells(_read_only(made.reshape(-1)), read.weight.start)

    def _plainly(
        self, ready: "Prepared", rows: NDArray[np.intp], odd: NDArray[np.intp], planes: NDArray[np.floating],
        told: Formed,
    ) -> None:  # fmt: skip
        """Form those of `rows` that are `odd`, by numpy."""
        step = max(1, _AT_ONCE // (self.channels * self.correlations))
        for begin, end in pairwise([*range(0, odd.size, step), odd.size]):
            to = odd[begin:end]
            some = rows[to]
            values, bad, weights = self._samples(ready.read, some)
            bad = bad | ~ready.usable[some][:, :, None]
            checked = self.look(values, bad, ready.due[some], told.counts)
            shape = len(self.wanted), some.size, self.channels
            visibility, weight = (
                np.empty(shape, np.result_type(self.precision, np.complex64)),
                np.empty(shape, self.precision),
            )
            told.counts.garbled += form(self.wanted, values, weights, bad, visibility, weight, checked)
            planes[:, to, :, self.channels :] = 0
            for into, part in enumerate((visibility.real, visibility.imag, weight)):
                planes[:, to, into, : self.channels] = part
            self._sum_up(visibility, weight, some, told)

    def _samples(
        self, read: Read, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.complexfloating], NDArray[np.bool_], NDArray[np.floating]]:
        """Return visibilities and flags [row, channel, correlation], and weights, as these or [row, 1, correlation]."""
        cell = self.channels, self.correlations
        parts = read.visibility.taken(rows, (*cell, 2))
        values = parts.view(np.result_type(parts.dtype, np.complex64))[..., 0]
        if read.packed:
            bits = read.flag.start[rows, None] + np.arange(self.channels * self.correlations)
            bad = (read.flag.flat[bits >> 3] >> (bits & 7).astype(np.uint8)) & 1 != 0
            bad = bad.reshape(len(rows), *cell)
        else:
            bad = read.flag.taken(rows, cell) != 0
        return values, bad, read.weight.taken(rows, cell if read.spectral else (1, self.correlations))

    def look(
        self, values: NDArray[np.complexfloating], bad: NDArray[np.bool_], due: NDArray[np.bool_], counts: Counts
    ) -> bool:
        """Count samples [row, channel, correlation] that hold nothing; return whether all values are possible.

        Add to `bad` the samples that nobody observed. `due` [row, 1 or channel].
        """
        zero, sound = unobserved(values, self.hands), possible(values)
        if not sound or zero is not None:
            none = np.zeros((), bool) if sound else absent(self.wanted[0], values)
            none = none if zero is None else none | zero
            counts.absent += int(np.count_nonzero(none & due))
        if zero is not None:
            counts.zeros += int(np.count_nonzero(zero & ~bad[..., list(self.hands)].any(axis=-1)))
            bad |= zero[..., None]
        return sound

    def _sum_up(
        self, visibility: NDArray[np.complexfloating], weight: NDArray[np.floating], rows: NDArray[np.intp],
        told: Formed,
    ) -> None:  # fmt: skip
        """Sum as the compiled code does; |V|^2 is found from w V here."""
        w, re, im = (each.astype(np.float64) for each in (weight, visibility.real, visibility.imag))
        with np.errstate(over="ignore", invalid="ignore"):
            power = re * re + im * im
            scatter = power / np.maximum(w, np.finfo(np.float64).tiny)
        found = {
            COUNT: w > 0, WEIGHT: w, SQUARES: w * w, POWER: power, REAL: re, IMAGINARY: im, SCATTER: scatter,
            PLACE: w * self.place[: self.channels],
        }  # fmt: skip
        for number, each in found.items():
            told.sums[:, number, rows] = each.sum(axis=-1, dtype=np.float64)
        np.maximum(told.most[:, : self.channels], weight.max(axis=1), out=told.most[:, : self.channels])


def lanes(channels: int) -> int:
    """Return how many floats a row of a plane has."""
    return -(-channels // LANES) * LANES


def samples_of(planes: NDArray[np.floating], channels: int) -> tuple[NDArray[np.complexfloating], NDArray[np.floating]]:
    """Return weighted visibilities and weights [stokes, row, channel] of planes [stokes, row, 3, lane]."""
    real, imaginary, weight = (planes[:, :, at, :channels] for at in range(3))
    visibility = np.empty(weight.shape, np.result_type(planes.dtype, np.complex64))
    visibility.real, visibility.imag = real, imaginary
    return visibility, np.ascontiguousarray(weight)


def with_any(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows of a mask [row, 1 or channel] have a true value."""
    return mask[:, 0] if mask.shape[1] == 1 else np.asarray(mask.any(axis=1))


def pieces(rows: NDArray[np.intp], step: int) -> Iterator[NDArray[np.intp]]:
    """Yield the rows, `step` at a time."""
    for first in range(0, rows.size, step):
        yield rows[first : first + step]


def _of_pair(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return 4 w_p w_q / (w_p + w_q), as `polarisation.form` does."""
    total = np.maximum(one + other, np.finfo(one.dtype).tiny)
    return np.asarray(other / total * one * 4)


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values


@cache
def _compiled() -> Callable[..., None] | None:
    """Return the compiled code, or None if none may be made."""
    if not machine_code_allowed():
        return None
    from fip.imaging.compiled_rows import form_rows  # late: numba takes half a second to import

    compiled: Callable[..., None] = form_rows
    return compiled
