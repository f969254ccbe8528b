"""The monitor's state machine: the ventilator's status in, a web page out."""

import logging
import time

import zmq

from fip.config import Config, Loaded
from fip.data.errors import WireError
from fip.layout.keys import private_key
from fip.monitor.feed import Feed
from fip.monitor.server import Server
from fip.runtime.logs import set_level
from fip.runtime.service import Daemon, Loop
from fip.runtime.sockets import connect, control_socket, exposed
from fip.wire.codec import decode_control
from fip.wire.messages import STATE_INTERVAL, PipelineStatus

log = logging.getLogger("fip.monitor")

HEARD_WITHIN = 2.5  # s, of the ventilator, which speaks twice a second
REST = STATE_INTERVAL / 2  # s between two messages that are read, however many come: each tells all that there is


class Monitor(Daemon):
    """The ventilator's status in, a web page out."""

    reloads = ("monitor.log_level",)
    restarts = ("monitor", "security", "ventilator.status", "sink.directory")

    def __init__(self, loaded: Loaded, loop: Loop) -> None:
        self._loop = loop
        self._config = loaded.config
        self._feed = Feed()
        self._server = Server(loaded, self._feed)
        self._draining = False
        self._heard = -HEARD_WITHIN  # monotonic s
        self.reload(loaded.config)

    def start(self) -> None:
        """Listens to the ventilator, and serves."""
        self._status = control_socket(self._loop.context, zmq.SUB)
        self._status.setsockopt(zmq.CONFLATE, 1)  # the newest message alone is kept
        address = self._config.ventilator.status
        key = private_key(self._config.security, "operator", "viewer") if exposed(address) else None
        connect(self._status, address, key, key.ventilator if key else "")
        self._listen()
        self._server.start()
        log.info("the page is at %s", self._server.address)

    def drain(self) -> None:
        """There is nothing to wait for."""
        self._draining = True

    @property
    def finished(self) -> bool:
        """Whether it was told to end."""
        return self._draining

    def close(self) -> None:
        """Ends the web server."""
        self._server.close()

    def reload(self, config: Config) -> None:
        """Takes the log level."""
        set_level(config.monitor.log_level)

    @property
    def line(self) -> str:
        """What it serves, for an operator."""
        silent = time.monotonic() - self._heard > HEARD_WITHIN
        waits = f"; waits for the ventilator at {self._config.ventilator.status}" if silent else ""
        return f"serves {self._server.address}{waits}"

    def _listen(self) -> None:
        self._loop.on(self._status, self._on_status)

    def _on_status(self) -> None:
        self._loop.off(self._status)
        self._loop.at(time.monotonic() + REST, self._listen)
        try:
            message = decode_control(self._status.recv())
        except WireError as error:
            log.warning("from the ventilator: %s", error)
            return
        if isinstance(message, PipelineStatus):
            self._heard = time.monotonic()
            self._feed.hear(message)
