"""The states of slices: leased once, sent again when lost, stored once, failed with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.data import ranges
from fip.ventilator.leases import GRACE, STORE_WITHIN, Leases

INDICES = st.sets(st.integers(0, 40))


@given(INDICES, st.integers(0, 40))
def test_ranges_are_the_set_that_they_stand_for(indices: set[int], more: int) -> None:
    """Ranges hold the indices that they were made of, and one more when it is added."""
    made = ranges.of(indices)
    assert set(ranges.added(made, ())) == indices
    assert ranges.count(made) == len(indices)
    assert ranges.well_formed(made, 41)
    assert ranges.add(made, more) == ranges.of(indices | {more})
    assert all(ranges.contains(made, index) == (index in indices) for index in range(41))


@given(INDICES, INDICES)
def test_added_is_the_difference(new: set[int], known: set[int]) -> None:
    """What is new in ranges is the difference of the sets."""
    assert ranges.added(ranges.of(new), ranges.of(known)) == sorted(new - known)
    assert ranges.without(ranges.of(new), ranges.of(known)) == ranges.of(new - known)


@given(INDICES, st.integers(0, 41))
def test_the_first_from_an_index_is_the_next_of_the_set(indices: set[int], index: int) -> None:
    """It is None after the last; ranges that touch are joined."""
    made = ranges.of(indices)
    assert ranges.first_from(made, index) == min((each for each in indices if each >= index), default=None)
    assert ranges.joined((each, each + 1) for each in sorted(indices)) == made


def test_ranges_from_a_socket_may_be_malformed() -> None:
    """Ranges that overlap, descend or lie beyond the run are seen."""
    for bad in (((3, 2),), ((0, 2), (1, 4)), ((0, 50),), ((-1, 2),), ((0, 2), (2, 3))):
        assert not ranges.well_formed(bad, 41)


def test_slices_go_out_in_order_and_come_back_first() -> None:
    """The earliest slice is next; what a dead worker had goes before the rest."""
    leases = Leases(total=10, max_attempts=3, stored=((0, 2),))
    assert leases.upcoming(3) == [2, 3, 4]
    for index in (2, 3, 4):
        leases.lease(index, "w1" if index < 4 else "w2", now=0.0)
    assert leases.worker_gone("w1") == 2
    assert leases.upcoming(3) == [2, 3, 5]
    assert leases.lease(2, "w2", now=1.0) == 2
    assert leases.oldest_unstored == 2


def test_what_can_never_be_cut_any_more_fails_at_once_unless_somebody_has_it() -> None:
    """If that worker loses it, that is its end; the reason is said once."""
    leases = Leases(total=3, max_attempts=3, stored=())
    leases.lease(1, "w", now=0.0)
    leases.lease(2, "w", now=0.0)
    for index in range(3):
        leases.cannot_be_cut(index, "left the ring")
    assert leases.failed == {0: "left the ring"}
    assert leases.sink_says(((1, 2),), now=1.0) == [1]
    leases.worker_gone("w")
    assert leases.failed == {0: "left the ring", 2: "left the ring"}
    assert leases.done


def test_a_slice_is_out_for_long_if_others_took_less() -> None:
    """At the least as long as an image may take to be stored."""
    leases = Leases(total=2, max_attempts=3, stored=())
    assert not leases.is_out_for_long(0, now=100.0)
    leases.lease(0, "w", now=0.0)
    assert not leases.is_out_for_long(0, now=STORE_WITHIN)
    assert leases.is_out_for_long(0, now=STORE_WITHIN + 1)
    leases.lease(1, "w", now=0.0)
    leases.worker_says("w", {(0, 1)}, {(1, 1)}, now=20.0)
    assert not leases.is_out_for_long(0, now=40.0)
    assert leases.is_out_for_long(0, now=41.0)


def test_a_slice_lost_on_its_way_is_sent_again() -> None:
    """A worker that does not show a slice within the grace, or no longer shows it, does not have it."""
    leases = Leases(total=2, max_attempts=3, stored=())
    leases.lease(0, "w", now=0.0)
    leases.worker_says("w", holds=(), handed_on=(), now=GRACE / 2)
    assert 0 in leases.leased
    leases.worker_says("w", holds=(), handed_on=(), now=GRACE * 1.1)
    assert leases.upcoming(1) == [0]


def test_an_image_that_the_sink_does_not_report_is_made_again() -> None:
    """What was handed on and is not stored in time, goes out again; what is stored, does not."""
    leases = Leases(total=2, max_attempts=3, stored=())
    for index in (0, 1):
        leases.lease(index, "w", now=0.0)
    leases.worker_says("w", holds=(), handed_on={(0, 1), (1, 1)}, now=1.0)
    assert leases.first_of("w") is None
    assert leases.sink_says(((0, 1),), now=2.0) == [0]
    assert leases.overdue(now=1.0 + STORE_WITHIN + 0.1) == 1
    assert leases.upcoming(2) == [1]


def test_a_slice_that_cannot_be_imaged_fails_with_its_reasons() -> None:
    """After the last attempt a slice is failed, and the run can end."""
    leases = Leases(total=1, max_attempts=2, stored=())
    for number, reason in enumerate(("no memory", "no memory", "never said"), 1):
        if number <= 2:
            attempt = leases.lease(0, "w", now=0.0)
            assert leases.attempt_failed("w", 0, attempt, reason)
        assert not leases.attempt_failed("w", 0, number, reason), "a repeated state changes nothing"
    assert leases.failed == {0: "no memory"}
    assert leases.done
    assert leases.cut


@pytest.mark.parametrize("stored", [False, True])
def test_a_slice_that_cannot_be_read_while_a_worker_has_it_may_still_be_stored(stored: bool) -> None:
    """It is read for a second copy, or its worker was taken for lost; if nothing comes of it, it is failed."""
    leases = Leases(total=2, max_attempts=2, stored=())
    leases.blame(0, "no such file")
    leases.worker_says("w", holds={(0, 1)}, handed_on=(), now=0.0)
    leases.blame(0, "no such file")
    assert leases.first_of("w") is not None
    if stored:
        leases.sink_says(((0, 1),), now=1.0)
        leases.blame(0, "no such file")
    else:
        leases.worker_gone("w")
    assert leases.failed == ({} if stored else {0: "no such file"})


def test_a_new_ventilator_adopts_what_workers_hold() -> None:
    """After a restart a slice that a worker holds is leased to it, not sent again."""
    leases = Leases(total=3, max_attempts=3, stored=((0, 1),))
    leases.worker_says("w", holds={(1, 2)}, handed_on=(), now=0.0)
    assert leases.upcoming(3) == [2]
    assert leases.first_of("w") is not None
    assert not leases.attempt_failed("w", 1, 1, "said by the one before")
    assert leases.attempt_failed("w", 1, 2, "said now")


def test_an_old_copy_handed_on_is_not_taken_for_the_new_one() -> None:
    """A slice leased again to a worker that had handed it on before counts as handed on only when it is so again."""
    leases = Leases(total=1, max_attempts=3, stored=())
    leases.lease(0, "w", now=0.0)
    leases.worker_says("w", holds=(), handed_on={(0, 1)}, now=1.0)
    assert leases.overdue(now=1.1 + leases.store_within) == 1
    again = leases.lease(0, "w", now=20.0)
    leases.worker_says("w", holds={(0, again)}, handed_on={(0, 1)}, now=20.1)
    assert leases.first_of("w") is not None


def test_time_on_the_wire_is_that_of_the_wire() -> None:
    """However late a worker reports a slice, held or handed on already; once for each."""
    leases = Leases(total=2, max_attempts=3, stored=())
    for index in (0, 1):
        leases.lease(index, "w", now=10.0)
    for _ in range(2):
        leases.worker_says("w", holds={(1, 1)}, handed_on={(0, 1)}, now=10.5, ages={(0, 1): 0.375, (1, 1): 0.25})
    assert leases.arrived() == [0.125, 0.25]
    assert leases.arrived() == []


def test_stragglers_are_sent_twice_when_nothing_else_is_left() -> None:
    """The oldest slice that takes long goes to a second worker, once, and whoever is first is stored."""
    leases = Leases(total=3, max_attempts=3, stored=())
    for index in range(3):
        leases.lease(index, "fast" if index else "slow", now=0.0)
    assert not leases.straggler(now=100.0), "what takes long is not known yet"
    leases.worker_says("fast", holds=(), handed_on={(1, 1), (2, 1)}, now=1.0)
    leases.sink_says(((1, 3),), now=1.5)
    assert not leases.straggler(now=1.5)
    assert leases.straggler(now=3.0)
    assert not leases.straggler(now=3.0), "one at a time"
    assert leases.upcoming(5) == [0]
    assert leases.lease(0, "fast", now=3.0) == 2
    assert leases.sink_says(((0, 3),), now=4.0) == [0]
    assert leases.done


def test_a_slice_that_ends_its_workers_is_failed() -> None:
    """A slice in work when worker after worker dies is failed; slices that only waited are not blamed."""
    leases = Leases(total=2, max_attempts=2, stored=())
    for death in range(4):
        for index in (0, 1):
            assert index not in leases.failed, death
            leases.lease(index, "w", now=0.0)
        assert leases.worker_gone("w", working=0, how="died") == 2
    assert leases.failed == {0: "4 workers died while they imaged it"}
    assert leases.upcoming(2) == [1]


def test_what_is_late_follows_from_what_was_seen() -> None:
    """A worker is taken to hang, and an image to be lost, only after several times what others took."""
    leases = Leases(total=50, max_attempts=2, stored=())
    assert (leases.image_within, leases.store_within) == (30.0, 10.0)
    for index in range(50):
        leases.lease(index, "w", now=0.0)
        leases.worker_says("w", holds=(), handed_on={(index, 1)}, now=20.0)
    leases.sink_says(((0, 50),), now=28.0)
    assert leases.image_within == 100.0
    assert leases.store_within == 40.0


def test_a_late_state_of_the_sink_costs_at_most_an_image() -> None:
    """What the sink had and does not name is sent again, until it names it again; numbers beyond a run are nothing."""
    leases = Leases(total=3, max_attempts=3, stored=())
    assert leases.sink_says(((0, 2),), now=0.0) == [0, 1]
    assert leases.sink_says(((0, 1),), now=1.0) == []
    assert leases.upcoming(3) == [1, 2]
    assert leases.sink_says(((0, 2),), now=2.0) == [1]
    assert leases.upcoming(3) == [2]
    leases.worker_says("w", holds={(7, 1), (-1, 1)}, handed_on=(), now=3.0)
    assert leases.upcoming(3) == [2]
    assert not leases.leased


def test_restarts_of_the_sink_do_not_make_it_wait_longer_for_the_next_images() -> None:
    """Images that a dead sink had are missed after a grace, however often that has happened before."""
    leases = Leases(total=100, max_attempts=3, stored=())
    now = 0.0
    for index in range(20):
        attempt = leases.lease(index, "w", now)
        leases.worker_says("w", holds=(), handed_on={(index, attempt)}, now=now)
        leases.sink_restarted(now)
        now += GRACE / 2
        leases.sink_says(((0, index + 1),), now)
    assert leases.store_within == STORE_WITHIN
    attempt = leases.lease(20, "w", now)
    leases.worker_says("w", holds=(), handed_on={(20, attempt)}, now=now)
    leases.sink_restarted(now)
    assert leases.overdue(now + 0.9 * GRACE) == 0
    assert leases.overdue(now + 1.1 * GRACE) == 1


class _World:
    """Workers and a sink that lose, repeat and delay, around real leases."""

    def __init__(self, total: int) -> None:
        self.leases = Leases(total, max_attempts=10**6, stored=(), final=False)
        self.now = 0.0
        self.at_worker: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}  # (index, attempt)
        self.handed: dict[str, set[tuple[int, int]]] = {"a": set(), "b": set()}
        self.stored: ranges.Ranges = ()
        self.said: list[ranges.Ranges] = [()]  # by the sink, so far
        self.writes: list[int] = []

    def step(self, what: str, worker: str, lost: bool) -> None:
        self.now += 1.0
        if what == "send":
            for index in self.leases.upcoming(1):
                attempt = self.leases.lease(index, worker, self.now)
                if not lost:
                    self.at_worker[worker].append((index, attempt))
        elif what == "image" and self.at_worker[worker]:
            index, attempt = self.at_worker[worker].pop(0)
            self.handed[worker].add((index, attempt))
            if not lost and not ranges.contains(self.stored, index):
                self.stored = ranges.add(self.stored, index)
                self.writes.append(index)
        elif what == "say" and not lost:
            self.leases.worker_says(worker, self.at_worker[worker], self.handed[worker], self.now)
        elif what == "die":
            self.at_worker[worker].clear()
            self.handed[worker].clear()
            self.leases.worker_gone(worker)
        elif what == "sink" and not lost:
            self.said.append(self.stored)
            self.leases.sink_says(self.stored, self.now)
        elif what == "late sink":
            self.leases.sink_says(self.said[len(self.said) // 2], self.now)
        elif what == "new sink":
            self.leases.sink_restarted(self.now)
        elif what == "fail" and self.at_worker[worker]:
            self.leases.attempt_failed(worker, *self.at_worker[worker].pop(0), "why")
        elif what == "idle":
            self.leases.straggler(self.now)
        elif what == "ventilator":
            self.leases = Leases(self.leases.total, max_attempts=10**6, stored=self.stored, final=False)
        elif what == "grow":
            self.leases.grow(self.leases.total + 1, final=False)
        self.leases.overdue(self.now)


STEPS = st.tuples(
    st.sampled_from(
        ["send", "image", "say", "die", "sink", "late sink", "new sink", "fail", "idle", "ventilator", "grow"]
    ),
    st.sampled_from(["a", "b"]),
    st.booleans(),
)


@given(st.lists(STEPS, max_size=80))
def test_every_run_ends_with_every_slice_stored_once(steps: list[tuple[str, str, bool]]) -> None:
    """Whatever is lost, repeated, killed or comes late: if all live long enough, each slice is stored, once."""
    world = _World(total=5)
    for step in steps:
        world.step(*step)
        total = world.leases.total
        waiting = set(world.leases.upcoming(total)) | set(world.leases.leased)
        assert waiting | set(ranges.added(world.leases.stored, ())) == set(range(total)), "a slice is nowhere"
        assert not world.leases.done
    total = world.leases.total
    world.leases.grow(total, final=True)
    for _ in range(100):
        for what in ("send", "say", "image", "say", "sink", "idle"):
            for worker in ("a", "b"):
                world.step(what, worker, lost=False)
    assert world.leases.done
    assert sorted(world.writes) == list(range(total))
