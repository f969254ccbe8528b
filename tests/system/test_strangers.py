"""Strangers cost little: idle connections, junk, and workers too many, offered without end, beside a run that ends."""

import itertools
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import zmq

from fip.runtime.sockets import control_socket
from fip.wire.codec import decode_control, encode_control
from fip.wire.messages import Bye, Lane, PipelineStatus, Refused
from support import told_states
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh
from support.network import Network

FILES = 320  # descriptors that each daemon may have
FEW_FILES = {name: ["prlimit", f"--nofile={FILES}:{FILES}"] for name in ("ventilator", "sink")}
IDLE = 400  # connections to each socket: more than a daemon could have
SETTINGS = "pace = 240\n[security]\ninsecure = true"
JUNK = random.Random(1).randbytes(100)


class NarrowMesh(Mesh):
    """A mesh whose ventilator has the ports of so many lanes."""

    lanes = 2

    def _addresses(self) -> tuple[str, str, str, str]:
        control, status, lanes, images = super()._addresses()
        return control, status, lanes.replace("5699", str(5599 + self.lanes)), images


@contextmanager
def mesh_on(kind: str, folder: Path) -> Iterator[Mesh]:
    """A mesh on ipc or tcp, whose daemons may have few descriptors."""
    with ExitStack() as stack:
        network, hosts = None, {}
        if kind == "tcp":
            network = stack.enter_context(Network(["head"]))
            hosts = dict.fromkeys(("ventilator", "sink", "cpu0"), "head")
        mesh = Mesh(folder / "m", workers=1, settings=SETTINGS, network=network, hosts=hosts)
        for name, limit in FEW_FILES.items():
            mesh.launchers[name] = [*mesh.launchers.get(name, []), *limit]
        with mesh:
            if network:
                stack.enter_context(network.inside("head"))
            yield mesh


