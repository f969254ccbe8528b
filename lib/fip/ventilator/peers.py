"""The daemons that the ventilator knows: workers and the sink while they live, and the last that went."""

import logging
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from typing import TypeAlias

import zmq

from fip.data.names import Attempt, RunId
from fip.wire.messages import Departure, Followed, FollowerState, SinkState, WorkerState
from fip.wire.status import Status

log = logging.getLogger("fip.ventilator")

StartsAgain: TypeAlias = Callable[[bytes, str, str], bool]
"""Whether who speaks was started in the place of one that is gone: the route to that, its boot, and the boot now."""
DEPARTED = 16  # daemons that are remembered after they went


@dataclass
class Peer:
    """A living worker and its lane."""

    route: bytes  # of control messages to it
    state: WorkerState
    heard: float  # monotonic s
    lane: zmq.Socket[bytes]
    address: str  # of the lane, as the worker sees it
    key: str = ""  # the host whose key it joined with; "" without keys
    hung_on: Attempt | None = None  # what it was found to hang on; it gets nothing while it is on that

    @property
    def hangs(self) -> bool:
        """Return whether it is still on what it was found to hang on."""
        return self.hung_on is not None and self.state.brief.working == self.hung_on

    @property
    def ready(self) -> bool:
        """Return whether it reads from its lane, works, and means to stay."""
        return self.state.brief.lane == self.address and not self.state.brief.leaving and not self.hangs

    @property
    def told(self) -> WorkerState:
        """Return the worker's state without what only leases are made of."""
        return replace(self.state, brief=replace(self.state.brief, handed_on=(), failed=()))


@dataclass
class SinkPeer:
    """The living sink, as the ventilator sees it."""

    route: bytes
    state: SinkState
    heard: float  # monotonic s
    address: str  # of its image socket, as workers see it


class Departed:
    """The last few daemons that went and are not back: the status names them."""

    def __init__(self) -> None:
        self._went: dict[str, Departure] = {}

    def went(self, status: Status, how: str) -> None:
        """Note that a daemon is no longer there: it "left" or "died"."""
        self._went[status.identity] = Departure(status, time.time(), how)
        while len(self._went) > DEPARTED:
            del self._went[next(iter(self._went))]

    def is_back(self, identity: str) -> None:
        """Forget that a daemon went: it is there again, or always was."""
        self._went.pop(identity, None)

    @property
    def told(self) -> tuple[Departure, ...]:
        """Return the departures, the oldest first."""
        return tuple(self._went.values())


class Followers:
    """The followers that live. They follow the ledger, and need nothing of the ventilator; it passes on what they say.

    Of those that come under one name on one host the last that spoke counts.
    """

    def __init__(self, departed: Departed) -> None:
        self.heard: dict[str, float] = {}  # monotonic s, by HOST/NAME
        self._departed = departed
        self._states: dict[str, FollowerState] = {}
        self._routes: dict[str, bytes] = {}

    def hear(self, route: bytes, state: FollowerState, now: float) -> None:
        """Take the state that a follower sends."""
        name = state.status.identity
        if state.leaving:
            self._lose(name, "left")
            return
        self._states[name], self.heard[name], self._routes[name] = state, now, route
        self._departed.is_back(name)

    def check(self, now: float, dead_after: float) -> None:
        """Forget followers that have not spoken for so many seconds."""
        for name in [name for name, heard in self.heard.items() if now - heard > dead_after]:
            log.warning("follower %s is silent", name)
            self._lose(name, "died")

    @property
    def states(self) -> tuple[FollowerState, ...]:
        """Return the last state of each follower, by name."""
        return tuple(self._states[name] for name in sorted(self._states))

    def followed(self, runs: Container[RunId]) -> tuple[Followed, ...]:
        """Return how far followers are in some runs."""
        return tuple(each for state in self.states for each in state.runs if each.run in runs)

    def routes(self, name: str) -> tuple[bytes, ...]:
        """Return the routes to the followers of this name, on any host."""
        return tuple(self._routes[each] for each, state in self._states.items() if state.status.name == name)

    def _lose(self, name: str, how: str) -> None:
        if name in self._states:
            self.heard.pop(name)
            self._routes.pop(name)
            self._departed.went(self._states.pop(name).status, how)
