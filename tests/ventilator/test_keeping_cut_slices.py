"""What is put into the ring of cut slices, and what is taken out of it."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fip.data.errors import InputError, LeftTheRingError
from fip.data.names import RunId, SliceId
from fip.data.ranges import Ranges
from fip.data.settings import Asked
from fip.source.requests import Cut
from fip.ventilator.active_run import ActiveRun
from fip.ventilator.keeping import AFTER, PUT_OFF, Keeping
from fip.ventilator.leases import STORE_WITHIN
from fip.ventilator.pacing import Pace
from fip.ventilator.ring import Ring
from fip.wire.messages import STATE_INTERVAL, Follow, RunPlan, RunStored
from support.kept_slices import cut, ring

MANY, NEW = 12, 2  # slices of the run, and the last of them, which have just come
OLD = range(MANY - NEW)
STORED, FAILED, OUT = (0, 4), 5, 7


@dataclass
class Work:
    """The jobs of a ventilator, as far as matters here, and what is asked of its children."""

    active: dict[RunId, ActiveRun] = field(default_factory=dict)
    opens: bool = False
    now: float = 1000.0  # monotonic s
    asked: dict[SliceId, Callable[[Future[Cut]], None]] = field(default_factory=dict)
    left: list[SliceId] = field(default_factory=list)

    def cut(self, key: SliceId, then: Callable[[Future[Cut]], None]) -> None:
        """A child is asked for a slice."""
        self.asked[key] = then

    def answer(self, key: SliceId, error: Exception | None = None) -> None:
        """It is cut, or cannot be."""
        future: Future[Cut] = Future()
        future.set_exception(error) if error else future.set_result(cut())
        self.asked.pop(key)(future)

    @property
    def indices(self) -> list[int]:
        """What is asked for now."""
        return [key.slice for key in self.asked]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """A stream; some of it is stored, one slice has failed, and one is out with a worker."""
    made = Work()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    made.active["run"] = run(made.now)
    return made


def run(now: float, stored: Ranges = (STORED,), passes: bool = True) -> ActiveRun:
    """Return the run that is described above."""
    times = [now - AFTER] * len(OLD) + [now - AFTER + 0.1] * NEW
    plan = RunPlan("run", "a", MANY, "/a.live", Asked(), "", final=False)
    found = ActiveRun(plan, Pace.of_arrivals(times), Follow(1.0, 10.0), MANY, now, passes=passes)
    found.sink_says(RunStored("run", stored, (), ""), 3, now)
    assert found.leases
    found.leases.lease(OUT, "w", now)
    found.leases.cannot_be_cut(FAILED, "made to fail")
    return found


def keeping(work: Work, into: Ring) -> Keeping:
    """What keeps the slices of this work."""
    return Keeping(into, work, work.cut, lambda key, reason: work.left.append(key), lambda: None)  # type: ignore[arg-type]


def key(index: int) -> SliceId:
    """One of the stream's slices."""
    return SliceId("run", index)


def test_what_waits_is_cut_the_oldest_first(work: Work, tmp_path: Path) -> None:
    """Not what is stored, has failed, was sent just now or came just now, nor what is being read."""
    kept = keeping(work, ring(tmp_path))
    kept.go_on({}, {key(6)}, 2, alone=False)
    assert work.indices == [4, 8]
    kept.go_on({}, {key(6)}, 2, alone=False)
    assert work.indices == [4, 8], "one for each child"
    work.answer(key(4))
    kept.go_on({}, (), 2, alone=False)
    assert work.indices == [8, 6]
    for index in (8, 6):
        work.answer(key(index))
    kept.go_on({}, (), 9, alone=False)
    assert work.indices == [9]
    assert (work.active["run"].kept, list(work.active["run"].unsafe())) == (((4, 5), (6, 7), (8, 9)), [7, 9, 10, 11])


def test_what_was_there_when_the_run_began_may_have_come_long_ago(work: Work, tmp_path: Path) -> None:
    """It is not waited for, once it is known what of it is stored."""
    work.active["run"].found = MANY - 1
    keeping(work, ring(tmp_path)).go_on({}, (), MANY, alone=False)
    assert work.indices == [4, 6, 8, 9, 10]


