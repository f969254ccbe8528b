"""Parts become integrations: in order, none twice, all accounted for, in memory that does not grow."""

import mmap
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fip.receiver.account import Account
from fip.receiver.assembling import Assembly, Closed
from fip.receiver.part import Part
from fip.receiver.sequence import GUESSES, LEAP, NEAR, Place
from fip.spool.layout import sections
from fip.spool.writing import Open
from support.stream_parts import GRACE, SETUP, START, Clock, parts, samples


class Disk:
    """Takes what is closed, as the daemon's thread does, and keeps the account."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly, self.account = assembly, Account()
        self.stored: dict[int, tuple[float, float, int]] = {}  # received, time, field
        self.arrays: dict[int, dict[str, np.ndarray]] = {}

    def write(self, most: int = 1000) -> None:
        """Write so many of what waits."""
        for _ in range(min(most, len(self.assembly.closed))):
            self._write(self.assembly.closed.popleft())

    def _write(self, closed: Closed) -> None:
        self.account = self.account.after(closed.dump, closed.integration is not None)
        if closed.integration:
            assert closed.dump not in self.stored
            assert closed.dump > max(self.stored, default=-1)
            whole, opened = closed.integration, closed.integration.conclude()
            assert opened.dump == closed.dump
            self.stored[closed.dump] = whole.received, opened.time, opened.field
            self.arrays[closed.dump] = {name: array.copy() for name, array in opened.arrays.items()}
            self.assembly.give_back(whole)


def memory(dump: int, time: float, field: int) -> Open:
    """Return the memory of an integration, as a writer gives it, with what others left in it."""
    arrays = {name: np.full(each.shape, 77, each.dtype) for name, each in sections(SETUP).items()}
    return Open(dump, time, field, arrays, mmap.mmap(-1, 1))


def assembly(clock: Clock, queue: int = 4, last: Place | None = None) -> Assembly:
    return Assembly(SETUP, GRACE, queue, clock, memory, last)


def pass_time(clock: Clock, made: Assembly, seconds: float) -> None:
    """Time passes, and the daemon looks every now and then."""
    for _ in range(max(1, round(seconds / 0.1))):
        clock.now += 0.1
        made.look()


def test_an_integration_is_closed_as_soon_as_all_of_it_came_in_any_order() -> None:
    made = assembly(Clock())
    disk = Disk(made)
    sent = parts(7)
    random.Random(1).shuffle(sent)
    for part in sent[:-1]:
        made.put(part)
    assert not made.closed
    made.put(sent[-1])
    disk.write()
    assert disk.stored == {7: (1.0, START + 14.0, 1)}
    for band in range(2):
        assert np.array_equal(disk.arrays[7][f"{band}.visibility"], samples(7, band))
        assert np.all(disk.arrays[7][f"{band}.flag"] == 2)
        assert np.all(disk.arrays[7][f"{band}.weight"] == 7)
        assert np.all(disk.arrays[7][f"{band}.scale"] == 0.5)
    assert disk.account == Account(first=7, last=7, received=1)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_becomes_of_the_parts_each_integration_is_accounted_for_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    lost, late, again = chance.choice([0.0, 0.02, 0.3]), chance.choice([0.0, 0.05]), chance.choice([0.0, 0.1])
    slow, outage = chance.choice([False, True]), chance.choice([0.0, 0.1])
    clock = Clock()
    made = assembly(clock, queue=chance.choice([3, 4]))
    disk = Disk(made)
    held: list[Part] = []
    for dump in range(100, 160):
        clock.now += 2.0
        made.look()
        sent = [] if chance.random() < outage else [part for part in parts(dump) if chance.random() >= lost]
        sent += [part for part in sent if chance.random() < again]
        stays = [part for part in sent if chance.random() < late]
        sent = [part for part in sent if not any(part is each for each in stays)] + held
        held = stays
        chance.shuffle(sent)
        for part in sent:
            made.put(part)
        if not slow or chance.random() < 0.5:
            disk.write(most=1 if slow else 1000)
    pass_time(clock, made, 1.0)
    made.finish()
    disk.write()
    account = disk.account
    assert account.received + account.lost + account.dropped == account.last - account.first + 1
    assert account.received == len(disk.stored)
    assert list(disk.stored) == sorted(disk.stored)
    assert not made.begun
    assert not made.closed
    for dump, (received, time, field) in disk.stored.items():
        assert (time, field) == (START + 2.0 * dump, 1)
        good = total = 0
        for band in range(2):
            visibility = disk.arrays[dump][f"{band}.visibility"]
            there = np.isfinite(visibility)
            assert np.array_equal(visibility[there], samples(dump, band)[there])
            assert np.all(disk.arrays[dump][f"{band}.weight"][~there] == 0)
            good, total = good + int(there.sum()), total + there.size
        assert received == good / total
    if not lost and not late and not outage and not slow:
        assert account == Account(first=100, last=159, received=60)
        assert all(share == 1.0 for share, _, _ in disk.stored.values())
    if not slow:
        assert not account.dropped


def test_one_that_is_not_whole_is_closed_once_one_two_newer_began_or_nothing_came_for_the_grace() -> None:
    clock = Clock()
    made = assembly(clock)
    disk = Disk(made)
    for dump in (3, 4):
        for part in parts(dump)[1:]:
            made.put(part)
    assert not made.closed
    for part in parts(5)[:LEAP]:
        made.put(part)
    assert [each.dump for each in made.closed] == [3]
    pass_time(clock, made, 0.3)
    made.put(parts(5)[LEAP])
    pass_time(clock, made, 0.3)
    assert [each.dump for each in made.closed] == [3, 4]
    pass_time(clock, made, 0.3)
    disk.write()
    assert disk.stored[5][0] == pytest.approx((LEAP + 1) / 12)
    for part in parts(4)[:1] + parts(5)[-2:]:
        made.put(part)
    assert made.counters == Counter(late=3)
    assert disk.account == Account(first=3, last=5, received=3)


def test_the_grace_stands_still_while_the_process_does() -> None:
    """After SIGSTOP, or a minute of a machine that swaps, what waits in the sockets is read first."""
    clock = Clock()
    made = assembly(clock)
    for part in parts(3)[1:]:
        made.put(part)
    clock.now += 60.0
    made.look()
    made.put(parts(3)[0])
    assert made.closed.popleft().integration is not None
    assert not made.counters


def test_one_that_is_whole_waits_for_those_before_it_of_which_nothing_came_yet() -> None:
    """Packets that were swapped may be all of two integrations."""
    clock = Clock()
    made = assembly(clock)
    disk = Disk(made)
    for dump in (1, 3, 2):
        for part in parts(dump):
            made.put(part)
    disk.write()
    assert disk.account == Account(first=1, last=3, received=3)
    for part in parts(5):
        made.put(part)
    assert not made.closed
    pass_time(clock, made, 0.6)
    disk.write()
    assert disk.account == Account(first=1, last=5, received=4, lost=1)


def test_what_comes_for_one_that_was_given_up_is_late_also_if_nothing_of_it_came_before() -> None:
    """It must not begin once one two newer has."""
    made = assembly(Clock())
    disk = Disk(made)
    for part in parts(1) + parts(5)[:1] + parts(3) + parts(5)[1:]:
        made.put(part)
    made.finish()
    disk.write()
    assert made.counters == Counter(late=12)
    assert disk.account == Account(first=1, last=5, received=2, lost=3)
    assert disk.stored[5][0] == 1.0


def test_the_first_parts_may_come_in_any_order_and_in_memory_that_is_used_again() -> None:
    """They wait until enough of them fit each other."""
    made = assembly(Clock())
    disk = Disk(made)
    sent = [part for pair in zip(parts(8), parts(7), strict=True) for part in pair]
    for part in sent:
        used = part.visibility.copy()
        made.put(replace(part, visibility=used))
        used.fill(0)
    disk.write()
    assert disk.account == Account(first=7, last=8, received=2)
    assert np.array_equal(disk.arrays[7]["0.visibility"], samples(7, 0))


def test_what_finds_no_memory_is_dropped_whole_and_is_the_newest() -> None:
    clock = Clock()
    made = assembly(clock, queue=3)
    disk = Disk(made)
    for dump in range(6):
        clock.now += 2.0
        for part in parts(dump):
            made.put(part)
        if dump == 3:
            disk.write(most=2)
    pass_time(clock, made, 0.6)
    disk.write()
    assert list(disk.stored) == [0, 1, 2, 4, 5]
    assert all(share == 1.0 for share, _, _ in disk.stored.values())
    assert disk.account == Account(first=0, last=5, received=5, dropped=1)
    assert made.counters["too_many"] == 12


def test_a_part_that_comes_again_changes_nothing_and_one_that_did_not_come_whole_is_not_counted_whole() -> None:
    made = assembly(Clock())
    disk = Disk(made)
    first, *others = parts(1)
    torn = first.visibility.copy()
    torn[0] = np.nan
    for part in (replace(first, visibility=torn, missing=3), first, *others):
        made.put(part)
    disk.write()
    assert made.counters == Counter(again=1)
    assert disk.stored[1][0] == 1 - 3 / 72
    assert np.isnan(disk.arrays[1]["0.visibility"]).sum() == 3


@pytest.mark.parametrize(
    "absurd",
    [
        {"dump": 1 << 61},
        {"dump": 1 << 200},
        {"dump": 12, "time": START + 1e9},
        {"dump": 11, "time": START},
        {"dump": 12 + 3 * NEAR, "time": START + 24.0 + 6.0 * NEAR},
        {"dump": 5000, "time": START + 10_000.0},
    ],
)
def test_numbers_and_times_that_fit_nothing_take_no_memory_and_close_nothing(absurd: dict[str, Any]) -> None:
    """They are sent as often as the good ones."""
    clock = Clock()
    made = assembly(clock, last=Place(10, START + 20.0, clock.now))
    disk = Disk(made)
    for dump in (11, 12, 13, 14):
        clock.now += 2.0
        for part in parts(dump):
            made.put(replace(part, **absurd))
            made.put(part)
        made.look()
        disk.write()
    assert list(disk.stored) == [11, 12, 13, 14]
    assert all(value == (1.0, START + 2.0 * dump, 1) for dump, value in disk.stored.items())


def test_a_time_or_a_field_that_is_not_that_of_most_samples_spoils_nothing() -> None:
    made = assembly(Clock())
    disk = Disk(made)
    first, *others = parts(1)
    for part in (replace(first, time=first.time + 0.7, field=2), *others):
        made.put(part)
    disk.write()
    assert disk.stored == {1: (1.0, START + 2.0, 1)}


def test_the_first_parts_and_those_after_a_leap_are_taken_once_enough_of_them_fit_each_other() -> None:
    clock = Clock()
    made = assembly(clock)
    disk = Disk(made)
    junk = replace(parts(1)[0], dump=1 << 60)
    sent = parts(7)
    for number, part in enumerate(sent):
        made.put(replace(junk, dump=junk.dump + 1000 * number))
        made.put(part)
    disk.write()
    assert disk.stored == {7: (1.0, START + 14.0, 1)}
    later = parts(8, time=START + 3600.0)  # the number goes on, the time does not: the telescope slewed for an hour
    pass_time(clock, made, 0.1)
    clock.now += 3600.0
    made.look()
    for part in later:
        made.put(part)
    disk.write()
    assert disk.stored[8] == (1.0, START + 3600.0, 1)
    assert disk.account == Account(first=7, last=8, received=2)


def test_a_leap_is_not_believed_while_what_is_known_goes_on() -> None:
    clock = Clock()
    made = assembly(clock)
    disk = Disk(made)
    for dump in range(20):
        clock.now += 2.0
        made.look()
        for part, other in zip(parts(dump), parts(1 << 40, time=START + 5e8), strict=True):
            made.put(part)
            made.put(other)
        disk.write()
    assert disk.account == Account(first=0, last=19, received=20)


def test_what_a_short_stream_sent_is_taken_when_it_ends() -> None:
    made = assembly(Clock())
    disk = Disk(made)
    for part in parts(0)[: LEAP - 1]:
        made.put(part)
    assert not made.closed
    made.finish()
    disk.write()
    assert disk.stored[0][0] == pytest.approx((LEAP - 1) / 12)


def test_after_a_restart_the_gap_is_lost_and_what_comes_of_older_ones_is_late() -> None:
    clock = Clock()
    made = assembly(clock, last=Place(10, START + 20.0, clock.now - 8.0))
    disk = Disk(made)
    disk.account = Account(first=4, last=10, received=6, lost=1)
    for part in parts(10)[-3:] + parts(13)[2:] + parts(14):
        made.put(part)
    pass_time(clock, made, 0.6)
    disk.write()
    assert disk.account == Account(first=4, last=14, received=8, lost=3)
    assert made.counters == Counter(late=3)


def test_memory_does_not_grow_whatever_comes() -> None:
    """Parts that fit nothing wait, and those that fit no other are let go first."""
    clock = Clock()
    asked: list[int] = []

    def counted(dump: int, time: float, field: int) -> Open:
        asked.append(dump)
        return memory(dump, time, field)

    made = Assembly(SETUP, GRACE, 4, clock, counted)
    chance = random.Random(5)
    for _ in range(3000):
        part = chance.choice(parts(chance.randrange(1 << 40)))
        made.put(replace(part, time=START + chance.random() * 1e9))
    assert not asked
    assert made.counters["unfit"] >= 3000 - GUESSES
    for dump in range(50):
        for part in parts(dump):
            made.put(part)
    assert len(asked) == 4
