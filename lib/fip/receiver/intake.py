"""Between the threads: a stream's puts parts in, the disk's takes what is closed. Nobody here waits for the disk."""

import logging
import threading
from collections import Counter
from typing import Literal

from fip.receiver.assembling import Assembly, Closed
from fip.receiver.integration import Integration
from fip.receiver.part import Part

log = logging.getLogger("fip.receiver")

REASONS = 32  # that packets are refused for; others are counted as one
OTHERS = "another reason"


class Intake:
    """The receiver of a stream's parts (`fip.receiver.part.Heard`)."""

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._ended = self._over = False
        self._ends_at: int | None = None  # the newest integration when the stream said that no more comes
        self.bytes_in = 0  # of visibilities
        self.refused = Counter[str]()  # packets, by the reason

    def put(self, part: Part) -> None:
        """Take a part, and put it into its integration."""
        with self._lock:
            self.bytes_in += part.visibility.nbytes
            self._assembly.put(part)
            if self._assembly.closed:
                self._more.notify()

    def refuse(self, why: str, count: int = 1, found: str = "") -> None:
        """Count so many packets that were not believed."""
        with self._lock:
            known = why if why in self.refused or len(self.refused) < REASONS else OTHERS
            new = known not in self.refused
            self.refused[known] += count
        if new:
            example = f" ({found})" if found else ""
            log.warning("a packet is not believed: %s%s; others like it are only counted", known, example)

    def end(self) -> None:
        """Note that the stream has said that no more comes."""
        with self._lock:
            newest = self._assembly.newest
            self._ends_at = newest.dump if newest else -1

    def look(self, quiet: float) -> bool:
        """Close what is due, and all of it if the stream has ended; return whether it has: it said so, and is silent
        for so many seconds. Anyone who reaches the port may say that, so it is not believed while the stream goes on.
        """
        with self._lock:
            self._assembly.look()
            newest = self._assembly.newest
            if self._ends_at is not None and newest and self._ends_at >= 0 and newest.dump > self._ends_at + 1:
                self._ends_at = None
                log.warning("the stream said that no more comes, and goes on")
            ended = self._ends_at is not None and self._assembly.silent >= quiet
            if ended:
                self._end()
            if self._assembly.closed or self._ended:
                self._more.notify()
            return ended

    def finish(self, by_itself: bool = False) -> None:
        """Close what was begun, as no more is put; once that is taken, `take` says that it was all.

        A stream that said its end and then stopped `by_itself` has ended; one that was stopped may go on when it is
        heard again.
        """
        with self._lock:
            if by_itself and self._ends_at is not None:
                self._end()
            self._assembly.finish()
            self._over = True
            self._more.notify()

    def _end(self) -> None:
        self._ends_at, self._ended = None, True
        self._assembly.finish()

    def take(self) -> Closed | Literal["ended"] | None:
        """Wait for the next closed integration, in order, or the end of the stream; return None if none is put."""
        with self._lock:
            while not (self._assembly.closed or self._ended or self._over):
                self._more.wait()
            if self._assembly.closed:
                return self._assembly.closed.popleft()
            ended, self._ended = self._ended, False
            return "ended" if ended else None

    def give_back(self, integration: Integration) -> None:
        """Use the memory of an integration that is written again."""
        with self._lock:
            self._assembly.give_back(integration)

    def counts(self) -> dict[str, int]:
        """Return the counts of packets that were not taken, by reason ("junk": refused), and of bytes."""
        with self._lock:
            return {**self._assembly.counters, "junk": sum(self.refused.values()), "bytes_in": self.bytes_in}

    def queues(self) -> dict[str, int]:
        """Return the number of integrations that have begun, and of those that wait for the disk."""
        with self._lock:
            return {"begun": self._assembly.begun, "waiting": len(self._assembly.closed)}

    @property
    def newest(self) -> tuple[int, float] | None:
        """Return (dump, time in s UTC, Unix) of the newest that has begun; None before the first."""
        with self._lock:
            newest = self._assembly.newest
            return (newest.dump, newest.time) if newest else None

    @property
    def silent(self) -> float:
        """Return seconds without a part that fits."""
        with self._lock:
            return self._assembly.silent
