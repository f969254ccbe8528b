"""The images that the monitor shows: found by run and slice in ledgers, never by a path that somebody asked for."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.archive.compared import BEFORE, Kind, in_noise, less_the_mean
from fip.archive.entries import Entry, RunRow
from fip.archive.file_names import LEDGER, LOG_FILE
from fip.archive.ledger import Ledger
from fip.archive.lightcurve import Point, read_points
from fip.archive.shrink import shrink
from fip.archive.stamps import Stamp, stamp_of
from fip.archive.views import View, Window, make_view
from fip.data.errors import EmptyLedgerError, FipError, UsageError
from fip.data.ranges import Ranges, added
from fip.data.ranges import of as ranges_of
from fip.data.settings import all_texts
from fip.fits.planes import Planes
from fip.fits.stored_image import StoredImage

KEPT = 20_000
"""Images of a run that are kept in mind, the newest; 300 bytes each."""

MOST_POINTS = 2000
"""Images that a light curve is read from; of more, every second, third, ... one."""

MOST_SLICES = 1 << 62
"""Of a run; SQLite takes no larger numbers."""

LOG_TAIL = 16_384  # bytes


class AbsentError(FipError):
    """A run, image or plane that is not there."""


@dataclass
class Album:
    """The images of one run, in the order in which they were found here."""

    directory: Path
    row: RunRow
    known: Ranges = ()
    seen: int = 0  # images found since the monitor began
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))
    stamp: Stamp = ()


class Gallery:
    """All runs with a ledger in a directory, or in the folders of jobs in it. Safe to be used from several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.RLock()
        self._stamps: dict[Path, Stamp] = {}
        self._albums: dict[str, Album] = {}

    def runs(self) -> list[RunRow]:
        """The runs there are, in the order in which they were opened."""
        with self._lock:
            self._look()
            return sorted((album.row for album in self._albums.values()), key=lambda row: row.opened)

    def images(self, run: str, after: int, most: int, said: Mapping[str, Ranges]) -> tuple[int, list[Entry]]:
        """The images of a run found after the first `after`, the newest `most` of them, and how many there were.

        `said` is what the sink says is stored of each run that it has; of others the ledger is asked.
        """
        with self._lock:
            album = self._album(run)
            self._refresh(album, said.get(run))
            new = min(max(album.seen - after, 0), most, len(album.entries))
            return album.seen, [album.entries[-number] for number in range(new, 0, -1)]

    def directory(self, run: str) -> Path:
        """Return the directory of a run's images."""
        return self._album(run).directory

    def job(self, run: str) -> str:
        """The folder of the job of a run in the directory of all; "" if its images are in that itself."""
        directory = self._album(run).directory
        return "" if directory == self._root else directory.name

    def entry(self, run: str, index: int) -> Entry:
        """Return the entry of one image. AbsentError if the slice is not stored."""
        directory = self._album(run).directory
        found: list[Entry] = []
        if index < MOST_SLICES:
            with closing(Ledger(directory, read_only=True)) as ledger:
                found = list(ledger.entries(run, index, index + 1))
        if not found:
            raise AbsentError(f"slice {index} of run {run} is not stored")
        return found[0]

    def path(self, run: str, index: int) -> Path:
        """The FITS file of an image."""
        return self._place(run, self.entry(run, index))

    def image(self, run: str, index: int) -> StoredImage:
        """An image, to be read."""
        return StoredImage.open(self.path(run, index))

    def pixels(self, run: str, index: int, plane: int, most: int) -> tuple[NDArray[np.float32], int]:
        """A plane [y, x] in Jy/beam, at most `most` pixels a side, and how many pixels became one (their maximum)."""
        small, block = shrink(self._plane(self.image(run, index), plane), most)
        return np.asarray(small, "<f4"), block

    def view(
        self,
        run: str,
        index: int,
        plane: int,
        window: Window | None,
        most: int,
        kind: Kind = "image",
        said: Mapping[str, Ranges] | None = None,
    ) -> View:
        """Return what a page shows of a plane: a window, or all of it, at most `most` shown pixels a side.

        It is the image, in Jy/beam; its difference to those before it; or its S/N: see `fip.archive.compared`. `said`
        is as in `images`.
        """
        image = self.image(run, index)
        grid, pixels = image.layout.grid, self._plane(image, plane)
        seen = _within(window, grid.width, grid.height)
        if kind == "image":
            return make_view(pixels, seen, most)
        if kind == "S/N":
            part = in_noise(pixels, seen)
        else:
            before = (self._plane(each, plane) for each in self._before(run, index, image, said or {}))
            part = less_the_mean(pixels, before, seen)
        return replace(make_view(part, Window(0, 0, seen.width, seen.height), most), window=seen)

    def _before(self, run: str, index: int, image: StoredImage, said: Mapping[str, Ranges]) -> Iterator[StoredImage]:
        """The last few images of the same field and grid before one; AbsentError if there is none."""
        this = self.entry(run, index)
        with self._lock:
            album = self._album(run)
            self._refresh(album, said.get(run))
            known = [
                entry
                for entry in album.entries
                if entry.label == this.label and entry.average < this.average and not entry.empty
            ]
        found = 0
        for entry in sorted(known, key=lambda each: each.average, reverse=True):
            with suppress(UsageError):  # it has expired
                one = StoredImage.open(self._place(run, entry))
                if one.layout == image.layout:
                    yield one
                    found += 1
            if found == BEFORE:
                return
        if not found:
            raise AbsentError(f"there is no image before slice {index} to take off it")

    def light_curve(
        self, run: str, like: int, x: int, y: int, plane: int, said: Mapping[str, Ranges]
    ) -> tuple[list[Point], int]:
        """Return pixel (x, y) in the images of slice `like`'s field, earliest first, and the step between images."""
        field = self.entry(run, like).label
        with self._lock:
            album = self._album(run)
            self._refresh(album, said.get(run))
            entries = [entry for entry in album.entries if entry.label == field]
        entries.sort(key=lambda entry: entry.average)
        step = -(-len(entries) // MOST_POINTS) or 1
        points = []
        for entry in entries[::step]:
            image = Planes.open(self._place(run, entry))
            grid = image.layout.grid
            if not (0 <= x < grid.width and 0 <= y < grid.height and 0 <= plane < len(image.layout.stokes)):
                raise AbsentError(f"pixel ({x}, {y}) of plane {plane} is outside of the images")
            points += read_points(image, entry, x, y, [plane])
        return points, step

    def settings(self, run: str) -> dict[str, str]:
        """How the images of a run were asked for, option by option."""
        with closing(Ledger(self._album(run).directory, read_only=True)) as ledger:
            asked = ledger.asked()
        return all_texts(asked) if asked else {}

    def log_tail(self, run: str) -> str:
        """Return the last lines of the log beside the images, as `fip run` writes it; "" if there is none."""
        place = self._album(run).directory / LOG_FILE
        try:
            with place.open("rb") as file:
                file.seek(max(0, place.stat().st_size - LOG_TAIL))
                lines = file.read(LOG_TAIL).decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[1:] if len(lines) > 1 else lines)

    @staticmethod
    def _plane(image: StoredImage, plane: int) -> NDArray[np.floating]:
        if not 0 <= plane < len(image.layout.stokes):
            raise AbsentError(f"plane {plane}: there are {', '.join(image.layout.stokes)}")
        return image.plane(plane)

    def _place(self, run: str, entry: Entry) -> Path:
        if Path(entry.file).name != entry.file:  # no sink writes such a name
            raise AbsentError(f"slice {entry.index} of run {run} has no file name")
        return self._albums[run].directory / entry.file

    def _album(self, run: str) -> Album:
        with self._lock:
            if run not in self._albums:
                self._look()
            if run not in self._albums:
                raise AbsentError(f"no run {run} is in {self._root}")
            return self._albums[run]

    def _refresh(self, album: Album, said: Ranges | None) -> None:
        """Look up the images that are stored and not yet in the album."""
        stamp = stamp_of(album.directory)
        if said == album.known or (said is None and stamp == album.stamp):
            return
        run = album.row.run
        with closing(Ledger(album.directory, read_only=True)) as ledger:
            stored = ledger.stored(run) if said is None else said
            for begin, end in ranges_of(added(stored, album.known)):
                found = sorted(ledger.entries(run, begin, end), key=lambda entry: (entry.sequence, entry.recorded))
                album.entries.extend(found)
                album.seen += len(found)
        album.known, album.stamp = stored, stamp

    def _look(self) -> None:
        """Read the runs of the ledgers that changed."""
        for directory in self._directories():
            stamp = stamp_of(directory)
            if self._stamps.get(directory) != stamp:
                with suppress(EmptyLedgerError), closing(Ledger(directory, read_only=True)) as ledger:
                    for row in ledger.runs():
                        self._albums.setdefault(row.run, Album(directory, row)).row = row  # it may have grown
                    self._stamps[directory] = stamp

    def _directories(self) -> list[Path]:
        """Those with a ledger: the root, else what is in it. A directory of images may hold very many files."""
        if (self._root / LEDGER).is_file():
            return [self._root]
        if not self._root.is_dir():
            return []
        return [path for path in self._root.iterdir() if (path / LEDGER).is_file()]


def _within(window: Window | None, width: int, height: int) -> Window:
    """What of a window lies in an image; all of the image, if none is given."""
    if window is None:
        return Window(0, 0, width, height)
    wide, high = min(window.width, width - window.left), min(window.height, height - window.bottom)
    if wide <= 0 or high <= 0:
        raise AbsentError(
            f"the window at pixel ({window.left}, {window.bottom}) holds nothing of {width}x{height} pixels"
        )
    return Window(window.left, window.bottom, wide, high)
