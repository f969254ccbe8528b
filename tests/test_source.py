"""From MeasurementSets with every trap that real ones have to slices: small sets made for each trap."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore import tables
from numpy.typing import NDArray

import small_ms
from direct import direct_sum
from fip.data import Grid, Selection, Slice
from fip.errors import FipError, UsageError
from fip.imaging.beam import fit_beam
from fip.quantities import ARCSEC
from fip.source.cutting import Run
from fip.source.defaults import Extent, default_scale, default_size
from fip.source.info import describe
from fip.source.opening import open_run

PAIRS = 10  # baselines of five antennas
CHANNELS = small_ms.BAND.size


@pytest.fixture
def ms(tmp_path: Path) -> Path:
    """Three integrations of ten baselines and four channels, linear feeds, 1 Jy."""
    return small_ms.write(tmp_path / "small.ms", small_ms.rows())


def cut(path: Path, **selection: Any) -> list[Slice]:
    """All slices of an MS."""
    run = open_run(path, Selection(**selection))
    try:
        return [run.read(number) for number in range(len(run.slices))]
    finally:
        run.close()


def notes(path: Path, **selection: Any) -> str:
    """What the log of a run says."""
    run = open_run(path, Selection(**selection))
    run.close()
    return "\n".join(run.notes)


def flux(piece: Slice) -> float:
    """Stokes I at the place of the source that `small_ms` puts into its sets: 1 Jy if all is right."""
    east, north = (np.array([each]) for each in small_ms.DIRECTION)
    return float(direct_sum(piece.blocks, east, north)[0, 0] / piece.sum_of_weights[0, 0])


def assert_same_samples(one: Slice, other: Slice) -> None:
    """The same visibilities at the same places, in whatever order of rows."""
    assert len(one.blocks) == len(other.blocks)
    for a, b in zip(one.blocks, other.blocks, strict=True):
        order_a, order_b = np.lexsort(np.abs(a.uvw.T)), np.lexsort(np.abs(b.uvw.T))
        np.testing.assert_array_equal(a.uvw[order_a], b.uvw[order_b])
        np.testing.assert_array_equal(a.frequency, b.frequency)
        np.testing.assert_array_equal(a.visibility[:, order_a], b.visibility[:, order_b])
        np.testing.assert_array_equal(a.weight[:, order_a], b.weight[:, order_b])


def test_every_integration_is_a_slice(ms: Path) -> None:
    """Indices, times, grid, sums and the source itself."""
    slices = cut(ms)
    assert [(each.index, each.integration, each.attempt) for each in slices] == [(0, 0, 1), (1, 1, 1), (2, 2, 1)]
    for number, piece in enumerate(slices):
        begin = small_ms.START + 10 * number
        assert (piece.times.begin, piece.times.average, piece.times.end) == (begin - 5, begin, begin + 5)
        assert piece.times.exposure == pytest.approx(9)
        assert piece.sum_of_weights.tolist() == [[2 * PAIRS * CHANNELS]]
        assert piece.visibilities.tolist() == [[PAIRS * CHANNELS]]
        assert piece.samples == PAIRS * CHANNELS
        assert flux(piece) == pytest.approx(1, abs=1e-6)
    assert slices[0].grid == slices[2].grid
    assert (slices[0].grid.longitude, slices[0].grid.latitude, slices[0].grid.frame) == (
        1.0,
        -0.5,
        "FK5",
    )
    assert slices[0].bands[0].centre == pytest.approx(1.0015e9)
    assert slices[0].bands[0].width == pytest.approx(4e6)
    assert slices[0].observation.correlations == ("XX", "YY")
    assert (slices[0].observation.telescope, slices[0].observation.antennas) == ("TEST", 5)
    assert slices[0].observation.frequency_frame == "TOPOCENT"


@pytest.mark.parametrize(("epsilon", "bits"), [(1e-5, 64), (1e-6, 64), (9e-7, 128)])
def test_precision_follows_epsilon(ms: Path, epsilon: float, bits: int) -> None:
    """Single precision down to 1e-6, double below."""
    block = cut(ms, epsilon=epsilon)[0].blocks[0]
    assert (8 * block.visibility.itemsize, 8 * block.weight.itemsize) == (bits, bits // 2)


def test_double_precision_keeps_every_bit(tmp_path: Path) -> None:
    """The difference of two hands and of a model is taken in double precision where that is asked."""
    tiny = np.float32(2**-20)

    def uneven(columns: Any, frequency: NDArray[np.float64], correlations: int) -> NDArray[np.complexfloating]:
        values = np.ones((columns["TIME"].size, frequency.size, correlations), np.complex64)
        values[..., 0] = 64
        values[..., -1] = tiny
        return values

    path = small_ms.write(tmp_path / "fine.ms", small_ms.rows(1), data={"DATA": uneven})
    block = cut(path, epsilon=1e-10)[0].blocks[0]
    assert (block.visibility / block.weight == (64 + float(tiny)) / 2).all()


# --- integrations ---------------------------------------------------------------------------------------------


def test_times_that_jitter_within_a_dump_are_one_integration(tmp_path: Path) -> None:
    """Baselines of one dump carry TIMEs up to 1.5 s apart and INTERVAL says 0.04 s: the cadence tells."""
    columns = small_ms.rows(9)
    columns["TIME"] += np.random.default_rng(1).uniform(0, 1.5, columns["TIME"].size)
    columns["INTERVAL"][:] = 0.04
    path = small_ms.write(tmp_path / "jitter.ms", columns)
    slices = cut(path)
    assert [piece.samples for piece in slices] == [PAIRS * CHANNELS] * 9
    assert all(9 < piece.times.end - piece.times.begin < 11 for piece in slices)
    assert "INTERVAL" in notes(path)


def test_rows_in_no_order_make_the_same_slices(tmp_path: Path) -> None:
    """Rows shuffled, ANTENNA1 and ANTENNA2 swapped at random: the same samples in the same integrations."""
    columns = small_ms.rows(5, windows=2)
    bands = (small_ms.BAND, small_ms.BAND[:3] + 1e8)
    tidy = cut(small_ms.write(tmp_path / "tidy.ms", columns, bands=bands))
    generator = np.random.default_rng(2)
    order = generator.permutation(columns["TIME"].size)
    mixed = {name: values[order] for name, values in columns.items()}
    swap = generator.random(order.size) < 0.5
    mixed["ANTENNA1"][swap], mixed["ANTENNA2"][swap] = mixed["ANTENNA2"][swap], mixed["ANTENNA1"][swap].copy()
    messy = cut(small_ms.write(tmp_path / "messy.ms", mixed, bands=bands))
    assert len(tidy) == len(messy) == 5
    for one, other in zip(tidy, messy, strict=True):
        assert_same_samples(one, other)
        assert one.times == other.times


def test_windows_of_one_dump_share_a_slice(tmp_path: Path) -> None:
    """Windows of different shape are blocks of one slice, and one image has all of them."""
    bands = (small_ms.BAND, small_ms.BAND[:2] + 1e8)
    slices = cut(small_ms.write(tmp_path / "windows.ms", small_ms.rows(windows=2), bands=bands))
    assert len(slices) == 3
    for piece in slices:
        assert [block.visibility.shape for block in piece.blocks] == [(1, PAIRS, 4), (1, PAIRS, 2)]
        assert piece.samples == PAIRS * 6
        assert flux(piece) == pytest.approx(1, abs=1e-6)
        assert piece.bands[0].width == pytest.approx(1e8 + 2e6)


def test_what_was_really_there_is_counted_once(tmp_path: Path) -> None:
    """Flagged channels do not count, and of windows that overlap each frequency does so once."""
    bands = (small_ms.BAND, small_ms.BAND[1:] + 0.5e6)  # four channels of 1 MHz, and three that overlap three of them
    path = small_ms.write(tmp_path / "overlap.ms", small_ms.rows(1, windows=2), bands=bands)
    with small_ms.edit(path) as table:
        flag = np.zeros((PAIRS, CHANNELS, 4), bool)
        flag[:, 0] = True
        table.putcol("FLAG", flag, 0, PAIRS)
    (piece,) = cut(path)
    band = piece.effective[0][0]
    assert band is not None
    assert band.width == pytest.approx(3.5e6)  # from 1000.5 to 1004 MHz
    assert band.centre == pytest.approx(np.mean([*bands[0][1:], *bands[1]]))


def test_windows_of_different_cadence_are_series_of_their_own(tmp_path: Path) -> None:
    """A window dumped every 10 s and one dumped every 30 s are not mixed."""
    fast, slow = small_ms.rows(6, cadence=10), small_ms.rows(2, cadence=30)
    slow["DATA_DESC_ID"][:] = 1
    columns = {name: np.concatenate([fast[name], slow[name]]) for name in fast}
    slices = cut(small_ms.write(tmp_path / "two.ms", columns, bands=(small_ms.BAND, small_ms.BAND + 1e8)))
    assert len(slices) == 8
    assert all(len(piece.blocks) == 1 for piece in slices)
    assert sorted(piece.integration for piece in slices) == list(range(8))


def test_fields_have_grids_and_numbers_of_their_own(tmp_path: Path) -> None:
    """Integrations count within each field; the FIELD row is that of the rows, not the first."""
    columns = small_ms.rows(6)
    columns["FIELD_ID"] = np.repeat(np.array([1, 2, 1, 1, 2, 2], np.int32), PAIRS)
    fields = [("unused", (0.0, 0.0)), ("A b", (1.0, 0.1)), ("C", (-1.0, 0.2))]
    slices = cut(small_ms.write(tmp_path / "fields.ms", columns, fields=fields))
    told = [(piece.observation.field, piece.integration, piece.grid.longitude) for piece in slices]
    other = 2 * np.pi - 1.0
    assert told == [("A b", 0, 1), ("C", 0, other), ("A b", 1, 1), ("A b", 2, 1), ("C", 1, other), ("C", 2, other)]


def test_fields_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Pointings of a mosaic often share a name; their files must not."""
    columns = small_ms.rows(2)
    columns["FIELD_ID"] = np.repeat(np.array([0, 1], np.int32), PAIRS)
    fields = [("M 31", (1.0, 0.1)), ("M_31", (1.1, 0.2))]
    slices = cut(small_ms.write(tmp_path / "mosaic.ms", columns, fields=fields))
    assert [piece.observation.field for piece in slices] == ["M 31_0", "M_31_1"]


