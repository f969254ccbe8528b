"""Opening anything that can be imaged: a MeasurementSet, a file that FIP knows by its content, or what a package reads.

Such a package has an entry point in the group `fip.sources`: its name is the suffix of the paths that it opens, as npz,
and it is a function that takes the path, and whether that is being written, and returns a `Recording`. It is imported
in the reading child alone, and only for a path of that suffix that FIP does not know itself:
docs/extending/recording.md.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import TypeAlias

from fip.data.arriving import Writing
from fip.data.errors import FipError, InputError
from fip.source.recording import Recording
from fip.source.tables.access import check_access
from fip.spool.layout import is_spool

GROUP = "fip.sources"
_LOOKED_AT = 16  # bytes
Opener: TypeAlias = Callable[[Path, bool], Recording]


@dataclass(frozen=True, slots=True)
class Known:
    """A kind of file that FIP opens itself. It is imported only for a path that begins as one."""

    begins: bytes
    module: str
    is_one: str  # its function of the path: whether it is one; InputError if that cannot be known
    opens: str  # its opener


KNOWN = (
    Known(b"\x89HDF\r\n\x1a\n", "fip.source.formats.uvh5", "is_uvh5", "open_uvh5"),
    Known(b"SIMPLE  =", "fip.source.formats.uvfits", "is_uvfits", "open_uvfits"),
)


def open_joined(path: Path, join: Sequence[str]) -> Recording:
    """Open what is at a path, as one with those that `Selection.join` has. InputError if they cannot be one."""
    if not join:
        return open_recording(path)
    from fip.source.joined.bands import open_bands

    return open_bands(path, join[1:], open_recording)


def open_recording(path: Path, writing: Writing | None = None, manifest: int | None = None) -> Recording:
    """Open what is at a path; `writing` if it is being written. InputError if there is nothing to image.

    `manifest` is a descriptor of the file in which the order of arrival is kept; it is needed only during this call.
    """
    growing = writing is not None
    if os.path.exists(path / "table.dat"):  # noqa: PTH110 also if it may not be asked
        return _measurement_set(path, growing)
    if is_spool(path):
        from fip.source.spooled.recording import Spooled

        return Spooled(path, growing)
    found = _others(path)
    known = _known(path, bool(found))
    if known is not None:
        return known(path, growing)
    if not found and writing and _is_folder(path):
        from fip.source.arriving.recording import Arriving

        return Arriving(path, writing.rules, None if manifest is None else os.dup(manifest))
    if not found:
        return _measurement_set(path, growing)
    check_access(path)
    if len(found) > 1:
        packages = " and ".join(sorted(_package(each) for each in found))
        raise InputError(f"{path}: {packages} both read {path.suffix} ({GROUP}): uninstall one of them")
    (source,) = found
    try:
        opener: Opener = source.load()
        return opener(path, growing)
    except FipError:
        raise
    except Exception as error:  # whatever is wrong with another's package, the message names that package
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{path}: {source.value} of {_package(source)}, which reads {path.suffix}: {why}") from error


def is_named(name: str) -> bool:
    """Return whether a path of this name is one that another package reads."""
    return bool(_others(Path(name)))


def is_known(path: Path) -> bool:
    """Return whether a file is of a kind that can be opened, be it whole or not. InputError if that is not known."""
    return bool(_others(path)) or _known(path, False) is not None


def _is_folder(path: Path) -> bool:
    """Return whether it is a folder and no table: recordings arrive in it if it is followed."""
    return path.is_dir() and not (path / "table.dat").exists()


def _measurement_set(path: Path, growing: bool) -> Recording:
    from fip.source.tables.measurement_set import MeasurementSet

    return MeasurementSet(path, growing)


def _known(path: Path, others: bool) -> Opener | None:
    """Return FIP's own opener for a file, by what is in it; a file that cannot be looked into is left to `others`."""
    if not path.is_file():
        return None
    check_access(path)
    with path.open("rb") as file:
        begin = file.read(_LOOKED_AT)
    for each in KNOWN:
        if begin.startswith(each.begins):
            module = import_module(each.module)
            try:
                if getattr(module, each.is_one)(path):
                    opener: Opener = getattr(module, each.opens)
                    return opener
            except InputError:
                if not others:
                    raise
    return None


def _others(path: Path) -> tuple[EntryPoint, ...]:
    """Return the entry points of other packages for paths of this suffix."""
    suffix = path.suffix.removeprefix(".").lower()
    return tuple(_sources().select(name=suffix)) if suffix else ()


@cache
def _sources() -> EntryPoints:
    """Return the entry points that are installed; kept, as a set that is awaited is asked for twice a second."""
    return entry_points(group=GROUP)


def _package(source: EntryPoint) -> str:
    return f"package {source.dist.name}" if source.dist else "a package"
