"""Sets that arrive in a folder, in sub-bands, as one recording that grows: real sets, in time that the tests make."""

import os
import shutil
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fip.data.arriving import Rules
from fip.data.errors import InputError, UnreadableError
from fip.data.settings import asked
from fip.source.arriving.looking import Probe
from fip.source.arriving.recording import Arriving
from fip.source.growing import Growing
from fip.source.handing_over import handed_over, taken_over
from fip.source.recording import Recording
from fip.source.sources import open_recording
from support import damaged_sets, small_ms, uvh5_files
from support.arriving_folder import CADENCE, Folder, Here, copy, files_of, folder, make_set

RULES = Rules(settle=2.0, grace=10.0)
SETTLED = 3.0  # s in which a set that is whole is looked into
OVER = 14.0  # s in which nothing is waited for any more


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets of three times and two bands, as 0-1.ms, to be copied."""
    place = tmp_path_factory.mktemp("made")
    for slot in range(3):
        for band in range(2):
            make_set(place / f"{slot}-{band}.ms", slot, band)
    return place


def bring(made: Path, here: Folder, *names: str) -> None:
    """Have some of the sets arrive."""
    for name in names:
        copy(made / f"{name}.ms", here.path / f"{name}.ms")


def test_sub_bands_of_a_time_are_one_group_and_their_rows_follow_each_other(made: Path, tmp_path: Path) -> None:
    """Rows are there when the group is in the file, no sooner; a child that begins then has them without a look."""
    with folder(tmp_path, RULES) as here:
        bring(made, here, "0-1", "0-0")
        here.wait(SETTLED)
        assert here.recording.waiting() == "other sub-bands of 08:53:15 UTC, for 0 s"
        here.now += RULES.grace
        proposed = here.look().proposed
        assert proposed
        assert len(here.recording) == 0
        assert here.look().proposed == proposed  # again, until they are written
        here.keep(proposed)
        assert here.look().proposed == ()
        assert here.groups == [(["0-0.ms", "0-1.ms"], 0)]
        assert here.recording.complete_rows() == len(here.recording) == 20
        rows = here.recording.rows(range(20))
        assert rows.column("DATA_DESC_ID").tolist() == [0] * 10 + [1] * 10
        assert here.recording.window(0).high <= here.recording.window(1).low
        assert np.unique(rows.column("TIME")).tolist() == [small_ms.START]
        assert here.recording.ended() is None

        bring(made, here, "1-0", "2-1", "1-1", "2-0")
        here.wait(SETTLED)
        assert [names for names, _ in here.groups[1:]] == [["1-0.ms", "1-1.ms"], ["2-0.ms", "2-1.ms"]]
        assert here.times == [0.0, 1.0, 2.0]
        assert here.odd == {}

        with folder(tmp_path, RULES) as other:
            assert len(other.recording) == 60
            other.wait(OVER)
            assert isinstance(other.probe, Here)
            assert other.probe.looked == []


def test_a_set_is_looked_into_when_it_is_whole_however_slowly_it_is_copied(made: Path, tmp_path: Path) -> None:
    """File by file, and each in two halves; not before nothing has changed for a while, and then its last row reads."""
    with folder(tmp_path, RULES) as here:
        assert isinstance(here.probe, Here)
        source, there = made / "0-0.ms", here.path / "BAND" / "new"
        for name in files_of(source):
            content = (source / name).read_bytes()
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            for part in (content[: len(content) // 2], content):
                (there / name).write_bytes(part)
                here.wait(0.5)
        assert here.probe.looked == []
        here.wait(SETTLED)
        assert here.probe.looked == ["BAND/new"]
        here.wait(RULES.grace)
        assert here.groups == [(["BAND/new"], 0)]
        assert here.odd == {}


@pytest.mark.parametrize("damage", ["table.dat", "table.f0", "ANTENNA/table.f0", "SPECTRAL_WINDOW"])
def test_a_set_that_stays_half_copied_is_truncated_and_its_group_imaged_without(
    made: Path, tmp_path: Path, damage: str
) -> None:
    """Any part may be missing. If the rest comes after all before later ones are imaged, it is late, and no error."""
    with folder(tmp_path, RULES) as here:
        bring(made, here, "0-0", "0-1")
        here.wait(SETTLED + RULES.grace)
        bring(made, here, "1-0", "1-1")
        lost = here.path / "1-1.ms" / damage
        shutil.rmtree(lost) if lost.is_dir() else os.truncate(lost, lost.stat().st_size // 2)
        here.wait(OVER)
        assert here.groups == [(["0-0.ms", "0-1.ms"], 0), (["1-0.ms"], 1)]
        assert here.odd == {"truncated": 1, "missing": 1}
        (said,) = here.said
        assert said.startswith(f"{here.path}/1-1.ms: truncated: cannot be read, ")
        shutil.rmtree(here.path / "1-1.ms")
        bring(made, here, "1-1")
        here.wait(OVER + RULES.grace)
        assert here.odd == {"late": 1, "missing": 1}


def test_what_is_no_set_of_this_array_is_foreign_and_said_to_be_what_it_is(made: Path, tmp_path: Path) -> None:
    """Once each, and never again, whoever looks."""
    with folder(tmp_path, RULES) as here:
        bring(made, here, "0-0", "0-1")
        here.wait(SETTLED)
        with tarfile.open(here.path / "old.tar", "w") as tar:
            tar.add(made / "0-0.ms", "0-0.ms")
        copy(made / "0-0.ms" / "FIELD", here.path / "cal.B")
        (here.path / "notes.txt").write_bytes(bytes(range(256)))
        (here.path / "soon.ms").mkdir()  # somebody is about to copy a set
        make_set(here.path / "other.ms", 1)
        with small_ms.edit(here.path / "other.ms" / "ANTENNA") as antennas:
            antennas.putcol("POSITION", antennas.getcol("POSITION") + np.array([0.0, 0.0, 5.0]))
        here.wait(SETTLED + 1.0)
        assert here.recording.waiting()
        assert here.odd == {"foreign": 4}
        told = dict(each.removeprefix(f"{here.path}/").split(": foreign: ", 1) for each in here.said[:3])
        assert told == {
            "cal.B": "is a table of casacore, but no MeasurementSet",
            "notes.txt": "is no recording that FIP knows",
            "old.tar": "is a tar archive: unpack it first (tar -xf)",
        }
        assert "stands elsewhere" in here.said[3] or here.said[3].endswith("1 more are foreign")
        (here.path / "soon.ms").rmdir()
        with folder(tmp_path, RULES) as other:
            other.wait(OVER)
            assert other.odd == {"foreign": 4}
            assert other.said == []


def test_files_arrive_as_folders_do(made: Path, tmp_path: Path) -> None:
    """UVH5: half of one is waited for, and imaged when the rest has come; one that stays so is truncated."""
    files = [uvh5_files.from_set(made / f"{name}.ms", tmp_path / f"{name}.uvh5") for name in ("0-0", "0-1", "1-0")]
    content = files[1].read_bytes()
    with folder(tmp_path, RULES) as here:
        shutil.copy(files[0], here.path)
        (here.path / "0-1.uvh5").write_bytes(content[: len(content) // 2])
        (here.path / "1-1.uvh5").write_bytes(content[:100])
        (here.path / "1-2.uvh5").touch()
        here.wait(SETTLED)
        assert here.odd == {}
        (here.path / "0-1.uvh5").write_bytes(content)
        shutil.copy(files[2], here.path)
        here.wait(OVER)
        assert here.groups == [(["0-0.uvh5", "0-1.uvh5"], 0), (["1-0.uvh5"], 1)]
        assert here.odd == {"truncated": 2, "missing": 1}
        assert [each.partition("changed last: ")[2][:39] for each in sorted(here.said)] == [
            "is an HDF5 file that is cut short: copy", "is empty",
        ]  # fmt: skip
        assert here.times == pytest.approx([0.0, 1.0], abs=1e-4)


def test_a_set_that_kills_who_reads_it_costs_nothing_but_itself(made: Path, tmp_path: Path) -> None:
    """It is read by a child of its own, which is started again for the others."""
    rules = Rules(settle=1.0, grace=3.0)
    with folder(tmp_path, rules, Probe()) as here:
        copy(made / "0-0.ms", here.path / "0-0.ms")
        copy(made / "0-1.ms", here.path / "bad.ms")
        damaged_sets.deadly(here.path / "bad.ms")
        here.wait(8.0)
        assert here.groups == [(["0-0.ms"], 0)]
        assert here.odd == {"truncated": 1}
        assert here.said[0].endswith("casacore crashes when it reads its tables")


def test_a_set_that_goes_before_it_is_imaged_is_removed_and_its_time_may_come_again(made: Path, tmp_path: Path) -> None:
    """Whether it was looked into or not; one that is renamed is removed, and another has come."""
    with folder(tmp_path, RULES) as here:
        bring(made, here, "0-0", "0-1", "1-0")
        here.wait(SETTLED)
        shutil.rmtree(here.path / "0-1.ms")
        (here.path / "0-0.ms").rename(here.path / "renamed.ms")
        here.wait(SETTLED)
        assert here.odd == {"removed": 2}
        bring(made, here, "0-1")
        here.wait(OVER)
        assert [names for names, _ in here.groups] == [["renamed.ms", "0-1.ms"], ["1-0.ms"]]
        assert here.odd == {"missing": 1, "out of order": 1, "removed": 1}


def test_a_first_group_that_lacks_a_band_does_not_settle_the_run_without_it(made: Path, tmp_path: Path) -> None:
    """Bands that others have shown by then are imaged, in one grid for all; one that comes still later is foreign."""
    with folder(tmp_path, RULES) as here:
        bring(made, here, "0-0", "1-0", "1-1")
        here.wait(SETTLED + RULES.grace)
        growing = Growing(here.path, asked(size=(16, 16), scale="60arcsec"), lambda: here.recording)
        run = growing.look()
        assert here.groups == [(["0-0.ms"], 1), (["1-0.ms", "1-1.ms"], 0)]
        assert [len(run.read(index).blocks) for index in range(2)] == [1, 2]
        assert run.bands[0].width == pytest.approx(8e6)
        make_set(here.path / "2-2.ms", 2, 2)
        here.wait(OVER)
        assert here.odd == {"foreign": 1, "missing": 1}
        assert "1007.500000 to 1011.500000 MHz, is none of those that there were when images began" in here.said[0]
        assert len(here.recording.manifest.windows) == 2
        with folder(tmp_path, RULES) as other:
            again = Growing(here.path, asked(size=(16, 16), scale="60arcsec"), lambda: other.recording)
            assert again.look().id == run.id


def test_sets_that_go_after_they_were_admitted_cost_their_own_slices(tmp_path: Path) -> None:
    """Also if nobody has indexed them yet: those before and after are numbered as if they were there."""
    for slot in (0, 2, 4):
        make_set(tmp_path / f"{slot}.ms", slot, integrations=2)
    with folder(tmp_path, RULES) as here:
        bring(tmp_path, here, "0")
        here.wait(SETTLED + RULES.grace)
        growing = Growing(here.path, asked(size=(16, 16), scale="60arcsec"), lambda: here.recording)
        whole = growing.look()
        bring(tmp_path, here, "2", "4")
        here.wait(SETTLED)
        assert len(here.groups) == 3
        shutil.rmtree(here.path / "2.ms")
        run = growing.look()
        assert run.id == whole.id
        assert [each.time for each in run.slices] == [small_ms.START + CADENCE * slot for slot in range(6)]
        for index in (2, 3):
            with pytest.raises(InputError, match=r"2.ms: was removed before it was imaged"):
                run.read(index)
        assert [len(run.read(index).blocks) for index in (0, 1, 4, 5)] == [1, 1, 1, 1]


def test_what_is_known_of_sets_that_were_removed_since_is_still_known(made: Path, tmp_path: Path) -> None:
    """A child that begins later goes on from what was kept, also if a quota has taken away all that was imaged."""
    settings = asked(size=(16, 16), scale="60arcsec")
    with folder(tmp_path, replace(RULES, parts=2)) as here:
        bring(made, here, "0-0", "0-1", "1-0", "1-1")
        here.wait(SETTLED)
        growing = Growing(here.path, settings, lambda: here.recording)
        before, kept = growing.look(), handed_over(growing)
    for path in here.path.iterdir():
        shutil.rmtree(path)
    with folder(tmp_path, replace(RULES, parts=2)) as here:
        bring(made, here, "2-0", "2-1")
        taken = taken_over(kept, lambda: here.recording)
        kept.close()
        assert taken is not None
        assert taken.fits(settings)
        here.wait(SETTLED)
        run = taken.look()
        assert run.id == before.id
        assert [each.time for each in run.slices] == [small_ms.START + CADENCE * slot for slot in range(3)]
        assert len(run.read(2).blocks) == 2


def test_groups_that_are_indexed_together_are_opened_once_each(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many columns are read, and more members than are kept open."""
    opens: Counter[str] = Counter()

    def counted(path: Path) -> Recording:
        opens[path.name] += 1
        return open_recording(path)

    monkeypatch.setattr("fip.source.arriving.recording.open_recording", counted)
    with folder(tmp_path, replace(RULES, parts=1)) as here:
        for slot in range(20):
            make_set(here.path / f"{slot}.ms", slot)
        here.wait(SETTLED)
        growing = Growing(here.path, asked(size=(16, 16), scale="60arcsec"), lambda: here.recording)
        assert len(growing.look().slices) == 20
        later = {name: count for name, count in opens.items() if name != "0.ms"}  # by which the run is settled
        assert later == {f"{slot}.ms": 1 for slot in range(1, 20)}