def test_scans_of_a_single_integration(tmp_path: Path) -> None:
    """No baseline repeats within a scan, so each scan is one integration, whatever the jitter."""
    columns = small_ms.rows(4)
    columns["SCAN_NUMBER"] = np.repeat(np.arange(4, dtype=np.int32), PAIRS)
    columns["TIME"] += np.random.default_rng(3).uniform(0, 2, columns["TIME"].size)
    assert len(cut(small_ms.write(tmp_path / "scans.ms", columns))) == 4


def test_subarrays_that_observe_together_are_separate(tmp_path: Path) -> None:
    """Two arrays at the same time are two series of slices."""
    columns = small_ms.rows(3)
    columns["ARRAY_ID"] = (columns["ANTENNA1"] == 0).astype(np.int32)
    slices = cut(small_ms.write(tmp_path / "arrays.ms", columns))
    assert sorted(piece.samples for piece in slices) == [4 * CHANNELS] * 3 + [6 * CHANNELS] * 3


def test_baselines_averaged_by_different_lengths(tmp_path: Path) -> None:
    """A slice is as long as the longest average, and the log says so."""
    long, short = small_ms.rows(4, cadence=8), small_ms.rows(16, cadence=2)
    inner = long["ANTENNA1"] == 0
    outer = short["ANTENNA1"] != 0
    long["TIME"] += 3  # both begin at the same moment
    columns = {name: np.concatenate([long[name][inner], short[name][outer]]) for name in long}
    path = small_ms.write(tmp_path / "averaged.ms", columns)
    slices = cut(path)
    assert [piece.samples for piece in slices] == [(4 + 6 * 4) * CHANNELS] * 4
    assert [piece.times.end - piece.times.begin for piece in slices] == [8] * 4
    assert "averaged" in notes(path)


