"""Sends slices that are read to workers that are free for them, each when it is due."""

import logging
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

from fip.data.names import SliceId
from fip.data.needs import codes
from fip.runtime.service import Loop
from fip.runtime.vitals import Vitals
from fip.ventilator.jobs import Jobs
from fip.ventilator.lanes import Lanes
from fip.ventilator.leases import Leases
from fip.ventilator.supply import Supply
from fip.wire.batches import next_together, together
from fip.wire.codec import Frame, size, with_attempt, with_ticket
from fip.wire.tickets import ticket

log = logging.getLogger("fip.ventilator")


class _Going(NamedTuple):
    """A slice on its way to a worker."""

    key: SliceId
    leases: Leases
    frames: Sequence[Frame]
    nbytes: int
    again: bool  # whether it was sent before

    @property
    def weight(self) -> float:
        """Return the slice's bytes; infinite if it was sent before, so that it goes alone and harms no others."""
        return inf if self.again else self.nbytes


class Sending:
    """What is read goes out by the lanes, and is leased from then on."""

    def __init__(
        self,
        loop: Loop,
        jobs: Jobs,
        supply: Supply,
        lanes: Lanes,
        vitals: Vitals,
        tickets: bytes,
        pump: Callable[[], None],
    ) -> None:
        """`pump` is called when the next slice is due, or a lane has room again; `tickets` is their secret."""
        self._loop, self._jobs, self._supply, self._lanes = loop, jobs, supply, lanes
        self._vitals, self._tickets, self._pump = vitals, tickets, pump
        self.waits = False
        """Whether a slice that is read waits for its time, and not for a worker."""

    def send(self, checked: bool) -> None:
        """Send all that can be sent now; `checked` if the sink knows by its key who brings an image."""
        now = time.monotonic()
        going: dict[str, list[_Going]] = {}  # by worker
        for key in self._supply.ready():
            active = self._jobs.active[key.run]
            active.pace.start(key.slice, now)
            due = active.pace.due(key.slice)
            if due is not None and due > now:
                if not self.waits:  # one such call is under way at a time
                    self.waits = True
                    self._loop.at(due, self._on_due)
                continue  # the backlog is due
            asked = active.plan.asked
            worker = self._lanes.free(asked, self._pump)
            if worker is None and any(codes(asked.imaging)):
                continue  # others may do for the next
            if worker is None or active.leases is None:
                break
            frames, attempt = self._supply.read[key].frames, active.leases.next_attempt(key.slice)
            if attempt > 1:
                frames = with_attempt(frames, attempt)
            frames = with_ticket(frames, self._ticket(key, worker, checked))
            again = attempt > active.attempts_before + 1
            going.setdefault(worker, []).append(_Going(key, active.leases, frames, size(frames), again))
            self._jobs.loads.add(worker, 1)  # until it is leased
        for worker, slices in going.items():
            self._jobs.loads.add(worker, -len(slices))
            self._send_to(worker, slices, now)

    def _send_to(self, worker: str, slices: Sequence[_Going], now: float) -> None:
        """Send slices to a worker, in as few messages as possible; those that its lane does not take stay here."""
        while slices:
            number = next_together(each.weight for each in slices)
            message, slices = slices[:number], slices[number:]
            if not self._lanes.send(worker, together([each.frames for each in message])):
                return
            for key, leases, _, nbytes, _ in message:
                leases.lease(key.slice, worker, now, nbytes)
                log.debug("slice %d of run %s goes to %s", key.slice, key.run, worker)
                del self._supply.read[key]
                self._vitals.counters["bytes_out"] += nbytes
            self._vitals.counters["slices"] += len(message)

    def _ticket(self, key: SliceId, worker: str, checked: bool) -> bytes:
        """Return the ticket by which a worker shows the sink that a slice is leased to it."""
        return ticket(self._tickets, key.run, key.slice, worker, self._lanes.peers[worker].key if checked else "")

    def _on_due(self) -> None:
        """Send again: the next slice is due."""
        self.waits = False
        self._pump()
