"""A recording whose samples stay in its file, in which each row has the samples of all windows of a setup.

A row of FIP has one window. So a stored row is as many rows here as a setup has windows. Stored rows that follow each
other with one TIME and setup give first all rows of the first window, then all of the second. What is small is in
memory, [stored row]; what is large is read, or mapped, when it is asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, UnreadableError, first_line
from fip.source.full_rows import FullRows
from fip.source.recording import Rows
from fip.source.tables.sound import sound_intervals, sound_uvw
from fip.source.tables.subtables import Antennas, Channels, Field, Window, as_array
from fip.source.whole import WholeRecording

Picks: TypeAlias = slice | NDArray[np.int64]
"""Stored rows, ascending."""

UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
"""The exceptions that libraries raise on damaged files."""

_ZERO = ("SCAN_NUMBER", "OBSERVATION_ID", "ARRAY_ID", "FIELD_ID")


class Samples(Protocol):
    """A column of samples that stays in its file."""

    dtype: np.dtype[Any]

    def read(self, rows: Picks, part: int, first: int, buffer: NDArray[Any]) -> None:
        """Fill `buffer` [row, channel, correlation] from window `part` of the setup, channels from `first` on."""


class StoredRecording(WholeRecording):
    """A recording whose stored rows have all windows of a setup, as the module says."""

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, NDArray[Any]],
        samples: Mapping[str, Samples],
        windows: Sequence[Window],
        fields: Sequence[Field],
        antennas: Antennas,
        *,
        setups: int = 1,
        telescope: str = "",
        observer: str = "",
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`columns` are [stored row, ...]: TIME, INTERVAL, ANTENNA1, ANTENNA2, UVW at least, as in `Rows`; SETUP, if
        there are several. `windows` are numbered setup by setup, as many in each. Raises InputError.
        """
        super().__init__(path, windows, fields, antennas, telescope, observer)
        self.stored = len(columns["TIME"])
        if not self.stored:
            raise InputError(f"{path}: has no rows")
        for name, values in columns.items():
            if len(values) != self.stored:
                raise InputError(f"{path}: has {self.stored} times, but {len(values)} of {name}")
        self.samples, self.parts = samples, len(windows) // setups
        self.small = _all_columns(columns)
        self._close = close

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        return (*self.small, "DATA_DESC_ID", "WEIGHT", *self.samples)

    @property
    def beam_columns(self) -> tuple[str, ...]:
        """Return (): the recording has one beam."""
        return ()

    def __len__(self) -> int:
        return self.stored * self.parts

    def rows(self, numbers: range | NDArray[np.int64]) -> Rows:
        """Return rows by number, ascending."""
        return StoredRows(self, numbers)

    def complex_columns(self) -> tuple[str, ...]:
        """Return the names of the columns that hold visibilities."""
        return tuple(name for name, each in self.samples.items() if each.dtype.kind == "c")

    def complete_rows(self) -> int | None:
        """Return the number of all rows: every row is complete."""
        return len(self)

    def close(self) -> None:
        """Close the file that holds the samples."""
        self._close()

    def of(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the stored rows of some rows, and which windows of their setups they are."""
        if self.parts == 1:
            return numbers, np.zeros_like(numbers)
        begin, length = self._blocks
        block = np.searchsorted(begin * self.parts, numbers, side="right") - 1
        part, within = np.divmod(numbers - begin[block] * self.parts, length[block])
        return begin[block] + within, part

    @cached_property
    def _blocks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first stored row of each run of one TIME and setup, and how many rows each run has."""
        time, setup = self.small["TIME"], self.small["SETUP"]
        changes = (time[1:] != time[:-1]) | (setup[1:] != setup[:-1])
        begin = np.append(0, np.flatnonzero(changes) + 1).astype(np.int64)
        return begin, np.diff(begin, append=self.stored)

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turn what libraries raise into an InputError that names the file and `what` was read."""
        try:
            yield
        except UNREADABLE as error:
            raise UnreadableError(f"{self.path}: cannot read {what}: {first_line(error)}") from None


class StoredRows(FullRows[StoredRecording]):
    """Some rows, as `Rows` has them."""

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """Return [row, ...] of a column, some rows and channels of it."""
        end = len(self) if count is None else first + count
        if name not in self._recording.samples:
            return self._small(name, first, end)
        window = self._window(first)
        wide = window.cell[0] if channels is None else channels[1] + 1 - channels[0]
        made = np.empty((end - first, wide, len(window.correlations)), self.dtype(name))
        return self.into(name, first, made, channels)

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Read the same of a column of samples into `buffer`. All rows must be of one window."""
        stored, part = self._of(first, first + len(buffer))
        if not (self._numbers_of(stored, part) == self._window(first).number).all():
            raise InputError(f"{self._recording.path}: rows of several windows were to be read at once")
        with self._recording.reading(name):
            begin = 0 if channels is None else channels[0]
            self._recording.samples[name].read(as_picks(stored), int(part[0]), begin, buffer)
        return buffer

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype of a column of samples."""
        return self._recording.samples[name].dtype

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of the first row's cell; None if there is no such column."""
        if not self.has(name):
            return None
        if name in self._recording.samples:
            return self._window(0).cell
        return self._small(name, 0, 1).shape[1:]

    def where(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows for which `mask` [row] is true."""
        return StoredRows(self._recording, as_array(self.numbers)[mask])

    def _of(self, first: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self._recording.of(as_array(self.numbers[first:end]))

    def _numbers_of(self, stored: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the DATA_DESC_ID of each row."""
        numbers: NDArray[np.int64] = self._recording.small["SETUP"][stored] * self._recording.parts + part
        return numbers

    def _window(self, row: int) -> Window:
        return self._recording.window(int(self._numbers_of(*self._of(row, row + 1))[0]))

    def _small(self, name: str, first: int, end: int) -> NDArray[Any]:
        """Read some rows of a column that has no samples."""
        stored, part = self._of(first, end)
        if name == "DATA_DESC_ID":
            return self._numbers_of(stored, part).astype(np.int32)
        if name == "WEIGHT":
            return np.ones((end - first, len(self._window(first).correlations)), np.float32)
        picks = as_picks(stored)
        return np.array(self._recording.small[name][picks])


def as_picks(rows: NDArray[np.int64]) -> Picks:
    """Return the rows as a slice if they are evenly apart, else as they are."""
    if len(rows) == 1:
        return slice(int(rows[0]), int(rows[0]) + 1)
    step = int(rows[1] - rows[0])
    even = rows[-1] - rows[0] == step * (len(rows) - 1) and (np.diff(rows) == step).all()
    return slice(int(rows[0]), int(rows[-1]) + 1, step) if even else rows


def _all_columns(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return all columns that an image needs; those that are made up take no memory."""
    rows = (len(given["TIME"]),)
    made: dict[str, NDArray[Any]] = {name: np.broadcast_to(np.int32(0), rows) for name in (*_ZERO, "SETUP")}
    made |= {"FLAG_ROW": np.broadcast_to(False, rows)} | dict(given)
    made |= {"INTERVAL": sound_intervals(given["INTERVAL"]), "UVW": sound_uvw(given["UVW"])}
    return made | {"EXPOSURE": made["INTERVAL"]}
