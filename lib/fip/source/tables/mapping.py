"""Files of a table that are mapped, so that what lies in them is read without casacore.

The length of a file is looked at before each use: to read beyond its end would kill the process. A file that is cut
short later kills it, too; then the reading child is replaced, as if casacore had crashed (docs/decisions/0060).
"""

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Maps:
    """Files that are mapped; a file is mapped anew if its map is too short.

    Pages that were read before are let go at the next use: as part of this process they would count as its memory, up
    to the size of the whole set. Linux keeps them as long as it has room, and what is asked for again is mapped again.
    """

    def __init__(self) -> None:
        self._maps: dict[Path, tuple[mmap.mmap, NDArray[np.uint8]]] = {}

    def octets(self, path: Path, need: int) -> NDArray[np.uint8] | None:
        """Return a file, as long as is needed now, not to be written; None if it is shorter. OSError without a file."""
        if path.stat().st_size < need:
            return None
        held, mapped = self._maps.get(path, (None, np.empty(0, np.uint8)))
        if held is None or mapped.size < need:
            with path.open("rb") as file:
                held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            mapped = np.frombuffer(held, np.uint8)
            self._maps[path] = held, mapped
        else:
            held.madvise(mmap.MADV_DONTNEED)
        return mapped if mapped.size >= need else None


def own_managers(path: Path, table: Any) -> tuple[Mapping[str, Any], ...]:
    """Return what `getdminfo` says of the data managers of an open table.

    () if its numbers are big-endian, or if it is a view: if it has its rows in others, as a selection or a
    concatenation. Raises what casacore does.
    """
    is_view = [Path(each).resolve() for each in table.partnames(True)] != [path.resolve()]
    if is_view or str(table.endianformat()) != "little":
        return ()
    return tuple(table.getdminfo().values())
