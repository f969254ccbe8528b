"""What a daemon tells the systemd that started it (sd_notify(3)); where none did, nothing is told."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """The line to systemd. A message that it cannot take now is not waited for: liveness is said again soon."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            self._socket.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._line = ""

    def ready(self) -> None:
        """It has started, or read its configuration again: `systemctl start` and `reload` end."""
        self._tell("READY=1")

    def alive(self) -> None:
        """It works: systemd kills a daemon that does not say so for as long as its unit's WatchdogSec=."""
        self._tell("WATCHDOG=1")

    def line(self, line: str) -> None:
        """What it does, for `systemctl status`; told where it differs from the last."""
        if line != self._line:
            self._tell(f"STATUS={line}")
        self._line = line

    def reloading(self) -> None:
        """It reads its configuration again, until it says that it is ready."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It drains."""
        self._tell("STOPPING=1")

    def close(self) -> None:
        """Tells nothing any more."""
        if self._socket:
            self._socket.close()
        self._socket = None

    def _tell(self, message: str) -> None:
        if self._socket:
            with suppress(OSError):
                self._socket.send(message.encode())
