"""What lies in a folder in which sets arrive, as names come and go."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from fip.data.errors import UnreadableError
from fip.source.arriving.scan import GRANULARITY, Changes, Scan, mark
from fip.source.tables.other_formats import IMAGES


def put(*paths: Path) -> None:
    """Empty files, in folders that are made if they are not there."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


class Looks:
    """Looks at one folder, each a second after the one before. What is there at first has been so for a while."""

    def __init__(self, root: Path, marker: str = "") -> None:
        for folder in (root, *filter(Path.is_dir, root.rglob("*"))):
            os.utime(folder, (0.0, 1e9))
        self.scan, self.now = Scan(root, marker, lambda name: name.endswith(".npz")), 0.0

    def again(self, after: float = 1.0) -> Changes:
        """Return the changes at the next look."""
        self.now += after
        return self.scan.look(self.now)


def sets(root: Path, names: Iterable[str]) -> None:
    """Make what looks like tables."""
    put(*(root / name / "table.dat" for name in names))


def test_sets_are_found_in_folders_of_folders_and_not_looked_into(tmp_path: Path) -> None:
    """MeasurementSets of any name, and whatever else there is; a table's own folders and files are a part of it."""
    sets(tmp_path, ["a.ms", "BAND1/2026-03-01/20/b", "BAND1/2026-03-01/20/b/ANTENNA"])
    put(tmp_path / "BAND2/c.uvh5", tmp_path / "d.tar", tmp_path / "e.npz" / "chunk", tmp_path / "store" / "zarr.json")
    found = Looks(tmp_path).again().appeared
    assert found == ("BAND1/2026-03-01/20/b", "BAND2/c.uvh5", "a.ms", "d.tar", "e.npz", "store")


def test_what_is_hidden_or_unfinished_is_not_there_until_it_is_renamed(tmp_path: Path) -> None:
    """Names with a dot in front, and those that end in .tmp or .part; nor is a folder of FIP's own."""
    sets(tmp_path, [".hidden.ms", "a.ms.tmp", "b.part"])
    put(tmp_path / "out" / IMAGES, tmp_path / "out" / "image.fits")
    looks = Looks(tmp_path)
    assert looks.again().appeared == ()
    (tmp_path / "a.ms.tmp").rename(tmp_path / "a.ms")
    assert looks.again().appeared == ("a.ms",)


@pytest.mark.parametrize("first", ["table.f0", "ANTENNA/table.f0", "HISTORY/table.dat"])
def test_a_set_that_is_copied_is_one_member_whatever_of_it_comes_first(tmp_path: Path, first: str) -> None:
    """Its name need not end in .ms; what is in it is not taken for something else, not even for a while."""
    (tmp_path / "BAND" / "set" / "ANTENNA").mkdir(parents=True)
    (tmp_path / "BAND" / "set" / "HISTORY").mkdir()
    looks = Looks(tmp_path)
    assert looks.again() == Changes()
    put(tmp_path / "BAND" / "set" / first)
    assert looks.again() == Changes(appeared=("BAND/set",))
    put(tmp_path / "BAND" / "set" / "table.dat", tmp_path / "BAND" / "set" / "FIELD" / "table.dat")
    assert looks.again() == Changes()


def test_what_was_taken_for_a_member_may_turn_out_to_be_a_part_of_one(tmp_path: Path) -> None:
    """It is not removed then: nothing was lost."""
    put(tmp_path / "set" / "notes.txt")
    looks = Looks(tmp_path)
    assert looks.again().appeared == ("set/notes.txt",)
    put(tmp_path / "set" / "table.dat")
    assert looks.again() == Changes(appeared=("set",), parts=("set/notes.txt",))


def test_members_that_go_are_told(tmp_path: Path) -> None:
    """A folder that goes takes its members with it. One that is renamed goes, too: inodes are used again."""
    sets(tmp_path, ["a.ms", "b.ms", "BAND/c.ms", "BAND/d.ms"])
    looks = Looks(tmp_path)
    looks.again()
    shutil.rmtree(tmp_path / "a.ms")
    (tmp_path / "b.ms").rename(tmp_path / "new.ms")
    shutil.rmtree(tmp_path / "BAND")
    assert looks.again() == Changes(appeared=("new.ms",), gone=("BAND/c.ms", "BAND/d.ms", "a.ms", "b.ms"))
    assert len(looks.scan) == 1


