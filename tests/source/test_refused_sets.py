"""MeasurementSets that cannot be imaged, and selections that cannot be met: each is said in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore import tables

from fip.data.errors import FipError, UsageError
from fip.data.settings import Asked, Imaging, Selection
from fip.source.open_run import open_run
from support import small_ms
from support.cut_slices import cut


def without_rows(path: Path) -> None:
    """The same set, with no row in it."""
    shutil.rmtree(path)
    small_ms.write(path, {name: values[:0] for name, values in small_ms.rows().items()})


def subtable(name: str, column: str, value: Any) -> Callable[[Path], None]:
    """Overwrite a column of a subtable."""
    return lambda path: small_ms.change(path / name, column, lambda old: np.full_like(old, value))


def main_column(column: str, value: Any) -> Callable[[Path], None]:
    """Overwrite a column of the main table."""
    return lambda path: small_ms.change(path, column, lambda old: np.full_like(old, value))


def empty_subtable(name: str) -> Callable[[Path], None]:
    """Leave no row in a subtable."""

    def alter(path: Path) -> None:
        with small_ms.edit(path / name) as table:
            table.removerows(list(range(table.nrows())))

    return alter


def autocorrelations_only(path: Path) -> None:
    """Make every row an autocorrelation."""
    with small_ms.edit(path) as table:
        table.putcol("ANTENNA2", table.getcol("ANTENNA1"))


def without_data(path: Path) -> None:
    """Remove DATA, and add FLOAT_DATA."""
    with small_ms.edit(path) as table:
        table.renamecol("DATA", "FLOAT")
        table.removecols("FLOAT")
        table.addcols(tables.maketabdesc([tables.makearrcoldesc("FLOAT_DATA", 0.0, ndim=2)]))


def remove_subtable(path: Path) -> None:
    """Delete the folder of a subtable."""
    shutil.rmtree(path / "FIELD")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (shutil.rmtree, "no such file"),
        (lambda path: (path / "table.dat").unlink(), "not a MeasurementSet"),
        (without_rows, "no rows"),
        (main_column("UVW", 0), "UVW is zero"),
        (main_column("UVW", np.nan), "UVW is zero or not finite"),
        (main_column("WEIGHT", 0), "no weight in WEIGHT"),
        (main_column("WEIGHT", np.nan), "no weight in WEIGHT"),
        (main_column("TIME", np.nan), "TIME is not finite"),
        (main_column("FIELD_ID", 3), "row 3 of subtable FIELD"),
        (main_column("DATA_DESC_ID", -1), "row -1 of subtable DATA_DESCRIPTION"),
        (main_column("ANTENNA2", 9), "antenna 9"),
        (autocorrelations_only, "autocorrelations only"),
        (without_data, "FLOAT_DATA"),
        (remove_subtable, "FIELD"),
        (empty_subtable("POLARIZATION"), "POLARIZATION"),
        (empty_subtable("ANTENNA"), "ANTENNA"),
        (subtable("POLARIZATION", "CORR_TYPE", 10), "cannot be formed"),
        (subtable("SPECTRAL_WINDOW", "CHAN_FREQ", 1e9), "same frequency twice"),
        (subtable("SPECTRAL_WINDOW", "CHAN_FREQ", 0), "CHAN_FREQ is not positive"),
        (subtable("FIELD", "PHASE_DIR", np.nan), "not a direction"),
        (lambda path: small_ms.set_frame(path, "FIELD", "PHASE_DIR", "MARTIAN"), "frame MARTIAN"),
        (lambda path: small_ms.set_frame(path, "", "TIME", "LAST"), "frame LAST"),
    ],
)
def test_what_cannot_be_imaged_is_said_in_one_line(ms: Path, spoil: Callable[[Path], Any], says: str) -> None:
    """It comes before any work is done, with the file's name, what was found, and exit code 2."""
    spoil(ms)
    with pytest.raises(FipError) as raised:
        cut(ms)
    message = str(raised.value)
    assert says in message
    assert str(ms) in message
    assert "\n" not in message
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (Asked(source=Selection(column="CORRECTED_DATA")), "no such column of visibilities, but DATA"),
        (Asked(source=Selection(subtract_model=True)), "MODEL_DATA"),
        (Asked(Imaging(size=(101, 100))), "even"),
        (Asked(Imaging(size=(0, 0))), "even"),
        (Asked(Imaging(size=(10**6, 10**6))), "even"),
        (Asked(Imaging(scale=0.0)), "positive angle"),
        (Asked(Imaging(scale=float("nan"))), "positive angle"),
        (Asked(Imaging(stokes=("XY",))), "cross hands"),
        (Asked(Imaging(stokes=("RR",))), "cannot be formed"),
    ],
)
def test_a_selection_that_cannot_be_met_is_refused(ms: Path, selection: Asked, says: str) -> None:
    """The line names the option and what would work."""
    with pytest.raises(UsageError, match=says):
        open_run(ms, selection)


def test_cells_that_differ_from_the_subtables_are_refused(tmp_path: Path) -> None:
    """More channels in DATA than in SPECTRAL_WINDOW: no guess which ones are meant."""
    path = small_ms.write(tmp_path / "odd.ms", small_ms.rows(1))
    with small_ms.edit(path / "SPECTRAL_WINDOW") as sub:
        sub.putcell("CHAN_FREQ", 0, small_ms.BAND[:2])
        sub.putcell("CHAN_WIDTH", 0, np.ones(2))
    with pytest.raises(UsageError, match="4 channels"):
        open_run(path, Asked())
