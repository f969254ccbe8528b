"""When a slice, and when a run, is given up; how failures come to the ledger; that systemd gives up nobody before."""

import configparser
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive.ledger import Ledger
from fip.data import ranges
from fip.data.names import Attempt
from fip.data.settings import Asked, Selection
from fip.ventilator.active_run import ActiveRun
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import FAILURES_AT_ONCE, LONGEST_ASKED, MOST_ACTIVE, Jobs
from fip.ventilator.leases import FIRST_FAILURES, LONGEST_REASON, MOST_DEATHS, MOST_SENT, Leases
from fip.ventilator.pacing import Pace
from fip.wire.codec import MAXIMUM_HEADER, encode_control
from fip.wire.messages import Failure, Follow, RunPlan, RunStored, SinkOrders, Submit, WorkerBrief
from support.many_slices import SELECTION, SLICES
from support.mesh import Mesh
from support.repository import ROOT

ATTEMPTS = 3
PLAN = RunPlan("r", "many", 1000, "/data/many.ms", Asked(), "job")


def attempts(leases: Leases, index: int, reason: str, worker: str = "head/cpu0") -> None:
    """All attempts at a slice end with a reason."""
    for _ in range(leases.max_attempts):
        attempt = leases.lease(index, worker, 0.0)
        assert leases.attempt_failed(worker, index, attempt, reason)


def brief(working: Attempt | None = None) -> WorkerBrief:
    """What a worker said last."""
    return WorkerBrief("head", "cpu0", "b", "l", "s", (), (), (), (), working, 0.0, False)


def test_a_run_whose_first_slices_fail_for_one_reason_is_given_up() -> None:
    """The numbers in a reason may differ; other reasons, an image, or a worker that has not failed are hope."""
    leases = Leases(100, ATTEMPTS, ())
    for index in range(FIRST_FAILURES - 1):
        attempts(leases, index, f"ValueError: no sample of integration {index} is good")
        assert leases.hopeless == ""
    attempts(leases, FIRST_FAILURES - 1, "ValueError: no sample of integration 9 is good")
    assert leases.hopeless == "its first 10 slices failed: ValueError: no sample of integration 0 is good"
    leases.lease(60, "head/slow", 0.0)
    assert leases.hopeless == ""
    leases.lease(61, "head/cpu0", 0.0)
    leases.worker_gone("head/slow")
    assert leases.hopeless
    leases.worker_says("head/cpu0", (), {(61, 1)}, 0.5)  # handed on
    assert leases.hopeless == ""
    leases.sink_says(ranges.of([60]), 1.0)
    assert leases.hopeless == ""

    mixed = Leases(100, ATTEMPTS, ())
    for index in range(FIRST_FAILURES):
        attempts(mixed, index, "no memory" if index == 3 else "no sample")
    assert mixed.hopeless == ""


def test_a_run_is_not_given_up_while_an_earlier_slice_waits() -> None:
    """Slices are read ahead: those that cannot be read fail while good ones before them wait for a worker."""
    leases = Leases(100, ATTEMPTS, stored=())
    for index in range(5, 5 + FIRST_FAILURES):
        for _ in range(ATTEMPTS):
            leases.blame(index, "InputError: damaged")
    assert leases.hopeless == ""
    for index in range(5):
        attempts(leases, index, "InputError: damaged")
    assert leases.hopeless


def test_what_left_its_ring_says_nothing_of_the_slices_that_are_there() -> None:
    """A run that begins late is not given up for it; for those that were tried it still is."""
    leases = Leases(100, ATTEMPTS, ())
    for index in range(30):
        leases.cannot_be_cut(index, f"{index:010d}.int: left the ring 3.0 s before its turn")
    assert len(leases.failed) == 30
    assert leases.hopeless == ""
    for index in range(30, 30 + FIRST_FAILURES):
        assert leases.hopeless == ""
        attempts(leases, index, "no sample")
    assert leases.hopeless == "its first 10 slices failed: no sample"


def test_a_run_of_which_images_are_stored_is_not_given_up() -> None:
    """Also after the ventilator was started again in the midst of many slices that fail: good ones may come."""
    leases = Leases(100, ATTEMPTS, ((0, 50),))
    for index in range(50, 60):
        attempts(leases, index, "no sample")
    assert leases.hopeless == ""


