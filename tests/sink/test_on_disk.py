"""What is on disk when something is said: folders, lists, files that go, journals."""

import os
import sqlite3
from pathlib import Path

import pytest

from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.data.errors import NoRoomError
from fip.ventilator.job_queue import Queue
from support.fip_command import images
from support.smallest_images import PLAN, TWO, busy, image, kept, opened


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced and renamed from now on, by path, in order."""
    told: list[str] = []
    fsync, replace_ = os.fsync, os.replace

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        told.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def renamed(source: str, to: str, **named: int) -> None:
        replace_(source, to, **named)
        told.append(f"{source} -> {to}")

    monkeypatch.setattr("os.fsync", recorded)
    monkeypatch.setattr("os.replace", renamed)
    return told


def test_the_folder_of_a_job_and_those_above_it_are_on_disk(tmp_path: Path, synced: list[str]) -> None:
    """Each folder that is made is synced in the one that it is in."""
    Folder(tmp_path / "images" / "job").close()
    assert synced == [str(tmp_path), str(tmp_path / "images")]


def test_the_list_of_images_is_on_disk_before_it_takes_the_place_of_another(tmp_path: Path, synced: list[str]) -> None:
    """Its new name is on disk, too."""
    store = opened(tmp_path)
    synced.clear()
    store.close()
    assert synced == [f"{tmp_path}/.fip-images.txt.tmp", ".fip-images.txt.tmp -> images.txt", str(tmp_path)]


def test_a_file_goes_when_the_ledger_has_it_as_expired_and_not_before(tmp_path: Path) -> None:
    """What the ledger has as stored is on disk, even while the ledger is busy; what a power cut brings back goes."""
    store = opened(tmp_path, TWO)
    for index in range(3):
        store.put(image(index))
    oldest = images(tmp_path)[0]
    content = oldest.read_bytes()
    with busy(tmp_path), pytest.raises(NoRoomError):
        store.expire()
    assert kept(tmp_path) == [0, 1, 2]
    assert (store.expire(), kept(tmp_path)) == (1, [1, 2])
    store.close()
    oldest.write_bytes(content)
    store = opened(tmp_path, TWO)
    assert (store.expire(), kept(tmp_path)) == (0, [1, 2])
    store.close()


def test_what_is_left_of_an_expired_image_does_not_take_the_next_of_its_name_with_it(tmp_path: Path) -> None:
    """A crash left its file; with `--overwrite` it is made again, under the same name."""
    store = opened(tmp_path, TWO)
    for index in range(3):
        store.put(image(index))
    oldest = images(tmp_path)[0]
    content = oldest.read_bytes()
    assert store.expire() == 1
    store.close()
    oldest.write_bytes(content)
    store = opened(tmp_path, TWO)
    store.clear()
    assert kept(tmp_path) == []
    assert store.open_run(PLAN) == ""
    store.put(image(0))
    assert (store.expire(), kept(tmp_path)) == (0, [0])
    store.close()


def test_the_removal_of_the_journal_of_jobs_is_on_disk(tmp_path: Path) -> None:
    """SQLite's mode EXTRA: else a power cut would bring the journal back, and it would undo what was entered."""
    made: list[sqlite3.Connection] = []

    def noted(*arguments: object, **named: object) -> sqlite3.Connection:
        made.append(sqlite3.connect(*arguments, **named))  # type: ignore[call-overload]
        return made[-1]

    queue = Queue(tmp_path / "jobs.sqlite", noted)
    ledger = Ledger(tmp_path, connect=noted)
    assert [each.execute("PRAGMA synchronous").fetchone() for each in made] == [(3,), (3,)]
    ledger.close()
    queue.close()
