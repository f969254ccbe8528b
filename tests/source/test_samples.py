"""From the columns of a MeasurementSet to samples and weights: what counts, and as what."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.imaging.beam import fit_beam
from support import small_ms
from support.cut_slices import CHANNELS, PAIRS, assert_same_samples, cut, flux, notes

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
        ("FLAG", (1, 1), True, 0),  # XY: Stokes I does not need it
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
    """If cells are undefined WEIGHT is used; if they have values WEIGHT is not."""
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
    """WSClean and tclean do the same; the log names the choice and what else there is."""
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
    """The feeds are circular, in an unusual order of CORR_TYPE: 1 Jy unpolarised is in I alone."""

    def mixed(columns: Any, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
        return np.take(small_ms.point_source(columns, frequency, count), [1, 0, 3, 2], axis=-1)

    path = small_ms.write(tmp_path / "mixed.ms", small_ms.rows(1), codes=(6, 5, 8, 7), data={"DATA": mixed})
    block = cut(path, stokes=("V", "I"))[0].blocks[0]
    assert not block.visibility[0].any()
    np.testing.assert_allclose(np.abs(block.visibility[1]), 2, rtol=1e-6)
