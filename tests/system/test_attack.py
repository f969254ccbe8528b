"""What does not belong on a socket is counted, logged with who sent it, and dropped; a run beside it ends right."""

import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgpack
import psutil
import pytest
import zmq

from fip.runtime.sockets import control_socket, data_socket, peer_host
from fip.wire.codec import PROTOCOL, encode_control, encode_image
from fip.wire.messages import Lane, PipelineStatus, SinkState, WorkerState
from support.fip_command import fip, images, started
from support.made_values import make_image
from support.many_slices import SELECTION, assert_whole
from support.mesh import Mesh
from support.network import Network

HOSTS = {"ventilator": "head", "sink": "head", "cpu0": "left"}
STRANGER = "stranger"
SETTINGS = "pace = 120\n[security]\ninsecure = true"  # 10 s, were it left alone
RANDOM = random.Random(1)
GARBAGE = [RANDOM.randbytes(size) for size in (0, 1, 10, 1000, 100_000)]
HUGE = 2**63


@pytest.fixture
def network() -> Iterator[Network]:
    """A head, a worker's host, and a stranger's."""
    with Network(["head", "left", STRANGER]) as network:
        yield network


@contextmanager
def _stranger(network: Network) -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """Open sockets on the stranger's host."""
    with network.inside(STRANGER):
        context = zmq.Context()
        control_socket(context, zmq.DEALER).close()  # starts the threads that will connect
    try:
        yield context
    finally:
        context.destroy(linger=0)


def _control(worker: WorkerState, sink: SinkState, run: str) -> list[list[bytes]]:
    """Control messages that are refused."""
    right = msgpack.unpackb(encode_control(worker))

    def holding(index: int, attempt: int) -> bytes:
        brief = right["message"]["brief"] | {"holds": [[run, index, attempt]]}
        return msgpack.packb(right | {"message": right["message"] | {"brief": brief}})

    return [
        *([garbage] for garbage in GARBAGE),
        [encode_control(worker)] * 2,
        [msgpack.packb(right | {"v": PROTOCOL + 1})],
        [msgpack.packb(right | {"kind": "Bribe"})],
        [holding(HUGE, 1)],
        [holding(-1, 1)],
        [holding(1, HUGE)],
        [encode_control(Lane("tcp://:1", "tcp://:1"))],
        [encode_control(replace(worker, brief=replace(worker.brief, boot="another")))],
        [encode_control(replace(sink, brief=replace(sink.brief, boot="another")))],
    ]


def _images(run: str) -> list[list[bytes]]:
    """Return messages of images that are refused."""
    frames = [bytes(frame) for frame in encode_image(replace(make_image(), run=run))]
    header = msgpack.unpackb(frames[0])

    def with_header(**changes: object) -> list[bytes]:
        return [msgpack.packb(header | {"image": header["image"] | changes}), *frames[1:]]

    return [
        *([garbage] for garbage in GARBAGE),
        [msgpack.packb(header | {"v": PROTOCOL + 1}), *frames[1:]],
        frames[:1],
        [*frames, b""],
        [frames[0], frames[1][:-1] + b"\1"],
        [frames[0], GARBAGE[-1]],
        with_header(label="../../etc"),
        with_header(run="../../etc"),
        with_header(integration=HUGE),
        with_header(attempt=HUGE),
        with_header(index=-1),
    ]


def _counted(status: PipelineStatus) -> tuple[int, int]:
    sink = status.sink.status.counters["bad_messages"] if status.sink else 0
    return status.ventilator.counters["bad_messages"], sink


def test_garbage_is_counted_logged_with_its_sender_and_dropped(
    network: Network, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Random bytes, wrong versions and kinds, absurd numbers, frames that do not fit, labels with separators."""
    with Mesh(tmp_path / "m", settings=SETTINGS, network=network, hosts=HOSTS) as mesh, _stranger(network) as context:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: bool(status.workers and status.sink and status.sink.brief.runs))
        with mesh.operator() as operator:
            status = operator.status()
        assert status.sink is not None
        run = status.sink.brief.runs[0].run
        control, pushed = _control(status.workers[0], status.sink, run), _images(run)
        dealer, push = control_socket(context, zmq.DEALER), data_socket(context, zmq.PUSH, queue=100)
        dealer.connect(mesh.config.ventilator.control)
        push.connect(mesh.config.sink.images)
        for frames in control:
            dealer.send_multipart(frames)
        for frames in pushed:
            push.send_multipart(frames)
        mesh.wait(lambda status: _counted(status) == (len(control), len(pushed)))
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)
        address = network.addresses[STRANGER]
        assert mesh.log.count(f" from a peer at {address}: ") == len(control)
        assert mesh.log.count(f" from a worker at {address}: ") == len(pushed)


def test_strangers_who_speak_another_protocol_or_take_slices_hurt_nothing(
    network: Network, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Bytes that are not ZeroMQ's on every port; slices that a stranger takes from a lane are sent again."""
    with Mesh(tmp_path / "m", settings=SETTINGS, network=network, hosts=HOSTS) as mesh, _stranger(network) as context:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: bool(status.workers and status.sink and status.sink.brief.runs))
        thief = data_socket(context, zmq.PULL)
        thief.connect(f"tcp://{network.addresses['head']}:5600")
        with network.inside(STRANGER):
            for port in (5557, 5558, 5559, 5600):
                with socket.create_connection((network.addresses["head"], port)) as raw:
                    raw.sendall(GARBAGE[-1][:1000])
        for _ in range(3):
            thief.recv_multipart()
        thief.close(0)
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)


