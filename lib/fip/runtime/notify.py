"""What a daemon tells the systemd that started it (sd_notify(3)); where none did, nothing is told."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

HEARD_WITHIN = 10.0  # s for systemd to take what is said only once


class Notifier:
    """The line to systemd. What is said again soon, liveness and the line, is dropped where systemd is busy."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._line = ""

    @property
    def heard(self) -> bool:
        """Whether there is a systemd to tell."""
        return bool(self._address)

    def ready(self) -> None:
        """It has started, or read its configuration again: `systemctl start` and `reload` end."""
        self._tell("READY=1")

    def alive(self) -> None:
        """It works: systemd kills a daemon that does not say so for as long as its unit's WatchdogSec=."""
        self._tell("WATCHDOG=1", within=0.0)

    def line(self, line: str) -> None:
        """What it does, for `systemctl status`; told where it differs from the last."""
        if line != self._line:
            self._line = line if self._tell(f"STATUS={line}", within=0.0) else ""

    def reloading(self) -> None:
        """It reads its configuration again, until it says that it is ready."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It drains."""
        self._tell("STOPPING=1")

    def _tell(self, message: str, within: float = HEARD_WITHIN) -> bool:
        """Whether there is no systemd, or it took the message."""
        if not self._address:
            return True
        self._socket.settimeout(within)
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            return False
        return True
