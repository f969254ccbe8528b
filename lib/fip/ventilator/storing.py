"""The sink, as the ventilator knows it: whether it lives, what it has of each run, and what it is sent."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from fip.data.errors import RefusedError
from fip.runtime.sockets import seen_from_workers
from fip.ventilator.jobs import Jobs
from fip.ventilator.peers import Departed, Followers, SinkPeer, StartsAgain
from fip.ventilator.supply import Supply
from fip.wire.messages import Control, ReadAgain, RunStored, SinkBrief, SinkOrders, SinkState

log = logging.getLogger("fip.ventilator")


class Storing:
    """What the sink says becomes of images: leases and runs end by its word."""

    def __init__(
        self,
        jobs: Jobs,
        supply: Supply,
        followers: Followers,
        departed: Departed,
        tickets: bytes,
        max_attempts: int,
        starts_again: StartsAgain,
        tell: Callable[[bytes, Control], None],
    ) -> None:
        """`tickets` is their secret; `tell` sends a message on a route."""
        self.peer: SinkPeer | None = None
        """The living one."""
        self._jobs, self._supply, self._followers, self._departed = jobs, supply, followers, departed
        self._tickets, self._max_attempts = tickets, max_attempts
        self._starts_again, self._tell = starts_again, tell

    @property
    def stalled(self) -> str:
        """Return why the sink cannot store now; "" if it can, or is not there."""
        return self.peer.state.brief.stalled if self.peer else ""

    def hear(self, route: bytes, said: SinkBrief | SinkState, host: str) -> None:
        """Take what one says, at this host. RefusedError of a second one."""
        now = time.monotonic()
        brief = said.brief if isinstance(said, SinkState) else said
        if self.peer and self._starts_again(self.peer.route, self.peer.state.brief.boot, brief.boot):
            log.info("the sink was started again")
            self.peer = None
        if self.peer and self.peer.state.brief.boot != brief.boot:  # one that is silent is forgotten twice a second
            raise RefusedError(
                f"a second sink, on {brief.host}, while the one on {self.peer.state.brief.host} lives: stop one"
            )
        if isinstance(said, SinkState):
            state = said
        elif self.peer:
            state = replace(self.peer.state, brief=said)
        else:
            return  # its whole state comes within half a second
        if self.peer is None:
            log.info("the sink joins, images go to %s", brief.images)
            for leases in self._jobs.leases.values():
                leases.sink_restarted(now)
        self._departed.is_back(state.status.identity)
        self.peer = SinkPeer(route, state, now, seen_from_workers(brief.images, host))
        for stored in brief.runs:
            self._hear_of_run(stored, now)
        if self._jobs.untold_failures():  # the next of them
            self.order()

    def check(self, now: float, dead_after: float) -> None:
        """Forget a sink that has not spoken for so many seconds."""
        if self.peer and now - self.peer.heard > dead_after:
            log.warning("the sink is silent: no slices are sent until it is back")
            self._departed.went(self.peer.state.status, "died")
            self.peer = None

    def order(self) -> None:
        """Send the sink the runs under way, and the slices that will not come."""
        if self.peer:
            plans = tuple(active.plan for active in self._jobs.active.values())
            again = tuple(ReadAgain(*key, found) for key, found in self._supply.read_again.items())
            failed, followed = self._jobs.untold_failures(), self._followers.followed(self._jobs.active)
            self._tell(self.peer.route, SinkOrders(plans, failed, again, self._tickets, followed))

    def _hear_of_run(self, said: RunStored, now: float) -> None:
        """Take what the sink has of a run."""
        active = self._jobs.active.get(said.run)
        if active is None:
            return
        if said.goes_on_as:
            log.info("%s goes on as run %s, as the directory knows it", active.plan.name, said.goes_on_as)
            self._jobs.go_on_as(said.run, said.goes_on_as)
            self.order()
            return
        self._jobs.sink_says(said, self._max_attempts, now)
        self._supply.compare()
        if reason := active.refused or active.given_up:
            self._supply.end(active, reason)
        elif active.over(said):
            self._supply.end(active)
