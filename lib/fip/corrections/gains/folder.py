"""A folder into which tables of gains arrive: a slice uses, of each kind, the newest that does not begin after it.

So a slice that is cut again has the same table whatever has come since, if tables come before the data that they are
for. A table is read once nobody has written its files for a while; it is read again if they change.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fip.corrections.gains.asked import Asked
from fip.corrections.gains.formats import is_table, read_table
from fip.corrections.gains.source import Source
from fip.corrections.observed import Expected
from fip.data.errors import InputError
from fip.data.quantities import iso_utc

_MOST_OPEN = 16  # tables that are kept in memory besides those that were asked for last
SETTLED = 2.0  # s: nobody has written into a whole table for so long


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of a table that was examined."""

    stamp: tuple[int, int]
    kind: str = ""
    begin: float = 0.0  # s UTC
    windows: frozenset[int] = frozenset()  # of the recording, for which it has solutions
    refused: str = ""  # why it is left out


class Folder:
    """The tables of a folder, listed again whenever one is asked for. InputError if it holds none at first."""

    def __init__(self, asked: Asked, expected: Expected) -> None:
        self._asked, self._expected = asked, expected
        self._known: dict[Path, _Known] = {}
        self._open: dict[Path, Source] = {}
        self.name = f"{asked.path.name or asked.path}/latest"
        self.digest = hashlib.sha256(str(asked.path.absolute()).encode()).hexdigest()[:16]
        self._look()
        if not self._usable():
            why = next((each.refused for each in self._known.values()), "")
            raise InputError(
                why
                or f"{asked.label}: holds no table of gains that has been left alone for {SETTLED:g} s: give a folder "
                f"of CASA tables or h5parm files"
            )
        self.at(expected.begin)  # for its notes

    @property
    def notes(self) -> tuple[str, ...]:
        """Return how many tables there are, which were left out, and notes on those that were used last."""
        usable, label = self._usable(), self._asked.label
        first = min(each.begin for each in usable.values())
        lines = [f"{label}: {len(usable)} tables, the first of {iso_utc(first)}" if first else f"{label}: a table"]
        if first > self._expected.begin:
            lines.append(f"{label}: none begins before {iso_utc(first)}: what was observed before is flagged")
        left = [each.refused for each in self._known.values() if each.refused]
        if left:
            lines.append(f"{left[0]}" + (f" (and {len(left) - 1} more are left out)" if len(left) > 1 else ""))
        return (*lines, *(note for each in self._open.values() for note in each.notes))

    def at(self, moment: float, window: int | None = None) -> tuple[Source, ...]:
        """Return the newest table of each kind at a time (s UTC), for one spectral window of the recording, or all."""
        self._look()
        chosen = dict.fromkeys(
            path
            for each in self._expected.windows
            if window in (None, each.spectral_window)
            for path in self._newest(moment, each.spectral_window)
        )
        found: dict[Path, Source] = {}
        for path in chosen:
            source = self._open.get(path) or self._read(path)
            if source is None:  # it was deleted, or changed, between two looks
                raise InputError(f"{self._asked.label}: {path.name} cannot be read any more")
            found[path] = source
        others = [(path, each) for path, each in self._open.items() if path not in found]
        self._open = {**dict(others[-_MOST_OPEN:]), **found}
        return tuple(found.values())

    def _newest(self, moment: float, window: int) -> list[Path]:
        newest: dict[str, tuple[float, str, Path]] = {}
        for path, each in self._usable().items():
            if window in each.windows and each.begin <= moment:
                this = (each.begin, path.name, path)
                newest[each.kind] = max(newest.get(each.kind, this), this)
        return [newest[kind][2] for kind in sorted(newest, reverse=True)]  # K, G, B: their order does not matter

    def _usable(self) -> dict[Path, _Known]:
        return {path: each for path, each in self._known.items() if each.windows}

    def _look(self) -> None:
        """Note the tables that have come, gone or changed."""
        present = dict(self._tables())
        for path in [each for each, known in self._known.items() if present.get(each) != known.stamp]:
            del self._known[path]
            self._open.pop(path, None)
        for path, stamp in present.items():
            if path not in self._known and _settled(path):
                self._read(path, stamp)

    def _tables(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        """Yield the tables, but not links to one another; and numbers that change if one is written again."""
        try:
            entries = sorted(os.scandir(self._asked.path), key=lambda each: each.name)
        except OSError as error:
            raise InputError(f"{self._asked.label}: cannot be read: {error.strerror}") from None
        for entry in entries:
            path = Path(entry.path)
            if entry.is_symlink() and path.resolve().parent == self._asked.path.resolve():
                continue
            with suppress(OSError):
                if path in self._known or is_table(path):
                    stat = (path / "table.dat" if path.is_dir() else path).stat()
                    yield path, (stat.st_mtime_ns, stat.st_size)

    def _read(self, path: Path, stamp: tuple[int, int] | None = None) -> Source | None:
        """Read a table, for the windows that it fits; None if it fits none."""
        stamp = stamp or self._known[path].stamp
        fitting, why = [], ""
        for window in self._expected.windows:
            try:
                fitting.append(read_table(replace(self._asked, path=path), replace(self._expected, windows=(window,))))
            except InputError as error:
                why = why or str(error)
        if not fitting:
            self._known[path] = _Known(stamp, refused=why)
            return None
        factors = {key: found for each in fitting for key, found in each.factors.items()}
        source = replace(fitting[0], factors=factors)
        windows = frozenset(window for window, _ in factors)
        self._known[path] = _Known(stamp, source.kind, source.begin, windows)
        return source


def _settled(path: Path) -> bool:
    """Return whether nobody has written into it for a while."""
    files = [path, *path.iterdir()] if path.is_dir() else [path]
    try:
        return max(each.stat().st_mtime for each in files) <= time.time() - SETTLED
    except OSError:
        return False
