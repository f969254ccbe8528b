"""What sends alerts while a detector runs: a thread that heeds people's words, and one for each target.

One process at a time sends those of a directory: it has the lock of the folder for that, and others leave it alone.
"""

import fcntl
import logging
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread

from fip.alerts import ways
from fip.alerts.outbox import OUTBOX, Outbox
from fip.alerts.sender import HOUR, Carrier, Clock, Post, now
from fip.alerts.taking_back import heed, labels_of
from fip.archive.stamps import stamp_of_database
from fip.config import AlertTarget
from fip.data.errors import FipError
from fip.events.vetting import stamp_of

log = logging.getLogger("fip.alerts")

LOCK = "alerts.lock"
LOOK_EVERY = 1.0  # s between two looks at outboxes
FIND_EVERY = 10.0  # s between two looks for those that others have made


class Turn:
    """The right to send what is due in a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the right. BlockingIOError if another process has it, OSError if the folder cannot be written."""
        self._descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Release it, so that another process can have it."""
        os.close(self._descriptor)


class Office:
    """Sends what is due in the outboxes below a directory, until the process ends."""

    def __init__(self, targets: Mapping[str, AlertTarget], root: Path, beside: str, clock: Clock = now) -> None:
        """`root` holds images, or folders of them; the outboxes are in their folders `beside`."""
        self._targets, self._root, self._beside, self._clock = targets, root, beside, clock
        self._turns: dict[Path, tuple[Turn, Outbox]] = {}
        self._stamps: dict[Path, object] = {}
        self._known: set[Path] = set()
        self._found = float("-inf")
        self._live: tuple[Path, ...] = ()
        self._changed = Event()
        self._wakes = {name: Event() for name in targets}

    def start(self) -> None:
        """Start the threads that look for alerts and send them."""
        Thread(target=self._heed, name="alerts", daemon=True).start()
        for name, target in self._targets.items():
            Thread(target=self._carry, args=(name, target), name=f"alerts to {name}", daemon=True).start()

    def entered(self) -> None:
        """Called from any thread after something was entered: it is looked at now."""
        self._changed.set()

    def _heed(self) -> None:
        while True:
            self._look()
            for wake in self._wakes.values():
                wake.set()
            self._changed.wait(LOOK_EVERY)
            self._changed.clear()

    def _carry(self, name: str, target: AlertTarget) -> None:
        carrier = Carrier(name, target, self._clock)
        while True:
            if wait := carrier.carry(self._live):
                self._wakes[name].wait(wait)
                self._wakes[name].clear()

    def _look(self) -> None:
        """Find what there is to do, and heed people's words."""
        if time.monotonic() - self._found >= FIND_EVERY or self._changed.is_set():
            self._known |= set(self._outboxes())
            self._found = time.monotonic()
        live = []
        for folder in sorted(self._known):
            with suppress(FipError, OSError):  # it is tried again soon
                if self._is_live(folder):
                    live.append(folder)
        self._live = tuple(live)

    def _outboxes(self) -> Sequence[Path]:
        return [path.parent for pattern in (".", "*") for path in self._root.glob(f"{pattern}/{self._beside}/{OUTBOX}")]

    def _is_live(self, folder: Path) -> bool:
        """Whether there may be something to send in a folder, whose turn it is then."""
        if folder not in self._turns:
            stamp = _stamp(folder)
            if stamp == self._stamps.get(folder):
                return False
            turn = Turn(folder)
            try:
                self._turns[folder] = turn, Outbox(folder)
            except FipError:
                turn.close()
                raise
        turn, box = self._turns[folder]
        at = self._clock()
        heed(box, labels_of(folder), at)
        if not box.is_idle(at - HOUR):
            return True
        del self._turns[folder]
        box.close()
        turn.close()
        self._stamps[folder] = _stamp(folder)
        return False


def _stamp(folder: Path) -> object:
    """What tells that an outbox, or what people say, has changed."""
    return stamp_of_database(folder / OUTBOX), stamp_of(folder)


def deliver(
    folder: Path, targets: Mapping[str, AlertTarget], within: float, clock: Clock = now, send: Post = ways.send
) -> bool:
    """Send what is due in a folder now, for so many s at most; False if another process does that. Raises FipError."""
    try:
        turn = Turn(folder)
    except BlockingIOError:
        return False
    until = time.monotonic() + within

    def carry(name: str, target: AlertTarget) -> None:
        with closing(Outbox(folder)) as box, closing(Carrier(name, target, clock, send)) as carrier:
            while (left := until - time.monotonic()) > 0:
                wait = carrier.carry([folder])
                if wait and not _more(box, name, clock() + left):
                    break
                time.sleep(min(wait, left, 0.2))

    with closing(turn):
        with closing(Outbox(folder)) as box:
            heed(box, labels_of(folder), clock())
        with ThreadPoolExecutor(max(1, len(targets))) as pool:  # a target holds up no other
            for done in [pool.submit(carry, *each) for each in targets.items()]:
                done.result()
    return True


def _more(box: Outbox, name: str, until: float) -> bool:
    """Whether something may be sent to a target before then."""
    soonest = box.soonest(name)
    return box.hold() is None and soonest is not None and soonest <= until
