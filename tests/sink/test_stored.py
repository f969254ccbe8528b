"""What is said to be stored is in the ledger and on disk: busy ledgers, clocks that step, disks that are gone."""

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive.file_names import IMAGE_LIST, LEDGER, LOCK_FILE
from fip.archive.folder import Folder
from fip.data import ranges
from fip.data.errors import DamagedLedgerError, NoRoomError, StoreError, UsageError
from fip.data.values import ImageFile
from fip.sink.store import Store
from fip.wire.messages import PipelineStatus
from support.many_slices import SELECTION, SLICES
from support.mesh import Mesh
from support.set_clock import SetClock
from support.smallest_images import HOUR, PLAN, TWO, busy, image, kept, opened, seen_by_another
from support.stored_run import RUN, stored_image


def _said(status: PipelineStatus) -> int:
    return sum(ranges.count(run.stored) for run in status.sink.brief.runs) if status.sink else 0


def test_a_ledger_that_another_writes_is_waited_for_and_has_all_that_was_said(many_ms: Path, tmp_path: Path) -> None:
    """The sink stalls with the reason, is not silent, and goes on by itself; images expire all the while."""
    mesh = Mesh(tmp_path / "m", settings="pace = 60")
    mesh.configuration.write_text(f'{mesh.configuration.read_text()}keep = "3s"\n')
    with mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: _said(status) >= 10)
        said = 0

        def stalled(status: PipelineStatus) -> bool:
            nonlocal said
            said = _said(status)
            return bool(status.sink and "locked" in status.sink.brief.stalled)

        with busy(mesh.images / job):
            mesh.wait(stalled)
            assert len(seen_by_another(mesh.images / job)) >= said
        mesh.wait_for_job(job)
        assert "the sink is silent" not in mesh.log
        states = seen_by_another(mesh.images / job)
        assert (len(states), set(states.values())) == (SLICES, {"stored", "expired"})


def test_a_directory_is_let_go_in_order_though_its_ledger_was_busy_when_its_job_ended(
    many_ms: Path, tmp_path: Path
) -> None:
    """The noise of its images is judged as soon as that can be; until then the sink goes on with other work."""

    given_up = "the noise are as they were before"

    def let_go(status: PipelineStatus) -> bool:
        with (mesh.images / job / LOCK_FILE).open() as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    with Mesh(tmp_path / "m", settings="pace = 60") as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: _said(status) >= 5)
        with busy(mesh.images / job), mesh.operator() as operator:
            operator.cancel(job)
            mesh.wait(lambda status: "trying again" in mesh.log or given_up in mesh.log)
        mesh.wait(let_go)
        assert "the sink is silent" not in mesh.log
        assert given_up not in mesh.log
        assert len((mesh.images / job / IMAGE_LIST).read_text().split()) == len(seen_by_another(mesh.images / job))


def test_what_is_stored_after_a_busy_ledger_is_seen_by_others_at_once(tmp_path: Path) -> None:
    """Neither expiring nor storing leaves a transaction open in which the next image would be lost."""
    store = opened(tmp_path, TWO)
    for index in range(4):
        store.put(image(index))
    with busy(tmp_path):
        with pytest.raises(NoRoomError, match="locked"):
            store.expire()
        with pytest.raises(NoRoomError, match="locked"):
            store.put(image(4))
    store.put(image(4))
    assert seen_by_another(tmp_path) == dict.fromkeys(range(5), "stored")
    assert store.expire() == 3
    assert seen_by_another(tmp_path) == dict.fromkeys(range(3), "expired") | {3: "stored", 4: "stored"}
    store.close()


