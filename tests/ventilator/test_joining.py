"""Reading children that are processes of their own, as fip-reader@N is on a node: they join, and who else does not."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fip.runtime.service import Loop
from fip.ventilator.joining import Joining
from fip.wire.messages import PipelineStatus
from support.fip_command import images
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh

READER = (sys.executable, "-c", "from fip_daemons.reader import main; main()")


@contextmanager
def reading(*places: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """A fip-reader for each of these sockets; in the end they are killed."""
    started = [subprocess.Popen([*READER, "--join", place], stderr=subprocess.PIPE, text=True) for place in places]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def test_a_job_is_read_by_those_that_join(many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Before one does, the status says what is waited for. One that is killed costs nothing but its place."""
    join = tmp_path / "join"
    with Mesh(
        tmp_path / "m", settings="pace = 120\nreaders = 2", arguments={"ventilator": ["--readers", str(join)]}
    ) as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: f"reading {many_ms} waits for a reading child to join" in status.waits)

        def some(number: int) -> Callable[[PipelineStatus], bool]:
            return lambda status: any(run.stored >= number for run in mesh.job(status, job).runs)

        with reading(join, join) as (first, second):
            mesh.wait(some(5))
            assert {f"reading child {each.pid} joins" in mesh.log for each in (first, second)} == {True}
            first.kill()
            mesh.wait(some(40))
            with reading(join) as (third,):
                mesh.wait_for_job(job)
                assert_whole(mesh.images / job, undisturbed)
                mesh.daemons["ventilator"].terminate()  # they are let go, for whoever starts them to start others
                assert (second.wait(60), third.wait(60)) == (0, 0)
    assert not join.exists()


def test_one_that_stands_still_is_ended_and_another_takes_its_place(ms: Path, tmp_path: Path) -> None:
    """A child of the ventilator's own is treated in the same way."""
    join = tmp_path / "join"
    with (
        Mesh(
            tmp_path / "m", settings="read_within = 2\nreaders = 1", arguments={"ventilator": ["--readers", str(join)]}
        ) as mesh,
        reading(join) as (first,),
    ):
        mesh.wait(lambda status: f"reading child {first.pid} joins" in mesh.log)
        first.send_signal(signal.SIGSTOP)
        job = mesh.submit([ms], SELECTION)
        with reading(join):
            mesh.wait_for_job(job)
            assert first.wait(60) == -signal.SIGKILL
            assert len(images(mesh.images / job)) == 3


def test_nobody_else_joins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The socket is for its own user alone, and the kernel says who is at the other end."""
    loop, place = Loop(), tmp_path / "join"
    joining = Joining(loop, place)
    joining.listen()
    assert place.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as mine:
        mine.connect(str(place))
        loop._turn()  # noqa: SLF001 one turn of it
        child = joining.take()
        assert child
        child.leave()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(str(place))
        loop._turn()  # noqa: SLF001
        assert joining.take() is None
        assert other.recv(1) == b""
    assert f"process {os.getpid()} does not join as a reading child: it is of user {os.getuid()}" in caplog.text
    joining.close()
    loop.close()


def test_one_that_cannot_join_says_why(tmp_path: Path) -> None:
    """The reason is one line."""
    (tmp_path / "file").write_text("")
    with reading(tmp_path / "file" / "join") as (reader,):
        assert reader.stderr
        said = reader.stderr.read()
    assert said.startswith(f"fip-reader: --join {tmp_path}/file/join: Not a directory: give the socket of")