# --- samples and weights --------------------------------------------------------------------------------------


def set_cell(path: Path, name: str, row: int, at: Any, value: Any) -> None:
    """Change a part of one cell."""
    with small_ms.edit(path) as table:
        cell = np.array(table.getcell(name, row))
        cell[at] = value
        table.putcell(name, row, cell)


@pytest.mark.parametrize(
    ("name", "at", "value", "lost"),
    [
        ("FLAG", (1, 0), True, 1),
        ("FLAG", (1, 1), True, 0),  # XY, of which Stokes I has no need
        ("DATA", (1, 3), np.nan, 1),
        ("DATA", (1, 3), np.inf, 1),
        ("WEIGHT_SPECTRUM", (1, 0), np.nan, 1),
        ("WEIGHT_SPECTRUM", (1, 0), -1, 1),
        ("WEIGHT_SPECTRUM", (1, 0), 0, 1),
        ("UVW", (2,), np.nan, CHANNELS),
    ],
)
def test_what_is_not_good_does_not_count(tmp_path: Path, name: str, at: Any, value: Any, lost: int) -> None:
    """Flags, NaN, infinities and weights that are not positive take out just their own samples."""
    path = small_ms.write(tmp_path / "spoilt.ms", small_ms.rows(1), spectrum=True)
    with small_ms.edit(path) as table:
        table.putcol("WEIGHT_SPECTRUM", np.ones((PAIRS, CHANNELS, 4), np.float32))
    set_cell(path, name, 4, at, value)
    (piece,) = cut(path)
    good = PAIRS * CHANNELS - lost
    assert (piece.visibilities.item(), piece.sum_of_weights.item()) == (good, 2 * good)
    assert piece.samples == PAIRS * CHANNELS
    assert flux(piece) == pytest.approx(1, abs=1e-6)


