"""Workers that come and go, as the ventilator takes it: each joins once, and leaves once."""

from pathlib import Path

import zmq

from fip.runtime.sockets import control_socket
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import Bye, Control, WorkerState
from support import told_states
from support.fip_command import WITHIN
from support.mesh import Mesh


def test_a_worker_leaves_once_however_often_it_says_so(tmp_path: Path) -> None:
    """A state that was on its way when the bye was said is answered, and is not taken for one that joins."""
    stays = told_states.with_brief(told_states.worker("cpu0", 0), lane="", sink="", holds=(), working=None)
    leaves = told_states.with_brief(stays, leaving=True)
    with (
        Mesh(tmp_path / "m", workers=0) as mesh,
        zmq.Context() as context,
        control_socket(context, zmq.DEALER) as worker,
    ):
        worker.connect(mesh.config.ventilator.control)
        mesh.wait(lambda status: status.sink is not None)
        assert not isinstance(said(worker, stays), Bye)
        assert [said(worker, leaves) for _ in range(3)] == [Bye()] * 3
        mesh.wait(lambda status: [gone.status.identity for gone in status.departed] == [stays.brief.identity])
        happened = [line.partition("worker ")[2] for line in mesh.log.splitlines() if stays.brief.identity in line]
    assert [line.partition(" on ")[0] for line in happened] == ["head/cpu0 joins", "head/cpu0 leaves"]


def said(worker: zmq.Socket[bytes], state: WorkerState) -> Control:
    """What the ventilator answers to a state."""
    worker.send(encode_control(state))
    assert worker.poll(WITHIN * 1000)
    return decode_control(worker.recv())
