"""Doors of sockets, and what a stranger may use: by a clock that is set."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from fip.config import Config, Security
from fip.runtime.allowance import Allowance
from fip.runtime.control_link import REFUSED_FOR, Link
from fip.runtime.door import JUNK, REFUSAL, SETTLED, Door, Limits
from fip.runtime.gate import Gate
from fip.runtime.service import Daemon, Loop
from fip.runtime.sockets import control_socket
from fip.runtime.vitals import Vitals
from fip.wire.codec import decode_control
from fip.wire.messages import Ask, Refused


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), max_size=50))
def test_no_more_is_used_than_comes(uses: list[tuple[float, float]]) -> None:
    """An allowance never has more left than there was; what is due back is there when it is said to be."""
    allowance, now = Allowance(10.0, 2.0), 0.0
    for later, amount in uses:
        now += later
        assert -10.0 <= allowance.use(amount, now) <= 10.0
        assert allowance.left(now + allowance.until(5.0, now)) == pytest.approx(max(5.0, allowance.left(now)))


@pytest.fixture
def pairs() -> Iterator[Callable[[], tuple[int, socket.socket]]]:
    """Yield a function that makes connections: the descriptor of one end, and the other end."""
    with ExitStack() as stack:

        def make() -> tuple[int, socket.socket]:
            here, there = socket.socketpair()
            stack.enter_context(here)
            stack.enter_context(there)
            there.setblocking(False)
            return here.fileno(), there

        yield make


def is_cut(end: socket.socket) -> bool:
    """Whether the other end takes nothing more."""
    try:
        end.send(b"?")
    except BrokenPipeError:
        return True
    return False


def test_who_is_least_missed_is_cut(pairs: Callable[[], tuple[int, socket.socket]]) -> None:
    """First who has not shaken hands, the oldest of them; then who was silent longest."""
    door = Door(Limits(most=3, burst=100, rate=1.0), "tcp://:1", lambda when, call: None)
    (quiet, quiets), (speaks, _), (fresh, freshs), (newer, _), (newest, _) = (pairs() for _ in range(5))
    for each in (quiet, speaks):
        door.joined(each, 0.0)
        assert door.hears(each, 0.0)
    assert door.hears(speaks, 1.0)
    door.joined(fresh, 2 * SETTLED)
    door.joined(newer, 2 * SETTLED)
    assert is_cut(freshs)
    assert door.hears(newer, 2 * SETTLED)
    door.joined(newest, 4 * SETTLED)
    assert is_cut(quiets)


def test_of_junk_less_and_less_is_read(pairs: Callable[[], tuple[int, socket.socket]]) -> None:
    """Some at once, then one a second; of one who is refused one in ten seconds; who goes on is cut off."""
    door = Door(Limits(most=3, burst=100, rate=1.0), "tcp://:1", lambda when, call: None)
    for amount, most in ((JUNK, 40 + 200 + 1), (REFUSAL, 4 + 20 + 1)):
        descriptor, end = pairs()
        door.joined(descriptor, 0.0)
        assert most // 2 <= sum(read(door, descriptor, amount, 5, float(second)) for second in range(200)) <= most
        assert not is_cut(end)
        read(door, descriptor, amount, 3000, 200.0)
        assert is_cut(end)


@pytest.mark.parametrize("burst", [256, 1024])
def test_who_is_cut_off_time_and_again_shuts_the_door(burst: int) -> None:
    """It is shut after eight times, however many may come at once: each time some hundred messages are read anew."""
    later, cut = list[float](), list[int]()
    limits = Limits(most=2048, burst=burst, rate=30.0)
    door = Door(limits, "tcp://:1", lambda when, call: later.append(when), cut.append)
    while not later:
        door.joined(7, 0.0)
        read(door, 7, JUNK, 3000, 0.0)
    assert len(cut) == 8


def read(door: Door, descriptor: int, amount: float, times: int, now: float) -> int:
    """How many of so many messages are read; all that are, are refused."""
    known = 0
    for _ in range(times):
        if door.hears(descriptor, now):
            door.refuse(descriptor, amount, now)
            known += 1
    return known


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
def test_a_door_is_shut_and_opens(kind: str, tmp_path: Path) -> None:
    """If too many come at once none comes in for a while, and then they do."""
    later: list[Callable[[], None]] = []
    address = f"ipc://{tmp_path}/door"
    with socket.socket(socket.AF_UNIX if kind == "ipc" else socket.AF_INET) as listener, ExitStack() as stack:
        listener.bind(str(tmp_path / "door") if kind == "ipc" else ("127.0.0.1", 0))
        listener.listen()
        limits = Limits(most=100, burst=2, rate=1.0)
        door = Door(limits, address if kind == "ipc" else "tcp://:1", lambda when, call: later.append(call))
        door.listens(listener.fileno())

        def comes_in() -> bool:
            guest = stack.enter_context(socket.socket(listener.family))
            guest.settimeout(0.2)
            return guest.connect_ex(listener.getsockname()) == 0

        assert comes_in()
        for descriptor in range(1000, 1003):
            door.joined(descriptor, 0.0)
        assert door.shut
        assert not comes_in()
        later.pop()()
        assert comes_in()


def test_a_peer_that_is_refused_is_silent_for_a_while(tmp_path: Path) -> None:
    """One that is not goes on to say its state twice a second."""
    loop, said = Loop(), {"refused": 0, "heard": 0}
    vitals = Vitals(loop, "worker", "head", "cpu0", ())
    gate = Gate(loop, Security(), "worker", vitals)
    router, links = control_socket(loop.context, zmq.ROUTER), list[Link]()

    def hear() -> None:
        route, frame = router.recv_multipart()
        message = decode_control(frame)
        said["heard" if isinstance(message, Ask) else "refused"] += 1
        if isinstance(message, Refused):
            router.send_multipart([route, frame])

    def refused() -> Refused:
        return Refused("one too many")

    class Both(Daemon):
        """Two peers; one says what is sent back to it: that it is refused."""

        reloads = restarts = ()

        def start(self) -> None:
            address = f"ipc://{tmp_path}/control"
            router.bind(address)
            loop.on(router, hear)
            links.append(Link(loop, gate, vitals, address, lambda message: None, Ask, Ask))
            links.append(Link(loop, gate, vitals, address, lambda message: None, refused, refused))

        def drain(self) -> None:
            raise NotImplementedError

        def reload(self, config: Config) -> None:
            raise NotImplementedError

        @property
        def line(self) -> str:
            return ""

        @property
        def finished(self) -> bool:
            return said["heard"] >= 6

        def close(self) -> None:
            for link in links:
                link.close()
            router.close(0)

    loop.run(Both())
    assert said["refused"] <= 2, f"it was to be silent for {REFUSED_FOR} s"
