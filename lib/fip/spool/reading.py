"""A spool as whoever images it has it: its index, and the integrations that are still in the ring, mapped."""

import mmap
import os
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import InputError, LeftTheRingError, UnreadableError
from fip.spool.index import records
from fip.spool.layout import ENDED_FILE, INDEX_FILE, RECORD, SETUP_FILE, integration_file, is_spool, sections
from fip.spool.setup import read_setup

_MAPPED = 2  # integrations that stay mapped: a slice is read some rows at a time, which reach from one into the next


class Spool:
    """See above. Used from one thread."""

    def __init__(self, path: Path) -> None:
        """Open a spool. InputError if it is none; UnreadableError if it cannot be read now."""
        self.path, self.setup = path, read_setup(path / SETUP_FILE)
        self.sections = sections(self.setup)
        self.ended = False  # whether its writer had said, before the index was looked at last, that no more comes
        self._needs = max(each.offset + each.nbytes for each in self.sections.values())
        self._mapped: OrderedDict[int, Mapping[str, NDArray[Any]]] = OrderedDict()
        self._left = 0  # integrations that are known to have left
        self._index = self._open_index()
        self._identity = os.fstat(self._index).st_ino
        self.records: NDArray[np.void] = np.zeros(0, RECORD)  # of all integrations that were ever committed
        try:
            self.refresh()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Return how many integrations were committed as of the last look, including those that left the ring."""
        return int(self.records.size)

    def refresh(self) -> None:
        """Look for what was committed since; if that is nothing, this costs a look at two names.

        UnreadableError if it cannot be read now; InputError if it is another one than it was.
        """
        ended = os.path.exists(self.path / ENDED_FILE)  # noqa: PTH110 before the index, which then has all
        try:
            found = os.stat(self.path / INDEX_FILE)  # noqa: PTH116
        except OSError as error:
            raise UnreadableError(f"{self.path / INDEX_FILE}: {error.strerror}: is its disk there?") from None
        known = self.records.nbytes
        if found.st_ino != self._identity or found.st_size < known:
            raise InputError(f"{self.path}: is another spool than when it was opened: it was written anew")
        if found.st_size >= known + RECORD.itemsize:
            try:
                added = records(os.pread(self._index, found.st_size - known, known), len(self))
            except ValueError as error:
                raise InputError(
                    f"{self.path / INDEX_FILE}: {error}: to have what is before it, cut a copy off there"
                ) from None
            self.records = np.concatenate([self.records, added])
        self.ended = ended

    def integration(self, number: int) -> Mapping[str, NDArray[Any]]:
        """Return the arrays of an integration, as `sections` has them, to read only; they stay as they are.

        LeftTheRingError if it has left the ring; UnreadableError or InputError if it cannot be read.
        """
        if number not in self._mapped:
            self._mapped[number] = self._map(number)
            while len(self._mapped) > _MAPPED:
                self._mapped.popitem(last=False)
        return self._mapped[number]

    def section(self, number: int, name: str) -> NDArray[Any]:
        """Return one small array of an integration, without the others. Errors as those of `integration`."""
        section = self.sections[name]
        file = self._open(number)
        try:
            octets = os.pread(file, section.nbytes, section.offset)
        finally:
            os.close(file)
        return np.frombuffer(octets, section.dtype).reshape(section.shape)

    def oldest(self) -> int:
        """Return the number of the oldest integration that is still in the ring; that of the next one if none is."""
        numbers = range(self._left, len(self))
        self._left += bisect_left(numbers, True, key=lambda each: integration_file(self.path, each).exists())
        return self._left

    def close(self) -> None:
        """Close the spool's files that are open."""
        self._mapped.clear()
        if self._index >= 0:
            os.close(self._index)
            self._index = -1

    def _open_index(self) -> int:
        try:
            return os.open(self.path / INDEX_FILE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UnreadableError(f"{self.path / INDEX_FILE}: {error.strerror}: is its disk there?") from None

    def _map(self, number: int) -> Mapping[str, NDArray[Any]]:
        file = self._open(number)
        try:
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
            memory = mmap.mmap(file, self._needs, flags=flags, prot=mmap.PROT_READ)
        except OSError as error:
            raise UnreadableError(f"{integration_file(self.path, number)}: {error.strerror}") from None
        finally:
            os.close(file)
        return {name: np.ndarray(each.shape, each.dtype, memory, each.offset) for name, each in self.sections.items()}

    def _open(self, number: int) -> int:
        path = integration_file(self.path, number)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self._why_not_there(path, number) from None
        except OSError as error:
            raise UnreadableError(f"{path}: {error.strerror}") from None
        if (size := os.fstat(file).st_size) < self._needs:
            os.close(file)
            raise InputError(f"{path}: has {size} of {self._needs} bytes: it was not on disk when its host went down")
        return file

    def _why_not_there(self, path: Path, number: int) -> InputError:
        if not is_spool(self.path):
            return UnreadableError(f"{self.path}: is not there now: is its disk there?")
        oldest = self.oldest()
        # an integration leaves when the one is committed that is as much later as the ring is long
        after = min(number + len(self) - oldest, len(self) - 1)
        ago = max(0.0, time.time() - float(self.records["arrived"][after]))
        return LeftTheRingError(f"{path}: left the ring {ago:.1f} s before its turn")
