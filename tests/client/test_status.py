"""What real daemons say of themselves, and what a follower makes of it."""

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fip.client.follower import Follower
from fip.client.run_file import FILE_NAME
from fip.data.settings import asked
from fip.monitor.metrics import COUNTERS
from fip.state.pipeline import PipelineState, pipeline_state
from fip.state.trends import Heard, remember
from fip.wire.messages import PipelineStatus
from fip.wire.status import Status
from support.fip_command import fip, started
from support.mesh import WITHIN, Mesh

SMALL = asked(size=(256, 256), scale=5e-5)
STAGES = {
    "ventilator": {"cut", "wire"},
    "worker": {"wait", "image", "hand_on"},
    "sink": {"wait", "image", "store", "fsync"},
}


class Watching:
    """Keeps the state of a mesh."""

    def __init__(self) -> None:
        self.heard: Heard | None = None

    def until(self, wanted: Callable[[PipelineState], bool]) -> Callable[[PipelineStatus], bool]:
        """What `Mesh.wait` calls until the state is as wanted."""

        def seen(status: PipelineStatus) -> bool:
            self.heard = remember(self.heard, status, time.time())
            return wanted(self.state)

        return seen

    @property
    def state(self) -> PipelineState:
        """Return the present state of the pipeline."""
        return pipeline_state(self.heard, time.time())

    @property
    def daemons(self) -> list[Status]:
        """The last status of each daemon that is there."""
        assert self.heard
        newest = self.heard.status
        assert newest.sink
        return [newest.ventilator, newest.sink.status, *(worker.status for worker in newest.workers)]

    @property
    def all_told(self) -> bool:
        """Return whether all stages were reported, by any daemon of their role, and ten images by workers and sink."""
        told = {
            role: {stage for each in self.daemons if each.role == role for stage in each.latencies} for role in STAGES
        }
        made = sum(each.counters["images"] for each in self.daemons if each.role == "worker")
        stored = sum(each.latencies["store"].count for each in self.daemons if "store" in each.latencies)
        return all(STAGES[role] <= told[role] for role in STAGES) and stored == made == 10


def test_daemons_tell_what_they_did(tmp_path: Path, simulated_ms: Path) -> None:
    """Stages, time, memory, disk and connections of each; and the sum of a worker's time is the wall time."""
    watching = Watching()
    with Mesh(tmp_path / "mesh") as mesh:
        mesh.wait(lambda status: len(status.workers) == 2)  # so that each has a share
        job = mesh.submit([simulated_ms], SMALL)
        mesh.wait(watching.until(lambda state: state.jobs[-1].state == "done"))
        mesh.wait(watching.until(lambda state: watching.all_told))
        pids = {name: daemon.pid for name, daemon in mesh.daemons.items()}
    state, daemons = watching.state, {each.name: each for each in watching.daemons}
    assert {name: each.pid for name, each in daemons.items()} == pids
    assert state.jobs[-1].job == job
    assert (state.verdict, state.reasons) == ("keeping up", ())
    assert daemons["sink"].counters["images"] == 10
    assert sum(daemons[name].counters["images"] for name in ("cpu0", "cpu1")) == 10
    assert {task.index for view in state.workers for task in view.tasks} <= set(range(10))
    for each in daemons.values():
        assert each.resources.memory
        assert each.resources.memory > 10**7
        assert each.resources.cpu_seconds
        assert set(each.counters) <= set(COUNTERS)  # Prometheus has each of these
        assert 0 <= sum(each.seconds.values()) <= time.time() - each.started
    for name in ("sink", "ventilator"):
        assert daemons[name].resources.disk_free
    control = {event.peer for event in daemons["ventilator"].events if event.socket == "control"}
    assert {f"process {pids[name]}" for name in ("sink", "cpu0", "cpu1")} <= control


def test_a_worker_and_a_ventilator_that_are_killed(tmp_path: Path, simulated_ms: Path) -> None:
    """Who went, since when, and an exit code for an alarm."""
    watching = Watching()
    with Mesh(tmp_path / "mesh", settings='pace = "realtime"') as mesh:  # a run of 80 s
        address = mesh.config.ventilator.control
        assert fip("status", "--ventilator", address).returncode == 0  # nothing to do is no fault
        mesh.submit([simulated_ms], SMALL)
        mesh.wait(watching.until(lambda state: any(run.stored for run in state.jobs[-1].runs)))
        lost = mesh.daemons["cpu1"].pid
        mesh.kill("cpu1")
        mesh.wait(watching.until(lambda state: state.workers[1].state == "gone"))
        assert watching.state.workers[1].status.pid == lost
        assert watching.state.reasons == (f"worker {watching.state.workers[1].status.identity} died",)
        told = {(event.event, event.peer) for event in watching.daemons[0].events}
        assert ("disconnected", f"process {lost}") in told
        done = fip("status", "--ventilator", address)
        assert done.returncode == 1
        assert done.stdout.startswith("failing")
        mesh.start("cpu1")
        mesh.wait(watching.until(lambda state: state.verdict == "keeping up" and len(state.workers) == 2))
        with Follower(mesh.config) as follower:
            states = follower.states()
            heard = next(states)
            assert heard.verdict == "keeping up"
            mesh.kill("ventilator")
            gone = next(state for state in states if state.verdict == "no pipeline")
        assert gone.since
        assert heard.time - 1 < gone.since < gone.time
        assert fip("status", "--ventilator", address).returncode == 3


def test_a_directory_is_asked_while_it_is_imaged_and_after(tmp_path: Path, simulated_ms: Path) -> None:
    """`fip status DIR` speaks of the run that images there; of one that was interrupted; of one that is done."""
    output = tmp_path / "out"
    arguments = ("run", simulated_ms, "--output", output, "--size", "256", "--scale", "10arcsec", "--workers", "1")
    with started(*arguments, "--pace", "realtime") as process:
        give_up = time.monotonic() + WITHIN
        while not (found := _status(output)).get("rate"):
            assert time.monotonic() < give_up, found
        assert (found["verdict"], found["jobs"][0]["state"]) == ("keeping up", "running")
        assert found["workers"][0]["status"]["latencies"]["image"]["p95"] > 0
        process.send_signal(signal.SIGINT)
        process.wait(WITHIN)
    interrupted = fip("status", output)
    assert interrupted.returncode == 3
    assert "run it again to resume" in interrupted.stdout
    with started(*arguments, "--pace", "10") as process:
        while not (output / FILE_NAME).exists():
            assert process.poll() is None
        watched = fip("status", output, "--watch")
        assert process.wait(WITHIN) == 0
    assert watched.returncode == 0
    assert re.search(r"keeping up · .*\n(.*\n)*10 of 10 images", watched.stdout)
    assert _status(output)["verdict"] == "finished"
    assert fip("top", output).stdout.startswith("10 of 10 images")
    assert fip("status", tmp_path).returncode == 2


def _status(directory: Path) -> dict[str, Any]:
    """What `fip status DIR --json` says; {} while the directory is not begun."""
    done = fip("status", directory, "--json")
    return dict(json.loads(done.stdout)) if done.stdout else {}
