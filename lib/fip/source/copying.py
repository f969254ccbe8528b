"""A part of a MeasurementSet as a set of its own: the rows of some slices, and all subtables. In a reading child."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fip.data.arriving import Writing
from fip.data.errors import InputError, UsageError, first_line
from fip.data.names import RunId
from fip.data.quantities import exact_angle, format_size
from fip.data.settings import Asked
from fip.source.requests import Held, run_with
from fip.source.spooled.export import copy_integrations
from fip.source.spooled.recording import Spooled
from fip.source.tables.measurement_set import MeasurementSet
from fip.source.tables.subtable_reader import UNREADABLE
from fip.spool.layout import is_spool


@dataclass(frozen=True, eq=False)
class Part:
    """The rows that some slices of a run are made of."""

    slices: tuple[int, ...]
    rows: NDArray[np.int64]  # on file, [row], ascending
    share: float  # of all rows of the set
    settled: dict[str, str]  # options that the whole set has settled, as a person writes them


def part_of(
    path: Path,
    asked: Asked,
    writing: Writing | None,
    run: RunId,
    field: str,
    first: int,
    end: int,
    held: Held | None = None,
) -> Part:
    """Return the slices of a run from `first` up to `end` that are of a field, by its label, and their rows.

    InputError if it is another run now, or cannot be read; UsageError if it is no MeasurementSet.
    """
    found = run_with(path, asked, writing, run, max(0, first), held)
    main = found.picked.main
    if asked.source.join:
        raise UsageError(f"{path}: was joined with other sets: its rows and theirs cannot be copied into one")
    if not isinstance(main, MeasurementSet | Spooled):
        raise UsageError(f"{path}: no MeasurementSet, but read by another package: its rows cannot be copied")
    here = range(max(0, first), min(end, len(found.slices)))
    slices = tuple(number for number in here if found.slices[number].label == field)
    if not slices:
        raise InputError(f"{path}: has no slice from {first} up to {end} of field {field!r}")
    if isinstance(main, Spooled):
        oldest = main.spool.oldest()
        slices = tuple(number for number in slices if found.slices[number].integrations[0] >= oldest)
        if not slices:
            raise InputError(f"{path}: all slices from {first} up to {end} have left the ring")
    grid = found.grids[found.slices[slices[0]].field]
    settled = {
        "size": format_size((grid.width, grid.height)), "scale": exact_angle(grid.scale),
        "column": found.readers[0].columns.visibility,
    }  # fmt: skip
    rows = np.unique(np.concatenate([found.row_numbers(number) for number in slices]))
    return Part(slices, rows, rows.size / len(main), settled)


def copy_rows(path: Path, rows: NDArray[np.int64], output: Path) -> None:
    """Write some rows of a MeasurementSet, with all of its subtables, as a new one. Not all need be on disk then.

    From a spool the whole integrations of these rows are written.

    InputError if the rows cannot be read, or the new set cannot be written.
    """
    if is_spool(path):
        copy_integrations(path, rows, output)
        return
    with closing(MeasurementSet(path)) as main:
        try:
            main.table.selectrows(rows).copy(str(output), deep=True, valuecopy=True).close()
        except (*UNREADABLE, OSError) as error:
            raise InputError(f"{output}: the rows cannot be copied there from {path}: {first_line(error)}") from None
