"""The last files stay in the page cache, for whoever looks at each new image. See docs/decisions/0050."""

from collections import deque
from contextlib import suppress

from fip.archive.folder import Folder

KEPT = 64_000_000  # bytes of the last files
FEWEST = 4  # files that stay, however large


class InMemory:
    """The files of a directory that were written last."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._files: deque[tuple[str, int]] = deque()  # and their sizes
        self._bytes = 0

    def add(self, name: str, size: int) -> None:
        """Note that a file of so many bytes was written: older ones need not stay in memory."""
        self._files.append((name, size))
        self._bytes += size
        while len(self._files) > FEWEST and self._bytes > KEPT:
            oldest, size = self._files.popleft()
            self._bytes -= size
            with suppress(OSError):  # it was moved away
                self._folder.leave_memory(oldest)
