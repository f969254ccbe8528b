"""A run that falls behind: what waits is set aside, and what comes is imaged first."""

from pathlib import Path

from fip.data.names import RunId, SliceId
from fip.data.quantities import SECONDS_PER_DAY
from fip.data.ranges import Ranges
from fip.data.settings import Asked
from fip.ventilator.active_run import PARTED_AT_LEAST, ActiveRun
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import Jobs
from fip.ventilator.leases import Leases
from fip.ventilator.pacing import Pace
from fip.wire.messages import Follow, RunPlan, RunStored, Submit

CADENCE = 2.0  # s
NEWEST = 1.8e9  # s UTC, Unix
ALL_NEW = RunStored("run", (), (), "")
FOLLOW = Follow(1.0, 10.0)


def active(pace: Pace, total: int, follow: Follow | None = FOLLOW, said: RunStored = ALL_NEW) -> ActiveRun:
    """A run that the sink has opened, with `total` slices known at 0 s."""
    plan = RunPlan("run", "a", total, "/a.ms", Asked(), "", final=follow is None)
    run = ActiveRun(plan, pace, follow, rows=total, grew=0.0, cadence=CADENCE)
    run.sink_says(said, 3, 0.0)
    run.part(0.0)
    return run


def arrive(run: ActiveRun, total: int, now: float) -> bool:
    """Let so many slices be there now, and return whether it has fallen behind."""
    run.grow(total, total, False, now)
    return run.part(now)


def leases_of(run: ActiveRun) -> Leases:
    """Return the leases of its slices."""
    assert run.leases
    return run.leases


def test_what_waits_for_two_cadences_is_set_aside_when_more_comes() -> None:
    """What came at that moment is imaged next, and the backlog after it, oldest first."""
    run = active(Pace.of_arrivals([0.0] * 3), 3)
    leases_of(run).lease(0, "w", 0.0)
    assert not arrive(run, 4, 2 * CADENCE), "no longer than two"
    assert not run.part(3 * CADENCE), "nothing newer has come"
    assert arrive(run, 5, 3 * CADENCE)
    assert run.plan.backlog == leases_of(run).backlog == ((1, 4),)
    assert leases_of(run).upcoming(9) == [4]
    assert leases_of(run).upcoming_backlog(9) == [1, 2, 3]
    assert leases_of(run).oldest_unstored == 0
    leases_of(run).lease(1, "w", 7.0)
    leases_of(run).worker_gone("w")
    assert leases_of(run).upcoming(9) == [0, 4], "what was sent before, goes first again"
    assert leases_of(run).upcoming_backlog(9) == [1, 2, 3]


def test_a_burst_that_is_worked_off_sets_nothing_aside() -> None:
    """However many come at once: they are no backlog before newer ones wait for them."""
    run = active(Pace.of_arrivals([0.0] * 20), 20)
    for index in range(20):
        leases_of(run).lease(index, "w", 0.1 * index)
        assert not run.part(CADENCE * index)
    assert not arrive(run, 40, 20 * CADENCE)
    assert run.plan.backlog == ()


