"""Images of the time of an event stay in a ring, up to a tenth of it, whatever is away or was killed."""

import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive.file_names import FOUND
from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.archive.pins import PINS, Pin, pins_text
from fip.data.names import SliceId
from fip.data.quantities import Retention
from fip.sink.store import Store
from support.fip_command import images
from support.made_values import SMALLEST
from support.many_slices import SELECTION
from support.mesh import Mesh
from support.set_clock import SetClock
from support.smallest_images import PLAN, image, kept

SIZE = 25920  # bytes of one of the many images

TWENTY = Retention(size=20 * len(SMALLEST))
"""A ring of 20 images, a tenth of which is two."""


def pin(directory: Path, *pins: Pin) -> None:
    """Write a list as a detector does."""
    folder = directory / FOUND
    folder.mkdir(exist_ok=True)
    (folder / "part").write_bytes(pins_text(pins))
    (folder / "part").replace(folder / PINS)


def event(first: int, end: int, margin: int = 0) -> Pin:
    """Return a pin on the images of an event."""
    return Pin(f"run-I-{first:06d}-0", "run", "", first, end, margin)


def put(store: Store, indices: Sequence[int]) -> None:
    """Store images, each of 8 s."""
    for index in indices:
        made = image(index)
        store.put(replace(made, times=replace(made.times, begin=8.0 * index, end=8.0 * (index + 1))))


def opened(directory: Path, keep: Retention = TWENTY, hands: SetClock | None = None, free: float = 0.5) -> Store:
    """Return the store with the run open, on a disk with this share free."""

    class Disk(Folder):
        def free(self) -> float:
            return free

    store = Store(directory, keep, open_folder=Disk, clock=hands.clock if hands else None)
    assert store.open_run(PLAN) == ""
    return store


def test_images_of_an_event_do_not_expire_and_others_make_room(tmp_path: Path) -> None:
    """The ring holds no more than it may: the next ones go instead, and all of it once nothing is pinned."""
    store = opened(tmp_path)
    put(store, range(20))
    pin(tmp_path, event(3, 5))
    put(store, range(20, 26))
    assert store.expire() == 6
    assert kept(tmp_path) == [3, 4, *range(8, 26)]
    assert (store.pins.images, store.pins.bytes) == (2, 2 * len(SMALLEST))
    pin(tmp_path)
    put(store, [26])
    assert store.expire() == 1
    assert kept(tmp_path) == [4, *range(8, 27)]
    assert (store.pins.images, store.pins.bytes) == (0, 0)
    store.close()


def test_a_sink_that_begins_while_the_detector_is_away_keeps_what_was_pinned(tmp_path: Path) -> None:
    """It keeps them from its first look on: the list is on disk, and nobody needs to be heard."""
    store = opened(tmp_path, Retention())
    put(store, range(12))
    store.close()
    pin(tmp_path, event(0, 1))
    store = opened(tmp_path, Retention(size=10 * len(SMALLEST)))
    assert store.expire() == 2
    assert kept(tmp_path) == [0, *range(3, 12)]
    store.close()