def test_a_run_that_ends_workers_is_given_up() -> None:
    """Twelve, on whichever slices, before an image is stored; after that only slices are given up."""
    for stored in (False, True):
        leases = Leases(100, ATTEMPTS, ())
        if stored:
            leases.lease(99, "head/cpu0", 0.0)
            leases.sink_says(ranges.of([99]), 0.0)
        for number in range(MOST_DEATHS):
            assert leases.hopeless == ""
            leases.lease(number % 4, "head/cpu0", 0.0)
            leases.worker_gone("head/cpu0", number % 4, "died")
        reason = "12 workers died of it before one image was stored, most on slice 0"
        assert leases.hopeless == ("" if stored else reason)


def test_a_death_counts_for_what_the_worker_was_sent_first_if_it_had_no_time_to_say_so(tmp_path: Path) -> None:
    """A slice that ends a worker at once is found as well, and not the one that waits behind it."""
    jobs, leases = _active(tmp_path)
    for _ in range(2 * ATTEMPTS):
        leases.lease(7, "head/cpu0", 1.0)
        leases.lease(8, "head/cpu0", 2.0)
        assert jobs.worker_gone(brief(), "died") == 2
    assert leases.failed == {7: "6 workers died while they imaged it"}
    leases.lease(9, "head/cpu0", 1.0)
    leases.lease(10, "head/cpu0", 2.0)
    for _ in range(2 * ATTEMPTS):  # what it said is believed
        jobs.worker_gone(brief(Attempt("r", 10, 1)), "died")
        leases.lease(9, "head/cpu0", 1.0)
        if not leases.failed.get(10):
            leases.lease(10, "head/cpu0", 2.0)
    assert list(leases.failed) == [7, 10]


def test_a_slice_that_is_lost_each_time_ends(tmp_path: Path) -> None:
    """No worker can take it, or the sink none of its images: it is not sent for ever."""
    leases = Leases(1, ATTEMPTS, ())
    for attempt in range(1, MOST_SENT + 1):
        assert leases.lease(0, "head/cpu0", 0.0) == attempt
        leases.worker_says("head/cpu0", (), {(0, attempt)}, 0.0)
        assert leases.overdue(1e6) == 1
    assert leases.failed == {0: "was sent 100 times, and no image of it was stored"}


def _active(folder: Path, follow: Follow | None = None, total: int = 1000) -> tuple[Jobs, Leases]:
    """Return a run that is under way."""
    jobs = Jobs(Queue(folder / "jobs.sqlite"))
    jobs.submit(Submit("job", ("/data/many.ms",), Asked(), "job"))
    return jobs, _begin(jobs, follow, total)


def _begin(jobs: Jobs, follow: Follow | None = None, total: int = 1000) -> Leases:
    """Begin the next run, and return its leases."""
    found = jobs.next_to_open(0.0)
    assert found
    active = ActiveRun(replace(PLAN, total=total), Pace(0.0, []), follow, 0, 0.0)
    jobs.begin(found[0], active, 0.0)
    active.sink_says(RunStored("r", (), (), ""), ATTEMPTS, 0.0)
    assert active.leases
    return active.leases


def test_what_workers_still_say_of_a_run_that_is_over_is_not_charged_to_the_next(tmp_path: Path) -> None:
    """The same set is imaged once more, after a failure or a cancel: attempts have numbers that they never had."""
    jobs, leases = _active(tmp_path)
    stale = brief()
    for _ in range(2):
        attempt = leases.lease(0, "head/cpu0", 0.0)
        stale = replace(stale, failed=(*stale.failed, Failure("r", 0, attempt, "no memory")))
        assert len(jobs.worker_says(stale, 0.0)) == 1
    jobs.cancel("job", 0.0)
    jobs.submit(Submit("again", ("/data/many.ms",), Asked(), "again"))
    leases = _begin(jobs)
    assert leases.lease(0, "head/cpu0", 0.0) == 3
    assert jobs.worker_says(stale, 0.0) == []
    assert 0 in leases.leased


