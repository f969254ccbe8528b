"""ZeroMQ's sockets as FIP uses them, in made time: queues with a bound, connections that are cut, peers that are deaf.

What is simulated is what the daemons can see of libzmq: a DEALER queues up to its mark and survives a reconnection,
a PUSH with IMMEDIATE sends only to connected peers, a ROUTER drops what it cannot route or what does not fit,
a message larger than MAXMSGSIZE cuts the connection. `test_sockets.py` runs the same checks on real ones.
"""

import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import zmq

from simulated.world import Host, ViolationError, World

Frames = tuple[bytes, ...]
_EVENT = struct.Struct("=Hi")
POLLIN, POLLOUT = int(zmq.POLLIN), int(zmq.POLLOUT)  # numbers: an enumeration is slow
NOBLOCK, EVENTS = int(zmq.NOBLOCK), int(zmq.EVENTS)
DEALER, ROUTER, PUB = int(zmq.DEALER), int(zmq.ROUTER), int(zmq.PUB)
_NO_DESCRIPTOR = 1 << 30  # what events name connections with: no descriptor of this process
WIRE = 2  # messages that the kernel takes beside the marks of both ends


class SimFrame:
    """A frame that has come."""

    def __init__(self, content: bytes) -> None:
        self.bytes, self.buffer = content, memoryview(content)

    def get(self, what: str) -> str:
        """What ZeroMQ knows of the sender: nothing, as over ipc."""
        raise zmq.ZMQError(zmq.EINVAL)


@dataclass
class Way:
    """One direction of a connection."""

    mark: int
    queued: deque[Frames] = field(default_factory=deque)  # sent, and not yet there
    held: bool = False  # the network takes nothing
    moving: bool = False

    @property
    def room(self) -> bool:
        return len(self.queued) < self.mark


class Connection:
    """Two sockets that are joined, until one is closed or it is cut."""

    def __init__(self, dialled: "SimSocket", bound: "SimSocket", number: int) -> None:
        self.dialled, self.bound, self.number = dialled, bound, number
        self.route = struct.pack(">BI", 0, number)
        self.up = True

    def other(self, end: "SimSocket") -> "SimSocket":
        return self.bound if end is self.dialled else self.dialled


class Network:
    """All sockets of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bound: dict[str, SimSocket] = {}
        self.numbers = count(1)
        self.cut_off: set[tuple[str, str]] = set()  # pairs of host names that do not hear each other
        self.on_message: Callable[[SimSocket, SimSocket, Frames], None] = lambda sender, receiver, frames: None

    def apart(self, one: Host, other: Host) -> bool:
        """Whether nothing passes between two hosts now."""
        return (one.name, other.name) in self.cut_off or (other.name, one.name) in self.cut_off

    def delay(self) -> float:
        """s that a message is under way."""
        return 0.0002 + 0.004 * self.world.chance.random() ** 4


class SimContext:
    """What makes the sockets of one process."""

    def __init__(self, network: Network, host: Host, wake: Callable[[], None], deaf: Callable[[], bool]) -> None:
        self.network, self.host, self.wake, self.deaf = network, host, wake, deaf
        self.sockets: list[SimSocket] = []

    def socket(self, kind: int) -> "SimSocket":
        """A new socket of a kind of ZeroMQ's."""
        made = SimSocket(self, int(kind))
        self.sockets.append(made)
        return made

    def destroy(self, linger: int | None = None) -> None:
        """Close all sockets of this context."""
        for each in list(self.sockets):
            each.close(linger)

    def abort(self) -> None:
        """The process is gone: what it had queued is, too; what the kernel had comes through."""
        for each in list(self.sockets):
            each.close(0)


