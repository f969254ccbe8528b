"""Rows of several members, as rows of one recording: columns are read from each, and numbers mapped anew."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.source.index.row_index import COLUMNS
from fip.source.joined.manifest import Part
from fip.source.recording import Recording, Rows
from fip.source.tables.subtables import Channels

_ZERO = ("SCAN_NUMBER", "OBSERVATION_ID", "ARRAY_ID")
"""Columns that are 0 here: sub-bands of one dump are one integration, whatever these are in each."""

_BEAMS = ("FEED1", "FEED2")
_SPECTRUM = "WEIGHT_SPECTRUM"
_SHORT = frozenset((*COLUMNS, *_BEAMS))
"""Columns that are read of many members one after the other, when rows are indexed."""

FEW = 8  # members that stay open while column after column of their rows is read


class Members(Protocol):
    """The joined recording, as its rows know it."""

    def rows(self, numbers: range | NDArray[np.int64]) -> "JoinedRows":
        """Return some rows of the recording, by number."""

    def member(self, part: Part) -> Recording:
        """Return the open recording of a part."""
        raise NotImplementedError


class Piece:
    """Rows of one member, at least one."""

    def __init__(self, members: Members, part: Part, own: range | NDArray[np.int64], first: int) -> None:
        self.part, self.first = part, first  # the latter: of the rows that were asked for
        self._members, self._own = members, own
        self._of: Recording | None = None  # the member that `_rows` are of
        self._rows: Rows | None = None
        self._short: dict[str, NDArray[Any]] | None = None

    def __len__(self) -> int:
        return len(self._own)

    @property
    def rows(self) -> Rows:
        """Return the rows as the member has them; it may have been closed since, and opened again."""
        member = self._members.member(self.part)
        if self._rows is None or self._of is not member:
            self._of, self._rows = member, member.rows(self._own)
        return self._rows

    def column(self, name: str, first: int, count: int, channels: Channels) -> NDArray[Any]:
        """Return a column of some of these rows, its numbers as they are here."""
        told = _TOLD.get(name)
        return self.rows.column(name, first, count, channels) if told is None else told(self, name, first, count)

    def short(self, name: str, first: int, count: int) -> NDArray[Any]:
        """Return the same of a column that is read with others of its kind: they all need the member opened once."""
        if self._short is None:
            self._short = {each: self.column(each, 0, len(self), None) for each in _SHORT}
        return self._short[name][first : first + count]

    def mapped(self, name: str, first: int, count: int, numbers: tuple[int, ...]) -> NDArray[Any]:
        """Return a column of numbers, as `numbers` [its own] has them; without reading if all rows have the same."""
        used = [each for each in numbers if each >= 0]
        if len(used) == 1 and name in ("DATA_DESC_ID", "FIELD_ID"):
            return np.full(count, used[0], np.int32)
        values = self.rows.column(name, first, count)
        if not numbers:
            return values
        table = np.array(numbers, np.int32)
        if int(values.min()) < 0 or int(values.max()) >= table.size:
            raise InputError(f"{self._path}: {name} holds numbers that it had not when it was looked into")
        return np.take(table, values)

    def beam(self, name: str, first: int, count: int) -> NDArray[Any]:
        """Return FEED1 or FEED2 of some rows."""
        if self.part.beam is not None:
            return np.full(count, self.part.beam, np.int32)
        return self.rows.column(name, first, count)

    @property
    def _path(self) -> str:
        return str(self._members.member(self.part).path)


_TOLD: Mapping[str, Callable[[Piece, str, int, int], NDArray[Any]]] = {
    **dict.fromkeys(_ZERO, lambda piece, name, first, count: np.zeros(count, np.int32)),
    **dict.fromkeys(_BEAMS, Piece.beam),
    "DATA_DESC_ID": lambda piece, name, first, count: piece.mapped(name, first, count, piece.part.windows),
    "FIELD_ID": lambda piece, name, first, count: piece.mapped(name, first, count, piece.part.fields),
    "ANTENNA1": lambda piece, name, first, count: piece.mapped(name, first, count, piece.part.antennas),
    "ANTENNA2": lambda piece, name, first, count: piece.mapped(name, first, count, piece.part.antennas),
}
"""How columns are made that differ from those on file."""


class JoinedRows:
    """Some rows of a joined recording, ascending: those of its members, piece by piece."""

    def __init__(self, members: Members, numbers: range | NDArray[np.int64], pieces: list[Piece]) -> None:
        self.numbers = numbers
        self._members, self._pieces = members, pieces

    def __len__(self) -> int:
        return len(self.numbers)

    def _parts(self, first: int, count: int) -> Iterator[tuple[Piece, int, int, int]]:
        """Yield pieces of `count` rows from `first` on: each with its first row, how many, and the place they go to."""
        for piece in self._pieces:
            begin, end = max(first, piece.first), min(first + count, piece.first + len(piece))
            if begin < end:
                yield piece, begin - piece.first, end - begin, begin - first

    def _at(self, row: int) -> tuple[Piece, int]:
        ((piece, own, _, _),) = self._parts(row, 1)
        return piece, own

    def column(self, name: str, first: int = 0, count: int | None = None, channels: Channels = None) -> NDArray[Any]:
        """Return a column of these rows, or of `count` from `first` on; of cells [channel, ...] the `channels` alone.

        InputError if cells of several members are of different shapes: they are read window by window.
        """
        count = len(self) - first if count is None else count
        parts = self._parts(first, count)
        if name in _SHORT and len(self._pieces) > FEW:
            found = [piece.short(name, own, some) for piece, own, some, _ in parts]
        else:
            found = [piece.column(name, own, some, channels) for piece, own, some, _ in parts]
        if len(found) == 1:
            return found[0]
        strange = next((each for each in found if each.shape[1:] != found[0].shape[1:]), None)
        if strange is not None:
            raise self.unlike(name, strange.shape[1:], found[0].shape[1:])
        return np.concatenate(found)

    def into(self, name: str, first: int, buffer: NDArray[Any], channels: Channels = None) -> NDArray[Any]:
        """Read rows `first`, ... into `buffer` [row, channel, correlation]; return it."""
        for piece, own, count, at in self._parts(first, len(buffer)):
            here = buffer[at : at + count]
            if not self._has(piece, name):
                here[...] = piece.column("WEIGHT", own, count, None)[:, None, :]
            elif piece.rows.dtype(name) == buffer.dtype:
                piece.rows.into(name, own, here, channels)
            else:
                here[...] = piece.column(name, own, count, channels)
        return buffer

    def _has(self, piece: Piece, name: str) -> bool:
        """Return whether a member has a column; if others have WEIGHT_SPECTRUM, its WEIGHT stands for that.

        Each channel then has the weight of the row. InputError if the column is any other.
        """
        if piece.rows.has(name):
            return True
        if name == _SPECTRUM and len(self._pieces) > 1:
            return False
        raise InputError(f"{self._members.member(piece.part).path}: has no column {name}, which other members have")

    def dtype(self, name: str) -> np.dtype[Any]:
        """Return the dtype that a buffer for a column must have."""
        with_it = [piece.rows.dtype(name) for piece in self._pieces if piece.rows.has(name)]
        if not with_it:
            return self._pieces[0].rows.dtype(name)
        return np.result_type(*with_it)

    def has(self, name: str) -> bool:
        """Return whether a member has such a column."""
        return any(piece.rows.has(name) for piece in self._pieces)

    def defined(self, name: str, row: int) -> bool:
        """Return whether one of these rows has a cell in a column."""
        piece, own = self._at(row)
        return piece.rows.has(name) and piece.rows.defined(name, own)

    def all_defined(self, name: str) -> NDArray[np.bool_]:
        """Return whether each row has a cell in a column, [row]."""
        return np.concatenate(
            [
                piece.rows.all_defined(name) if piece.rows.has(name) else np.zeros(len(piece), bool)
                for piece in self._pieces
            ]
        )

    def cell_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of the first row's cell; None if there is no such column, or nothing in the cell."""
        return self._pieces[0].rows.cell_shape(name)

    def where(self, mask: NDArray[np.bool_]) -> "JoinedRows":
        """Return the rows for which `mask` [row] is true, at least one."""
        return self._members.rows(np.asarray(self.numbers, dtype=np.int64)[mask])

    def unlike(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> InputError:
        """Return the error to raise if cells of a column have another shape than the windows say."""
        return self._pieces[0].rows.unlike(name, found, expected)
