"""The writer of a spool: memory in which integrations are put together, and the ring of files that they become.

One thread may `begin` integrations while another commits them. A file is written beside, renamed into place and then
in the index, so that who reads has whole integrations alone, also if the writer is killed. Nothing waits for the disk
(no fsync) before `end`: what was committed in the last half minute before a loss of power may be gone.
"""

import errno
import fcntl
import mmap
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.errors import ConfigError, InputError, NoRoomError
from fip.data.folders import make_folder, sync_folder
from fip.spool.index import record, records
from fip.spool.layout import ENDED_FILE, INDEX_FILE, RECORD, SETUP_FILE, file_size, integration_file, sections
from fip.spool.setup import SETUP, Setup, read_setup

FEWEST = 2
"""Integrations that a ring holds at the least: one that is written, and one that is read."""

EARLY = 0.5
"""Of a cadence: nearer than that to the one before an integration would be imaged together with that."""

_TEMPORARY = "written.part"
_INTEGRATION = re.compile(r"[0-9]{10,20}\.int")


@dataclass(frozen=True, eq=False)
class Open:
    """An integration that is put together in memory; once it is committed or left, another one uses the memory."""

    dump: int
    time: float  # s UTC, Unix: its middle
    field: int
    arrays: Mapping[str, NDArray[Any]]  # as `sections` names them, to be filled
    memory: mmap.mmap  # all of the file

    def blank(self) -> None:
        """Make it as if nothing had come: visibilities and UVW are NaN; what comes without flags or weights is good,
        and 1.
        """
        for name, array in self.arrays.items():
            array.fill(_NOTHING[name.rpartition(".")[2]])


_NOTHING = {"visibility": complex(np.nan, np.nan), "flag": 0, "weight": 1, "scale": 1.0, "uvw": np.nan}