class SimSocket:
    """One socket in made time."""

    def __init__(self, context: SimContext, kind: int) -> None:
        self.context, self.kind = context, kind
        self.network, self.world = context.network, context.network.world
        self.options: dict[int, Any] = {}
        self.mark = 1000
        self.closed = False
        self.address = ""
        self.connections: list[Connection] = []
        self.inbox: deque[tuple[Connection, Frames]] = deque()
        self.out: dict[int, Way] = {}  # by the number of the connection; 0 is a DEALER's own, which outlives them
        self._dials = ""
        self._turn = 0
        self._monitor: SimSocket | None = None
        self.events: deque[Frames] = deque()

    # What FIP calls, as pyzmq has it

    def set_hwm(self, mark: int) -> None:
        self.mark = mark

    def setsockopt(self, option: int, value: Any) -> None:
        self.options[int(option)] = value

    def getsockopt(self, option: int) -> int:
        if int(option) == EVENTS:
            return self.ready(POLLIN | POLLOUT)
        return int(self.options.get(int(option), 0))

    def getsockopt_string(self, option: int) -> str:
        return self.address

    def subscribe(self, topic: bytes) -> None:
        """A SUB takes all that comes."""

    def bind(self, address: str) -> None:
        if address in self.network.bound:
            raise zmq.ZMQError(zmq.EADDRINUSE)
        self.address = address
        self.network.bound[address] = self

    def connect(self, address: str) -> None:
        self._dials = address
        if self.kind == DEALER:
            self.out[0] = Way(self.mark)
        self.dial()

    def send(self, content: bytes, flags: int = 0, copy: bool = True) -> None:
        self.send_multipart([content], flags, copy)

    def send_multipart(self, frames: Sequence[Any], flags: int = 0, copy: bool = True) -> None:
        message = tuple(bytes(frame) for frame in frames)
        if self.kind == PUB:
            return
        if self.kind == ROUTER:
            route, *rest = message
            reached = next((each for each in self.connections if each.route == route), None)
            if reached and self.out[reached.number].room:
                self._queue(reached.number, tuple(rest))
            elif self.options.get(int(zmq.ROUTER_MANDATORY)):
                raise zmq.Again if reached else zmq.ZMQError(zmq.EHOSTUNREACH)
            return
        numbers = self._open_ways()
        if not numbers:
            if int(flags) & NOBLOCK:
                raise zmq.Again
            raise ViolationError(f"a loop would block in sending to {self._dials or self.address}")
        self._turn += 1
        self._queue(numbers[self._turn % len(numbers)], message)

    def recv(self, flags: int = 0) -> bytes:
        frames = self.recv_multipart(flags)
        return bytes(frames[0])

    def recv_multipart(self, flags: int = 0, copy: bool = True) -> list[Any]:
        if self.events:
            return list(self.events.popleft())
        if not self.inbox:
            if int(flags) & NOBLOCK:
                raise zmq.Again
            raise ViolationError(f"a loop would block in receiving at {self._dials or self.address}")
        connection, frames = self.inbox.popleft()
        connection.other(self).pump(connection)
        if self.kind == ROUTER:
            frames = (connection.route, *frames)
        return [*frames] if copy else [SimFrame(frame) for frame in frames]

    def poll(self, timeout: int | None = None, flags: int = POLLIN) -> int:
        return self.ready(int(flags))

    def get_monitor_socket(self, events: int, address: str) -> "SimSocket":
        self._monitor = self.context.socket(zmq.PAIR)
        return self._monitor

    def close(self, linger: int | None = None) -> None:
        if self.closed:
            return
        linger = self.options.get(int(zmq.LINGER), -1) if linger is None else linger
        self.closed = True
        if self.network.bound.get(self.address) is self:
            del self.network.bound[self.address]
        for connection in list(self.connections):
            self._part(connection, keep=bool(linger))
        self.inbox.clear()
        self.context.sockets.remove(self)
        self.tell(zmq.Event.MONITOR_STOPPED, "")

    # What the network does with it

    def ready(self, events: int) -> int:
        """Which of these events, POLLIN and POLLOUT, are so now."""
        found = POLLIN if events & POLLIN and (self.inbox or self.events) else 0
        if events & POLLOUT and (self.kind in (ROUTER, PUB) or self._open_ways()):
            found |= POLLOUT
        return found

    def pump(self, connection: Connection) -> None:
        """Move the next message of a connection on its way, if the other end has room for it."""
        way, other = self.out.get(self._way_number(connection)), connection.other(self)
        if way is None or way.moving or not way.queued or not connection.up:
            return
        waiting = sum(1 for each, _ in other.inbox if each is connection)
        if other.closed or waiting >= other.mark + WIRE:
            return
        way.moving = True
        self.world.after(self.network.delay(), lambda: self._arrive(connection, way))

    def cut(self) -> None:
        """Its connections end; what was under way is lost."""
        for connection in list(self.connections):
            self._part(connection, keep=False)

    def _arrive(self, connection: Connection, way: Way) -> None:
        way.moving = False
        other = connection.other(self)
        if not connection.up or not way.queued:
            return
        if self.network.apart(self.context.host, other.context.host) or other.context.deaf():
            self.world.after(0.2, lambda: self.pump(connection))
            return
        frames = way.queued.popleft()
        limit = other.options.get(int(zmq.MAXMSGSIZE), -1)
        self.network.on_message(self, other, frames)
        if 0 <= limit < max(map(len, frames)):
            raise ViolationError(f"a message of {max(map(len, frames))} bytes for a socket that takes {limit}")
        if other.closed:
            return
        other.inbox.append((connection, frames))
        other.context.wake()
        self.context.wake()  # there is room again
        self.pump(connection)

    def _way_number(self, connection: Connection) -> int:
        return 0 if self.kind == DEALER else connection.number

    def _open_ways(self) -> list[int]:
        if self.kind == DEALER:
            return [0] if self.out[0].room else []
        return [each.number for each in self.connections if each.up and self.out[each.number].room]

    def _queue(self, number: int, message: Frames) -> None:
        self.out[number].queued.append(message)
        for each in self.connections:
            if self._way_number(each) == number:
                self.pump(each)

    def dial(self) -> None:
        """Try to connect, until it does."""

        def try_it() -> None:
            if self.closed:
                return
            bound = self.network.bound.get(self._dials)
            if bound is None or bound.closed or self.network.apart(self.context.host, bound.context.host):
                self.world.after(self.world.chance.uniform(0.1, 1.0), try_it)
                return
            connection = Connection(self, bound, next(self.network.numbers))
            for end in (self, bound):
                end.connections.append(connection)
                if end.kind != DEALER:
                    end.out[connection.number] = Way(end.mark)
            self.tell(zmq.Event.CONNECTED, self._dials, connection.number)
            bound.tell(zmq.Event.ACCEPTED, "", connection.number)
            self.pump(connection)
            self.context.wake()
            bound.context.wake()

        self.world.after(self.world.chance.uniform(0.0005, 0.01), try_it)

    def _part(self, connection: Connection, keep: bool) -> None:
        """End a connection; with `keep` what this end has queued still comes to the other."""
        if not connection.up:
            return
        other = connection.other(self)
        way = self.out.get(self._way_number(connection))
        if way and way.queued and (keep or way.moving):
            left = list(way.queued) if keep else [way.queued[0]]
            if not other.closed and self.world.chance.random() < 0.9:
                other.inbox.extend((connection, frames) for frames in left)
                for frames in left:
                    self.network.on_message(self, other, frames)
        if self.kind == DEALER and way and way.moving and way.queued:
            way.queued.popleft()
        connection.up = False
        for end in (self, other):
            end.connections.remove(connection)
            if end.kind != DEALER:
                end.out.pop(connection.number, None)
            else:
                end.out[0].moving = False
            end.tell(zmq.Event.DISCONNECTED, "", connection.number)
            end.context.wake()
        dialled = connection.dialled
        if not dialled.closed:
            dialled.dial()

    def tell(self, event: int, endpoint: str, number: int = 0) -> None:
        """Queue an event of its monitor."""
        if self._monitor is not None and not self._monitor.closed:
            self._monitor.events.append((_EVENT.pack(int(event), _NO_DESCRIPTOR + number), endpoint.encode()))
            self.context.wake()


class SimPoller:
    """Which sockets of one process are ready."""

    def __init__(self) -> None:
        self._watched: dict[SimSocket, int] = {}

    def register(self, what: SimSocket, events: int) -> None:
        self._watched[what] = int(events)

    def unregister(self, what: SimSocket) -> None:
        del self._watched[what]

    def __contains__(self, what: object) -> bool:
        return what in self._watched

    def poll(self, timeout: int | None = None) -> list[tuple[SimSocket, int]]:
        """(socket, events) of those that are ready now; it never waits."""
        found = [(what, what.ready(events)) for what, events in self._watched.items() if not what.closed]
        return [(what, events) for what, events in found if events]

    @property
    def any(self) -> bool:
        """Return whether a socket is ready."""
        return any(what.ready(events) for what, events in self._watched.items() if not what.closed)
