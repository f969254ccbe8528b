"""A directory of images: each file appears whole, under its own name, once; then, and only then, in the ledger."""

import errno
import fcntl
import logging
import os
import time
from collections import deque
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from itertools import accumulate
from operator import sub
from pathlib import Path

import xxhash

from fip.archive.file_names import IMAGE_LIST, LEDGER, LOCK_FILE, LOG_FILE, file_name
from fip.archive.file_systems import network_type
from fip.archive.ledger import Aged, Ledger
from fip.data.errors import NoRoomError, StoreError, UsageError
from fip.data.names import RunId
from fip.data.quantities import Retention
from fip.data.settings import Asked, differences
from fip.data.values import ImageFile
from fip.wire.messages import RunPlan

log = logging.getLogger("fip.sink")

ALL = Retention()
WRITTEN = ("", "-wal", "-shm", "-journal")  # ends of the names of a ledger's files
TEMPORARY = ".fip-{}.tmp"
KEPT_IN_MEMORY = 64_000_000
"""Bytes of the last files that stay in the page cache, for whoever looks at each new image. See docs/decisions/0050."""
FEWEST_KEPT = 4  # files that stay, however large
_PASSING = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO,
    errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT,
}  # fmt: skip
"""Errors of a disk that is full, read-only or gone: what may be otherwise in a while."""