def test_a_look_with_nothing_new_reads_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks each folder for its time of change; members are not even asked for."""
    sets(tmp_path, [f"BAND{band}/{number}.ms" for band in range(2) for number in range(50)])
    looks = Looks(tmp_path)
    assert len(looks.again().appeared) == 100
    looks.again(GRANULARITY)  # what came within one tick of the clock of the file system

    asked: list[str] = []
    stat = os.stat

    def counted(path: str) -> os.stat_result:
        asked.append(path)
        return stat(path)

    monkeypatch.setattr(os, "listdir", None)
    monkeypatch.setattr(os, "scandir", None)
    monkeypatch.setattr(os, "stat", counted)
    assert looks.again() == Changes()
    assert sorted(asked) == [str(tmp_path), str(tmp_path / "BAND0"), str(tmp_path / "BAND1")]


def test_a_clock_that_does_not_tick_between_two_changes_hides_none(tmp_path: Path) -> None:
    """A folder is read once more when its time of change must have become another."""
    sets(tmp_path, ["a.ms"])
    looks, before = Looks(tmp_path), tmp_path.stat()
    assert looks.again().appeared == ("a.ms",)
    sets(tmp_path, ["b.ms"])
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looks.again(GRANULARITY / 2).appeared == ()
    assert looks.again(GRANULARITY / 2).appeared == ("b.ms",)


def test_nor_does_it_in_a_folder_that_is_new(tmp_path: Path) -> None:
    """It is seen together with what is in it by then."""
    looks = Looks(tmp_path)
    looks.again(1000.0)
    sets(tmp_path, ["BAND/a.ms"])
    before = (tmp_path / "BAND").stat()
    assert looks.again().appeared == ("BAND/a.ms",)
    sets(tmp_path, ["BAND/b.ms"])
    os.utime(tmp_path / "BAND", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looks.again(GRANULARITY).appeared == ("BAND/b.ms",)


def test_a_folder_that_cannot_be_read_is_said_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it is seen as soon as it can be. The folder of all is waited for."""
    sets(tmp_path, ["a.ms", "BAND/b.ms"])
    looks, listdir = Looks(tmp_path), os.listdir

    def shut(path: str) -> list[str]:
        if path.endswith("BAND"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", shut)
    assert looks.again() == Changes(
        appeared=("a.ms",), said=(f"{tmp_path}/BAND: Permission denied: what arrives there is not seen",)
    )
    assert looks.again() == Changes()
    monkeypatch.setattr(os, "listdir", listdir)
    assert looks.again().appeared == ("BAND/b.ms",)
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    with pytest.raises(UnreadableError, match="No such file or directory: is its disk there"):
        looks.again()
    tmp_path.with_name("elsewhere").rename(tmp_path)
    assert looks.again() == Changes()


def test_the_marker_is_no_member(tmp_path: Path) -> None:
    """It counts in the folder itself alone."""
    put(tmp_path / "BAND" / "DONE")
    looks = Looks(tmp_path, "DONE")
    assert looks.again().appeared == ("BAND/DONE",)
    assert not looks.scan.marked
    put(tmp_path / "DONE")
    assert looks.again() == Changes()
    assert looks.scan.marked


def test_the_mark_of_a_member_tells_all_changes_but_those_of_readers(tmp_path: Path) -> None:
    """A file that grows, one that comes, in whatever depth; not the lock, and nothing of one that is gone."""
    member = tmp_path / "a.ms"
    put(member / "table.dat", member / "ANTENNA" / "table.f0", member / "table.lock")
    first = mark(str(member))
    assert first is not None
    (member / "table.lock").write_text("a reader was here")
    assert mark(str(member)) == first
    (member / "ANTENNA" / "table.f0").write_text("more")
    second = mark(str(member))
    put(member / "ANTENNA" / "table.f1")
    third = mark(str(member))
    assert len({first, second, third}) == 3
    shutil.rmtree(member)
    assert mark(str(member)) is None
