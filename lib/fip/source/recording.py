"""What a recording is: rows in time, and what describes them. Types only; a MeasurementSet is the first of its kind.

`open_recording` (fip.source.sources) opens one. Anything that has these methods can be imaged;
docs/extending/recording.md says how to add one from outside of FIP. A recording is used from the thread that opened it,
in a reading child. Errors in it are InputErrors of one line that name the path.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fip.data.arriving import Arrivals
from fip.data.errors import InputError
from fip.imaging.forming import Cells
from fip.source.tables.subtables import Antennas, Channels, Field, Window


class Rows(Protocol):
    """Some rows of a recording, ascending; at least one. Columns are named, and mean, what a MeasurementSet's do.

    TIME is UTC (s since MJD 0), UVW in m, INTERVAL and EXPOSURE in s; impossible values are NaN.
    """

    @property
    def numbers(self) -> range | NDArray[np.int64]:
        """Return which rows of the recording they are."""

    def __len__(self) -> int: ...

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """Return [row, ...] of a column, or `count` rows from `first` on; of cells [channel, ...] only `channels`."""

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Read rows `first`, ... into `buffer` [row, channel, correlation] of the column's dtype; return it."""

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype that a buffer for a column must have."""

    def has(self, name: str) -> bool:
        """Return whether the recording has such a column."""

    def defined(self, name: str, row: int) -> bool:
        """Return whether one of these rows has a cell in a column."""

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """Return whether each row has a cell in a column, [row]."""

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of the first row's cell; None if there is no such column, or nothing in the cell."""

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """Return the rows for which `mask` [row] is true, at least one."""

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """Return the error to raise if cells of a column have another shape than the windows say."""


@runtime_checkable
class MappedRows(Protocol):
    """What rows have besides if files of columns can be mapped; without it reading works too, only slower."""

    def cells(self, name: str, shape: tuple[int, ...]) -> Cells | None:
        """Return the cells of a column in its mapped file, if they are of this shape.

        They are little-endian, flags as bits, lowest first. None if they are to be read. The answer holds until the
        next call.
        """


class Recording(Protocol):
    """Anything that gives rows in time."""

    path: Path
    growing: bool  # whether it is being written; `refresh` then shows more rows

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of its columns."""

    @property
    def beam_columns(self) -> tuple[str, ...]:
        """Return FEED1 and FEED2, if it has both: they tell beams apart."""

    @property
    def time_scale(self) -> str:
        """Return the scale of TIME on file, as "UTC" or "TAI": what is read is UTC."""

    @property
    def antennas(self) -> Antennas:
        """Return names, positions, diameters and stations, in the order of ANTENNA1 and ANTENNA2."""

    def __len__(self) -> int:
        """Return how many rows there were when it was opened or refreshed last."""
        raise NotImplementedError

    def rows(self, numbers: range | NDArray[np.int64]) -> Rows:
        """Return rows by number, ascending, at least one."""

    def window(self, number: int) -> Window:
        """Return what DATA_DESC_ID `number` stands for."""

    def field(self, number: int) -> Field:
        """Return a field with its phase centre."""

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the names of these fields by number; of all fields if more may be used later."""

    def observation(self, number: int) -> dict[str, str]:
        """Return TELESCOPE_NAME, OBSERVER and PROJECT of an OBSERVATION_ID; "" if it does not say."""

    def complex_columns(self) -> tuple[str, ...]:
        """Return the names of the columns that hold visibilities."""

    def hints(self, columns: Sequence[str]) -> str:
        """Return a digest that changes if values in these columns may have changed; "" if that cannot be known."""

    def refresh(self) -> None:
        """Look for rows that were written since. InputError if that cannot be seen now; it may be in a moment."""

    def raw(self) -> bool:
        """Return whether it is known that nothing of it was calibrated."""

    def complete_rows(self) -> int | None:
        """Return how many rows are of integrations known to be whole; None: one is whole when a later one begins."""

    def ended(self) -> bool | None:
        """Return whether the writer has said that no more rows come; None if it never says: then silence shows it."""

    def parts_expected(self) -> int | None:
        """Return how many windows of each beam an integration should have rows of; None if the rows show it."""

    def windows_expected(self) -> tuple[int, ...]:
        """Return the DATA_DESC_IDs that integrations may have, even if the first lacks them; () if the rows show it."""
        raise NotImplementedError

    def arrivals(self) -> Arrivals | None:
        """Return what is known of the parts in which it comes, as of the last refresh; None if it has no parts."""

    def close(self) -> None:
        """Close the files of the recording."""
