"""The edge between a MeasurementSet's columns and weighted Stokes samples: which columns, and reading them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fip.corrections.corrections import Corrections
from fip.corrections.observed import Observed
from fip.corrections.tally import NOTHING, Tally
from fip.data.errors import InputError, UsageError
from fip.imaging.polarisation import Product, absent, form, hands, possible, unobserved
from fip.source.recording import Recording, Rows
from fip.source.tables.askap import DATA_SCALE, is_askap
from fip.source.tables.subtables import Window

_BATCH = 1 << 19  # samples of all correlations read at a time, so that they stay in the processor's cache


AUTOMATIC = ("CORRECTED_DATA", "DATA")
"""The columns of which one is imaged if none is named: the first that holds values."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that visibilities come from."""

    visibility: str
    model: str | None  # subtracted from it
    scale: float = 1.0  # by which it is multiplied, and the model is not

    @property
    def label(self) -> str:
        """What the header says was imaged."""
        return f"{self.visibility}-{self.model}" if self.model else self.visibility


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """When and from where the rows of a window were seen, as corrections need it."""

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
    """What was read of some rows."""

    visibility: NDArray[np.complexfloating]  # [stokes, row, channel] weight x visibility
    weight: NDArray[np.floating]  # [stokes, row, channel]
    zeros: int  # samples that do not count because all parallel hands are exactly 0, and for nothing else
    garbled: int  # samples that do not count because a number of theirs is none that a telescope gives
    absent: int  # samples of the first plane that hold nothing, flagged or not: NaN, an impossible value, or zeros
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
        """For another process, which has buffers of its own."""
        return {**vars(self), "_buffers": {}}

    def read(self, rows: Rows, usable: NDArray[np.bool_], due: NDArray[np.bool_], seen: Seen | None = None) -> Samples:
        """The samples of these rows; visibility and weight are 0 where not `usable` [row, 1 or channel].

        They are corrected as they were `seen`, if there is anything to correct. Of the samples that are `due`, of the
        same shape, those that hold nothing are counted.
        """
        visibility, weight = self._planes(rows)
        zeros = garbled = absent = 0
        tally = Tally()
        step = self._batch if self.corrections is None else len(rows)  # corrections look at a slice as a whole
        for first in range(0, len(rows), step):
            here = slice(first, min(first + step, len(rows)))
            bad = self._bad(rows, here, usable)
            values, weights = self._visibilities(rows, here), self._weights(rows, here)
            zero = None if self.keep_zeros else unobserved(values, self._hands)
            none, checked = self._absent(values, zero, due[here])
            absent += none
            zeros += self._leave_zeros(zero, bad)
            model = None if self.columns.model is None else self._model(self.columns.model, rows, here)
            if self.corrections is not None and seen is not None:
                observed = observed_of(self.corrections.path, self.window, seen, values, weights, bad)
                observed, done = self.corrections.apply(observed, model)
                values, weights, bad, checked = observed.visibility, observed.weight, observed.bad, False
                tally += done
            garbled += self._form(values, weights, bad, visibility[:, here], weight[:, here], checked)
        return Samples(visibility, weight, zeros, garbled, absent, tally)

    def coverage(self, rows: Rows, usable: NDArray[np.bool_]) -> NDArray[np.floating]:
        """The weights [stokes, row, channel] that there would be without a flag, 1 where none is positive."""
        visibility, weight = self._planes(rows)
        for first in range(0, len(rows), self._batch):
            here = slice(first, min(first + self._batch, len(rows)))
            cells = here.stop - first, *self.window.shape
            bad = np.broadcast_to(~usable[here, :, None], cells)
            nothing = np.zeros(cells, self.complex)
            self._form(nothing, self._weights(rows, here), bad, visibility[:, here], weight[:, here])
        if not weight.any():
            weight[...] = usable
        return weight

    def _visibilities(self, rows: Rows, here: slice) -> NDArray[np.complexfloating]:
        """The column, in the buffer."""
        values = self._fill(self.columns.visibility, rows, here)
        if self.columns.scale != 1:
            values *= self.columns.scale
        return values

    def _planes(self, rows: Rows) -> tuple[NDArray[np.complexfloating], NDArray[np.floating]]:
        shape = len(self.wanted), len(rows), self.window.shape[0]
        return np.empty(shape, self.complex), np.empty(shape, self.real)

    def _bad(self, rows: Rows, here: slice, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which samples [row, channel, correlation] are flagged, or not usable."""
        bad = self._fill("FLAG", rows, here)
        if not usable[here].all():
            bad |= ~usable[here, :, None]
        return bad

    def _form(
        self,
        values: NDArray[np.complexfloating],
        weights: NDArray[np.floating],
        bad: NDArray[np.bool_],
        visibility: NDArray[np.complexfloating],
        weight: NDArray[np.floating],
        checked: bool = False,
    ) -> int:
        """As `form`, in pieces that stay in the processor's cache."""
        garbled = 0
        for first in range(0, len(values), self._batch):
            here = slice(first, first + self._batch)
            out = visibility[:, here], weight[:, here]
            garbled += form(self.wanted, values[here], weights[here], bad[here], *out, checked)
        return garbled

    def _absent(
        self, observed: NDArray[np.complexfloating], zero: NDArray[np.bool_] | None, due: NDArray[np.bool_]
    ) -> tuple[int, bool]:
        """How many samples that are `due` hold nothing, and whether all visibilities are possible ones."""
        found, checked = 0, True
        for first in range(0, len(observed), self._batch):
            here = slice(first, first + self._batch)
            sound = possible(observed[here])
            if not sound or zero is not None:
                none = np.zeros((), bool) if sound else absent(self.wanted[0], observed[here])
                none = none if zero is None else none | zero[here]
                found += int(np.count_nonzero(none & due[here]))
            checked &= sound
        return found, checked

    def _leave_zeros(self, zero: NDArray[np.bool_] | None, bad: NDArray[np.bool_]) -> int:
        """Adds to `bad` the samples [row, channel] that nobody observed; returns how many would have counted."""
        if zero is None:
            return 0
        counted = zero & ~bad[..., self._hands].any(axis=-1)
        bad |= zero[..., None]
        return int(np.count_nonzero(counted))

    def _model(self, name: str, rows: Rows, here: slice) -> NDArray[np.complexfloating]:
        """In the precision of images, at least."""
        model = self._fill(name, rows, here)
        return model.astype(np.result_type(model, self.complex), copy=False)

    def _weights(self, rows: Rows, here: slice) -> NDArray[np.floating]:
        """[row, channel or 1, correlation]."""
        if weight_column(rows, self.window) == "WEIGHT_SPECTRUM":
            return self._fill("WEIGHT_SPECTRUM", rows, here)
        weight = rows.column("WEIGHT", here.start, here.stop - here.start)
        if weight.shape[1:] != self.window.shape[1:]:
            raise rows.unlike("WEIGHT", weight.shape[1:], self.window.shape[1:])
        return weight[:, None, :]

    def _fill(self, name: str, rows: Rows, here: slice) -> NDArray[Any]:
        """[row, channel, correlation] of a column, channels in the order of frequency; valid until the next call.

        All correlations: to have casacore pick two of four costs more than it saves.
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
        """Cell by cell, if some hold nothing; False if all do. What nobody wrote is a flag, or NaN."""
        defined = [rows.defined(name, row) for row in range(here.start, here.stop)]
        for at, there in enumerate(defined):
            if there:
                rows.into(name, here.start + at, buffer[at : at + 1], self.window.channels)
            else:
                buffer[at] = True if buffer.dtype == bool else np.nan
        return not all(defined)


def observed_of(
    path: Path,
    window: Window,
    seen: Seen,
    values: NDArray[np.complexfloating],
    weights: NDArray[np.floating],
    bad: NDArray[np.bool_],
) -> Observed:
    """The samples of a window as corrections take them, of the recording at a path."""
    return Observed(
        path, seen.field, window.spectral_window, window.frequency, window.width, window.correlations,
        seen.antenna1, seen.antenna2, seen.integration, seen.time, seen.interval, seen.uvw, seen.axes,
        values, weights, bad, seen.feed_angle,
    )  # fmt: skip


def weight_column(rows: Rows, window: Window) -> str:
    """WEIGHT_SPECTRUM where it has values for any of `rows`, else WEIGHT."""
    shape = rows.cell_shape("WEIGHT_SPECTRUM")
    if shape is None and rows.has("WEIGHT_SPECTRUM"):
        first = int(np.argmax(rows.all_defined("WEIGHT_SPECTRUM")))
        shape = rows.where(np.arange(len(rows)) == first).cell_shape("WEIGHT_SPECTRUM")
    return "WEIGHT_SPECTRUM" if shape == window.cell else "WEIGHT"


def choose_columns(
    main: Recording, asked: str, subtract_model: bool, gains: bool, parts: Sequence[tuple[Rows, Window]]
) -> tuple[Columns, str]:
    """The columns to image, and the line that the log should have on why.

    `parts` are rows of a few integrations, each of one window; they tell whether a column holds values.
    Raises UsageError and InputError.
    """
    present = main.complex_columns()
    if gains and asked == "CORRECTED_DATA":
        raise UsageError("--column CORRECTED_DATA with --gains: it is corrected already; gains are applied to DATA")
    if asked == "auto" and gains and "DATA" in present:
        name, reason = "DATA", "gains are applied to it"
    elif asked == "auto":
        name, reason = _automatic(main, present, parts)
    elif asked in present:
        name, reason = asked, "as asked"
    else:
        raise UsageError(f"--column {asked}: {main.path} has no such column of visibilities, but {_list(present)}")
    if not any(rows.cell_shape(name) for rows, _ in parts):
        raise InputError(f"{main.path}: column {name} holds no values; see --column ({_list(present)})")
    if subtract_model and not any(rows.cell_shape("MODEL_DATA") for rows, _ in parts):
        raise InputError(f"{main.path}: --subtract-model needs a column MODEL_DATA that holds values")
    others = [each for each in present if each != name]
    note = f"column {name}: {reason}" + (f"; there is also {_list(others)}" if others else "")
    return Columns(name, "MODEL_DATA" if subtract_model else None), note


def scaled(columns: Columns, asked: float | None, telescope: str) -> Columns:
    """The same with the factor that makes flux densities of the column."""
    own = DATA_SCALE if is_askap(telescope) and columns.visibility == "DATA" else 1.0
    return replace(columns, scale=own if asked is None else asked)


def _automatic(main: Recording, present: Sequence[str], parts: Sequence[tuple[Rows, Window]]) -> tuple[str, str]:
    reason = "there is no CORRECTED_DATA"
    if "CORRECTED_DATA" in present:
        if any(holds_values(rows, window, "CORRECTED_DATA") for rows, window in parts):
            return "CORRECTED_DATA", "it exists and holds values"
        reason = "CORRECTED_DATA exists but holds no values"
    if "DATA" in present:
        return "DATA", reason
    if "FLOAT_DATA" in main.columns:
        raise InputError(f"{main.path}: only has FLOAT_DATA, of single dishes; imaging needs visibilities in DATA")
    raise InputError(f"{main.path}: has no column DATA; name one with --column ({_list(present)})")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def batches(rows: Rows, window: Window, name: str) -> Iterator[tuple[slice | NDArray[np.intp], NDArray[Any]]]:
    """Column `name` of `rows`, of one window, piece by piece, and of which of them it is: those that have a cell."""
    shape = rows.cell_shape(name)
    if shape is None:
        defined = rows.all_defined(name) if rows.has(name) else np.zeros(0, bool)
        if not defined.any():
            return
        shape = rows.where(defined).cell_shape(name)
    step = max(1, _BATCH // int(np.prod(shape))) if shape else 1
    channels = window.channels if shape == window.cell else None
    for first in range(0, len(rows) if shape else 0, step):
        here = slice(first, min(first + step, len(rows)))
        try:
            yield here, rows.column(name, first, here.stop - first, channels)
        except InputError:
            some = np.array([row for row in range(first, here.stop) if rows.defined(name, row)], np.intp)
            if len(some) == here.stop - first:
                raise
            for row in some.tolist():
                yield np.array([row]), rows.column(name, row, 1, channels)


def holds_values(rows: Rows, window: Window, name: str) -> bool:
    """Whether `rows`, of one window, have a finite value other than zero in column `name`."""
    return any(np.any(np.isfinite(values) & (values != 0)) for _, values in batches(rows, window, name))


def has_weights(rows: Rows, window: Window) -> bool:
    """Whether any weight of `rows` is positive and finite."""
    name = weight_column(rows, window)
    return any(np.any((weight > 0) & (weight < np.inf)) for _, weight in batches(rows, window, name))
