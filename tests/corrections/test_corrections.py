"""Corrections as a run makes them: in their order, given in numbers and cards, and part of the run's id by content."""

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fip.client.operator import new_job
from fip.data.directions import Direction
from fip.data.errors import FipError, UsageError
from fip.data.needs import files_of, with_whole_paths
from fip.data.rotations import axes
from fip.data.settings import Selection, asked
from fip.source.open_run import open_run
from fip.ventilator.supply import refused
from fip.wire.codec import decode_slice, encode_slice
from support import small_ms
from support.casa_gains import write_gains
from support.cut_slices import PAIRS, cut, flux, notes


def _place() -> Direction:
    """Return the position of the source of `small_ms`."""
    east, north = small_ms.DIRECTION
    x, y, z = axes(*small_ms.FIELDS[0][1]).T @ np.array([east, north, np.sqrt(1 - east**2 - north**2)])
    return Direction(float(np.arctan2(y, x)), float(np.arcsin(z)), "FK5")


def sky_model(path: Path, jansky: float = 1.0) -> Path:
    """A list of WSClean's kind with the source of `small_ms`."""
    place = _place()
    right_ascension, declination = np.degrees(place.longitude), np.degrees(place.latitude)
    path.write_text(
        "Format = Name, Type, Ra, Dec, I, SpectralIndex='[]', LogarithmicSI, ReferenceFrequency='1.0e9'\n"
        f"s0,POINT,{right_ascension:.9f}deg,{declination:.9f}deg,{jansky},[],false,1.0e9\n"
    )
    return path


def test_a_sky_model_is_subtracted_and_how_well_it_fits_is_told(tmp_path: Path) -> None:
    """Nothing is left of a source of 1 Jy; if a model is 10 % too bright, the amplitude says so."""
    path = small_ms.write(tmp_path / "sky.ms", small_ms.rows(2))
    model = sky_model(tmp_path / "right.skymodel")
    for piece in cut(path, sky_model=str(model)):
        assert abs(flux(piece)) < 1e-5  # the accuracy asked
        assert piece.numbers["model.amplitude"][0] == pytest.approx(1, abs=1e-5)
        assert piece.numbers["model.phase"][0] == pytest.approx(0, abs=1e-3)
        assert [each.name for each in piece.known] == ["s0"]
        east, north = small_ms.DIRECTION
        x, y = piece.grid.width / 2 - east / piece.grid.scale, piece.grid.height / 2 + north / piece.grid.scale
        assert (piece.known[0].x, piece.known[0].y) == pytest.approx((x, y), abs=1e-3)
        cards = {each.keyword: each.value for each in piece.cards}
        assert str(cards["FIPSKY"]).startswith("right.skymodel@")
    (bright, _) = cut(path, sky_model=str(sky_model(tmp_path / "bright.skymodel", 1.1)))
    assert bright.numbers["model.amplitude"][0] == pytest.approx(1 / 1.1, rel=1e-5)
    assert flux(bright) == pytest.approx(-0.1, abs=1e-5)


@pytest.mark.parametrize("jansky", [1e-20, 1.0])
def test_garbled_values_and_models_of_nothing_do_not_keep_a_slice_from_workers(tmp_path: Path, jansky: float) -> None:
    """What they make of an amplitude is left out, or is that of the other samples: workers refuse other numbers."""

    def garbled(columns: small_ms.Columns, frequency: np.ndarray, count: int) -> np.ndarray:
        values = small_ms.point_source(columns, frequency, count)
        values[4, 2, 3] = 3e38
        return values

    path = small_ms.write(tmp_path / "garbled.ms", small_ms.rows(1), data={"DATA": garbled})
    (piece,) = cut(path, sky_model=str(sky_model(tmp_path / "a.skymodel", jansky)))
    assert decode_slice(encode_slice(piece)).numbers == piece.numbers
    amplitude = piece.numbers.get("model.amplitude")
    assert amplitude is None if jansky < 1 else amplitude and amplitude[0] == pytest.approx(1, abs=1e-5)


def test_models_of_a_file_and_of_the_recording_are_both_subtracted(tmp_path: Path) -> None:
    """MODEL_DATA has half of the source, the list the other half."""

    def half(columns: small_ms.Columns, frequency: np.ndarray, count: int) -> np.ndarray:
        return 0.5 * small_ms.point_source(columns, frequency, count)

    data = {"DATA": small_ms.point_source, "MODEL_DATA": half}
    path = small_ms.write(tmp_path / "both.ms", small_ms.rows(1), data=data)
    (piece,) = cut(path, sky_model=str(sky_model(tmp_path / "half.skymodel", 0.5)), subtract_model=True)
    assert abs(flux(piece)) < 1e-5


def test_the_id_goes_by_what_a_file_holds_and_not_by_where_it_lies(tmp_path: Path) -> None:
    """A copy elsewhere is the same run; another flux is another run; without a model it is as it always was."""
    path = small_ms.write(tmp_path / "sky.ms", small_ms.rows(1))
    model = sky_model(tmp_path / "one.skymodel")
    (tmp_path / "there").mkdir()
    copied = Path(shutil.copy(model, tmp_path / "there" / "other.skymodel"))
    other = sky_model(tmp_path / "two.skymodel", 2.0)
    ids = [open_run(path, asked(sky_model=str(each))).id for each in (model, copied, other)]
    assert ids[0] == ids[1] != ids[2]
    assert open_run(path, asked()).id not in ids