def test_a_reader_in_mid_query_of_a_ledger_without_a_log_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network works like this: the commit is what is busy, and it is undone as a whole; the noise is judged, too."""
    monkeypatch.setattr("fip.archive.ledger_file.network_type", lambda path: "nfs4")
    store = opened(tmp_path, TWO)
    for index in range(4):
        store.put(image(index))
    with closing(sqlite3.connect(tmp_path / LEDGER)) as reader:
        rows = reader.execute("SELECT * FROM slices")
        rows.fetchone()
        for attempt in (store.expire, lambda: store.put(image(4)), lambda: store.ledger.judge_noise("run")):
            with pytest.raises(NoRoomError, match="locked"):
                attempt()
        rows.close()
    store.put(image(4))
    assert seen_by_another(tmp_path) == dict.fromkeys(range(5), "stored")
    store.conclude()
    store.close()
    assert sorted(seen_by_another(tmp_path).values()) == ["expired"] * 3 + ["stored"] * 2


def test_the_oldest_are_those_that_came_first_whatever_utc_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UTC goes back an hour with each image."""
    store = opened(tmp_path, TWO)
    for index in range(6):
        monkeypatch.setattr("time.time", lambda index=index: 1e9 - 3600.0 * index)
        store.put(image(index))
        store.expire()
    assert kept(tmp_path) == [4, 5]
    store.close()


