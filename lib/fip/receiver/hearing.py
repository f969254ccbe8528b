"""A stream that is open, its spool, and the two threads between them: one hears, the other writes."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from fip.config import Receiver
from fip.data.errors import ConfigError
from fip.receiver.assembling import Assembly
from fip.receiver.intake import Intake
from fip.receiver.lately import MINUTE, Lately
from fip.receiver.part import Buffers, Stream
from fip.receiver.storing import Stored, Storing, left_off_at
from fip.receiver.worries import Signs
from fip.runtime.service import Loop
from fip.spool.layout import file_size
from fip.spool.writing import SpoolWriter

log = logging.getLogger("fip.receiver")

LOOKS = 5  # within the grace


class Hearing:
    """A stream and its two threads, from their start to their end. All calls, in both directions, are in the loop."""

    def __init__(self, stream: Stream, config: Receiver, loop: Loop, stored: Callable[[Stored], None]) -> None:
        """`stored` is called after each integration.

        ConfigError or InputError if the spool cannot be written; OSError.
        """
        self.stream, self._config, self._loop = stream, config, loop
        check_memory(config.queue, file_size(stream.setup), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        self.spool = SpoolWriter(config.spool, stream.setup, config.keep)
        for each in [self.spool.begin(0, 0.0, 0) for _ in range(config.queue)]:  # all of it is there from the start
            self.spool.leave(each)
        now = time.monotonic()
        memory = partial(self.spool.begin, blank=False)
        last = left_off_at(self.spool, now, time.time())
        self._intake = Intake(Assembly(stream.setup, config.grace, config.queue, time.monotonic, memory, last))
        self._tell = stored
        self._storing = Storing(self.spool, self._intake, lambda each: loop.soon(partial(self._stored, each)))
        self.stored = self._storing.stored
        self._error: BaseException | None = None  # of the stream
        self._stopped = False
        self.over = False  # both threads have ended, and all that was heard is written
        self._shares = deque[tuple[float, float]]()  # of the last minute: when (monotonic s), and what share came
        self._buffers = stream.buffers
        self._before = self.stored.account
        self._lately = Lately(now, self.counts)
        self._newest: int | None = None
        self._age: float | None = None

    def start(self) -> None:
        """Hear and store from now on."""
        self._in_thread("hearing", partial(self.stream.listen, self._intake), self._heard_all)
        self._in_thread("storing", self._storing.run, self._stored_all)
        self._loop.every(min(0.05, self._config.grace / LOOKS), self._look)

    def stop(self) -> None:
        """Hear no more: what was begun is written, then all is over."""
        self._stopped = True
        self.stream.close()

    @property
    def counts(self) -> dict[str, int]:
        """Return what was counted since it was opened, by name."""
        account, before = self.stored.account, self._before
        return {
            **self._intake.counts(),
            "received": account.received - before.received,
            "lost": account.lost - before.lost,
            "dropped": account.dropped - before.dropped,
            "overflowed": sum(each.overflowed for each in self.buffers),
        }

    @property
    def buffers(self) -> tuple[Buffers, ...]:
        """Return the buffers of the stream's sockets; if it is closed, as they were last."""
        with suppress(OSError):
            self._buffers = self.stream.buffers
        return self._buffers

    @property
    def queues(self) -> dict[str, int]:
        """Return the number of integrations that have begun, and of those that wait for the disk."""
        return self._intake.queues()

    @property
    def silent(self) -> float:
        """Return seconds without anything that fits."""
        return self._intake.silent

    @property
    def samples(self) -> float | None:
        """Return the share of the samples of the last minute that came; None if there were none."""
        while self._shares and self._shares[0][0] < time.monotonic() - MINUTE:
            self._shares.popleft()
        return sum(share for _, share in self._shares) / len(self._shares) if self._shares else None

    def signs(self) -> Signs:
        """Return what an operator may have to know."""
        lately = self._lately.rise(time.monotonic(), self.counts)
        return Signs(
            buffers=self.buffers,
            overflowed=lately["overflowed"],
            age=self._age,
            ring=self.spool.room,
            dropped=lately["dropped"],
            stalled=self.stored.stalled,
            late=lately.get("late", 0),
            silent=self.silent >= min(MINUTE, 10 * self.stream.setup.cadence) and not lately["received"],
            unfit=lately.get("unfit", 0),
        )

    def _look(self) -> None:
        self._intake.look(quiet=self.stream.setup.cadence + self._config.grace)
        newest = self._intake.newest
        if newest and newest[0] != self._newest:
            if self._newest is not None or self.silent == 0.0:
                self._age = time.time() - newest[1] - self.stream.setup.cadence / 2
            self._newest = newest[0]

    def _stored(self, stored: Stored) -> None:
        self.stored = stored
        if stored.received is not None:
            self._shares.append((time.monotonic(), stored.received))
        self._tell(stored)

    def _heard_all(self, error: BaseException | None) -> None:
        """Take the end of hearing; if that is an error, write first what was heard."""
        self._error = error
        self._intake.finish(by_itself=error is None and not self._stopped)

    def _stored_all(self, error: BaseException | None) -> None:
        if failed := error or self._error:
            raise failed
        self._storing.close()
        self.spool.close()
        self.over = True

    def _in_thread(self, name: str, run: Callable[[], None], then: Callable[[BaseException | None], None]) -> None:
        """Run it in a thread, and then call `then` in the loop, with its error if there is one."""

        def call() -> None:
            error: BaseException | None = None
            try:
                run()
            except BaseException as caught:  # noqa: BLE001 the daemon ends with it, and is started again
                error = caught
            self._loop.soon(partial(then, error))

        threading.Thread(target=call, name=name, daemon=True).start()


def check_memory(queue: int, size: int, memory: int) -> None:
    """Raise ConfigError if so many integrations of `size` bytes would take more than half of a host's memory."""
    if queue * size > memory // 2:
        raise ConfigError(
            f"receiver.queue: {queue} integrations of {size} bytes are more than half of this host's memory, {memory} "
            "bytes: give fewer, or a set-up with fewer channels or products"
        )
