"""The receivers that live. They need nothing of the ventilator; it hears from them that a spool has grown."""

import logging
from dataclasses import dataclass, replace

from fip.data.errors import RefusedError
from fip.ventilator.peers import Departed, StartsAgain
from fip.wire.receiving import ReceiverBrief, ReceiverState

log = logging.getLogger("fip.ventilator")

MOST = 64  # that are known at a time


@dataclass
class _Receiver:
    route: bytes
    state: ReceiverState
    heard: float  # monotonic s

    @property
    def spool(self) -> str:
        return self.state.brief.spool


class Receivers:
    """The receivers by their boots: two on one host may have one name. One spool belongs to one receiver."""

    def __init__(self, departed: Departed, starts_again: StartsAgain) -> None:
        self._departed, self._starts_again = departed, starts_again
        self._known: dict[str, _Receiver] = {}

    def hear(self, route: bytes, said: ReceiverBrief | ReceiverState, now: float) -> str:
        """Take a receiver's message; return the path of the spool that has changed, "" if none has.

        RefusedError of a second one on a spool.
        """
        brief = said.brief if isinstance(said, ReceiverState) else said
        known = self._known.get(brief.boot)
        if known is None:
            self._take_place(brief, said.status.identity if isinstance(said, ReceiverState) else "")
        if isinstance(said, ReceiverState):
            if said.leaving:
                self._lose(brief.boot, "left", said)
                return brief.spool
            if known is None:
                log.info("a receiver joins on %s, spool %s", brief.host, brief.spool or "not known yet")
            self._departed.is_back(said.status.identity)
            self._known[brief.boot] = _Receiver(route, said, now)
        elif known:
            self._known[brief.boot] = _Receiver(route, replace(known.state, brief=brief), now)
        before = known.state.brief if known else None
        return "" if before and _of_the_spool(before) == _of_the_spool(brief) else brief.spool

    def check(self, now: float, dead_after: float) -> None:
        """Forget receivers that have not spoken for so many seconds."""
        for boot in [boot for boot, each in self._known.items() if now - each.heard > dead_after]:
            log.warning("the receiver on %s is silent", self._known[boot].state.brief.host)
            self._lose(boot, "died")

    @property
    def states(self) -> tuple[ReceiverState, ...]:
        """Return the last state of each receiver, by spool."""
        known = sorted(self._known.values(), key=lambda each: (each.spool, each.state.brief.host))
        return tuple(each.state for each in known)

    @property
    def heard(self) -> dict[str, float]:
        """Return when each was heard last, monotonic s, by its boot."""
        return {boot: each.heard for boot, each in self._known.items()}

    def _take_place(self, brief: ReceiverBrief, identity: str) -> None:
        """Give a new receiver its place: forget one of its name, or with its spool, if that is gone."""
        for boot, each in list(self._known.items()):
            same = bool(brief.spool) and each.spool == brief.spool
            if not same and each.state.status.identity != identity:
                continue
            if self._starts_again(each.route, boot, brief.boot):
                log.info("the receiver of %s was started again", each.spool or identity)
                del self._known[boot]
            elif same:
                raise RefusedError(
                    f"a second receiver of {brief.spool}, on {brief.host}, while the one on "
                    f"{each.state.brief.host} lives: stop one"
                )
        if len(self._known) >= MOST:
            raise RefusedError(f"a receiver on {brief.host}, while {MOST} are known: stop one")

    def _lose(self, boot: str, how: str, last: ReceiverState | None = None) -> None:
        known = self._known.pop(boot, None)
        if state := last or (known.state if known else None):
            self._departed.went(state.status, how)


def _of_the_spool(brief: ReceiverBrief) -> tuple[str, int, bool]:
    """Return what a run of the spool depends on."""
    return brief.spool, brief.committed, brief.ended
