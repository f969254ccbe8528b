"""The edge between a MeasurementSet's columns and weighted Stokes samples: which columns, and reading them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.corrections.corrections import Corrections
from fip.corrections.observed import Observed
from fip.corrections.tally import NOTHING, Tally
from fip.data.errors import InputError
from fip.data.values import Block, Grid
from fip.imaging.compression import compressed_planes, rows_at_once
from fip.imaging.forming import COUNT, Cells, Counts, Formed, Forming, Read, lanes, pieces, samples_of, with_any
from fip.imaging.polarisation import Product, form, hands
from fip.imaging.summed import Summed
from fip.source.columns import Columns, weight_column
from fip.source.recording import MappedRows, Rows
from fip.source.tables.subtables import Window

_BATCH = 1 << 19  # samples of all correlations read at a time, so that they stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Times and directions of the rows of a window, as corrections need them."""

    field: int  # FIELD_ID
    antenna1: NDArray[np.int32]  # [row]
    antenna2: NDArray[np.int32]  # [row]
    integration: NDArray[np.intp]  # [row] which of the slice's integrations
    time: NDArray[np.float64]  # [row] s UTC
    interval: NDArray[np.float64]  # [row] s
    uvw: NDArray[np.float64]  # [row, 3] m
    axes: NDArray[np.float64]  # [integration, 3, 3] of u, v, w in ICRS
    feed_angle: NDArray[np.float64] | None  # [row] rad; None if it is not known


class Samples(NamedTuple):
    """What was read of some rows, and which rows have a good sample: all arrays are of these."""

    rows: NDArray[np.intp]  # [row] ascending
    blocks: tuple[Block, ...]  # one of these rows, or several that they are compressed to
    summed: Summed
    counts: Counts
    tally: Tally = NOTHING  # what corrections have done


