"""What lies in a folder in which recordings arrive: its members, by their names alone.

Folders may be nested, as BAND/DATE/HOUR/STAMP_BAND.ms; a member is not looked into. A look costs a stat of each folder,
and only those that changed are read again. Clocks of file systems are not believed: a time of change is compared with
the one before, never with ours.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fip.data.errors import InputError, UnreadableError
from fip.source.arriving.admission import Mark
from fip.source.tables.other_formats import FOLDERS, IMAGES

GRANULARITY = 2.0  # s: two changes within it may have the same time (FAT: 2 s; NFS, ext3: 1 s)
DEEPEST = 8  # levels of nested folders
MOST_FOLDERS = 10_000
UNFINISHED = (".tmp", ".part")  # ends of names; the writer changes the name when it is done
NAMED = ".ms"  # end of names of folders that become MeasurementSets, even before anything is in them
_TABLE = "table."  # begin of names of casacore's files
_SUBTABLES = frozenset(
    {
        "ANTENNA", "DATA_DESCRIPTION", "DOPPLER", "FEED", "FIELD", "FLAG_CMD", "FREQ_OFFSET", "HISTORY", "OBSERVATION",
        "POINTING", "POLARIZATION", "PROCESSOR", "SOURCE", "SPECTRAL_WINDOW", "STATE", "SYSCAL", "WEATHER",
    }
)  # fmt: skip


@dataclass(slots=True)
class _Folder:
    """A folder that is no member."""

    depth: int
    changed: int = -1  # its time of change when it was looked at last
    since: float = 0.0  # s of our clock, when that was seen first
    read: float = -1.0  # s of our clock; below 0: it is to be read
    names: set[str] = field(default_factory=set)  # of known things in it


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the look before. Paths are relative to the folder, and sorted."""

    appeared: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()  # that are no members, but parts of one
    said: tuple[str, ...] = ()  # lines about folders that cannot be read, once each


