"""From MeasurementSets to slices: small sets made for each trap that real ones have."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore import tables
from numpy.typing import NDArray

from fip.data.quantities import ARCSEC
from fip.data.settings import Asked, asked
from fip.data.values import Grid
from fip.source.advice.defaults import Extent, default_scale, default_size
from fip.source.cutting import Run
from fip.source.info import describe
from fip.source.open_run import open_run
from support import small_ms
from support.cut_slices import CHANNELS, PAIRS, assert_same_samples, cut, flux, notes


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
    """The difference of two hands and of a model is taken in double precision if that is asked."""
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
    """Baselines of one dump carry TIMEs up to 1.5 s apart and INTERVAL says 0.04 s: the cadence decides."""
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


# --- identity -------------------------------------------------------------------------------------------------


def identity(path: Path, **selection: Any) -> str:
    """Return the id of the run."""
    run = open_run(path, asked(**selection))
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
    assert open_run(copy, Asked()).name == "other"


# --- phase centre, size and scale -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"), [("J2000", "FK5"), ("ICRS", "ICRS"), ("B1950", "FK4"), ("GALACTIC", "GALACTIC")]
)
def test_the_frame_of_the_phase_centre_is_kept(ms: Path, name: str, expected: str) -> None:
    """No conversion: the header's frame is that of PHASE_DIR."""
    small_ms.set_frame(ms, "FIELD", "PHASE_DIR", name)
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
    """The note gives how far the field reaches and from what distance on it is smeared, by what."""
    small, large = notes(ms, size=(64, 64), scale=10 * ARCSEC), notes(ms, size=(4096, 64), scale=60 * ARCSEC)
    assert "smear" not in small
    assert "warning: the field reaches 34.1deg from its centre, but beyond" in large
    assert "channels of 1000 kHz smear 10 per cent and more" in large


def test_slices_are_read_in_any_order(ms: Path) -> None:
    """A slice is a value: what was read before does not matter."""
    run: Run = open_run(ms, Asked())
    first = run.read(2)
    run.read(0)
    again = run.read(2)
    run.close()
    assert_same_samples(first, again)
    assert first.times == again.times