class SpoolWriter:
    """The one writer of a spool. It goes on with what its folder holds, whoever wrote that before."""

    def __init__(self, directory: Path, setup: Setup, keep: int) -> None:
        """Open the spool of a set-up in a folder of spools, or begin it; at most `keep` bytes of integrations stay.

        ConfigError if that is too little; InputError if another writer has it, or it is of another set-up; OSError.
        """
        self.path, self.setup, self.size = directory / setup.folder, setup, file_size(setup)
        self.room = keep // self.size  # integrations
        if self.room < FEWEST:
            raise ConfigError(
                f"[receiver] keep = {keep} bytes: an integration of {setup.name} has {self.size}: give {FEWEST} "
                "times as much at the least"
            )
        self._sections = sections(setup)
        self._free: deque[mmap.mmap] = deque()
        self._first: NDArray[np.void] | None = None
        self._last: NDArray[np.void] | None = None
        self._begin_folder(directory)
        self._index = os.open(self.path / INDEX_FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take_over()
        except BaseException:
            os.close(self._index)
            raise

    @property
    def committed(self) -> int:
        """Return how many integrations were committed, ever: the number of the next one."""
        return self._count

    @property
    def oldest(self) -> int:
        """Return the number of the oldest whose file is there; that of the next one if there is none."""
        return self._kept[0] if self._kept else self._count

    @property
    def first(self) -> NDArray[np.void] | None:
        """Return the RECORD of the first one, [1]; None before that."""
        return self._first

    @property
    def last(self) -> NDArray[np.void] | None:
        """Return the RECORD of the newest one, [1]; None before the first."""
        return self._last

    def begin(self, dump: int, time: float, field: int, blank: bool = True) -> Open:
        """Return memory of a whole integration, to be filled; without `blank` it holds anything.

        `dump` is its number in the stream, `time` its middle in s UTC (Unix), `field` one of the set-up's targets.
        """
        try:
            memory = self._free.pop()
        except IndexError:
            memory = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with suppress(OSError):
                memory.madvise(mmap.MADV_HUGEPAGE)  # a fifth of the CPU when it is used first, less by a tenth later
        arrays = {name: np.ndarray(of.shape, of.dtype, memory, of.offset) for name, of in self._sections.items()}
        made = Open(dump, time, field, arrays, memory)
        if blank:
            made.blank()
        return made

    def leave(self, opened: Open) -> None:
        """Use the memory of an integration again that is not committed."""
        self._free.append(opened.memory)

    def commit(self, opened: Open, received: float) -> int:
        """Put an integration into the ring; `received` is the share of its samples that came. Return its number.

        Integrations come in order: ValueError for one that is not after the one before, by its dump and by at least
        half a cadence. NoRoomError if the disk does not take it: nothing of it is left, and the next one may be tried.
        Its memory is used again in either case.
        """
        try:
            self.check_order(opened.dump, opened.time)
            with suppress(FileNotFoundError):
                (self.path / ENDED_FILE).unlink()
            while len(self._kept) >= self.room:
                integration_file(self.path, self._kept[0]).unlink(missing_ok=True)
                self._kept.popleft()
            self._write(opened, received)
        finally:
            self._free.append(opened.memory)
        return self._count - 1

    def check_order(self, dump: int, time: float) -> None:
        """Raise ValueError if an integration cannot follow the newest one."""
        if self._last is None:
            return
        last, then = int(self._last["dump"][0]), float(self._last["time"][0])
        if dump <= last or time < then + EARLY * self.setup.cadence:
            raise ValueError(
                f"dump {dump} at {time:.3f} s is not after dump {last} at {then:.3f} s by half of "
                f"{self.setup.cadence:g} s"
            )

    def end(self) -> None:
        """Note that no more comes, once all is on disk: whoever follows sees that. A later commit takes it back."""
        os.fsync(self._index)
        (self.path / ENDED_FILE).touch()
        sync_folder(self.path)

    def close(self) -> None:
        """Let the spool go, to whoever writes it next."""
        if self._index >= 0:
            os.close(self._index)
            self._index = -1

    def _begin_folder(self, directory: Path) -> None:
        """Make its folder; it has its set-up as soon as it appears."""
        if not self.path.exists():
            make_folder(directory)
            beside = self.path.with_name(self.path.name + ".part")
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            with (beside / SETUP_FILE).open("wb") as file:
                file.write(SETUP.dump_json(self.setup, indent=1))
                file.flush()
                os.fsync(file.fileno())
            (beside / INDEX_FILE).touch()
            sync_folder(beside)
            with suppress(FileExistsError):  # another was faster
                _rename(beside, self.path)
            sync_folder(directory)
        if read_setup(self.path / SETUP_FILE).digest != self.setup.digest:
            raise InputError(f"{self.path}: is the spool of another set-up than {self.setup.name}: move it away")

    def _take_over(self) -> None:
        """Go on with what is there; remove what the last writer left half done."""
        try:
            fcntl.flock(self._index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{self.path}: another receiver writes to it: stop that one first") from None
        octets = (self.path / INDEX_FILE).read_bytes()
        try:
            known = records(octets, 0)
        except ValueError as error:
            raise InputError(f"{self.path / INDEX_FILE}: {error}: move the spool away") from None
        if len(octets) > known.nbytes:
            os.ftruncate(self._index, known.nbytes)
        self._count = int(known.size)
        self._first = known[:1].copy() if known.size else None
        self._last = known[-1:].copy() if known.size else None
        there = set()
        for name in os.listdir(self.path):  # noqa: PTH208
            if _INTEGRATION.fullmatch(name) and int(name[:-4]) < self._count:
                there.add(int(name[:-4]))
            elif name == _TEMPORARY or _INTEGRATION.fullmatch(name):  # which is in place, and not in the index
                (self.path / name).unlink()
        self._kept = deque(sorted(there))

    def _write(self, opened: Open, received: float) -> None:
        number, beside = self._count, self.path / _TEMPORARY
        made = record(number, opened.dump, opened.time, time.time(), self.size, received, opened.field)
        try:
            with beside.open("wb", buffering=0) as file:
                _make_room(file.fileno(), self.size)
                _write_all(file.fileno(), opened.memory)
            beside.rename(integration_file(self.path, number))
            self._kept.append(number)
            _write_all(self._index, made.tobytes())
        except OSError as error:
            self._take_back(number)
            raise NoRoomError(f"{self.path}: integration {number} cannot be written: {error.strerror}") from None
        self._count, self._last = number + 1, made
        self._first = made if self._first is None else self._first

    def _take_back(self, number: int) -> None:
        """Remove all of an integration that could not be written."""
        if self._kept and self._kept[-1] == number:
            self._kept.pop()
        with suppress(OSError):
            (self.path / _TEMPORARY).unlink(missing_ok=True)
            integration_file(self.path, number).unlink(missing_ok=True)
            os.ftruncate(self._index, number * RECORD.itemsize)


def _make_room(file: int, size: int) -> None:
    """Take a file's room at once, which costs half of what it does page by page. OSError if there is not so much."""
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _write_all(file: int, octets: Any) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(file, rest) :]


def _rename(beside: Path, path: Path) -> None:
    """Rename a folder. FileExistsError if the other folder is there, whatever the file system calls that."""
    try:
        beside.rename(path)
    except OSError:
        if not path.exists():
            raise
        shutil.rmtree(beside, ignore_errors=True)
        raise FileExistsError from None
