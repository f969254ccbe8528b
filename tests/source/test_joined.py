"""Sets of sub-bands that are read as one recording, against one set that holds all windows."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table
from numpy.typing import NDArray

from fip.api.imaging import image
from fip.data.errors import InputError, UsageError
from fip.data.settings import Asked, asked
from fip.source import growing as growing_module
from fip.source.copying import part_of
from fip.source.growing import Growing, Whole
from fip.source.handing_over import handed_over, taken_over
from fip.source.joined.bands import open_bands
from fip.source.joined.describing import describe
from fip.source.joined.grouping import grouped
from fip.source.joined.lines import take, to_line
from fip.source.joined.manifest import Group, Manifest, Odd, Thing
from fip.source.joined.recording import KEPT_OPEN, Joined
from fip.source.open_run import open_run, read_index
from fip.source.requests import look
from fip.source.sources import open_joined, open_recording
from fip.source.tables.measurement_set import MeasurementSet
from support import small_ms, uvh5_files
from support.sub_bands import BANDS, BASELINES, DUMPS, NAMES, noisy, split, whole_set


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of three windows."""
    return whole_set(tmp_path_factory.mktemp("whole") / "all.ms")


def joined(sets: Sequence[Path], **options: Any) -> Asked:
    """What is asked of the first set, so that it is imaged with the others."""
    return asked(size=64, scale="20arcsec", join=("bands", *map(str, sets[1:])), **options)


def pixels(path: Path, what: Asked) -> list[NDArray[Any]]:
    """The images of a run."""
    run = open_run(path, what)
    try:
        return [image(run.read(number)).pixels for number in range(len(run.slices))]
    finally:
        run.close()


@cache
def of_the_whole(whole: Path, **options: Any) -> list[NDArray[Any]]:
    """The images of the set that has all windows."""
    return pixels(whole, asked(size=64, scale="20arcsec", **options))


def assert_same_images(whole: Path, sets: Sequence[Path], **options: Any) -> None:
    """Check that images of the joined sets are those of the whole, to 1e-6 of the norm."""
    expected = of_the_whole(whole, **options)
    found = pixels(sets[0], joined(sets, **options))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.linalg.norm(one - other) <= 1e-6 * np.linalg.norm(other)


def other_numbers(path: Path) -> None:
    """Other scans and observations than in the other sets."""
    small_ms.change(path, "SCAN_NUMBER", lambda numbers: numbers + 7)
    small_ms.change(path, "OBSERVATION_ID", lambda numbers: numbers + 1)
    with small_ms.edit(path / "OBSERVATION") as sub:
        sub.addrows(1)


def own_window(path: Path) -> None:
    """The only window is number 0."""
    number = int(table(str(path), ack=False).getcell("DATA_DESC_ID", 0))
    small_ms.change(path / "DATA_DESCRIPTION", "SPECTRAL_WINDOW_ID", lambda numbers: 0 * numbers + number)
    small_ms.change(path, "DATA_DESC_ID", lambda numbers: 0 * numbers)


def antennas_turned(path: Path) -> None:
    """Put ANTENNA into another order."""
    order = np.array([3, 0, 4, 1, 2])  # [its row] the row before
    with small_ms.edit(path / "ANTENNA") as sub:
        for name in ("NAME", "POSITION", "DISH_DIAMETER"):
            values = sub.getcol(name)
            sub.putcol(name, [values[at] for at in order] if name == "NAME" else values[order])
    for name in ("ANTENNA1", "ANTENNA2"):
        small_ms.change(path, name, lambda numbers: np.argsort(order)[numbers].astype(np.int32))


def other_fields(path: Path) -> None:
    """FIELD has another row before."""
    with small_ms.edit(path / "FIELD") as sub:
        sub.addrows(1)
        for name in ("NAME", "PHASE_DIR"):
            sub.putcell(name, 1, sub.getcell(name, 0))
        sub.putcell("NAME", 0, "calibrator")
    small_ms.change(path, "FIELD_ID", lambda numbers: numbers + 1)


def later(seconds: float) -> Callable[[Path], None]:
    """Return a function that makes TIMEs later."""
    return lambda path: small_ms.change(path, "TIME", lambda times: times + seconds)