def test_failures_are_told_in_pieces_until_the_sink_has_them_all(tmp_path: Path) -> None:
    """Each piece, with as many runs as there may be, fits into a message; what was entered is not sent again."""
    jobs, leases = _active(tmp_path, total=10_000)
    for index in range(9000):
        leases.blame(index, "é" * 5000)
        leases.blame(index, "")
        leases.blame(index, "")
    (active,) = jobs.active.values()
    asked = replace(Asked(), source=Selection(field=("é" * (LONGEST_ASKED // 2),)))
    plan = replace(PLAN, measurement_set="/" + "a" * 4000, asked=asked)
    entered: ranges.Ranges = ()
    pieces = 0
    while piece := jobs.untold_failures():
        assert len(encode_control(SinkOrders((plan,) * MOST_ACTIVE, piece))) < MAXIMUM_HEADER
        assert all(len(failure.reason) <= LONGEST_REASON for failure in piece)
        for failure in piece:
            assert not ranges.contains(entered, failure.index)
            entered = ranges.add(entered, failure.index)
        active.sink_says(RunStored("r", (), entered, ""), ATTEMPTS, 0.0)
        pieces += 1
    assert entered == ((0, 9000),)
    assert pieces == 9000 / FAILURES_AT_ONCE
    active.sink_says(RunStored("r", (), (), ""), ATTEMPTS, 0.0)  # another sink, which knows of none
    assert len(jobs.untold_failures()) == FAILURES_AT_ONCE


def test_a_set_that_is_being_written_is_never_given_up(tmp_path: Path) -> None:
    """More may come of it, and be good; of one that is whole, not before the ledger has what failed."""
    for follow in (None, Follow(1.0, 2.0)):
        folder = tmp_path / str(follow is None)
        folder.mkdir()
        jobs, leases = _active(folder, follow)
        for index in range(FIRST_FAILURES):
            attempts(leases, index, "no sample")
        (active,) = jobs.active.values()
        assert active.given_up == ""
        active.sink_says(RunStored("r", (), ((0, FIRST_FAILURES),), ""), ATTEMPTS, 0.0)
        assert active.given_up == ("" if follow else "its first 10 slices failed: no sample")


def test_not_more_runs_are_under_way_than_one_message_tells(tmp_path: Path) -> None:
    """Sets of one slice each, all given out: the next is opened when one is stored."""
    jobs = Jobs(Queue(tmp_path / "jobs.sqlite"))
    jobs.submit(Submit("job", tuple(f"/{number}" for number in range(100)), Asked(), "job"))
    while found := jobs.next_to_open(0.0):
        active = ActiveRun(replace(PLAN, run=f"r{len(jobs.active)}", total=1), Pace(0.0, []), None, 0, 0.0)
        jobs.begin(found[0], active, 0.0)
        active.sink_says(RunStored(active.plan.run, (), (), ""), ATTEMPTS, 0.0)
        assert active.leases
        active.leases.lease(0, "head/cpu0", 0.0)
    assert len(jobs.active) == MOST_ACTIVE
    jobs.end("r3", 0.0)
    assert jobs.next_to_open(0.0)


def test_systemd_gives_up_no_worker_before_the_ventilator_gives_up_its_slice_or_job() -> None:
    """The numbers are those of the units: so many starts, at the soonest so long after each other, within so long."""
    unit = configparser.ConfigParser(strict=False, delimiters="=", interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    folder = "fip-worker@.service.d"
    for file in ("fip-worker@.service", f"{folder}/10-daemon.conf", f"{folder}/20-restarts.conf"):
        unit.read_string((ROOT / "systemd" / file).read_text())
    within = float(unit["Unit"]["StartLimitIntervalSec"].rstrip("s"))
    pause = float(unit["Service"]["RestartSec"].rstrip("s"))
    assert unit["Service"]["Restart"] == "on-failure"
    assert within / pause < int(unit["Unit"]["StartLimitBurst"])  # the limit cannot be met, however many die
    assert 2 * ATTEMPTS <= MOST_DEATHS


DEADLY = """
import os
import fip.worker.stages

image_file = fip.worker.stages.image_file

def deadly(values, *rest):
    if values.observation.measurement_set == "deadly.ms":
        os.kill(os.getpid(), 9)
    name = values.observation.measurement_set
    if name == "failing.ms" or (name == "first.ms" and values.index):
        raise RuntimeError(f"no image of slice {values.index}")
    return image_file(values, *rest)

fip.worker.stages.image_file = deadly
"""


def test_jobs_of_which_nothing_comes_fail_and_the_next_is_done(
    many_ms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One ends every worker at once, one fails with every slice: each fails with its reason.

    One that yields a single image is gone through to its end, and the ledger has each failure, more than are sent at
    a time.
    """
    (tmp_path / "fault").mkdir()
    (tmp_path / "fault" / "sitecustomize.py").write_text(DEADLY)
    for name in ("deadly", "failing", "first"):
        shutil.copytree(many_ms, tmp_path / f"{name}.ms")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fault"), prepend=":")
    few = replace(SELECTION, source=replace(SELECTION.source, interval=(0, 5)))
    with Mesh(tmp_path / "m", workers=2) as mesh:
        started = 0

        def start_again() -> None:
            nonlocal started
            for name in ("cpu0", "cpu1"):
                if mesh.daemons[name].poll() is not None:
                    mesh.start(name)
                    started += 1
            assert started < 2 * MOST_DEATHS

        deadly = mesh.submit([tmp_path / "deadly.ms"], SELECTION)
        failing = mesh.submit([tmp_path / "failing.ms"], SELECTION)
        first = mesh.submit([tmp_path / "first.ms"], SELECTION)
        last = mesh.submit([many_ms], few)
        mesh.wait_for_job(last, start_again)
        mesh.wait_for_job(first)
        with mesh.operator() as operator:
            told = {each.job: each for each in operator.status().jobs}
        assert (told[deadly].state, told[failing].state) == ("failed", "failed")
        assert "12 workers died of it before one image was stored" in told[deadly].reason
        assert "its first 10 slices failed: RuntimeError: no image of slice" in told[failing].reason
        with closing(Ledger(mesh.images / first, read_only=True)) as ledger:
            (totals,) = ledger.totals()
        assert totals.failed == tuple((index, f"RuntimeError: no image of slice {index}") for index in range(1, SLICES))
        assert len(totals.failed) > FAILURES_AT_ONCE


def last_slice_is_out() -> Leases:
    """Two slices: the second is stored, and the first was sent to cpu0 at 0 s."""
    leases = Leases(2, ATTEMPTS, ())
    leases.lease(0, "head/cpu0", 0.0)
    leases.lease(1, "head/cpu1", 0.0)
    leases.sink_says(((1, 2),), 0.1)
    return leases


def test_a_last_slice_that_ends_each_worker_that_it_is_sent_to_is_given_up() -> None:
    """Also if it is sent to a second worker before the first is found dead: no death is forgotten."""
    leases = last_slice_is_out()
    for number in range(1, 2 * ATTEMPTS + 1):
        assert leases.failed == {}
        before, after, now = f"head/cpu{(number - 1) % 3}", f"head/cpu{number % 3}", 2.0 * number
        assert leases.straggler(now)
        leases.lease(0, after, now)
        assert leases.first_of(before) == (now - 2.0, 0)
        leases.worker_gone(before, 0, "died")
    assert leases.failed == {0: "6 workers died while they imaged it"}
    assert not leases.leased


@pytest.mark.parametrize("handed_on", [{(0, 1)}, set()])
def test_a_worker_that_is_done_with_its_copy_is_not_blamed_for_it(handed_on: set[tuple[int, int]]) -> None:
    """It handed the image on, or has lost the slice, and dies of something else."""
    leases = last_slice_is_out()
    assert leases.straggler(2.0)
    leases.lease(0, "head/cpu1", 2.0)
    assert leases.was_sent("head/cpu0", 0)
    leases.worker_says("head/cpu0", (), handed_on, 10.0)
    assert not leases.was_sent("head/cpu0", 0)


def test_a_run_with_a_backlog_is_not_given_up_for_the_newest_slices() -> None:
    """What waits in the backlog has not been tried: an image may come of it. Once it was, it is like any run."""
    leases = Leases(30, ATTEMPTS, ())
    assert leases.set_aside(15)
    for index in range(15, 15 + FIRST_FAILURES):
        attempts(leases, index, "ValueError: no sample is good")
    assert leases.hopeless == ""
    for index in range(15):
        attempts(leases, index, "ValueError: no sample is good")
    assert leases.hopeless == "its first 10 slices failed: ValueError: no sample is good"
