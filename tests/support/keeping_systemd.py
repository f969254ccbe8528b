"""What systemd does for a daemon whose unit has FileDescriptorStoreMax=: it takes sockets, and gives them again."""

import fcntl
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_APART = 200  # descriptors from here on are in nobody's way
_AT_ONCE = 64


class KeepingSystemd:
    """Hears what a daemon says on its NOTIFY_SOCKET, and holds what it stores."""

    def __init__(self, folder: Path) -> None:
        self._address = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        self.stored: dict[str, int] = {}  # descriptors, by name
        self._changed = threading.Lock()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", str(self._address))
        self._thread.join()
        self._socket.close()
        for descriptor in self.stored.values():
            os.close(descriptor)

    def environment(self) -> Mapping[str, str]:
        """What a daemon is started with."""
        with self._changed:
            names = ":".join(self.stored)
        return {"NOTIFY_SOCKET": str(self._address), "LISTEN_FDNAMES": names, "LISTEN_FDS": str(len(self.stored))}

    def command(self, command: Sequence[str]) -> tuple[list[str], tuple[int, ...]]:
        """The command that gives a daemon what is stored, and the descriptors that it has to be passed."""
        with self._changed:
            descriptors = tuple(self.stored.values())
        moved = " ".join(f"{3 + number}<&{each}" for number, each in enumerate(descriptors))
        return ["bash", "-c", f'LISTEN_PID=$$ exec "$@" {moved}', "bash", *command], descriptors

    def _hear(self) -> None:
        while True:
            message, found, _, _ = socket.recv_fds(self._socket, 1 << 16, _AT_ONCE)
            if not message:
                return
            said = dict(line.split("=", 1) for line in message.decode().splitlines())
            with self._changed:
                for each in found:
                    self.stored[said["FDNAME"]] = fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _APART)
                    os.close(each)
                if "FDSTOREREMOVE" in said:
                    with suppress(KeyError):
                        os.close(self.stored.pop(said["FDNAME"]))
