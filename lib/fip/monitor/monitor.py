"""The monitor's state machine: the ventilator's status in, a web page out."""

import logging
import time
from pathlib import Path

import zmq

from fip.archive.at_rest import at_rest
from fip.archive.stamps import Stamp, stamp_of
from fip.client.run_file import read_run_file
from fip.config import Config, Loaded
from fip.data.errors import FipError, WireError
from fip.layout.keys import private_key
from fip.monitor.feed import Feed
from fip.monitor.server import Server
from fip.runtime.logs import set_level
from fip.runtime.service import Daemon, Loop
from fip.runtime.sockets import connect, control_socket, exposed
from fip.state.pipeline import PipelineState
from fip.wire.codec import decode_control
from fip.wire.messages import STATE_INTERVAL, PipelineStatus

log = logging.getLogger("fip.monitor")

HEARD_WITHIN = 2.5  # s, of the ventilator, which speaks twice a second
REST = STATE_INTERVAL / 2  # s between two messages that are read, however many come: each tells all that there is
LOOK_EVERY = 1.0  # s between two looks at what works in a directory


class Monitor(Daemon):
    """The ventilator's status in, a web page out.

    With a directory it is the page of that: of the run that images into it, whenever one does, and of what is stored.
    """

    reloads = ("monitor.log_level",)
    restarts = ("monitor", "security", "ventilator.status", "sink.directory")

    def __init__(self, loaded: Loaded, loop: Loop, directory: Path | None = None) -> None:
        self._loop = loop
        self._directory = directory
        self._pipeline: Config | None = loaded.config if directory is None else None
        self._config = loaded.config
        self._feed = Feed(loaded.config.monitor.directory or loaded.config.sink.directory)
        self._server = Server(loaded, self._feed, lambda: self._pipeline)
        self._draining = False
        self._heard = -HEARD_WITHIN  # monotonic s
        self._status: zmq.Socket[bytes] | None = None
        self._shown: Stamp | None = None  # of the ledger whose state at rest is shown
        self._said = ""
        self.reload(loaded.config)

    def start(self) -> None:
        """Listen to the ventilator, and serve."""
        if self._directory is None:
            self._listen_to(self._config)
        else:
            self._loop.every(LOOK_EVERY, self._look)
        self._server.start()
        log.info("the page is at %s", self._server.address)

    def drain(self) -> None:
        """There is nothing to wait for."""
        self._draining = True

    @property
    def finished(self) -> bool:
        """Whether it was asked to end."""
        return self._draining

    def close(self) -> None:
        """End the web server of the monitor."""
        self._server.close()

    def reload(self, config: Config) -> None:
        """Take the log level from the configuration."""
        set_level(config.monitor.log_level)

    @property
    def line(self) -> str:
        """What it serves, for an operator."""
        silent = self._pipeline and time.monotonic() - self._heard > HEARD_WITHIN
        waits = f"; waits for the ventilator at {self._pipeline.ventilator.status}" if silent and self._pipeline else ""
        return f"serves {self._server.address}{waits}"

    def _look(self) -> None:
        """Listen to the run that images into the directory; if there is none, show what is stored."""
        assert self._directory is not None
        try:
            found = read_run_file(self._directory)
            pipeline = found.reached(self._config) if found else None
            if pipeline != self._pipeline:
                self._stop_listening()
                self._shown = None
                if pipeline:
                    self._listen_to(pipeline)
            if pipeline is None and (stamp := stamp_of(self._directory)) != self._shown:
                self._feed.rest(at_rest(self._directory, time.time()))
                self._shown = stamp
            self._pipeline, self._said = pipeline, ""
        except FipError as error:  # it may be there again
            self._stop_listening()
            self._pipeline, self._shown = None, None
            self._feed.rest(PipelineState(time.time(), reasons=(str(error),)))
            if str(error) != self._said:
                log.warning("%s", error)
                self._said = str(error)

    def _listen_to(self, config: Config) -> None:
        self._status = control_socket(self._loop.context, zmq.SUB)
        self._status.setsockopt(zmq.CONFLATE, 1)  # the newest message alone is kept
        address = config.ventilator.status
        key = private_key(config.security, "operator", "viewer") if exposed(address) else None
        connect(self._status, address, key, key.ventilator if key else "")
        self._listen(self._status)

    def _stop_listening(self) -> None:
        if self._status:
            self._loop.off(self._status)
            self._status.close(0)
            self._status = None

    def _listen(self, status: "zmq.Socket[bytes]") -> None:
        if status is self._status:
            self._loop.on(status, lambda: self._on_status(status))

    def _on_status(self, status: "zmq.Socket[bytes]") -> None:
        self._loop.off(status)
        self._loop.at(time.monotonic() + REST, lambda: self._listen(status))
        try:
            message = decode_control(status.recv())
        except WireError as error:
            log.warning("from the ventilator: %s", error)
            return
        if isinstance(message, PipelineStatus):
            self._heard = time.monotonic()
            self._feed.hear(message)
