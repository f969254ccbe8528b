"""Daemons that do not belong together: what each of them says of the other, by name."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgpack
import zmq

from fip.runtime.service import EXIT_CONFIG
from fip.wire.codec import PROTOCOL, encode_control
from fip.wire.messages import Ask, Bye
from support.mesh import SCRIPTS, WITHIN, Mesh

BOTH = f"protocol version {PROTOCOL + 1}; this is version {PROTOCOL}"


def of_another_version(message: bytes) -> bytes:
    """The same, as if a later FIP had sent it."""
    return bytes(msgpack.packb(msgpack.unpackb(message) | {"v": PROTOCOL + 1}))


def ventilator(mesh: Mesh, change: Callable[[str], str]) -> subprocess.CompletedProcess[str]:
    """A second ventilator, by the configuration of the first but for a change; it is to end by itself."""
    configuration = mesh.folder / "second.toml"
    configuration.write_text(change(mesh.configuration.read_text()))
    command = [str(SCRIPTS / "fip-ventilator"), "--config", str(configuration)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)


def test_a_later_version_is_refused_and_told_so(tmp_path: Path) -> None:
    """The ventilator's log has both versions; its answer has its own, so that the other's log has both as well."""
    with Mesh(tmp_path / "mesh", workers=0) as mesh, zmq.Context() as context:
        mesh.wait(lambda status: True)
        with context.socket(zmq.DEALER) as late:
            late.linger = 0
            late.connect(mesh.config.ventilator.control)
            late.send(of_another_version(encode_control(Ask())))
            assert late.poll(int(1000 * WITHIN))
            answer = msgpack.unpackb(late.recv())
        assert (answer["v"], answer["kind"]) == (PROTOCOL, "Refused")
        assert BOTH in answer["message"]["reason"]
        assert BOTH in mesh.log


def test_daemons_say_of_a_later_ventilator_that_it_is_one(tmp_path: Path) -> None:
    """Worker and sink log both versions, and go on; said once, however often they hear it."""
    mesh = Mesh(tmp_path / "mesh", workers=1)
    with mesh, zmq.Context() as context, context.socket(zmq.ROUTER) as later:
        mesh.kill("ventilator")
        later.linger = 0
        later.bind(mesh.config.ventilator.control)
        heard: set[bytes] = set()
        while len(heard) < 2 or mesh.log.count(BOTH) < 2:
            assert later.poll(int(1000 * WITHIN)), mesh.log
            route, _ = later.recv_multipart()
            heard.add(route)
            later.send_multipart([route, of_another_version(encode_control(Bye()))])
        for _ in range(4):
            route, _ = later.recv_multipart()
            later.send_multipart([route, of_another_version(encode_control(Bye()))])
        assert mesh.log.count(BOTH) == 2
        assert all(mesh.daemons[name].poll() is None for name in ("sink", "cpu0"))


def test_of_two_ventilators_the_newer_is_refused_while_the_older_lives(tmp_path: Path) -> None:
    """If they share a queue, or an address, it ends at once and names both; the older one goes on, even if stopped."""
    with Mesh(tmp_path / "mesh", workers=0) as mesh:
        mesh.wait(lambda status: True)
        older = mesh.daemons["ventilator"].pid
        mesh.kill("ventilator", signal.SIGSTOP)
        queue = ventilator(mesh, lambda text: text.replace("/control", "/other").replace("/status", "/other-status"))
        address = ventilator(mesh, lambda text: text.replace("jobs.sqlite", "other.sqlite"))
        mesh.kill("ventilator", signal.SIGCONT)
        mesh.wait(lambda status: status.ventilator.pid == older)
    assert queue.returncode == address.returncode == EXIT_CONFIG
    assert f"{tmp_path}/mesh/jobs.sqlite is in use by the ventilator on " in queue.stderr
    assert f"process {older}; this one is on " in queue.stderr
    assert f"{tmp_path}/mesh/control is in use by process {older}; this is process " in address.stderr
