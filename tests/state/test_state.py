"""The state of a pipeline, however its messages came: lost, twice, out of order, from the past, or no more."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fip.state.pipeline import JOINING, RECENT, PipelineState, pipeline_state
from fip.state.trends import MOST as MOST_REMEMBERED
from fip.state.trends import SILENT_AFTER, WINDOW, Heard, remember
from fip.wire.messages import STATE_INTERVAL, Departure, PipelineStatus
from fip.wire.status import Logged, SocketEvent
from support.pipeline_states import hear, running, state
from support.told_states import BEGIN, BUSY, pipeline, status, when, with_job, with_run, worker

MOST = 40  # messages; twice the window

numbers = st.lists(st.integers(0, MOST), min_size=1, max_size=60)
"""Messages in the order in which they come: some are lost, some come twice, some late."""


@given(numbers)
def test_the_state_is_that_of_the_newest_message_however_they_came(order: list[int]) -> None:
    """Loss, repetition and order change nothing but over which time rates are taken."""
    newest = max(order)
    said = pipeline(newest)
    seen = pipeline_state(hear(*map(pipeline, order), at=when(newest)), when(newest))
    alone = pipeline_state(hear(said), when(newest))
    assert seen.ventilator and seen.ventilator.status == said.ventilator
    assert [view.status for view in seen.workers] == [each.status for each in said.workers]
    assert (seen.verdict, seen.jobs, seen.rate, seen.eta) == (alone.verdict, alone.jobs, alone.rate, alone.eta)


@given(numbers)
def test_rates_are_right_whatever_was_lost(order: list[int]) -> None:
    """Two images/s are two images/s between any two messages; no rate or share is ever negative."""
    seen = pipeline_state(hear(*map(pipeline, order), at=when(max(order))), when(max(order)))
    for view in seen.workers:
        if len(set(order)) < 2:
            assert view.trend is None
            continue
        assert view.trend
        span = (max(order) - min(order)) * STATE_INTERVAL
        assert view.rate == pytest.approx(2.0, abs=1 / span)  # counters are whole numbers
        assert view.trend.shares.busy == pytest.approx(BUSY["worker"])
        assert sum(asdict(view.trend.shares).values()) == pytest.approx(1)
        assert view.trend.cpu == pytest.approx(0.5)


@given(numbers, st.integers(0, MOST))
def test_a_ventilator_of_the_past_is_not_believed(order: list[int], late: int) -> None:
    """Words of a process that was replaced change nothing while the new one is heard."""
    present = hear(*map(pipeline, order))
    old = pipeline(late)
    old = replace(old, ventilator=replace(old.ventilator, pid=1, started=old.ventilator.started - 60))
    assert remember(present, old, present.at + 0.1) == present
    after = remember(present, old, present.at + SILENT_AFTER + 1)  # its clock was set back; it alone speaks
    assert (after.status, len(after.past)) == (old, 1)


@given(numbers, st.integers(1, 10))
def test_a_new_ventilator_is_believed_at_once(order: list[int], restarts: int) -> None:
    """Its counters begin again, and no rate mixes the two."""
    new = pipeline(0)
    new = replace(new, ventilator=replace(new.ventilator, pid=1, started=new.ventilator.started + restarts))
    heard = remember(hear(*map(pipeline, order)), new, when(max(order)))
    assert (heard.status, len(heard.past)) == (new, 1)


@given(st.lists(st.integers(0, 10_000), min_size=100, max_size=300), st.sampled_from([0.001, STATE_INTERVAL, 60.0]))
def test_what_is_remembered_is_bounded(order: list[int], interval: float) -> None:
    """A follower's memory does not grow with the hours, at any rate of messages."""
    heard: Heard | None = None
    for turn, number in enumerate(order):
        heard = remember(heard, pipeline(number, workers=0), BEGIN + turn * interval)
        assert len(heard.past) <= min(MOST_REMEMBERED, WINDOW / interval + 2)


