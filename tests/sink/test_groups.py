"""Images that have come while others were stored are stored together, and what befalls one is that one's alone."""

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import zmq

from fip.archive.file_names import LEDGER
from fip.archive.folder import Folder
from fip.config import Config, Loaded
from fip.data.errors import DamagedLedgerError, NoRoomError, StoreError
from fip.data.ranges import of
from fip.data.values import FitsFile, ImageFile
from fip.runtime.service import Loop
from fip.runtime.sockets import data_socket
from fip.sink import storing
from fip.sink.sink import Sink
from fip.sink.store import Store
from fip.wire.batches import together
from fip.wire.codec import encode_image
from fip.wire.messages import RunPlan, SinkOrders, SinkState
from support.made_values import SMALLEST
from support.smallest_images import PLAN, busy, image, kept, seen_by_another

SOME = 5


class Watched(Folder):
    """Counts what is done, and has no room for the files of these integrations."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.did = Counter[str]()
        self.full = set[int]()

    def _new(self, name: str, buffering: int) -> BinaryIO:
        """Open a new file as ever, if there is room."""
        if any(f"-t{integration:06d}-" in name for integration in self.full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super()._new(name, buffering)

    def sync(self) -> None:
        """Count it, then sync as ever."""
        self.did["sync"] += 1
        super().sync()


class Connection(sqlite3.Connection):
    """Counts the transactions that were committed."""

    commits = 0

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Count commits, then execute as ever."""
        Connection.commits += statement == "COMMIT"
        return super().execute(statement, *values)


@contextmanager
def watched(directory: Path) -> Iterator[tuple[Store, Watched]]:
    """A store with the run open, and its folder."""
    made = list[Watched]()

    def open_folder(path: Path) -> Folder:
        made.append(Watched(path))
        return made[0]

    def connect(*given: Any, **named: Any) -> sqlite3.Connection:
        return sqlite3.connect(*given, factory=Connection, **named)

    with closing(Store(directory, open_folder=open_folder, connect=connect)) as store:
        assert store.open_run(PLAN) == ""
        Connection.commits = 0
        made[0].did.clear()
        yield store, made[0]


def test_a_group_is_one_sync_of_the_directory_and_one_transaction(tmp_path: Path) -> None:
    """All of it is in the ledger and on disk then; one by one it would be as many as images."""
    with watched(tmp_path) as (store, folder):
        assert store.put_all([image(index) for index in range(SOME)]) == [None] * SOME
        assert (folder.did["sync"], Connection.commits) == (1, 1)
        assert seen_by_another(tmp_path) == dict.fromkeys(range(SOME), "stored")
        assert kept(tmp_path) == [*range(SOME)]
        for index in range(SOME, 2 * SOME):
            store.put(image(index))
        assert (folder.did["sync"], Connection.commits) == (1 + SOME, 1 + SOME)
        assert [entry.sequence for entry in store.ledger.entries()] == [*range(1, 2 * SOME + 1)]


def test_a_foreign_file_is_the_matter_of_its_own_image(tmp_path: Path) -> None:
    """The others of its group are stored."""
    (tmp_path / "a-t000002-dirty.fits").write_bytes(b"precious")
    with watched(tmp_path) as (store, _):
        faults = store.put_all([image(index) for index in range(SOME)])
    assert [type(fault) for fault in faults] == [type(None)] * 2 + [StoreError] + [type(None)] * 2
    assert seen_by_another(tmp_path) == dict.fromkeys((0, 1, 3, 4), "stored")
    assert (tmp_path / "a-t000002-dirty.fits").read_bytes() == b"precious"


def test_what_there_was_room_for_is_stored_and_the_rest_when_there_is(tmp_path: Path) -> None:
    """Whoever has it tries again with the rest."""
    with watched(tmp_path) as (store, folder):
        folder.full = {3}
        images = [image(index) for index in range(SOME)]
        faults = store.put_all(images)
        assert [isinstance(fault, NoRoomError) for fault in faults] == [False] * 3 + [True] * 2
        assert seen_by_another(tmp_path) == dict.fromkeys(range(3), "stored")
        folder.full = set()
        assert store.put_all(images[3:]) == [None] * 2
    assert seen_by_another(tmp_path) == dict.fromkeys(range(SOME), "stored")
    assert not list(tmp_path.glob(".fip-*.tmp"))


def test_of_a_group_that_a_busy_ledger_does_not_take_nothing_is_said_and_it_may_be_put_again(tmp_path: Path) -> None:
    """Its files are there already then, and stay as they are."""
    with watched(tmp_path) as (store, _):
        images = [image(index) for index in range(SOME)]
        with busy(tmp_path):
            assert all(isinstance(fault, NoRoomError) for fault in store.put_all(images))
        assert seen_by_another(tmp_path) == {}
        inodes = [path.stat().st_ino for path in sorted(tmp_path.glob("*.fits"))]
        assert store.put_all(images) == [None] * SOME
        assert [path.stat().st_ino for path in sorted(tmp_path.glob("*.fits"))] == inodes
    assert seen_by_another(tmp_path) == dict.fromkeys(range(SOME), "stored")


