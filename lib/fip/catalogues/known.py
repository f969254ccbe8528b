"""All that is known of the sky beforehand: files, read when they are named and again when they change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from fip.catalogues.bodies import beside
from fip.catalogues.catalogue import Catalogue
from fip.catalogues.satellites import DOUBTFUL, USELESS, Orbits, passing
from fip.catalogues.tables import read_catalogue
from fip.catalogues.tle_file import read_tle
from fip.catalogues.words import Match, Seen
from fip.data.errors import UsageError
from fip.data.quantities import SECONDS_PER_DAY

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed:
    """A catalogue as it is asked for."""

    file: Path
    tell: bool | str = True  # whether events at its sources are reported, or to which one target of alerts


class Known:
    """What is there to be looked up. UsageError, for one line, for a file that cannot be used.

    What has become unusable since stays as it was, which is said once (`remarks`).
    """

    def __init__(self, tle: Path | None = None, catalogues: Mapping[str, Listed] | None = None) -> None:
        self._tle = _File(tle, lambda path: Orbits(read_tle(path))) if tle else None
        self._catalogues = [_File(each.file, _reader(name, each)) for name, each in (catalogues or {}).items()]
        self._remarks: dict[str, None] = {}
        self._said: set[str] = set()

    def __bool__(self) -> bool:
        """Whether anybody has given a list: without one there are the bodies of the solar system."""
        return bool(self._tle or self._catalogues)

    def matches(self, seen: Seen) -> tuple[Match, ...]:
        """What is at the place of an event: satellites, bodies of the solar system, and sources, nearest first."""
        found = list(beside(seen))
        if self._tle:
            orbits = self._now(self._tle)
            found += passing(orbits, seen)
            self._remark(_doubts(self._tle.path, orbits, seen))
        for each in self._catalogues:
            found += self._now(each).near(seen)
        return tuple(sorted(found, key=lambda each: each.separation))

    def remarks(self) -> list[str]:
        """What is to be said to a person, since the last call: each once."""
        told = list(self._remarks)
        self._said.update(told)
        self._remarks.clear()
        return told

    def place_of(self, name: str, time: float) -> tuple[float, float] | None:
        """Return the place of a named source at a time: rad, ICRS; None if no catalogue has it."""
        places = (self._now(each).place_of(name, time) for each in self._catalogues)
        return next((place for place in places if place), None)

    def _now(self, file: "_File[T]") -> T:
        self._remark(file.renew())
        return file.content

    def _remark(self, line: str) -> None:
        if line and line not in self._said:
            self._remarks[line] = None


class _File(Generic[T]):
    """A file and what is in it."""

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self.path, self._read = path, read
        self._stamp = _stamp(path)
        self.content = read(path)

    def renew(self) -> str:
        """Read it again if it has changed; return why it cannot be read, or ""."""
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return ""
        try:
            self.content = self._read(self.path)
        except UsageError as error:
            return f"{error}; what it held before still counts"
        finally:
            self._stamp = stamp
        return ""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino


def _reader(name: str, listed: Listed) -> Callable[[Path], Catalogue]:
    return lambda path: Catalogue(name, read_catalogue(path, f"catalogue.{name}"), listed.tell)


def _doubts(path: Path, orbits: Orbits, seen: Seen) -> str:
    """What is to be said of the epochs of orbits, and of an array whose place is not known."""
    if seen.site is None:
        return f"--tle {path}: images do not say where the array is (OBSGEO-X, -Y, -Z): no satellite is looked for"
    there, doubtful, useless = orbits.doubtful(seen.middle)
    if not doubtful:
        return ""
    old, most = (f"{each / SECONDS_PER_DAY:g} days" for each in (DOUBTFUL, USELESS))
    left = f", {useless} of them more than {most}, which are left out" if useless else ""
    return (
        f"--tle {path}: the orbits of {doubtful} of {there} satellites are more than {old} from the images{left}: "
        "places may be off by more than 0.5 deg; give orbits of these days"
    )
