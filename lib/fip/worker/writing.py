"""Large images are written by their worker, if the sink is on its host and gives it files to write into.

What cannot be written so goes to the sink with its bytes, as from any other host. See docs/decisions/0208.
"""

import logging
import mmap
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace

from fip.archive.new_file import set_direct
from fip.data.errors import WireError
from fip.data.values import MOST_KINDS, FitsFile, ImageFile, WrittenFile
from fip.fits.fitsfile import PAGE
from fip.runtime.descriptors import connect, is_open, take
from fip.runtime.service import Background, Loop
from fip.wire.codec import pack, unpack
from fip.wire.handing import LONGEST_MESSAGE, Files, Given, Wanted

log = logging.getLogger("fip.worker")

WITHIN = 10.0  # s for the sink to answer; then the image goes with its bytes
ASKED_AGAIN = 10.0  # s after it gave none


@dataclass(frozen=True)
class Handed:
    """An image as it goes to the sink."""

    whole: ImageFile  # with its bytes
    written: ImageFile | None = None  # without, if the sink has its files open
    sink: socket.socket | None = None  # over which it gave them

    @property
    def now(self) -> ImageFile:
        """Return what to send now: a sink that has ended since knows nothing of what it had opened."""
        return self.written if self.written and self.sink and is_open(self.sink) else self.whole


class Writing:
    """Writes images, in a thread of its own, one after the other."""

    def __init__(self, loop: Loop, worker: str) -> None:
        """`worker` is the worker's HOST/NAME."""
        self._thread, self._worker = Background(loop, "writing"), worker
        self._files: Files | None = None
        self._key = ""
        self._not_until = 0.0  # monotonic s: when it is asked for files again
        self._joined: tuple[Files, socket.socket] | None = None  # of the thread
        self.waiting = 0  # images that are not written yet

    def point(self, files: Files | None, key: str) -> None:
        """Take the place that gives files from now on; `key` is the host of the key that its tickets are for, or ""."""
        if files != self._files:
            self._not_until = 0.0
        self._files, self._key = files, key

    def write(self, image: ImageFile, then: Callable[[Handed], None]) -> None:
        """Call `then` in the loop when the image is written, or at once if it is to go with its bytes."""
        files = self._files
        if files is None or image.size < files.least or time.monotonic() < self._not_until:
            then(Handed(image))
            return
        self.waiting += 1

        def ended(future: Future[Handed]) -> None:
            self.waiting -= 1
            then(future.result())

        self._thread.call(ended, self._write, image, files, self._key)

    def close(self) -> None:
        """Wait for the image in work, which has a limit."""
        self._thread.close()
        self._leave()

    def _write(self, image: ImageFile, files: Files, key: str) -> Handed:
        """Write it, in the thread. A failure costs only the time: the image then goes with its bytes."""
        wanted = Wanted(files.boot, image.run, image.index, self._worker, len(image.files), key, image.ticket)
        try:
            sink = self._connected(files)
            return Handed(image, _written(image, sink, wanted), sink)
        except (OSError, WireError) as error:
            self._leave()  # what it gave is closed by the sink, soon
            self._not_until = time.monotonic() + ASKED_AGAIN
            log.info("slice %d of run %s goes to the sink with its bytes: %s", image.index, image.run, error)
            return Handed(image)

    def _connected(self, files: Files) -> socket.socket:
        if self._joined and (self._joined[0] != files or not is_open(self._joined[1])):
            self._leave()
        if self._joined is None:
            self._joined = files, connect(files.socket, WITHIN)
            log.info("images from %d bytes on are written into files of the sink at %s", files.least, files.socket)
        return self._joined[1]

    def _leave(self) -> None:
        if self._joined:
            self._joined[1].close()
            self._joined = None


def _written(image: ImageFile, sink: socket.socket, wanted: Wanted) -> ImageFile:
    """Ask for files and write them; return what then stands for the image. Raises OSError and WireError."""
    sink.send(pack(wanted))
    message, descriptors = take(sink, LONGEST_MESSAGE, MOST_KINDS)
    try:
        if not message:
            raise WireError("the sink has ended")
        given = unpack(message, Given)
        if not given.tokens or not len(given.tokens) == len(descriptors) == len(image.files):
            raise WireError(f"the sink gives no file for it: {given.reason or 'not as many as it was asked for'}")
        for file, descriptor in zip(image.files, descriptors, strict=True):
            fill(descriptor, file, given.direct)
    finally:
        for each in descriptors:
            os.close(each)
    written = [
        WrittenFile(file.kind, file.size, file.digest, token)
        for file, token in zip(image.files, given.tokens, strict=True)
    ]
    return replace(image, files=(), written=tuple(written))


def fill(descriptor: int, file: FitsFile, direct: bool) -> None:
    """Write a file into what was opened for it: past the page cache, if `direct`. Raises OSError.

    Past the page cache, whole pages are written, from memory that begins at a page, as `fits_bytes` gives it; the
    excess of the last page is cut off.
    """
    content = memoryview(file.content)
    if not direct:
        at = 0
        while at < len(content):
            at += os.write(descriptor, content[at:])
        return
    whole = len(content) // PAGE * PAGE
    with mmap.mmap(-1, PAGE) as last:
        last[: len(content) - whole] = content[whole:]
        end = whole + (PAGE if len(content) > whole else 0)
        with suppress(OSError):  # it only spares the file system work; a full disk shows below
            os.posix_fallocate(descriptor, 0, end)
        set_direct(descriptor)
        at = 0
        while at < end:
            parts: list[memoryview | mmap.mmap] = [content[at:whole]] if at < whole else []
            at += os.pwritev(descriptor, [*parts, last] if end > whole else parts, at)
    os.ftruncate(descriptor, len(content))
