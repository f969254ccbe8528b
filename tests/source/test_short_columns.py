"""Short columns that repeat are read once: what the pattern says of rows is what is on file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.source.dumped import short
from fip.source.index.pattern import NAMES, Pattern
from fip.source.open_run import read_index
from fip.source.tables.measurement_set import MeasurementSet
from support import small_ms
from support.cut_slices import PAIRS, cut

ROWS = [range(PAIRS), range(PAIRS, 2 * PAIRS), range(5, 27), range(4 * PAIRS)]


def chunk(columns: small_ms.Columns, first: int, end: int) -> dict[str, NDArray[Any]]:
    """Some rows of a set."""
    return {name: columns[name][first:end] for name in ("TIME", *NAMES)}


@pytest.mark.parametrize("step", [3, PAIRS, 4 * PAIRS], ids=["parts", "dumps", "at once"])
def test_what_repeats_is_told(step: int) -> None:
    """However many rows came at a time."""
    columns, pattern = small_ms.rows(4), Pattern()
    if step < PAIRS:  # the first rows show how many a dump has
        pattern.add(chunk(columns, 0, PAIRS))
    for first in range(PAIRS if step < PAIRS else 0, 4 * PAIRS, step):
        pattern.add(chunk(columns, first, min(first + step, 4 * PAIRS)))
    for rows in ROWS:
        for name in NAMES:
            np.testing.assert_array_equal(pattern.column(name, rows), columns[name][rows.start : rows.stop])
    assert [pattern.one_time(rows) for rows in ROWS] == [True, True, False, False]


@pytest.mark.parametrize("name", ["TIME", "ANTENNA1", "INTERVAL"])
def test_rows_from_where_it_no_longer_repeats_are_read(name: str) -> None:
    """The pattern is that of the rows before."""
    columns, pattern = small_ms.rows(4), Pattern()
    columns[name][2 * PAIRS + 3] += 1
    for first in range(0, 4 * PAIRS, PAIRS):
        pattern.add(chunk(columns, first, first + PAIRS))
    assert pattern.rows == 2 * PAIRS
    assert pattern.column("ANTENNA2", range(PAIRS, 2 * PAIRS)) is not None
    assert pattern.column("ANTENNA2", range(PAIRS, 2 * PAIRS + 1)) is None
    assert not pattern.one_time(range(3 * PAIRS, 4 * PAIRS))


def test_a_set_is_read_by_its_pattern(tmp_path: Path) -> None:
    """The columns of each dump are those on file, TIME in UTC among them."""
    main = MeasurementSet(small_ms.write(tmp_path / "repeats.ms", small_ms.rows(4)))
    pattern = read_index(main).pattern
    assert pattern is not None
    assert pattern.rows == 4 * PAIRS
    for rows in map(main.rows, ROWS):
        for name in ("TIME", *NAMES):
            np.testing.assert_array_equal(short(rows, pattern, name), rows.column(name))
    main.close()


def test_slices_of_a_set_that_does_not_repeat(tmp_path: Path) -> None:
    """A baseline less in the second dump: each slice has its own rows."""
    columns = {name: np.delete(values, PAIRS + 4, axis=0) for name, values in small_ms.rows(3).items()}
    path = small_ms.write(tmp_path / "less.ms", columns)
    assert [len(piece.blocks[0].uvw) for piece in cut(path)] == [PAIRS, PAIRS - 1, PAIRS]