def test_what_another_child_proposed_first_is_taken_over(made: Path, tmp_path: Path) -> None:
    """The file decides: what this one had in mind is thought over again, on top of that."""
    with folder(tmp_path, RULES) as one, folder(tmp_path, RULES) as other:
        bring(made, one, "0-0", "0-1", "1-0")
        one.wait(SETTLED)
        other.keep(one.recording.proposed())
        for _ in range(12):
            one.look()
        shutil.rmtree(one.path / "1-0.ms")
        one.look()
        assert one.recording.proposed()
        bring(made, other, "1-0")
        other.wait(OVER)
        assert len(other.groups) == 2
        one.wait(OVER)
        assert one.groups == other.groups
        assert one.odd == other.odd == {"missing": 1}


def test_the_marker_ends_it_when_all_is_decided(made: Path, tmp_path: Path) -> None:
    """What is there is imaged without waiting for more; before, nobody says that it has ended."""
    with folder(tmp_path, Rules(settle=2.0, grace=1000.0, marker="DONE")) as here:
        bring(made, here, "0-0", "0-1", "1-0")
        here.wait(SETTLED)
        assert here.groups == []
        (here.path / "DONE").touch()
        bring(made, here, "2-0")
        for _ in range(6):
            assert here.recording.ended() is None
            here.wait(0.5)
        here.wait(0.5)
        assert here.groups == [(["0-0.ms", "0-1.ms"], 0), (["1-0.ms"], 1), (["2-0.ms"], 1)]
        assert here.recording.ended() is True


def test_a_folder_that_is_not_there_or_a_file_that_is_no_order_is_said(tmp_path: Path) -> None:
    """The message is one line; a folder that goes may come back."""
    with pytest.raises(InputError, match="no such file or folder"):
        Arriving(tmp_path / "none", RULES)
    with folder(tmp_path, RULES) as here:
        assert len(here.recording) == 0
        here.path.rename(tmp_path / "gone")
        with pytest.raises(UnreadableError, match="is its disk there"):
            here.look()
        (tmp_path / "gone").rename(here.path)
        here.keep(("this is none",))
        with pytest.raises(InputError, match="line 1 is not one that FIP wrote"):
            here.look()


def test_without_a_file_what_is_proposed_is_admitted_at_the_next_look(made: Path, tmp_path: Path) -> None:
    """Somebody may only want to know what is there."""
    copy(made / "0-0.ms", tmp_path / "0-0.ms")
    seconds = iter(range(100))
    rules = Rules(settle=1.0, grace=1.0, parts=1)
    recording = Arriving(tmp_path, rules, clock=lambda: float(next(seconds)), probe=Here())
    for _ in range(4):
        recording.refresh()
    assert len(recording) == 10
    recording.close()