def test_flagged_rows_are_left_out(ms: Path) -> None:
    """FLAG_ROW counts as a flag on everything; rows without a good sample travel nowhere."""
    with small_ms.edit(ms) as table:
        table.putcell("FLAG_ROW", 0, True)
        table.putcell("FLAG", 1, np.ones((CHANNELS, 4), bool))
    piece = cut(ms)[0]
    assert piece.blocks[0].uvw.shape == (PAIRS - 2, 3)
    assert piece.visibilities.item() == (PAIRS - 2) * CHANNELS


def test_autocorrelations_never_enter(tmp_path: Path) -> None:
    """They are neither imaged nor counted."""
    path = small_ms.write(tmp_path / "autos.ms", small_ms.rows(2, autocorrelations=True))
    for piece in cut(path):
        assert piece.samples == piece.visibilities.item() == PAIRS * CHANNELS
        assert np.abs(piece.blocks[0].uvw).sum(axis=1).min() > 0


def test_descending_channels_are_sorted_with_their_data(tmp_path: Path) -> None:
    """The same samples as from a set with ascending channels."""
    columns = small_ms.rows(1)
    up = cut(small_ms.write(tmp_path / "up.ms", columns))
    down = cut(small_ms.write(tmp_path / "down.ms", columns, bands=(small_ms.BAND[::-1].copy(),)))
    mixed = cut(small_ms.write(tmp_path / "mixed.ms", columns, bands=(small_ms.BAND[[2, 0, 3, 1]],)))
    assert_same_samples(up[0], down[0])
    assert_same_samples(up[0], mixed[0])


def test_weight_spectrum_counts_where_it_has_values(tmp_path: Path) -> None:
    """With undefined cells WEIGHT is used; with values WEIGHT is not."""
    path = small_ms.write(tmp_path / "weights.ms", small_ms.rows(2), spectrum=True)
    small_ms.change(path, "WEIGHT", lambda weight: 3 * weight)
    assert cut(path)[0].sum_of_weights.item() == 2 * 3 * PAIRS * CHANNELS
    with small_ms.edit(path) as table:
        table.putcol("WEIGHT_SPECTRUM", np.full((2 * PAIRS, CHANNELS, 4), 5, np.float32))
    assert cut(path)[0].sum_of_weights.item() == 2 * 5 * PAIRS * CHANNELS


