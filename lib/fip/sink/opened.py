"""Files of one directory that the sink has opened for workers to write into, by their tokens (docs/decisions/0208)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

from fip.archive.file_systems import network_type
from fip.archive.folder import Folder
from fip.archive.new_file import NewFile, set_direct
from fip.data.errors import WireError
from fip.data.names import RunId
from fip.data.values import ImageFile, WrittenFile
from fip.fits.identity import HEADER_READ, Identity, cards_of, identity_of
from fip.fits.units import BLOCK, LONGEST_HEADER

TEMPORARY = ".fip-{}.tmp"
"""How a file is called that is not whole yet; the next sink that opens the directory removes it."""


@dataclass(frozen=True)
class _Open:
    file: NewFile
    run: RunId  # for whose slice it was opened
    index: int


class Opened:
    """The files of a directory that were given to workers, and have no name yet."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._open: dict[str, _Open] = {}

    @cached_property
    def refusal(self) -> str:
        """Return why files of this directory cannot be given to workers; "" if they can. Try once, with a file."""
        if shared := network_type(self._folder.path):
            return f"it is on a network file system ({shared})"
        try:
            file = self._folder.begin(TEMPORARY.format("try"))
        except OSError as error:
            return f"a file without a name cannot be opened: {error.strerror}"
        try:
            set_direct(file.writing)
            file.given_away()
            return "a file is open for writing though nobody has it" if file.is_written else ""
        except OSError as error:
            return f"its file system cannot do what that needs: {error.strerror}"
        finally:
            file.close()

    def open(self, run: RunId, index: int, count: int) -> dict[str, int]:
        """Open new files for a slice; return the descriptors that write, by tokens, still open here. Raises OSError."""
        tokens: dict[str, int] = {}
        try:
            for _ in range(count):
                token = uuid4().hex
                file = self._folder.begin(TEMPORARY.format(token))
                self._open[token] = _Open(file, run, index)
                tokens[token] = file.writing
        except OSError:
            self.drop(tokens)
            raise
        return tokens

    def given_away(self, tokens: Iterable[str]) -> None:
        """Note that a worker has what writes these files."""
        for token in tokens:
            self._open[token].file.given_away()

    def check(self, image: ImageFile) -> None:
        """Raise WireError if a file that a worker says it has written is not the image that it says.

        Its size and its header are read. The digest is believed, as the pixels are: `fip verify --digests` compares it.
        A file that could still be changed, as somebody has it open for writing, is not taken.
        """
        for written in image.written:
            if fault := self._fault(written, image):
                raise WireError(
                    f"{written.kind} image {image.index} of run {image.run}, which was written here: {fault}"
                )

    def _fault(self, written: WrittenFile, image: ImageFile) -> str:
        found = self._open.get(written.token)
        if found is None or (found.run, found.index) != (image.run, image.index):
            return "no such file was opened for it, or it is closed by now"
        try:
            if found.file.is_written:
                return "its worker can still write into it"
            if found.file.size != written.size or written.size % BLOCK:
                return f"it has {found.file.size} bytes, and should have {written.size}, in blocks of {BLOCK}"
            meant = Identity(image.run, image.integration, written.kind, image.times.begin)
            told = self._identity(found.file)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return "" if told and told.matches(meant) else "its header is not that of this image"

    def _identity(self, file: NewFile) -> Identity | None:
        """Return whose image it is, by its header; read as much of the header as is needed."""
        for most in (HEADER_READ, LONGEST_HEADER):
            try:
                return identity_of(cards_of(file.read(most)))
            except ValueError:
                continue
        return None

    def finish(self, token: str, name: str) -> None:
        """Give a file its name; its content is on disk then. Raises OSError, FileExistsError if the name is taken."""
        self._folder.finish(self._open[token].file, name)

    def drop(self, tokens: Iterable[str]) -> None:
        """Drop files that are needed no more; remove those that have no name."""
        for token in tokens:
            if found := self._open.pop(token, None):
                found.file.close()

    def __contains__(self, token: str) -> bool:
        return token in self._open

    def close(self) -> None:
        """Close all files that are open."""
        self.drop(list(self._open))
