"""What the simulation takes for granted of ZeroMQ is so: the same checks run on simulated and on real sockets."""

import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from fip.runtime.sockets import control_socket, data_socket
from simulated.network import Network, SimContext
from simulated.world import Host, World

BIG = bytes(4_000_000)
WITHIN = 10.0  # s


class Bench:
    """Contexts of two processes, and a way to wait."""

    def __init__(self, here: Any, there: Any, address: str, wait: Callable[[Callable[[], bool]], bool]) -> None:
        self.here, self.there, self.address = here, there, address
        self._wait = wait

    def until(self, so: Callable[[], bool]) -> None:
        """Return once it is so."""
        assert self._wait(so)


class _Kept:
    """A context that keeps its sockets until it is destroyed."""

    def __init__(self) -> None:
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._sockets: list[zmq.Socket[bytes]] = []

    def socket(self, kind: int) -> zmq.Socket[bytes]:
        self._sockets.append(self._context.socket(kind))
        return self._sockets[-1]

    def destroy(self) -> None:
        for each in self._sockets:
            each.close(0)
        self._context.term()


def _real(folder: Path) -> Iterator[Bench]:
    here, there = _Kept(), _Kept()

    def wait(so: Callable[[], bool]) -> bool:
        end = time.monotonic() + WITHIN
        while not so():
            if time.monotonic() > end:
                return False
            select.select([], [], [], 0.005)
        return True

    yield Bench(here, there, f"ipc://{folder}/s", wait)
    here.destroy()
    there.destroy()


def _simulated() -> Iterator[Bench]:
    world = World(1)
    network = Network(world)
    here, there = (SimContext(network, Host(name), lambda: None, lambda: False) for name in ("here", "there"))

    def wait(so: Callable[[], bool]) -> bool:
        for step in range(1, 2000):
            if so():
                return True
            world.run(0.005 * step, lambda: False)
            world.now = max(world.now, 0.005 * step)
        return False

    yield Bench(here, there, "ipc:///made/s", wait)


@pytest.fixture(params=["real", "simulated"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Each check runs on both."""
    yield from _real(tmp_path) if request.param == "real" else _simulated()


def _reads(opened: Any) -> bool:
    return bool(opened.poll(0, zmq.POLLIN))


def _writes(opened: Any) -> bool:
    return bool(opened.poll(0, zmq.POLLOUT))


def test_a_push_sends_only_to_who_is_there(bench: Bench) -> None:
    """A slice stays with the ventilator until its worker has reached the lane."""
    lane = data_socket(bench.here, zmq.PUSH)
    lane.bind(bench.address)
    with pytest.raises(zmq.Again):
        lane.send_multipart([b"slice"], flags=zmq.NOBLOCK)
    worker = data_socket(bench.there, zmq.PULL)
    worker.connect(bench.address)
    bench.until(lambda: _writes(lane))
    lane.send_multipart([b"slice"], flags=zmq.NOBLOCK)
    bench.until(lambda: _reads(worker))
    assert [frame.bytes for frame in worker.recv_multipart(copy=False)] == [b"slice"]
    with pytest.raises(zmq.Again):
        worker.recv_multipart(zmq.NOBLOCK)


def test_a_queue_has_a_bound(bench: Bench) -> None:
    """A worker whose sink does not read has to wait, and goes on when it reads."""
    sink = data_socket(bench.here, zmq.PULL)
    sink.bind(bench.address)
    worker = data_socket(bench.there, zmq.PUSH)
    worker.connect(bench.address)
    bench.until(lambda: _writes(worker))
    sent = 0

    def full() -> bool:
        nonlocal sent
        try:
            worker.send_multipart([b"%d" % sent, BIG], flags=zmq.NOBLOCK)
            sent += 1
        except zmq.Again:
            return not _writes(worker)
        return False

    bench.until(full)
    assert 1 <= sent <= 8
    came = []

    def drained() -> bool:
        if _reads(sink):
            came.append(int(bytes(sink.recv_multipart()[0])))
        return len(came) == sent

    bench.until(drained)
    assert came == list(range(sent))
    bench.until(lambda: _writes(worker))


def test_a_dealer_queues_until_there_is_somebody(bench: Bench) -> None:
    """A worker may start before its ventilator; what it says waits, in order, and the answer finds it."""
    worker = control_socket(bench.there, zmq.DEALER)
    worker.connect(bench.address)
    for number in range(3):
        worker.send(b"%d" % number, zmq.NOBLOCK)
    ventilator = control_socket(bench.here, zmq.ROUTER)
    ventilator.bind(bench.address)
    came = []

    def all_came() -> bool:
        if _reads(ventilator):
            came.append(ventilator.recv_multipart())
        return len(came) == 3

    bench.until(all_came)
    assert [said for _, said in came] == [b"0", b"1", b"2"]
    ventilator.send_multipart([came[0][0], b"answer"], zmq.NOBLOCK)
    ventilator.send_multipart([b"nobody", b"answer"], zmq.NOBLOCK)  # dropped without a word
    bench.until(lambda: _reads(worker))
    assert worker.recv() == b"answer"
    assert not _reads(worker)


def test_a_dealer_finds_the_next_ventilator(bench: Bench) -> None:
    """A ventilator that was killed is followed by another; a worker is heard there by another route."""
    first = control_socket(bench.here, zmq.ROUTER)
    first.bind(bench.address)
    worker = control_socket(bench.there, zmq.DEALER)
    worker.connect(bench.address)
    worker.send(b"hello", zmq.NOBLOCK)
    bench.until(lambda: _reads(first))
    route = first.recv_multipart()[0]
    first.close(0)
    second = control_socket(bench.here, zmq.ROUTER)
    second.bind(bench.address)
    heard: list[list[bytes]] = []

    def said_again() -> bool:
        worker.send(b"again", zmq.NOBLOCK)
        if _reads(second):
            heard.append(second.recv_multipart())
        return bool(heard)

    bench.until(said_again)
    assert heard[0][1] == b"again"
    assert heard[0][0] != route


def test_what_was_queued_at_a_closed_socket_is_gone_and_what_came_is_a_beginning(bench: Bench) -> None:
    """A worker that dies loses images; those that came are whole, and the first ones."""
    sink = data_socket(bench.here, zmq.PULL, queue=4)
    sink.bind(bench.address)
    worker = data_socket(bench.there, zmq.PUSH, queue=4)
    worker.connect(bench.address)
    bench.until(lambda: _writes(worker))
    for number in range(3):
        worker.send_multipart([b"%d" % number, BIG], flags=zmq.NOBLOCK)
    bench.until(lambda: _reads(sink))
    worker.close(0)
    other = data_socket(bench.there, zmq.PUSH)
    other.connect(bench.address)
    bench.until(lambda: _writes(other))
    other.send_multipart([b"9", BIG], flags=zmq.NOBLOCK)
    came = []

    def last_came() -> bool:
        if _reads(sink):
            name, content = sink.recv_multipart()
            assert bytes(content) == BIG
            came.append(int(bytes(name)))
        return came[-1:] == [9]

    bench.until(last_came)
    assert came[:-1] == list(range(len(came) - 1))


def test_an_address_is_taken_once(bench: Bench) -> None:
    """A second ventilator at the same tcp port is refused."""
    address = bench.address if "made" in bench.address else "tcp://127.0.0.1:*"
    first = control_socket(bench.here, zmq.ROUTER)
    first.bind(address)
    second = control_socket(bench.there, zmq.ROUTER)
    with pytest.raises(zmq.ZMQError):
        second.bind(first.getsockopt_string(zmq.LAST_ENDPOINT))
