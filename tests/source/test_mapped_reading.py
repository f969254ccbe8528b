"""Columns that are read from mapped files: a slice is the same, bit for bit, as the one that casacore reads."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.selection import Average
from fip.data.settings import Asked, asked
from fip.data.values import Slice
from fip.imaging import forming
from fip.imaging.compression import compress
from fip.source.open_run import open_run
from fip.source.recording import MappedRows
from fip.source.tables.buckets import Buckets
from fip.source.tables.measurement_set import MeasurementSet
from fip.source.tables.tiles import Tiles
from fip.wire.codec import encode_slice
from support import small_ms

Unpack = Callable[[str], Path]
BAND = np.linspace(1.0e9, 1.02e9, 21)
MOST = 3  # slices of a real set


def cut(path: Path, how: Asked, most: int = MOST) -> list[tuple[Slice, Slice]]:
    """Slices as they are read, and as they are sent."""
    run = open_run(path, how)
    try:
        return [
            (run.read(number), run.read_with_antennas(number, compressed=True)[0])
            for number in range(min(most, len(run.slices)))
        ]
    finally:
        run.close()


def frames(slices: list[tuple[Slice, Slice]]) -> list[list[bytes]]:
    """Return all bits of all slices."""
    return [[bytes(frame) for frame in encode_slice(each)] for pair in slices for each in pair]


def both_ways(path: Path, how: Asked, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Compare slices read by casacore with those that need not be; return how often columns were mapped."""
    mapped, cells, column = Counter[str](), Tiles.cells, Buckets.column

    def counted(tiles: Tiles, name: str, shape: tuple[int, ...], rows: Any) -> forming.Cells | None:
        found = cells(tiles, name, shape, rows)
        mapped[name] += found is not None
        return found

    def counted_column(buckets: Buckets, name: str, rows: Any) -> NDArray[Any] | None:
        found = column(buckets, name, rows)
        mapped[name] += found is not None
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Tiles, "cells", counted)
        patched.setattr(Buckets, "column", counted_column)
        here = frames(cut(path, how))
    with monkeypatch.context() as patched:
        patched.setattr(Tiles, "cells", lambda *_: None)
        patched.setattr(Buckets, "column", lambda *_: None)
        assert frames(cut(path, how)) == here
    return mapped


MAPPED = {
    "aavs3_sun": True, "casa_vlba_j1033": True, "dp3_bda_windows": False, "eht_sgra_two_scans": True,
    "gmrt_1543p480": False, "pyuvdata_ata_garbled": True, "pyuvdata_sim_bda": True, "vla_day2_jitter": True,
    "vla_frb121102": True, "wsrt_3c343": False,
}  # fmt: skip
"""Whether visibilities are mapped: not if they are in StandardStMan, or if channels are in another order."""


