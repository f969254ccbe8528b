"""A run under way, and its images in the sink."""

import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf

from fip.archive.ledger import Ledger
from fip.data.complete import COMPLETE, NO_SLICES
from fip.data.fingerprints import Comparing, to_compare
from fip.data.quantities import UNIX_EPOCH
from fip.data.ranges import add, contains
from fip.data.ranges import of as ranges_of
from fip.data.values import ImageFile
from fip.sink.store import Store
from fip.wire.messages import Failure, RunPlan, RunStored

log = logging.getLogger("fip.sink")

LAST_MINUTE = 60.0  # s
COMPARED_AT_ONCE = 16  # slices that the ventilator is asked to read again


@dataclass
class OpenRun:
    """A run under way, and what is stored of it."""

    plan: RunPlan
    store: Store | None  # None if the run is refused, or goes on under another id
    said: RunStored  # what the ventilator hears of it
    comparing: Comparing | None = None  # what is stored, with the data as they are now, before the run goes on
    followers: set[str] = field(default_factory=set)  # those that the ledger knows of
    _shares: deque[tuple[float, float]] = field(default_factory=deque)  # when each was stored, and how much was there
    _sum: float = 0.0  # of these shares: with a hundred images a second there are thousands

    def knows(self, index: int) -> bool:
        """Return whether it has this slice, as far as the ventilator has said."""
        return 0 <= index < self.plan.total

    def was_stored(self, image: ImageFile) -> None:
        """Note that an image of the run was stored."""
        complete, (share, _) = self.said.complete, image.numbers.get(COMPLETE, (None, ""))
        if share is not None:
            share = min(1.0, max(0.0, share))
            complete = (complete or NO_SLICES).with_one(share)
            self._shares.append((time.monotonic(), share))
            self._sum += share
        newest = max(image.times.end - UNIX_EPOCH, -inf if self.said.newest is None else self.said.newest)
        self.said = replace(
            self.said, stored=add(self.said.stored, image.index), complete=complete, newest=newest,
        )  # fmt: skip

    def now_said(self, now: float) -> RunStored:
        """Return what the ventilator hears at a time, monotonic s; of the last minute nothing if it stored no image."""
        while self._shares and self._shares[0][0] < now - LAST_MINUTE:
            self._sum -= self._shares.popleft()[1]
        number = len(self._shares)
        self._sum = self._sum if number else 0.0  # without what rounding has left there
        return replace(self.said, lately=min(1.0, max(0.0, self._sum / number)) if number else None)

    def unknown(self, failures: Iterable[Failure]) -> list[Failure]:
        """Return, of failures, the last of each slice that is neither stored nor known to have failed."""
        known = self.said.stored, self.said.failed
        new = {each.index: each for each in failures if each.index < self.plan.total}
        return [each for index, each in new.items() if not any(contains(part, index) for part in known)]

    def have_failed(self, failures: Iterable[Failure]) -> None:
        """Note that these slices will not come, as the ledger has it."""
        failed = self.said.failed
        for failure in failures:
            failed = add(failed, failure.index)
        self.said = replace(self.said, failed=failed)

    def begin_comparing(self, store: Store) -> None:
        """Compare what is stored with the data before the run goes on, if the files of the data were written since."""
        plan, known = self.plan, store.ledger.data
        if known.hints(plan.run) != plan.hints:
            log.info("%s: its files were written since: what is stored is compared with the data", plan.name)
            indices = to_compare(plan.run, self.said.stored, grows=not plan.final)
            self.comparing = Comparing(known.fingerprints(plan.run), indices)
            self.go_on_comparing(store)

    def go_on_comparing(self, store: Store) -> None:
        """Ask for the next slices; once none is left, let the run go on, or refuse it. Raises NoRoomError."""
        if self.comparing is None:
            return
        if self.comparing.left:
            self.said = replace(self.said, compare=ranges_of(self.comparing.next(COMPARED_AT_ONCE)))
            return
        result = self.comparing.result
        refused = result.refusal(str(store.directory), self.plan.name)
        if not refused:
            store.ledger.data.set_hints(self.plan.run, self.plan.hints)
        for note in (refused,) if refused else result.notes:
            log.warning("%s: %s", self.plan.name, note)
        self.comparing, self.store = None, None if refused else store
        self.said = replace(self.said, refused=refused, compare=())


def held(ledger: Ledger, plan: RunPlan) -> RunStored:
    """Return what a ledger has of a run; slices that failed before are tried again."""
    run, newest = plan.run, ledger.newest(plan.run)
    return RunStored(
        run, ledger.stored(run), (), "", plan.final, backlog=ledger.backlogs.of(run), complete=ledger.complete(run),
        newest=None if newest is None else newest - UNIX_EPOCH,
    )  # fmt: skip
