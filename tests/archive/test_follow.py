"""Following a directory: each slice in its turn, whatever order images come in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fip.archive.entries import RunRow
from fip.archive.follow import LATER, Follow, Turn, follow
from fip.archive.stamps import stamp_of
from fip.sink.store import Store
from fip.wire.messages import Failure
from support.smallest_images import PLAN, image, opened

PATIENCE = 10.0  # s


class Kept:
    """A cursor in memory, and what was taken by it."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, str]] = []

    def position(self, run: RunRow) -> int:
        """After the highest slice that was taken."""
        return max((index + 1 for index, _ in self.taken), default=0)

    def passed_over(self, run: RunRow) -> set[int]:
        """Those whose last outcome may have an image later."""
        return {index for index, outcome in dict(self.taken).items() if outcome in LATER}

    def take(self, turns: Iterator[Turn]) -> list[tuple[int, str]]:
        """Takes all that there is now; returns it."""
        before = len(self.taken)
        for turn in turns:
            self.taken.append((turn.index, turn.outcome))
        return self.taken[before:]


class Hands:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def all_now(following: Follow, cursor: Kept) -> list[tuple[int, str]]:
    """What there is now."""
    following.again()
    return cursor.take(iter(lambda: following.next(cursor), None))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open run of images."""
    opened_store = opened(tmp_path)
    yield opened_store
    opened_store.close()


def fail(store: Store, index: int) -> None:
    """Enters a slice as failed."""
    store.ledger.add_failure(Failure("run", index, 3, "no reason"))


def test_a_missing_slice_is_waited_for_until_the_ledger_says_what_became_of_it(store: Store) -> None:
    """Images that come out of order are handed out in order; a slice that fails, or whose image expires, is told."""
    following, cursor = Follow(store.directory), Kept()
    for index in (0, 2, 3, 5):
        store.put(image(index))
    assert all_now(following, cursor) == [(0, "stored")]
    fail(store, 1)
    assert all_now(following, cursor) == [(1, "failed"), (2, "stored"), (3, "stored")]
    store.put(image(4))
    store.put(image(6))
    assert all_now(following, cursor) == [(4, "stored"), (5, "stored"), (6, "stored")]


def test_an_image_that_expired_before_its_turn_is_told(store: Store) -> None:
    """Nobody finds out by a file that is not there."""
    for index in range(4):
        store.put(image(index))
    store.ledger.expire(store.ledger.oldest(number=2))
    assert all_now(Follow(store.directory), Kept()) == [(0, "expired"), (1, "expired"), (2, "stored"), (3, "stored")]


def test_with_patience_what_is_missing_for_too_long_is_a_gap_and_late_if_it_comes(store: Store) -> None:
    """The clock runs from when a later image is there, once for all slices that are missing; not before, if none is."""
    hands = Hands()
    following, cursor = Follow(store.directory, PATIENCE, hands), Kept()
    store.put(image(0))
    assert all_now(following, cursor) == [(0, "stored")]
    hands.now += 100 * PATIENCE
    store.put(image(4))
    assert all_now(following, cursor) == []
    store.put(image(2))
    hands.now += 0.9 * PATIENCE
    assert all_now(following, cursor) == []
    hands.now += 0.2 * PATIENCE
    assert all_now(following, cursor) == [(1, "gap"), (2, "stored"), (3, "gap"), (4, "stored")]
    store.put(image(3))
    store.put(image(5))
    assert all_now(following, cursor) == [(3, "late"), (5, "stored")]
    assert all_now(following, cursor) == []


def test_a_slice_that_had_failed_and_is_imaged_again_is_late(store: Store) -> None:
    """Resuming a run tries again what failed."""
    following, cursor = Follow(store.directory), Kept()
    fail(store, 0)
    store.put(image(1))
    assert all_now(following, cursor) == [(0, "failed"), (1, "stored")]
    store.put(image(0))
    assert all_now(following, cursor) == [(0, "late")]


def test_a_run_is_over_once_all_of_its_slices_are_decided(store: Store) -> None:
    """Then there is nothing to wait for; a run that grows is never over."""
    following, cursor = Follow(store.directory), Kept()
    for index in range(PLAN.total - 1):
        fail(store, index)
    assert len(all_now(following, cursor)) == PLAN.total - 1
    assert all_now(following, cursor) == []
    assert not following.over
    store.put(image(PLAN.total - 1))
    assert all_now(following, cursor) == [(PLAN.total - 1, "stored")]
    assert all_now(following, cursor) == []
    assert following.over


def test_following_waits_as_it_is_told(store: Store) -> None:
    """`follow` hands out what is there, and asks how to wait for more."""
    cursor, rounds = Kept(), iter([True, False])
    store.put(image(0))

    def wait() -> bool:
        store.put(image(len(cursor.taken)))
        return next(rounds)

    assert cursor.take(follow(store.directory, cursor, wait)) == [(0, "stored"), (1, "stored")]


def test_a_ledger_elsewhere_is_seen_to_change(tmp_path: Path) -> None:
    """SQLite's log is not beside the link that leads to it."""
    elsewhere = Store(tmp_path / "images", ledgers=tmp_path / "ledgers")
    assert elsewhere.open_run(PLAN) == ""
    before = stamp_of(tmp_path / "images")
    elsewhere.put(image(0))
    assert stamp_of(tmp_path / "images") != before
    elsewhere.close()
