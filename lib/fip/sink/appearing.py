"""Files of images appear whole, each under its own name, once: those of a group are written at the same time."""

import errno
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fip.archive.folder import Folder
from fip.data.errors import NoRoomError, StoreError
from fip.data.values import FitsFile, ImageFile, Kind, WrittenFile
from fip.fits.identity import Identity, as_in, cards_of, identity_of, is_whole
from fip.fits.units import LONGEST_HEADER
from fip.sink.opened import TEMPORARY, Opened

PASSING = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO,
    errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT,
}  # fmt: skip
"""Errors of a disk that is full, read-only or gone: what may be otherwise in a while."""

Names = Mapping[Kind, str]
"""What the files of an image are called."""


@dataclass(frozen=True)
class _Image:
    """An image whose files are to appear."""

    image: ImageFile
    names: Names
    held: frozenset[Kind]  # the files that are there already

    def new(self) -> dict[str, bytes | memoryview]:
        """Return the contents to write here, by the names that they have until they are whole."""
        files = (file for file in self.image.files if file.kind not in self.held)
        return {TEMPORARY.format(self.names[file.kind]): file.content for file in files}


class Appearing:
    """The files of a directory's images."""

    def __init__(self, folder: Folder, opened: Opened, check: Callable[[], None]) -> None:
        """`opened` are those that workers write; `check` raises NoRoomError if the directory is not in its place."""
        self._folder, self._opened, self._check = folder, opened, check

    def appear(self, images: Sequence[tuple[ImageFile, Names]]) -> list[ImageFile | StoreError]:
        """Make the files of images appear; return for each the image with the files that are there now, or an error.

        Their contents are on disk then; their names are when the directory is synced. NoRoomError of one that cannot be
        stored now, and another StoreError if a file of its name is there that is another.
        """
        taken: set[str] = set()
        going = [self._prepared(image, names, taken) for image, names in images]
        new: dict[str, bytes | memoryview] = {}
        for each in going:
            new |= each.new() if isinstance(each, _Image) else {}
        errors = self._folder.write_all(new)
        return [self._linked(each, errors) if isinstance(each, _Image) else each for each in going]

    def _prepared(self, image: ImageFile, names: Names, taken: set[str]) -> _Image | StoreError:
        """Return the image with what is there of it already, unless a name is `taken` by another of the group."""
        try:
            self._check()
            if doubled := taken.intersection(names.values()):
                raise self._taken(min(doubled))
            found = self._as_held(image, names)
        except StoreError as error:
            return error
        taken.update(names.values())
        return found

    def _linked(self, going: _Image, errors: Mapping[str, OSError]) -> ImageFile | StoreError:
        """Give its files their names, the image last: whoever sees the image has all files."""
        name = ""
        try:
            for file in reversed(going.image.parts):
                name = going.names[file.kind]
                self._name(file, name, file.kind in going.held, errors)
        except OSError as error:
            for temporary in going.new():
                with suppress(OSError):
                    self._folder.unlink(temporary)
            if isinstance(error, FileExistsError):
                return self._taken(name)
            return NoRoomError(f"{self._path(name)} cannot be stored: {error.strerror}")
        return going.image

    def _name(self, file: FitsFile | WrittenFile, name: str, held: bool, errors: Mapping[str, OSError]) -> None:
        """Give a file its name; keep a file that is held and has it already. Raises OSError."""
        temporary = TEMPORARY.format(name)
        if held:
            self._folder.sync_file(name)
        elif isinstance(file, WrittenFile):
            self._opened.finish(file.token, name)
        elif temporary in errors:
            raise errors[temporary]
        else:
            self._folder.link(temporary, name)  # unlike a rename, a link never replaces a file
            self._folder.unlink(temporary)

    def _as_held(self, image: ImageFile, names: Names) -> _Image:
        """Return the image with the files that are there already."""
        files = {file.kind: self._held(names[file.kind], file, image) for file in image.parts}
        held = {kind: file for kind, file in files.items() if file}
        if dirty := held.get("dirty"):
            with suppress(ValueError):
                image = as_in(cards_of(bytes(dirty.content[:LONGEST_HEADER])), image)
        parts = [held.get(file.kind, file) for file in image.parts]
        here = tuple(file for file in parts if isinstance(file, FitsFile))
        written = tuple(each for each in image.written if each in parts)
        return _Image(replace(image, files=here, written=written) if held else image, names, frozenset(held))

    def _held(self, name: str, file: FitsFile | WrittenFile, image: ImageFile) -> FitsFile | None:
        """Return the file of this name as it is there, if it is ours; None if there is none. Else StoreError."""
        try:
            content = self._folder.read(name)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in PASSING:
                raise NoRoomError(f"{self._path(name)} cannot be read: {error.strerror}") from None
            content = b""
        there = FitsFile(file.kind, content)
        if (there.size, there.digest) == (file.size, file.digest):
            return there
        meant = Identity(image.run, image.integration, file.kind, image.times.begin)
        with suppress(ValueError):
            found = identity_of(cards_of(content[:LONGEST_HEADER]))
            if found and found.matches(meant) and is_whole(content):
                return there
        raise self._taken(name)

    def _path(self, name: str) -> Path:
        return self._folder.path / name

    def _taken(self, name: str) -> StoreError:
        return StoreError(f"{self._path(name)} is there already, and is not this image: move it away")
