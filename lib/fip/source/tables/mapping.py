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
    """Files that are mapped; a file is mapped anew if its map is too short."""

    def __init__(self) -> None:
        self._maps: dict[Path, NDArray[np.uint8]] = {}

    def octets(self, path: Path, need: int) -> NDArray[np.uint8] | None:
        """Return a file, as long as is needed now, not to be written; None if it is shorter. OSError without a file."""
        if path.stat().st_size < need:
            return None
        mapped = self._maps.get(path)
        if mapped is None or mapped.size < need:
            with path.open("rb") as file:
                mapped = np.frombuffer(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), np.uint8)
            self._maps[path] = mapped
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
