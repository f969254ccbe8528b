"""Keys bind hosts: with one host's key nobody stores images, or says states, of another host's worker."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from fip.data.values import ImageFile, Slice
from fip.layout.keys import PrivateKey
from fip.runtime.connections import REFUSED, event
from fip.runtime.sockets import connect, control_socket, data_socket
from fip.wire.batches import apart
from fip.wire.codec import decode_control, decode_slice, encode_control, encode_image
from fip.wire.messages import Ask, Failure, Lane, PipelineStatus, WorkerState
from fip.worker.imager import Imager
from support import told_states
from support.cluster import Cluster
from support.network import Network

HOSTS = {"ventilator": "head", "sink": "head", "left/cpu0": "left", "right/cpu0": "right"}
DAEMONS = ("ventilator", "sink")  # the workers are this test's
WITHIN = 30_000  # ms


class Scripted:
    """A worker that does what the test says, with the key of a host."""

    def __init__(self, cluster: Cluster, host: str, key: str = "") -> None:
        self._cluster, self._host = cluster, host
        self._key = cluster.key(key or host, "worker")
        assert cluster.network is not None
        with cluster.network.inside(host):
            self._context = zmq.Context()
            control_socket(self._context, zmq.DEALER).close(0)  # starts the threads that will connect
        self._opened: list[zmq.Socket[bytes]] = []  # kept until the end: one that is forgotten is closed
        idle = told_states.with_brief(
            told_states.worker("cpu0", 0, host=host), lane="", sink="", holds=(), ages=(), working=None
        )
        self.state = idle

    def close(self) -> None:
        """Close its sockets at once."""
        self._context.destroy(linger=0)

    def joined(self, kind: int, port: str, server: PrivateKey) -> zmq.Socket[bytes]:
        """A socket of its host, connected to one of the head's."""
        opened = (control_socket if kind == zmq.DEALER else data_socket)(self._context, kind)
        self._connect(opened, port, server)
        self._opened.append(opened)
        return opened

    def _connect(self, opened: zmq.Socket[bytes], port: str, server: PrivateKey) -> None:
        assert self._cluster.network is not None
        connect(opened, f"tcp://{self._cluster.network.addresses['head']}:{port}", self._key, server.public)

    def control(self) -> zmq.Socket[bytes]:
        """Its connection with the ventilator."""
        return self.joined(zmq.DEALER, "5557", self._cluster.key("head", "ventilator"))

    def lane(self, port: str) -> zmq.Socket[bytes]:
        """Its end of a lane."""
        return self.joined(zmq.PULL, port, self._cluster.key("head", "ventilator"))

    def is_refused_at(self, lane: str) -> bool:
        """Whether it is refused in the handshake of a lane."""
        pull = data_socket(self._context, zmq.PULL)
        ends = zmq.Event.HANDSHAKE_SUCCEEDED | REFUSED
        with pull, pull.get_monitor_socket(ends) as monitor:
            self._connect(pull, lane, self._cluster.key("head", "ventilator"))
            assert monitor.poll(WITHIN)
            return event(monitor)[0] != zmq.Event.HANDSHAKE_SUCCEEDED

    def images(self) -> zmq.Socket[bytes]:
        """Its connection with the sink."""
        return self.joined(zmq.PUSH, "5559", self._cluster.key("head", "sink"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A head with keys for two workers' hosts."""
    with Network(["head", "left", "right"]) as network:
        cluster = Cluster(tmp_path / "m", network, HOSTS, settings="dead_after = 60\n")
        cluster.names = list(DAEMONS)
        with cluster:
            yield cluster


@contextmanager
def scripted(cluster: Cluster, *whose: tuple[str, str]) -> Iterator[list[Scripted]]:
    """Workers on hosts, with keys."""
    with ExitStack() as stack:
        workers = [Scripted(cluster, host, key) for host, key in whose]
        for worker in workers:
            stack.callback(worker.close)
        yield workers


def test_an_image_is_stored_of_the_leaseholder_alone(cluster: Cluster, simulated_ms: Path) -> None:
    """With left's key nothing of right's is stored, not even with a ticket that was seen; with right's own it is.

    A ticket of before is good when the ventilator is started again.
    """
    job = cluster.submit([simulated_ms], asked(size=(64, 64), scale=40 * ARCSEC, kernel="wgridder"))
    with scripted(cluster, ("right", "right"), ("left", "left")) as (right, left):
        first, second = leases_of(cluster, right)
        image_slice = Imager()
        mine = [replace(image_slice(each, "cpu", "right/cpu0", 0.0), ticket=each.ticket) for each in (first, second)]
        bad = replace(mine[0], ticket=b""), mine[0], replace(mine[0], worker="left/cpu0"), mine[1]
        thief = left.images()
        for image in bad:
            send(thief, image)
        own = right.images()
        send(own, replace(mine[0], ticket=mine[1].ticket))
        cluster.wait(lambda status: judged(status) == len(bad) + 1)
        assert not list(cluster.images.glob("*/*.fits"))

        send(own, mine[0])
        cluster.wait(lambda status: stored(status) == 1)
        cluster.kill("ventilator", signal.SIGKILL)
        cluster.start("ventilator")
        cluster.wait(lambda status: [run.stored for run in cluster.job(status, job).runs] == [1])
        cluster.wait(lambda status: judged(status) > len(bad) + 4, meanwhile=lambda: send(own, mine[1]))
        assert len(list(cluster.images.glob("*/*.fits"))) == 2


def test_a_state_is_believed_of_the_workers_own_key_alone(cluster: Cluster, simulated_ms: Path) -> None:
    """With left's key nobody dismisses right's worker, fails its slices, reads its lane or takes its name."""
    cluster.submit([simulated_ms], asked(size=(64, 64), scale=40 * ARCSEC, kernel="wgridder"))
    with scripted(cluster, ("right", "left"), ("right", "right"), ("left", "left")) as (false, right, left):
        early = false.control()
        assert heard(cluster, early, false.state).workers == ()
        first, _ = leases_of(cluster, right)
        changes: list[dict[str, object]] = [{"leaving": True}, {"boot": "another"}, {}]
        status = heard(cluster, early, *(told_states.with_brief(false.state, **each) for each in changes))
        assert status.ventilator.counters["bad_messages"] == 1 + 1 + len(changes) + 1  # with the ends of both
        fails = Failure(first.run, first.index, first.attempt, "said by another")
        status = heard(cluster, left.control(), told_states.with_brief(left.state, failed=(fails,) * 3))
        assert status.ventilator.counters["failures"] == 0
        assert {each.brief.host for each in status.workers} == {"left", "right"}
        assert not status.departed
        assert left.is_refused_at(right.state.brief.lane.rpartition(":")[2])


def heard(cluster: Cluster, control: zmq.Socket[bytes], *states: WorkerState) -> PipelineStatus:
    """Say states to the ventilator, and then what no worker may say; return the status once that was heard."""
    before = cluster.log.count("may not say this")
    for state in states:
        control.send(encode_control(state))
    control.send(encode_control(Ask()))
    cluster.wait(lambda status: cluster.log.count("may not say this") > before)
    with cluster.operator() as operator:
        return operator.status()


def leases_of(cluster: Cluster, worker: Scripted) -> list[Slice]:
    """Have a worker join, and take two slices."""
    cluster.wait(lambda status: status.sink is not None)  # before, no worker is sent an address
    control = worker.control()
    control.send(encode_control(worker.state))
    assert control.poll(WITHIN)
    lane = decode_control(control.recv())
    assert isinstance(lane, Lane)
    worker.state = told_states.with_brief(worker.state, lane=lane.lane, sink=lane.sink)
    pull = worker.lane(lane.lane.rpartition(":")[2])
    control.send(encode_control(worker.state))
    found: list[Slice] = []
    while len(found) < 2:
        assert pull.poll(WITHIN)
        parts = apart([frame.buffer for frame in pull.recv_multipart(copy=False)])
        found += map(decode_slice, parts)
    assert all(each.ticket for each in found)
    return found[:2]


def send(push: zmq.Socket[bytes], image: ImageFile) -> None:
    """Hand an image on to the sink."""
    assert push.poll(WITHIN, zmq.POLLOUT)
    push.send_multipart(encode_image(image))


def judged(status: PipelineStatus) -> int:
    """How many messages came to the sink, whatever became of them."""
    counters = status.sink.status.counters if status.sink else {}
    return sum(counters.get(each, 0) for each in ("bad_messages", "images", "duplicates", "unknown"))


def stored(status: PipelineStatus) -> int:
    """How many images the sink has stored."""
    return status.sink.status.counters["images"] if status.sink else 0
