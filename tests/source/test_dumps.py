"""Integrations of sets that do not say plainly what they are: INTERVALs too long, averages by baseline, odd numbers.

Each is the trap of a real set (`test_real_data`), made small.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.settings import asked
from fip.data.values import Slice
from fip.imaging.kernels import make_kernel
from fip.source.info import describe
from fip.source.open_run import open_run
from fip.source.requests import forget, look
from fip.worker.stages import image_file
from support import small_ms
from support.cut_slices import CHANNELS, PAIRS, cut, flux, notes

Columns = small_ms.Columns
HIGH = small_ms.BAND + 1e8


def joined(*parts: Columns) -> Columns:
    """The rows of several, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def some(columns: Columns, kept: NDArray[np.bool_]) -> Columns:
    """Return some of the rows."""
    return {name: values[kept] for name, values in columns.items()}


def samples(slices: list[Slice]) -> list[int]:
    """How many baselines with four channels each slice has."""
    return [piece.samples // CHANNELS for piece in slices]


def header(piece: Slice) -> Any:
    """Return the header of the image that a worker makes of a slice."""
    made = image_file(piece, make_kernel(piece.settings, piece.grid), "host/cpu0", 0.0)
    return fits.Header.fromstring(bytes(made.files[0].content))


# --- INTERVAL that is longer than the cadence -------------------------------------------------------------------


def sparse(interval: float, present: float = 0.6) -> Columns:
    """Scans of 30 dumps of 10 s; each baseline has every other one or so; INTERVAL as said, at times less.

    As the EHT's Sgr A*, and what UVFITS files of the VLBA become.
    """
    generator = np.random.default_rng(7)
    columns = small_ms.rows(60)
    columns["TIME"] = columns["TIME"] + np.where(np.arange(60 * PAIRS) < 30 * PAIRS, 0.0, 330.0)
    columns["SCAN_NUMBER"] = np.where(columns["TIME"] < small_ms.START + 301, 8, 9).astype(np.int32)
    columns["INTERVAL"][:] = np.where(generator.random(60 * PAIRS) < 0.1, generator.uniform(1, interval), interval)
    columns["EXPOSURE"] = columns["INTERVAL"].copy()
    first = np.arange(60 * PAIRS) % PAIRS == 0  # one baseline is always there
    return some(columns, first | (generator.random(60 * PAIRS) < present))


@pytest.mark.parametrize(("interval", "present"), [(25.0, 0.6), (256.0, 0.6), (25.0, 0.3)])
def test_an_interval_longer_than_the_cadence_is_no_average(tmp_path: Path, interval: float, present: float) -> None:
    """Each TIME is an integration; no two overlap, and none is exposed for longer than it lasts."""
    path = small_ms.write(tmp_path / "sparse.ms", sparse(interval, present))
    slices = cut(path)
    assert len(slices) == 60
    for before, after in pairwise(slices):
        assert before.times.end <= after.times.begin
    for piece in slices:
        span = piece.times.end - piece.times.begin
        assert span == pytest.approx(10)
        assert 0 < piece.times.exposure <= span
    told = notes(path)
    assert "INTERVAL is longer than a baseline takes to repeat" in told
    assert "averaged" not in told
    assert "INTERVAL is wrong: longer" in describe(path)


def test_headers_of_neighbours_do_not_overlap_where_the_cadence_jitters(tmp_path: Path) -> None:
    """DATE-END of one is no later than DATE-BEG of the next, by their text; EXPTIME and TELAPSE fit in between."""
    columns = small_ms.rows(6)
    jitter = np.repeat([0.0, 0.004, -0.005, 0.003, -0.004, 0.0], PAIRS)
    columns["TIME"] = columns["TIME"] + jitter
    columns["INTERVAL"][:] = columns["EXPOSURE"][:] = 128.0
    cards = [header(piece) for piece in cut(small_ms.write(tmp_path / "vlba.ms", columns), size=(32, 32))]
    for before, after in pairwise(cards):
        assert before["DATE-END"] <= after["DATE-OBS"]
    assert all(9.9 < each["EXPTIME"] <= each["TELAPSE"] < 10.01 for each in cards)


def test_one_row_with_a_wrong_interval_does_not_stretch_its_image(tmp_path: Path) -> None:
    """The other rows of the dump say how long it was, and the dump after it is one of its own."""
    columns = small_ms.rows(4)
    columns["INTERVAL"][PAIRS + 3] = 35.0
    slices = cut(small_ms.write(tmp_path / "odd.ms", columns))
    assert samples(slices) == [PAIRS] * 4
    assert [piece.times.end - piece.times.begin for piece in slices] == pytest.approx([10] * 4)


def test_an_exposure_of_zero_is_none(tmp_path: Path) -> None:
    """The image was exposed for as long as it lasted."""
    columns = small_ms.rows(2)
    columns["EXPOSURE"][:] = 0.0
    assert [piece.times.exposure for piece in cut(small_ms.write(tmp_path / "zero.ms", columns))] == [10, 10]


# --- baselines that are averaged by different lengths -----------------------------------------------------------


def averaged(lengths: dict[int, float], total: float) -> list[Columns]:
    """Rows of baselines of an antenna (their ANTENNA1) that are averaged by so many s, of cells that begin together."""
    found = []
    for antenna, length in lengths.items():
        rows = small_ms.rows(int(total / length), cadence=length)
        rows["TIME"] = rows["TIME"] + length / 2
        found.append(some(rows, rows["ANTENNA1"] == antenna))
    return found


@pytest.mark.parametrize("total", [16.0, 48.0])
def test_averages_by_baseline_in_one_window(tmp_path: Path, total: float) -> None:
    """Averages of 2 to 16 s, even if a baseline of the longest has one row alone: INTERVAL is right, and said to be."""
    path = small_ms.write(tmp_path / "bda.ms", joined(*averaged({0: 2.0, 1: 4.0, 2: 8.0, 3: 16.0}, total)))
    slices = cut(path)
    assert samples(slices) == [4 * 8 + 3 * 4 + 2 * 2 + 1] * int(total / 16)
    assert [piece.complete for piece in slices] == [1] * int(total / 16)
    assert [piece.times.end - piece.times.begin for piece in slices] == [16.0] * int(total / 16)
    assert "averaged by different lengths" in notes(path)
    assert "INTERVAL is wrong" not in describe(path)


def test_a_row_of_an_average_by_baseline_that_lacks_counts_by_its_length(tmp_path: Path) -> None:
    """One of ten baselines lacks an eighth (2 s of 16, in the second integration), then a half (8 s, in the third)."""
    columns = joined(*averaged({0: 2.0, 1: 4.0, 2: 8.0, 3: 16.0}, 48.0))
    for length, late in ((2.0, 16.0), (8.0, 32.0)):
        there = (columns["INTERVAL"] == length) & (columns["TIME"] > small_ms.START + late)
        columns = some(columns, np.arange(there.size) != np.argmax(there))
    path = small_ms.write(tmp_path / "bda.ms", columns)
    assert [piece.complete for piece in cut(path)] == [1, 0.9875, 0.95]


def test_averages_by_baseline_with_a_window_for_each_length(tmp_path: Path) -> None:
    """Windows of one band on baselines that are not the same: one image of all of them."""
    fast, slow = averaged({0: 10.0, 1: 20.0}, 60.0)
    slow["DATA_DESC_ID"][:] = 1
    coarse = np.array([small_ms.BAND.mean()])
    path = small_ms.write(tmp_path / "windows.ms", joined(fast, slow), bands=(small_ms.BAND, coarse))
    slices = cut(path)
    assert [piece.samples for piece in slices] == [2 * 4 * CHANNELS + 3] * 3
    assert [len(piece.blocks) for piece in slices] == [2] * 3
    assert [piece.complete for piece in slices] == [1] * 3
    assert "averaged by different lengths" in notes(path)


def test_windows_of_two_bands_on_other_baselines_are_no_average(tmp_path: Path) -> None:
    """Two receivers on two subarrays, each with a cadence of its own, are apart."""
    fast, slow = averaged({0: 10.0, 1: 20.0}, 60.0)
    slow["DATA_DESC_ID"][:] = 1
    path = small_ms.write(tmp_path / "bands.ms", joined(fast, slow), bands=(small_ms.BAND, HIGH))
    slices = cut(path)
    assert sorted(samples(slices)) == [3] * 3 + [4] * 6
    assert [piece.complete for piece in slices] == [1] * 9


@pytest.mark.parametrize(("first", "second"), [((12, 8.0), (8, 2.0)), ((8, 2.0), (12, 8.0)), ((5, 1.0), (6, 4.0))])
def test_dumps_of_two_lengths_in_a_scan(tmp_path: Path, first: tuple[int, float], second: tuple[int, float]) -> None:
    """The correlator changed to dump faster, or slower, in the midst of a scan: all baselines at once."""
    one, other = (small_ms.rows(count, cadence=length) for count, length in (first, second))
    one["TIME"] = one["TIME"] + first[1] / 2
    other["TIME"] = other["TIME"] + first[0] * first[1] + second[1] / 2
    path = small_ms.write(tmp_path / "faster.ms", joined(one, other))
    slices = cut(path)
    assert samples(slices) == [PAIRS] * (first[0] + second[0])
    lengths = [first[1]] * first[0] + [second[1]] * second[0]
    assert [piece.times.end - piece.times.begin for piece in slices] == pytest.approx(lengths)
    assert "averaged" not in notes(path)


# --- what is of one dump, and what is not -----------------------------------------------------------------------


@pytest.mark.parametrize("column", ["SCAN_NUMBER", "OBSERVATION_ID"])
@pytest.mark.parametrize("integrations", [1, 5])
def test_sub_bands_of_one_dump_join_whatever_their_number(tmp_path: Path, column: str, integrations: int) -> None:
    """The set was put together from one for each sub-band."""
    columns = small_ms.rows(integrations, windows=2)
    columns[column] = columns["DATA_DESC_ID"] + 1
    path = small_ms.write(tmp_path / "bands.ms", columns, bands=(small_ms.BAND, HIGH))
    small_ms.fill(path, "OBSERVATION", 2, TELESCOPE_NAME=["TEST"] * 3, OBSERVER=["Jansky"] * 3)
    slices = cut(path)
    assert [len(piece.blocks) for piece in slices] == [2] * integrations
    assert all(flux(piece) == pytest.approx(1, abs=1e-6) for piece in slices)


def test_sub_bands_join_though_only_one_of_them_changes_its_scan(tmp_path: Path) -> None:
    """One numbers two scans, the other one: all dumps have both."""
    columns = small_ms.rows(6, windows=2)
    later = columns["TIME"] > small_ms.START + 25
    columns["SCAN_NUMBER"] = np.where(columns["DATA_DESC_ID"] == 0, np.where(later, 2, 1), 7).astype(np.int32)
    path = small_ms.write(tmp_path / "half.ms", columns, bands=(small_ms.BAND, HIGH))
    assert [len(piece.blocks) for piece in cut(path)] == [2] * 6


def test_two_observations_with_one_window_at_one_time_are_two(tmp_path: Path) -> None:
    """Nothing says that they are one."""
    one, other = small_ms.rows(3), small_ms.rows(3)
    other["OBSERVATION_ID"][:] = 1
    path = small_ms.write(tmp_path / "two.ms", joined(one, other))
    small_ms.fill(path, "OBSERVATION", 1, TELESCOPE_NAME=["TEST"] * 2, OBSERVER=["Jansky"] * 2)
    assert samples(cut(path)) == [PAIRS] * 6


def test_windows_that_take_turns_are_not_one_dump(tmp_path: Path) -> None:
    """Dumps of 10 s, one window after the other, in one scan."""
    columns = small_ms.rows(8)
    columns["DATA_DESC_ID"] = (np.arange(8 * PAIRS) // PAIRS % 2).astype(np.int32)
    path = small_ms.write(tmp_path / "turns.ms", columns, bands=(small_ms.BAND, HIGH))
    slices = cut(path)
    assert [len(piece.blocks) for piece in slices] == [1] * 8


def test_two_dumps_with_one_time_are_told(tmp_path: Path, ms: Path) -> None:
    """They cannot be distinguished; whoever images them knows."""
    columns = small_ms.rows(3)
    path = small_ms.write(tmp_path / "twice.ms", joined(columns, some(columns, columns["TIME"] == small_ms.START)))
    assert f"warning: {PAIRS} rows have the TIME, the antennas and the window of another row" in notes(path)
    assert f"{PAIRS} rows have the TIME" in describe(path)
    assert "of another row" not in notes(ms)


def test_beams_are_never_added_into_one_image(tmp_path: Path) -> None:
    """Two beams at one time, of FEED 0 and 3: an image each, with names and numbers of their own, and a warning."""
    columns = joined(small_ms.rows(3), small_ms.rows(3))
    path = small_ms.write(tmp_path / "beams.ms", columns)
    with small_ms.edit(path) as table:
        feed = np.repeat([0, 3], 3 * PAIRS).astype(np.int32)
        table.putcol("FEED1", feed)
        table.putcol("FEED2", feed)
    slices = cut(path)
    assert samples(slices) == [PAIRS] * 6
    assert sorted((piece.label, piece.integration) for piece in slices) == [
        (beam, number) for beam in ("beam0", "beam3") for number in range(3)
    ]
    assert "2 beams (FEED1 0, 3): each is imaged by itself" in notes(path)
    assert "FEED1 0, 3" in describe(path)


def test_feeds_that_are_numbered_by_antenna_are_no_beams(tmp_path: Path) -> None:
    """The rows of a baseline then have two numbers: it is one beam."""
    columns = small_ms.rows(3)
    path = small_ms.write(tmp_path / "feeds.ms", columns)
    with small_ms.edit(path) as table:
        table.putcol("FEED1", columns["ANTENNA1"])
        table.putcol("FEED2", columns["ANTENNA2"])
    assert samples(cut(path)) == [PAIRS] * 3


# --- receivers that take turns ----------------------------------------------------------------------------------


def in_turns() -> Columns:
    """Three scans of three dumps: window 0, window 1, window 0."""
    columns = small_ms.rows(9)
    scan = np.arange(9 * PAIRS) // (3 * PAIRS)
    columns["SCAN_NUMBER"], columns["DATA_DESC_ID"] = scan.astype(np.int32), (scan % 2).astype(np.int32)
    return columns


def test_a_header_speaks_of_its_slice_where_receivers_take_turns(tmp_path: Path) -> None:
    """Its frequency axis is that of the windows that it has; the grid on the sky is one."""
    path = small_ms.write(tmp_path / "turns.ms", in_turns(), bands=(small_ms.BAND, HIGH))
    slices = cut(path, size=(32, 32))
    cards = [header(piece) for piece in slices]
    low, high = small_ms.BAND.mean(), HIGH.mean()
    assert [each["CRVAL3"] for each in cards] == pytest.approx([low] * 3 + [high] * 3 + [low] * 3)
    for each in cards:
        assert each["RESTFRQ"] == each["CRVAL3"] == pytest.approx(each["FIPFREQ"])
        assert each["CDELT3"] == each["RESTBW"] == each["FIPBWEFF"] == pytest.approx(4e6)
    assert len({(each["CRVAL1"], each["CDELT2"]) for each in cards}) == 1


def test_a_slice_with_all_windows_has_the_header_of_the_run(tmp_path: Path) -> None:
    """Also if one of them is flagged in it: what was there is FIPFREQ."""
    path = small_ms.write(tmp_path / "all.ms", small_ms.rows(2, windows=2), bands=(small_ms.BAND, HIGH))
    with small_ms.edit(path) as table:
        row = np.flatnonzero((table.getcol("TIME") == small_ms.START) & (table.getcol("DATA_DESC_ID") == 1))
        for each in row.tolist():
            table.putcell("FLAG_ROW", each, True)
    first, second = (header(piece) for piece in cut(path, size=(32, 32)))
    assert first["CRVAL3"] == second["CRVAL3"] == pytest.approx((small_ms.BAND[0] + HIGH[-1]) / 2)
    assert first["FIPFREQ"] == pytest.approx(small_ms.BAND.mean())


def test_a_beam_is_compared_with_that_of_its_own_windows(tmp_path: Path) -> None:
    """A window of three times the frequency has a beam of a third, and nothing is wrong with it."""
    path = small_ms.write(tmp_path / "third.ms", in_turns(), bands=(small_ms.BAND, 3 * small_ms.BAND))
    run = open_run(path, asked(size=(64, 64), scale="5arcsec"))
    order = [4, 0, 8]  # the nominal beams do not depend on what is read first
    slices = {number: run.read(number) for number in order}
    run.close()
    beams = {number: piece.nominal_beam for number, piece in slices.items()}
    assert beams[0] and beams[4]
    assert beams[0].major == pytest.approx(3 * beams[4].major, rel=0.01)
    assert beams[0] == beams[8]
    made = (image_file(each, make_kernel(each.settings, each.grid), "host/cpu0", 0.0) for each in slices.values())
    assert [each.quality for each in made] == ["good"] * 3


# --- how long it was observed -----------------------------------------------------------------------------------


def test_gaps_are_not_observed(tmp_path: Path) -> None:
    """Ten dumps with an hour between them are ten times the cadence: "x real time" is computed from it."""
    columns = small_ms.rows(10)
    columns["TIME"] = columns["TIME"] + np.where(columns["TIME"] > small_ms.START + 45, 3600.0, 0.0)
    path = small_ms.write(tmp_path / "gap.ms", columns)
    facts = look(path, asked(), None)
    forget(path, asked(), None)
    assert facts.observed == pytest.approx(100)


def test_an_antenna_within_a_wavelength_sees_the_whole_sky(tmp_path: Path) -> None:
    """Its primary beam is not hundreds of degrees wide."""
    path = small_ms.write(tmp_path / "dipoles.ms", small_ms.rows(1))
    with small_ms.edit(path / "ANTENNA") as table:
        table.putcol("DISH_DIAMETER", np.full(5, 0.04))
    text = describe(path)
    assert "primary beam  the whole sky: 0.04 m is within a wavelength at 1001.5 MHz" in text
    assert "deg FWHM" not in text
