"""A member that was removed after it was admitted: its rows keep their numbers and times, and nothing else is left.

A slice of it cannot be cut, and its error names the member; slices before and after it are unchanged. A recorder's
quota may remove sets while FIP is not running, also one that was admitted a moment before and that nobody has indexed.
"""

from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.joined.manifest import Part
from fip.source.tables.subtables import Antennas, Channels, Field, Window
from fip.source.untold import Untold


class Gone(Untold):
    """A removed member as a recording. Everything that needs its files raises InputError."""

    growing = False
    columns: tuple[str, ...] = ()
    beam_columns = ("FEED1", "FEED2")
    time_scale = "UTC"

    def __init__(self, path: Path, part: Part, antennas: Antennas) -> None:
        """`part` as the manifest has it, and the antennas of the manifest."""
        self.path, self.antennas = path, antennas
        self._values = _values(part, len(part.antennas) or len(antennas.names))

    def __len__(self) -> int:
        return int(self._values["TIME"].size)

    def lost(self) -> NoReturn:
        """Raise the InputError that says that it was removed."""
        raise InputError(f"{self.path}: was removed before it was imaged")

    def values(self, name: str) -> NDArray[Any]:
        """Return a column of what is still known, all rows."""
        return self._values[name] if name in self._values else self.lost()

    def rows(self, numbers: range | NDArray[np.int64]) -> "GoneRows":
        """Return some rows of it, by number."""
        return GoneRows(self, numbers)

    def window(self, number: int) -> Window:
        """Raise InputError: its windows are not known any more."""
        self.lost()

    def field(self, number: int) -> Field:
        """Raise InputError: its fields are not known any more."""
        self.lost()

    def field_names(self, numbers: Sequence[int]) -> dict[int, str]:
        """Raise InputError: its fields are not known any more."""
        self.lost()

    def observation(self, number: int) -> dict[str, str]:
        """Raise InputError: its observations are not known any more."""
        self.lost()

    def complex_columns(self) -> tuple[str, ...]:
        """Raise InputError: its columns of visibilities are not known any more."""
        self.lost()

    def hints(self, columns: Sequence[str]) -> str:
        """Return "": there are no files to look at."""
        return ""

    def refresh(self) -> None:
        """Do nothing: a removed member does not come back."""

    def close(self) -> None:
        """Do nothing: no file is open."""


class GoneRows:
    """Some rows of a removed member."""

    def __init__(self, member: Gone, numbers: range | NDArray[np.int64]) -> None:
        self._member, self.numbers = member, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """Return a column that says when and of what the rows were; InputError for all others."""
        some = np.asarray(self.numbers)[first : None if count is None else first + count]
        values: NDArray[Any] = self._member.values(name)[some]
        return values

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Raise InputError: there is nothing to read."""
        self._member.lost()

    def dtype(self, name: str) -> np.dtype[Any]:
        """As `Rows` has it for a column that is known; InputError for all others."""
        return self._member.values(name).dtype

    def has(self, name: str) -> bool:
        """As `Rows` has it for a column that is known; InputError for all others."""
        return bool(self._member.values(name).size)

    def defined(self, name: str, row: int) -> bool:
        """As `Rows` has it for a column that is known; InputError for all others."""
        return self.has(name)

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """As `Rows` has it for a column that is known; InputError for all others."""
        return np.full(len(self), self.has(name))

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """As `Rows` has it for a column that is known; InputError for all others."""
        return self._member.values(name).shape[1:]

    def where(self, mask: NDArray[np.bool_]) -> "GoneRows":
        """Return the rows for which `mask` [row] is true."""
        return self._member.rows(np.asarray(self.numbers, np.int64)[mask])

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """Return the error that says that it was removed."""
        return InputError(f"{self._member.path}: was removed before it was imaged")


def _values(part: Part, antennas: int) -> dict[str, NDArray[Any]]:
    """Return the columns by which rows are found, as they were if each integration had all baselines and windows."""
    windows = [number for number, here in enumerate(part.windows) if here >= 0]
    field = next(number for number, here in enumerate(part.fields) if here >= 0)
    pairs = _pairs(part.rows, antennas, len(windows))
    row = np.arange(part.rows)
    dump, within = np.divmod(row, len(pairs) * len(windows))
    length = (part.end - part.begin) / (dump[-1] + 1)
    first, second = pairs[within % len(pairs)].T
    zero = np.zeros(part.rows, np.int32)
    return {
        "TIME": part.begin + (dump + 0.5) * length,
        "INTERVAL": np.full(part.rows, length),
        "EXPOSURE": np.full(part.rows, length),
        "ANTENNA1": first,
        "ANTENNA2": second,
        "UVW": np.zeros((part.rows, 3)),
        "DATA_DESC_ID": np.array(windows, np.int32)[within // len(pairs)],
        "FIELD_ID": np.full(part.rows, field, np.int32),
        "SCAN_NUMBER": zero,
        "OBSERVATION_ID": zero,
        "ARRAY_ID": zero,
        "FEED1": zero,
        "FEED2": zero,
        "FLAG_ROW": np.zeros(part.rows, bool),
    }


def _pairs(rows: int, antennas: int, windows: int) -> NDArray[np.int32]:
    """Return [baseline, 2] antennas, such that the rows are whole integrations; one integration if no way is known."""
    for made in (combinations_with_replacement, combinations):
        pairs = np.array(list(made(range(antennas), 2)), np.int32)
        if pairs.size and rows % (len(pairs) * windows) == 0:
            return pairs
    return np.resize(np.array(list(combinations(range(max(2, antennas)), 2)), np.int32), (-(-rows // windows), 2))
