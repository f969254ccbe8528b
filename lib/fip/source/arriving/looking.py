"""Looking into a member of a folder, in a process of its own: a half-written member may kill the process."""

from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fip.data.errors import InputError, LostReaderError, UnreadableError, first_line
from fip.source.arriving.admission import Found
from fip.source.child import Child
from fip.source.joined.describing import describe, matched
from fip.source.joined.manifest import Manifest, Thing
from fip.source.recording import Recording
from fip.source.sources import is_known, open_recording
from fip.source.tables.measurement_set import ROW_COLUMNS
from fip.source.tables.other_formats import FOLDERS, what_it_is
from fip.source.tables.subtable_reader import UNREADABLE, opened

_SPECTRUM = "WEIGHT_SPECTRUM"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in a member that is whole."""

    found: Found
    new: tuple[Thing, ...]  # what it has that the manifest lacks


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is said of a member that cannot be read now, but perhaps later."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What is said of a path that is no recording, or not of this array."""

    why: str


Outcome: TypeAlias = Seen | Unreadable | Refused


class Probe:
    """Looks into members by a child, which is started when it is needed, and again if it died."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._given = (False, 0, 0)  # of the manifest: whether it knows the antennas; windows and fields

    @property
    def pid(self) -> int | None:
        """Return the process id of the child; None if there is none."""
        return self._child.pid if self._child else None

    def look(self, root: Path, path: str, manifest: Manifest) -> Outcome:
        """Return what the member at a relative path is; whatever is wrong with it, that is returned and not raised."""
        if self._child is None:
            self._child = Child.start()
        antennas, windows, fields = self._given
        new: list[Thing] = [] if antennas or manifest.antennas is None else [manifest.antennas]
        new += [*manifest.windows[windows:], *manifest.fields[fields:]]
        self._given = (manifest.antennas is not None, len(manifest.windows), len(manifest.fields))
        try:
            return self._child.call(_look_for_parent, root / path, path, tuple(new))
        except LostReaderError as error:
            self.close()
            return Unreadable(first_line(error))
        except RuntimeError as error:  # what a child reports if something unexpected happened
            return Unreadable(first_line(error))

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child:
            self._child.end()
        self._child, self._given = None, (False, 0, 0)


_known = Manifest()
"""The child's copy of the manifest, with which members are compared. A child is for one folder."""


def _look_for_parent(path: Path, name: str, new: tuple[Thing, ...]) -> Outcome:
    """Look into a member, in the child; `new` was added to the manifest since the last call."""
    for thing in new:
        _known.add(thing)
    return look_into(path, name, _known)


def look_into(path: Path, name: str, manifest: Manifest) -> Outcome:
    """Return what a member is that has this name in the manifest. This may kill the process."""
    try:
        with closing(open_recording(path)) as member:
            return _seen(member, name, manifest)
    except UnreadableError as error:
        return Unreadable(_less(path, error))
    except InputError as error:
        why = _what_else(path)
        if why:
            return Refused(why)
        return Unreadable("is empty" if _is_empty(path) else _less(path, error))


def _seen(member: Recording, name: str, manifest: Manifest) -> Seen | Refused:
    interval = _last_row(member)
    try:
        if manifest.antennas is not None:
            matched(member, manifest.antennas)
    except UnreadableError:
        raise
    except InputError as error:
        return Refused(_less(member.path, error))
    part, things = describe(member, name, manifest)
    return Seen(Found(part, part.begin + interval / 2), things)


def _last_row(member: Recording) -> float:
    """Read the last row of each column that may be imaged; return its INTERVAL in s, 0 if none. UnreadableError."""
    last = len(member) - 1
    rows = member.rows(range(last, last + 1))
    visibilities = [name for name in member.complex_columns() if rows.defined(name, 0)]
    if not visibilities:
        raise UnreadableError(f"{member.path}: the last row has no visibilities")
    for name in (*ROW_COLUMNS, _SPECTRUM, *visibilities):
        if rows.has(name) and rows.defined(name, 0):
            rows.column(name)
    if not rows.column("TIME")[0] > 0:
        raise UnreadableError(f"{member.path}: the last row has no TIME")
    interval = float(rows.column("INTERVAL")[0])
    return interval if interval > 0 else 0.0


def _what_else(path: Path) -> str:
    """Return what a path is that cannot be opened as a recording; "" if it may become one."""
    with suppress(OSError, InputError):
        if path.is_file():
            return (
                "" if _is_empty(path) or is_known(path) else f"is {what_it_is(path) or 'no recording that FIP knows'}"
            )
        if (path / "table.dat").exists():
            what = what_it_is(path) or "a table of casacore, but no MeasurementSet"
            return f"is {what}" if _is_other_table(path) else ""
        if any((path / name).exists() for name in FOLDERS):
            return f"is {what_it_is(path)}"
    return ""


def _is_empty(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file() and not path.stat().st_size
    return False


def _is_other_table(path: Path) -> bool:
    with suppress(*UNREADABLE), opened(path) as table:
        return not set(ROW_COLUMNS) <= set(table.colnames())
    return False


def _less(path: Path, error: Exception) -> str:
    """Return what an error says of a path, without its name."""
    return first_line(error).removeprefix(f"{path}: ")