class SampleReader:
    """Forms the planes of some rows of one window. It keeps its buffers, so that memory stays flat."""

    def __init__(
        self,
        window: Window,
        wanted: Sequence[Product],
        columns: Columns,
        precision: type[np.floating],
        keep_zeros: bool = False,
        corrections: Corrections | None = None,
    ) -> None:
        self.window = window
        self.wanted = tuple(wanted)
        self.columns = columns
        self.real = np.dtype(precision)
        self.complex = np.result_type(precision, np.complex64)
        self.keep_zeros = keep_zeros
        self.corrections = corrections
        self._hands = hands(window.correlations)
        self._buffers: dict[str, NDArray[Any]] = {}
        self._batch = max(1, _BATCH // (window.shape[0] * window.shape[1]))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which has buffers of its own."""
        return {**vars(self), "_buffers": {}}

    def read(
        self, rows: Rows, uvw: NDArray[np.float64], usable: NDArray[np.bool_], due: NDArray[np.bool_],
        seen: Seen | None = None,
    ) -> Samples:  # fmt: skip
        """Read the samples of the rows that have a good one; a block, or none.

        `uvw` [row, 3] m. Samples that are not `usable` [row, 1 or channel] have weight 0. They are corrected as they
        were `seen`, if there is anything to correct. Those that are `due`, of the same shape, and hold nothing are
        counted.
        """
        asked = np.flatnonzero(with_any(usable | due))
        shape = len(self.wanted), asked.size, self.window.shape[0]
        visibility, weight = np.empty(shape, self.complex), np.empty(shape, self.real)
        number = np.empty(len(rows), np.intp)
        number[asked] = np.arange(asked.size)

        def keep(some: NDArray[np.intp], planes: NDArray[np.floating]) -> None:
            visibility[:, number[some]], weight[:, number[some]] = samples_of(planes, shape[2])

        told, tally = self._form(rows, asked, usable, due, seen, keep)
        kept = _with_samples(told)
        if kept.size < asked.size:
            visibility, weight = (np.take(each, number[kept], axis=1) for each in (visibility, weight))
        block = Block(0, uvw[kept], self.window.frequency, visibility, weight)
        return self._samples(kept, (block,) if kept.size else (), told, tally)

    def compressed(
        self, rows: Rows, uvw: NDArray[np.float64], usable: NDArray[np.bool_], due: NDArray[np.bool_], grid: Grid,
        epsilon: float,
    ) -> Samples:  # fmt: skip
        """Read the same, naturally weighted and not corrected, compressed for a grid; hold no more than that takes."""
        usable_rows = with_any(usable)
        asked, others = np.flatnonzero(usable_rows), np.flatnonzero(with_any(due) & ~usable_rows)
        whole = self._mapped(rows, usable)
        if whole is None:
            return self._compressed_later(rows, asked, uvw, usable, due, grid, epsilon)
        forming = self._forming()
        told, ready = forming.nothing(len(rows)), forming.prepared(whole, usable, due)

        def planes_of(some: NDArray[np.intp]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
            planes = self._room(some.size)
            forming.form(ready, asked[some], planes, told)
            return planes, _counting(told.sums[:, COUNT, asked[some]])

        for some in pieces(others, rows_at_once(self.window.shape[0])):  # flagged, or without a place: for the counts
            forming.form(ready, some, self._room(some.size), told)
        blocks = compressed_planes(uvw[asked], self.window.frequency, grid, epsilon, planes_of)
        return self._samples(_with_samples(told), blocks, told, NOTHING)

    def _compressed_later(
        self, rows: Rows, asked: NDArray[np.intp], uvw: NDArray[np.float64], usable: NDArray[np.bool_],
        due: NDArray[np.bool_], grid: Grid, epsilon: float,
    ) -> Samples:  # fmt: skip
        """Return the same for rows that are read one after the other: planes of all of them are held."""
        number = np.full(len(rows), -1, np.intp)
        number[asked] = np.arange(asked.size)
        planes = self._forming().planes(asked.size)

        def keep(some: NDArray[np.intp], found: NDArray[np.floating]) -> None:
            here = number[some] >= 0
            planes[:, number[some[here]]] = found if here.all() else found[:, here]

        def planes_of(some: NDArray[np.intp]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
            return np.take(planes, some, axis=1), _counting(told.sums[:, COUNT, asked[some]])

        told, _ = self._form(rows, np.flatnonzero(with_any(usable | due)), usable, due, None, keep)
        blocks = compressed_planes(uvw[asked], self.window.frequency, grid, epsilon, planes_of)
        return self._samples(_with_samples(told), blocks, told, NOTHING)

    def coverage(self, rows: Rows, usable: NDArray[np.bool_]) -> NDArray[np.floating]:
        """Return the weights [stokes, row, channel] that there would be without a flag; 1 if none is positive."""
        shape = len(self.wanted), len(rows), self.window.shape[0]
        visibility, weight = np.empty(shape, self.complex), np.empty(shape, self.real)
        for first in range(0, len(rows), self._batch):
            here = slice(first, min(first + self._batch, len(rows)))
            cells = here.stop - first, *self.window.shape
            bad = np.broadcast_to(~usable[here, :, None], cells)
            nothing = np.zeros(cells, self.complex)
            form(self.wanted, nothing, self._weights(rows, here), bad, visibility[:, here], weight[:, here])
        if not weight.any():
            weight[...] = usable
        return weight

    def _samples(self, kept: NDArray[np.intp], blocks: tuple[Block, ...], told: Formed, tally: Tally) -> Samples:
        sums = told.sums if kept.size == told.sums.shape[2] else np.take(told.sums, kept, axis=2)
        summed = Summed(self.window.frequency, self.window.width, sums, told.most)
        return Samples(kept, blocks, summed, told.counts, tally)

    def _forming(self, corrected: bool = False) -> Forming:
        """Return how planes are formed; if `corrected`, samples that nobody observed were already looked for."""
        parallel = () if self.keep_zeros or corrected else self._hands
        return Forming.of(self.wanted, self.window.frequency, self.window.shape[1], parallel, self.real)

    def _room(self, rows: int) -> NDArray[np.floating]:
        """Return planes of so many rows, of any content, in a buffer."""
        shape = len(self.wanted), rows, 3, lanes(self.window.shape[0])
        if self._buffers.get("planes", np.empty(0)).size < prod(shape):
            self._buffers["planes"] = np.empty(prod(shape), self.real)
        return self._buffers["planes"][: prod(shape)].reshape(shape)

    def _form(
        self, rows: Rows, asked: NDArray[np.intp], usable: NDArray[np.bool_], due: NDArray[np.bool_],
        seen: Seen | None, keep: Callable[[NDArray[np.intp], NDArray[np.floating]], None],
    ) -> tuple[Formed, Tally]:  # fmt: skip
        """Form planes of the rows `asked` for, and call `keep` with a few at a time."""
        told, tally = self._forming().nothing(len(rows)), Tally()
        for first, read, forming, usable_here, due_here, done in self._reads(rows, usable, due, seen, told.counts):
            number = len(usable_here)
            here = asked[np.searchsorted(asked, first) : np.searchsorted(asked, first + number)]
            part = told if number == len(rows) else replace(forming.nothing(number), most=told.most, counts=told.counts)
            ready = forming.prepared(read, usable_here, due_here)
            for some in pieces(here, rows_at_once(self.window.shape[0])):
                planes = self._room(some.size)
                forming.form(ready, some - first, planes, part)
                keep(some, planes)
            if part is not told:
                told.sums[:, :, first : first + number] = part.sums
            tally += done
        return told, tally

    def _reads(
        self, rows: Rows, usable: NDArray[np.bool_], due: NDArray[np.bool_], seen: Seen | None, counts: Counts
    ) -> Iterator[tuple[int, Read, Forming, NDArray[np.bool_], NDArray[np.bool_], Tally]]:
        """Yield the rows, mapped or some at a time: first, samples, how to form them, usable, due, what was done."""
        whole = self._mapped(rows, usable)
        if whole is not None:
            yield 0, whole, self._forming(), usable, due, NOTHING
            return
        spectral = weight_column(rows, self.window) == "WEIGHT_SPECTRUM"
        step = self._batch if self.corrections is None else len(rows)  # corrections look at a slice as a whole
        for first in range(0, len(rows), step):
            here = slice(first, min(first + step, len(rows)))
            bad, values = self._fill("FLAG", rows, here), self._visibilities(rows, here)
            weights = self._weights(rows, here)
            if self.corrections is None or seen is None:
                read = _read(values, bad, weights, spectral)
                yield first, read, self._forming(), usable[here], due[here], NOTHING
                continue
            bad |= ~usable[here, :, None]
            self._forming().look(values, bad, due[here], counts)
            model = None if self.columns.model is None else self._model(self.columns.model, rows, here)
            observed = observed_of(self.corrections.path, self.window, seen, values, weights, bad)
            observed, done = self.corrections.apply(observed, model)
            read = _read(observed.visibility.astype(self.complex, copy=False), observed.bad, observed.weight, spectral)
            all_of, none_of = np.ones((here.stop - first, 1), bool), np.zeros((here.stop - first, 1), bool)
            yield first, read, self._forming(corrected=True), all_of, none_of, done

    def _mapped(self, rows: Rows, usable: NDArray[np.bool_]) -> Read | None:
        """Return the samples as they lie in files that are mapped; None if they are to be read into buffers."""
        plain = self.window.order == slice(None) if isinstance(self.window.order, slice) else False
        if not isinstance(rows, MappedRows) or not plain or self.columns.scale != 1:
            return None
        if self.corrections is not None or usable.shape[1] > 1:
            return None
        cell, first = self.window.cell, self.window.first * self.window.shape[1]
        visibility, flag = rows.cells(self.columns.visibility, cell), rows.cells("FLAG", cell)
        if visibility is None or flag is None:
            return None
        spectral = weight_column(rows, self.window) == "WEIGHT_SPECTRUM"
        if spectral:
            weight = rows.cells("WEIGHT_SPECTRUM", cell)
        else:
            weight = rows.cells("WEIGHT", cell[1:]) or Cells.of(self._weights(rows, slice(0, len(rows)))[:, 0])
        if weight is None:
            return None
        if first:
            visibility, flag = visibility.moved(2 * first), flag.moved(first)
            weight = weight.moved(first) if spectral else weight
        return Read(visibility, flag, True, weight, spectral)

    def _visibilities(self, rows: Rows, here: slice) -> NDArray[np.complexfloating]:
        """Read the column of visibilities into its buffer."""
        values = self._fill(self.columns.visibility, rows, here)
        if self.columns.scale != 1:
            values *= self.columns.scale
        return values

    def _model(self, name: str, rows: Rows, here: slice) -> NDArray[np.complexfloating]:
        """Read the model, at least in the precision of images."""
        model = self._fill(name, rows, here)
        return model.astype(np.result_type(model, self.complex), copy=False)

    def _weights(self, rows: Rows, here: slice) -> NDArray[np.floating]:
        """Return weights [row, channel or 1, correlation]."""
        if weight_column(rows, self.window) == "WEIGHT_SPECTRUM":
            return self._fill("WEIGHT_SPECTRUM", rows, here)
        weight = rows.column("WEIGHT", here.start, here.stop - here.start)
        if weight.shape[1:] != self.window.shape[1:]:
            raise rows.unlike("WEIGHT", weight.shape[1:], self.window.shape[1:])
        return weight[:, None, :]

    def _fill(self, name: str, rows: Rows, here: slice) -> NDArray[Any]:
        """Return [row, channel, correlation] of a column, channels in order of frequency; valid until the next call.

        It has all correlations: to let casacore pick two of four costs more than it saves.
        """
        count = here.stop - here.start
        if len(self._buffers.get(name, ())) < count:
            self._buffers[name] = np.empty((max(count, self._batch), *self.window.shape), rows.dtype(name))
        buffer = self._buffers[name][:count]
        try:
            rows.into(name, here.start, buffer, self.window.channels)
        except InputError:
            if not self._fill_singly(name, rows, here, buffer):
                raise
        return buffer[:, self.window.order]

    def _fill_singly(self, name: str, rows: Rows, here: slice, buffer: NDArray[Any]) -> bool:
        """Fill `buffer` cell by cell if some are empty: these are flagged, or NaN. Return False if none is empty."""
        defined = [rows.defined(name, row) for row in range(here.start, here.stop)]
        for at, there in enumerate(defined):
            if there:
                rows.into(name, here.start + at, buffer[at : at + 1], self.window.channels)
            else:
                buffer[at] = True if buffer.dtype == bool else np.nan
        return not all(defined)


def _read(
    values: NDArray[np.complexfloating], bad: NDArray[np.bool_], weights: NDArray[np.floating], spectral: bool
) -> Read:
    """Return buffers [row, channel, correlation] as samples; weights that are not `spectral` have 1 channel."""
    parts = np.ascontiguousarray(values).view(values.real.dtype)
    octets = np.ascontiguousarray(bad).view(np.uint8)
    return Read(Cells.of(parts), Cells.of(octets), False, Cells.of(weights), spectral or weights.shape[1] > 1)


def _with_samples(told: Formed) -> NDArray[np.intp]:
    """Return the rows that have a good sample."""
    return np.flatnonzero(_counting(told.sums[:, COUNT]))


def _counting(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows have a sample that counts, [row], from `counts` [stokes, row]."""
    return counts[0] > 0 if len(counts) == 1 else np.asarray(counts.any(axis=0))


def observed_of(
    path: Path,
    window: Window,
    seen: Seen,
    values: NDArray[np.complexfloating],
    weights: NDArray[np.floating],
    bad: NDArray[np.bool_],
) -> Observed:
    """Return the samples of a window as corrections take them, of the recording at a path."""
    return Observed(
        path, seen.field, window.spectral_window, window.frequency, window.width, window.correlations,
        seen.antenna1, seen.antenna2, seen.integration, seen.time, seen.interval, seen.uvw, seen.axes,
        values, weights, bad, seen.feed_angle,
    )  # fmt: skip