def test_it_does_not_flap() -> None:
    """Ten cadences pass from one time to the next, so that both series are long."""
    run = active(Pace.of_arrivals([0.0] * 2), 2)
    parted = [now for now in range(6, 106, 2) if arrive(run, 2 + now // 2, float(now))]
    assert parted == [6, 26, 46, 66, 86]
    assert run.plan.backlog == ((0, 44),), "nothing was sent between: it is one"


def test_a_replay_falls_behind_its_clock() -> None:
    """If --pace is given, a slice comes when it is due."""
    run = active(Pace(2.0, [100.0 + CADENCE * index for index in range(50)]), 50, follow=None)
    run.pace.start(0, 0.0)
    run.part(0.0)
    leases_of(run).lease(0, "w", 0.0)
    assert not run.part(0.9 * CADENCE), "one has come, at twice the pace"
    assert run.part(2.6 * CADENCE)
    assert run.plan.backlog == ((1, 2),)
    assert leases_of(run).upcoming(2) == [2, 3]
    fast = active(Pace(0.0, [CADENCE * index for index in range(50)]), 50, follow=None)
    fast.pace.start(0, 0.0)
    assert not fast.part(1000.0), "without a pace nothing is late"


def test_after_a_restart_the_backlog_is_as_the_sink_has_it() -> None:
    """It grows after its end alone: a slice before that, which the last ventilator had out, goes first."""
    said = RunStored("run", ((0, 3),), (), "", backlog=((4, 8), (10, 12)))
    run = active(Pace.of_arrivals([0.0] * 11), 11, said=said)
    assert (leases_of(run).upcoming(9), leases_of(run).upcoming_backlog(9)) == ([3, 8, 9], [4, 5, 6, 7, 10])
    assert run.plan.backlog == ((4, 8), (10, 12))
    arrive(run, 16, 1.0)
    assert leases_of(run).upcoming_backlog(9) == [4, 5, 6, 7, 10, 11], "known to the sink before it was known here"
    assert arrive(run, 17, PARTED_AT_LEAST)
    assert run.plan.backlog == ((4, 8), (10, 16))
    assert leases_of(run).upcoming(9) == [3, 8, 9, 16]


def test_of_all_runs_the_backlog_comes_last(tmp_path: Path) -> None:
    """The newest of one do not wait for what is old of another."""
    jobs = Jobs(Queue(tmp_path / "jobs.sqlite"))
    jobs.submit(Submit("job", ("/a.ms", "/b.ms"), Asked(), "job", follow=FOLLOW))
    backlogs: dict[RunId, Ranges] = {"one": ((0, 2),), "two": ((1, 2),)}
    for name, backlog in backlogs.items():
        plan = RunPlan(name, name, 3, f"/{name}.ms", Asked(), "", final=False)
        run = ActiveRun(plan, Pace.of_arrivals([0.0] * 3), FOLLOW, 3, 0.0)
        run.sink_says(RunStored(name, (), (), "", backlog=backlog), 3, 0.0)
        jobs.begin(jobs.named("job"), run, 0.0)
    keys = [SliceId("one", 2), SliceId("two", 0), SliceId("two", 2)]
    later = [SliceId("one", 0), SliceId("one", 1), SliceId("two", 1)]
    assert jobs.upcoming(4, 1.0) == keys + later
    assert jobs.upcoming(3, 1.0) == keys, "as many are due as are asked for"
    assert jobs.upcoming(3, -1.0) == keys + later, "none of the newest is due"
    assert [jobs.in_backlog(key) for key in keys + later] == [False] * 3 + [True] * 3
    assert jobs.has_backlog


def test_the_wall_is_told_of_age_and_backlog() -> None:
    """The age of the newest image while its data are written and are of today; and how long the backlog takes."""
    run = active(Pace.of_arrivals([0.0] * 4), 4)
    for index in range(4):
        leases_of(run).lease(index, "w", 0.0)
    run.grow(40, 40, False, 1.0)
    leases_of(run).set_aside(40)
    for index in range(4):
        run.sink_says(RunStored("run", ((0, index + 1),), (), "", newest=NEWEST + index), 3, float(index))
    assert run.age(NEWEST + 11) == 8
    assert run.age(NEWEST - 1) == -4
    assert run.age(NEWEST + 2 * SECONDS_PER_DAY) is None
    told = run.status(4.0)
    assert (told.backlog, told.rate, told.cadence) == (36, 1.0, CADENCE)
    assert told.worked_off == 36 / (1.0 - 1 / CADENCE), "others come meanwhile"
    slow = run.status(12.0)
    assert (slow.backlog, slow.worked_off) == (36, None)
    run.grow(40, 40, True, 13.0)
    assert run.age(NEWEST + 11) is None, "no more comes"
    assert run.status(12.0).worked_off == 36 / (4 / 12)