def test_a_slice_without_a_good_sample_is_empty_as_ever(tmp_path: Path) -> None:
    """No noise is expected of it, and no fit is given."""
    path = small_ms.write(tmp_path / "gone.ms", small_ms.rows(2))
    with small_ms.edit(path) as table:
        table.putcol("FLAG_ROW", np.array([True] * PAIRS), 0, PAIRS)
    empty, other = cut(path, sky_model=str(sky_model(tmp_path / "a.skymodel")), flag="auto")
    assert empty.empty
    assert not other.empty
    assert not {"noise.expected", "model.amplitude"} & empty.numbers.keys()
    assert empty.known == ()


def test_a_header_names_the_table_that_was_applied(tmp_path: Path) -> None:
    """Of a folder: also if an end of a slice is flagged, and the mean of what is good is before the table's begin."""
    path = small_ms.write(tmp_path / "three.ms", small_ms.rows(3))
    names = [f"a{number}" for number in range(5)]
    with small_ms.edit(path / "ANTENNA") as table:
        table.putcol("NAME", names)
    with small_ms.edit(path) as table:
        table.putcol("FLAG_ROW", np.array([True] * PAIRS), 2 * PAIRS, PAIRS)
    for name, begin, gain in (("early.G", -100.0, 1.0), ("late.G", 7.0, 2.0)):
        values = np.full((5, 1, 2), gain, np.complex64)
        time = np.full(5, small_ms.START + begin)
        folder = tmp_path / "gains" / name
        folder.parent.mkdir(exist_ok=True)
        write_gains(
            folder, "G Jones", names, time, np.arange(5), values, [small_ms.BAND[:1]], position=small_ms.POSITIONS
        )
        for each in (folder, *folder.rglob("*")):
            os.utime(each, (1e9, 1e9))  # left alone for long
    (piece,) = cut(path, gains=str(tmp_path / "gains"), average="3")
    assert flux(piece) == pytest.approx(1 / 4, rel=1e-5)  # by late.G, 2 for each antenna
    assert next(str(each.value) for each in piece.cards if each.keyword == "FIPGAINS").startswith("late.G@")


def test_gains_are_applied_to_data(tmp_path: Path) -> None:
    """A column that is corrected already is refused in one line."""
    data = {"DATA": small_ms.point_source, "CORRECTED_DATA": small_ms.point_source}
    path = small_ms.write(tmp_path / "two.ms", small_ms.rows(1), data=data)
    with pytest.raises(UsageError, match=r"CORRECTED_DATA with --gains: it is corrected already"):
        cut(path, gains="night.G", column="CORRECTED_DATA")


@pytest.mark.parametrize("option", ["gains", "flag", "sky_model"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, option: str) -> None:
    """The message is one line with its path."""
    path = small_ms.write(tmp_path / "a.ms", small_ms.rows(1))
    with pytest.raises(FipError, match="nothing-here") as found:
        cut(path, **{option: str(tmp_path / "nothing-here.txt")})
    assert "\n" not in str(found.value)


def test_a_run_with_corrections_goes_from_one_reading_child_to_others(tmp_path: Path) -> None:
    """It goes by pickle, as in `fip.source.handing_over`: what is cut there is the same."""
    path = small_ms.write(tmp_path / "sky.ms", small_ms.rows(1))
    run = open_run(path, asked(sky_model=str(sky_model(tmp_path / "a.skymodel")), flag="auto"))
    corrections = pickle.loads(pickle.dumps(run.corrections))
    assert corrections.digests == run.corrections.digests if run.corrections else False
    (one,) = cut(path, sky_model=str(tmp_path / "a.skymodel"), flag="auto")
    for reader in run.readers:
        reader.corrections = corrections
    other = run.read(0)
    for a, b in zip(one.blocks, other.blocks, strict=True):
        np.testing.assert_array_equal(a.visibility, b.visibility)
    assert notes(path, flag="auto").count("flag: auto") == 1


def test_what_is_submitted_has_whole_paths_and_words_stay_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The ventilator runs elsewhere; its roots are for these files, too."""
    monkeypatch.chdir(tmp_path)
    selection = Selection(gains=("night.B", "/a/night.G"), flag="auto", sky_model=("field.skymodel", "sun", "A-team"))
    whole = with_whole_paths(selection)
    assert whole.gains == (f"{tmp_path}/night.B", "/a/night.G")
    assert (whole.flag, whole.sky_model) == ("auto", (f"{tmp_path}/field.skymodel", "sun", "A-team"))
    assert list(files_of(whole)) == [*whole.gains, whole.sky_model[0]]
    assert with_whole_paths(replace(selection, flag="bands.txt")).flag == f"{tmp_path}/bands.txt"


def test_files_of_corrections_are_taken_from_the_roots_alone(tmp_path: Path) -> None:
    """The rule is that of MeasurementSets."""
    roots = (tmp_path / "data",)

    def why(**options: str) -> str:
        return refused(new_job([tmp_path / "data" / "a.ms"], asked(**options)), roots)

    assert why(gains=f"{tmp_path}/data/night.B", flag="auto", sky_model="sun") == ""
    for option in ("gains", "flag", "sky_model"):
        assert "night.x: data are taken from" in why(**{option: f"{tmp_path}/night.x"})
