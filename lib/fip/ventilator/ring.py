"""The ring of cut slices: files of slices that were cut and are not stored yet, of runs whose data do not stay.

It is durable input, and never says what is stored: that the sink does. A slice is in it once its file is on disk under
its name; the file goes when the slice is stored or failed, or its run is over. If the ring has no room for a slice, it
does not take it: the oldest stay, since their source may not have them any more.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from fip.archive.folder import Folder
from fip.data.names import RunId, SliceId
from fip.data.quantities import format_bytes
from fip.data.ranges import Ranges, add, of, without
from fip.runtime.service import Background, Loop
from fip.source.requests import Cut
from fip.ventilator.ring_entry import decode_entry, encode_entry
from fip.wire.messages import RingState

log = logging.getLogger("fip.ventilator")

RING = "ring"
"""Its folder, in that of what arrives."""
_NAME = re.compile(r"([A-Za-z0-9._+-]+)\.([0-9]{10,19})\.slice")
_NEW = ".new"
NONE = 1000  # bytes: a ring that may have no more is none
LEAST_FREE = 0.05  # share of the disk, on which the queue of jobs is, too
TRIED_EVERY = 10.0  # s, if it cannot be written
MOST_READ = 20  # times that an entry is read which the disk does not give


class OpenFolder(Protocol):
    """Opens a directory; FileNotFoundError if it is not there and must not be made."""

    def __call__(self, path: Path, make: bool) -> Folder: ...


class Ring:
    """The files, and what is known of them. Files are written, read and removed in a thread, one after the other."""

    def __init__(self, loop: Loop, path: Path, most: int, open_folder: OpenFolder = Folder) -> None:
        """`most` is the most bytes in the directory `path`, which is made when there is something to put into it."""
        self._path, self._most, self._open_folder = path, most, open_folder
        self._background = Background(loop, "fip-ring")
        self._folder: Folder | None = None
        self._sizes: dict[SliceId, int] = {}
        self._held: dict[RunId, Ranges] = {}
        self._failed: Counter[SliceId] = Counter()  # how often the disk did not give an entry
        self._not_before = 0.0  # monotonic s, when it is written again
        self._size, self._told_full = 0, False
        self.trouble = ""
        """Why it cannot be written now; "" if it can."""
        self.needed = False
        """Whether there is a run under way whose data do not stay."""
        self._find()

    def held(self, run: RunId) -> Ranges:
        """Return the slices of a run that are in it."""
        return self._held.get(run, ())

    def holds(self, key: SliceId) -> bool:
        """Return whether a slice is in it."""
        return key in self._sizes

    @property
    def runs(self) -> tuple[RunId, ...]:
        """Return the runs that have slices in the ring."""
        return tuple(self._held)

    @property
    def state(self) -> RingState | None:
        """Return how full it is; None if nothing is or will be put into it."""
        if not self._sizes and (self._most <= NONE or not self.needed):
            return None
        return RingState(len(self._sizes), self._size, self._most, self._room, self.trouble)

    @property
    def takes(self) -> bool:
        """Return whether there is room for another slice, as far as is known."""
        if self._most <= NONE or time.monotonic() < self._not_before:
            return False
        if self._room or not self._sizes:
            return True
        self._tell_full()
        return False

    def put(self, key: SliceId, cut: Cut, then: Callable[[], None]) -> None:
        """Write a slice in the thread, then call `then` in the loop, whether it could be written or not."""

        def written(future: Future[int]) -> None:
            try:
                size = future.result()
            except OSError as error:
                self._cannot(error)
            else:
                self._can()
                if size:
                    self._enter(key, size)
                else:
                    self._not_before = time.monotonic() + TRIED_EVERY
                    self._tell_full()
            then()

        self._background.call(written, self._write, key, cut)

    def take(self, key: SliceId, then: Callable[[Cut | None, bool], None]) -> None:
        """Read a slice in the thread, then call `then` in the loop with it; it stays in the ring.

        `then` gets None if it cannot be read, with whether it may be later; if not, it is in the ring no more.
        """

        def read(future: Future[Cut | None]) -> None:
            found, later = None, False
            try:
                found = future.result()
            except FileNotFoundError:
                pass
            except OSError:
                self._failed[key] += 1
                later = self._failed[key] < MOST_READ
            if not later:
                self._failed.pop(key, None)
            if found is None and not later and self.holds(key):
                log.warning("slice %d of run %s is damaged in the ring of cut slices: it is cut again", key[1], key[0])
                self.drop(key.run, [key.slice])
            then(found, later)

        self._background.call(read, self._read, key)

    def drop(self, run: RunId, indices: Iterable[int]) -> None:
        """Remove these slices, if the ring has them."""
        keys = [key for index in indices if (key := SliceId(run, index)) in self._sizes]
        if not keys:
            return
        for key in keys:
            self._size -= self._sizes.pop(key)
            self._failed.pop(key, None)
        left = without(self._held[run], of(key.slice for key in keys))
        if left:
            self._held[run] = left
        else:
            del self._held[run]
        self._told_full = self._told_full and 2 * self._size > self._most
        self._background.call(lambda future: None, self._remove, keys)

    def drop_run(self, run: RunId) -> None:
        """Remove all slices of a run."""
        self.drop(run, [index for begin, end in self.held(run) for index in range(begin, end)])

    def close(self) -> None:
        """Close the directory; remove it if it is empty."""
        self._background.close()
        if self._folder:
            self._folder.close()
        with suppress(OSError):
            self._path.rmdir()

    @property
    def _room(self) -> int:
        """Return how many more slices fit, if they are like those that the ring has."""
        return max(0, self._most - self._size) * len(self._sizes) // self._size if self._size else 0

    def _enter(self, key: SliceId, size: int) -> None:
        self._size += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        self._held[key.run] = add(self.held(key.run), key.slice)

    def _cannot(self, error: OSError) -> None:
        self._not_before = time.monotonic() + TRIED_EVERY
        trouble = f"{self._path}: the ring of cut slices cannot be written: {error.strerror}"
        if not self.trouble:
            log.error("%s; data wait in their spool alone, and it is tried again until it can", trouble)
        self.trouble = trouble

    def _can(self) -> None:
        if self.trouble:
            log.info("the ring of cut slices can be written again")
        self.trouble = ""

    def _tell_full(self) -> None:
        if not self._told_full:
            self._told_full = True
            said = "the ring of cut slices is full (%s, %d slices): what comes now waits in its spool alone"
            log.warning(said, format_bytes(self._size), len(self._sizes))

    # Work on the disk: all in the thread, except the first of these

    def _find(self) -> None:
        """Find what a ventilator before has left; a later read shows whether it is whole."""
        try:
            self._folder = self._open_folder(self._path, make=False)
            for name in sorted(self._folder.names()):
                if found := _NAME.fullmatch(name):
                    self._enter(SliceId(found[1], int(found[2])), self._folder.size(name))
                elif name.endswith(_NEW) and _NAME.fullmatch(name.removesuffix(_NEW)):
                    self._folder.unlink(name)  # it was being written
        except FileNotFoundError:
            return
        except OSError as error:
            self._cannot(error)

    def _write(self, key: SliceId, cut: Cut) -> int:
        """Write a file beside, and give it its name once it is on disk; return its size, 0 without room. OSError."""
        content, name = encode_entry(key, cut), _name(key)
        if len(content) > self._most - self._size:
            return 0
        folder = self._folder = self._folder or self._open_folder(self._path, make=True)
        if folder.free() < LEAST_FREE:
            raise OSError(0, f"less than {LEAST_FREE:.0%} of its disk is free")
        try:
            folder.write_new(name + _NEW, content)
            folder.replace(name + _NEW, name)
            folder.sync()
        except OSError:
            with suppress(OSError):
                folder.unlink(name + _NEW)
            raise
        return len(content)

    def _read(self, key: SliceId) -> Cut | None:
        """Return the slice; None if its file is damaged, or of another slice. OSError."""
        if self._folder is None:
            return None
        return decode_entry(self._folder.read(_name(key)), key)

    def _remove(self, keys: Iterable[SliceId]) -> None:
        for key in keys:
            with suppress(OSError):
                if self._folder:
                    self._folder.unlink(_name(key))


def _name(key: SliceId) -> str:
    return f"{key.run}.{key.slice:010d}.slice"