def test_replayed_and_reordered_states_change_nothing(
    many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """What peers have said before is said again in any order, by another: the run ends right all the same."""
    with Mesh(tmp_path / "m", settings="pace = 120") as mesh, zmq.Context() as context:
        job = mesh.submit([many_ms], SELECTION)
        said: list[WorkerState | SinkState] = []
        dealer = control_socket(context, zmq.DEALER)
        dealer.connect(mesh.config.ventilator.control)

        def replay(status: PipelineStatus) -> bool:
            said.extend((*status.workers, *([status.sink] if status.sink else [])))
            for message in RANDOM.choices(said, k=5):
                dealer.send(encode_control(message))
            return mesh.job(status, job).state == "done"

        mesh.wait(replay)
        dealer.close(0)
        assert_whole(mesh.images / job, undisturbed)


def test_of_two_workers_of_one_name_the_newer_is_refused_while_the_older_lives(
    many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """The newer one gets its slices when the older is gone."""
    with Mesh(tmp_path / "m", workers=1, settings="pace = 120") as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: bool(status.workers))
        mesh.daemons["older"] = mesh.daemons["cpu0"]
        mesh.start("cpu0")
        mesh.wait(lambda status: "a second worker calls itself" in mesh.log)
        mesh.kill("older")
        mesh.wait(lambda status: [worker.status.pid for worker in status.workers] == [mesh.daemons["cpu0"].pid])
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)


def test_of_two_sinks_the_newer_is_refused_while_the_older_lives(
    many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """The run goes on with the older; with the newer, which stores in the same directory, when the older is gone."""
    with Mesh(tmp_path / "m", settings="pace = 120") as mesh:
        job = mesh.submit([many_ms], SELECTION)
        mesh.wait(lambda status: bool(status.sink))
        mesh.daemons["older"] = mesh.daemons["sink"]
        mesh.launchers["sink"] = ["env", f"FIP__SINK__IMAGES=ipc://{mesh.folder}/newer"]
        mesh.start("sink")
        mesh.wait(lambda status: "a second sink" in mesh.log and len(images(mesh.images / job)) > 15)
        mesh.kill("older")
        mesh.wait(lambda status: bool(status.sink and status.sink.status.pid == mesh.daemons["sink"].pid))
        mesh.wait_for_job(job)
        assert_whole(mesh.images / job, undisturbed)


def test_a_directory_belongs_to_one_run_at_a_time(many_ms: Path, tmp_path: Path) -> None:
    """A second `fip run` into a directory that is in use is refused and changes nothing."""
    command = ("run", many_ms, "--output", tmp_path / "out", "--size", "64", "--scale", "40arcsec")
    with started(*command, "--pace", "60") as first:
        while not images(tmp_path / "out"):
            with pytest.raises(psutil.TimeoutExpired):
                psutil.Process(first.pid).wait(timeout=0.05)
        second = fip(*command)
        assert second.returncode == 2
        assert "in use by another FIP" in second.stderr
        assert first.poll() is None
        first.send_signal(signal.SIGTERM)


def test_the_host_of_a_peer_is_what_it_is_seen_at(tmp_path: Path) -> None:
    """Workers are sent the sink at that host: an address over tcp, nothing over ipc."""
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        for address, host in ((f"ipc://{tmp_path}/peer", ""), ("tcp://127.0.0.1:*", "127.0.0.1")):
            pull.bind(address)
            with context.socket(zmq.PUSH) as push:
                push.connect(pull.getsockopt_string(zmq.LAST_ENDPOINT))
                push.send(b"here")
                assert peer_host(pull.recv(copy=False)) == host
