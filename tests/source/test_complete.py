"""How complete a slice is: the share of the samples that are expected that is there, by rows and by what they hold."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.arriving import Rules
from fip.data.complete import NO_SLICES
from fip.data.selection import Average, UvRange
from fip.data.settings import asked
from fip.imaging.kernels import make_kernel
from fip.source import growing as growing_module
from fip.source.growing import Growing
from fip.source.tables.measurement_set import MeasurementSet
from fip.worker.stages import image_file
from support import small_ms
from support.arriving_folder import folder, make_set
from support.cut_slices import CHANNELS, PAIRS, cut
from support.holed_ms import OF_HOLED, TWO, but, dump, holed, of_antenna

Columns = small_ms.Columns


def shares(path: Path, **selection: Any) -> list[float]:
    """Return the share of each slice."""
    return [piece.complete for piece in cut(path, **selection)]


@pytest.mark.parametrize("autocorrelations", [False, True])
def test_rows_and_windows_that_are_not_there_lower_the_share(tmp_path: Path, autocorrelations: bool) -> None:
    """The share is lowered by their samples; autocorrelations count for none."""
    path = small_ms.write(tmp_path / "holes.ms", holed(autocorrelations=autocorrelations), bands=TWO)
    assert shares(path) == OF_HOLED
    assert shares(path, average=Average(4, "integrations")) == [0.8167, 0.85]
    assert shares(path, spw="0") == [1, 1, 0.6, 1, 1, 0.6, 1, 1]  # of what is selected
    assert shares(path, spw="1,0:0") == [1, 1, 0.6, 0.3333, 1, 0.2, 1, 1]


def test_what_lacks_from_the_beginning_is_not_expected(tmp_path: Path) -> None:
    """What came before decides: a recording that grows has the same numbers in the end."""
    columns = small_ms.rows(4, windows=2)
    gone = (of_antenna(columns, 4) & (dump(columns) < 2)) | ((columns["DATA_DESC_ID"] == 1) & (dump(columns) < 1))
    path = small_ms.write(tmp_path / "late.ms", but(columns, gone), bands=TWO)
    assert shares(path) == [1, 1, 1, 1]


def test_a_scan_may_have_fewer_antennas_and_other_windows_than_the_one_before(tmp_path: Path) -> None:
    """VLBI is like this, or a change of receivers. A window that lacks in all of a scan does lack."""
    columns = small_ms.rows(8, windows=4)
    when, window = dump(columns), columns["DATA_DESC_ID"]
    columns["SCAN_NUMBER"] = (1 + when // 2).astype(np.int32)
    gone = (when < 4) & (window >= 2)  # two scans of windows 0 and 1, then two of windows 2 and 3
    gone |= (when >= 4) & (window < 2)
    gone |= (when // 2 == 1) & of_antenna(columns, 0)
    gone |= (when // 2 == 3) & (window == 3)
    bands = (*TWO, small_ms.BAND + 3e8, small_ms.BAND + 4e8)
    path = small_ms.write(tmp_path / "scans.ms", but(columns, gone), bands=bands)
    assert shares(path) == [1, 1, 1, 1, 1, 1, 0.5, 0.5]


def test_rows_that_are_there_twice_are_not_expected_twice(tmp_path: Path) -> None:
    """It looks as if an integration was written again."""
    columns = small_ms.rows(3)
    twice = {name: np.concatenate([values, values[dump(columns) == 1]]) for name, values in columns.items()}
    order = np.argsort(twice["TIME"], kind="stable")
    path = small_ms.write(tmp_path / "twice.ms", {name: values[order] for name, values in twice.items()})
    assert shares(path) == [1, 1, 1]


@pytest.mark.parametrize(("expected", "found"), [(2, OF_HOLED), (4, [each / 2 for each in OF_HOLED])])
def test_windows_that_never_came_count_if_it_is_known_how_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: int, found: list[float]
) -> None:
    """Each as the others on the average; not if windows are selected."""
    monkeypatch.setattr(MeasurementSet, "parts_expected", lambda self: expected)
    path = small_ms.write(tmp_path / "holes.ms", holed(), bands=TWO)
    assert shares(path) == pytest.approx(found, abs=1e-4)
    assert shares(path, spw="0,1") == OF_HOLED


def spoiled(columns: Columns, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
    """Samples that hold nothing, of ten baselines and four channels in each integration."""
    values = small_ms.point_source(columns, frequency, count)
    when = dump(columns)
    baseline = np.arange(when.size) % PAIRS
    values[(when == 1) & (baseline == 3), 1, 0] = np.nan  # one hand of one sample
    values[(when == 2) & (baseline < 2)] = np.inf  # two baselines
    values[(when == 3) & (baseline < 5), :2] = 0  # as somebody fills in
    values[(when == 4) & (baseline == 0), 3, -1] = 1e20
    values[(when == 5)] = np.nan
    values[(when == 6) & (baseline == 0), :, 1:3] = np.nan  # cross hands, which I is not made of
    return values


OF_SPOILED = [1, 39 / 40, 0.8, 0.75, 39 / 40, 0, 1]


def test_samples_that_hold_nothing_are_not_there_and_flagged_ones_are(tmp_path: Path) -> None:
    """NaN, infinities, impossible values and zeros, flagged or not; a flag alone takes nothing away."""
    path = small_ms.write(tmp_path / "spoiled.ms", small_ms.rows(7), data={"DATA": spoiled})
    assert shares(path) == OF_SPOILED
    assert shares(path, keep_zeros=True) == [*OF_SPOILED[:3], 1, *OF_SPOILED[4:]]
    assert shares(path, stokes=("U",))[6] == 0.9
    assert shares(path, stokes=("pseudoI",)) == [1, 1, 0.8, 0.75, 1, 0, 1]
    small_ms.change(path, "FLAG", lambda flag: np.ones_like(flag))
    assert shares(path) == OF_SPOILED
    small_ms.change(path, "FLAG_ROW", lambda flag: np.ones_like(flag))
    assert shares(path) == [1] * 7  # of rows that are flagged as a whole nothing is read


def test_a_selection_counts_in_what_is_there_and_in_what_is_expected(tmp_path: Path) -> None:
    """It may be a selection of antennas, or of a range of uv."""
    path = small_ms.write(tmp_path / "spoiled.ms", small_ms.rows(7), data={"DATA": spoiled})
    assert shares(path, antenna="1,2,3,4")[2:4] == [1, pytest.approx(1 - 1 / 12, abs=1e-4)]
    within = cut(path, uv_range=UvRange(0, 250, "m"))
    assert 0 < within[2].samples < PAIRS * CHANNELS
    assert within[5].complete == 0
    assert within[0].complete == 1


class Said(MeasurementSet):
    """It says how many of its rows are whole."""

    said = 0

    def complete_rows(self) -> int | None:
        """Return the number that was said last."""
        return self.said


@pytest.mark.parametrize("wanted", [{}, {"average": Average(3, "integrations")}], ids=["single", "averaged"])
def test_a_recording_that_grows_has_the_shares_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    """Each slice as soon as it can be cut, and looked at from the beginning at any later time."""
    columns = holed()
    path = small_ms.write(tmp_path / "grows.ms", columns, bands=TWO)
    ends = np.cumsum(np.bincount(dump(columns)))
    monkeypatch.setattr(growing_module, "open_recording", lambda path, growing: Said(path, growing))
    selection, whole = asked(**wanted), shares(path, **wanted)

    def of_new(growing: Growing, seen: int) -> list[float]:
        run = growing.look(complete=True, ended=True)
        return [run.read(number).complete for number in range(seen, len(run.slices))]

    with closing(Growing(path, selection)) as growing:
        found: list[float] = []
        for end in ends.tolist() if not wanted else [ends[2], ends[5], ends[7]]:
            monkeypatch.setattr(Said, "said", int(end))
            found += of_new(growing, len(found))
            with closing(Growing(path, selection)) as late:
                assert of_new(late, 0) == found
    assert found == whole


@pytest.mark.parametrize(
    ("parts", "found"), [(None, [1, 1, 0.5, 1]), (3, [0.6667, 0.6667, 0.3333, 0.6667])], ids=["as they come", "3"]
)
def test_sub_bands_that_did_not_arrive_are_missed(tmp_path: Path, parts: int | None, found: list[float]) -> None:
    """As many as came together before, or as many as are said to come, from the first on; however late it is read."""
    rules, selection = Rules(settle=2.0, grace=10.0, parts=parts), asked(size=(16, 16), scale="60arcsec")
    with folder(tmp_path, rules) as here:
        with closing(Growing(here.path, selection, lambda: here.recording)) as growing:
            told: list[float] = []
            for slot, bands in enumerate(((0, 1), (0, 1), (1,), (0, 1))):
                for band in bands:
                    make_set(here.path / f"{slot}-{band}.ms", slot, band)
                here.wait(14.0)
                run = growing.look()
                told += [run.read(number).complete for number in range(len(told), len(run.slices))]
                assert len(told) == slot + 1
        with folder(tmp_path, rules) as late:
            again = Growing(late.path, selection, lambda: late.recording).look()
            assert [again.read(number).complete for number in range(4)] == told == found


def test_every_image_says_it_and_so_does_the_ledger(tmp_path: Path) -> None:
    """FIPCOMPL, exactly 1 if all is there; below a half the quality says it too."""
    path = small_ms.write(tmp_path / "holes.ms", holed(), bands=TWO)
    for piece, share in zip(cut(path, make_psf=True, size=(64, 64)), OF_HOLED, strict=True):
        made = image_file(piece, make_kernel(piece.settings, piece.grid), "host/cpu0", 0.0)
        headers = {file.kind: fits.Header.fromstring(bytes(file.content)) for file in made.files}
        assert {kind: header["FIPCOMPL"] for kind, header in headers.items()} == {"dirty": share, "psf": share}
        assert headers["dirty"].comments["FIPCOMPL"] == "share of the expected samples that is there"
        assert made.numbers["complete"] == (share, "")
        assert ("incomplete" in made.quality.split("+")) == (share < 0.5)


def nearly(columns: Columns) -> Callable[..., Any]:
    """One sample of all lacks."""

    def fill(columns: Columns, frequency: NDArray[np.float64], count: int) -> NDArray[np.complexfloating]:
        values = small_ms.point_source(columns, frequency, count)
        values[0, 0] = np.nan
        return values

    return fill


def test_a_share_is_one_only_if_nothing_lacks(tmp_path: Path) -> None:
    """It is 0 only if nothing is there, however many digits that takes."""
    columns, many = small_ms.rows(1), np.linspace(1.0e9, 1.003e9, 4000)
    path = small_ms.write(tmp_path / "wide.ms", columns, bands=(many,), data={"DATA": nearly(columns)})
    assert shares(path) == [0.9999]


def test_shares_add_up_to_least_mean_and_how_many_lack_something() -> None:
    """Shares are added one after the other."""
    told = NO_SLICES
    for share in OF_HOLED:
        told = told.with_one(share)
    assert (told.slices, told.lacking, told.least) == (8, 3, 0.4)
    assert told.mean == pytest.approx(sum(OF_HOLED) / 8)
    assert told.words == "83.3% of the samples are there, 40.0% in the least of 8 slices; 3 lack some"
    assert NO_SLICES.with_one(1.0).with_one(0.99999).words.startswith("99.9% of the samples are there, 99.9%")
    assert NO_SLICES.with_one(1.0).words == "all samples are there"