class Store:
    """An output directory, locked: two sinks never write into one."""

    def __init__(self, directory: Path, keep: Retention = ALL, ledgers: Path | None = None) -> None:
        """Makes and locks the directory and clears what an earlier sink left half-written.

        Of its images so much is kept, by `expire`; its ledger is in the folder `ledgers`, or in the directory itself.

        Raises UsageError where it cannot hold images, NoRoomError where it cannot now and may later.
        """
        self.directory = directory
        with ExitStack() as undo:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                self._folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                undo.callback(os.close, self._folder)
                self._lock = self._open(LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
                undo.callback(os.close, self._lock)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in directory.glob(TEMPORARY.format("*")):
                    left.unlink()
                self._check_links()
                place_ledger(directory, ledgers)
            except BlockingIOError:
                raise UsageError(
                    f"{directory} is in use by another FIP: wait for it, or name another --output"
                ) from None
            except OSError as error:
                fault = f"{directory} cannot hold images: {error.strerror}; name another --output"
                raise (NoRoomError(fault) if error.errno in _PASSING else UsageError(fault)) from None
            self.ledger = Ledger(directory)
            undo.pop_all()
        self._keep = keep
        self._bytes = self.ledger.bytes_stored() if keep.size else 0
        if shared := network_type(directory):
            log.info("%s is on a network file system (%s)", directory, shared)
        self.synced = 0.0  # s that the last image waited for the disk, in fsync
        self._names: dict[str, str] = {}
        self._cached: deque[tuple[str, int]] = deque()  # the last files and their sizes

    def close(self) -> None:
        """Says what needs all images, their list and which are noisy, and gives the directory free."""
        with suppress(OSError, NoRoomError):  # on a full disk they stay as they were; the images are what counts
            while self.expire(time.time()):
                pass
            self.write_list()
            for run in self._names:
                self.ledger.judge_noise(run)
        self.ledger.close()
        os.close(self._folder)
        os.close(self._lock)

    def refusal(self, asked: Asked) -> str:
        """Why images of what is asked cannot go into this directory; "" if they can."""
        held = self.ledger.asked()
        if held is None or held == asked:
            return ""
        return (
            f"{self.directory} holds images made with {differences(held, asked)}: name another --output, or --overwrite"
        )

    def mixture(self, name: str, ids: Collection[RunId], others: Mapping[str, Collection[RunId]]) -> str:
        """Why a run cannot go into this directory whose column was chosen automatically; "" if it can.

        `ids` are those of the run, `others` those that it would have with other columns, by these: images of two
        columns would be one series.
        """
        if any(self.ledger.stored(run) for run in ids):
            return ""
        column = next((column for column, runs in others.items() if any(map(self.ledger.stored, runs))), None)
        if column is None:
            return ""
        return (
            f"{self.directory} holds images of {name} made from its column {column}, and another one would be imaged "
            "now: name another --output, or --overwrite"
        )

    def open_run(self, plan: RunPlan) -> str:
        """Prepares for the images of a run; returns why it cannot be taken, or ""."""
        ids = [each for each in (plan.run, plan.older) if each]
        refusal = self.refusal(plan.asked) or self.mixture(plan.name, ids, plan.others)
        if not refusal:
            self._names[plan.run] = self.ledger.open_run(plan)
        return refusal

    def put(self, image: ImageFile) -> Path:
        """Stores an image's files: on disk, whole and in the ledger when this returns. Returns the image's path.

        Raises NoRoomError where it cannot be stored now, and StoreError, with nothing written, where a file of one of
        the names is there that is not this one. An image of which it is not known whether it is in the ledger may be
        put again.
        """
        self.synced = 0.0
        name = self._names[image.run]
        names = {file.kind: file_name(name, image.label, image.integration, file.kind) for file in image.files}
        for file in image.files:
            self._check_free(names[file.kind], file.content)
        for file in reversed(image.files):  # the image last: who sees it has all
            self._write(names[file.kind], file.content)
            self._give_back(names[file.kind], len(file.content))
        self.ledger.add(image, names)
        self._bytes += image.size
        return self.directory / names["dirty"]

    def expire(self, now: float) -> int:
        """Removes the oldest images beyond what is to be kept at a time (Unix); returns how many that are.

        The ledger still has them, as expired: they are not made again. Raises NoRoomError.
        """
        over: list[Aged] = []
        if self._keep.seconds is not None:
            over = self.ledger.oldest(before=now - self._keep.seconds)
        elif self._keep.size is not None and self._bytes > self._keep.size:
            oldest = self.ledger.oldest()
            left = accumulate((each.size for each in oldest), sub, initial=self._bytes)
            over = [each for each, held in zip(oldest, left, strict=False) if held > self._keep.size]
        for each in over:
            for name in each.files:
                (self.directory / name).unlink(missing_ok=True)
        if over:
            self.ledger.expire(over)
            self._bytes -= sum(each.size for each in over)
        return len(over)

    def _write(self, name: str, content: bytes | memoryview) -> None:
        """Makes a file appear whole; it is on disk when this returns."""
        temporary = TEMPORARY.format(name)
        try:
            self._check_in_place()
            with open(temporary, "wb", buffering=0, opener=self._open) as file:
                rest = memoryview(content)
                while rest:
                    rest = rest[file.write(rest) :]
                self._sync(file.fileno())
            try:  # unlike a rename, a link never replaces a file
                os.link(temporary, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except FileExistsError:
                self._check_free(name, content)
            os.unlink(temporary, dir_fd=self._folder)
            self._sync(self._folder)
        except OSError as error:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=self._folder)
            raise NoRoomError(f"{self.directory / name} cannot be stored: {error.strerror}") from None

    def _sync(self, descriptor: int) -> None:
        begun = time.monotonic()
        os.fsync(descriptor)
        self.synced += time.monotonic() - begun

    def _open(self, name: str, flags: int) -> int:
        """Opens a file of the directory that was locked, whatever is mounted over it since."""
        return os.open(name, flags, 0o666, dir_fd=self._folder)

    def _check_links(self) -> None:
        """OSError where the file system makes no hard links, by which files appear whole."""
        first, second = TEMPORARY.format("first"), TEMPORARY.format("second")
        with open(first, "wb", opener=self._open):
            pass
        os.link(first, second, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        for name in (first, second):
            os.unlink(name, dir_fd=self._folder)

    def _check_in_place(self) -> None:
        """NoRoomError where the directory that was locked is not where it was: nobody would find what is stored now."""
        if not os.path.samestat(self.directory.stat(), os.fstat(self._folder)):
            raise NoRoomError(f"{self.directory} is another directory now: mount the one that it was, or restart FIP")

    def _check_free(self, name: str, content: bytes | memoryview) -> None:
        """A file that is there is ours if the last sink died before the ledger had it; else StoreError."""
        try:
            with open(name, "rb", opener=self._open) as file:
                same = file.read() == content
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in _PASSING:
                raise NoRoomError(f"{self.directory / name} cannot be read: {error.strerror}") from None
            same = False
        if not same:
            raise StoreError(f"{self.directory / name} is there already, and is not this image: move it away")

    def _give_back(self, name: str, size: int) -> None:
        """A file was written: older ones need not stay in memory."""
        self._cached.append((name, size))
        while len(self._cached) > FEWEST_KEPT and sum(each for _, each in self._cached) > KEPT_IN_MEMORY:
            oldest, _ = self._cached.popleft()
            with suppress(OSError):  # it was moved away
                descriptor = self._open(oldest, os.O_RDONLY | os.O_CLOEXEC)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)

    def write_list(self) -> None:
        """Writes `images.txt`: the images that are not empty, in time order, one file name a line."""
        temporary = TEMPORARY.format(IMAGE_LIST)
        with open(temporary, "w", opener=self._open) as file:
            file.writelines(f"{name}\n" for name in self.ledger.images_in_time_order())
        os.replace(temporary, IMAGE_LIST, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def clear(self) -> None:
        """Removes exactly the files that the ledger lists, and the ledger itself (`--overwrite`)."""
        files = [*self.ledger.files(), IMAGE_LIST, LOG_FILE]
        self.ledger.close()
        ledger = self.ledger.path.resolve()  # which may be elsewhere: then the link to it stays
        for place in (*(self.directory / name for name in files), *(Path(f"{ledger}{end}") for end in WRITTEN)):
            place.unlink(missing_ok=True)
        self.ledger = Ledger(self.directory)
        self._bytes = 0


def place_ledger(directory: Path, ledgers: Path | None) -> None:
    """Makes a link in a directory to its ledger in the folder `ledgers`, which is made where it is missing.

    A directory that has a ledger already keeps it where it is. Raises OSError.
    """
    place = directory / LEDGER
    if ledgers is None or place.is_symlink() or place.exists():
        return
    ledgers.mkdir(parents=True, exist_ok=True)
    digest = xxhash.xxh3_64_hexdigest(str(directory.resolve()).encode())
    place.symlink_to(ledgers.resolve() / f"{directory.resolve().name}-{digest}.sqlite")
