"""Following a directory: each slice in its turn, whatever order images come in."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive.entries import Series
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

    def is_apart(self, run: Series, whole: bool) -> bool:
        """Return True, as for one that is there from the beginning."""
        return True

    def position(self, series: Series) -> int:
        """Return the index after the highest slice that was taken."""
        return max((index + 1 for index, _ in self.taken), default=0)

    def passed_over(self, series: Series) -> set[int]:
        """Return the slices whose last outcome may have an image later."""
        return {index for index, outcome in dict(self.taken).items() if outcome in LATER}

    def take(self, turns: Iterator[Turn]) -> list[tuple[int, str]]:
        """Take all that there is now; return it."""
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
    """Return the images that there are now."""
    following.again()
    return cursor.take(iter(lambda: following.next(cursor), None))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open run of images."""
    opened_store = opened(tmp_path)
    yield opened_store
    opened_store.close()


def fail(store: Store, index: int) -> None:
    """Enter a slice as failed."""
    store.ledger.add_failure(Failure("run", index, 3, "no reason"))


def test_a_missing_slice_is_waited_for_until_the_ledger_says_what_became_of_it(store: Store) -> None:
    """Images out of order are handed out in order; a slice that fails, or whose image expires, is reported."""
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


class BothSeries(Kept):
    """A cursor that keeps apart what it took of a backlog."""

    def __init__(self, apart: bool = True) -> None:
        super().__init__()
        self.apart, self.backlog = apart, Kept()
        self.asked: list[bool] = []

    def is_apart(self, run: Series, whole: bool) -> bool:
        """Return `apart`, as given when this was made."""
        self.asked.append(whole)
        return self.apart

    def position(self, series: Series) -> int:
        """Return the position in this series alone."""
        return self.backlog.position(series) if series.backlog else super().position(series)

    def passed_over(self, series: Series) -> set[int]:
        """Return the slices passed over, in each series its own."""
        return self.backlog.passed_over(series) if series.backlog else super().passed_over(series)

    def take_all(self, following: Follow) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        """What is new in each series now."""
        before = len(self.taken), len(self.backlog.taken)
        following.again()
        while turn := following.next(self):
            (self.backlog if turn.series.backlog else self).taken.append((turn.index, turn.outcome))
        return self.taken[before[0] :], self.backlog.taken[before[1] :]


def set_aside(store: Store, *backlog: tuple[int, int], total: int = 100, final: bool = True) -> None:
    """What the ventilator sends when it has fallen behind."""
    assert store.open_run(replace(PLAN, backlog=backlog, total=total, final=final)) == ""


def test_a_backlog_is_a_series_of_its_own(store: Store) -> None:
    """The newer ones are not held up by it, and it comes in order of its own, oldest first."""
    following, cursor = Follow(store.directory), BothSeries()
    for index in (0, 1, 2, 6):
        store.put(image(index))
    assert cursor.take_all(following) == ([(0, "stored"), (1, "stored"), (2, "stored")], [])
    set_aside(store, (3, 6))
    assert cursor.take_all(following) == ([(6, "stored")], [])
    store.put(image(4))
    store.put(image(7))
    assert cursor.take_all(following) == ([(7, "stored")], [])
    store.put(image(3))
    assert cursor.take_all(following) == ([], [(3, "stored"), (4, "stored")])
    set_aside(store, (3, 6), (8, 10))
    fail(store, 5)
    store.put(image(10))
    assert cursor.take_all(following) == ([(10, "stored")], [(5, "failed")])
    store.put(image(8))
    store.put(image(5))
    assert cursor.take_all(following) == ([], [(5, "late"), (8, "stored")])
    assert not any(cursor.asked), "the run was never whole"


def test_no_slice_changes_its_series(store: Store) -> None:
    """What is known when a slice is handed out, or is before the end of the backlog, stays with the others."""
    for index in (0, 4):
        store.put(image(index))
    fail(store, 3)
    set_aside(store, (2, 7))
    assert store.ledger.backlogs.of("run") == ((2, 3), (5, 7))
    set_aside(store, (1, 3), (5, 9))
    assert store.ledger.backlogs.of("run") == ((2, 3), (5, 9)), "slice 1 was out while newer ones were set aside"
    following, cursor = Follow(store.directory), BothSeries()
    assert cursor.take_all(following) == ([(0, "stored")], [])
    store.put(image(2))
    store.put(image(1))
    assert cursor.take_all(following) == ([(1, "stored"), (3, "failed"), (4, "stored")], [(2, "stored")])
    store.put(image(3))
    assert cursor.take_all(following) == ([(3, "late")], [])


def test_a_run_is_over_when_both_series_are(store: Store) -> None:
    """The backlog is not, while others may still come to be in it."""
    following, cursor = Follow(store.directory), BothSeries()
    set_aside(store, (0, 2))
    for index in (0, 1):
        store.put(image(index))
    assert cursor.take_all(following) == ([], [(0, "stored"), (1, "stored")])
    assert cursor.take_all(following) == ([], [])
    assert list(following.finished) == []
    for index in range(2, 100):
        store.put(image(index))
    cursor.take_all(following)
    cursor.take_all(following)
    assert [each.backlog for each in following.finished] == [False, True]
    assert following.over


def test_who_comes_when_all_is_there_takes_all_in_order(store: Store) -> None:
    """A cursor can learn that all is there (`is_apart`): it takes the backlog in its place in the order."""
    set_aside(store, (1, 40))
    for index in range(100):
        store.put(image(index))
    following, cursor = Follow(store.directory), BothSeries(apart=False)
    assert cursor.take_all(following) == ([(index, "stored") for index in range(100)], [])
    assert cursor.asked[0]
    cursor.take_all(following)
    assert following.over


def test_patience_counts_in_each_series_alone(store: Store) -> None:
    """A slice of the backlog that is stored says nothing of one that is missing among the newer ones."""
    hands = Hands()
    following, cursor = Follow(store.directory, PATIENCE, hands), BothSeries()
    set_aside(store, (1, 4))
    for index in (0, 2):
        store.put(image(index))
    assert cursor.take_all(following) == ([(0, "stored")], [])
    hands.now += PATIENCE
    assert cursor.take_all(following) == ([], [(1, "gap"), (2, "stored")])
    store.put(image(1))
    assert cursor.take_all(following) == ([], [(1, "late")])
    store.put(image(5))
    assert cursor.take_all(following) == ([], [])
    hands.now += PATIENCE
    assert cursor.take_all(following) == ([(4, "gap"), (5, "stored")], [])
    set_aside(store, (1, 5))
    store.put(image(3))
    store.put(image(4))
    assert cursor.take_all(following) == ([], [(3, "stored"), (4, "stored")]), "it is of the backlog, and not late"
