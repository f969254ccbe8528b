"""Receivers at the ventilator: who is heard, and that runs of a spool are looked into as soon as it has grown."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import zmq

from fip.config import Ventilator
from fip.data.errors import NotYetError, RefusedError
from fip.data.settings import Asked
from fip.runtime.sockets import control_socket
from fip.source.requests import RunFacts
from fip.ventilator.active_run import ActiveRun
from fip.ventilator.job_queue import Queue
from fip.ventilator.jobs import Jobs
from fip.ventilator.pacing import Pace
from fip.ventilator.peers import Departed
from fip.ventilator.readers import Readers
from fip.ventilator.receivers import MOST, Receivers
from fip.ventilator.supply import Supply
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import Follow, Refused, RunPlan, Submit
from fip.wire.receiving import ReceiverState
from support.mesh import Mesh
from support.told_states import receiver

SPOOL = "/spools/obs-1.live"
FIRST = receiver(1)
SECOND = replace(FIRST, brief=replace(FIRST.brief, boot="another", host="node2"))


def receivers(*gone: str) -> Receivers:
    """Return receivers with none known yet; the processes of these boots are gone."""
    return Receivers(Departed(), lambda route, known, boot: known in gone)


def with_brief(state: ReceiverState, **changes: Any) -> ReceiverState:
    """It with its brief changed."""
    return replace(state, brief=replace(state.brief, **changes))


def test_a_spool_that_has_grown_or_ended_is_told_once() -> None:
    """A brief or a state may say it; what changes nothing of it is no news."""
    known = receivers()
    assert known.hear(b"r", FIRST, 0.0) == SPOOL
    assert known.hear(b"r", FIRST, 0.5) == ""
    assert known.hear(b"r", replace(FIRST.brief, late=99, newest=1.0), 0.6) == ""
    grown = replace(FIRST.brief, committed=FIRST.brief.committed + 1)
    assert known.hear(b"r", grown, 0.7) == SPOOL
    assert known.hear(b"r", replace(FIRST, brief=grown), 1.0) == ""
    assert known.hear(b"r", replace(grown, ended=True), 1.1) == SPOOL
    assert known.states == (with_brief(FIRST, committed=grown.committed, ended=True),)
    assert known.heard == {FIRST.brief.boot: 1.1}


def test_a_second_receiver_of_a_spool_is_refused_while_the_first_lives() -> None:
    """It says which spool, and on which hosts they are; one of another spool is welcome."""
    known = receivers()
    known.hear(b"r", FIRST, 0.0)
    for said in (SECOND, SECOND.brief):
        with pytest.raises(RefusedError, match=f"second receiver of {SPOOL}, on node2, while the one on head lives"):
            known.hear(b"s", said, 0.1)
    known.hear(b"s", with_brief(SECOND, spool="/spools/other.live"), 0.2)
    assert [each.brief.spool for each in known.states] == [SPOOL, "/spools/other.live"]


def test_one_that_was_started_again_takes_its_own_place() -> None:
    """It does so even if the first did not know its spool yet."""
    for spool in (SPOOL, ""):
        known = receivers("boot")
        known.hear(b"r", with_brief(FIRST, boot="boot", spool=spool), 0.0)
        assert known.hear(b"s", SECOND, 0.1) == SPOOL
        assert known.states == (SECOND,)


def test_one_that_leaves_or_is_silent_is_not_there_any_more() -> None:
    """The status says which of the two it was, until it is back."""
    departed = Departed()
    known = Receivers(departed, lambda route, known, boot: False)
    known.hear(b"r", FIRST, 0.0)
    known.hear(b"r", replace(FIRST, leaving=True), 0.1)
    assert [each.how for each in departed.told] == ["left"]
    known.hear(b"r", FIRST, 0.2)
    assert [each.how for each in departed.told] == []
    known.check(2.2, 3.0)
    assert list(known.heard) == [FIRST.brief.boot]
    known.check(3.3, 3.0)
    assert list(known.heard) == []
    assert [each.how for each in departed.told] == ["died"]


def test_no_more_than_some_receivers_are_known() -> None:
    """Whoever says that it is one takes no memory."""
    known = receivers()
    for number in range(MOST):
        known.hear(b"r", with_brief(FIRST, boot=str(number), spool=f"/s/{number}"), 0.0)
    with pytest.raises(RefusedError, match="are known"):
        known.hear(b"r", with_brief(FIRST, boot="one more", spool="/s/more"), 0.0)


class Looks:
    """Reading children that answer when they are ordered to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Callable[[Future[RunFacts]], None]]] = []

    def __len__(self) -> int:
        return 1

    def look(self, job: str, then: Callable[[Future[RunFacts]], None], path: Path, *rest: object) -> None:
        """Note a look; in place of `Readers.look`."""
        self.asked.append((str(path), then))

    def answer(self) -> None:
        """The first look has found nothing new."""
        _, then = self.asked.pop(0)
        future: Future[RunFacts] = Future()
        future.set_result(RunFacts("r", None, "obs", (), 0.5, 10, final=False, notes=(), known=2, ended=False))
        then(future)


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """One job of a spool, whose run is followed, and one of another path."""
    known = Jobs(Queue(tmp_path / "jobs.sqlite"))
    for name, path in (("one", SPOOL), ("two", "/data/other.ms")):
        follow = Follow(60.0, 60.0)
        known.submit(Submit(name, (path,), Asked(), name, follow=follow))
        job = known.named(name)
        job.opening = job.pending.popleft()
        plan = RunPlan("r" if name == "one" else "other", name, 2, path, Asked(), name, final=False)
        known.begin(job, ActiveRun(plan, Pace.of_arrivals([0.0, 0.0]), follow, 10, 0.0), 0.0)
    return known


