"""A directory of images: each file appears whole, under its own name, once; then, and only then, in the ledger."""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from fnmatch import fnmatch
from itertools import accumulate
from operator import sub
from pathlib import Path

from fip.archive.clock import Clock
from fip.archive.entries import Aged
from fip.archive.file_names import IMAGE_LIST, LEDGER, LOG_FILE, file_name
from fip.archive.file_systems import network_type
from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.archive.ledger_file import Connect
from fip.archive.verify import Fault, faults
from fip.data.errors import NoRoomError, StoreError, UsageError
from fip.data.names import SliceId, free_name
from fip.data.quantities import Retention
from fip.data.settings import Asked, differences, without_extras
from fip.data.values import ImageFile, Kind
from fip.sink.appearing import PASSING, Appearing
from fip.sink.holds import Holds
from fip.sink.in_memory import InMemory
from fip.sink.ledger_place import place_ledger
from fip.sink.mixing import mixture, otherwise_corrected
from fip.sink.opened import TEMPORARY, Opened
from fip.sink.pins import Pins
from fip.wire.messages import Followed, RunPlan

log = logging.getLogger("fip.sink")

ALL = Retention()
CLOSING_TRIES, CLOSING_PAUSE = 5, 0.2  # s


class Store:
    """An output directory, locked: two sinks never write into one."""

    def __init__(
        self,
        directory: Path,
        keep: Retention = ALL,
        ledgers: Path | None = None,
        *,
        open_folder: Callable[[Path], Folder] = Folder,
        connect: Connect = sqlite3.connect,
        clock: Clock | None = None,
    ) -> None:
        """Make and lock the directory, and clear what an earlier sink left half-written.

        `keep` is how many of its images stay: `expire` removes the others. Its ledger is in the folder `ledgers`, or in
        the directory itself. All its files go through what `open_folder` opens, and its ledger through `connect`;
        `clock` says how old they are.

        Raises UsageError if the directory cannot hold images, NoRoomError if it cannot now but may later.
        """
        self.directory, self._ledgers = directory, ledgers.resolve() if ledgers else None
        with ExitStack() as undo:
            try:
                self._folder = open_folder(directory)
                undo.callback(self._folder.close)
                self._folder.lock()
                there = self._folder.names()
                for name in there:
                    if fnmatch(name, TEMPORARY.format("*")):
                        self._folder.unlink(name)
                self._check_links()
                place_ledger(self._folder, ledgers)
            except BlockingIOError:
                raise UsageError(
                    f"{directory} is in use by another FIP: wait for it, or name another --output"
                ) from None
            except OSError as error:
                fault = f"{directory} cannot hold images: {error.strerror}; name another --output"
                raise (NoRoomError(fault) if error.errno in PASSING else UsageError(fault)) from None
            self.ledger = Ledger(directory, connect=connect, clock=clock)
            undo.callback(self.ledger.close)
            self._keep = keep
            self._bytes = self.ledger.bytes_stored() if keep.size else 0
            self._expired = deque(self.ledger.expired_of(there))  # files that are to go
            undo.pop_all()
        if shared := network_type(directory):
            log.info("%s is on a network file system (%s)", directory, shared)
        self._unseen = 0  # images that have expired though a follower had not seen them
        self._seconds = clock.seconds if clock else time.monotonic
        self._holds = Holds({})
        self.pins = Pins(directory, keep)
        self.opened = Opened(self._folder)
        self._appearing = Appearing(self._folder, self.opened, self._check_in_place)
        self._in_memory = InMemory(self._folder)
        self.synced = 0.0  # s that the last group of images waited for the disk, in fsync
        self._names: dict[str, str] = {}
        self._concluded = False

    def conclude(self) -> None:
        """Do what needs all images: remove what is beyond `keep`, write the list of images, and judge the noise.

        Raises NoRoomError if that cannot be done now; then it may be called again.
        """
        while self.expire():
            pass
        self._write_list()
        for run in self._names:
            self.ledger.judge_noise(run)
        self._concluded = True

    def close(self, tries: int = CLOSING_TRIES) -> None:
        """Conclude, if that is not done yet, and give the directory free.

        What cannot be done in so many tries, a fifth of a second apart, is logged, and is done when a run into the
        directory ends again. Who has a loop to run tries once.
        """
        for left in reversed(range(tries)):
            try:
                if not self._concluded:
                    self.conclude()
                break
            except StoreError as error:
                if not left or not isinstance(error, NoRoomError):
                    log.error("%s: %s and the noise are as they were before: %s", self.directory, IMAGE_LIST, error)
                    break
                time.sleep(CLOSING_PAUSE)
        self.opened.close()
        self.ledger.close()
        self._folder.close()

    def refusal(self, asked: Asked) -> str:
        """Return why images of what is asked cannot go into this directory; "" if they can."""
        written = self.ledger.asked()
        if written is None:
            return ""
        held, asked = without_extras(written), without_extras(asked)
        if held == asked:
            return ""
        return (
            f"{self.directory} holds images made with {differences(held, asked)}: name another --output, or --overwrite"
        )

    def open_run(self, plan: RunPlan) -> str:
        """Prepare for the images of a run; return why it cannot be taken, or ""."""
        ids = [each for each in (plan.run, plan.older) if each]
        refusal = (
            self.refusal(plan.asked)
            or mixture(self.directory, self.ledger, plan.name, ids, plan.others)
            or otherwise_corrected(self.directory, self.ledger, plan.measurement_set, plan.asked, plan.hints, ids)
        )
        if not refusal:
            self._names[plan.run] = self.ledger.open_run(plan)
            self._concluded = False
        return refusal

    def put(self, image: ImageFile) -> Path:
        """Store an image, as `put_all`; return its path. Raises NoRoomError and StoreError."""
        (fault,) = self.put_all([image])
        if fault:
            raise fault
        return self.directory / file_name(self._names[image.run], image.label, image.integration, "dirty")

    def put_all(self, images: Sequence[ImageFile]) -> list[StoreError | None]:
        """Store images of open runs, each of another slice; return for each why it is not stored, or None if it is.

        Then its files are on disk, whole, and in the ledger; all are in one transaction (docs/decisions/0209).

        A file of its name that is there already, and is of this run, slice and kind and whole, stays as it is and is
        entered: the last sink died before the ledger had it, and another attempt may differ in its last bits.

        NoRoomError of one that cannot be stored now: it may be put again, even if it may be in the ledger. Another
        StoreError, with nothing written, if a file of its name is another. Raises DamagedLedgerError.
        """
        before = self._folder.synced
        names = [self._names_of(image) for image in images]
        appeared = self._appearing.appear([*zip(images, names, strict=True)])
        faults = [each if isinstance(each, StoreError) else None for each in appeared]
        entries = [(each, name) for each, name in zip(appeared, names, strict=True) if isinstance(each, ImageFile)]
        try:
            self._enter(entries)
        except NoRoomError as error:
            faults = [fault or error for fault in faults]
        self.synced = self._folder.synced - before
        return faults

    def _names_of(self, image: ImageFile) -> dict[Kind, str]:
        name = self._names[image.run]
        return {file.kind: file_name(name, image.label, image.integration, file.kind) for file in image.parts}

    def _enter(self, images: Sequence[tuple[ImageFile, dict[Kind, str]]]) -> None:
        """Enter images whose files have appeared, once their names are on disk. NoRoomError, DamagedLedgerError."""
        if not images:
            return
        self._check_in_place()
        try:
            self._folder.sync()
        except OSError as error:
            raise NoRoomError(f"{self.directory}: names cannot be written: {error.strerror}") from None
        self.ledger.add_all(images)
        for image, names in images:
            self._bytes += image.size
            for file in image.parts:
                self._in_memory.add(names[file.kind], file.size)

    def expire(self) -> int:
        """Remove the oldest images beyond what is kept, except those of events; return how many were removed.

        The ledger still has them, as expired: they are not made again. Raises NoRoomError.
        """
        if self._keep == ALL and not self._expired:
            return 0
        self._check_in_place()
        over: list[Aged] = []
        pinned = self.pins.kept(self.ledger.pins.stored, self._folder.free)
        if self._keep.seconds is not None:
            over = self.ledger.oldest(age=self._keep.seconds, apart=pinned)
        elif self._keep.size is not None and self._bytes > self._keep.size:
            oldest = self.ledger.oldest(apart=pinned)
            left = accumulate((each.size for each in oldest), sub, initial=self._bytes)
            over = [each for each, held in zip(oldest, left, strict=False) if held > self._keep.size]
        over = self._holds.leaving(over, self._folder.free)
        if over:
            self._unseen += self._holds.unseen(over)
            self.ledger.expire(over)  # first: what it has as stored is on disk at any moment
            self._bytes -= sum(each.size for each in over)
            self._expired.extend(name for each in over for name in each.files)
        self._remove_expired()
        return len(over)

    def hold(self, bounds: Mapping[str, float]) -> None:
        """Keep images for so long (s, by the follower's name) that followers have not seen. Raises StoreError."""
        self._holds = Holds(bounds, self._seconds, self.ledger.backlogs.of)
        self._holds.hear(self.ledger.followers.all())

    def hear(self, followed: Iterable[Followed]) -> None:
        """Take how far followers are, and enter it in the ledger. Raises StoreError."""
        self.ledger.followers.enter(self._holds.hear(replace(each, directory="") for each in followed))

    def gone_unseen(self) -> int:
        """Return, and log, how many images have expired since the last call that a follower had not seen.

        The follower learns it from the ledger when it comes to them.
        """
        unseen, self._unseen = self._unseen, 0
        if unseen:
            log.warning("%s: %d images have expired that a follower had not seen", self.directory, unseen)
        return unseen

    def _remove_expired(self) -> None:
        """Remove the files that the ledger has as expired; those that a power cut gives back go at the next opening.

        NoRoomError if it cannot be done now; then it is tried again.
        """
        try:
            while self._expired:
                self._remove(self._expired[0])
                self._expired.popleft()
        except OSError as error:
            raise NoRoomError(f"{self.directory}: the oldest images cannot be removed: {error.strerror}") from None

    def _remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            self._folder.unlink(name)

    def _check_links(self) -> None:
        """Raise OSError if the file system makes no hard links: files appear whole by them."""
        first, second = TEMPORARY.format("first"), TEMPORARY.format("second")
        self._folder.write_new(first, b"")
        self._folder.link(first, second)
        for name in (first, second):
            self._folder.unlink(name)

    def _check_in_place(self) -> None:
        """Raise NoRoomError if the locked directory is not in its place: nobody would find what is stored now."""
        try:
            if self._folder.still_in_place():
                return
        except OSError as error:
            raise NoRoomError(f"{self.directory} cannot be found: {error.strerror}") from None
        raise NoRoomError(f"{self.directory} is another directory now: mount the one that it was, or restart FIP")

    def _write_list(self) -> None:
        """Write `images.txt`: the images that are not empty, in time order, one file name a line."""
        self._check_in_place()
        temporary = TEMPORARY.format(IMAGE_LIST)
        text = "".join(f"{name}\n" for name in self.ledger.images_in_time_order())
        try:
            self._folder.write_new(temporary, text.encode())
            self._folder.replace(temporary, IMAGE_LIST)
            self._folder.sync()
        except OSError as error:
            with suppress(OSError):
                self._folder.unlink(temporary)
            raise NoRoomError(f"{self.directory / IMAGE_LIST} cannot be written: {error.strerror}") from None

    def faults(self) -> list[Fault]:
        """Return the files that differ from the ledger, as `fip.archive.verify` finds them. Raises StoreError."""
        try:
            return faults(self._folder, self.ledger)
        except OSError as error:
            raise NoRoomError(f"{self.directory} cannot be read: {error.strerror}") from None

    def repair(self, found: Sequence[Fault]) -> None:
        """Have the slices of these files made again. What is in their places is kept, as NAME.replaced."""
        self._check_in_place()
        try:
            for fault in found:
                if fault.there:
                    self._folder.replace(fault.name, free_name(f"{fault.name}.replaced", self._folder.names()))
            self._folder.sync()
        except OSError as error:
            raise NoRoomError(f"{self.directory} cannot be repaired: {error.strerror}") from None
        self.ledger.forget({SliceId(fault.run, fault.index) for fault in found if fault.index is not None})

    def clear(self) -> None:
        """Remove exactly the files that the ledger lists, and empty the ledger (`--overwrite`).

        Raises StoreError, and removes nothing, if the ledger names something that is no file of the directory. Raises
        UsageError if the ledger is a link to one outside the folder of ledgers: that may be another directory's.
        """
        self._check_in_place()
        self._remove_expired()  # images to come may have their names
        target = self.ledger.path.resolve()
        if target != self.directory.resolve() / LEDGER and target.parent != self._ledgers:
            raise UsageError(
                f"{self.ledger.path} is a link to {target}, which is left alone: name another --output, or with "
                "--config a file in which [sink] ledger is its folder"
            )
        try:
            for name in [*self.ledger.files(), IMAGE_LIST, LOG_FILE]:
                self._remove(name)
            self._folder.sync()
        except OSError as error:
            raise NoRoomError(f"{self.directory} cannot be cleared: {error.strerror}") from None
        self.ledger.clear()
        self._bytes = 0