def test_an_integration_that_is_flagged_throughout(ms: Path) -> None:
    """It is a slice all the same, with the beam that the first integration would have had unflagged."""
    whole = cut(ms)[0]
    small_ms.change(ms, "FLAG", lambda flag: flag | (np.arange(len(flag)) < PAIRS)[:, None, None])
    pieces = cut(ms)
    assert pieces[0].empty
    assert (pieces[0].blocks, pieces[0].sum_of_weights.tolist()) == ((), [[0.0]])
    assert pieces[0].times == whole.times
    assert pieces[0].nominal_beam is not None
    assert pieces[0].nominal_beam == fit_beam(whole.blocks)
    assert not pieces[1].empty
    assert pieces[1].nominal_beam == pieces[0].nominal_beam


# --- columns --------------------------------------------------------------------------------------------------


def scaled(factor: float) -> small_ms.Fill:
    """A column with the source `factor` times as bright."""
    return lambda columns, frequency, count: factor * small_ms.point_source(columns, frequency, count)


def test_corrected_data_is_taken_where_it_holds_values(tmp_path: Path) -> None:
    """As WSClean and tclean do; the log names the choice and what else there is."""
    columns = small_ms.rows(2)
    full = small_ms.write(tmp_path / "full.ms", columns, data={"DATA": scaled(1), "CORRECTED_DATA": scaled(2)})
    assert flux(cut(full)[0]) == pytest.approx(2, abs=1e-6)
    assert flux(cut(full, column="DATA")[0]) == pytest.approx(1, abs=1e-6)
    assert "column CORRECTED_DATA" in notes(full)
    assert "also DATA" in notes(full)
    empty = small_ms.write(tmp_path / "empty.ms", columns, data={"DATA": scaled(1), "CORRECTED_DATA": scaled(0)})
    assert flux(cut(empty)[0]) == pytest.approx(1, abs=1e-6)
    assert "column DATA: CORRECTED_DATA" in notes(empty)


def test_the_model_is_subtracted_where_asked(tmp_path: Path) -> None:
    """What is left is the difference, and the header's column says so."""
    data = {"DATA": scaled(3), "MODEL_DATA": scaled(2)}
    path = small_ms.write(tmp_path / "model.ms", small_ms.rows(1), data=data)
    (piece,) = cut(path, subtract_model=True)
    assert flux(piece) == pytest.approx(1, abs=1e-6)
    assert piece.observation.column == "DATA-MODEL_DATA"


def test_one_hand_on_file_is_imaged_as_that_hand(tmp_path: Path) -> None:
    """Named so in the settings, and said in the log."""
    path = small_ms.write(tmp_path / "rr.ms", small_ms.rows(1), codes=(5,))
    (piece,) = cut(path)
    assert (piece.settings.stokes, piece.sum_of_weights.item()) == (("RR",), PAIRS * CHANNELS)
    assert "only RR is on file" in notes(path)