def test_a_ledger_that_turns_out_to_be_damaged_takes_none_of_a_group(tmp_path: Path) -> None:
    """It is whole or not at all."""
    with watched(tmp_path) as (store, _):
        with closing(sqlite3.connect(tmp_path / LEDGER)) as database:
            database.execute("CREATE TRIGGER damage BEFORE INSERT ON slices WHEN NEW.slice = 3 "
                             "BEGIN SELECT RAISE(ABORT, 'made'); END")  # fmt: skip
            database.commit()
        with pytest.raises(DamagedLedgerError):
            store.put_all([image(index) for index in range(SOME)])
    assert seen_by_another(tmp_path) == {}


class SilentLink:
    """A control connection over which nothing comes."""

    def __init__(self, *given: Any) -> None:
        self.heard = 0.0
        self.state: Callable[[], SinkState] = given[5]

    def hear_all(self) -> None:
        """Do nothing; in place of that of `Link`."""

    def changed(self, waited_for: bool = False) -> None:
        """Do nothing: nobody listens, unlike for a `Link`."""

    def close(self) -> None:
        """Do nothing; in place of that of `Link`."""


class Trial:
    """A sink in this process, with orders, and a worker's socket."""

    def __init__(self, folder: Path, plans: tuple[RunPlan, ...]) -> None:
        self.loop, self.folders = Loop(), list[Watched]()
        address = f"ipc://{folder}/images"
        config = Config.model_validate({"sink": {"directory": folder / "out", "images": address}})
        self.sink = Sink(Loaded(config, {}), self.loop, self._store)
        self.sink.start()
        self.sink._obey(SinkOrders(plans, ()))  # noqa: SLF001
        self.worker = data_socket(self.loop.context, zmq.PUSH, queue=100, linger=10_000)
        self.worker.connect(address)

    def _store(self, directory: Path, *given: Any) -> Store:
        def open_folder(path: Path) -> Folder:
            self.folders.append(Watched(path))
            return self.folders[-1]

        return Store(directory, *given, open_folder=open_folder)

    @property
    def counters(self) -> dict[str, int]:
        """What the sink has counted."""
        return self.sink._state().status.counters  # noqa: SLF001

    def until(self, so: Callable[[], bool]) -> None:
        """Let the sink work until something is so."""
        while not so():
            self.loop._turn()  # noqa: SLF001

    def close(self) -> None:
        """End the worker, the sink and the loop."""
        self.worker.close()
        self.sink.close()
        self.loop.close()


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """Yield a trial with two runs, in a directory each."""
    monkeypatch.setattr("fip.sink.sink.Link", SilentLink)
    other = replace(PLAN, run="other", name="b", directory="apart")
    with closing(Trial(tmp_path, (PLAN, other))) as made:
        yield made


def frames(*images: ImageFile) -> list[Any]:
    """Return one message of several images."""
    return together([encode_image(each) for each in images])


def test_damage_copies_and_strangers_in_a_message_cost_themselves_alone(trial: Trial) -> None:
    """Of six images three are stored, each once."""
    spoilt = replace(image(1), files=(FitsFile("dirty", SMALLEST[:-1]),))
    trial.worker.send_multipart(
        frames(image(0), spoilt, image(0), image(2), image(PLAN.total), replace(image(0), run="other"))
    )
    trial.until(lambda: trial.counters["images"] == 3)
    counters = trial.counters
    assert (counters["bad_messages"], counters["duplicates"], counters["unknown"]) == (1, 1, 1)
    assert [run.said.stored for run in trial.sink._runs.values()] == [of([0, 2]), of([0])]  # noqa: SLF001


def test_what_came_meanwhile_is_one_group_up_to_a_number(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve images in seven messages wait: with groups of five or, as a message is taken whole, a little more."""
    monkeypatch.setattr(storing, "MOST_IMAGES", 5)
    monkeypatch.setattr(storing, "WITHIN", 1e9)
    parts = [*([index] for index in range(5)), range(5, 9), range(9, 12)]
    waiting = [[zmq.Frame(bytes(frame)) for frame in frames(*map(image, part))] for part in parts]
    monkeypatch.setattr("fip.sink.sink.receive", lambda socket: waiting.pop(0) if waiting else [])
    groups = list[int]()
    while waiting:
        before = trial.counters["images"]
        trial.sink._on_image()  # noqa: SLF001
        groups.append(trial.counters["images"] - before)
    assert groups == [5, 7]
    (folder, _), (run, _) = trial.folders, trial.sink._runs.values()  # noqa: SLF001
    assert folder.did["sync"] == len(groups)
    assert run.said.stored == of(range(12))


def test_images_for_which_there_is_no_room_are_in_hand_and_stored_later(trial: Trial) -> None:
    """Those of another directory, which has room, are stored; no others are taken meanwhile."""
    first, _ = trial.folders
    first.full = {1, 2}
    others = [replace(image(index), run="other") for index in range(2)]
    trial.worker.send_multipart(frames(image(0), image(1), others[0], image(2), others[1]))
    trial.until(lambda: trial.counters["images"] == 3)
    state = trial.sink._state()  # noqa: SLF001
    assert "No space left" in state.brief.stalled
    assert state.status.queues["in_hand"] == 2
    trial.worker.send_multipart(frames(image(3)))
    trial.until(lambda: "No space left" in trial.sink._state().brief.stalled)  # noqa: SLF001
    first.full = set()
    trial.until(lambda: trial.counters["images"] == 6)
    assert trial.sink._state().brief.stalled == ""  # noqa: SLF001
    assert trial.counters["stalls"] == 1
