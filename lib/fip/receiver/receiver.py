"""The receiver's state machine: a stream in, a spool out, and messages to the ventilator about what there is."""

import logging
import threading
import time
from concurrent.futures import Future, wait
from uuid import uuid4

from fip.config import Config, Loaded
from fip.config import Receiver as Settings
from fip.data.errors import ConfigError, InputError
from fip.receiver.hearing import Hearing
from fip.receiver.lately import Said
from fip.receiver.part import OpenStream, Stream
from fip.receiver.status_line import receiver_line
from fip.receiver.storing import Stored
from fip.receiver.worries import worries
from fip.runtime.control_link import Link
from fip.runtime.gate import Gate
from fip.runtime.kept_sockets import let_others_go
from fip.runtime.logs import set_level
from fip.runtime.service import Daemon, Loop
from fip.runtime.sockets import host_name
from fip.runtime.vitals import Vitals
from fip.wire.messages import Control
from fip.wire.receiving import ReceiverBrief, ReceiverState

log = logging.getLogger("fip.receiver")

AT_ONCE = 1.0  # s in which a stream is open, unless it has to be asked what it is
WARNS = 16  # that are reported
COUNTERS = (
    *("received", "lost", "dropped", "late", "again", "too_many", "unfit", "junk", "overflowed", "bytes_in"),
    *("bad_messages",),
)


class Receiver(Daemon):
    """A stream that is heard, and its spool. It needs nothing of the ventilator."""

    restarts = ("receiver", "security", "ventilator.control")
    reloads = ("receiver.log_level",)

    def __init__(self, loaded: Loaded, loop: Loop, open_stream: OpenStream) -> None:
        """`open_stream` opens what the configuration asks for; it may wait for long, for example for a set-up."""
        self._config, self._loop, self._open_stream = loaded.config.receiver, loop, open_stream
        self._ventilator = loaded.config.ventilator.control
        self._host, self._boot = host_name(), uuid4().hex
        self._hearing: Hearing | None = None
        self._draining = self._leaving = False
        self._said = Said()
        self._vitals = Vitals(loop, "receiver", self._host, "receiver", COUNTERS, disk=self._config.spool)
        self._gate = Gate(loop, loaded.config.security, "receiver", self._vitals)
        self.reload(loaded.config)

    def start(self) -> None:
        """Open the stream. ConfigError if it cannot be heard, or its spool not written, and that is known at once."""
        self._link = Link(self._loop, self._gate, self._vitals, self._ventilator, _hear, self._state, self._brief)
        opening = Future[Stream]()
        threading.Thread(target=_open, args=(opening, self._open_stream, self._config), daemon=True).start()
        wait([opening], AT_ONCE)
        if opening.done():
            self._opened(opening)
        else:
            opening.add_done_callback(lambda done: self._loop.soon(lambda: self._opened(done)))

    def drain(self) -> None:
        """Hear no more, and write what was begun."""
        self._draining = True
        if self._hearing:
            self._hearing.stop()

    @property
    def finished(self) -> bool:
        """Return whether no more is heard, and all that was is written."""
        return self._hearing.over if self._hearing else self._draining

    def close(self) -> None:
        """Say good-bye to the ventilator."""
        self._leaving = True
        self._link.leave()

    def reload(self, config: Config) -> None:
        """Take the list of allowed keys and the log level from the new configuration."""
        self._gate.reload()
        set_level(config.receiver.log_level)

    @property
    def line(self) -> str:
        """Return what it does, for an operator."""
        where = f"{self._config.format} at {', '.join(self._config.listen)}".removesuffix(" at ")
        return receiver_line(self._state(), where, self._hearing.silent if self._hearing else 0.0)

    def _opened(self, future: "Future[Stream]") -> None:
        try:
            stream = future.result()
            self._hearing = Hearing(stream, self._config, self._loop, self._stored)
        except InputError as error:  # to start again does not mend it
            raise ConfigError(str(error)) from None
        except OSError as error:
            where = error.filename or self._config.spool
            raise ConfigError(f"receiver.spool: {where}: {error.strerror}; give a folder that may be written") from None
        let_others_go()  # sockets of addresses that the configuration no longer has
        spool = self._hearing.spool
        log.info("hearing %s; its integrations go to %s, which has %d", stream.setup.name, spool.path, spool.committed)
        self._hearing.start()
        if self._draining:
            self._hearing.stop()

    def _stored(self, stored: Stored) -> None:
        """Send the state at once to whoever images: an integration was written, or could not be."""
        self._vitals.took("store", stored.seconds)
        self._link.changed(waited_for=True)

    def _state(self) -> ReceiverState:
        hearing = self._hearing
        for name, count in hearing.counts.items() if hearing else ():
            self._vitals.counters[name] = count
        stalled = hearing.stored.stalled if hearing else ""
        doing = "draining" if self._draining else "stalled" if stalled else "running"
        brief = self._brief()
        for each in self._said.anew(time.monotonic(), brief.warns):
            log.warning("%s", each)
        return ReceiverState(brief, self._vitals.status(doing, hearing.queues if hearing else {}), self._leaving)

    def _brief(self) -> ReceiverBrief:
        hearing, keep = self._hearing, self._config.keep
        if hearing is None:
            return ReceiverBrief(
                self._host, self._boot, "", 0, 0, None, 0, 0, 0, 0, None, keep, size=0, cadence=0.0, ended=False
            )
        stored, account = hearing.stored, hearing.stored.account
        return ReceiverBrief(
            host=self._host,
            boot=self._boot,
            spool=str(hearing.spool.path.resolve()),  # jobs name it so
            committed=stored.committed,
            oldest=stored.oldest,
            newest=stored.newest,
            received=account.received,
            lost=account.lost,
            dropped=account.dropped,
            late=self._vitals.counters["late"],
            samples=hearing.samples,
            ring=keep,
            size=hearing.spool.size,
            cadence=hearing.stream.setup.cadence,
            ended=stored.ended,
            warns=worries(hearing.signs())[:WARNS],
        )


def _hear(message: Control) -> None:
    """Ignore what the ventilator sends: the receiver needs nothing of it."""


def _open(future: "Future[Stream]", open_stream: OpenStream, config: Settings) -> None:
    """Open the stream, in a thread that nobody waits for."""
    try:
        future.set_result(open_stream(config))
    except BaseException as error:  # noqa: BLE001 it is raised in the loop
        future.set_exception(error)
