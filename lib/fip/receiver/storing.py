"""The thread that writes integrations to the spool, in order, and keeps the account."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from fip.data.errors import NoRoomError
from fip.receiver.account import Account, Kept
from fip.receiver.assembling import Closed
from fip.receiver.intake import Intake
from fip.receiver.sequence import Place
from fip.spool.layout import ENDED_FILE
from fip.spool.writing import SpoolWriter

log = logging.getLogger("fip.receiver")


@dataclass(frozen=True)
class Stored:
    """What a spool has; a new one after each integration."""

    account: Account
    committed: int
    oldest: int
    newest: float | None  # s UTC, Unix: the middle of the newest
    ended: bool = False
    stalled: str = ""  # why the last one could not be written
    received: float | None = None  # of the last one: the share of its samples that came; None if it was dropped
    seconds: float = 0.0  # that it took to write


def left_off_at(spool: SpoolWriter, monotonic: float, now: float) -> Place | None:
    """Return the stream's place when the newest integration of a spool was committed; `now` is s UTC, Unix."""
    if spool.last is None:
        return None
    ago = max(0.0, now - float(spool.last["arrived"][0]))
    return Place(int(spool.last["dump"][0]), float(spool.last["time"][0]), monotonic - ago)


class Storing:
    """The work of the thread: `run`."""

    def __init__(self, spool: SpoolWriter, intake: Intake, tell: Callable[[Stored], None]) -> None:
        """`tell` is called in the thread after each integration."""
        self._spool, self._intake, self._tell = spool, intake, tell
        self._kept = Kept(spool)
        ended = (spool.path / ENDED_FILE).exists()
        self.stored = Stored(self._kept.account, spool.committed, spool.oldest, _newest(spool), ended)

    def run(self) -> None:
        """Write until no more comes."""
        while (closed := self._intake.take()) is not None:
            self.stored = self._ended() if closed == "ended" else self._after(closed)
            self._tell(self.stored)

    def close(self) -> None:
        """Close what it has open."""
        self._kept.close()

    def _ended(self) -> Stored:
        try:
            self._spool.end()
        except OSError as error:
            log.error("%s: that the stream has ended cannot be written: %s", self._spool.path, error.strerror)
            return replace(self.stored, stalled=f"{self._spool.path}: {error.strerror}")
        log.info("the stream has ended: %s has %d integrations", self._spool.path, self._spool.committed)
        return replace(self.stored, ended=True, received=None)

    def _after(self, closed: Closed) -> Stored:
        began = time.monotonic()
        received, stalled = None, ""
        if closed.integration:
            opened = closed.integration.conclude()
            share = closed.integration.received
            try:
                self._spool.commit(opened, share)
                received = share
            except (NoRoomError, ValueError, OSError) as error:
                stalled = str(error)
            self._intake.give_back(closed.integration)
        if stalled and not self.stored.stalled:
            log.error("%s; it is dropped", stalled)
        elif not closed.integration:
            log.warning("dump %d is dropped: the disk is slower than the stream", closed.dump)
        return Stored(
            self._kept.add(closed.dump, received is not None),
            self._spool.committed, self._spool.oldest, _newest(self._spool),
            ended=False, stalled=stalled, received=received, seconds=time.monotonic() - began,
        )  # fmt: skip


def _newest(spool: SpoolWriter) -> float | None:
    return None if spool.last is None else float(spool.last["time"][0])
