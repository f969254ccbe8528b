"""What was received at the time of an event, as a spool in its folder: links to files that the ring is to drop."""

import logging
import math
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from fip.archive.ledger import Ledger
from fip.data.errors import FipError
from fip.events.words import Found
from fip.spool.aside import set_aside
from fip.spool.layout import is_spool
from fip.spool.reading import Spool

log = logging.getLogger("fip.events")

RAW = "raw.live"
"""The spool, in the folder of an event."""

MARGIN = 10  # integrations kept before an event and after it; if the event is longer, as many as it has
LONGEST = 1000  # integrations that an event is taken to last at the most
EVERY = 2.0  # s from one look at an event to the next
UNIX = 40587 * 86400.0  # s since MJD 0


class Raw:
    """Sets integrations aside for events, as long as the ring has them."""

    def __init__(self, directory: Path, folder: Path) -> None:
        """`directory` has the ledger, `folder` the folders of events."""
        self._directory, self._folder = directory, folder
        self._spools: dict[str, Spool | None] = {}  # by run; None if it was imaged from anything else
        self._done = set[str]()  # events for which no more integrations will come
        self._looked: dict[str, float] = {}  # monotonic s, by event
        self._warned = set[str]()

    def keep(self, events: Iterable[Found], last: bool = False) -> None:
        """Link what has come of them by now. What cannot be linked is reported once for each, and does no other harm.

        `last`: nobody will look again.
        """
        now = time.monotonic()
        for each in events:
            if each.id in self._done or (now < self._looked.get(each.id, -math.inf) + EVERY and not last):
                continue
            self._looked[each.id] = now
            try:
                if (spool := self._spool(each.series.run)) is not None:
                    self._keep(each, spool)
            except FipError as error:
                if each.id not in self._warned:
                    log.warning("event %s: its raw data are not set aside: %s", each.id, error)
                self._warned.add(each.id)

    def close(self) -> None:
        """Close all spools that are open."""
        for each in filter(None, self._spools.values()):
            each.close()
        self._spools.clear()

    def _keep(self, found: Found, spool: Spool) -> None:
        aside = set_aside(spool, self._folder / found.id / RAW, *window(found, spool.setup.cadence))
        if found.event.closed and aside.final:
            self._done.add(found.id)
            log.info("event %s: %d integrations are set aside, %d are gone", found.id, aside.integrations, aside.gone)

    def _spool(self, run: str) -> Spool | None:
        if run not in self._spools:
            with closing(Ledger(self._directory, read_only=True)) as ledger:
                path = next((Path(each.measurement_set) for each in ledger.runs() if each.run == run), None)
            self._spools[run] = Spool(path) if path is not None and is_spool(path) else None
        return self._spools[run]


def window(found: Found, cadence: float) -> tuple[float, float]:
    """The time of an event with what is before and after it, s UTC, Unix."""
    lasting = min(found.end - found.begin, LONGEST * cadence)
    margin = max(lasting, MARGIN * cadence)
    return found.begin - margin - UNIX, found.begin + lasting + margin - UNIX
