"""Numbers that nobody observed: zeros that were filled in, values that no telescope gives, models never predicted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.errors import InputError
from fip.data.settings import asked
from fip.data.values import Slice
from fip.imaging.kernels import make_kernel
from fip.source.info import describe
from fip.source.open_run import open_run
from fip.worker.stages import image_file, pass_through
from support import small_ms
from support.cut_slices import CHANNELS, PAIRS, cut, flux, notes

ALL = PAIRS * CHANNELS
Fill = small_ms.Fill


def with_rows(change: Any) -> Fill:
    """The point source with some rows changed, by what `change` says of the columns [row]."""

    def fill(columns: small_ms.Columns, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
        values = small_ms.point_source(columns, frequency, count)
        change(columns, values)
        return values

    return fill


def zeroed(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
    """Antennas 3 and 4 are filled with zeros."""
    values[np.maximum(columns["ANTENNA1"], columns["ANTENNA2"]) >= 3] = 0


def quality(piece: Slice) -> str:
    """Return the quality of the image that a worker makes."""
    return image_file(piece, make_kernel(piece.settings, piece.grid), "host/cpu0", 0.0).quality


# --- zeros ------------------------------------------------------------------------------------------------------


def test_zeros_count_as_flagged_and_are_counted_apart(tmp_path: Path) -> None:
    """Two of five antennas are zero: the flux is right, and header, ledger and log say what was left out."""
    path = small_ms.write(tmp_path / "zeros.ms", small_ms.rows(2), data={"DATA": with_rows(zeroed)})
    piece = cut(path, size=(64, 64))[0]
    assert flux(piece) == pytest.approx(1, abs=1e-6)
    assert (piece.visibilities.item(), piece.zeros, piece.samples) == (3 * CHANNELS, 7 * CHANNELS, ALL)
    made = image_file(piece, make_kernel(piece.settings, piece.grid), "host/cpu0", 0.0)
    header = fits.Header.fromstring(bytes(made.files[0].content))
    assert header["FIPZERO"] == 7 * CHANNELS
    assert header["FIPFLAG"] == pytest.approx(0.7)
    assert made.numbers["zeros"][0] == 7 * CHANNELS
    assert "flagged" in made.quality
    assert "DATA is exactly 0 in 70.0% of the samples looked at: they count as flagged (--keep-zeros" in notes(path)


def test_zeros_are_kept_if_that_is_asked(tmp_path: Path) -> None:
    """Then they are samples of nothing."""
    path = small_ms.write(tmp_path / "zeros.ms", small_ms.rows(2), data={"DATA": with_rows(zeroed)})
    piece = cut(path, keep_zeros=True)[0]
    assert flux(piece) == pytest.approx(0.3, abs=1e-6)
    assert (piece.visibilities.item(), piece.zeros) == (ALL, 0)
    assert "they are imaged (--keep-zeros)" in notes(path, keep_zeros=True)
    assert piece.observation.selection == ""


def test_zero_in_one_hand_or_in_cross_hands_is_a_value(tmp_path: Path) -> None:
    """All parallel hands have to be exactly 0, and that before a model is subtracted."""

    def one_hand(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        values[..., 0] = 0

    path = small_ms.write(
        tmp_path / "hands.ms", small_ms.rows(1), data={"DATA": with_rows(one_hand), "MODEL_DATA": small_ms.point_source}
    )
    assert cut(path)[0].zeros == 0  # cross hands are 0 in all of these sets
    same = small_ms.write(
        tmp_path / "same.ms", small_ms.rows(1), data=dict.fromkeys(("DATA", "MODEL_DATA"), small_ms.point_source)
    )
    piece = cut(same, subtract_model=True)[0]
    assert (piece.zeros, piece.visibilities.item()) == (0, ALL)
    assert quality(piece) == "blank"  # all is subtracted: 0 everywhere


def test_flagged_zeros_are_flagged_samples(tmp_path: Path) -> None:
    """Zeros that carry a flag, as they should, are not counted among those that do not."""
    path = small_ms.write(tmp_path / "zeros.ms", small_ms.rows(1), data={"DATA": with_rows(zeroed)})
    with small_ms.edit(path) as table:
        outer = np.maximum(table.getcol("ANTENNA1"), table.getcol("ANTENNA2")) >= 3
        table.putcol("FLAG_ROW", outer)
    piece = cut(path)[0]
    assert (piece.zeros, piece.visibilities.item()) == (0, 3 * CHANNELS)


def test_an_integration_of_zeros_is_empty(tmp_path: Path) -> None:
    """Its image has nothing good; the others are as ever."""

    def first(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        values[columns["TIME"] == small_ms.START] = 0

    path = small_ms.write(tmp_path / "first.ms", small_ms.rows(3), data={"DATA": with_rows(first)})
    pieces = cut(path, size=(64, 64))
    assert [quality(piece) for piece in pieces] == ["empty", "good", "good"]
    assert quality(cut(path, size=(64, 64), keep_zeros=True)[0]) == "blank"


def test_a_column_that_is_zero_in_one_field_is_told(tmp_path: Path) -> None:
    """CORRECTED_DATA of a field that was never corrected: its images are empty, and the log says which field."""
    columns = small_ms.rows(6)
    columns["FIELD_ID"] = (columns["TIME"] > small_ms.START + 25).astype(np.int32)

    def corrected(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        values[columns["FIELD_ID"] == 1] = 0

    path = small_ms.write(
        tmp_path / "fields.ms", columns, fields=(("done", (1.0, -0.5)), ("left", (1.1, -0.5))),
        data={"DATA": small_ms.point_source, "CORRECTED_DATA": with_rows(corrected)},
    )  # fmt: skip
    assert "CORRECTED_DATA is exactly 0 in all samples looked at of field left" in notes(path)
    assert [piece.empty for piece in cut(path)] == [False] * 3 + [True] * 3


# --- models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (0.0, "MODEL_DATA is 0 in all samples looked at"),
        (1.0, "MODEL_DATA is 1 in all samples looked at"),
        (None, "MODEL_DATA is 0 in 50.0% of the samples looked at"),
    ],
)
def test_a_model_that_was_not_predicted_is_told(tmp_path: Path, model: float | None, says: str) -> None:
    """Zero, CASA's initial 1, or predicted for half of the data."""

    def predicted(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        if model is None:
            values[columns["TIME"] > small_ms.START + 15] = 0
        else:
            values[...] = model

    data = {"DATA": small_ms.point_source, "MODEL_DATA": with_rows(predicted)}
    path = small_ms.write(tmp_path / "model.ms", small_ms.rows(4), data=data)
    assert says in notes(path, subtract_model=True)
    assert "MODEL_DATA is" not in notes(path)


def test_a_model_of_another_shape_is_refused_at_once(tmp_path: Path) -> None:
    """It is not refused slice by slice."""
    data = {"DATA": small_ms.point_source, "MODEL_DATA": lambda columns, band, count: np.zeros(
        (columns["TIME"].size, band.size - 1, count), np.complex64)}  # fmt: skip
    path = small_ms.write(tmp_path / "shape.ms", small_ms.rows(2), data=data)
    with pytest.raises(InputError, match="MODEL_DATA has cells of 3 channels x 4 correlations"):
        open_run(path, asked(subtract_model=True))


# --- garbled numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["slant", "wgridder"])
@pytest.mark.parametrize("value", [1e25, 3e38, complex(0, -1e30)])
def test_a_garbled_value_costs_its_sample_alone(tmp_path: Path, kernel: str, value: complex) -> None:
    """One number that no telescope gives: the image is that of the others, and is not called good."""

    def garbled(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        values[4, 2, 3] = value

    path = small_ms.write(tmp_path / "garbled.ms", small_ms.rows(2), data={"DATA": with_rows(garbled)})
    first, second = cut(path, size=(64, 64), kernel=kernel)
    assert (first.garbled, first.visibilities.item()) == (1, ALL - 1)
    assert flux(first) == pytest.approx(1, abs=1e-6)
    assert (quality(first), quality(second)) == ("garbled", "good")
    image = pass_through(first, make_kernel(first.settings, first.grid))[0].images["dirty"]
    assert image.statistics and image.statistics.maximum < 1.01


def test_a_garbled_weight_costs_its_sample_alone(tmp_path: Path) -> None:
    """Else one sample would be the whole image."""
    path = small_ms.write(tmp_path / "heavy.ms", small_ms.rows(1), spectrum=True)
    weight = np.ones((PAIRS, CHANNELS, 4), np.float32)
    weight[3, 1, 0] = 1e30
    with small_ms.edit(path) as table:
        table.putcol("WEIGHT_SPECTRUM", weight)
    (piece,) = cut(path, size=(64, 64))
    assert (piece.garbled, piece.sum_of_weights.item()) == (1, 2 * (ALL - 1))
    assert quality(piece) == "garbled"


def test_garbled_values_that_are_flagged_are_no_matter(tmp_path: Path) -> None:
    """They are treated as NaN that are flagged."""

    def garbled(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        values[4, 2, 3] = 1e30

    path = small_ms.write(tmp_path / "flagged.ms", small_ms.rows(1), data={"DATA": with_rows(garbled)})
    with small_ms.edit(path) as table:
        flag = table.getcell("FLAG", 4)
        flag[2, 3] = True
        table.putcell("FLAG", 4, flag)
    (piece,) = cut(path, size=(64, 64))
    assert (piece.garbled, piece.visibilities.item(), quality(piece)) == (0, ALL - 1, "good")


@pytest.mark.parametrize(("factor", "weight"), [(1e14, 1e4), (1e-25, 1.0)])
def test_bright_and_faint_values_have_an_image_by_any_kernel(tmp_path: Path, factor: float, weight: float) -> None:
    """Whose squares single precision has no numbers for."""

    def scaled(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        values *= factor

    path = small_ms.write(tmp_path / "scaled.ms", small_ms.rows(1), data={"DATA": with_rows(scaled)})
    small_ms.change(path, "WEIGHT", lambda values: values * weight)
    (piece,) = cut(path, size=(64, 64), kernel="slant")
    image = pass_through(piece, make_kernel(piece.settings, piece.grid))[0].images["dirty"]
    assert image.kernel == "slant"
    assert image.statistics and image.statistics.maximum == pytest.approx(factor, rel=0.1)


# --- weights and cells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [0, 3])
def test_a_cell_that_holds_nothing_costs_its_row_alone(tmp_path: Path, row: int) -> None:
    """The cell is of WEIGHT_SPECTRUM, the first or another: WEIGHT, on another scale, does not take its place."""
    path = small_ms.write(tmp_path / "cell.ms", small_ms.rows(1), spectrum=True)
    with small_ms.edit(path) as table:
        table.putcol("WEIGHT", np.full((PAIRS, 4), 7, np.float32))
        for each in set(range(PAIRS)) - {row}:
            table.putcell("WEIGHT_SPECTRUM", each, np.full((CHANNELS, 4), 2, np.float32))
    (piece,) = cut(path)
    assert (piece.visibilities.item(), piece.sum_of_weights.item()) == (ALL - CHANNELS, 4 * (ALL - CHANNELS))
    assert "WEIGHT_SPECTRUM holds nothing in 1 of the rows looked at" in notes(path)


def test_without_a_weight_the_column_that_was_looked_at_is_named(tmp_path: Path) -> None:
    """WEIGHT may be 1: WEIGHT_SPECTRUM, which holds zeros, goes before it."""
    path = small_ms.write(tmp_path / "weights.ms", small_ms.rows(1), spectrum=True)
    with small_ms.edit(path) as table:
        table.putcol("WEIGHT_SPECTRUM", np.zeros((PAIRS, CHANNELS, 4), np.float32))
    with pytest.raises(InputError, match="no weight in WEIGHT_SPECTRUM is positive; WEIGHT is not looked at"):
        open_run(path, asked())


@pytest.mark.parametrize("channels", [1, 4])
def test_channels_without_a_width_have_that_of_their_spacing(tmp_path: Path, channels: int) -> None:
    """CHAN_WIDTH is 0: of a channel alone the window's bandwidth; said by `fip info` and in the log."""
    path = small_ms.write(tmp_path / "width.ms", small_ms.rows(1), bands=(small_ms.BAND[:channels],))
    with small_ms.edit(path / "SPECTRAL_WINDOW") as table:
        table.putcell("CHAN_WIDTH", 0, np.zeros(channels))
        table.putcell("TOTAL_BANDWIDTH", 0, 1e6 * channels)
    (piece,) = cut(path)
    assert piece.bands[0].width == pytest.approx(1e6 * channels)
    assert flux(piece) == pytest.approx(1, abs=1e-6)
    for text in (notes(path), describe(path)):
        assert "CHAN_WIDTH is 0 in spectral window 0" in text


def test_a_column_that_is_cut_short_is_refused_by_run_as_by_info(tmp_path: Path) -> None:
    """Its file has half of its bytes: nothing is started."""
    path = small_ms.write(tmp_path / "short.ms", small_ms.rows(40))
    largest = max(path.glob("table.f*"), key=lambda each: each.stat().st_size)
    with largest.open("r+b") as file:
        file.truncate(largest.stat().st_size // 2)
    for look in (describe, lambda where: open_run(where, asked())):
        with pytest.raises(InputError, match=r"short\.ms"):
            look(path)


def test_uvw_that_are_not_of_the_antennas_are_told_by_run_too(tmp_path: Path) -> None:
    """Here they are in wavelengths."""
    columns = small_ms.rows(2)
    columns["UVW"] = columns["UVW"] * 3.3
    path = small_ms.write(tmp_path / "uvw.ms", columns)
    assert "warning: UVW disagree with the antennas" in notes(path)
    assert "warning: UVW disagree with the antennas" in describe(path)


def test_a_third_of_the_antennas_filled_with_zeros_costs_noise_and_no_flux(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of ten: the source is as bright as before, to a per cent; imaged as they are, zeros take half of it."""
    offsets = np.random.default_rng(5).normal(0, 300, (10, 3))
    monkeypatch.setattr(small_ms, "POSITIONS", small_ms.POSITIONS[0] + offsets)

    def third(columns: small_ms.Columns, values: NDArray[np.complexfloating]) -> None:
        random = np.random.default_rng(6)
        values += 0.02 * (random.normal(size=values.shape) + 1j * random.normal(size=values.shape))
        values[np.isin(columns["ANTENNA1"], (1, 4, 8)) | np.isin(columns["ANTENNA2"], (1, 4, 8))] = 0

    path = small_ms.write(tmp_path / "ten.ms", small_ms.rows(1), data={"DATA": with_rows(third)})
    (piece,), (kept,) = cut(path), cut(path, keep_zeros=True)
    assert (piece.zeros, piece.visibilities.item(), piece.samples) == (24 * CHANNELS, 21 * CHANNELS, 45 * CHANNELS)
    assert flux(piece) == pytest.approx(1, rel=0.01)
    assert flux(kept) == pytest.approx(21 / 45, rel=0.01)


def test_one_integration_that_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    """Also if it is the last: a set is refused at once only if more of it is gone."""
    path = small_ms.write(tmp_path / "last.ms", small_ms.rows(5))
    with small_ms.edit(path) as table:
        for row in range(4 * PAIRS, 5 * PAIRS):
            table.putcell("DATA", row, np.ones((2, 4), np.complex64))
    run = open_run(path, asked())
    assert flux(run.read(3)) == pytest.approx(1, abs=1e-6)
    with pytest.raises(InputError, match=r"last\.ms: cannot read DATA"):
        run.read(4)
    run.close()