def test_planes_come_in_the_order_asked(tmp_path: Path) -> None:
    """Of circular feeds in an unusual order of CORR_TYPE: 1 Jy unpolarised is in I alone."""

    def mixed(columns: Any, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
        return np.take(small_ms.point_source(columns, frequency, count), [1, 0, 3, 2], axis=-1)

    path = small_ms.write(tmp_path / "mixed.ms", small_ms.rows(1), codes=(6, 5, 8, 7), data={"DATA": mixed})
    block = cut(path, stokes=("V", "I"))[0].blocks[0]
    assert not block.visibility[0].any()
    np.testing.assert_allclose(np.abs(block.visibility[1]), 2, rtol=1e-6)


# --- identity -------------------------------------------------------------------------------------------------


def identity(path: Path, **selection: Any) -> str:
    """The run's id."""
    run = open_run(path, Selection(**selection))
    run.close()
    return run.id


def test_a_run_is_known_by_its_data_and_settings_not_its_path(ms: Path, tmp_path: Path) -> None:
    """A copy elsewhere resumes; another selection or other data do not."""
    copy = tmp_path / "elsewhere" / "other.ms"
    shutil.copytree(ms, copy)
    assert identity(copy) == identity(ms)
    others = [
        identity(ms, **each) for each in ({"stokes": ("Q",)}, {"scale": 1e-5}, {"epsilon": 1e-4}, {"size": (64, 32)})
    ]
    small_ms.change(copy, "TIME", lambda time: time + 1)
    assert len({identity(ms), identity(copy), *others}) == 6
    assert open_run(copy, Selection()).name == "other"


# --- what cannot be imaged ------------------------------------------------------------------------------------


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


def frame(subtable: str, column: str, name: str) -> Callable[[Path], None]:
    """Give a column another reference frame."""

    def alter(path: Path) -> None:
        with small_ms.edit(path / subtable) as table:
            keywords = table.getcolkeywords(column)
            keywords["MEASINFO"]["Ref"] = name
            table.putcolkeywords(column, keywords)

    return alter


def autocorrelations_only(path: Path) -> None:
    """Every row an autocorrelation."""
    with small_ms.edit(path) as table:
        table.putcol("ANTENNA2", table.getcol("ANTENNA1"))


def without_data(path: Path) -> None:
    """No DATA, but FLOAT_DATA."""
    with small_ms.edit(path) as table:
        table.renamecol("DATA", "FLOAT")
        table.removecols("FLOAT")
        table.addcols(tables.maketabdesc([tables.makearrcoldesc("FLOAT_DATA", 0.0, ndim=2)]))


def remove_subtable(path: Path) -> None:
    """Delete a subtable's folder."""
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
        (frame("FIELD", "PHASE_DIR", "MARTIAN"), "frame MARTIAN"),
        (frame("", "TIME", "LAST"), "frame LAST"),
    ],
)
def test_what_cannot_be_imaged_is_said_in_one_line(ms: Path, spoil: Callable[[Path], Any], says: str) -> None:
    """Before any work is done, with the file's name, what was found, and exit code 2."""
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
        (Selection(column="CORRECTED_DATA"), "no such column of visibilities, but DATA"),
        (Selection(subtract_model=True), "MODEL_DATA"),
        (Selection(size=(101, 100)), "even"),
        (Selection(size=(0, 0)), "even"),
        (Selection(size=(10**6, 10**6)), "even"),
        (Selection(scale=0.0), "positive angle"),
        (Selection(scale=float("nan")), "positive angle"),
        (Selection(stokes=("XY",)), "cross hands"),
        (Selection(stokes=("RR",)), "cannot be formed"),
    ],
)
def test_a_selection_that_cannot_be_met_is_refused(ms: Path, selection: Selection, says: str) -> None:
    """With a line that names the option and what would do."""
    with pytest.raises(UsageError, match=says):
        open_run(ms, selection)


def test_cells_that_differ_from_the_subtables_are_refused(tmp_path: Path) -> None:
    """More channels in DATA than in SPECTRAL_WINDOW: no guess which ones are meant."""
    path = small_ms.write(tmp_path / "odd.ms", small_ms.rows(1))
    with small_ms.edit(path / "SPECTRAL_WINDOW") as sub:
        sub.putcell("CHAN_FREQ", 0, small_ms.BAND[:2])
        sub.putcell("CHAN_WIDTH", 0, np.ones(2))
    with pytest.raises(UsageError, match="4 channels"):
        open_run(path, Selection())


# --- phase centre, size and scale -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"), [("J2000", "FK5"), ("ICRS", "ICRS"), ("B1950", "FK4"), ("GALACTIC", "GALACTIC")]
)
def test_the_frame_of_the_phase_centre_is_kept(ms: Path, name: str, expected: str) -> None:
    """No conversion: the header's frame is that of PHASE_DIR."""
    frame("FIELD", "PHASE_DIR", name)(ms)
    grid: Grid = cut(ms)[0].grid
    assert (grid.longitude, grid.latitude, grid.frame) == (1.0, -0.5, expected)