def longer(path: Path) -> None:
    """An INTERVAL that is rounded."""
    small_ms.change(path, "INTERVAL", lambda lengths: lengths * 1.03)


@pytest.mark.parametrize(
    "alter",
    [(), (other_numbers, own_window), (antennas_turned,), (None, antennas_turned, other_numbers), (other_fields,),
     (later(2.0), None, later(-2.0)), (None, longer), (own_window, own_window, own_window)],
)  # fmt: skip
def test_sub_bands_joined_make_the_images_of_the_set_that_has_all_windows(
    whole: Path, tmp_path: Path, alter: Sequence[Callable[[Path], None] | None]
) -> None:
    assert_same_images(whole, split(whole, tmp_path, *alter))


def test_sub_bands_may_be_recordings_of_several_kinds(whole: Path, tmp_path: Path) -> None:
    sets = split(whole, tmp_path)
    one = small_ms.write(tmp_path / "one.ms", small_ms.rows(DUMPS), bands=BANDS[1:2], data={"DATA": noisy})
    small_ms.change(one / "ANTENNA", "NAME", lambda _: np.array(NAMES))
    assert_same_images(whole, [sets[0], uvh5_files.from_set(one, tmp_path / "one.uvh5"), sets[2]])


def test_what_is_selected_of_joined_sets_is_what_is_selected_of_the_whole(whole: Path, tmp_path: Path) -> None:
    sets = split(whole, tmp_path, antennas_turned, later(1.0))
    assert_same_images(whole, sets, spw="0:1~2,2", antenna="!ant1", uv_range="100~400m", average="2", stokes="I,Q")


def test_joined_sets_are_one_run_by_what_they_have_and_not_by_where_they_are(whole: Path, tmp_path: Path) -> None:
    sets = split(whole, tmp_path)
    run = open_run(sets[0], joined(sets))
    assert (run.name, run.observations["target"].measurement_set) == ("night", "night_0MHz.ms and 2 more")
    assert not run.observations["target"].selection
    (elsewhere := tmp_path / "elsewhere").mkdir()
    moved = [path.rename(elsewhere / path.name) for path in sets]
    again, fewer = open_run(moved[0], joined(moved)), open_run(moved[0], joined(moved[:2]))
    alone = open_run(moved[0], asked(size=64, scale="20arcsec"))
    assert again.id == run.id
    assert again.hints == run.hints
    assert len({run.id, fewer.id, alone.id}) == 3
    small_ms.change(moved[2], "DATA", lambda values: 2 * values)
    changed = open_run(moved[0], joined(moved))
    assert changed.hints != run.hints
    changed.close()
    for each in (run, again, fewer, alone):
        each.close()


def test_another_child_takes_over_what_is_known_of_joined_sets_and_cuts_the_same(whole: Path, tmp_path: Path) -> None:
    sets = split(whole, tmp_path)
    opened = Whole(sets[0], joined(sets))
    taken = taken_over(handed_over(opened), lambda: open_joined(sets[0], joined(sets).source.join))
    assert taken is not None
    assert taken.look().fingerprint(1) == opened.look().fingerprint(1)
    before = taken.current
    small_ms.change(sets[2], "TIME", lambda times: times)
    with small_ms.edit(sets[2]) as main:
        main.addrows(1)
    assert (before, taken.current) == (True, False)  # though its first set is as it was
    taken.close()
    opened.close()


