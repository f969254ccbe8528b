"""Integrations that are set aside outlive the ring, as a spool of their own."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fip.data.errors import InputError, NoRoomError
from fip.spool import aside
from fip.spool.aside import Aside, set_aside
from fip.spool.layout import integration_file
from fip.spool.reading import Spool
from support.spools import SETUP, START, put, writer

CADENCE = SETUP.cadence


def times(first: int, last: int) -> tuple[float, float]:
    """Return the times from the middle of one dump to that of another."""
    return START + first * CADENCE - 0.1, START + last * CADENCE + 0.1


def dumps(path: Path) -> list[int]:
    """Return the dumps of a spool, and check that all can be read."""
    spool = Spool(path)
    assert spool.ended
    assert all(spool.integration(number)["0.visibility"].size for number in range(len(spool)))
    found: list[int] = spool.records["dump"].tolist()
    return found


def inode(spool: Path, number: int) -> int:
    """Return the inode of an integration's file."""
    return integration_file(spool, number).stat().st_ino


def test_what_is_set_aside_is_there_when_the_ring_has_dropped_it(tmp_path: Path) -> None:
    """Linked, not copied; bit for bit; what had left before is counted, and what came since is added later."""
    writing, output = writer(tmp_path, keep=5), tmp_path / "raw.live"
    put(writing, range(8))  # 3 to 7 are there
    ring = Spool(writing.path)
    before = [bytes(ring.integration(number)["0.visibility"]) for number in (3, 4, 5)]
    assert set_aside(ring, output, *times(1, 9)) == Aside(integrations=5, gone=2, final=False)
    assert inode(output, 0) == inode(writing.path, 3)
    put(writing, range(8, 20))
    assert set_aside(ring, output, *times(1, 9)) == Aside(integrations=5, gone=4, final=True)
    assert dumps(output) == [3, 4, 5, 6, 7]
    kept = Spool(output)
    assert [bytes(kept.integration(number)["0.visibility"]) for number in range(3)] == before
    assert set_aside(ring, output, *times(18, 18)).integrations == 6
    assert dumps(output) == [3, 4, 5, 6, 7, 18]


def test_nothing_is_done_again_if_nothing_came(tmp_path: Path) -> None:
    """The folder stays as it is."""
    writing, output = writer(tmp_path), tmp_path / "raw.live"
    put(writing, range(4))
    ring = Spool(writing.path)
    set_aside(ring, output, *times(0, 2))
    folder = output.stat().st_ino
    assert set_aside(ring, output, *times(0, 2)) == Aside(3, 0, True)
    assert output.stat().st_ino == folder


def test_files_of_another_disk_are_copied_as_long_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would be across disks, with no link possible."""

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    writing, output = writer(tmp_path), tmp_path / "raw.live"
    put(writing, range(2))
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(aside, "ROOM", 1.0)
    with pytest.raises(NoRoomError, match=r"raw\.live: cannot be written: .*too little room"):
        set_aside(Spool(writing.path), output, *times(0, 1))
    assert not output.exists()
    monkeypatch.setattr(aside, "ROOM", 0.0)
    assert set_aside(Spool(writing.path), output, *times(0, 1)).integrations == 2
    first, second = (Spool(each).integration(1)["1.visibility"] for each in (output, writing.path))
    np.testing.assert_array_equal(first, second)
    assert inode(output, 0) != inode(writing.path, 0)


def test_what_was_aside_survives_a_kill_while_more_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between what was there being moved away and the new one being in place."""
    writing, output = writer(tmp_path, keep=4), tmp_path / "raw.live"
    put(writing, range(4))
    ring = Spool(writing.path)
    set_aside(ring, output, *times(0, 3))
    put(writing, range(4, 8))  # the ring has the first no more
    rename = Path.rename

    def killing(path: Path, target: Path) -> Path:
        if path.name.endswith(".part"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killing)
    with pytest.raises(KeyboardInterrupt):
        set_aside(ring, output, *times(0, 5))
    assert not output.exists()
    monkeypatch.undo()
    set_aside(ring, output, *times(0, 5))
    assert dumps(output) == [0, 1, 2, 3, 4, 5]
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("raw")] == ["raw.live"]


def test_what_is_aside_of_another_set_up_stays_as_it_is(tmp_path: Path) -> None:
    """It is refused in a line."""
    output = tmp_path / "raw.live"
    one, two = (writer(tmp_path, replace(SETUP, name=name)) for name in ("one", "two"))
    for each in (one, two):
        put(each, range(2))
    set_aside(Spool(one.path), output, *times(0, 1))
    with pytest.raises(InputError, match=r"raw\.live: is of another set-up than .*two"):
        set_aside(Spool(two.path), output, *times(0, 1))
    assert dumps(output) == [0, 1]