def supply_of(jobs: Jobs, looks: Looks, changed: Callable[[], None] = lambda: None) -> Supply:
    """Return the supply of these jobs; children of this kind look into their recordings."""
    ring: Any = SimpleNamespace(holds=lambda key: False, held=lambda run: (), runs=(), takes=False)
    return Supply(cast(Readers, looks), jobs, ring, changed, lambda: None, ring)


def test_a_spool_that_has_grown_is_looked_into_at_once_and_no_other(jobs: Jobs) -> None:
    """Without the next tick; a look that is under way may have been too early, so that one more follows it."""
    looks = Looks()
    supply = supply_of(jobs, looks)
    supply.look_at("/spools/unknown.live")
    assert looks.asked == []
    supply.look_at(SPOOL)
    assert [path for path, _ in looks.asked] == [SPOOL]
    for _ in range(3):
        supply.look_at(SPOOL)
    assert len(looks.asked) == 1, "no two at a time"
    looks.answer()
    assert [path for path, _ in looks.asked] == [SPOOL], "once more, for all three"
    looks.answer()
    assert looks.asked == []


def test_whoever_waits_for_a_spool_to_have_something_waits_no_longer(jobs: Jobs) -> None:
    """A job whose recording could not be opened yet, as it had no integration."""
    jobs.submit(Submit("three", ("/spools/late.live",), Asked(), "three", follow=Follow(60.0, 60.0)))
    job = jobs.named("three")
    job.opening = job.pending.popleft()
    jobs.later(job, when=1e9)
    supply = supply_of(jobs, Looks())
    supply.look_at(SPOOL)
    assert job.not_before == 1e9
    supply.look_at("/spools/late.live")
    assert job.not_before == 0.0


@pytest.mark.parametrize(("ended", "state"), [(False, "running"), (True, "failed"), (None, "failed")])
def test_a_stream_that_is_late_is_waited_for_without_an_end(jobs: Jobs, ended: bool | None, state: str) -> None:
    """Unless it has ended; of what never says when it ends, silence shows it."""
    looks = Looks()
    jobs.submit(Submit("three", ("/spools/late.live",), Asked(), "three", follow=Follow(0.0, 0.0)))
    for run in ("r", "other"):
        jobs.end(run, 0.0)
    supply_of(jobs, looks).refill(Ventilator())
    ((path, then),) = looks.asked
    assert path == "/spools/late.live"
    late = NotYetError("nothing has come")
    late.ended = ended
    future: Future[RunFacts] = Future()
    future.set_exception(late)
    then(future)
    assert jobs.named("three").state == state


def test_a_ventilator_tells_of_its_receiver_and_refuses_a_second_one(tmp_path: Path) -> None:
    """Over its sockets; the one that is refused learns why, the first goes on."""
    with Mesh(tmp_path / "m", workers=0) as mesh, zmq.Context() as context:
        mesh.wait(lambda status: True)
        with control_socket(context, zmq.DEALER) as first, control_socket(context, zmq.DEALER) as second:
            for dealer in (first, second):
                dealer.connect(mesh.config.ventilator.control)
            first.send(encode_control(FIRST))
            mesh.wait(
                lambda status: status.receivers == (FIRST,) and FIRST.brief.boot in status.ages,
                meanwhile=lambda: first.send(encode_control(FIRST)),
            )
            second.send(encode_control(SECOND))
            said = decode_control(second.recv())
            assert isinstance(said, Refused)
            assert said.reason.startswith(f"a second receiver of {SPOOL}")
            first.send(encode_control(replace(FIRST, leaving=True)))
            mesh.wait(lambda status: [each.how for each in status.departed] == ["left"])