def by(number: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Add so much to a column."""
    return lambda numbers: numbers + number


def dumps(whole: Path, folder: Path) -> list[list[Path]]:
    """A set for each dump and window, that is of a scan and an array of its own, a little late: [dump][window]."""
    sets: list[list[Path]] = []
    with small_ms.edit(whole) as main:
        for dump, time in enumerate(np.unique(main.getcol("TIME")).tolist()):
            sets.append([folder / f"{dump}-{number}.ms" for number in range(3)])
            for number, path in enumerate(sets[-1]):
                main.query(f"TIME == {time} && DATA_DESC_ID == {number}").copy(str(path), deep=True).close()
                later(1.5 * number)(path)
                other_numbers(path)
                small_ms.change(path, "SCAN_NUMBER", by(number))
                small_ms.change(path, "ARRAY_ID", by(number))
    return sets


def test_one_dump_of_each_sub_band_is_one_image(whole: Path, tmp_path: Path) -> None:
    sets = dumps(whole, tmp_path)[0]
    (found,) = pixels(sets[0], joined(sets))
    expected = of_the_whole(whole)[0]
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def test_a_joined_recording_grows_with_its_manifest(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, groups = Manifest(), []
    for sets in dumps(whole, tmp_path):
        parts = []
        for path in sets:
            with closing(MeasurementSet(path)) as member:
                part, new = describe(member, path.name, manifest)
            for thing in new:
                manifest.add(thing)
            parts.append(part)
        groups += grouped(parts)
    assert [len(group.parts) for group in groups] == [3] * DUMPS
    manifest.add(groups[0])
    main = Joined(tmp_path, manifest, MeasurementSet, growing=True)
    assert main.parts_expected() == 3
    monkeypatch.setattr(growing_module, "open_recording", lambda path, growing: main)
    growing = Growing(tmp_path, asked(size=64, scale="20arcsec"))
    first = growing.look()
    for group in groups[1:]:
        manifest.add(group)
        growing.look()
    run = growing.look()
    assert [len(first.slices), len(run.slices)] == [1, DUMPS]
    assert run.id == first.id
    for number, expected in enumerate(of_the_whole(whole)):
        found = image(run.read(number)).pixels
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)
    growing.close()


def moved_antenna(path: Path) -> None:
    small_ms.change(path / "ANTENNA", "POSITION", lambda places: places + np.eye(5, 3))


def renamed_antenna(path: Path) -> None:
    small_ms.change(path / "ANTENNA", "NAME", lambda names: np.array(["other", *names[1:]]))


def elsewhere(path: Path) -> None:
    small_ms.change(path / "FIELD", "PHASE_DIR", lambda places: places + 1e-3)


def same_band(path: Path) -> None:
    small_ms.change(path / "DATA_DESCRIPTION", "SPECTRAL_WINDOW_ID", lambda numbers: 0 * numbers)


def faster(path: Path) -> None:
    small_ms.change(path, "INTERVAL", lambda lengths: lengths / 2)


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (later(1e6), "night_1MHz.ms: --join bands: shares no time with the 2 other sets: it is of "),
        (moved_antenna, "is of another array than the sets before it: antenna ant0, ant1, ant2 stands elsewhere"),
        (renamed_antenna, "is of another array than the sets before it: it has antennas that these have not: other"),
        (elsewhere, "its field target at 57.353075 -28.590594 deg (J2000) is not that of "),
        (same_band, "its band of 999.500000 to 1003.500000 MHz overlaps with that of "),
        (faster, "its integrations are of 5 s, and those of "),
    ],
)
def test_sets_that_are_no_sub_bands_of_one_observation_are_refused_in_one_line(
    whole: Path, tmp_path: Path, alter: Callable[[Path], None], said: str
) -> None:
    sets = split(whole, tmp_path, None, alter)
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        open_run(sets[0], joined(sets))
    assert "\n" not in str(refused.value)
    assert str(sets[1]) in str(refused.value)


def test_a_member_that_is_gone_or_another_one_is_named(whole: Path, tmp_path: Path) -> None:
    sets = split(whole, tmp_path)
    main = open_bands(sets[0], [*map(str, sets[1:])], open_recording)
    rows = main.rows(range(len(main)))
    with small_ms.edit(sets[1]) as table:
        table.addrows(1)
    with pytest.raises(InputError, match=r"night_1MHz.ms: has 31 rows, and had 30 when it was looked into"):
        rows.column("TIME")
    sets[1].rename(tmp_path / "gone.ms")
    with pytest.raises(InputError, match=r"night_1MHz.ms: no such file or folder"):
        rows.column("TIME")


def test_few_members_are_open_at_a_time_and_rows_that_are_kept_are_read_all_the_same(
    whole: Path, tmp_path: Path
) -> None:
    (path,) = split(whole, tmp_path)[:1]
    manifest = Manifest()
    with_it = MeasurementSet(path)
    part, new = describe(with_it, path.name, manifest)
    for thing in new:
        manifest.add(thing)
    for number in range(2 * KEPT_OPEN):
        (tmp_path / f"{number}.ms").symlink_to(path)
        begin, end = part.begin + 100 * number, part.end + 100 * number
        manifest.add(Group((replace(part, path=f"{number}.ms", begin=begin, end=end),)))
    opened: list[Path] = []

    def open_it(path: Path) -> MeasurementSet:
        opened.append(path)
        return MeasurementSet(path)

    main = Joined(tmp_path, manifest, open_it)
    kept = main.rows(range(len(main)))
    assert np.array_equal(kept.column("UVW"), np.tile(with_it.rows(range(part.rows)).column("UVW"), (32, 1)))
    assert len(main._open) == KEPT_OPEN  # noqa: SLF001
    assert np.array_equal(kept.column("DATA", 5, 3), with_it.rows(range(5, 8)).column("DATA"))
    assert opened == [*(tmp_path / f"{number}.ms" for number in range(32)), tmp_path / "0.ms"]
    main.close()
    with_it.close()


def test_columns_that_some_members_have_are_read_of_those(whole: Path, tmp_path: Path) -> None:
    columns = small_ms.rows(2)
    one = small_ms.write(tmp_path / "one.ms", columns, data={"DATA": noisy, "CORRECTED_DATA": noisy}, spectrum=True)
    two = small_ms.write(tmp_path / "two.ms", {**columns, "TIME": columns["TIME"] + 20}, data={"DATA": noisy})
    with small_ms.edit(one) as table:
        table.putcol("WEIGHT_SPECTRUM", np.full((20, 4, 4), 3.0, np.float32))
    manifest = Manifest()
    for path in (one, two):
        part, new = describe(MeasurementSet(path), str(path), manifest)
        for thing in new:
            manifest.add(thing)
        manifest.add(Group((part,)))
    main = Joined(tmp_path, manifest, MeasurementSet)
    rows = main.rows(range(15, 25))
    assert main.complex_columns() == ("DATA",)
    assert "CORRECTED_DATA" in main.columns
    assert rows.has("WEIGHT_SPECTRUM")
    assert rows.cell_shape("WEIGHT_SPECTRUM") == (4, 4)
    assert rows.all_defined("WEIGHT_SPECTRUM").tolist() == [True] * 5 + [False] * 5
    weights = rows.into("WEIGHT_SPECTRUM", 0, np.empty((10, 4, 4), np.float32))
    assert (weights[:, 0, 0] == [3.0] * 5 + [1.0] * 5).all()  # a row's own weight is that of each channel
    with pytest.raises(InputError, match=r"two.ms: has no column CORRECTED_DATA, which other members have"):
        rows.into("CORRECTED_DATA", 0, np.empty((10, 4, 4), np.complex64))
    main.close()


def test_a_manifest_is_read_as_it_was_written_but_for_a_last_line_that_is_cut_short(
    whole: Path, tmp_path: Path
) -> None:
    sets = split(whole, tmp_path, antennas_turned, other_fields)
    manifest = open_bands(sets[0], [*map(str, sets[1:])], open_recording).manifest
    manifest.oddities.append(Odd("late", "9.ms"))

    def lines(of: Manifest) -> str:
        assert of.antennas
        things: tuple[Thing, ...] = (of.antennas, of.observation, *of.windows, *of.fields, *of.groups, *of.oddities)
        return "".join(map(to_line, things))

    text, again = lines(manifest).encode(), Manifest()
    assert take(again, text + to_line(manifest.groups[0]).encode()[:-1], "x") == len(text)
    assert lines(again).encode() == text
    assert again.groups == manifest.groups
    main = Joined(sets[0], again, open_recording)
    assert read_index(main).rows == 3 * DUMPS * BASELINES
    main.close()
    for damage in (b"{}\n", b"[]\n", b'{"group":[1]}\n', b'{"field":[7,"a","J2000",[[0,0]],0,null]}\n', b"\xff\n"):
        with pytest.raises(InputError, match=r"^x: line 12 is not one that FIP wrote \(.*\): move the file away"):
            take(Manifest(), text + damage, "x", before=3)


def test_rows_of_joined_sets_cannot_be_copied_into_one_set(whole: Path, tmp_path: Path) -> None:
    sets = split(whole, tmp_path)
    what = joined(sets)
    run = look(sets[0], what).run
    with pytest.raises(UsageError, match="was joined with other sets: its rows and theirs cannot be copied into one"):
        part_of(sets[0], what, None, run, "", 0, 2)
