"""A worker or sink that is started again is a restart, and is called so; of two that live the newer is refused."""

import signal
from functools import partial
from pathlib import Path

import pytest
import zmq

from fip.runtime.sockets import control_socket, reaches
from fip.wire.messages import PipelineStatus
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh


def is_heard(pid: int, status: PipelineStatus) -> bool:
    """Whether a process is one of the workers, or the sink."""
    return pid in {each.status.pid for each in (*status.workers, status.sink) if each}


def assert_no_second(mesh: Mesh) -> None:
    """Nobody was taken for a second one of its name."""
    assert "a second" not in mesh.log


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_started_again_goes_on_at_once(
    how: signal.Signals, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Killed or stopped: nobody must take another name, nobody is waited for until it is silent."""
    with Mesh(tmp_path / "m", workers=1, settings="pace = 120\ndead_after = 60") as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: bool(status.workers and status.sink and status.sink.brief.runs))
        for name in ("cpu0", "sink"):
            before = mesh.daemons[name].pid
            mesh.kill(name, how)
            mesh.daemons[name].wait()
            mesh.start(name)
            now = mesh.daemons[name].pid
            assert now != before
            mesh.wait(partial(is_heard, now), partial(assert_no_second, mesh))
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)
        if how == signal.SIGKILL:
            assert "cpu0 was started again: its slices go to others" in mesh.log
        assert "the sink was started again" in mesh.log
        assert_no_second(mesh)
        assert "is silent" not in mesh.log


def test_a_connection_stands_as_long_as_its_process(tmp_path: Path) -> None:
    """Over ipc and tcp; a peer that reads nothing is there, too."""
    with zmq.Context() as context, control_socket(context, zmq.ROUTER) as router:
        router.set_hwm(2)
        for address in (f"ipc://{tmp_path}/control", "tcp://127.0.0.1:*"):
            router.bind(address)
            peer = control_socket(context, zmq.DEALER)
            peer.connect(router.getsockopt_string(zmq.LAST_ENDPOINT))
            peer.send(b"here")
            route, _ = router.recv_multipart()
            for _ in range(5):
                assert reaches(router, route, b"there?" * 100_000)
            peer.close(0)
            while reaches(router, route, b""):
                router.poll(10)
        assert not reaches(router, b"nobody", b"")
        router.send_multipart([b"nobody", b""])  # is dropped, as before
