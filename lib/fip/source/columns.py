"""Which columns are imaged, and whether they hold values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, UsageError
from fip.source.recording import Recording, Rows
from fip.source.tables.askap import DATA_SCALE, is_askap
from fip.source.tables.subtables import Window

_BATCH = 1 << 19  # samples of all correlations looked at at a time, so that they stay in the processor's cache

AUTOMATIC = ("CORRECTED_DATA", "DATA")
"""If no column is named, the first of these that holds values is imaged."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that visibilities come from, and their scale."""

    visibility: str
    model: str | None  # subtracted from it
    scale: float = 1.0  # factor for the visibility column; the model is not multiplied

    @property
    def label(self) -> str:
        """Return what the header says was imaged."""
        return f"{self.visibility}-{self.model}" if self.model else self.visibility


def weight_column(rows: Rows, window: Window) -> str:
    """Return WEIGHT_SPECTRUM if it has values for any of `rows`, else WEIGHT."""
    shape = rows.cell_shape("WEIGHT_SPECTRUM")
    if shape is None and rows.has("WEIGHT_SPECTRUM"):
        first = int(np.argmax(rows.all_defined("WEIGHT_SPECTRUM")))
        shape = rows.where(np.arange(len(rows)) == first).cell_shape("WEIGHT_SPECTRUM")
    return "WEIGHT_SPECTRUM" if shape == window.cell else "WEIGHT"


def choose_columns(
    main: Recording, asked: str, subtract_model: bool, gains: bool, parts: Sequence[tuple[Rows, Window]]
) -> tuple[Columns, str]:
    """Return the columns to image, and the line for the log that says why.

    `parts` are rows of a few integrations, each of one window; they show whether a column holds values.
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
    """Return the same columns with the factor that makes flux densities of the visibilities."""
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
    """Yield column `name` of `rows`, of one window, piece by piece, and which rows each piece is: those with a cell."""
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
    """Return whether `rows`, of one window, have a finite value other than zero in column `name`."""
    return any(np.any(np.isfinite(values) & (values != 0)) for _, values in batches(rows, window, name))


def has_weights(rows: Rows, window: Window) -> bool:
    """Return whether any weight of `rows` is positive and finite."""
    name = weight_column(rows, window)
    return any(np.any((weight > 0) & (weight < np.inf)) for _, weight in batches(rows, window, name))
