"""Daemons that die at one step of their work, one step after the other: nothing is lost, nothing stored twice."""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from fip.client.operator import find_job, new_job
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh
from support.sabotage import launcher

Point = tuple[str, str, int]
"""Before or after which function the process dies, and at which of its calls."""

SINK: dict[str, Point] = {  # in its first group of images, or in the second; when it starts it links a probe
    "images received": ("before", "fip.sink.store:Store.put_all", 2),
    "temporary files written": ("before", "fip.archive.folder:Folder._sync_all", 2),
    "temporary files on disk": ("before", "os:link", 2),
    "a final name linked": ("after", "os:link", 2),
    "temporary names removed": ("before", "fip.archive.folder:Folder.sync", 1),
    "directory on disk": ("before", "fip.archive.ledger:Ledger.add_all", 1),
    "one of the ledger's transaction": ("after", "fip.archive.ledger:Ledger.add", 1),
    "in the ledger, not yet said": ("after", "fip.archive.ledger:Ledger.add_all", 1),
}
WORKER: dict[str, Point] = {
    "slice received": ("after", "fip.wire.codec:decode_slice", 4),
    "image made": ("after", "fip.worker.stages:image_file", 4),
    "image handed on, not yet said": ("after", "zmq:Socket.send_multipart", 4),
}
WRITTEN = 'written_from = "1kB"'
"""Workers write all images into files of the sink's."""
SINK_OF_WRITTEN: dict[str, Point] = {
    "file opened": ("after", "fip.sink.opened:Opened.open", 1),
    "file given away": ("after", "fip.sink.opened:Opened.given_away", 1),
    "image received": ("before", "fip.sink.store:Store.put_all", 1),
    "file on disk": ("before", "os:link", 2),
    "name linked": ("after", "os:link", 2),
    "directory on disk": ("before", "fip.archive.ledger:Ledger.add", 1),
    "in the ledger, not yet said": ("after", "fip.archive.ledger:Ledger.add_all", 1),
}
WORKER_THAT_WRITES: dict[str, Point] = {
    "file asked for": ("before", "fip.runtime.descriptors:take", 4),
    "file given": ("after", "fip.runtime.descriptors:take", 4),
    "file written": ("after", "fip.worker.writing:fill", 4),
    "image handed on, not yet said": ("after", "zmq:Socket.send_multipart", 4),
}
VENTILATOR: dict[str, Point] = {
    "job received": ("before", "fip.ventilator.job_queue:Queue.add", 1),
    "job in the queue, not yet said": ("after", "fip.ventilator.job_queue:Queue.add", 1),
    "slice sent, not yet recorded": ("after", "fip.ventilator.lanes:Lanes.send", 4),
    "slice stored, not yet recorded": ("before", "fip.ventilator.leases:Leases.sink_says", 4),
}


class Dying:
    """Call it often: when the daemon is dead as it should be, it is started again, to die at the next point."""

    def __init__(self, mesh: Mesh, name: str, points: Sequence[Point]) -> None:
        self._mesh, self._name = mesh, name
        self.left = list(points)
        self._start()

    def __call__(self) -> None:
        """Do everything that is due."""
        died = self._mesh.daemons[self._name].poll()
        if self.left and died is not None:
            assert died == -signal.SIGKILL
            del self.left[0]
            self._start()

    def _start(self) -> None:
        self._mesh.launchers[self._name] = launcher(*self.left[0]) if self.left else []
        self._mesh.start(self._name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "points", "sink"),
    [
        ("sink", SINK, ""),
        ("cpu0", WORKER, ""),
        ("sink", SINK_OF_WRITTEN, WRITTEN),
        ("cpu0", WORKER_THAT_WRITES, WRITTEN),
    ],
    ids=["sink", "worker", "sink of what is written", "worker that writes"],
)
def test_a_daemon_may_die_at_any_step(
    name: str, points: dict[str, Point], sink: str, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """It dies at each point in turn, with slices under way; the run ends whole."""
    with Mesh(tmp_path / "m", workers=1, sink=sink) as mesh:
        mesh.kill(name)
        dying = Dying(mesh, name, [*points.values()])
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait_for_job(job, dying)
        assert not dying.left
        assert_whole(mesh.images / job, undisturbed)


@pytest.mark.timeout(300)
def test_the_ventilator_may_die_at_any_step(many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """It dies while a job is submitted, which is there once, and while slices are leased; the run ends whole."""
    with Mesh(tmp_path / "m", workers=1) as mesh:
        mesh.kill("ventilator")
        dying = Dying(mesh, "ventilator", [*VENTILATOR.values()])
        submit = new_job([many_ms], SELECTION)
        with mesh.operator() as operator:
            while (status := operator.next_status(submit)) is None or not find_job(status, submit.job):
                dying()
        mesh.wait_for_job(submit.job, dying)
        assert not dying.left
        assert_whole(mesh.images / submit.job, undisturbed)
