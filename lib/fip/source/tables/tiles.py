"""Columns of a MeasurementSet whose files are cells one after the other: they are mapped, and read without casacore.

Tiled storage managers keep a column in a file `table.fN_TSMk`, tile after tile, each of so many rows. If a tile covers
whole cells, the file is the cells of its rows one after the other, flags eight to an octet; each tile begins anew. All
else is left to casacore: other managers (Dysco), big-endian numbers, tiles of parts of cells, cells of several shapes,
rows that were not written in order, and tables that are views of others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.imaging.forming import Cells
from fip.source.tables.mapping import Maps, own_managers
from fip.source.tables.subtable_reader import UNREADABLE
from fip.source.tables.subtables import as_array

_KINDS = {"complex": ("<f4", 2), "float": ("<f4", 1), "double": ("<f8", 1), "boolean": ("u1", 1)}
"""The types of casacore that are read here: what the file has, and how many for each number."""

_IN_ORDER = b"\0\0\0\x19\0\0\0\x05Block\0\0\0\x01\0\0\0\x01"
"""How casacore writes a vector of one number (AipsIO): the map of rows of TiledShapeStMan is three of them."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a column lies in its file."""

    path: Path
    kind: str  # casacore's type
    cell: tuple[int, ...]  # shape of each cell, in numpy's order
    rows: int  # of a tile
    octets: int  # of a tile
    written: int | None  # rows known to be written; None for all that the file has

    @property
    def numbers(self) -> int:
        """Return how many numbers the file has for a cell; bits for flags."""
        return prod(self.cell) * _KINDS[self.kind][1]

    def starts(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places in the file at which the cells of these rows begin [row], in numbers, or bits for flags."""
        each = self.octets * 8 if self.kind == "boolean" else self.octets // np.dtype(_KINDS[self.kind][0]).itemsize
        if each == self.rows * self.numbers:
            return rows * self.numbers
        tile, inside = np.divmod(rows, self.rows)
        return np.asarray(tile * each + inside * self.numbers)

    def length(self, last: int) -> int:
        """Return how many octets the file has at least if it has this row."""
        return (last // self.rows + 1) * self.octets


class Tiles:
    """The columns of an open table that lie so. What is found of each is kept, and its map as long as it is enough."""

    def __init__(self, path: Path, table: Any) -> None:
        self._path, self._table = path, table
        self._tilings: dict[str, Tiling | None] | None = None
        self._files = Maps()

    def cells(self, name: str, shape: tuple[int, ...], rows: range | NDArray[np.int64]) -> Cells | None:
        """Return the cells of these rows, ascending, if they are of this shape; None if casacore is to read them."""
        try:
            return self._cells(name, shape, rows)
        except (OSError, *UNREADABLE):  # casacore says what is wrong with it
            return None

    def _cells(self, name: str, shape: tuple[int, ...], rows: range | NDArray[np.int64]) -> Cells | None:
        tiling, last = self._found().get(name), int(rows[-1])
        if tiling and tiling.written is not None and last >= tiling.written:  # there may be more by now
            self._tilings = None
            tiling = self._found().get(name)
        if tiling is None or tiling.cell != shape or (tiling.written is not None and last >= tiling.written):
            return None
        octets, number = self._files.octets(tiling.path, tiling.length(last)), np.dtype(_KINDS[tiling.kind][0])
        if octets is None:
            return None
        whole = octets[: octets.size - octets.size % number.itemsize]
        return Cells(whole.view(number), tiling.starts(as_array(rows)))

    def _found(self) -> Mapping[str, Tiling | None]:
        if self._tilings is None:
            self._tilings = {
                name: tiling(self._path, manager, str(self._table.coldatatype(name)))
                for manager in own_managers(self._path, self._table)
                for name in manager["COLUMNS"]
            }
        return self._tilings


def tiling(path: Path, manager: Mapping[str, Any], kind: str) -> Tiling | None:
    """Return how the one column of a data manager, from `getdminfo`, lies in its file; None if casacore reads it."""
    cubes = list(manager.get("SPEC", {}).get("HYPERCUBES", {}).values())
    if manager["TYPE"] == "TiledShapeStMan":  # the first cube is for cells that nobody wrote
        cubes = [each for each in cubes if len(each["TileShape"])]
    known = manager["TYPE"] in ("TiledColumnStMan", "TiledShapeStMan") and kind in _KINDS
    if not known or len(cubes) != 1 or len(manager["COLUMNS"]) != 1:
        return None
    (cube,) = cubes
    shape, tile = ([int(each) for each in cube[key]] for key in ("CubeShape", "TileShape"))
    if len(shape) < 2 or shape[:-1] != tile[:-1] or tile[-1] < 1:
        return None
    number, shaped = int(manager["SEQNR"]), manager["TYPE"] == "TiledShapeStMan"
    written = _in_order(path / f"table.f{number}") if shaped else None
    if shaped and not written:
        return None
    items = prod(shape[:-1]) * tile[-1]
    octets = (items + 7) // 8 if kind == "boolean" else items * _KINDS[kind][1] * np.dtype(_KINDS[kind][0]).itemsize
    if int(cube.get("BucketSize", octets)) != octets:
        return None
    file = path / f"table.f{number}_TSM{1 if shaped else 0}"
    return Tiling(file, kind, tuple(reversed(shape[:-1])), tile[-1], octets, written)


def _in_order(header: Path) -> int:
    """Return how many rows TiledShapeStMan has written to its only cube, if in order from the first on; else 0.

    At the end of its header are three vectors, an entry for each stretch of rows: the last row, its cube, and the place
    of that row in the cube.
    """
    try:
        content = header.read_bytes()
    except OSError:
        return 0
    parts = content.rsplit(_IN_ORDER, 3)
    if len(parts) != 4 or any(len(each) != 4 for each in parts[1:]):
        return 0
    last, cube, place = (unpack_from(">I", each)[0] for each in parts[1:])
    return int(last) + 1 if last == place and cube == 1 else 0