def test_a_jump_of_utc_makes_no_image_older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day forward expires none; an hour of the monotonic clock does, though UTC has gone back."""
    hands = SetClock()
    store = opened(tmp_path, HOUR, hands)
    store.put(image(0))
    store.put(image(1))
    monkeypatch.setattr("time.time", lambda: 4e9)
    hands.seconds += 3500.0
    assert store.expire() == 0
    store.put(image(2))
    monkeypatch.setattr("time.time", lambda: 1e6)
    hands.seconds += 200.0
    assert store.expire() == 2
    assert kept(tmp_path) == [2]
    store.close()


def test_age_is_counted_on_through_restarts_and_not_through_what_nobody_saw(tmp_path: Path) -> None:
    """A sink that is started again goes on counting; after a boot the clock begins anew, and the ages do not."""
    hands = SetClock()
    store = opened(tmp_path, HOUR, hands)
    for index in range(3):
        store.put(image(index))
        hands.seconds += 1000.0
    store.close()
    hands.seconds += 500.0
    store = opened(tmp_path, HOUR, hands)
    assert store.expire() == 0
    hands.seconds += 200.0
    assert store.expire() == 1
    store.close()
    hands = SetClock(5.0, "second")
    store = opened(tmp_path, HOUR, hands)
    store.put(image(3))
    assert (store.expire(), kept(tmp_path)) == (0, [1, 2, 3])
    hands.seconds += 3000.0
    assert (store.expire(), kept(tmp_path)) == (1, [2, 3])
    hands.seconds += 700.0
    assert (store.expire(), kept(tmp_path)) == (1, [3])
    store.close()


@pytest.fixture
def replaced(tmp_path: Path) -> tuple[Store, Path, Path]:
    """A store of three images with room for two; its directory now, and another that is in its place.

    What stands there has the same names: they are another's.
    """
    place, away = tmp_path / "out", tmp_path / "away"
    store = opened(place, TWO)
    for index in range(3):
        store.put(image(index))
    place.rename(away)
    place.mkdir()
    for path in away.iterdir():
        (place / path.name).write_text("another's")
    return store, place, away


def test_nothing_is_touched_in_another_directory_that_is_in_its_place(replaced: tuple[Store, Path, Path]) -> None:
    """Not to store, not to expire, not to conclude, not to clear, and not to close; back in place, it goes on."""
    store, place, away = replaced
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    for attempt in (store.expire, lambda: store.put(image(3)), store.conclude, store.clear):
        with pytest.raises(NoRoomError, match="is another directory now"):
            attempt()
    with pytest.raises(NoRoomError, match="is another file now"):
        store.ledger.judge_noise("run")
        store.ledger.expire(store.ledger.oldest())
    assert kept(away) == [0, 1, 2]
    assert set(seen_by_another(away).values()) == {"stored"}
    place.rename(place.with_name("another"))
    away.rename(place)
    assert store.expire() == 1
    place.rename(away)
    place.with_name("another").rename(place)
    store.close()
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    place.rename(place.with_name("another"))
    with pytest.raises(NoRoomError, match="cannot be found: No such file"):
        store.put(image(3))


@pytest.mark.parametrize("name", ["../precious", "{}/precious", "..", "sub/x"])
def test_nothing_outside_of_the_directory_is_removed_whatever_a_ledger_names(tmp_path: Path, name: str) -> None:
    """Neither cleared nor expired: it is refused, and what is in the directory stays as well."""
    precious, place = tmp_path / "precious", tmp_path / "out"
    precious.write_text("mine")
    store = opened(place, TWO)
    for index in range(4):
        store.put(image(index))
    name = name.format(tmp_path)
    with closing(sqlite3.connect(place / LEDGER)) as database:
        database.execute("UPDATE slices SET file = ? WHERE slice = 1", (name,))
        database.commit()
    for attempt in (store.clear, store.expire, lambda: list(store.ledger.entries())):
        with pytest.raises(DamagedLedgerError, match="which is no file of its directory"):
            attempt()
    folder = Folder(place)
    with pytest.raises(OSError, match="not the name of a file in this directory"):
        folder.unlink(name)
    folder.close()
    assert precious.read_text() == "mine"
    assert kept(place) == [0, 1, 2, 3]
    store.close()


def test_the_ledger_of_another_directory_is_not_emptied_through_a_link(tmp_path: Path) -> None:
    """Files are not removed either; one in the folder of ledgers is (tests/sink/test_keeping.py)."""
    with closing(opened(tmp_path / "another")) as another:
        another.put(image(0))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LEDGER).symlink_to(tmp_path / "another" / LEDGER)
    store = Store(tmp_path / "out", ledgers=tmp_path / "ledgers")
    with pytest.raises(UsageError, match="which is left alone"):
        store.clear()
    store.close()
    assert seen_by_another(tmp_path / "another") == {0: "stored"}


def test_a_run_whose_name_in_the_ledger_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """No file is written under it."""
    opened(tmp_path / "out").close()
    with closing(sqlite3.connect(tmp_path / "out" / LEDGER)) as database:
        database.execute("UPDATE runs SET name = '../a'")
        database.commit()
    with closing(Store(tmp_path / "out")) as store, pytest.raises(DamagedLedgerError, match="calls a run"):
        store.open_run(PLAN)


def _linked(directory: Path, image: ImageFile) -> Path:
    """A file as a sink leaves it that is killed after it has linked it."""
    name = f"a-t{image.integration:06d}-dirty.fits"
    (directory / name).write_bytes(image.files[0].content)
    return directory / name


def test_a_linked_file_of_another_attempt_is_entered_as_it_is(tmp_path: Path) -> None:
    """Its bytes differ from those of the second copy, which is dropped; the ledger has its size, digest and numbers."""
    first, second = stored_image(RUN, 3), stored_image(RUN, 3, gain=1.001)
    assert first.files[0].content != second.files[0].content
    with closing(Store(tmp_path)) as store:
        store.open_run(replace(PLAN, run=RUN))
        path = _linked(tmp_path, first)
        inode = path.stat().st_ino
        store.put(second)
        assert (path.stat().st_ino, path.read_bytes()) == (inode, first.files[0].content)
        (entry,) = store.ledger.entries()
        assert first.statistics
        assert entry.file == path.name
        assert (entry.rms, entry.minimum) == pytest.approx((first.statistics.rms, first.statistics.minimum), rel=1e-6)
    with closing(sqlite3.connect(tmp_path / LEDGER)) as database:
        assert database.execute("SELECT digest FROM slices").fetchone() == (first.files[0].digest.hex(),)


@pytest.mark.parametrize("fault", ["another slice", "another run", "damaged", "cut", "empty", "a pipe"])
def test_a_file_that_is_not_this_image_is_left_alone_and_not_entered(tmp_path: Path, fault: str) -> None:
    """That slice is failed, and the others go on."""
    content = {
        "another slice": stored_image(RUN, 4),
        "another run": stored_image("ffff", 3),
    }.get(fault, stored_image(RUN, 3, gain=1.0 + 1e-6)).files[0].content  # fmt: skip
    content = bytes(content)
    with closing(Store(tmp_path)) as store:
        store.open_run(replace(PLAN, run=RUN))
        path = tmp_path / "a-t000003-dirty.fits"
        if fault == "a pipe":
            os.mkfifo(path)
        else:
            spoilt = {"damaged": content[:20000] + b"x" + content[20001:], "cut": content[:-2880], "empty": b""}
            path.write_bytes(spoilt.get(fault, content))
        with pytest.raises(StoreError, match="is there already, and is not this image"):
            store.put(stored_image(RUN, 3))
        assert not list(store.ledger.entries())
        assert not list(tmp_path.glob(".fip-*.tmp"))
