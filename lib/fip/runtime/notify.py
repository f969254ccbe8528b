"""What a daemon sends to the systemd that started it (sd_notify(3)); nothing, if none did."""

import os
import socket
from array import array
from collections.abc import Sequence

HEARD_WITHIN = 10.0  # s for systemd to take what is said only once


class Notifier:
    """The line to systemd. What is sent again soon, liveness and the status line, is dropped if systemd is busy."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.heard = bool(address)  # whether there is a systemd
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._line = ""

    def line(self, line: str) -> None:
        """Send what the daemon does, for `systemctl status`, if it differs from the last."""
        if line != self._line:
            self._line = line if self.tell(f"STATUS={line}", within=0.0) else ""

    def tell(self, message: str, within: float = HEARD_WITHIN, descriptors: Sequence[int] = ()) -> bool:
        """Send something in the words of sd_notify(3); return whether there is no systemd, or it took the message.

        `descriptors` go with it.
        """
        if not self.heard:
            return True
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
        self._socket.settimeout(within)
        try:
            self._socket.sendmsg([message.encode()], rights, 0, self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Say no more."""
        self._socket.close()
