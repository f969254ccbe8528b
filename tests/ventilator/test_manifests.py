"""The order in which sets arrived is a file that is only added to: whole lines, on disk, or none."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fip.ventilator.checkpoints import SUFFIX as INDEX
from fip.ventilator.manifests import SUFFIX, Manifests, manifest_name

NAME = manifest_name("job", Path("/data/night"))


def read(manifests: Manifests, name: str = NAME) -> bytes:
    """What a child reads that is given the file."""
    memory = manifests.memory(name)
    try:
        return os.pread(memory.descriptor, 10_000, 0)
    finally:
        memory.close()


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can have more bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_lines_are_added_whole_or_not_at_all(tmp_path: Path) -> None:
    """Also if the disk is full in the midst of them; it is said until some can be written."""
    manifests = Manifests(tmp_path / "arrivals")
    assert read(manifests) == b""
    assert manifests.add(NAME, ["one", "two"])
    with full_disk(12):
        assert not manifests.add(NAME, ["three", "four"])
    assert "cannot be written: File too large" in manifests.trouble
    assert not manifests.add(NAME, ["three"])  # children are to be given the file anew before
    assert read(manifests) == b"one\ntwo\n"
    assert manifests.add(NAME, ["three"])
    assert manifests.trouble == ""
    assert read(Manifests(tmp_path / "arrivals")) == b"one\ntwo\nthree\n"


def test_what_was_begun_as_power_failed_is_cut_off(tmp_path: Path) -> None:
    """The line comes again from whoever proposes it."""
    (tmp_path / f"{NAME}{SUFFIX}").write_bytes(b"one\n" + 70_000 * b"x")
    manifests = Manifests(tmp_path)
    assert read(manifests) == b"one\n"
    assert manifests.add(NAME, ["two"])
    assert read(manifests) == b"one\ntwo\n"


def test_orders_go_with_their_jobs(tmp_path: Path) -> None:
    """One that nothing was written to goes, too; what others have left in the folder stays."""
    manifests, other = Manifests(tmp_path), manifest_name("other", Path("/data/night"))
    for name in (NAME, other):
        read(manifests, name)
        assert manifests.add(name, ["one"])
        (tmp_path / f"{name}{INDEX}").touch()
    (tmp_path / "notes.txt").touch()
    manifests.keep([other])
    assert {each.name for each in tmp_path.iterdir()} == {f"{other}{SUFFIX}", f"{other}{INDEX}", "notes.txt"}
    read(manifests, "empty")
    manifests.close("empty")
    assert not (tmp_path / f"empty{SUFFIX}").exists()
