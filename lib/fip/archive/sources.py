"""`fip sources`: the tables that the stage `sources` has left behind the images of a directory, as one."""

from contextlib import closing
from io import StringIO
from pathlib import Path

from astropy.io import fits
from astropy.table import Column, QTable, Table, vstack

from fip.archive.entries import Entry
from fip.archive.file_names import LEDGER
from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.data.quantities import SECONDS_PER_DAY

TABLE = "SOURCES"


def sources_ecsv(directory: Path) -> str:
    """All sources of all images, earliest image first, as an ECSV table. UsageError if no image has such a table."""
    if not (directory / LEDGER).exists():
        raise UsageError(f"{directory} is not a directory of images, as `fip run` leaves it: there is no {LEDGER}")
    with closing(Ledger(directory, read_only=True)) as ledger:
        found = [table for entry in ledger.entries() if (table := _of_image(directory, entry)) is not None]
    if not found:
        raise UsageError(f"{directory}: no image has a table {TABLE}: image it with --stage sources")
    text = StringIO()
    QTable(vstack(found, metadata_conflicts="silent")).write(text, format="ascii.ecsv")
    return text.getvalue()


def _of_image(directory: Path, entry: Entry) -> Table | None:
    """The sources of one image, with its name, quality and time; None if it has no such table."""
    path = directory / entry.file
    try:
        with fits.open(path, memmap=False) as file:
            if TABLE not in file:
                return None
            table = Table(file[TABLE].data)
            for name in table.colnames:
                table[name].unit = file[TABLE].columns[name].unit
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error}; `fip verify` says what is missing") from None
    table.meta.clear()
    for name, value in (("quality", entry.quality), ("mjd", entry.average / SECONDS_PER_DAY), ("file", entry.file)):
        table.add_column(Column([value] * len(table), name, dtype=float if name == "mjd" else str), index=0)
    table["mjd"].unit = "d"
    return table
