"""The ventilator's workers: each has a lane, a PUSH socket of its own; closing it frees what is queued there."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

import zmq

from fip.config import Ventilator
from fip.data.errors import ConfigError, RefusedError, WireError
from fip.data.settings import Asked
from fip.runtime.credit import MOST_AHEAD, depth
from fip.runtime.door import LIMITS, most_connections
from fip.runtime.gate import Gate
from fip.runtime.service import Loop
from fip.runtime.sockets import data_socket, takes
from fip.ventilator.fitting import fits
from fip.ventilator.loads import Loads
from fip.ventilator.peers import Peer
from fip.ventilator.places import Places
from fip.wire.codec import Frame
from fip.wire.messages import Lane, SinkBrief, WorkerBrief, WorkerState

log = logging.getLogger("fip.ventilator")


class Lanes:
    """The living workers and their lanes."""

    def __init__(self, loop: Loop, config: Ventilator, gate: Gate, loads: Loads) -> None:
        """`loads` has how many slices each worker has."""
        self._loop, self._config, self._gate, self._loads = loop, config, gate, loads
        loads.changed = self._place
        self.peers: dict[str, Peer] = {}  # by identity
        self._free: defaultdict[int, dict[str, None]] = defaultdict(dict)  # workers that have credit, by their load
        self._load_of: dict[str, int] = {}  # under which it has each
        self._shut: set[str] = set()  # workers that have not reached their lane, or have not read what is there
        self._most = most_connections(LIMITS["ventilator.control"])  # each has one there, too
        self._opened = 0
        self._places = Places(config.lanes)

    def reload(self, config: Ventilator) -> None:
        """Take another depth of lanes; what binds sockets does not change while they are bound."""
        self._config = config
        for name in self.peers:
            self._place(name)

    def hear(self, route: bytes, said: WorkerBrief | WorkerState, now: float, key: str = "") -> Peer | None:
        """Take a worker's state, or what changed of it; a new worker gets a lane when it sends its whole state.
        `key` is the host whose key it speaks with. None for a brief of a worker whose state is not known yet: it comes
        within half a second. Raises RefusedError for a second worker of the identity of one that lives, or if no lane
        is free; WireError for a state of a worker that joined with another host's key.
        """
        brief = said.brief if isinstance(said, WorkerState) else said
        if isinstance(said, WorkerState) and said.status.identity != brief.identity:
            raise WireError(f"{brief.identity} tells the status of {said.status.identity!r:.80}")
        peer = self.peers.get(brief.identity)
        if peer is None:
            if not isinstance(said, WorkerState):
                return None
            if len(self.peers) >= self._most:
                raise RefusedError(f"no lane is left for {brief.identity}: {self._most} workers are here")
            self._gate.check_host(key, brief.host)
            peer = self.peers[brief.identity] = Peer(route, said, now, *self._open(key), key)
            log.info("worker %s joins on lane %s", brief.identity, peer.address)
        elif peer.key != key:
            raise WireError(f"with the key of {key} it speaks for {brief.identity}, which has that of {peer.key}")
        elif peer.state.brief.boot != brief.boot:
            raise RefusedError(f"a second worker calls itself {brief.identity}: give it another --name")
        peer.state = said if isinstance(said, WorkerState) else replace(peer.state, brief=said)
        peer.route, peer.heard = route, now
        self._place(brief.identity)
        return peer

    def hangs(self, peer: Peer) -> None:
        """Note that a worker hangs on its slice: it gets nothing while it is on that."""
        peer.hung_on = peer.state.brief.working
        self._place(peer.state.brief.identity)

    def wanted(self, peer: Peer, sink: str, said: SinkBrief) -> Lane | None:
        """Return what the worker must know of a sink, which it reaches at the address `sink`; None if it knows."""
        brief = peer.state.brief
        lane = Lane(peer.address, sink, self._gate.key_at("ventilator.lanes"), said.images_key, said.files)
        knows = brief.lane, brief.sink, brief.files
        return None if (lane.lane, lane.sink, lane.files.boot if lane.files else "") == knows else lane

    def silent(self, now: float) -> list[Peer]:
        """Return the workers that were not heard for too long."""
        return [peer for peer in self.peers.values() if now - peer.heard > self._config.dead_after]

    def dismiss(self, identity: str) -> None:
        """Close a worker's lane, with what is queued on it."""
        peer = self.peers.pop(identity)
        self._loop.off(peer.lane, zmq.POLLOUT)
        peer.lane.close(0)
        self._places.give_back(peer.address)
        self._shut.discard(identity)
        self._place(identity)

    @property
    def idle(self) -> bool:
        """Return whether a worker that could have slices has none."""
        return bool(self._free.get(0))

    def free(self, asked: Asked, when_open: Callable[[], None]) -> str | None:
        """Return one of the least loaded workers that have credit and the asked code of users; None if none has.
        A lane that its worker has not reached yet is left out; `when_open` is called when it has.
        """
        shut, found = [], None
        for name in chain.from_iterable(self._free[load] for load in sorted(self._free)):
            peer = self.peers[name]
            if fits(asked, peer.state.codes):
                if takes(peer.lane):
                    found = name
                    break
                shut.append(name)
        for name in shut:
            lane = self.peers[name].lane
            self._shut.add(name)
            self._place(name)
            self._loop.on(lane, partial(self._reached, name, lane, when_open), zmq.POLLOUT)
        return found

    def _place(self, name: str) -> None:
        """Put a worker among the free ones, by its load, if it is free."""
        peer, load = self.peers.get(name), self._loads.counts[name]
        free = peer and peer.ready and name not in self._shut
        if peer and free and load < depth(self._config.lane_depth, peer.state.status):
            if self._load_of.get(name) == load:
                return
            self._free[self._load_of.pop(name, load)].pop(name, None)
            self._free[load][name] = None
            self._load_of[name] = load
        elif name in self._load_of:
            del self._free[self._load_of.pop(name)][name]

    def send(self, identity: str, frames: Sequence[Frame]) -> bool:
        """Send slices to a free worker, without a copy of the arrays. Return False if it has just gone."""
        try:
            self.peers[identity].lane.send_multipart(frames, flags=zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        return True

    def _reached(self, name: str, lane: zmq.Socket[bytes], when_open: Callable[[], None]) -> None:
        self._loop.off(lane, zmq.POLLOUT)
        self._shut.discard(name)
        self._place(name)
        when_open()

    def _open(self, key: str) -> tuple[zmq.Socket[bytes], str]:
        """Open a lane for a worker with the key of a host; return it and the worker's address of it. RefusedError."""
        self._opened += 1
        for address in self._places.free(self._opened, time.monotonic()):
            lane = data_socket(self._loop.context, zmq.PUSH, queue=MOST_AHEAD)
            try:
                told = self._gate.bind(lane, address, "ventilator.lanes", key)
            except ConfigError as error:
                lane.close(0)
                self._places.cannot_be_had(address, str(error), time.monotonic())
            else:
                self._places.take(told, address)
                return lane, told
        raise RefusedError(f"no lane is left for a worker, it needs one each: {self._places.why}")