def test_no_more_than_a_tenth_is_pinned_and_which_event_it_costs_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two of twenty: that of the first event, of the next that in its middle, and none of the others. Said once."""
    store = opened(tmp_path)
    put(store, range(20))
    pin(tmp_path, event(6, 7), event(4, 5, margin=9), event(0, 1))
    put(store, range(20, 25))
    with caplog.at_level(logging.WARNING):
        assert store.expire() == 5
        put(store, [25])
        assert store.expire() == 1
    assert kept(tmp_path) == [4, 6, *range(8, 26)]
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith(
        "events pin more than a tenth of what is kept, 5.76kB: images of run-I-000004-0, run-I-000000-0 are not kept "
        "longer than others"
    )
    store.close()


def test_of_a_ring_of_some_time_a_tenth_of_that_time_stays_beyond_it(tmp_path: Path) -> None:
    """16 s of 160 are two images of 8 s; they do not go because no others come, but if the disk is nearly full."""
    hands, keep = SetClock(), Retention(seconds=160.0)
    store = opened(tmp_path, keep, hands)
    put(store, range(8))
    pin(tmp_path, event(4, 5), event(1, 4))
    hands.seconds += 200
    assert store.expire() == 5
    assert kept(tmp_path) == [2, 4, 7]
    hands.seconds += 5000
    assert store.expire() == 0
    store.close()
    store = opened(tmp_path, keep, hands, free=0.04)
    assert store.expire() == 2
    assert kept(tmp_path) == [7]
    store.close()


def test_images_of_another_field_are_not_pinned(tmp_path: Path) -> None:
    """Only images of its own field are pinned, at the time of its events."""
    store = opened(tmp_path)
    for index in range(4):
        store.put(replace(image(index), label="near" if index % 2 else "far"))
    pin(tmp_path, replace(event(0, 3), field="far"))
    assert store.pins.kept(store.ledger.pins.stored, lambda: 1.0) == {SliceId("run", index) for index in (0, 2)}
    store.close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"pins": [{"run": 3}]}', b'{"pins": [], "version": 2}', b"0" * 2**21])
def test_a_list_that_cannot_be_read_changes_nothing(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What was read before holds, and it is said once."""
    store = opened(tmp_path, Retention(size=10 * len(SMALLEST)))
    put(store, range(3))
    pin(tmp_path, event(1, 2))
    store.expire()
    (tmp_path / FOUND / PINS).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert store.expire() == 0
            assert store.pins.images == 1
    assert ["cannot be read" in record.getMessage() for record in caplog.records] == [True]
    store.close()


def test_a_sink_that_is_killed_keeps_what_is_pinned_though_no_detector_is_there(many_ms: Path, tmp_path: Path) -> None:
    """Six images of the first, in a ring of 60; others expire until the job is done. The status counts them."""
    sixty = 60 * 1e-6 * SIZE
    mesh = Mesh(tmp_path / "m", settings="pace = 120", sink=f'keep = "{sixty:.6f}MB"')
    with mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: len(images(mesh.images / job)) >= 12)
        pin(mesh.images / job, Pin("flare", mesh.job_now(job).runs[0].run, "", 4, 8, 1))
        told = {"in_hand": 0, "pinned": 6, "pinned_bytes": 6 * SIZE}
        mesh.wait(lambda status: bool(status.sink and status.sink.status.queues == told))
        mesh.kill("sink")
        mesh.start("sink")
        mesh.wait_for_job(job)
        mesh.wait(lambda status: bool(status.sink and not status.sink.brief.runs))
        mesh.kill("sink", signal.SIGTERM)
        mesh.daemons["sink"].wait(60)
        left = [int(path.name.partition("-t")[2][:6]) for path in images(mesh.images / job)]
        assert (left[:6], len(left)) == ([*range(3, 9)], 60)
        assert left[6] > 9


def test_a_pipe_or_a_link_in_place_of_the_list_is_not_waited_for(tmp_path: Path) -> None:
    """Neither is opened to be read."""
    store = opened(tmp_path)
    put(store, range(3))
    elsewhere = tmp_path / "elsewhere"
    pin(tmp_path, event(0, 2))
    (tmp_path / FOUND / PINS).rename(elsewhere)
    (tmp_path / FOUND / PINS).symlink_to(elsewhere)
    assert store.expire() == 0
    assert store.pins.images == 0
    (tmp_path / FOUND / PINS).unlink()
    os.mkfifo(tmp_path / FOUND / PINS)
    assert store.expire() == 0
    store.close()


def test_the_oldest_are_found_behind_many_that_are_pinned(tmp_path: Path) -> None:
    """More are pinned than are looked at together."""
    store = opened(tmp_path)
    put(store, range(6))
    apart = frozenset(SliceId("run", index) for index in range(3))
    assert [each.index for each in store.ledger.oldest(number=2, apart=apart)] == [3, 4]
    store.close()
    ledger = Ledger(tmp_path, read_only=True)
    assert [each.index for each in ledger.pins.stored(event(2, 4))] == [2, 3]
    ledger.close()
