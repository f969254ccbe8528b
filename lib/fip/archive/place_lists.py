"""A list of places with names, from a file: to take light curves of, or to be watched."""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fip.archive.lightcurve import Named, parse_position
from fip.data.errors import UsageError
from fip.data.names import is_label

MOST_PLACES = 10_000
_LARGEST = 1 << 24  # bytes
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_HEADS = ("name", "id", "source", "source_id")


def parse_places(path: Path, option: str = "--list") -> tuple[Named, ...]:
    """The places of a file, in its order: a line for each, its name and the place, with blanks or commas between.

    Places are written as anywhere else, or, below a first line `name,ra,dec` and in ECSV, as numbers in degrees (ICRS).
    Lines that are blank or begin with # count for nothing. UsageError, with the number of the line, for one that is
    not so, for a name that is no label or is there twice, and if there is no place at all.
    """
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{option} {path}: is no file; give one with a line for each place")
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"{option} {path}: is larger than {_LARGEST >> 20} MB, and no list of places")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(f"{option} {path}: cannot be read: {said}") from None
    found: dict[str, Named] = {}
    for number, name, place in _fields(lines):
        try:
            if not is_label(name):
                raise ValueError(f"'{name:.40}' is no name: give 1 to 64 of A-Z a-z 0-9 . _ + -, and after it a place")
            if name in found:
                raise ValueError(f"{name} is there already")
            if len(found) == MOST_PLACES:
                raise ValueError(f"there are more than {MOST_PLACES} places")
            found[name] = Named(name, parse_position(place))
        except ValueError as error:
            raise UsageError(f"{option} {path}, line {number}: {error}") from None
    if not found:
        raise UsageError(f"{option} {path}: no place in it; give a line for each, as `NAME 05h31m58.7s +33d08m52s`")
    return tuple(found.values())


def _fields(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Number of the line, name and place as it is written."""
    columns: list[str] | None = None
    first = True
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = next(csv.reader([line])) if "," in line else line.split()
        words = [word.strip() for word in words]
        if first and words[0].lower() in _HEADS:
            columns = [word.lower() for word in words]
        else:
            yield number, *_named(words, columns)
        first = False


def _named(words: list[str], columns: list[str] | None) -> tuple[str, str]:
    """Name and place of the words of a line; numbers in columns ra and dec are degrees."""
    if columns and "ra" in columns and "dec" in columns and len(words) == len(columns):
        ra, dec = (words[columns.index(name)] for name in ("ra", "dec"))
        bare = _NUMBER.fullmatch(ra) and _NUMBER.fullmatch(dec)
        return words[0], f"ICRS {ra}deg {dec}deg" if bare else f"{ra} {dec}"
    return words[0], " ".join(words[1:])
