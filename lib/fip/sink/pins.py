"""Which images a ring does not take though they are due: those of the time of events, up to a tenth of the ring.

The tenth is in the unit of `keep`: of 500GB it is 50 GB, which are among the 500; of 6h it is 36 minutes of exposure,
which stay beyond the 6 hours.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from fip.archive.file_names import FOUND
from fip.archive.pins import PINS, Pin, Pinned, read_pins
from fip.data.names import SliceId
from fip.data.quantities import Retention, format_bytes, format_time
from fip.sink.holds import FREE_AT_LEAST

log = logging.getLogger("fip.sink")

SHARE = 0.1  # of the ring
_NAMED = 3  # events that a warning names

Stamp = tuple[int, int, int]


class Pins:
    """The pins of one directory, as its detector has written them down."""

    def __init__(self, directory: Path, keep: Retention) -> None:
        """`keep` is how much the directory keeps."""
        self._directory, self._keep = directory, keep
        self._most = SHARE * (keep.seconds or keep.size or 0)
        self._pins: tuple[Pin, ...] = ()
        self._stamp: Stamp | None = None  # of the list that was read last
        self._short: frozenset[str] = frozenset()  # events not all of whose images find room
        self._full = False
        self.images, self.bytes = 0, 0  # that are kept, as of the last look

    def kept(self, stored: Callable[[Pin], Iterable[Pinned]], free: Callable[[], float]) -> frozenset[SliceId]:
        """Return the images that do not go. `stored` gives those of a pin, `free` the share of the disk that is free.

        The first pins find room. If a pin finds room for some of its images only, those about the middle of the event
        stay. While the disk is nearly full, no image is kept beyond a ring of some time.
        """
        self._look()
        kept: dict[SliceId, int] = {}
        short: list[str] = []
        room = 0.0 if self._disk_is_full(free) else self._most
        for pin in self._pins:
            for each in sorted(stored(pin), key=lambda each: abs(2 * each.index + 1 - pin.first - pin.end)):
                if (image := SliceId(pin.run, each.index)) in kept:
                    continue
                room -= each.size if self._keep.seconds is None else each.seconds
                if room < 0:
                    short.append(pin.event)
                    break
                kept[image] = each.size
        self._say(short)
        self.images, self.bytes = len(kept), sum(kept.values())
        return frozenset(kept)

    def _look(self) -> None:
        """Read the list if it was written since; if it cannot be read, keep what was read before."""
        path = self._directory / FOUND / PINS
        try:
            status = path.stat(follow_symlinks=False)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        except (FileNotFoundError, NotADirectoryError):
            self._stamp, self._pins = None, ()
            return
        except OSError:  # as of a disk that is gone for a while
            return
        if stamp == self._stamp:
            return
        try:
            self._pins = read_pins(self._directory)
        except (OSError, ValueError) as error:
            said = " ".join(str(getattr(error, "strerror", None) or error).split())
            log.warning("%s: which images events pin cannot be read: %.200s; what was read before holds", path, said)
        self._stamp = stamp

    def _disk_is_full(self, free: Callable[[], float]) -> bool:
        """Return whether what is beyond the ring has to go."""
        full = bool(self._pins) and self._keep.seconds is not None and free() < FREE_AT_LEAST
        if full and not self._full:
            log.warning("%s: the disk is nearly full: images of events are kept no longer than others", self._directory)
        self._full = full
        return full

    def _say(self, short: list[str]) -> None:
        """Log, once for each event, that not all images of it are kept."""
        new = [event for event in short if event not in self._short]
        if new and not self._full:
            by_time = self._keep.seconds is not None
            tenth = format_time(self._most) if by_time else format_bytes(int(self._most))
            names = ", ".join(new[:_NAMED]) + (", ..." if len(new) > _NAMED else "")
            log.warning(
                "%s: events pin more than a tenth of what is kept, %s: images of %s are not kept longer than others",
                self._directory, tenth, names,
            )  # fmt: skip
        self._short = frozenset(short)