@given(numbers, st.floats(0, 1e6))
def test_a_ventilator_that_vanishes_is_said_to_be_gone_since_its_last_word(order: list[int], later: float) -> None:
    """Every daemon behind it is silent, too; nothing else of the last state is forgotten."""
    heard = hear(*map(pipeline, sorted(order)))
    last = heard.at
    seen = pipeline_state(heard, last + later)
    if last + later - last > SILENT_AFTER:
        assert (seen.verdict, seen.exit_code, seen.since) == ("no pipeline", 3, last)
        assert {view.state for view in (seen.ventilator, *seen.workers, seen.sink) if view} == {"silent"}
        assert seen.bottleneck is None
        assert seen.jobs[0].runs[0].stored == heard.status.jobs[0].runs[0].stored
    else:
        assert (seen.verdict, seen.since) == ("keeping up", None)


@given(st.lists(st.tuples(st.integers(1, MOST), st.sampled_from(["left", "died"]), st.booleans()), max_size=4), numbers)
def test_daemons_that_vanish(fates: list[tuple[int, str, bool]], order: list[int]) -> None:
    """Whatever was heard, and however: who is there and who went, how and since when, is as in the last message.

    Each worker goes with a message of its fate, and some come back two messages later.
    """

    def said(number: int) -> PipelineStatus:
        everybody = pipeline(number, workers=len(fates))
        away = [at <= number and not (back and number >= at + 2) for at, _, back in fates]
        departed = [
            Departure(each.status, when(at), how)
            for each, is_away, (at, how, _) in zip(everybody.workers, away, fates, strict=True)
            if is_away
        ]
        there = tuple(each for each, is_away in zip(everybody.workers, away, strict=True) if not is_away)
        return replace(everybody, workers=there, departed=tuple(departed))

    newest = max(order)
    seen = pipeline_state(hear(*map(said, order), at=when(newest)), when(newest))
    expected = [
        ("gone", how, when(at)) if at <= newest and not (back and newest >= at + 2) else ("running", "", None)
        for at, how, back in fates
    ]
    assert [(view.state, view.why, view.since) for view in seen.workers] == expected
    died = any(how == "died" for state, how, _ in expected if state == "gone")
    nobody = not any(state == "running" for state, _, _ in expected)
    assert seen.verdict == ("failing" if died or nobody else "keeping up")


def test_nothing_heard() -> None:
    """If no ventilator was ever heard there is no pipeline."""
    assert pipeline_state(None, 1.0) == PipelineState(1.0)
    assert PipelineState(1.0).exit_code == 3


def test_a_pipeline_at_work() -> None:
    """Rate, time left, what holds it up."""
    seen = running()
    assert (seen.verdict, seen.exit_code, seen.reasons) == ("keeping up", 0, ())
    assert seen.rate == 4.0
    assert seen.eta == pytest.approx((100_000 - 80) / 4)
    assert seen.lag is None
    assert seen.bottleneck == "workers"
    assert [view.state for view in seen.workers] == ["running", "running"]


@pytest.mark.parametrize(
    ("busy", "bottleneck"),
    [
        ((0.95, 0.95, 0.95), "source"),  # the first that never waits
        ((0.3, 0.2, 0.97), "sink"),
        ((0.4, 0.7, 0.6), "workers"),  # none never waits: the one that waits the least
        ((0.1, 0.2, 0.1), None),  # all wait
    ],
)
def test_the_bottleneck(monkeypatch: pytest.MonkeyPatch, busy: tuple[float, ...], bottleneck: str | None) -> None:
    """The first of source, workers and sink that is never waiting."""
    for role, share in zip(("ventilator", "worker", "sink"), busy, strict=True):
        monkeypatch.setitem(BUSY, role, share)
    assert running().bottleneck == bottleneck


def test_a_run_behind_its_deadline() -> None:
    """If there is a pace, the lag counts, against the deadline of its slices; no time that is left can be given."""
    late, timely = (with_run(pipeline(1), lag=lag, deadline=2.0) for lag in (2.5, 1.5))
    assert (state(late).verdict, state(late).exit_code, state(late).lag) == ("behind", 1, 2.5)
    assert state(late).reasons == ("obs is 2.5 s behind",)
    assert (state(timely).verdict, state(timely).eta) == ("keeping up", None)


def test_a_run_that_is_followed_is_under_way_with_nothing_left_to_do() -> None:
    """Its lag is shown while all that is known of it is stored."""
    growing = with_run(pipeline(1), total=2, stored=2, final=False, lag=0.0, deadline=8.0)
    assert (state(growing).lag, state(growing).verdict) == (0.0, "keeping up")
    assert state(with_run(growing, final=True)).lag is None


