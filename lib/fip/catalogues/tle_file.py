"""Files of two-line elements, as Space-Track and CelesTrak give them, with names or without."""

import math
from collections.abc import Iterator
from pathlib import Path

from sgp4.api import Satrec
from sgp4.io import compute_checksum

from fip.catalogues.satellites import Orbit
from fip.catalogues.turns import JD_OF_MJD_0
from fip.data.errors import UsageError
from fip.data.quantities import SECONDS_PER_DAY

_LARGEST = 1 << 28  # bytes
_LONG = 69  # characters of a line


def read_tle(path: Path, option: str = "--tle") -> tuple[Orbit, ...]:
    """The orbits of a file, a satellite more than once if the file has it so.

    UsageError, for one line with the number of the line in the file, if it is not to be read, or holds none.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{option} {path}: is larger than {_LARGEST >> 20} MB, and no list of satellites")
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be read: {error.strerror}") from None
    found = []
    for number, name, first, second in _sets(lines, f"{option} {path}"):
        try:
            found.append(_orbit(name, first, second))
        except ValueError as error:
            raise UsageError(f"{option} {path}, line {number}: {error}") from None
    if not found:
        raise UsageError(f"{option} {path}: no satellite in it; give two-line elements, with names or without")
    return tuple(found)


def _sets(lines: list[str], file: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield for each satellite the number of its first line, its name, and the two lines."""
    name, at = "", 0
    while at < len(lines):
        line = lines[at].rstrip()
        if line.startswith("1 ") and len(line) >= _LONG - 1:
            second = lines[at + 1].rstrip() if at + 1 < len(lines) else ""
            yield at + 1, name, line, second
            name, at = "", at + 2
            continue
        if line and not line.startswith("#"):
            if name:
                raise UsageError(f"{file}, line {at + 1}: '{line:.30}' is no first line of two-line elements")
            name = line.removeprefix("0 ").strip()
        at += 1
    if name:
        raise UsageError(f"{file}: ends after the name '{name:.30}', without the two lines of its elements")


def _orbit(name: str, first: str, second: str) -> Orbit:
    """Return the orbit in two lines. ValueError if they are no elements."""
    if not second.startswith("2 ") or len(second) < _LONG - 1 or second[2:7] != first[2:7]:
        raise ValueError(f"no second line of the elements of {first[2:7]} follows: '{second:.30}'")
    for line in (first, second):
        if len(line) >= _LONG and line[_LONG - 1].isdigit() and compute_checksum(line) != int(line[_LONG - 1]):
            raise ValueError(f"the checksum of '{line:.20}...' is not {line[_LONG - 1]}: it was changed")
    record = Satrec.twoline2rv(first, second)
    if record.error or not math.isfinite(record.jdsatepoch + record.jdsatepochF):
        raise ValueError(f"'{first:.20}...' are no elements that sgp4 takes")
    epoch = (record.jdsatepoch - JD_OF_MJD_0 + record.jdsatepochF) * SECONDS_PER_DAY
    number = first[2:7].strip()
    return Orbit(name or f"satellite {number}", number, epoch, record)
