"""The web server, uvicorn, in a thread of its own beside a daemon's loop."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import uvicorn

from fip.config import Config, Loaded, Monitor
from fip.data.addresses import LOOPBACK
from fip.data.errors import ConfigError
from fip.monitor.app import make_app
from fip.monitor.feed import Feed
from fip.monitor.guard import Access, read_token
from fip.monitor.patience import Patient
from fip.runtime.door import LIMITS, Door, at_descriptor
from fip.runtime.sockets import host_name

BACKLOG = 128  # connections that the kernel holds until they are taken
_LOOPBACK = {name.strip("[]") for name in LOOPBACK}
END_WITHIN = 2  # s for answers under way when the monitor ends


class Server:
    """Serves the page of a feed until it is closed."""

    def __init__(self, loaded: Loaded, feed: Feed, pipeline: Callable[[], Config | None]) -> None:
        """Bind. `pipeline` says how to reach the pipeline that is shown now, None if there is none.

        ConfigError if the address cannot be had, or the token file cannot be used.
        """
        monitor = loaded.config.monitor
        token = read_token(monitor.token_file)
        self._socket = _bind(monitor)
        self.port: int = self._socket.getsockname()[1]
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        access = Access(_hosts(monitor), token, monitor.host in _LOOPBACK)
        app, self._broadcast = make_app(loaded, feed, access, pipeline)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=END_WITHIN,
                lifespan="on",
                http=cast(Any, partial(Patient, _door(self._socket))),
                ws="none",
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)

    @property
    def address(self) -> str:
        """The address of the page."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def start(self) -> None:
        """Begin to serve the page."""
        self._thread.start()

    def close(self) -> None:
        """End the streams, and serve no more."""
        self._broadcast.closing = True
        self._server.should_exit = True
        self._thread.join()


def _door(listener: socket.socket) -> Door:
    """The door of the web server's socket, in its thread."""

    def at(when: float, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_at(when, call)

    def hang_up(descriptor: int) -> None:
        with at_descriptor(descriptor) as opened, suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)

    door = Door(LIMITS["monitor.address"], "", at, hang_up)
    door.listens(listener.fileno())
    return door


def _bind(monitor: Monitor) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            monitor.host, monitor.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen()  # from now on browsers may come; they wait until it serves
    except OSError as error:
        raise ConfigError(f"monitor.address: {monitor.address} cannot be bound: {error.strerror}") from None
    return bound


def _hosts(monitor: Monitor) -> frozenset[str]:
    """Return the names by which it is reached: loopback's, also through `ssh -L`, its own, and configured ones."""
    names = {*_LOOPBACK, monitor.host, *monitor.hosts}
    if monitor.host not in _LOOPBACK:
        names |= {host_name(), socket.gethostname(), socket.getfqdn()}
    return frozenset(name.lower() for name in names)