def test_each_field_may_have_a_frame_of_its_own(ms: Path) -> None:
    """PHASE_DIR with a reference column (VarRefCol), as CASA writes it."""
    with small_ms.edit(ms / "FIELD") as table:
        table.addcols(tables.maketabdesc([tables.makescacoldesc("PhaseDir_Ref", 0)]))
        table.putcol("PhaseDir_Ref", np.array([21], np.int32))
        keywords = table.getcolkeywords("PHASE_DIR")
        keywords["MEASINFO"] = {
            "type": "direction",
            "VarRefCol": "PhaseDir_Ref",
            "TabRefTypes": ["J2000", "ICRS"],
            "TabRefCodes": np.array([0, 21], np.uint32),
        }
        table.putcolkeywords("PHASE_DIR", keywords)
    assert cut(ms)[0].grid.frame == "ICRS"


def test_defaults_follow_baselines_and_dishes(ms: Path) -> None:
    """A quarter of the finest fringe to two digits; a field of 1.2 lambda/D in pixels that suit an FFT."""
    piece = cut(ms)[0]
    longest = float(np.hypot(*piece.blocks[0].uvw[:, :2].T).max())
    finest = 299792458.0 / small_ms.BAND.max() / longest
    assert piece.grid.scale == pytest.approx(finest / 4, rel=0.05)
    assert float(f"{piece.grid.scale / ARCSEC:.1e}") == pytest.approx(piece.grid.scale / ARCSEC, rel=1e-12)
    covered = piece.grid.width * piece.grid.scale
    assert covered >= 1.2 * 299792458.0 / small_ms.BAND.min() / 13.5
    small_ms.change(ms / "ANTENNA", "DISH_DIAMETER", lambda diameter: 0 * diameter)
    assert cut(ms)[0].grid.width == 4096
    assert "hemisphere" in notes(ms)


@pytest.mark.parametrize(("pixels", "expected"), [(2790, 2800), (2800, 2800), (2801, 2880), (22, 24), (9999, 4096)])
def test_default_sizes_suit_an_fft(pixels: int, expected: int) -> None:
    """Even, without a prime factor above 7, at most 4096."""
    extent = Extent(longest_baseline=1e4, highest=1e9, lowest=1e9, diameter=10.0)
    field = 1.2 * 0.299792458 / 10
    assert default_size(extent, field / (pixels - 0.5)) == expected


def test_a_quarter_fringe_in_two_digits() -> None:
    """lambda/4 of 1.5459 arcsec becomes 1.5 arcsec; of 2576.6 arcsec, 2600."""
    for baseline, expected in ((1e4, 1.5), (6, 2600)):
        extent = Extent(baseline, highest=1e9, lowest=1e9, diameter=None)
        assert default_scale(extent) / ARCSEC == pytest.approx(expected, rel=1e-12)


def test_a_coarse_scale_is_warned_of(ms: Path) -> None:
    """Pixels above half a fringe of the longest baseline: the log gives the number."""
    limit = 2 * cut(ms)[0].grid.scale
    assert "too coarse" not in notes(ms, scale=0.9 * limit)
    assert "too coarse" in notes(ms, scale=1.1 * limit)


# --- fip info -------------------------------------------------------------------------------------------------


def test_info_tells_what_there_is(ms: Path) -> None:
    """What somebody asks before imaging."""
    text = describe(ms)
    for told in (
        *("TEST", "5 of 5", "3, every 10 s", "target", "XX XY YX YY", "DATA holds values", "--size", "--scale"),
        *("primary beam", "1.03 lambda/D of 13.5 m", "1%", "by channels of 1000 kHz", "by integrations of 10 s", "uvw"),
    ):
        assert told in text


def test_a_field_beyond_ten_per_cent_smearing_is_warned_of(ms: Path) -> None:
    """The note gives how far the field reaches and from where on it is smeared, by what."""
    small, large = notes(ms, size=(64, 64), scale=10 * ARCSEC), notes(ms, size=(4096, 64), scale=60 * ARCSEC)
    assert "smear" not in small
    assert "warning: the field reaches 34.1deg from its centre, but beyond" in large
    assert "channels of 1000 kHz smear 10 per cent and more" in large


def test_slices_are_read_in_any_order(ms: Path) -> None:
    """A slice is a value: what was read before does not matter."""
    run: Run = open_run(ms, Selection())
    first = run.read(2)
    run.read(0)
    again = run.read(2)
    run.close()
    assert_same_samples(first, again)
    assert first.times == again.times
