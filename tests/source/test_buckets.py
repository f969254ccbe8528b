"""Short columns that are read from StandardStMan's buckets: what is on file, or left to casacore."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.source.tables.buckets import Buckets, Index, read_index
from fip.source.tables.measurement_set import MeasurementSet
from support import small_ms

SHORT = ("TIME", "ANTENNA2", "EXPOSURE", "FLAG_ROW", "UVW", "WEIGHT")
ROWS = 130  # the last bucket is not full: casacore has 32 in each


def written(path: Path) -> Path:
    """Write thirteen integrations of ten baselines, with every value another."""
    small_ms.write(path, small_ms.rows(13))
    rng = np.random.default_rng(2)
    small_ms.change(path, "WEIGHT", lambda weight: rng.normal(size=weight.shape).astype(np.float32))
    small_ms.change(path, "EXPOSURE", lambda seconds: rng.uniform(1, 9, seconds.shape))
    small_ms.change(path, "FLAG_ROW", lambda flag: rng.random(flag.shape) < 0.5)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set that must not be changed."""
    return written(tmp_path_factory.mktemp("buckets") / "short.ms")


def on_file(path: Path, name: str) -> NDArray[Any]:
    """A column as casacore has it."""
    with small_ms.edit(path) as table:
        return np.asarray(table.getcol(name))


def same(found: NDArray[Any] | None, expected: NDArray[Any]) -> bool:
    """Whether they are, in every bit."""
    assert found is not None
    return (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize(
    "rows",
    [range(ROWS), range(40, 50), range(31, 33), range(127, ROWS), range(5, 99, 7), np.array([0, 31, 32, 64, 129])],
    ids=str,
)
def test_any_rows(path: Path, name: str, rows: range | NDArray[np.int64]) -> None:
    """Within a bucket, over their edges, and one here and there."""
    main = MeasurementSet(path)
    assert same(main.buckets.column(name, rows), on_file(path, name)[rows])
    main.close()


def test_rows_that_were_removed_leave_buckets_of_any_length(tmp_path: Path) -> None:
    """One loses a few rows, one all, and its place is taken by what comes later; weights are moved about."""
    short = written(tmp_path / "removed.ms")
    with small_ms.edit(short) as table:
        table.removerows([3, 4, 11, *range(64, 96)])
        table.addrows(60)
        first = table.nrows() - 60
        for name in SHORT:
            table.putcol(name, table.getcol(name, 0, 60), first, 60)
        table.putcell("WEIGHT", 20, np.arange(4, dtype=np.float32))
    main = MeasurementSet(short)
    for name in SHORT:
        expected = on_file(short, name)
        for rows in (range(len(expected)), range(50, 80), range(first - 9, first + 40)):
            assert same(main.buckets.column(name, rows), expected[rows.start : rows.stop])
    main.close()


def test_rows_that_come(tmp_path: Path) -> None:
    """A set that grows has them, once it is looked at again."""
    short = written(tmp_path / "grows.ms")
    main = MeasurementSet(short, growing=True)
    assert main.buckets.column("UVW", range(ROWS)) is not None
    with small_ms.edit(short) as table:
        table.addrows(200)
        table.putcol("UVW", np.random.default_rng(1).normal(size=(200, 3)), ROWS, 200)
    main.refresh()
    assert same(main.buckets.column("UVW", range(100, ROWS + 200)), on_file(short, "UVW")[100:])
    main.close()


def test_cells_without_a_value_or_of_several_shapes_are_left_to_casacore(tmp_path: Path) -> None:
    """They are in the file of arrays, each with its own shape."""
    short = written(tmp_path / "cells.ms")
    with small_ms.edit(short) as table:
        table.putcell("WEIGHT", 7, np.ones(2, np.float32))
        table.addrows(1)
    main = MeasurementSet(short)
    assert main.buckets.column("WEIGHT", range(6)) is None  # casacore cannot read the last row: nothing is believed
    main.close()
    with small_ms.edit(short) as table:
        table.putcell("WEIGHT", ROWS, np.ones(4, np.float32))
    main = MeasurementSet(short)
    assert main.buckets.column("WEIGHT", range(5, 9)) is None
    assert main.buckets.column("WEIGHT", range(8, 99)) is not None
    main.close()


def test_what_casacore_does_not_read_so_is_not_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the layout were misunderstood: here a column is looked for in the place of another."""
    monkeypatch.setattr("fip.source.tables.buckets._place", lambda *_: (0, 0))
    main = MeasurementSet(path)
    assert main.buckets.column("UVW", range(9)) is not None  # which is there
    assert main.buckets.column("TIME", range(9)) is None
    assert same(main.rows(range(9)).column("TIME"), on_file(path, "TIME")[:9])
    main.close()


def test_a_file_that_is_too_short_is_left_to_casacore(tmp_path: Path) -> None:
    """Nothing is read beyond its end."""
    short = written(tmp_path / "cut.ms")
    main = MeasurementSet(short)
    assert main.buckets.column("UVW", range(9)) is not None
    (file,) = short.glob("table.f*i")
    for each in (file.with_name(file.name[:-1]), file):
        with each.open("r+b") as content:
            content.truncate(each.stat().st_size // 2)
    assert main.buckets.column("UVW", range(9)) is None
    main.close()


def test_damage_is_left_to_casacore(tmp_path: Path) -> None:
    """Whatever octet of header, index or `table.dat` is another: the same values, or none."""
    short = written(tmp_path / "damaged.ms")
    main = MeasurementSet(short)
    (file,) = short.glob("table.f*i")
    file = file.with_name(file.name[:-1])
    whole, expected = file.read_bytes(), on_file(short, "UVW")
    header = [*range(80)]
    index = [at for at in range(512, len(whole)) if b"SSMIndex" in whole[at : at + 130]]
    for at in (*header, *index):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        found = Buckets(short, main.table).column("UVW", range(ROWS))
        assert found is None or same(found, expected)
    file.write_bytes(whole)
    main.close()


def test_an_index_that_cannot_be() -> None:
    """Buckets that are not there, are there twice, have more rows than they hold, or none."""
    for last, bucket in (([31, 63], [0, 9]), ([31, 63], [1, 1]), ([31, 70], [0, 1]), ([31, 31], [0, 1]), ([], [])):
        with pytest.raises(ValueError, match="an index that is none"):
            Index.of(np.array(last, np.uint32), np.array(bucket, np.uint32), 32, 100, 3)
    with pytest.raises(ValueError):
        read_index(bytes(4000), 0)
