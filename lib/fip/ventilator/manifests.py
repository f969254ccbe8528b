"""The orders in which sets arrived, on disk: a file of lines for each folder that is followed, only ever added to.

Reading children propose lines, as they may write nothing; they go by those that are in the file, and by no others. So a
slice is of the same rows whoever cuts it, and whatever is restarted. On a disk that is full or gone nothing is added,
which is tried again, and the run does not grow meanwhile.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from fip.archive.folder import make_folder, sync_folder
from fip.source.pipe import Memory

log = logging.getLogger("fip.ventilator")

SUFFIX = ".jsonl"
_LONG = 20  # digits of a name
_OURS = re.compile(rf"[0-9a-f]{{{_LONG}}}\.[a-z.]+")


def manifest_name(directory: str, path: Path) -> str:
    """Return the file name for a recording whose images go into this folder: the same when the job is resumed."""
    return hashlib.sha256(f"{directory}\0{os.path.abspath(path)}".encode()).hexdigest()[:_LONG]  # noqa: PTH100 links stay


class Manifests:
    """The folder of the manifests."""

    def __init__(self, folder: Path) -> None:
        self.trouble = ""
        """Why one cannot be written now; "" if all can."""
        self.folder = folder
        self._open: dict[str, int] = {}  # descriptors to write, by name

    def memory(self, name: str) -> Memory:
        """Return a file for children, which the caller closes; an empty one if there is none: `add` then says so."""
        try:
            self._written(name)
            return Memory(os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self.close(name)
            return Memory(os.memfd_create("fip-manifest"))

    def add(self, name: str, lines: Sequence[str]) -> bool:
        """Add lines; they are on disk when this returns. Return False if not: then children must get the file anew."""
        try:
            given, file = name in self._open, self._written(name)
            if not given:  # what the children have is another
                return False
            end = os.fstat(file).st_size
            try:
                rest = "".join(f"{line}\n" for line in lines).encode()
                while rest:
                    rest = rest[os.write(file, rest) :]
                os.fsync(file)
            except OSError:
                os.ftruncate(file, end)
                raise
        except OSError as error:
            self.close(name)
            self._tell(name, error)
            return False
        if self.trouble:
            log.info("the order in which sets arrive can be written again")
            self.trouble = ""
        return True

    def close(self, name: str) -> None:
        """Close a manifest: it is not written any more, or only after it was opened again."""
        file = self._open.pop(name, None)
        if file is None:
            return
        if not os.fstat(file).st_size:  # of a recording that does not come in parts
            with suppress(OSError):
                self._path(name).unlink(missing_ok=True)
        os.close(file)

    def keep(self, names: Iterable[str]) -> None:
        """Keep these; remove all others, and what is kept beside them: their jobs are forgotten."""
        kept = set(names)
        with suppress(OSError):
            for each in self.folder.iterdir():
                if each.name.partition(".")[0] not in kept and _OURS.fullmatch(each.name):
                    each.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _written(self, name: str) -> int:
        """Return the file's descriptor to write; cut off a line that was not ended, as power failed. OSError."""
        if name not in self._open:
            make_folder(self.folder)
            file = os.open(self._path(name), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                os.ftruncate(file, _whole(file))
                sync_folder(self.folder)
            except OSError:
                os.close(file)
                raise
            self._open[name] = file
        return self._open[name]

    def _tell(self, name: str, error: OSError) -> None:
        trouble = f"{self._path(name)}: the order in which sets arrive cannot be written: {error.strerror}"
        if not self.trouble:
            log.error("%s; it is tried again until it can", trouble)
        self.trouble = trouble


def manifests_of(folder: Path | None, queue: Path) -> Manifests:
    """Return the manifests of a ventilator, in this folder, or beside its queue."""
    return Manifests(folder or queue.parent / "arrivals")


def _whole(file: int) -> int:
    """Return the bytes of the whole lines of a file."""
    end = os.fstat(file).st_size
    while end:
        begin = max(0, end - 65536)
        at = os.pread(file, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0