def test_the_backlog_is_cut_first_if_it_is_older(work: Work, tmp_path: Path) -> None:
    """Though it is imaged last: it leaves first."""
    leases = work.active["run"].leases
    assert leases
    leases.set_aside(9)
    assert leases.upcoming(1) == [9]
    keeping(work, ring(tmp_path)).go_on({}, (), 1, alone=False)
    assert work.indices == [4]


def test_what_was_read_to_be_sent_is_not_cut_again(work: Work, tmp_path: Path) -> None:
    """It is written as it is."""
    into = ring(tmp_path)
    keeping(work, into).go_on({key(4): cut()}, (), 1, alone=False)
    assert into.held("run") == ((4, 5),)


@pytest.mark.parametrize(("alone", "later", "wanted"), [(False, 0.0, False), (True, 0.0, True), (False, 11.0, True)])
def test_what_is_out_is_kept_if_it_may_not_come_back(
    alone: bool, later: float, wanted: bool, work: Work, tmp_path: Path
) -> None:
    """At once without a sink, else if it takes long."""
    assert later == 0 or later > STORE_WITHIN
    work.now += later
    keeping(work, ring(tmp_path)).go_on({}, (), MANY, alone=alone)
    assert (OUT in work.indices) is wanted


def test_data_that_stay_are_not_kept(work: Work, tmp_path: Path) -> None:
    """A set that grows is like this."""
    work.active["run"] = run(work.now, passes=False)
    keeping(work, ring(tmp_path)).go_on({}, (), MANY, alone=True)
    assert work.asked == {}


def test_before_the_sink_is_heard_all_is_kept(work: Work, tmp_path: Path) -> None:
    """What it has goes when it says so."""
    work.active["run"].leases, into = None, ring(tmp_path)
    kept = keeping(work, into)
    kept.go_on({}, (), MANY, alone=True)
    assert work.indices == list(OLD)
    for index in OLD:
        work.answer(key(index))
    work.active["run"] = run(work.now)
    work.now += STATE_INTERVAL
    kept.go_on({}, (), MANY, alone=False)
    assert into.held("run") == ((4, 5), (6, 10))


def test_what_the_sink_has_lost_is_kept_again(work: Work, tmp_path: Path) -> None:
    """Its disk may be another one, for example."""
    stream = work.active["run"]
    assert next(stream.unsafe()) == 4
    stream.sink_says(RunStored("run", ((0, 2), (3, 4)), (), ""), 3, work.now)
    keeping(work, ring(tmp_path)).go_on({}, (), 1, alone=False)
    assert work.indices == [2]


def test_what_left_is_told_and_what_fails_is_put_off(work: Work, tmp_path: Path) -> None:
    """The others go on all the same."""
    kept = keeping(work, ring(tmp_path))
    kept.go_on({}, (), MANY, alone=False)
    assert work.indices == [4, 6, 8, 9]
    work.answer(key(4), LeftTheRingError("it left the ring"))
    work.answer(key(6), InputError("a dead disk"))
    for later, wanted in ((0.0, []), (PUT_OFF - 0.1, [10, 11]), (PUT_OFF, [6])):
        work.now = 1000.0 + later
        kept.go_on({}, {key(OUT)}, MANY, alone=False)
        assert [index for index in work.indices if index not in (8, 9)] == wanted
        work.asked = {each: work.asked[each] for each in (key(8), key(9))}
    assert work.left == [key(4)]


def test_what_is_over_goes(work: Work, tmp_path: Path) -> None:
    """If nobody knows the run, it goes only when all jobs are opened: it may be one of theirs."""
    into = ring(tmp_path)
    for each in (key(0), key(FAILED), key(6), SliceId("other", 1)):
        into.put(each, cut(), lambda: None)
    kept, work.opens = keeping(work, into), True
    kept.go_on({}, (), 0, alone=False)
    assert (into.held("run"), into.held("other")) == (((6, 7),), ((1, 2),))
    work.opens, work.now = False, work.now + STATE_INTERVAL
    kept.go_on({}, (), 0, alone=False)
    assert into.runs == ("run",)
    work.active.clear()
    work.opens, work.now = True, work.now + STATE_INTERVAL
    kept.go_on({}, (), 0, alone=False)
    assert not into.runs
