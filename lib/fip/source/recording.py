"""What a recording is: rows in time, and what describes them. Types only; a MeasurementSet is the first of its kind.

`open_recording` (fip.source.sources) opens one. Whatever has these methods can be imaged; docs/extending/recording.md
says how to add one from outside of FIP. A recording is used from the thread that opened it, in a reading child: what
goes wrong in it is an InputError of one line that names the path.
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

    TIME is UTC (s since MJD 0), UVW in m, INTERVAL and EXPOSURE in s; what none of these can be is NaN.
    """

    @property
    def numbers(self) -> range | NDArray[np.int64]:
        """Which rows of the recording they are."""

    def __len__(self) -> int: ...

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """[row, ...] of a column, or `count` rows from `first` on; of cells [channel, ...] the `channels` alone."""

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Reads rows `first`, ... into `buffer` [row, channel, correlation] of the column's dtype; returns it."""

    def dtype(self, name: str) -> np.dtype[Any]:
        """The dtype that a buffer for a column must have."""

    def has(self, name: str) -> bool:
        """Whether the recording has such a column."""

    def defined(self, name: str, row: int) -> bool:
        """Whether one of these rows has a cell in a column."""

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """Whether they have, [row]."""

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of the first row's cell; None if there is no such column, or nothing in the cell."""

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """Those rows where `mask` [row] is true, at least one."""

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """The error to raise if cells of a column have another shape than the windows tell."""


@runtime_checkable
class MappedRows(Protocol):
    """What rows have besides if files of columns can be mapped; whoever reads them does without it, only slower."""

    def cells(self, name: str, shape: tuple[int, ...]) -> Cells | None:
        """The cells of a column where they lie, if they are of this shape: little-endian, flags as bits, lowest first.

        None if they are to be read. What is told holds until the next call.
        """


class Recording(Protocol):
    """What gives rows in time."""

    path: Path
    growing: bool  # whether it is being written; `refresh` then shows more rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""

    @property
    def beam_columns(self) -> tuple[str, ...]:
        """FEED1 and FEED2, if it has both: they tell beams apart."""

    @property
    def time_scale(self) -> str:
        """The scale of TIME on file, as "UTC" or "TAI": what is read is UTC."""

    @property
    def antennas(self) -> Antennas:
        """Names, positions, diameters and stations, in the order of ANTENNA1 and ANTENNA2."""

    def __len__(self) -> int:
        """How many rows there were when it was opened or refreshed last."""
        raise NotImplementedError

    def rows(self, numbers: range | NDArray[np.int64]) -> Rows:
        """Rows by number, ascending, at least one."""

    def window(self, number: int) -> Window:
        """What DATA_DESC_ID `number` stands for."""

    def field(self, number: int) -> Field:
        """A field, and where its phase centre is."""

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """The names of these fields by number; of all of them if more may come to be used."""

    def observation(self, number: int) -> dict[str, str]:
        """TELESCOPE_NAME, OBSERVER and PROJECT of an OBSERVATION_ID; "" if it does not say."""

    def complex_columns(self) -> tuple[str, ...]:
        """The names of the columns that hold visibilities."""

    def hints(self, columns: Sequence[str]) -> str:
        """A digest that changes if values in these columns may have; "" if that cannot be told."""

    def refresh(self) -> None:
        """Sees the rows that were written since. InputError if that cannot be told now; it may be in a moment."""

    def raw(self) -> bool:
        """Whether it is known that nothing of it was calibrated."""

    def complete_rows(self) -> int | None:
        """Rows of integrations that are known to be whole, of one that grows; None: when a later one has begun."""

    def ended(self) -> bool | None:
        """Whether the writer has said that no more rows come; None if it never says: then silence tells it."""

    def parts_expected(self) -> int | None:
        """How many windows of each beam an integration should have rows of; None if the rows themselves tell it."""

    def windows_expected(self) -> tuple[int, ...]:
        """DATA_DESC_IDs of which integrations may have rows, also if the first has none; () if the rows tell them."""
        raise NotImplementedError

    def arrivals(self) -> Arrivals | None:
        """What is told of the parts in which it comes, as of the last refresh; None if it does not come in parts."""

    def close(self) -> None:
        """Releases the files."""
