"""The planes of an image on disk, plain or compressed. Only the rows that are asked for are read."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.fits.tiles import ROW, Tiling, tiling_of
from fip.fits.units import Unit, values_of

TYPES = {-32: ">f4", -64: ">f8"}
"""How pixels are written, by BITPIX."""

BEYOND = 8  # bytes behind the tiles, that decoding may look at


@dataclass(frozen=True, slots=True)
class Pixels:
    """The planes of one unit of a file, in the order of the file, as (height, width) pixels of a type."""

    path: Path
    unit: Unit = field(repr=False)
    shape: tuple[int, int]
    dtype: str  # of a pixel, as the unit's header says, big-endian

    def rows(self, plane: int, begin: int, end: int) -> NDArray[np.floating]:
        """Return the rows [y, x] from `begin` to `end` of a plane; a plain image is mapped, and read when it is used.

        UsageError if the file is shorter than its header says, or damaged.
        """
        height, width = self.shape
        begin, end = max(begin, 0), max(min(end, height), 0)
        if end <= begin:
            return np.empty((0, width), self.dtype)
        try:
            if self.unit.compressed:
                return self._decoded(plane, begin, end)
            kind = np.dtype(self.dtype)
            at = self.unit.begin + (plane * height + begin) * width * kind.itemsize
            return np.memmap(self.path, kind, "r", at, (end - begin, width))
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{self.path}: its pixels cannot be read ({error})") from None

    def plane(self, plane: int) -> NDArray[np.floating]:
        """Return all rows of a plane. UsageError as `rows`."""
        return self.rows(plane, 0, self.shape[0])

    def _decoded(self, plane: int, begin: int, end: int) -> NDArray[np.floating]:
        from fip.fits import rice  # late: it compiles

        tiling, (height, width) = tiling_of(values_of(self.unit.cards)), self.shape
        of_a_plane = -(-height // tiling.rows)
        first, last = begin // tiling.rows, -(-end // tiling.rows)
        top = first * tiling.rows
        rows = min(last * tiling.rows, height) - top
        found = np.empty(rows * width, np.dtype(self.dtype).newbyteorder("="))
        number = plane * of_a_plane + first
        table, coded = self._coded(tiling, number, last - first)
        work = np.empty(tiling.rows * width + rice.BLOCK, np.int32)
        damaged = rice.decode(
            coded, np.array(table["at"]), table["at"] + table["size"], tiling.rows * width, np.array(table["step"]),
            tiling.blank, number + tiling.seed - 1, rice.DITHER, found, work,
        )  # fmt: skip
        if damaged >= 0:
            raise ValueError(f"its tile {number + damaged} is damaged")
        return found.reshape(rows, width)[begin - top : end - top]

    def _coded(self, tiling: Tiling, first: int, count: int) -> tuple[NDArray[np.void], NDArray[np.uint8]]:
        """Return `count` tiles: their rows of the table, and their bytes and some more; "at" is the begin of a tile."""
        heap = self.unit.begin + tiling.tiles * ROW.itemsize
        with self.path.open("rb") as file:
            file.seek(self.unit.begin + first * ROW.itemsize)
            table = np.frombuffer(file.read(count * ROW.itemsize), ROW).astype(ROW.newbyteorder("="))
            begin, end = int(table["at"].min()), int((table["at"] + table["size"]).max())
            if len(table) != count or not 0 <= begin <= end <= tiling.size:
                raise ValueError("its table of tiles is damaged")
            coded = np.zeros(end - begin + BEYOND, np.uint8)
            file.seek(heap + begin)
            if file.readinto(coded[: end - begin].data) != end - begin:
                raise ValueError("it ends too early")
        table["at"] -= begin
        return table, coded
