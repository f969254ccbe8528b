"""What of a stream is put into the ring of cut slices: what came and is not stored soon, the oldest first.

The integrations of a spool are there for minutes; what is cut of them is small, and may wait for an hour.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from math import inf

from fip.data.errors import LeftTheRingError
from fip.data.names import RunId, SliceId
from fip.data.ranges import added, without
from fip.source.requests import Cut
from fip.ventilator.active_run import ActiveRun
from fip.ventilator.jobs import Jobs
from fip.ventilator.ring import Ring
from fip.wire.messages import STATE_INTERVAL

log = logging.getLogger("fip.ventilator")

AFTER = 2.0  # s from when a slice came until it is put there, if it is not stored
PUT_OFF = 60.0  # s until a slice that could not be cut is tried again
CutIt = Callable[[SliceId, Callable[[Future[Cut]], None]], None]


class Keeping:
    """What is on its way into the ring."""

    def __init__(
        self, ring: Ring, jobs: Jobs, cut: CutIt, left: Callable[[SliceId, str], None], done: Callable[[], None]
    ) -> None:
        """`cut` has a slice cut, `left` is called for one that cannot be any more, with why, and then `done`, as when
        something was put there."""
        self._ring, self._jobs, self._cut, self._left, self._done = ring, jobs, cut, left, done
        self.busy: set[SliceId] = set()
        """Slices that are being cut for it, or written."""
        self._put_off: dict[SliceId, float] = {}  # monotonic s, until when
        self._seen: set[RunId] = set()  # runs that are or were under way
        self._swept = -inf  # monotonic s

    def go_on(self, read: Mapping[SliceId, Cut], reading: Collection[SliceId], most: int, alone: bool) -> None:
        """Put into the ring what can be now, at most so many at a time.

        What is `read` already is not cut again; what is being read is left alone. `alone` is whether there is no sink.
        """
        now = time.monotonic()
        if now - self._swept >= STATE_INTERVAL:
            self._swept = now
            self._sweep()
        for key in self._wanted(now, reading, alone):
            if len(self.busy) >= most or not self._ring.takes:
                return
            self.busy.add(key)
            if key in read:
                self._ring.put(key, read[key], partial(self._was_put, key))
            else:
                self._cut(key, partial(self._was_cut, key))

    def _wanted(self, now: float, reading: Collection[SliceId], alone: bool) -> Iterator[SliceId]:
        for run, active in self._jobs.active.items():
            if not active.passes:
                continue
            for index in active.unsafe():
                due, key = active.pace.due(index), SliceId(run, index)
                if self._ring.holds(key):  # `kept` is as of the last sweep
                    continue
                found = active.leases and index < active.found  # it may have come long ago
                if due is None or (now - due < AFTER and not found):
                    break
                out = active.leases and index in active.leases.leased
                soon = out and not alone and active.leases and not active.leases.is_out_for_long(index, now)
                if not soon and key not in self.busy and key not in reading and self._put_off.get(key, now) <= now:
                    yield key

    def _was_cut(self, key: SliceId, future: Future[Cut]) -> None:
        error, active = future.exception(), self._jobs.active.get(key.run)
        if error is None and active:
            self._ring.put(key, future.result(), partial(self._was_put, key))
            return
        self.busy.discard(key)
        if isinstance(error, LeftTheRingError):
            self._put_off[key] = inf
            self._left(key, str(error))
        elif error and active:  # if it is needed, its failure is reported when it is cut to be sent
            self._put_off[key] = time.monotonic() + PUT_OFF
        self._done()

    def _was_put(self, key: SliceId) -> None:
        self.busy.discard(key)
        if active := self._jobs.active.get(key.run):
            active.kept = self._ring.held(key.run)
        self._done()

    def _sweep(self) -> None:
        """Remove what is stored or failed, or of a run that is over."""
        self._seen |= self._jobs.active.keys()
        self._ring.needed = any(active.passes for active in self._jobs.active.values())
        for run in self._ring.runs:
            active = self._jobs.active.get(run)
            if active:
                self._sweep_run(run, active)
            elif run in self._seen or not self._jobs.opens:  # else it may be one that is opened yet
                self._ring.drop_run(run)
        self._put_off = {key: until for key, until in self._put_off.items() if key.run in self._jobs.active}
        for run, active in self._jobs.active.items():
            active.kept = self._ring.held(run)

    def _sweep_run(self, run: RunId, active: ActiveRun) -> None:
        if not active.leases:
            return
        held = self._ring.held(run)
        self._ring.drop(run, added(held, without(held, active.leases.stored)))
        self._ring.drop(run, active.leases.failed)
