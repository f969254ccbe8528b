"""Short columns of a MeasurementSet in casacore's StandardStMan, read from its mapped file, many rows at a time.

Its file `table.fN` is a header of 512 octets and buckets of one size. A bucket has some rows: for each column their
values, one after the other, those of logical columns as bits, the lowest first. Cells of an array that has no fixed
shape are in `table.fNi`; the bucket has their place. An index, in buckets of its own, says which rows are in which
bucket, and `table.dat` at which octet of a bucket a column begins. (casacore's classes SSMBase, SSMIndex,
StManArrayFile.)

casacore fetches one cell at a time. What is found here is believed only if the first and the last row have what
casacore reads there. Whatever differs from this is left to casacore: None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import pack
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fip.source.tables.aips_io import MAGIC, AipsReader
from fip.source.tables.mapping import Maps, own_managers
from fip.source.tables.subtable_reader import UNREADABLE
from fip.source.tables.subtables import as_array

Numbers: TypeAlias = range | NDArray[np.int64]

_HEADER = 512  # octets before the first bucket
_NEXT = 8  # octets at the begin of an index bucket: the number of the next one, twice, big-endian
_DIRECT = 1  # of a column's options: its cells are in the buckets
_ARRAYS_BEGIN = 16  # octets of the file of arrays before the first: its version and its length
_MOST_AXES = 2  # of cells that are read here
_KINDS = {"boolean": "u1", "int": "<i4", "float": "<f4", "double": "<f8"}
"""The types of casacore that are read here, as types of numpy."""


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Which rows are in which bucket."""

    first: NDArray[np.int64]  # [bucket] its first row, ascending
    number: NDArray[np.int64]  # [bucket] its number in the file
    rows: int  # of all buckets
    most: int  # rows of a bucket
    size: int  # octets of a bucket

    @classmethod
    def of(cls, last: NDArray[np.integer], bucket: NDArray[np.integer], most: int, size: int, buckets: int) -> "Index":
        """Return the index of buckets with these last rows, `most` at most, of a file of so many `buckets`.

        ValueError if there can be no such index.
        """
        ends = last.astype(np.int64) + 1
        counts, number = np.diff(ends, prepend=0), bucket.astype(np.int64)
        sound = bool(((counts > 0) & (counts <= most)).all() and ((number >= 0) & (number < buckets)).all())
        if not ends.size or not sound or np.unique(number).size < number.size:
            raise ValueError("an index that is none")
        return cls(ends - counts, number, int(ends[-1]), most, size)

    def values(self, octets: NDArray[np.uint8], offset: int, each: int, rows: Numbers) -> NDArray[Any]:
        """Return `each` octets of each of these rows, ascending, of a column at `offset` in a bucket, [row]."""
        run = self._run(rows)
        if run is None:
            begin, inside = self._places(rows)
            return taken(octets, begin + offset + each * inside, each)
        found = self._whole(octets, offset, f"V{each}", self.most)[run].reshape(-1)
        skipped = rows[0] % self.most
        return found[skipped : skipped + len(rows)]

    def bits(self, octets: NDArray[np.uint8], offset: int, rows: Numbers) -> NDArray[np.bool_]:
        """Return the same of a column of bits."""
        run = self._run(rows)
        if run is None or self.most % 8:
            begin, inside = self._places(rows)
            found = octets[begin + offset + (inside >> 3)] >> (inside & 7).astype(np.uint8)
            return np.asarray(found & 1 != 0)
        packed, skipped = self._whole(octets, offset, "u1", self.most // 8)[run], rows[0] % self.most
        return np.unpackbits(packed, bitorder="little")[skipped : skipped + len(rows)].view(np.bool_)

    def _whole(self, octets: NDArray[np.uint8], offset: int, kind: str, count: int) -> NDArray[Any]:
        """Return so many values of each bucket of the file, [bucket, value]."""
        step = np.dtype(kind).itemsize
        buckets = (octets.size - _HEADER) // self.size
        return np.ndarray((buckets, count), kind, octets, _HEADER + offset, (self.size, step))

    def _run(self, rows: Numbers) -> NDArray[np.int64] | None:
        """Return the buckets that have these rows, if all before the last of them are full; else None."""
        if not isinstance(rows, range) or rows.step != 1:
            return None
        low, high = rows[0] // self.most, rows[-1] // self.most
        full = high < self.first.size and self.first[high] == high * self.most
        return self.number[low : high + 1] if full else None

    def _places(self, rows: Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for these rows, ascending, the octets before the bucket, and the row's place in it, both [row]."""
        numbers = as_array(rows)
        bucket = np.searchsorted(self.first, numbers, "right") - 1
        return _HEADER + self.number[bucket] * self.size, numbers - self.first[bucket]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """How a column lies in buckets."""

    file: Path
    index: Index
    length: int  # octets of the file that are needed at least
    offset: int  # in each bucket, octets
    kind: str
    cell: tuple[int, ...] | None  # shape in numpy's order; None if cells are in the other file

    def values(self, rows: Numbers, files: Maps) -> NDArray[Any] | None:
        """Return [row, ...] of these rows. Raises OSError, IndexError, TypeError."""
        octets = files.octets(self.file, self.length)
        if octets is None:
            return None
        if self.kind == "boolean":
            return self.index.bits(octets, self.offset, rows)
        dtype = np.dtype(_KINDS[self.kind])
        if self.cell is None:
            return self._elsewhere(self.index.values(octets, self.offset, 8, rows).view("<i8"), dtype, files)
        found = self.index.values(octets, self.offset, prod(self.cell) * dtype.itemsize, rows)
        return found.view(dtype).reshape(len(rows), *self.cell)

    def _elsewhere(self, at: NDArray[np.int64], dtype: np.dtype[Any], files: Maps) -> NDArray[Any] | None:
        """Return cells that begin at `at` in the file of arrays; None if one has no value, or shapes differ."""
        file = self.file.with_name(f"{self.file.name}i")
        first, last = int(at.min()), int(at.max())
        octets = files.octets(file, last + 8)
        if octets is None or first < _ARRAYS_BEGIN or octets[:4].any():  # of another version
            return None
        axes = int(octets[first : first + 4].view("<u4")[0])
        shape = tuple(octets[first + 4 : first + 4 + 4 * axes].view("<i4").tolist()) if 0 < axes <= _MOST_AXES else ()
        if not shape or min(shape) < 1:
            return None
        head = 4 + 4 * axes
        size = head + prod(shape) * dtype.itemsize
        octets = files.octets(file, last + size)
        if octets is None:
            return None
        if last - first != (at.size - 1) * size or bool((at[1:] - at[:-1] != size).any()):
            octets, first = taken(octets, at, size).view(np.uint8), 0

        def each(kind: str, begin: int) -> NDArray[Any]:
            return np.ndarray(at.size, kind, octets, first + begin, (size,))

        if any((each("<u4", 4 * k) != told).any() for k, told in enumerate((axes, *shape))):
            return None
        return each(f"V{size - head}", head).copy().view(dtype).reshape(at.size, *reversed(shape))


class Buckets:
    """The columns of an open table that lie so. Their places are found anew when there are more rows."""

    def __init__(self, path: Path, table: Any) -> None:
        self._path, self._table, self._files = path, table, Maps()
        self._managers: tuple[Mapping[str, Any], ...] | None = None
        self._rows = -1  # of the table when columns were found
        self._found: dict[str, Column | None] = {}

    def column(self, name: str, rows: Numbers) -> NDArray[Any] | None:
        """Return [row, ...] of a column of these rows, ascending; None if casacore is to read it.

        Raises what casacore raises on a damaged column: to ask it again could kill the process.
        """
        if self._rows != int(self._table.nrows()):
            self._rows, self._found = int(self._table.nrows()), {}
        if name not in self._found:
            column = self._find(name)
            self._found[name] = column if column and self._is_right(name, column) else None
        return self._values(self._found[name], rows)

    def _values(self, column: Column | None, rows: Numbers) -> NDArray[Any] | None:
        if column is None or rows[-1] >= column.index.rows:
            return None
        try:
            return column.values(rows, self._files)
        except (OSError, *UNREADABLE):
            return None

    def _find(self, name: str) -> Column | None:
        if not self._table.iscelldefined(name, 0):
            return None
        self._table.getcell(name, 0)  # so that casacore says what is wrong with this column, if anything is
        if self._managers is None:
            try:
                self._managers = own_managers(self._path, self._table)
            except UNREADABLE:  # another column is damaged, which may not be needed
                self._managers = ()
        of_it = [each for each in self._managers if name in each["COLUMNS"] and each["TYPE"] == "StandardStMan"]
        kind = str(self._table.coldatatype(name)) if of_it else ""
        if kind not in _KINDS:
            return None
        (manager,), cell = of_it, self._cell(name)
        if kind == "boolean" and cell != ():
            return None
        names = [each for each in self._table.colnames() if each in manager["COLUMNS"]]
        file = self._path / f"table.f{int(manager['SEQNR'])}"
        try:
            offset, number = _place(self._path / "table.dat", manager["NAME"], names, name)
            index, length = read_index(file.read_bytes(), number)
        except (OSError, *UNREADABLE):
            return None
        return Column(file, index, length, offset, kind, cell)

    def _cell(self, name: str) -> tuple[int, ...] | None:
        """Return the shape that its cells have in the buckets, () for one number each; None if they are elsewhere."""
        if self._table.isscalarcol(name):
            return ()
        told = self._table.getcoldesc(name)
        direct = int(told["option"]) & _DIRECT and told.get("_c_order", False)
        return tuple(int(each) for each in told["shape"]) if direct else None

    def _is_right(self, name: str, column: Column) -> bool:
        """Return whether casacore reads the same in the first row and in the last."""
        rows = np.array([0, min(self._rows, column.index.rows) - 1])
        found = self._values(column, rows)
        if found is None or not all(self._table.iscelldefined(name, int(row)) for row in rows):
            return False
        kept = [np.asarray(self._table.getcell(name, int(row)), found.dtype) for row in rows]
        return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(kept, found, strict=True))


def taken(octets: NDArray[np.uint8], at: NDArray[np.int64], size: int) -> NDArray[Any]:
    """Return so many octets from each place on, [place], not aligned. IndexError if there are not so many."""
    everywhere = np.ndarray(octets.size - size + 1, f"V{size}", octets, strides=(1,))
    found: NDArray[Any] = everywhere[at]
    return found


def read_index(content: bytes, number: int) -> tuple[Index, int]:
    """Return the index of this number in a file `table.fN`, and that file's least length. ValueError if not there."""
    header = AipsReader(content[:_HEADER], "<")
    if header.begin(b"StandardStMan", outermost=True) != 3 or header.number("u1"):  # whether it is big-endian
        raise ValueError("another version of StandardStMan")
    size, buckets, _, _, _ = header.numbers(5, "i4").tolist()
    of_index, first, offset, _, length, many = header.numbers(6, "i4").tolist()
    if number >= many:
        raise ValueError(f"{many} indices, not {number + 1}")
    parts, left = list[bytes](), length
    for _ in range(of_index):
        at = _HEADER + first * size
        bucket = content[at : at + size]
        (first,) = AipsReader(bucket, ">", 4).numbers(1, "i4").tolist()
        parts.append(bucket[offset : offset + left] if offset else bucket[_NEXT : _NEXT + left])
        left -= len(parts[-1])
    reader = AipsReader(b"".join(parts), "<")
    for _ in range(number + 1):
        index = _next_index(reader, size, buckets)
    return index, _HEADER + buckets * size


def _next_index(reader: AipsReader, size: int, buckets: int) -> Index:
    version = reader.begin(b"SSMIndex", outermost=True)
    used, most = reader.numbers(2, "u4").tolist()
    reader.number()  # of columns
    reader.skip()  # what is free in buckets
    last, bucket = reader.block("u4" if version == 1 else "u8"), reader.block()
    return Index.of(last[:used], bucket[:used], most, size, buckets)


def _place(dat: Path, manager: str, names: Sequence[str], name: str) -> tuple[int, int]:
    """Return the octet of a bucket at which a column begins, and its index; `names` are the storage manager's columns.

    ValueError if `table.dat` does not say it, or says it of more than one manager.
    """
    content, number = dat.read_bytes(), names.index(name)
    begins = b"\0\0\0\x03SSM\0\0\0\x02" + pack(">I", len(manager)) + manager.encode()
    before, *after = content.split(begins)
    if len(after) != 1 or before[-8:-4] != MAGIC:
        raise ValueError(f"{len(after)} storage managers {manager}")
    reader = AipsReader(after[0], ">")
    offsets, indices = reader.block(), reader.block()
    if offsets.size != len(names) or indices.size != len(names):
        raise ValueError(f"{offsets.size} columns, not {len(names)}")
    return int(offsets[number]), int(indices[number])