@pytest.mark.data
@pytest.mark.parametrize("name", MAPPED)
def test_real_sets_are_the_same_either_way(real_ms: Unpack, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten writers, with zeros, garbled numbers and flags as they are."""
    mapped = both_ways(real_ms(name), asked(size=(256, 256)), monkeypatch)
    assert any(mapped[each] for each in ("DATA", "CORRECTED_DATA")) == MAPPED[name]


def noise(columns: small_ms.Columns, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
    """Other numbers in each sample."""
    parts = np.random.default_rng(1).normal(size=(2, len(columns["TIME"]), frequency.size, count))
    return np.asarray(parts[0] + 1j * parts[1])


def spoilt(path: Path, manager: str = "", tile: int = 0) -> Path:
    """Three integrations with all that can be wrong; in tiles of so many rows, or as casacore puts them by itself."""
    tiles = (manager, tile) if manager else None
    small_ms.write(path, small_ms.rows(3), bands=(BAND,), data={"DATA": noise}, tiles=tiles)
    spoil(path)
    return path


def spoil(path: Path, seed: int = 3) -> None:
    """Flags, zeros, NaN, numbers that are none, weights that are none, and a row that is flagged."""
    rng = np.random.default_rng(seed)

    def spoilt(data: NDArray[Any]) -> NDArray[Any]:
        data[rng.random(data.shape[:2]) < 0.02] = 0
        data[3, 2, 0], data[5, 1, 3], data[8, 0, 1] = np.nan, 1e20, np.inf
        return data

    small_ms.change(path, "DATA", spoilt)
    small_ms.change(
        path, "FLAG", lambda flag: flag | (rng.random(flag.shape) < 0.1) | (np.arange(len(flag)) == 7)[:, None, None]
    )
    small_ms.change(path, "WEIGHT", lambda weight: weight * rng.uniform(0.5, 2, weight.shape))
    small_ms.change(path, "FLAG_ROW", lambda flag: flag | (np.arange(len(flag)) == 11))


CASES: dict[str, dict[str, Any]] = {
    "I": {},
    "IQUV": {"stokes": ("I", "Q", "U", "V")},
    "one hand": {"stokes": ("XX",)},
    "pseudoI": {"stokes": ("pseudoI",)},
    "zeros kept": {"keep_zeros": True},
    "double": {"epsilon": 1e-8},
    "robust": {"weight": "briggs", "robust": 0.0},
    "sub-bands": {"channels_out": 3},
    "average": {"average": Average(2, "integrations")},
}


@pytest.fixture(scope="module")
def spoilt_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set that casacore reads."""
    return spoilt(tmp_path_factory.mktemp("mapped") / "plain.ms")


@pytest.mark.parametrize("manager", ["TiledColumnStMan", "TiledShapeStMan"])
@pytest.mark.parametrize("tile", [1, 7, 512])
def test_tiles_of_any_length(
    spoilt_set: Path, tmp_path: Path, manager: str, tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flags of 7 rows of 84 samples do not fill their last octet; casacore's own way is that of the same set."""
    path = spoilt(tmp_path / "tiled.ms", manager, tile)
    mapped = both_ways(path, asked(size=(64, 64)), monkeypatch)
    assert mapped["DATA"]
    assert mapped["FLAG"]
    assert frames(cut(path, asked(size=(64, 64))))[0][1:] == frames(cut(spoilt_set, asked(size=(64, 64))))[0][1:]


@pytest.mark.parametrize("name", CASES)
def test_whatever_is_asked_for(spoilt_set: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All planes, weights and precisions agree."""
    path = spoilt(tmp_path / "tiled.ms", "TiledColumnStMan", 16)
    mapped = both_ways(path, asked(size=(64, 64), **CASES[name]), monkeypatch)
    assert all(mapped[each] for each in ("DATA", "UVW", "WEIGHT", "FLAG_ROW"))


@pytest.mark.parametrize("name", CASES)
def test_compiled_code_and_numpy_agree(spoilt_set: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no machine code may be made: the same counts, and numbers to the rounding of single precision.

    A weight is made by 4 operations and a visibility by 4 more: 8 roundings of 2^-24 each.
    """
    how = asked(size=(64, 64), **CASES[name])
    compiled = cut(spoilt_set, how)
    monkeypatch.setattr(forming, "_compiled", lambda: None)
    for (one, _), (other, _) in zip(compiled, cut(spoilt_set, how), strict=True):
        assert (one.visibilities.tolist(), one.zeros, one.garbled, one.samples, one.complete) == (
            other.visibilities.tolist(), other.zeros, other.garbled, other.samples, other.complete,
        )  # fmt: skip
        for a, b in zip(one.blocks, other.blocks, strict=True):
            np.testing.assert_array_equal(a.uvw, b.uvw)
            np.testing.assert_allclose(a.weight, b.weight, rtol=8 * 2**-24)
            np.testing.assert_allclose(a.visibility, b.visibility, rtol=0, atol=8 * 2**-24 * np.abs(b.visibility).max())


def test_what_is_sent_is_what_is_read_compressed(spoilt_set: Path) -> None:
    """Compressed while it is read, a slice has the blocks that it has if it is compressed later."""
    for read, sent in cut(spoilt_set, asked(size=(64, 64), stokes=("I", "V"))):
        for a, b in zip(compress(read).blocks, sent.blocks, strict=True):
            np.testing.assert_array_equal(a.uvw, b.uvw)
            np.testing.assert_array_equal(a.frequency, b.frequency)
            np.testing.assert_allclose(a.visibility, b.visibility, rtol=0, atol=1e-6 * np.abs(a.visibility).max())
        assert (read.effective, read.fingerprint, read.times) == (sent.effective, sent.fingerprint, sent.times)


def test_a_file_that_is_too_short_is_left_to_casacore(tmp_path: Path) -> None:
    """It is not read beyond its end, which would kill the process: the slice fails with a line that names the set."""
    path = spoilt(tmp_path / "short.ms", "TiledColumnStMan", 4)
    run = open_run(path, asked(size=(64, 64)))
    (file,) = (each for each in path.glob("table.f*_TSM0") if each.stat().st_size == 8 * 4 * 21 * 4 * 8)
    with file.open("r+b") as content:
        content.truncate(file.stat().st_size // 2)
    rows = run.picked.main.rows(range(20, 30))
    assert isinstance(rows, MappedRows)
    assert rows.cells("DATA", (21, 4)) is None
    assert rows.cells("FLAG", (21, 4)) is not None
    run.close()


def test_rows_that_come_are_mapped_anew(tmp_path: Path) -> None:
    """A set that grows: rows that were not there when its files were mapped."""
    path = spoilt(tmp_path / "grows.ms", "TiledShapeStMan", 4)
    main = MeasurementSet(path, growing=True)
    assert mapped_data(main, range(30)) is not None
    with small_ms.edit(path) as table:
        first, many = len(main), 50
        data = noise({"TIME": np.zeros(many)}, BAND, 4).astype(np.complex64)
        table.addrows(many)
        table.putcol("DATA", data, first, many)
        table.putcol("FLAG", np.zeros(data.shape, bool), first, many)
    main.refresh()
    found = mapped_data(main, range(first, first + many))
    assert found is not None
    np.testing.assert_array_equal(found.all((21, 4, 2)), data.view(np.float32).reshape(many, 21, 4, 2))
    main.close()


def test_rows_that_were_written_out_of_order_are_not_mapped(tmp_path: Path) -> None:
    """TiledShapeStMan puts the cells of a row into any free place when they are written."""
    path = spoilt(tmp_path / "order.ms", "TiledShapeStMan", 4)
    with small_ms.edit(path) as table:
        first, data = table.nrows(), table.getcol("DATA", 0, 2)
        table.addrows(2)
        table.putcell("DATA", first + 1, data[0])
        table.putcell("DATA", first, data[1])
    main = MeasurementSet(path)
    assert mapped_data(main, range(30)) is None
    main.close()


def mapped_data(main: MeasurementSet, rows: range) -> forming.Cells | None:
    """Return the visibilities of rows, in their own memory."""
    found = main.rows(rows)
    assert isinstance(found, MappedRows)
    return found.cells("DATA", (21, 4))