def connected(address: str) -> socket.socket:
    """A connection that says nothing; it may not come about."""
    kind, _, place = address.partition("://")
    opened = socket.socket(socket.AF_UNIX if kind == "ipc" else socket.AF_INET)
    opened.setblocking(False)
    host, _, port = place.rpartition(":")
    opened.connect_ex(place if kind == "ipc" else (host, int(port)))
    return opened


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_idle_connections_exhaust_nobody(
    kind: str, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """More of them than a process has descriptors, again and again: a few are held, and the run ends."""
    with mesh_on(kind, tmp_path) as mesh, ExitStack() as stack:
        mesh.wait(lambda status: bool(status.workers and status.workers[0].brief.lane))
        of = {name: psutil.Process(mesh.daemons[name].pid) for name in FEW_FILES}
        config = mesh.config
        addresses = (config.ventilator.control, config.ventilator.status, config.sink.images)
        for address in addresses:
            for _ in range(IDLE):
                stack.enter_context(connected(address))
        job = mesh.submit([many_ms], SELECTION)
        most = 0

        def more() -> None:
            nonlocal most
            for address in addresses:
                stack.enter_context(connected(address))
            most = max(most, *(process.num_fds() for process in of.values()))

        mesh.wait_for_job(job, meanwhile=more)
        assert_whole(mesh.images / job, undisturbed)
        assert most < FILES * 3 // 4
        assert [mesh.daemons[name].poll() for name in of] == [None, None]


def test_workers_too_many_are_answered_now_and_then(
    many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """If no port is left, each is answered some times, however often it says that it is here."""
    hosts = {"ventilator": "head", "sink": "head", "cpu0": "head", "cpu1": "head"}
    with (
        Network(["head"]) as network,
        NarrowMesh(tmp_path / "m", settings=SETTINGS, network=network, hosts=hosts) as mesh,
        zmq.Context() as context,
        ExitStack() as stack,
    ):
        mesh.wait(lambda status: len([each for each in status.workers if each.brief.lane]) == 2)
        job = mesh.submit([many_ms], SELECTION)
        with network.inside("head"):
            hello = {
                stack.enter_context(control_socket(context, zmq.DEALER)): encode_control(
                    told_states.with_brief(told_states.worker(f"more{number}", 0), lane="", holds=(), working=None)
                )
                for number in range(20)
            }
            for opened in hello:
                opened.connect(mesh.config.ventilator.control)
        said, answers = itertools.count(), dict.fromkeys(hello, 0)

        def insist() -> None:
            next(said)
            for opened, state in hello.items():
                opened.send(state)
                while opened.poll(0):
                    answer = decode_control(opened.recv())
                    assert isinstance(answer, Refused)
                    assert "give more ports" in answer.reason
                    answers[opened] += 1

        def stored(status: PipelineStatus) -> bool:
            insist()
            return mesh.job(status, job).state == "done" and next(said) > 40

        mesh.wait(stored, meanwhile=insist)
        assert_whole(mesh.images / job, undisturbed)
        assert 1 <= min(answers.values()) <= max(answers.values()) <= 12


def test_junk_without_end_is_read_less_and_less(many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Some hundred of very many messages are looked into, and fewer logged; the run ends, and a worker still joins."""
    with Mesh(tmp_path / "m", workers=1, settings="pace = 240") as mesh, zmq.Context() as context, ExitStack() as stack:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: bool(status.workers and status.workers[0].brief.lane))
        peers = [stack.enter_context(control_socket(context, zmq.DEALER)) for _ in range(10)]
        for opened in peers:
            opened.connect(mesh.config.ventilator.control)

        def flood() -> None:
            for opened in peers * 100:
                if opened.poll(0, zmq.POLLOUT):
                    opened.send(JUNK)

        mesh.wait_for_job(job, meanwhile=flood)
        with mesh.operator() as operator:
            counters = operator.status().ventilator.counters
        assert counters["unread"] > 1000
        assert 100 < counters["bad_messages"] - counters["unread"] < 3000
        assert mesh.log.count(" from a peer: ") < 300
        assert_whole(mesh.images / job, undisturbed)
        mesh.kill("cpu0")
        mesh.start("cpu0")
        pid = mesh.daemons["cpu0"].pid
        mesh.wait(lambda status: any(each.status.pid == pid and each.brief.lane for each in status.workers))


def test_what_nobody_reads_is_not_kept(tmp_path: Path) -> None:
    """An operator asks and never reads: a few answers are queued."""
    with zmq.Context() as context:
        router, asker = control_socket(context, zmq.ROUTER), control_socket(context, zmq.DEALER)
        with router, asker:
            asker.rcvhwm = 1
            router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # it says so
            router.bind(f"ipc://{tmp_path}/control")
            asker.connect(f"ipc://{tmp_path}/control")
            asker.send(b"?")
            route, _ = router.recv_multipart()
            told = 0
            with pytest.raises(zmq.Again):
                while told < 1000:
                    router.send_multipart([route, bytes(1_000_000)], zmq.NOBLOCK)
                    told += 1
            assert told < 20
            router.close(0)
            asker.close(0)


def test_a_lane_is_for_one_worker_at_a_time(tmp_path: Path) -> None:
    """A worker that comes when all ports are taken is refused, and has the port of one that has gone."""
    leaves = told_states.with_brief(told_states.worker("cpu0", 0), lane="", sink="", holds=(), working=None)
    hosts = {"ventilator": "head", "sink": "head"}
    with (
        Network(["head"]) as network,
        NarrowMesh(tmp_path / "m", settings=SETTINGS, network=network, hosts=hosts) as mesh,
        zmq.Context() as context,
        network.inside("head"),
        socket.create_server(("0.0.0.0", 5600)),
        control_socket(context, zmq.DEALER) as first,
        control_socket(context, zmq.DEALER) as second,
    ):
        mesh.wait(lambda status: status.sink is not None)
        for opened in (first, second):
            opened.connect(mesh.config.ventilator.control)
        first.send(encode_control(leaves))
        lane = decode_control(first.recv())
        assert isinstance(lane, Lane)
        assert lane.lane == "tcp://:5601"
        other = told_states.with_brief(told_states.worker("cpu1", 0), lane="", sink="", holds=(), working=None)
        second.send(encode_control(other))
        assert isinstance(decode_control(second.recv()), Refused)
        first.send(encode_control(told_states.with_brief(leaves, leaving=True)))
        assert isinstance(decode_control(first.recv()), Bye)
        mesh.wait(lambda status: bool(status.departed))
        for _ in range(4):  # its port is closed in a moment, by another thread
            answer = decode_control(told(second, encode_control(other)))
            if not isinstance(answer, Refused):
                break
        assert answer == lane


def told(opened: zmq.Socket[bytes], message: bytes) -> bytes:
    """What is answered to a message, which is said until it is."""
    opened.send(message)
    while not opened.poll(500):
        opened.send(message)
    return opened.recv()
