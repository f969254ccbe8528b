"""What real daemons tell of themselves, and what a follower makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from fip.data import Selection
from fip.hearing import Heard, remember
from fip.messages import PipelineStatus, Status
from fip.state import PipelineState, pipeline_state
from mesh import Mesh

SMALL = Selection(size=(256, 256), scale=5e-5)
STAGES = {
    "ventilator": {"cut", "wire"},
    "worker": {"wait", "image", "hand_on"},
    "sink": {"wait", "image", "store"},
}


class Follower:
    """Keeps the state of a pipeline, as every view does."""

    def __init__(self) -> None:
        self.heard: tuple[Heard, ...] = ()

    def until(self, wanted: Callable[[PipelineState], bool]) -> Callable[[PipelineStatus], bool]:
        """What `Mesh.wait` calls until the state is as wanted."""

        def seen(status: PipelineStatus) -> bool:
            self.heard = remember(self.heard, status, time.time())
            return wanted(self.state)

        return seen

    @property
    def state(self) -> PipelineState:
        """The state now."""
        return pipeline_state(self.heard, time.time())

    @property
    def daemons(self) -> list[Status]:
        """The last status of each daemon that is there."""
        newest = self.heard[-1].status
        assert newest.sink
        return [newest.ventilator, newest.sink.status, *(worker.status for worker in newest.workers)]


def test_daemons_tell_what_they_did(tmp_path: Path, simulated_ms: Path) -> None:
    """Stages, time, memory, disk and connections of each; and the sum of a worker's time is the wall time."""
    follower = Follower()
    with Mesh(tmp_path / "mesh") as mesh:
        job = mesh.submit([simulated_ms], SMALL)
        mesh.wait(follower.until(lambda state: state.jobs[-1].state == "done"))
        mesh.wait(
            follower.until(lambda state: all(STAGES[each.role] <= set(each.latencies) for each in follower.daemons))
        )
        pids = {name: daemon.pid for name, daemon in mesh.daemons.items()}
    state, daemons = follower.state, {each.name: each for each in follower.daemons}
    assert {name: each.pid for name, each in daemons.items()} == pids
    assert state.jobs[-1].job == job
    assert (state.verdict, state.reasons) == ("keeping up", ())
    assert daemons["sink"].counters["images"] == daemons["sink"].latencies["store"].count == 10
    assert sum(daemons[name].counters["images"] for name in ("cpu0", "cpu1")) == 10
    assert {task.index for view in state.workers for task in view.tasks} <= set(range(10))
    for each in daemons.values():
        assert each.resources.memory
        assert each.resources.memory > 10**7
        assert each.resources.cpu_seconds
        assert 0 <= sum(each.seconds.values()) <= time.time() - each.started
    for name in ("sink", "ventilator"):
        assert daemons[name].resources.disk_free
    control = {event.peer for event in daemons["ventilator"].events if event.socket == "control"}
    assert {f"process {pids[name]}" for name in ("sink", "cpu0", "cpu1")} <= control
