"""The tables of a search, read again: of whatever version, and whoever has edited them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.table import Table

from fip.data.errors import UsageError

_REMEDY = "`fip detect` writes it anew"


def read_table(path: Path, numbers: Iterable[str], texts: Iterable[str] = ()) -> Table:
    """A table in ECSV that has these columns, with a number in each row of the former; more may be there.

    UsageError, for one line, if it is not to be read or has not.
    """
    try:
        table = Table.read(path, format="ascii.ecsv")
    except (OSError, ValueError) as error:
        said = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise UsageError(f"{path}: cannot be read: {said:.200}; {_REMEDY}") from None
    numbers = tuple(numbers)
    for name in (*numbers, *texts):
        if name not in table.colnames:
            raise UsageError(f"{path}: it has no column {name}: it is not as `fip detect` writes it; {_REMEDY}")
    for name in numbers if len(table) else ():
        if table[name].dtype.kind not in "iufb" or np.ma.is_masked(table[name]):
            raise UsageError(f"{path}: column {name} has something else than numbers; {_REMEDY}")
    return table