def test_failed_slices_fail_the_verdict_until_another_job_follows() -> None:
    """An alarm must not miss what failed at the very end of a job; the next job is judged by itself."""
    failed = with_run(pipeline(1), failed=3)
    assert state(failed).reasons == ("3 of 100,000 slices of obs failed",)
    ended = with_job(failed, state="done")
    assert state(ended).verdict == "failing"
    following = replace(ended, jobs=(*ended.jobs, pipeline(1).jobs[0]))
    assert state(following).verdict == "keeping up"


def test_a_job_that_failed() -> None:
    """The reason of the job is shown."""
    seen = state(with_job(pipeline(1), state="failed", reason="obs.ms holds nothing"))
    assert (seen.verdict, seen.reasons) == ("failing", ("job job failed: obs.ms holds nothing",))


def test_workers_that_vanish() -> None:
    """Silent at first; then gone since the ventilator gave it up, and for a minute a reason to look."""
    both = pipeline(1)
    silent = replace(both, ages=both.ages | {"head/cpu1": 2.0})
    view = state(silent).workers[1]
    assert (view.state, view.age, view.since) == ("silent", 2.0, silent.time - 2.0)
    assert state(silent).verdict == "keeping up"
    gone = replace(both, workers=both.workers[:1], departed=(Departure(both.workers[1].status, both.time, "died"),))
    view = state(gone, later=2.0).workers[1]
    assert (view.status.name, view.state, view.why, view.since) == ("cpu1", "gone", "died", both.time)
    assert state(gone).reasons == ("worker head/cpu1 died",)
    after = round(RECENT / STATE_INTERVAL) + 10
    assert state(replace(gone, time=when(after), number=after)).verdict == "keeping up"
    left = replace(gone, departed=(replace(gone.departed[0], how="left"),))
    assert state(left).verdict == "keeping up"


def test_workers_are_in_the_order_of_their_numbers() -> None:
    """cpu2 comes before cpu10, whatever else is in a name."""
    names = ["cpu0", "cpu2", "cpu10", "gpu1", "x9999999999999999"]
    said = replace(pipeline(1), workers=tuple(worker(name, 1) for name in reversed(names)))
    assert [view.status.name for view in state(said).workers] == names


def test_a_worker_that_hangs() -> None:
    """It is there, and does not do its work."""
    seen = state(replace(pipeline(1), hung=("head/cpu0",)))
    assert (seen.workers[0].state, seen.verdict) == ("hung", "failing")


def test_no_worker_and_no_sink() -> None:
    """Nobody to do the work is a failure once they have had the time to come; without work it is none."""
    alone = replace(pipeline(1), workers=(), sink=None)
    assert state(alone).reasons == ("no worker images", "no sink stores")
    young = replace(alone, ventilator=replace(alone.ventilator, seconds={"idle": JOINING - 1}))
    assert state(young).verdict == "keeping up"
    assert state(with_job(alone, state="done")).verdict == "keeping up"


def test_a_sink_without_room() -> None:
    """The sink says why it cannot store."""
    said = pipeline(1)
    assert said.sink
    full = replace(
        said.sink,
        brief=replace(said.sink.brief, stalled="disk full"),
        status=replace(said.sink.status, state="stalled"),
    )
    seen = state(replace(said, sink=full))
    assert (seen.verdict, seen.reasons) == ("failing", ("the sink cannot store: disk full",))


def test_errors_and_handshakes_of_all_daemons() -> None:
    """The newest first, with who had them; a connection that came about is no incident."""
    said = pipeline(1)
    own = replace(
        said.ventilator,
        errors=(Logged(1.0, "warning", "first"), Logged(3.0, "error", "third")),
        events=(
            SocketEvent(1.0, "control", "connected", "tcp://10.0.0.2:1", ""),
            SocketEvent(2.0, "control", "handshake failed", "tcp://10.0.0.9:1", "no key"),
        ),
    )
    ill = replace(worker("cpu0", 1), status=replace(status("worker", "cpu0", 1), errors=(Logged(2.0, "error", "x"),)))
    seen = state(replace(said, ventilator=own, workers=(ill,)))
    assert [(each.daemon, each.text) for each in seen.errors] == [
        ("head/ventilator", "third"), ("head/cpu0", "x"), ("head/ventilator", "first"),
    ]  # fmt: skip
    (incident,) = seen.security
    assert "no key" in incident.text
    assert "10.0.0.9" in incident.text
