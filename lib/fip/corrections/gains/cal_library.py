"""Reading a CASA cal library: a text in which each line says a table of gains and how to apply it.

A line reads `caltable='cal.B' tinterp='nearest' finterp='linearflag' spwmap=[0,0] fldmap='nearest' calwt=True`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from fip.corrections.gains.asked import Asked
from fip.corrections.gains.interpolation import How
from fip.data.errors import InputError

KEYS = ("caltable", "tinterp", "finterp", "fldmap", "spwmap", "calwt")
_SELECTIONS = ("field", "spw", "obs", "intent", "obsmap", "antmap")
_WORD = re.compile(r"""\s*(?P<key>\w+)\s*=\s*(?P<value>'[^']*'|"[^"]*"|\[[^\]]*\]|[^\s,]+)\s*,?""")
_LONGEST = 1 << 20  # bytes


def is_cal_library(path: Path) -> bool:
    """Return whether a file looks like one: a text that names a caltable."""
    with path.open("rb") as file:
        return b"caltable" in file.read(_LONGEST)


def read_cal_library(path: Path) -> tuple[Asked, ...]:
    """Return its tables, in the order of its lines. InputError, with the line, for what is no table.

    A relative path is beside the library; if it is not there, it is in the working directory.
    """
    try:
        text = path.read_bytes()[:_LONGEST].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--gains {path}: cannot be read as a cal library: {error}") from None
    found = [
        _asked(f"{path}: line {number}", path, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not found:
        raise InputError(f"--gains {path}: names no table (a line reads caltable='cal.B' tinterp='linear')")
    return tuple(found)


def _asked(where: str, library: Path, line: str) -> Asked:
    said = dict(_words(where, line))
    if "caltable" not in said:
        raise InputError(f"{where}: names no caltable")
    in_time, _ = _how(where, "tinterp", str(said.get("tinterp", "")), flags=False)
    in_frequency, flags = _how(where, "finterp", str(said.get("finterp", "")), flags=True)
    scales = said.get("calwt", True)
    if not isinstance(scales, bool):
        raise InputError(f"{where}: calwt={scales!r} is neither True nor False")
    name = Path(str(said["caltable"]))
    beside = library.parent / name
    return Asked(
        path=beside if beside.exists() else name,
        in_time=in_time,
        in_frequency=in_frequency,
        fills_gaps=not flags,
        window_map=_numbers(where, "spwmap", said.get("spwmap", [])),
        field_map=_fields(where, said.get("fldmap", [])),
        scales_weights=scales,
        where=where,
    )


def _words(where: str, line: str) -> Iterator[tuple[str, Any]]:
    at = 0
    while line[at:].strip() and not line[at:].lstrip().startswith("#"):
        word = _WORD.match(line, at)
        if word is None:
            raise InputError(f"{where}: {line[at:].strip()!r} is no KEY=VALUE of a cal library")
        key, value = word["key"], word["value"]
        if key in _SELECTIONS:
            raise InputError(f"{where}: {key} is not supported: FIP applies a table to all that it images")
        if key not in KEYS:
            raise InputError(f"{where}: {key} is no key of a cal library ({', '.join(KEYS)})")
        try:
            yield key, ast.literal_eval({"T": "True", "F": "False", "true": "True", "false": "False"}.get(value, value))
        except (ValueError, SyntaxError):
            raise InputError(f"{where}: {key}={value} is no value (texts have quotes, lists brackets)") from None
        at = word.end()


def _how(where: str, key: str, text: str, flags: bool) -> tuple[How | None, bool]:
    """Return how to interpolate, None if it is not said; and whether flagged channels stay flagged."""
    if not text:
        return None, False
    marked = flags and text.endswith("flag")
    how = text.removesuffix("flag") if marked else text
    for each in get_args(How):
        if how == each:
            return each, marked
    allowed = "nearest, linear" + (", nearestflag, linearflag" if flags else "")
    raise InputError(f"{where}: {key}={text!r} is not supported ({allowed})")


def _numbers(where: str, key: str, value: Any) -> tuple[int, ...]:
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    if numbers in ([-1], [""]):
        return ()
    if not all(type(each) is int and each >= 0 for each in numbers):
        raise InputError(f"{where}: {key}={value!r} is no list of numbers, as [0,0,1]")
    return tuple(numbers)


def _fields(where: str, value: Any) -> tuple[int, ...] | str:
    if isinstance(value, str):
        return value or ()
    return _numbers(where, "fldmap", value)
