"""Several copies of a slice are out: each counts once, whichever was sent last, and whoever sent it."""

from pathlib import Path

from fip.data.names import Attempt
from fip.data.settings import Asked
from fip.ventilator.active_run import ActiveRun
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import Jobs
from fip.ventilator.leases import GRACE, Leases
from fip.ventilator.loads import Loads
from fip.ventilator.pacing import Pace
from fip.wire.messages import Failure, RunPlan, RunStored, Submit, WorkerBrief


def straggling(max_attempts: int = 3, loads: Loads | None = None) -> Leases:
    """Return leases of two slices: one is stored, the other is with a, as attempt 1, and with b, as attempt 2."""
    leases = Leases(total=2, max_attempts=max_attempts, stored=(), loads=loads)
    for index in (0, 1):
        leases.lease(index, "a", now=0.0)
    leases.sink_says(((1, 2),), now=1.0)
    assert leases.straggler(now=3.0)
    assert leases.lease(0, "b", now=3.0) == 2
    return leases


def test_a_failure_counts_once_whichever_copy_was_sent_last() -> None:
    """A slice that cannot be imaged ends, however its copies overtake each other."""
    leases = straggling(max_attempts=2)
    assert leases.attempt_failed("a", 0, 1, "no memory")
    assert leases.leased[0].worker == "b", "who has another copy may image it"
    assert not leases.attempt_failed("a", 0, 1, "no memory"), "states are repeated"
    assert not leases.attempt_failed("a", 0, 2, "no memory"), "it was not sent that"
    assert not leases.failed
    assert leases.attempt_failed("b", 0, 2, "no memory")
    assert leases.failed == {0: "no memory"}


def test_no_more_than_two_copies_of_a_slice_are_out() -> None:
    """However long both take: they would fill the workers up. When one has ended there may be another."""
    loads = Loads()
    leases = straggling(loads=loads)
    assert dict(loads.counts) == {"a": 1, "b": 1}
    assert not leases.straggler(now=100.0)
    assert leases.upcoming(5) == []
    leases.worker_says("a", holds=(), handed_on=(), now=100.0)
    assert leases.straggler(now=100.0)


def test_a_slice_with_two_copies_is_todo_again_when_both_are_gone() -> None:
    """Until then it is leased to who has one; an image of either counts, and no third copy is sent for it."""
    for gone in ("a", "b"):
        leases = straggling()
        assert leases.worker_gone(gone) == 0
        assert leases.upcoming(5) == []
        (left,) = {"a", "b"} - {gone}
        assert leases.worker_gone(left) == 1
        assert leases.upcoming(5) == [0]
    leases = straggling()
    leases.worker_says("a", holds=(), handed_on={(0, 1)}, now=5.0)
    leases.worker_gone("b")
    assert leases.upcoming(5) == []
    assert leases.overdue(now=5.1 + leases.store_within) == 1
    assert leases.upcoming(5) == [0]


def test_copies_of_another_ventilator_fail_as_often_as_they_are() -> None:
    """A worker holds three that it was sent before: each counts, once, though its states come again in any order."""
    loads = Loads()
    leases = Leases(total=1, max_attempts=3, stored=(), loads=loads)
    holds = [(0, 4), (0, 5), (0, 9)]
    leases.worker_says("w", holds, handed_on=(), now=0.0)
    assert loads.counts["w"] == 3
    assert leases.next_attempt(0) == 10
    for number, (index, attempt) in enumerate(holds, 1):
        assert leases.attempt_failed("w", index, attempt, "why")
        for late in (holds, holds[number:]):
            leases.worker_says("w", late, handed_on=(), now=0.1 * number)
            assert not leases.attempt_failed("w", index, attempt, "why")
        assert bool(leases.failed) == (number == 3)


def test_a_copy_that_was_taken_for_lost_counts_when_it_comes() -> None:
    """It counts even if it fails before its worker has said that it holds it; while it is lost it is no load."""
    loads = Loads()
    leases = Leases(total=1, max_attempts=2, stored=(), loads=loads)
    leases.lease(0, "a", now=0.0)
    leases.worker_says("a", holds=(), handed_on=(), now=GRACE + 1)
    assert not loads.counts
    assert leases.lease(0, "b", now=GRACE + 1) == 2
    assert leases.attempt_failed("a", 0, 1, "why")
    assert leases.attempt_failed("b", 0, 2, "why")
    assert leases.failed == {0: "why"}


def test_attempts_have_numbers_that_a_worker_has_not_spoken_of() -> None:
    """Else what it says of one that another ventilator sent would be charged to one of this."""
    loads = Loads()
    leases = Leases(total=3, max_attempts=3, stored=(), loads=loads)
    leases.worker_says("w", holds=(), handed_on={(0, 2)}, now=0.0, failed={(1, 5), (7, 9)})
    assert [leases.lease(index, "w", now=0.0) for index in range(3)] == [3, 6, 1]
    assert leases.last_attempt == 6
    leases.worker_says("w", holds=(), handed_on={(0, 2)}, now=0.1, failed={(1, 5)})
    assert not leases.attempt_failed("w", 1, 5, "said again")
    assert loads.counts["w"] == 3
    leases.close()
    assert not loads.counts


def test_what_workers_have_is_known_before_the_first_slice_is_sent(tmp_path: Path) -> None:
    """They speak before the sink says what it holds: what they have is leased to them, and no number is given twice.

    Of one that is gone by then nothing is taken over.
    """
    jobs = Jobs(Queue(tmp_path / "jobs.sqlite"))
    jobs.submit(Submit("job", ("/a.ms",), Asked(), "folder"))
    opened = jobs.next_to_open(0.0)
    assert opened is not None
    active = ActiveRun(RunPlan("run", "a", 3, "/a.ms", Asked(), "folder"), Pace(0.0, []), None, 1, 0.0)
    jobs.begin(opened[0], active, 0.0)
    for name, index in (("cpu0", 0), ("cpu1", 1)):
        holds, failed = (Attempt("run", index, 4),), (Failure("run", 2, 7, "ValueError: wrong"),)
        brief = WorkerBrief("host", name, "boot", "lane", "sink", holds, (), (0.0,), failed, None, 0.0, False)
        assert jobs.worker_says(brief, 0.1) == []
    jobs.worker_gone(brief, "died")
    jobs.sink_says(RunStored("run", (), (), ""), max_attempts=3, now=0.2)
    assert active.leases is not None
    assert dict(jobs.loads.counts) == {"host/cpu0": 1}
    assert active.leases.upcoming(3) == [1, 2]
    assert [active.leases.next_attempt(index) for index in range(3)] == [5, 1, 8]