class Scan:
    """Scans one folder, and remembers what was there."""

    def __init__(self, root: Path, marker: str, is_recording: Callable[[str], bool]) -> None:
        """`is_recording` says, by a path's name, whether FIP opens it: for formats other than MeasurementSets."""
        self._root, self._marker, self._is_recording = str(root), marker, is_recording
        self._folders = {"": _Folder(0)}  # by path, parents first
        self._members: set[str] = set()
        self._absorbed: set[str] = set()  # what was taken for members, and is a part of one
        self._refused: set[str] = set()  # folders that were reported as unreadable
        self._said: list[str] = []

    def __len__(self) -> int:
        return len(self._members)

    @property
    def marked(self) -> bool:
        """Return whether the marker is there."""
        return bool(self._marker) and self._marker in self._folders[""].names

    def look(self, now: float) -> Changes:
        """Return what has come and gone; `now` in s of a clock that never goes back.

        UnreadableError if the folder itself cannot be read now; InputError if there are too many in it.
        """
        queue = [path for path, folder in self._folders.items() if self._to_read(path, folder, now)]
        if not queue:
            return Changes()
        before = set(self._members)
        self._absorbed.clear()
        self._said.clear()
        while queue:
            queue += self._read(queue.pop(), now)
        new, gone = self._members - before, before - self._members
        parts = gone & self._absorbed
        return Changes(_sorted(new), _sorted(gone - parts), _sorted(parts), tuple(self._said))

    def _to_read(self, path: str, folder: _Folder, now: float) -> bool:
        """Return whether a folder changed, or may have changed after it was read, by a clock that had not ticked."""
        try:
            changed = os.stat(self._at(path)).st_mtime_ns  # noqa: PTH116 a Path for each costs more than the call
        except OSError as error:
            if not path:
                raise UnreadableError(f"{self._root}: {error.strerror}: is its disk there?") from None
            return False  # the folder above shows what became of it
        if changed != folder.changed:
            folder.changed, folder.since, folder.read = changed, now, -1.0
        return folder.read < 0 or folder.read < folder.since + GRANULARITY <= now

    def _read(self, path: str, now: float) -> Iterable[str]:
        """Read one folder; return those in it that are to be read next."""
        folder = self._folders.get(path)
        if folder is None:  # it turned out to be a part of a member
            return ()
        try:
            names = set(os.listdir(self._at(path)))  # noqa: PTH208
        except OSError as error:
            self._cannot_read(path, folder, error)
            return ()
        folder.read = now
        for name in folder.names - names:
            folder.names.discard(name)
            self._forget(_join(path, name))
        if IMAGES in names:
            return ()
        member = self._member_with(path, names)
        if member:
            self._absorb(member)
        elif member is None:
            return [
                each
                for name in sorted(names - folder.names)
                if not name.startswith(".") and not name.endswith(UNFINISHED)
                for each in self._take(folder, path, name, now)
            ]
        return ()

    def _cannot_read(self, path: str, folder: _Folder, error: OSError) -> None:
        folder.read = -1.0  # the next look tries it again
        if not path:
            raise UnreadableError(f"{self._root}: {error.strerror}: is its disk there?") from None
        if path not in self._refused and not isinstance(error, FileNotFoundError | NotADirectoryError):
            self._refused.add(path)
            self._said.append(f"{self._root}/{path}: {error.strerror}: what arrives there is not seen")

    def _member_with(self, path: str, names: set[str]) -> str | None:
        """Return the member that a folder with these names in it is, or is a subtable of; None if it is neither.

        The files of a table are copied in any order. "" if it is a table of the folder itself, in which all arrive.
        """
        if not path:
            return None
        if any(name.startswith(_TABLE) for name in names):
            above, _, name = path.rpartition("/")
            return above if name in _SUBTABLES else path
        if not names.isdisjoint(FOLDERS):
            return path
        subtables = (_listed(self._at(_join(path, name))) for name in names & _SUBTABLES)
        return path if any(name.startswith(_TABLE) for within in subtables for name in within) else None

    def _take(self, folder: _Folder, above: str, name: str, now: float) -> Iterator[str]:
        """Take something new in a folder; yield its path if it is to be read itself."""
        path = _join(above, name)
        try:
            found = os.stat(self._at(path))  # noqa: PTH116
        except OSError:  # it went, or is a link to nothing
            return
        folder.names.add(name)
        if not above and name == self._marker:
            return
        if not stat.S_ISDIR(found.st_mode) or name.lower().endswith(NAMED) or self._is_recording(name):
            self._members.add(path)
        elif folder.depth >= DEEPEST:
            self._said.append(f"{self._root}/{path}: is in {DEEPEST} folders: what arrives there is not looked at")
        else:
            self._folders[path] = _Folder(folder.depth + 1, found.st_mtime_ns, now)
            if len(self._folders) > MOST_FOLDERS:
                raise InputError(f"{self._root}: there are more than {MOST_FOLDERS} folders in it: name one of those")
            yield path

    def _absorb(self, path: str) -> None:
        """Take a folder as a member; what was taken for members in it is a part of it."""
        self._absorbed.update(each for each in self._members if each.startswith(path + "/"))
        self._forget(path)
        self._members.add(path)

    def _forget(self, path: str) -> None:
        """Forget a path, and all below it."""
        self._members.discard(path)
        if self._folders.pop(path, None) is not None:
            for each in [each for each in self._folders if each.startswith(path + "/")]:
                del self._folders[each]
            self._members = {each for each in self._members if not each.startswith(path + "/")}

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root


def mark(path: str) -> Mark | None:
    """Return what the files of a member look like now; None if one of them went at that moment.

    The files in which readers leave marks do not count.
    """
    try:
        found = os.stat(path)  # noqa: PTH116
        if stat.S_ISDIR(found.st_mode):
            return tuple(sorted(_files(path, "")))
        return (("", found.st_size, found.st_mtime_ns),)
    except FileNotFoundError:
        return None
    except OSError as error:  # whoever looks into it gets the same error
        return ((error.strerror or "", 0, 0),)


def _files(folder: str, below: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path, f"{below}{entry.name}/")
            elif entry.name != "table.lock":
                found = entry.stat()
                yield below + entry.name, found.st_size, found.st_mtime_ns


def _listed(folder: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)  # noqa: PTH208
    return []


def _sorted(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(paths))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
