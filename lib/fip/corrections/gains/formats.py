"""The formats of tables of gains."""

from pathlib import Path

from fip.corrections.gains.asked import Asked
from fip.corrections.gains.casa_solutions import read_casa_table
from fip.corrections.gains.casa_table import is_casa_table
from fip.corrections.gains.h5parm import read_h5parm
from fip.corrections.gains.source import Source
from fip.corrections.gains.telstate_file import is_solution, read_telstate_file
from fip.corrections.observed import Expected
from fip.data.errors import InputError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # begins a file of HDF5


def is_h5parm(path: Path) -> bool:
    """Return whether a path is a file of HDF5."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def is_table(path: Path) -> bool:
    """Return whether a path is one table of gains, of any format."""
    return is_casa_table(path) or is_h5parm(path) or is_solution(path)


def read_table(asked: Asked, expected: Expected) -> Source:
    """Read one table, checked against the recording. InputError if it cannot be applied."""
    if is_casa_table(asked.path):
        return read_casa_table(asked, expected)
    if asked.path.is_file() and is_h5parm(asked.path):
        return read_h5parm(asked, expected)
    if is_solution(asked.path):
        return read_telstate_file(asked, expected)
    raise InputError(f"{asked.label}: no such table: neither a CASA table nor an h5parm file")
